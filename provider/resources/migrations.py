"""The numbered migrations of a folder: applied in order, recorded in a history table, rolled back when they leave it.

The history is the truth, and says which resources hold a migration. The state is asked only where it is of the same
incarnation of the database; an older state, a lost one or another database has no say in what was applied.

One resource holds all migrations of a folder, since a thousand resources would cost the engine a minute and one costs
nothing (`docs/decisions/0004-one-resource-for-all-steps.md`). A preview still has a line for each pending migration.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

from declared import sqlfiles
from declared.schemas import HISTORY_TABLE
from plugin.server import CheckFailure, Context, Diff, Resource
from plugin.wire import UNKNOWN, has_unknown
from provider import snapshots
from provider.connection import lock
from provider.errors import Refused
from provider.holding import destroying
from provider.manualchanges import refuse_drift
from provider.resources.base import Field, ObjectKind
from provider.steps import losses, plan, serverwide
from provider.steps.adoption import adopted
from provider.steps.history import ADOPTED, History, Recorded, split
from provider.steps.runner import find_renames, running

Known = Callable[[Recorded], Mapping[str, str]]


class MigrationSet(ObjectKind):
    """Each migration is one transaction with its history row; `steps` maps a migration's name to its checksum."""

    token = "pg:index:MigrationSet"
    in_one_database = True
    fields = {
        "folder": Field(str, "the folder of the migrations, relative to the project", required=True, identity=True),
        "history": Field(str, "the history table, with its schema", default=HISTORY_TABLE),
        "role": Field(str, "the role that the migrations run as, and that owns what they make"),
        "steps": Field(dict, "migration to checksum", required=True),
        "protect": Field(
            bool, "whether a migration whose rollback loses data is refused to be rolled back", default=False
        ),
        "allow": Field(list, "the migrations that may lose their data all the same"),
    }
    outputs = {
        "database": Field(str, "which database the migrations were applied to"),
        "applied": Field(dict, "what this stack has applied there, migration to checksum"),
        "incarnation": Field(str, "of the history that it was last in step with"),
    }
    root: Path
    """The folder that `folder` lies in."""

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"migrations {inputs['folder']}"

    async def check(
        self, context: Context, old: dict[str, Any], new: dict[str, Any]
    ) -> tuple[dict[str, Any], list[CheckFailure]]:
        inputs, failures = await super().check(context, old, new)
        if not failures and isinstance(inputs.get("steps"), dict):
            edited = plan.edited(inputs["folder"], old.get("steps") or {}, inputs["steps"])
            failures = [CheckFailure("steps", reason) for reason in edited]
        return inputs, failures

    def id(self, inputs: Mapping[str, Any]) -> str:
        history = inputs.get("history", HISTORY_TABLE)
        return str(inputs["folder"]) if history == HISTORY_TABLE else f"{inputs['folder']}@{history}"

    def parse_id(self, id: str) -> dict[str, str]:
        folder, _, history = id.partition("@")
        return {"folder": folder, "history": history or HISTORY_TABLE}

    async def diff(self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any]) -> Diff:
        was, unfinished = await self._as_refreshed(new, state.get("steps") or {})
        diff = await super().diff(context, id, {**state, "steps": was}, new)
        if not self.is_declared(context, new):
            return diff
        to_run = {(split(name)[0], "up") for name in new["steps"].keys() - was.keys()}
        to_run |= {(split(name)[0], "down") for name in was}
        for version in sorted({each.version for each in unfinished if (each.version, each.direction) not in to_run}):
            # Only a run says so in the database, and then what it has left isn't taken for a migration's any more.
            diff.changes[f'steps["{version}"]'] = "update"
            await context.info(
                f"{self.label(new)}: {version} was begun outside a transaction, isn't done and won't be run any more; "
                "from this `up` on, what it has left is reported as a manual change"
            )
        # A refresh takes a migration whose row is gone out of the inputs, so `check` can't know all that was applied.
        foreseen = await self._foreseen(new, was)
        known = {**(state.get("applied") or {}), **was}
        for name, step in foreseen.moved.items():
            known = {key: each for key, each in known.items() if key != name} | {step.name: step.checksum}
        plan.refuse_misplaced(new["folder"], known, new["steps"])
        await self._refuse_lost(state, new, was.keys() | new["steps"].keys())
        await self._announce(context, was, new["steps"], foreseen, state.get("applied") or {})
        return diff

    async def _refuse_lost(self, state: Mapping[str, Any], new: Mapping[str, Any], found: Set[str]) -> None:
        """
        :raises Refused: for what was applied here and has neither a row nor files any more
        """
        applied = {name: each for name, each in (state.get("applied") or {}).items() if name not in found}
        if not applied or self.connections is None or has_unknown(new):
            return
        async with self.database.transaction(self.label(new)) as connection:
            recorded = await History(new["history"]).read(connection)
        for name in sorted(_applied({**state, "applied": applied}, recorded).keys() - recorded.steps.keys()):
            plan.refuse_rowless(name)

    async def _after_migrations(self, state: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """As it is: one folder's migrations don't undo another's."""
        return state

    async def _as_refreshed(
        self, new: Mapping[str, Any], was: Mapping[str, str]
    ) -> tuple[dict[str, str], set[snapshots.PendingStatement]]:
        """The state's migrations, those that a failed run left half rolled back without checksum: also unrefreshed.

        With the statements that were begun outside a transaction and aren't done.
        """
        if self.connections is None or has_unknown(new):
            return dict(was), set()
        async with self.database.transaction(self.label(new)) as connection:
            half_back = await History(new["history"]).begun(connection, "down")
            unfinished = await snapshots.pending_statements(connection, new["history"])
        return {name: "" if split(name)[0] in half_back else checksum for name, checksum in was.items()}, unfinished

    async def _foreseen(self, new: Mapping[str, Any], was: Mapping[str, str]) -> "Foreseen":
        """What only the server knows of the migrations that leave the folder, where it can be asked.

        :raises Refused: for what `up` would refuse, so in the preview already
        """
        gone, more = was.keys() - new["steps"].keys(), new["steps"].keys() - was.keys()
        # Without a checksum in the state: half rolled back, perhaps.
        if not (gone or more or "" in was.values()) or has_unknown(new) or self.connections is None:
            return Foreseen()
        order, history = self._order(new), History(new["history"])
        async with self.database.transaction(self.label(new)) as connection:
            if not await history.is_there(connection):
                return Foreseen()
            recorded = await history.read(connection)
            files = plan.read_steps(order) if more else {}
            moved = await find_renames(connection, history, order, recorded, files)
            downs = await history.downs(connection, (gone - moved.keys()) | recorded.half_back)
            plan.refuse_losses(order, downs, recorded.half_back)
            taken = {step.name for step in moved.values()} | recorded.steps.keys()
            ups = {name: step.up for name, step in files.items() if name in more and name not in taken}
            # Before the first migration nothing is there to lose.
            lost = await losses.ahead(connection, ups) if recorded.steps else {}
            return Foreseen(moved, await losses.in_words(connection, downs) | lost)

    async def _announce(
        self,
        context: Context,
        was: Mapping[str, str],
        wanted: Mapping[str, str],
        foreseen: "Foreseen",
        applied: Mapping[str, str],
    ) -> None:
        # One message of many lines: with a thousand migrations, a message each takes as long as the migrations
        # themselves.
        moved = {name: step.name for name, step in foreseen.moved.items()}
        lines = [f"rename {name} to {new}: the text is the same, it doesn't run again" for name, new in moved.items()]
        lines += [
            f"roll back {name}" + foreseen.lost.get(name, "")
            for name in sorted(was.keys() - wanted.keys() - moved.keys(), reverse=True)
        ]
        lines += [
            f"put back the row of {name}: it was applied, it doesn't run again"
            if name in applied
            else f"record {name}: it was adopted from this database, it doesn't run"
            if name in foreseen.adopted
            else f"apply {name}" + foreseen.lost.get(name, "")
            for name in sorted(wanted.keys() - was.keys() - {*moved.values()})
        ]
        if lines:
            await context.info("\n".join(lines))

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        if preview:
            was = await self._recorded(inputs)
            foreseen = replace(await self._foreseen(inputs, was), adopted=await self._adopted(inputs, was))
            await self._announce(context, was, inputs["steps"], foreseen, {})
            await self._try_migrations(context, was, {}, inputs)
            return self.id(inputs), inputs | dict.fromkeys(self.outputs, UNKNOWN)
        return self.id(inputs), await self._run(context, partial(_applied, {}), inputs)

    async def _adopted(self, inputs: Mapping[str, Any], was: Mapping[str, str]) -> frozenset[str]:
        """The migrations that describe this database as it was found, where it can be asked which one it is."""
        if self.connections is None or has_unknown(inputs) or not inputs["steps"].keys() - was.keys():
            return frozenset()
        files = plan.read_steps(self._order(inputs))
        async with self.database.transaction(self.label(inputs)) as connection:
            return frozenset(await adopted(connection, (step for name, step in files.items() if name not in was)))

    async def _recorded(self, inputs: Mapping[str, Any]) -> Mapping[str, str]:
        """What the history has, where it can be asked: with the state lost, most is applied already."""
        if self.connections is None:
            return {}
        async with self.database.transaction(self.label(inputs)) as connection:
            found = await History(inputs["history"]).read(connection)
        return {name: checksum or "" for name, checksum in found.steps.items()}

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        if preview:
            was = {name: checksum for name, checksum in state["steps"].items() if checksum}
            await self._try_migrations(context, was, state, new)
            return new | dict.fromkeys(self.outputs, UNKNOWN)
        return await self._run(context, partial(_applied, state), new)

    async def _try_migrations(
        self, context: Context, was: Mapping[str, str], state: Mapping[str, Any], new: Mapping[str, Any]
    ) -> None:
        """Run on the copy what `up` would run, unless a script reaches beyond its database."""
        if self.rehearsal is None or self.connections is None or has_unknown(new):
            return
        recorded, pending = await self._pending(was, new)
        if pending and (why := await self._cannot_be_tried(new, pending)):
            return await self.rehearsal.give_up(context, why)
        self.rehearsal.histories.add(new["history"])

        async def run(kind: ObjectKind, quiet: Context) -> None:
            assert isinstance(kind, MigrationSet)
            # The copy has another identity than the database that the state knows, and the same history.
            await kind._run(quiet, lambda _: _applied(state, recorded), new)

        if not await self._attempt(context, new, run):
            await self.rehearsal.give_up(context, f"{self.label(new)} couldn't be tried")

    async def _cannot_be_tried(self, new: Mapping[str, Any], pending: Sequence[tuple[str, str]]) -> str:
        """Why scripts might change more than their database; an empty text where they can't."""
        async with self.database.transaction(self.label(new)) as connection:
            return await serverwide.cannot_be_tried(connection, self.label(new), new.get("role"), pending)

    async def _pending(self, was: Mapping[str, str], new: Mapping[str, Any]) -> tuple[Recorded, list[tuple[str, str]]]:
        """What the history has, and the scripts that `up` would run, each with its path."""
        order, history = self._order(new), History(new["history"])
        ups = plan.read_steps(order) if new["steps"].keys() - was.keys() else {}
        async with self.database.transaction(self.label(new)) as connection:
            recorded = await history.read(connection)
            there = await history.is_there(connection)
            downs = await history.downs(connection, was.keys() - new["steps"].keys()) if there else {}
        found = [(f"{order.folder}/{name}.down.sql", text or "") for name, text in downs.items()]
        return recorded, found + [
            (f"{order.folder}/{name}.up.sql", step.up) for name, step in ups.items() if name not in was
        ]

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        """Roll back what this resource alone holds. What another one holds too, or made, stays with all its rows.

        Pulumi's own option `protect` keeps a set from being destroyed.

        :raises Refused: where rows would be lost and it isn't a `destroy`
        """
        label, history = self.label(state), History(state["history"])
        async with self.database.transaction(label) as connection:
            if not await history.is_there(connection):
                await context.info(f"{label}: {state['history']} is gone, so nothing was rolled back")
                return
            await lock(connection, label)
            recorded = await history.read(connection)
            ours = list(takewhile(lambda name: recorded.holders[name] == {context.urn}, reversed(list(recorded.steps))))
            if ours and not destroying(context.urn):
                lost = await losses.of(connection, await history.downs(connection, ours))
                if lost.rows or lost.code:
                    raise Refused(
                        f"{label}: deleting it rolls back {len(ours)} migrations: {lost}; only a destroy of the stack "
                        "does that. Put the resource back, or, if you mean it, run `./pulumiw destroy`"
                    )
            kept = {name: checksum or "" for name, checksum in recorded.steps.items() if name not in ours}
        if ours:
            # A destroy was confirmed, and what has no rows loses none: that is more than `protect` asks.
            await self._run(context, partial(_applied, state), {**state, "steps": kept, "protect": False})
        async with self.database.transaction(label) as connection:
            await snapshots.clear_pending(connection, await snapshots.pending_statements(connection, history.name))
            if not kept:
                await history.drop(connection)
                return
            await history.make(connection)
            await history.release(connection, context.urn)
        holders = {holder for name in kept for holder in recorded.holders[name]} - {context.urn, ADOPTED}
        who = f"{min(holders)} holds them" if holders else "they were there before this stack adopted them"
        await context.info(f"{label}: {len(kept)} migrations stay with their tables and rows, since {who}")

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        inputs = inputs or {**self.parse_id(id), "protect": False}
        async with self.database.transaction(self.label(inputs)) as connection:
            recorded = await History(inputs["history"]).read(connection)
        if not state and not recorded.steps:
            return None
        seen = {name: checksum or state.get("steps", {}).get(name, "") for name, checksum in recorded.steps.items()}
        # Neither there nor gone: whatever is declared, the next update has something to do.
        seen |= dict.fromkeys(recorded.half_back, "")
        if state:
            await self._tell(context, state, seen, recorded)
        found = {
            "database": recorded.identity,
            "incarnation": recorded.incarnation,
            "applied": _applied(state, recorded) if state else seen,
        }
        inputs = inputs | {"steps": seen}
        return Resource(id, state | inputs | found, inputs)

    async def _tell(
        self, context: Context, state: Mapping[str, Any], seen: Mapping[str, str], recorded: Recorded
    ) -> None:
        label, history = self.label(state), state["history"]
        if state["database"] != recorded.identity:
            await context.info(f"{label}: this is another database than the one the migrations were applied to")
        # An earlier refresh has taken the migration out of the state's; what was applied here is known all the same.
        gone = sorted({*state["steps"], *_applied(state, recorded)} - seen.keys())
        if gone and not _is_same(state, recorded):
            await context.info(
                f"{label}: {history} isn't the one that this stack's state knows: the database was restored to an "
                f"earlier instant, or the state is an older one; what the database says counts: {', '.join(gone)} "
                "isn't applied"
            )
        for name in gone if _is_same(state, recorded) else ():
            await context.info(f"{label}: the row of {name} is gone from {history}")
        for name, checksum in state["steps"].items():
            if name in recorded.half_back:
                await context.info(
                    f"{label}: {name} was left half rolled back; it is rolled back to its end, and applied again if "
                    "its files are there"
                )
            elif name in seen and seen[name] != checksum:
                await context.info(f"{label}: the row of {name} in {history} has another checksum")
        for name in sorted(seen.keys() - state["steps"].keys()):
            if context.urn not in recorded.holders[name] and recorded.holders[name]:
                await context.info(f"{label}: {history} has a row of {name}, applied by somebody else")

    async def _run(self, context: Context, known: Known, new: Mapping[str, Any]) -> dict[str, Any]:
        """
        Args:
            known: says what this stack has applied, of the history that is found.
        """
        await self.end_preview()
        if not self.database.looked and not destroying(context.urn):
            async with self.database.transaction(self.label(new)) as connection:
                await refuse_drift(connection)
        async with running(self.database.session, context, self._order(new, context.urn)) as runner:
            try:
                recorded = await runner.run(known)
            finally:
                self.database.changes.update(runner.changes)
                self.database.migrated |= runner.ran
        return dict(new) | {
            "database": recorded.identity,
            "applied": dict(new["steps"]),
            "incarnation": recorded.incarnation,
        }

    def _order(self, new: Mapping[str, Any], holder: str | None = None) -> plan.Order:
        return plan.Order(
            folder=new["folder"],
            history=new["history"],
            steps=new["steps"],
            role=new.get("role"),
            protect=bool(new.get("protect")),
            allow_loss=frozenset(new.get("allow") or ()),
            root=self.root,
            holder=holder,
        )


@dataclass(frozen=True)
class Foreseen:
    """What a run will do with the migrations that leave the folder."""

    moved: Mapping[str, sqlfiles.Step] = field(default_factory=dict)
    """Those that were only renamed: old name to the files."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """What rolling the others back destroys, in words that follow the name."""
    adopted: frozenset[str] = frozenset()
    """Those that describe the database as it was found."""


def _is_same(state: Mapping[str, Any], recorded: Recorded) -> bool:
    """Whether the database is the one that the state was last in step with, and went no other way since."""
    return (state.get("database"), state.get("incarnation")) == (recorded.identity, recorded.incarnation)


def _applied(state: Mapping[str, Any], recorded: Recorded) -> dict[str, str]:
    """What the state knows to be applied, as far as it has a say."""
    if not _is_same(state, recorded):
        return {}
    applied = state.get("applied") or {}
    return {name: checksum for name, checksum in applied.items() if name not in recorded.rolled_back}
