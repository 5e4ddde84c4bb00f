"""The numbered steps of a folder: applied in order, recorded in a history table, taken back when they leave it.

One resource holds all steps of a folder, since a thousand resources would cost the engine a minute and one costs
nothing (`docs/decisions/0004-one-resource-for-all-steps.md`). A preview still has a line for each pending step.
"""

from collections.abc import Mapping
from typing import Any

from pgprovider.resources.base import Field, ObjectKind
from pgprovider.steps import plan
from pgprovider.steps.history import DEFAULT as HISTORY
from pgprovider.steps.history import History, Recorded
from pgprovider.steps.runner import running
from plugin.server import CheckFailure, Context, Diff, Resource
from plugin.wire import UNKNOWN, has_unknown


class MigrationSet(ObjectKind):
    """Each step is one transaction with its history row; `steps` maps a step's name to its checksum."""

    token = "pg:index:MigrationSet"
    fields = {
        "folder": Field(str, "the folder of the steps, relative to the project", required=True, identity=True),
        "history": Field(str, "the history table, with its schema", default=HISTORY),
        "role": Field(str, "the role that the steps run as, and that owns what they make"),
        "steps": Field(dict, "step to checksum", required=True),
        "protect": Field(bool, "whether a step whose way back loses data is refused to be rolled back", default=False),
        "allow": Field(list, "the steps that may lose their data all the same"),
    }
    outputs = {
        "database": Field(str, "which database the steps were applied to"),
        "applied": Field(dict, "what this stack has applied there, step to checksum"),
    }

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
        history = inputs.get("history", HISTORY)
        return str(inputs["folder"]) if history == HISTORY else f"{inputs['folder']}@{history}"

    def parse_id(self, id: str) -> dict[str, str]:
        folder, _, history = id.partition("@")
        return {"folder": folder, "history": history or HISTORY}

    async def diff(self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any]) -> Diff:
        diff = await super().diff(context, id, state, new)
        # A refresh takes a step whose row is gone out of the inputs, so `check` can't know all that was applied.
        was = state.get("steps") or {}
        plan.refuse_misplaced(new["folder"], {**(state.get("applied") or {}), **was}, new["steps"])
        if not has_unknown(new):
            await self._refuse_losses(new, was.keys() - new["steps"].keys())
        await self._announce(context, was, new["steps"])
        return diff

    async def _refuse_losses(self, new: Mapping[str, Any], gone: set[str]) -> None:
        """What `up` will refuse, in the preview already, where the server can be asked."""
        if not gone or not new.get("protect") or self.connections is None:
            return
        order, history = _order(new), History(new["history"])
        async with self.database.transaction(self.label(new)) as connection:
            if await history.is_there(connection):
                plan.refuse_losses(order, await history.downs(connection, gone))

    async def _announce(self, context: Context, was: Mapping[str, str], wanted: Mapping[str, str]) -> None:
        # One message of many lines: with a thousand steps, a message each takes as long as the steps themselves.
        lines = [f"roll back {name}" for name in sorted(was.keys() - wanted.keys(), reverse=True)]
        lines += [f"apply {name}" for name in sorted(wanted.keys() - was.keys())]
        if lines:
            await context.info("\n".join(lines))

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        if preview:
            await self._announce(context, {}, inputs["steps"])
            return self.id(inputs), inputs | dict.fromkeys(self.outputs, UNKNOWN)
        return self.id(inputs), await self._run(context, {}, inputs)

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        if preview:
            return new | dict.fromkeys(self.outputs, UNKNOWN)
        return await self._run(context, state, new)

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        history = History(state["history"])
        async with self.database.transaction(self.label(state)) as connection:
            if not await history.is_there(connection):
                await context.info(f"{self.label(state)}: {state['history']} is gone, so nothing was rolled back")
                return
        await self._run(context, state, {**state, "steps": {}})
        async with self.database.transaction(self.label(state)) as connection:
            await history.drop(connection)

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        inputs = inputs or {**self.parse_id(id), "protect": False}
        async with self.database.transaction(self.label(inputs)) as connection:
            recorded = await History(inputs["history"]).read(connection)
        identity = recorded.identity
        if not state and not recorded.steps:
            return None
        seen = {name: checksum or state.get("steps", {}).get(name, "") for name, checksum in recorded.steps.items()}
        if state:
            await self._tell(context, state, seen, identity)
        applied = state.get("applied", seen) if state.get("database", identity) == identity else {}
        applied = {name: checksum for name, checksum in applied.items() if name not in recorded.rolled_back}
        inputs = inputs | {"steps": seen}
        return Resource(id, state | inputs | {"database": identity, "applied": applied}, inputs)

    async def _tell(self, context: Context, state: Mapping[str, Any], seen: Mapping[str, str], identity: str) -> None:
        if state["database"] != identity:
            await context.info(f"{self.label(state)}: this is another database than the one the steps were applied to")
        for name, checksum in state["steps"].items():
            if name not in seen:
                await context.info(f"{self.label(state)}: the row of {name} is gone from {state['history']}")
            elif seen[name] != checksum:
                await context.info(f"{self.label(state)}: the row of {name} in {state['history']} has another checksum")
        for name in sorted(seen.keys() - state["steps"].keys()):
            await context.info(f"{self.label(state)}: {state['history']} has a row of {name}, applied by somebody else")

    async def _run(self, context: Context, state: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        def known(recorded: Recorded) -> Mapping[str, str]:
            return dict(state.get("applied") or {}) if state.get("database") == recorded.identity else {}

        async with running(self.database.session, context, _order(new)) as runner:
            try:
                recorded = await runner.run(known)
            finally:
                self.database.changes.update(runner.changes)
        return dict(new) | {"database": recorded.identity, "applied": dict(new["steps"])}


def _order(new: Mapping[str, Any]) -> plan.Order:
    return plan.Order(
        folder=new["folder"],
        history=new["history"],
        steps=new["steps"],
        role=new.get("role"),
        protect=bool(new.get("protect")),
        allow=frozenset(new.get("allow") or ()),
    )
