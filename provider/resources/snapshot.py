"""The definition of every object in the managed schemas, as the program made it: what differs was changed manually.

Two resources stand around a run. `SchemaSnapshot` comes before everything that writes: it names what differs, and an
`up` doesn't begin before that was undone, written down or accepted. Each migration takes what it changes into the
snapshot within its own transaction. `SchemaCheckpoint` comes last, takes in what other resources hold, and names
whatever still differs. The definitions lie in the database, in `supabase_migrations.schema_snapshot`
(`docs/decisions/0007-schema-snapshot.md`).
"""

import getpass
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from plugin.server import Context, Diff, Resource
from plugin.wire import UNKNOWN, has_unknown
from provider import differences, holding, snapshots
from provider.connection import Connection, lock
from provider.differences import ManualChange
from provider.errors import Refused
from provider.manualchanges import Drift, Seen, look, named
from provider.resources.base import Field, ObjectKind
from provider.snapshots import Difference, Header
from provider.steps.history import identity

# In the URN of what belongs to an adopted database.
ADOPTED = "vpb:index:AdoptedDatabase$"
LISTS = ("open", "held", "platform")
# What an import knows of the last run.
UNKNOWN_END = {"of": "", "record": {}, "at": "", "by": "", "forced": {}}
# Who has started a pipeline of GitHub's.
ACTOR = "GITHUB_ACTOR"


class SchemaSnapshot(ObjectKind):
    """Every object in the managed schemas, object by object; `drift` names what was changed manually since.

    Everything that writes to the database has to depend on it.
    """

    token = "pg:index:SchemaSnapshot"
    fields = {
        "name": Field(str, "the snapshot's name", required=True, identity=True),
        "schemas": Field(list, "the managed schemas", required=True),
        "open": Field(list, "those of them that are a platform's: what it changes there of its own is no drift"),
        "held": Field(
            list, "patterns of the objects and facets that other resources hold, such as `schema ops: grants`"
        ),
        "platform": Field(
            list,
            "those of them that are a platform's whose login we have: its own objects, there and beside our schemas, "
            "are no drift; our triggers are",
        ),
        "left": Field(dict, "partition to in what it is left open where its table is closed, where it was adopted so"),
        "accept": Field(str, "the fingerprint of a drift that is taken as it is", compared=False),
    }
    outputs = {
        "database": Field(str, "which database it was taken in"),
        "drift": Field(dict, "what was changed manually, object to definitions `was` and `now`", items=dict),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"snapshot {inputs['name']}"

    def same(self, name: str, one: Any, other: Any) -> bool:
        if name == "left":
            return (one or {}) == (other or {})
        return super().same(name, one or [], other or []) if name in LISTS else super().same(name, one, other)

    async def diff(self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any]) -> Diff:
        diff = await super().diff(context, id, state, new)
        if self.connections is not None and self.is_declared(context, new):
            self.connections.looked = True
        for key in await self._drift_now(state, new):
            quoted = key.replace("\\", "\\\\").replace('"', '\\"')
            diff.changes[f'drift["{quoted}"]'] = "update"
        return diff

    async def _drift_now(self, state: Mapping[str, Any], new: Mapping[str, Any]) -> Drift:
        """What differs at this moment, also in a run without a refresh; what the state says where nobody can look."""
        if self.connections is None or has_unknown(new):
            return dict(state.get("drift") or {})
        async with self.database.transaction(self.label(new)) as connection:
            return (await self._look(connection, new["name"], new, state)).drift

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        async with self.database.transaction(self.label({"name": id})) as connection:
            seen = await self._look(connection, id, inputs, state)
            database = await identity(connection)
            if inputs.get("left") and seen.header is not None:
                for row in await snapshots.opened(connection, id, {}):
                    await context.info(f"left open: {row.facet} of {row.object}, which is closed: {row.now}")
        if seen.header is None and not seen.broken:
            if state:
                await context.info(f"{self.label({'name': id})} is gone from the server")
            return None
        for line in seen.lines:
            await context.info(line)
        if not state:
            inputs = {
                "name": id,
                **{name: getattr(seen.header, name) for name in ("schemas", *LISTS)},
            }
            if seen.header is not None and seen.header.left is not None:
                inputs["left"] = seen.header.left
        return Resource(id, (state or inputs) | {"database": database, "drift": seen.drift}, inputs)

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        name = inputs["name"]
        if preview:
            if self.connections is not None and not has_unknown(inputs):
                async with self.database.transaction(self.label(inputs)) as connection:
                    for line in (await self._look(connection, name, inputs)).lines:
                        await context.info(line)
            return name, inputs | {"database": UNKNOWN, "drift": {}}
        self.database.looked = True
        async with self.database.transaction(self.label(inputs)) as connection:
            await lock(connection, self.label(inputs))
            await self._refuse_other_stacks(connection, inputs, context.urn)
            await holding.prepare(connection)
            seen = await self._look(connection, name, inputs)
            if seen.header is None:
                await self._begin(connection, inputs)
            else:  # the state was lost, or the run that made it ended before the engine could note it
                await self._go_on(connection, seen, inputs)
            await holding.claim(connection, self._object(inputs), context.urn, None)
            return name, inputs | {"database": await identity(connection), "drift": {}}

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        if preview:
            return new | {"database": state["database"], "drift": {}}
        async with self.database.transaction(self.label(new)) as connection:
            await lock(connection, self.label(new))
            # What leaves the list is stored as the last run left it, so what differs of it is a manual change.
            seen = await self._look(connection, new["name"], new, state)
            await self._go_on(connection, seen, new)
            return new | {"database": await identity(connection), "drift": {}}

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        async with self.database.transaction(self.label(state)) as connection:
            await lock(connection, self.label(state))
            released = await holding.release(connection, self._object(state), context.urn)
            if released and released.others:
                await context.info(f"{self.label(state)} stays: {released.others[0]} holds it too")
            else:
                await snapshots.drop(connection, state["name"])
                await holding.drop(connection)

    async def _refuse_other_stacks(self, connection: Connection, inputs: Mapping[str, Any], urn: str) -> None:
        """A second stack would give the logins other passwords and seal with other keys.

        :raises Refused: where another stack holds this database
        """
        for holder in await holding.holders(connection, self._object(inputs)):
            if holding.stack(holder) != holding.stack(urn):
                raise Refused(
                    f"{self.label(inputs)}: stack {holding.stack(holder)} holds this database; take that stack down, "
                    f"or use another database. If it is gone or has another name now: `update {holding.NAME} set "
                    f"owners = array_remove(owners, '{holder}') where object = '{self._object(inputs)}'`"
                )
            if (ADOPTED in holder) != (ADOPTED in urn):
                was = "adopted, and this is the app's program" if ADOPTED in holder else "the app's, and isn't adopted"
                raise Refused(f"{self.label(inputs)}: the database is {was}; put database:adopted back as it was")

    async def _look(
        self,
        connection: Connection,
        name: str,
        inputs: Mapping[str, Any],
        state: Mapping[str, Any] | None = None,
    ) -> Seen:
        """Compare, and know again what migrations of a run that failed have changed of other resources."""
        held = inputs.get("held") or [] if inputs else None
        self.database.changes.update(await snapshots.noted_changes(connection, name))
        return await look(connection, name, held, state, inputs.get("left"))

    async def _begin(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        """Store what is there before this project has made anything; of partitions that stand open those left so."""
        name = inputs["name"]
        await snapshots.prepare(connection)
        header = replace(_header(inputs), announced=await snapshots.announced(connection))
        await snapshots.take(connection, name, header, None, [])
        opened = await snapshots.opened(connection, name, header.left or {})
        platform = differences.Platform(header.schemas, header.platform)
        self._refuse(inputs, differences.drift(differences.changes(opened, header.open, header.held, platform)))
        await snapshots.note_gate(connection, name)

    async def _go_on(self, connection: Connection, seen: Seen, inputs: Mapping[str, Any]) -> None:
        """Take in what is accepted and what other resources hold.

        :raises Refused: for a drift that isn't accepted
        """
        self._refuse(inputs, seen.drift)
        await snapshots.prepare(connection)
        if seen.broken:
            await connection.execute(f"delete from {snapshots.PENDING}")
        header = replace(_header(inputs), announced=await snapshots.announced(connection))
        await snapshots.take(connection, inputs["name"], header, None, _rows(change for change, _ in seen.begun))
        if not seen.begun:
            await snapshots.note_gate(connection, inputs["name"])

    def _refuse(self, inputs: Mapping[str, Any], drift: Drift) -> None:
        """:raises Refused: for a drift that isn't accepted"""
        if not drift or inputs.get("accept") == differences.fingerprint(drift):
            return
        raise Refused(
            f"{self.label(inputs)}: changed manually and declared nowhere: {named(drift)}; this run has changed "
            "nothing. Undo it, or write it as a migration and undo it, or take exactly this as it is: "
            f"`pulumi config set database:acceptDrift {differences.fingerprint(drift)}`"
        )


class SchemaCheckpoint(ObjectKind):
    """The end of a run: what other resources have made is in the snapshot, and nothing else differs.

    It has to depend on everything that writes to the database.
    """

    token = "pg:index:SchemaCheckpoint"
    fields = {
        "snapshot": Field(str, "the name of the snapshot", required=True, identity=True),
        "of": Field(str, "any text that changes when anything declared changes", required=True),
        "record": Field(dict, "what is declared, entry by entry, as the next stack compares it", items=dict),
        "resources": Field(
            int, "how many resources the run has; where it leaves some out, `of` and `record` stay", compared=False
        ),
        "unpromoted": Field(
            dict,
            "what the stack before hasn't had, to its digest `of` and the `reason` why",
            items=dict,
            compared=False,
        ),
    }
    outputs = {
        "at": Field(str, "when a run came to its end that has changed what is declared, in UTC"),
        "by": Field(str, "who ran it: the actor of a pipeline, or the account on the machine"),
        "forced": Field(
            dict,
            "`unpromoted`, each with `at` and `by` of the run that made it; goes with the first change after the stack "
            "before has had it",
            items=dict,
        ),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"checkpoint of snapshot {inputs['snapshot']}"

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        async with self.database.transaction(self.label({"snapshot": id})) as connection:
            there = await snapshots.there(connection) and await snapshots.header(connection, id) is not None
        return (
            Resource(id, state or UNKNOWN_END | {"snapshot": id}, inputs or {"snapshot": id, "of": ""})
            if there
            else None
        )

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        if preview:
            return inputs["snapshot"], inputs | dict.fromkeys(self.outputs, UNKNOWN)
        await self._take(context, inputs)
        return inputs["snapshot"], inputs | await self._ended(context, {}, inputs)

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        if preview:
            return new | dict.fromkeys(self.outputs, UNKNOWN)
        await self._take(context, new)
        return new | await self._ended(context, state, new)

    async def _ended(self, context: Context, state: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """What this run has brought, when and by whom; as it was where the run was a part of the program."""
        left_out = (new.get("resources") or 0) - len(self.database.declared)
        if left_out <= 0:
            return _ended(state, new)
        await context.info(
            f"{self.label(new)}: this run leaves out {left_out} of {new['resources']} resources (`--target`, "
            "`--exclude`), so what this stack has had stays as it was; an `up` of all of them records it"
        )
        return {name: state.get(name, end) for name, end in UNKNOWN_END.items()}

    async def _take(self, context: Context, inputs: Mapping[str, Any]) -> None:
        name = inputs["snapshot"]
        async with self.database.transaction(self.label(inputs)) as connection:
            await lock(connection, self.label(inputs))
            seen = await look(connection, name)
            if seen.header is None:
                raise Refused(f"{self.label(inputs)}: there is no such snapshot; something removed it during this run")
            if not seen.broken:
                kept = _rows([*seen.manual, *(change for change, _ in seen.begun)])
                await snapshots.take(connection, name, seen.header, None, kept)
            await snapshots.forget_changes(connection, name)
            if not seen.drift and not seen.begun:
                await snapshots.note_gate(connection, name)
        if seen.drift:
            for line in seen.lines:
                await context.info(line)
            raise Refused(
                f"{self.label(inputs)}: changed while this run was under way or left by a killed migration whose "
                f"files are gone, and declared nowhere: "
                f"{named(seen.drift)}; run again, it says how to go on"
            )

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        """Nothing: the snapshot itself goes with its own resource."""


def _ended(state: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Now, who runs this, and what of it is forced; what an earlier run has forced keeps that run's reason."""
    end = {"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "by": os.environ.get(ACTOR) or _account()}
    before, now = state.get("forced") or {}, inputs.get("unpromoted") or {}
    same = {what: was for what, was in before.items() if what in now and was["of"] == now[what]["of"]}
    return end | {"forced": {what: same.get(what, given | end) for what, given in now.items()}}


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _header(inputs: Mapping[str, Any]) -> Header:
    schemas, open, held, platform = (list(inputs.get(name) or []) for name in ("schemas", *LISTS))
    return Header("", schemas, open, held, platform=platform, left=inputs.get("left"))


def _rows(changes: Iterable[ManualChange]) -> list[Difference]:
    return [row for change in changes for row in change.rows]
