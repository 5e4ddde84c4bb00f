"""What every type shares: checking inputs, comparing, previews, ids, locks, adoption.

A type says which fields it has, how to find its object in the catalogue and which statements make, alter and drop it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from plugin.server import CheckFailure, Context, Diff, Kind, Resource
from plugin.wire import UNKNOWN, has_unknown
from provider import holding, snapshots
from provider.connection import Connection, Connections, lock, warnings
from provider.connection import qualified as qualified
from provider.errors import NotConnected, Refused
from provider.migrationchanges import MANUALLY
from provider.rehearsal import Attempt, Rehearsal

TYPE_NAMES = {str: "a string", bool: "a boolean", int: "an integer", list: "a list", dict: "a map"}


@dataclass(frozen=True)
class Field:
    """One property of a type: what it may be, and how it takes part in a comparison."""

    type: type
    meaning: str
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    secret: bool = False
    identity: bool = False
    compared: bool = True
    items: Any = str
    """What a list or a map holds."""


class ObjectKind(Kind):
    """One kind of database object. `find` answers with values under the names of the fields and outputs."""

    module = "pg:index:"
    fields: ClassVar[dict[str, Field]] = {}
    outputs: ClassVar[dict[str, Field]] = {}
    separator = "/"
    list_field: ClassVar[str | None] = None
    """The field that is a whole list on an object of somebody else, such as its privileges."""
    in_one_database: ClassVar[bool] = False
    """Whether all of it is in its database, so that a copy can show what a change would do."""

    def __init__(self) -> None:
        self.connections: Connections | None = None
        self.rehearsal: Rehearsal[ObjectKind] | None = None
        """Where a preview tries what it shows."""
        self._declared: dict[str, Mapping[str, Any]] = {}
        self.secret_outputs = frozenset(name for name, field in (self.fields | self.outputs).items() if field.secret)

    # What a type answers.

    def label(self, inputs: Mapping[str, Any]) -> str:
        """The object as the user knows it, such as `role anon`."""
        raise NotImplementedError

    def lock_key(self, inputs: Mapping[str, Any]) -> str:
        """What a change holds the advisory lock on, before it looks at anything."""
        return self.label(inputs)

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        """What is wrong with known inputs beyond their types."""
        return []

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        """The object as the catalogue has it, or None."""
        raise NotImplementedError

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        """Create the object, which isn't there."""
        raise NotImplementedError

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Bring the object from what was found to the inputs, in this one transaction."""
        raise NotImplementedError

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        """Remove the object; not an error where it's gone."""
        raise NotImplementedError

    async def give_back(self, connection: Connection, before: Mapping[str, Any]) -> None:
        """Bring the list of an object that isn't ours back to what it was; not an error where the object is gone."""
        raise NotImplementedError

    def same(self, name: str, one: Any, other: Any) -> bool:
        """Whether two values of a field mean the same."""
        return bool(one == other)

    def observed(self, name: str, state: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
        """The field's value after a read: as recorded where the catalogue still agrees, else the catalogue's."""
        recorded = state.get(name)
        return recorded if self.same(name, recorded, found.get(name)) else found.get(name)

    def written(self, name: str, wanted: Any, found: Any) -> bool:
        """Whether what was read back is what was written, where PostgreSQL keeps a value as it is."""
        return self.same(name, found, wanted)

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """Take over an object that was there before: as declared it is ours, otherwise it is refused."""
        for name, field in self.compared.items():
            if not field.secret and not self.same(name, found.get(name), inputs.get(name)):
                raise Refused(
                    f"{self.label(inputs)} exists already with {name} {shown(found.get(name))}, declared is "
                    f"{shown(inputs.get(name))}; change one of them, or `pulumi import {self.token} NAME "
                    f"'{self.id(inputs)}'`"
                )

    # What all types have in common.

    @property
    def compared(self) -> dict[str, Field]:
        return {name: field for name, field in self.fields.items() if field.compared}

    @property
    def identity(self) -> list[str]:
        return [name for name, field in self.fields.items() if field.identity]

    def id(self, inputs: Mapping[str, Any]) -> str:
        """The id, from which alone the object can be found again."""
        return self.separator.join(str(inputs[name]) for name in self.identity)

    def parse_id(self, id: str) -> dict[str, str]:
        """The identity fields in an id.

        :raises Refused: where it doesn't have their number
        """
        parts = id.split(self.separator, len(self.identity) - 1)
        if len(parts) != len(self.identity) or not all(parts):
            raise Refused(f"'{id}' is no id of a {self.token}: it has the form {self.separator.join(self.identity)}")
        return dict(zip(self.identity, parts, strict=True))

    @property
    def database(self) -> Connections:
        if self.connections is None:
            raise NotConnected(NotConnected.__doc__)
        return self.connections

    async def check(
        self, context: Context, old: dict[str, Any], new: dict[str, Any]
    ) -> tuple[dict[str, Any], list[CheckFailure]]:
        defaults = {name: field.default for name, field in self.fields.items() if field.default is not None}
        inputs = defaults | new
        failures = [
            CheckFailure(name, f"{self.token} has no such property; it has {', '.join(self.fields)}")
            for name in inputs
            if name not in self.fields
        ]
        for name, field in self.fields.items():
            reason = _reason(field, inputs.get(name))
            if reason:
                failures.append(CheckFailure(name, reason))
        if not failures and not has_unknown(inputs):
            failures = self.validate(inputs)
        self._declared[context.urn] = inputs
        if self.connections is not None:
            self.connections.declared.add(context.urn)
        return inputs, failures

    def is_declared(self, context: Context, new: Mapping[str, Any]) -> bool:
        """Whether the program declares this in this run; a refresh compares with what was declared last."""
        declared = self._declared.get(context.urn)
        return declared is not None and all(declared.get(name) == new.get(name) for name in self.compared)

    async def diff(self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any]) -> Diff:
        diff = Diff()
        state = await self._after_migrations(state, new)
        for name, field in self.compared.items():
            was, wanted = state.get(name), new.get(name)
            if wanted is not UNKNOWN and not has_unknown(wanted) and self.same(name, was, wanted):
                continue
            kind = "add" if was is None else "delete" if wanted is None else "update"
            for path in self.paths(name, was, wanted):
                diff.changes[path] = f"{kind}-replace" if field.identity else kind  # type: ignore[assignment]
        return diff

    def can_be_tried(self, inputs: Mapping[str, Any]) -> bool:
        """Whether a change can be made on a copy of the database without a trace elsewhere."""
        return self.in_one_database and not has_unknown(inputs)

    async def _after_migrations(self, state: dict[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        """The state, as this run's migrations have left the object; in a preview, those on the copy.

        The state was read before them. What they take along of it is put back in the same run, and not in the next.
        """
        kind = self._migrated()
        # Another identity is another object: the state's goes.
        if (
            kind is None
            or not self.can_be_tried(new)
            or any(state.get(name) != new.get(name) for name in self.identity)
        ):
            return state
        identity = {name: new[name] for name in self.identity}
        async with kind.database.transaction(self.label(identity)) as connection:
            found = await kind.find(connection, {**new, **identity})
        if found is None:
            return identity
        return state | {name: kind.observed(name, state, found) for name in self.compared}

    async def end_preview(self) -> None:
        """Before the first real change: the copy isn't of what is there any more."""
        if self.rehearsal is not None:
            await self.rehearsal.close()

    def _migrated(self) -> "ObjectKind | None":
        """This type on the database in which migrations have run."""
        if self.rehearsal and (copied := self.rehearsal.migrated(self.token)):
            return copied
        return self if self.connections is not None and self.connections.migrated else None

    async def _attempt(self, context: Context, inputs: Mapping[str, Any], change: "Attempt[ObjectKind]") -> bool:
        """Try a previewed change on the copy; whether that could be tried."""
        if self.rehearsal is None or not self.can_be_tried(inputs):
            return False
        return await self.rehearsal.attempt(context, self.token, change)

    def paths(self, name: str, was: Any, wanted: Any) -> list[str]:
        """The property paths that differ, one for each entry of a map."""
        if not isinstance(was, dict) or not isinstance(wanted, dict):
            return [name]
        keys = sorted(key for key in was.keys() | wanted.keys() if was.get(key) != wanted.get(key))
        return [f'{name}["{key}"]' for key in keys]

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        if preview:
            await self._attempt(context, inputs, lambda kind, quiet: kind.create(quiet, inputs, False))
            id = "" if any(has_unknown(inputs.get(name)) for name in self.identity) else self.id(inputs)
            return id, inputs | dict.fromkeys(self.outputs, UNKNOWN)
        await self.end_preview()
        async with self.database.transaction(self.label(inputs), inputs.get("location")) as connection:
            await lock(connection, self.lock_key(inputs))
            found = await self.find(connection, inputs)
            if found is None:
                await self.make(connection, inputs)
            else:
                await self.adopt(connection, found, inputs)
            await holding.claim(connection, self._object(inputs), context.urn, self._before(found))
            return self.id(inputs), await self._state(connection, inputs)

    def _object(self, inputs: Mapping[str, Any]) -> str:
        """The object in the note of who holds it."""
        return f"{self.token}/{self.id(inputs)}"

    def _before(self, found: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """What an object was when it was found, as far as deleting the resource brings it back."""
        if found is None:
            return None
        return {self.list_field: found[self.list_field]} if self.list_field else {}

    async def _state(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any]:
        found = await self.find(connection, inputs)
        if found is None:
            raise Refused(f"{self.label(inputs)} was made and then not found; another session removed it")
        self._read_back(inputs, found, warnings(connection))
        return dict(inputs) | {name: found.get(name) for name in self.outputs}

    def _read_back(self, inputs: Mapping[str, Any], found: Mapping[str, Any], warned: list[str]) -> None:
        """A statement that PostgreSQL only warns of has done nothing, and is no success.

        :raises Refused: where the catalogue hasn't what was written
        """
        for name, field in self.compared.items():
            wanted, there = inputs.get(name), found.get(name)
            if self.written(name, wanted, there):
                continue
            values = "" if field.secret else ": wanted {}, found {}".format(*map(shown, _unlike(wanted, there)))
            said = f"; the server warned: {'; '.join(dict.fromkeys(warned))}" if warned else ""
            raise Refused(f"{self.label(inputs)}: {name} was written and isn't so{values}{said}")

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        identity = self.parse_id(id)
        async with self.database.transaction(self.label(identity)) as connection:
            found = await self.find(connection, {**inputs, **identity})
        if found is None:
            if state:
                by = self.database.changes.author(self.label(identity), "", True, False)
                how = "is gone from the server" if by == MANUALLY else f"was dropped {by}"
                await context.info(f"{self.label(identity)} {how}")
            return None
        if not state:
            inputs = {name: found[name] for name in self.fields if found.get(name) is not None}
            return Resource(id, inputs | {name: found.get(name) for name in self.outputs}, inputs)
        # What was declared last, and not what an earlier refresh has seen: until it is undone or put back it is drift.
        declared = state | {name: inputs.get(name) for name in self.compared}
        seen = {name: self.observed(name, declared, found) for name in self.compared}
        drifted = [name for name, value in seen.items() if not self.same(name, value, declared.get(name))]
        for name in drifted:
            await context.info(self.drift(name, declared, seen[name]))
        # How PostgreSQL spells what was written last.
        outputs = {} if drifted else {name: found.get(name) for name in self.outputs}
        return Resource(id, state | outputs | seen, inputs)

    def drift(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        """One line that names a manual change, or one by a migration of this run."""
        by = self.author(name, state, value)
        if self.fields[name].secret:
            return f"{self.label(state)}: {name} was changed {by}"
        return f"{self.label(state)}: {name} was changed {by} from {shown(state.get(name))} to {shown(value)}"

    def author(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        """Who changed a field that was as the state has it."""
        return self.database.changes.author(self.label(state), name, state.get(name), value)

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        if preview:
            await self._attempt(context, new, lambda kind, quiet: kind.update(quiet, id, state, new, False))
            kept = {name: state.get(name, UNKNOWN) for name in self.outputs}
            return new | kept
        await self.end_preview()
        async with self.database.transaction(self.label(new), new.get("location")) as connection:
            await lock(connection, self.lock_key(new))
            found = await self.find(connection, new)
            if found is None:
                await self.make(connection, new)
                await holding.claim(connection, self._object(new), context.urn, None)
            else:
                await self.alter(connection, found, new)
            return await self._state(connection, new)

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        """Drop the object, where this resource alone holds it and it wasn't there before."""
        label = self.label(state)
        async with self.database.deleting, self.database.transaction(label) as connection:
            await lock(connection, self.lock_key(state))
            released = await holding.release(connection, self._object(state), context.urn)
            if released is None:
                await context.info(f"{label} stays: nothing says that this stack has made it")
            elif released.others:
                await context.info(f"{label} stays: {released.others[0]} holds it too")
            elif released.before is not None and not self.list_field:
                await context.info(f"{label} stays: it was there before this stack adopted it")
            elif holding.destroying(context.urn):
                await self._end(connection, state, released)
            else:
                # It leaves the declaration, and no checkpoint comes after a deletion.
                async with snapshots.tracked(connection):
                    await self._end(connection, state, released)

    async def _end(self, connection: Connection, state: Mapping[str, Any], released: holding.Released) -> None:
        if self.list_field and released.before is not None:
            await self.give_back(connection, {**state, **released.before})
        else:
            await self.drop(connection, state)


def _reason(field: Field, value: Any) -> str | None:
    if value is None:
        return "is required" if field.required else None
    if has_unknown(value):
        return None
    if value == "" and field.required:
        return "is required"
    if not isinstance(value, field.type) or (field.type is int and isinstance(value, bool)):
        return f"must be {TYPE_NAMES[field.type]}" + ("" if field.secret else f", not {shown(value)}")
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        if not isinstance(entry, field.items):
            return f"entry {key} must be {TYPE_NAMES[field.items]}, not {shown(entry)}"
    if field.choices and value not in field.choices:
        return f"must be one of {', '.join(field.choices)}, not {shown(value)}"
    return None


def _unlike(one: Any, other: Any) -> tuple[Any, Any]:
    """Two values for a message: of maps what isn't in both alike."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return one, other
    return (
        {key: value for key, value in one.items() if other.get(key) != value},
        {key: value for key, value in other.items() if one.get(key) != value},
    )


def shown(value: Any) -> str:
    """A value in a message."""
    if value is None or value == {}:
        return "nothing"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {shown(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(str(item) for item in value) + "]"
    return f"'{value}'" if isinstance(value, str) else str(value)
