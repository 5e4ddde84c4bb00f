"""What every type shares: check, diff, preview, ids, what a read gives back.

A type declares its properties and says how it is found, made, altered and dropped; see `role.py` and its neighbours.
"""

import secrets
from typing import Any, ClassVar

from local.standins.postgresql.connection import Connection, Server
from local.standins.postgresql.properties import Properties, mistakes
from plugin.server import Change, CheckFailure, Context, Diff, Kind, PluginError, Resource, resource_name
from plugin.wire import UNKNOWN, has_unknown

Values = dict[str, Any]


class ServerObject(Kind):
    """One resource type; a subclass has the declarations and the methods that raise here."""

    what: ClassVar[str]
    properties: ClassVar[Properties]
    refused: ClassVar[frozenset[str]] = frozenset()
    autocommit: ClassVar[bool] = False

    def __init__(self, server: Server) -> None:
        self.server = server
        self.secret_outputs = frozenset(name for name, declared in self.properties.items() if declared.secret)

    def identify(self, inputs: Values) -> str:
        """The id, as the official provider makes it."""
        raise NotImplementedError

    async def locate(self, id: str) -> Values | None:
        """The properties that an id stands for, for an import."""
        raise NotImplementedError

    async def fetch(self, connection: Connection, wanted: Values) -> Values | None:
        """The object as the catalogue has it, in the spelling of `wanted` where that means the same."""
        raise NotImplementedError

    async def make(self, connection: Connection, inputs: Values) -> None:
        """Create it, or adopt it where the official provider does."""
        raise NotImplementedError

    async def alter(self, connection: Connection, state: Values, new: Values, changed: set[str]) -> None:
        """Bring the `changed` properties to `new`."""
        raise NotImplementedError

    async def drop(self, connection: Connection, state: Values) -> None:
        """Remove it; nothing where it is gone."""
        raise NotImplementedError

    def validate(self, inputs: Values) -> list[CheckFailure]:
        """What is wrong with the values, beyond their types. Only called when all are known."""
        return []

    def same(self, name: str, have: Any, want: Any, inputs: Values) -> bool:
        """Whether a property needs no change."""
        return self.properties[name].same(have, want)

    def label(self, values: Values) -> str:
        """How errors name the object."""
        return f"{self.what} {self.identify(values)}"

    def place(self, values: Values) -> str:
        """The database to connect to."""
        return str(values.get("database") or self.server.database)

    async def check(self, context: Context, old: Values, new: Values) -> tuple[Values, list[CheckFailure]]:
        failures = mistakes(self.what, self.properties, self.refused, new)
        inputs = dict(new)
        if "name" in self.properties and not inputs.get("name"):
            # The same as the official plugin's names; a new suffix at each run would be a new object at each run.
            inputs["name"] = old.get("name") or f"{resource_name(context.urn)}-{secrets.token_hex(4)[:7]}"
        for name, declared in self.properties.items():
            if declared.default is not None:
                inputs.setdefault(name, declared.default)
        if not failures and not has_unknown(inputs):
            failures = self.validate(inputs)
        return inputs, failures

    async def diff(self, context: Context, id: str, state: Values, new: Values) -> Diff:
        changes = {name: self._kind_of_change(name, state, new) for name in self._changed(state, new)}
        # Created first, the new one would meet the old one, and dropping that would take the new one along.
        return Diff(changes, delete_before_replace=any(kind.endswith("-replace") for kind in changes.values()))

    def _changed(self, state: Values, new: Values) -> list[str]:
        changed = []
        for name, declared in self.properties.items():
            # An empty text is how programs leave an optional name out.
            if declared.computed and new.get(name) in (None, ""):
                continue
            want, have = new.get(name, declared.empty), state.get(name, declared.empty)
            if has_unknown(want) or not self.same(name, have, want, new):
                changed.append(name)
        return changed

    def _kind_of_change(self, name: str, state: Values, new: Values) -> Change:
        replaces = self.properties[name].replaces
        if name not in state:
            return "add-replace" if replaces else "add"
        if name not in new:
            return "delete-replace" if replaces else "delete"
        return "update-replace" if replaces else "update"

    async def create(self, context: Context, inputs: Values, preview: bool) -> tuple[str, Values]:
        if preview:
            return "", self._expected(inputs)
        async with self.server.session(
            self.label(inputs), self.place(inputs), writes=True, autocommit=self.autocommit
        ) as connection:
            await self.make(connection, inputs)
            state = await self._state(connection, inputs)
        return self.identify(state), state

    def _expected(self, inputs: Values) -> Values:
        unknown = {name: UNKNOWN for name, declared in self.properties.items() if declared.computed}
        return {**unknown, **inputs}

    async def _state(self, connection: Connection, inputs: Values) -> Values:
        found = await self.fetch(connection, inputs)
        if found is None:
            raise PluginError(f"{self.label(inputs)}: somebody removed it at the same moment; run again")
        return {**self._kept(inputs), **found}

    def _kept(self, values: Values) -> Values:
        return {name: values.get(name, declared.empty) for name, declared in self.properties.items() if declared.kept}

    async def read(self, context: Context, id: str, state: Values, inputs: Values) -> Resource | None:
        if self.server.settings is None:
            return Resource(id, state, inputs)
        wanted = {**state, **inputs, **self._identity(state)} if state or inputs else await self.locate(id)
        if wanted is None or not await self.server.has_database(self.place(wanted)):
            return None
        async with self.server.session(self.label(wanted), self.place(wanted)) as connection:
            found = await self.fetch(connection, wanted)
        if found is None:
            return None
        found = {**self._kept(wanted), **found}
        return Resource(self.identify(found), found, self._inputs(found, inputs))

    def _identity(self, state: Values) -> Values:
        """What the object is called now; recorded inputs may already hold a name that an update failed to give."""
        return {name: state[name] for name in ("name", "database") if name in state}

    def _inputs(self, found: Values, recorded: Values) -> Values:
        """The inputs that would give `found`: as recorded where that means the same, else as found."""
        inputs = {}
        for name, value in found.items():
            declared = self.properties.get(name)
            if declared is None:
                continue
            if name in recorded:
                inputs[name] = recorded[name] if self.same(name, value, recorded[name], recorded) else value
            # A value that nobody declared is reported too: ignoreChanges puts back the inputs of the last refresh.
            elif not recorded or (not declared.computed and not declared.same(value, declared.empty)):
                inputs[name] = value
        return {name: value for name, value in inputs.items() if value not in (None, "")}

    async def update(self, context: Context, id: str, state: Values, new: Values, preview: bool) -> Values:
        left = {name: value for name, value in state.items() if name not in new}
        if preview:
            return {**left, **new}
        changed = set(self._changed(state, new))
        async with self.server.session(
            self.label(state), self.place(state), writes=True, autocommit=self.autocommit
        ) as connection:
            if changed:
                await self.alter(connection, state, new, changed)
            return await self._state(connection, {**self._unchanged_computed(left), **new})

    def _unchanged_computed(self, left: Values) -> Values:
        return {
            name: value for name, value in left.items() if name in self.properties and self.properties[name].computed
        }

    async def delete(self, context: Context, id: str, state: Values) -> None:
        if not await self.server.has_database(self.place(state)):
            return
        async with self.server.session(
            self.label(state), self.place(state), writes=True, autocommit=self.autocommit
        ) as connection:
            await self.drop(connection, state)


def split_id(id: str, what: str) -> tuple[str, str]:
    """The two halves of an id of the form `database.name`."""
    database, dot, name = id.partition(".")
    if not dot or not database or not name:
        raise PluginError(f"{id} is not the id of a {what}: it has the form database.{what}")
    return database, name
