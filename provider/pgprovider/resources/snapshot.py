"""The definition of every object in the managed schemas, as the program made it: whatever differs was done by hand.

The definitions lie in the database, in `supabase_migrations.schema_snapshot`; the state keeps their fingerprint
(`docs/decisions/0007-schema-snapshot.md`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pgprovider import connection as sessions
from pgprovider import differences, snapshots
from pgprovider.connection import Connection, lock
from pgprovider.differences import Change
from pgprovider.errors import Refused
from pgprovider.resources.base import Field, ObjectKind
from pgprovider.snapshots import Difference, Header
from pgprovider.steps.history import IDENTITY
from plugin.server import Context, Diff, Resource, Unfinished
from plugin.wire import UNKNOWN

NAMED = 5
SELF = f"table {snapshots.TABLE}: content"
LISTS = ("open", "writers")
AS_LEFT = "as the last `up` left it"


class SchemaSnapshot(ObjectKind):
    """Every object in the managed schemas, object by object; `drift` names what was changed by hand since.

    It changes nothing but its own two tables. It has to depend on everything that makes objects.
    """

    token = "pg:index:SchemaSnapshot"
    fields = {
        "name": Field(str, "the snapshot's name", required=True, identity=True),
        "schemas": Field(list, "the managed schemas", required=True),
        "open": Field(list, "those of them that a platform may add objects to"),
        "writers": Field(list, "logins that migrate beside `up`, and note their transactions as it does"),
        "of": Field(str, "any text that changes when anything declared changes", required=True),
        "accept": Field(str, "the fingerprint of a drift that is taken as it is", compared=False),
    }
    outputs = {
        "database": Field(str, "which database it was taken from"),
        "fingerprint": Field(str, "of the stored definitions"),
        "gate": Field(str, "of the transactions that wrote the catalogues; equal means that nothing changed"),
        "drift": Field(dict, "what was changed by hand, object to definitions `was` and `now`", items=dict),
        "pending": Field(list, "what an `up` that was cut off changed, to be taken into the snapshot"),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"snapshot {inputs['name']}"

    def same(self, name: str, one: Any, other: Any) -> bool:
        return super().same(name, one or [], other or []) if name in LISTS else super().same(name, one, other)

    async def diff(self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any]) -> Diff:
        diff = await super().diff(context, id, state, new)
        for key in state.get("drift") or {}:
            quoted = key.replace("\\", "\\\\").replace('"', '\\"')
            diff.changes[f'drift["{quoted}"]'] = "update"
        if state.get("pending"):
            diff.changes["pending"] = "update"
        return diff

    # What the engine asks for.

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        name = id
        async with self.database.transaction(self.label({"name": name})) as connection:
            header = await snapshots.header(connection, name) if await snapshots.there(connection) else None
            identity = await _identity(connection)
            moved = bool(state) and state["database"] != identity
            if header is None and (moved or not state):
                return None
            if header is None:
                found = {SELF: {"was": AS_LEFT, "now": "gone"}}
                await context.info(f"{SELF}: it is gone")
                return Resource(id, state | {"drift": found}, inputs)
            if state and not moved and state["gate"] == await snapshots.gate(connection, name):
                return Resource(id, state | {"drift": {}, "pending": []}, inputs)
            honest = await _honest(connection, name, header, None if moved else state.get("fingerprint"))
            by_hand, ours = await self._changes(connection, name, header, state)
        if not state and not honest:
            raise Refused(f"{self.label({'name': name})}: {snapshots.TABLE} was changed by hand; it can't be imported")
        drift = differences.drift(by_hand)
        if not honest:
            drift[SELF] = {"was": AS_LEFT, "now": "changed by hand"}
            await context.info(f"{SELF} was changed by hand; what is said to have been is not certain")
        for change in by_hand:
            await context.info(change.line)
        if not state:
            inputs = {"name": name, "schemas": header.schemas, "open": header.open, "of": header.of}
            state = inputs | {"database": identity, "fingerprint": header.fingerprint, "gate": ""}
        return Resource(id, state | {"drift": drift, "pending": [change.key for change in ours]}, inputs)

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        if preview:
            return inputs["name"], inputs | dict.fromkeys(self.outputs, UNKNOWN) | {"drift": {}, "pending": []}
        name = inputs["name"]
        async with self.database.transaction(self.label(inputs)) as connection:
            await lock(connection, self.label(inputs))
            header = await snapshots.header(connection, name) if await snapshots.there(connection) else None
            found: dict[str, Any] = {}
            kept: list[Change] = []
            if header is not None:  # the state was lost, or the run that took it ended before the engine could note it
                kept, _ = await self._changes(connection, name, header, {})
                found = differences.drift(kept)
                if not await _honest(connection, name, header, None):
                    found[SELF] = {"was": AS_LEFT, "now": "changed by hand"}
            if found and inputs.get("accept") != differences.fingerprint(found):
                assert header is not None
                state = inputs | {
                    "database": await _identity(connection),
                    "fingerprint": header.fingerprint,
                    "gate": "",
                }
                unfinished = state | {"drift": found, "pending": []}
                for change in kept:
                    await context.info(change.line)
                raise Unfinished(self._refusal(inputs, found), name, unfinished)
            state = await self._take(connection, inputs, None, [], first=header is None)
        return name, self._finished(inputs, name, state)

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        if preview:
            return new | {
                "database": state["database"],
                "fingerprint": UNKNOWN,
                "gate": UNKNOWN,
                "drift": {},
                "pending": [],
            }
        name = new["name"]
        async with self.database.transaction(self.label(new)) as connection:
            await lock(connection, self.label(new))
            known = state.get("drift") or {}
            header = await snapshots.header(connection, name) if await snapshots.there(connection) else None
            if header is None or not await _honest(connection, name, header, state["fingerprint"]):
                # There is nothing to compare with that could be trusted.
                broken = known if SELF in known else known | {SELF: {"was": AS_LEFT, "now": "changed by hand"}}
                if new.get("accept") != differences.fingerprint(broken):
                    raise Refused(self._refusal(new, broken))
                return await self._take(connection, new, state["fingerprint"], [])
            found = await snapshots.compare(connection, name, new["schemas"], None)
            still = [change for change in differences.changes(found, new.get("open") or []) if _stays(change, known)]
            if still and new.get("accept") == differences.fingerprint(differences.drift(still)):
                still = []
            taken = await self._take(connection, new, state["fingerprint"], still)
        return self._finished(new, id, taken)

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        async with self.database.transaction(self.label(state)) as connection:
            await lock(connection, self.label(state))
            await snapshots.drop(connection, state["name"])

    # What they have in common.

    async def _changes(
        self, connection: Connection, name: str, header: Header, state: Mapping[str, Any]
    ) -> tuple[list[Change], list[Change]]:
        """What differs from the snapshot: made by hand, and made by a run of ours that didn't come to its end."""
        schemas = state.get("schemas") or header.schemas
        touched = await snapshots.touched(connection, name, schemas)
        found = await snapshots.compare(connection, name, schemas, touched) if touched else []
        own = await snapshots.own(connection) if found else []
        known = state.get("drift") or {}
        ours: list[Difference] = []
        by_hand: list[Difference] = []
        for row in found:
            noted = row.object in known or f"{row.object}: {row.facet}" in known
            (ours if not noted and _is_own(row, own) else by_hand).append(row)
        return differences.changes(by_hand, header.open), differences.changes(ours, header.open)

    async def _take(
        self,
        connection: Connection,
        inputs: Mapping[str, Any],
        previous: str | None,
        kept: list[Change],
        first: bool = False,
    ) -> dict[str, Any]:
        """Store what is there, but for what is kept as it was; the state that tells of it."""
        await snapshots.prepare(connection, inputs.get("writers") or [])
        name = inputs["name"]
        header = Header("", previous, inputs["of"], list(inputs["schemas"]), list(inputs.get("open") or []))
        fingerprint = await snapshots.take(connection, name, header, [row for change in kept for row in change.rows])
        if first:
            # A door that stood open from the start is no less open.
            rows = await snapshots.opened(connection, name)
            kept = differences.changes(rows)
            if inputs.get("accept") == differences.fingerprint(differences.drift(kept)):
                kept = []
            if kept:
                fingerprint = await snapshots.take(connection, name, header, rows)
        return {
            **inputs,
            "database": await _identity(connection),
            "fingerprint": fingerprint,
            "gate": "" if kept else await snapshots.gate(connection, name),
            "drift": differences.drift(kept),
            "pending": [],
        }

    def _finished(self, inputs: Mapping[str, Any], id: str, state: dict[str, Any]) -> dict[str, Any]:
        """The state, where nothing is left that only a person can decide."""
        if state["drift"]:
            raise Unfinished(self._refusal(inputs, state["drift"]), id, state)
        return state

    def _refusal(self, inputs: Mapping[str, Any], drift: Mapping[str, Any]) -> str:
        names = sorted(drift)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return (
            f"{self.label(inputs)}: changed by hand and declared nowhere: {', '.join(names[:NAMED])}{more}; undo it, "
            "or write it as a migration and undo it, or take exactly this as it is: "
            f"`pulumi config set database:acceptDrift {differences.fingerprint(drift)}`"
        )


def _stays(change: Change, known: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a change was drift at the last read already; a partition that is open is drift whoever opened it."""
    entry = known.get(change.key)
    noted = entry is not None and (entry.get("was"), entry.get("now")) == (change.was, change.now)
    return noted or change.facet.startswith("partition ")


def _is_own(difference: Difference, own: Sequence[snapshots.Own]) -> bool:
    """Whether the last to write this was a transaction of ours. What is gone has no writer: there the label decides."""
    if difference.now is not None:
        written = difference.written
        return written is not None and any(each.first <= written <= each.last for each in own)
    word = (difference.facet or difference.object).rpartition(" ")[2]
    labels = [each.label for each in own]
    return any(label.startswith("migrations ") or difference.object in label or word in label for label in labels)


async def _honest(connection: Connection, name: str, header: Header, expected: str | None) -> bool:
    """Whether the stored definitions are the ones that we stored.

    A run that was cut off after it stored them has left the engine with the fingerprint of those before.
    """
    if await snapshots.fingerprint(connection, name) != header.fingerprint:
        return False
    return expected is None or expected in (header.fingerprint, header.previous)


async def _identity(connection: Connection) -> str:
    found = await sessions.row(connection, IDENTITY, [])
    assert found is not None
    return str(found["identity"])
