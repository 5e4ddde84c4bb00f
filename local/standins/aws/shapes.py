"""What the values of a property look like: one description for checking, sending, reading and comparing them.

Three rules hold everywhere, because they hold in the official plugin: what is missing equals what is empty, zero or
false; a `computed` property that the program leaves out may be anything; and where AWS means the same as the program,
the program's spelling is kept.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from plugin.server import DiffKind
from plugin.wire import UNKNOWN, has_unknown

Fault = tuple[str, str]
Difference = tuple[str, DiffKind]


def empty(value: Any) -> bool:
    """Whether a value says no more than its absence."""
    return value is None or value is False or (not isinstance(value, bool) and value in ("", 0, [], {}))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


class Shape:
    """A kind of value. The base class is enough for whatever is compared as a whole."""

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        """What makes `value` unusable, as pairs of property path and reason."""
        return iter(())

    def prepare(self, value: Any) -> Any:
        """`value` as the inputs record it."""
        return value

    def to_aws(self, value: Any) -> Any:
        """`value` as boto3 takes it."""
        return value

    def from_aws(self, value: Any) -> Any:
        """What boto3 answered, as a property value."""
        return value

    def equal(self, old: Any, new: Any) -> bool:
        """Whether two values that aren't empty mean the same."""
        return bool(old == new)

    def differences(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        """What separates `new` from `old`, leaf by leaf."""
        if new is UNKNOWN:
            yield path, "update"
        elif not (empty(old) and empty(new)) and (empty(old) or empty(new) or not self.equal(old, new)):
            yield path, "add" if empty(old) else "delete" if empty(new) else "update"

    def same(self, old: Any, new: Any) -> bool:
        """Whether nothing separates the two."""
        return next(self.differences(old, new, ""), None) is None

    def respelled(self, recorded: Any, found: Any, trim: bool) -> Any:
        """What was found, in the recorded spelling where it means the same.

        With `trim`, what the record leaves out stays out if it is empty or computed: so inputs are made from a state.
        """
        return recorded if recorded is not None and self.same(found, recorded) else found

    def schema(self) -> dict[str, Any]:
        """The type in the terms of a Pulumi package schema."""
        return {"type": "string"}


@dataclass(frozen=True)
class Scalar(Shape):
    """Text, a number or a switch, perhaps one of a few."""

    of: type = str
    choices: tuple[str, ...] = ()

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        if type(value) is not self.of:
            yield path, f"must be {({str: 'text', int: 'a whole number', bool: 'true or false'})[self.of]}"
        elif self.choices and value not in self.choices:
            yield path, f"is {value!r}, but must be one of {', '.join(self.choices)}"

    def schema(self) -> dict[str, Any]:
        return {"type": {str: "string", int: "integer", bool: "boolean"}[self.of]}


TEXT = Scalar()
NUMBER = Scalar(int)
FLAG = Scalar(bool)


class Decimal(Shape):
    """A number, whole or not."""

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        if isinstance(value, bool) or not isinstance(value, int | float):
            yield path, "must be a number"

    def schema(self) -> dict[str, Any]:
        return {"type": "number"}


def choice(*values: str) -> Scalar:
    """Text that is one of `values`."""
    return Scalar(str, values)


class Instant(Shape):
    """A point in time, in RFC 3339."""

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        try:
            datetime.fromisoformat(value)
        except (TypeError, ValueError):
            yield path, "must be a time such as 2030-01-31T00:00:00Z"

    def from_aws(self, value: Any) -> Any:
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value

    def equal(self, old: Any, new: Any) -> bool:
        # AWS answers in UTC, whatever offset it was sent.
        return datetime.fromisoformat(old) == datetime.fromisoformat(new)


class JsonText(Shape):
    """A JSON document as text, such as a policy: compared by what it says, never by how it is written."""

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        if not isinstance(value, str):
            yield path, "must be JSON text or an object"
            return
        try:
            json.loads(value)
        except ValueError as error:
            yield path, f"is not JSON: {error}"

    def prepare(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return UNKNOWN if has_unknown(value) else json.dumps(value)

    def equal(self, old: Any, new: Any) -> bool:
        try:
            return bool(_canonical(json.loads(old)) == _canonical(json.loads(new)))
        except ValueError:
            return bool(old == new)


def _canonical(value: Any) -> Any:
    # AWS gives a list of one back as the thing itself, lists of texts in any order, and switches as texts.
    if isinstance(value, dict):
        return {name: _canonical(item) for name, item in value.items()}
    if isinstance(value, list):
        items = [_canonical(item) for item in value]
        if all(isinstance(item, str) for item in items):
            items = sorted(set(items))
        return items[0] if len(items) == 1 else items
    if isinstance(value, bool):
        return str(value).lower()
    return value if value is None else str(value)


@dataclass(frozen=True)
class MapOf(Shape):
    """Any names, each with a value of one shape."""

    item: Shape = TEXT

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield path, "must be a map"
            return
        for name, entry in value.items():
            if not has_unknown(entry):
                yield from self.item.faults(entry, f'{path}["{name}"]')

    def differences(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        if new is UNKNOWN:
            yield path, "update"
            return
        old, new = old or {}, new or {}
        for name in sorted(old.keys() | new.keys()):
            # An empty value is a value here: a tag may have none.
            if name not in old or name not in new:
                yield f'{path}["{name}"]', "add" if name in new else "delete"
            else:
                yield from self.item.differences(old[name], new[name], f'{path}["{name}"]')

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.item.schema()}


class TagMap(MapOf):
    """A map that AWS writes as a list of `Key` and `Value`."""

    def to_aws(self, value: Any) -> Any:
        return [{"Key": name, "Value": text} for name, text in sorted(value.items())]

    def from_aws(self, value: Any) -> Any:
        return {tag["Key"]: tag["Value"] for tag in value}


@dataclass(frozen=True)
class ListOf(Shape):
    """Values of one shape, in an order that matters."""

    item: Shape

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        if not isinstance(value, list):
            yield path, "must be a list"
            return
        for index, entry in enumerate(value):
            if entry is not UNKNOWN:
                yield from self.item.faults(entry, f"{path}[{index}]")

    def to_aws(self, value: Any) -> Any:
        return [self.item.to_aws(entry) for entry in value]

    def from_aws(self, value: Any) -> Any:
        return [self.item.from_aws(entry) for entry in value]

    def differences(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        if new is UNKNOWN:
            yield path, "update"
            return
        old, new = old or [], new or []
        for index, (before, after) in enumerate(self.pairs(old, new)):
            at = f"{path}[{index}]"
            if before is None or after is None:
                yield at, "add" if before is None else "delete"
            else:
                yield from self.item.differences(before, after, at)

    def pairs(self, old: list[Any], new: list[Any]) -> list[tuple[Any, Any]]:
        """Which entry became which, in the order of `new`, with what is gone at the end."""
        longest = range(max(len(old), len(new)))
        return [(old[i] if i < len(old) else None, new[i] if i < len(new) else None) for i in longest]

    def respelled(self, recorded: Any, found: Any, trim: bool) -> Any:
        if not found:
            return recorded if empty(recorded) else found
        before_all = recorded if isinstance(recorded, list) else []
        pairs = [(before, now) for now, before in self.pairs(found, before_all) if now is not None]
        return [self.item.respelled(before, now, trim) for before, now in pairs]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema()}


@dataclass(frozen=True)
class SetOf(ListOf):
    """Values of one shape, in any order; entries that have a `key` keep their identity when they change."""

    key: str | None = None

    def pairs(self, old: list[Any], new: list[Any]) -> list[tuple[Any, Any]]:
        rest = list(old)
        partners: list[Any] = [None] * len(new)
        for index, entry in enumerate(new):
            match = next((before for before in rest if self._is(before, entry)), None)
            if match is not None:
                partners[index] = match
                rest.remove(match)
        # Without a key nothing shows which entry was changed into which; by position the report is the shortest.
        for index, entry in enumerate(new):
            if partners[index] is None and rest and self.key is None and isinstance(entry, dict):
                partners[index] = rest.pop(0)
        return [*zip(partners, new, strict=True), *((before, None) for before in rest)]

    def _is(self, old: Any, new: Any) -> bool:
        if self.key is not None and isinstance(old, dict) and isinstance(new, dict):
            return bool(old.get(self.key) == new.get(self.key))
        return self.item.same(old, new)


class Counted(SetOf):
    """A set that the CDN's API wants counted."""

    def to_aws(self, value: Any) -> Any:
        return {"Quantity": len(value), "Items": super().to_aws(value)}

    def from_aws(self, value: Any) -> Any:
        return super().from_aws(value.get("Items") or [])


@dataclass(frozen=True, kw_only=True)
class Field:
    """One property of a resource or of a block inside it.

    Attributes:
        aws: its name at AWS, where that isn't the property's own name with a capital.
        computed: AWS chooses where the program says nothing.
        immutable: a change replaces the resource.
        unreported: the endpoint may not give it back; then what was recorded is taken for true.
        local: AWS never knows of it; the plugin itself acts on it.
    """

    shape: Shape = TEXT
    required: bool = False
    computed: bool = False
    immutable: bool = False
    unreported: bool = False
    local: bool = False
    default: Any = None
    aws: str | None = None

    def wire_name(self, name: str) -> str:
        return self.aws or name[0].upper() + name[1:]


@dataclass(frozen=True)
class Block(Shape):
    """Named properties; `refused` are those that the official plugin has and this one hasn't, with what to do."""

    fields: Mapping[str, Field]
    refused: Mapping[str, str] = field(default_factory=dict)

    def faults(self, value: Any, path: str) -> Iterator[Fault]:
        if not isinstance(value, dict):
            yield path, "must be an object"
            return
        for name in value.keys() - self.fields.keys():
            known = f"is not supported by the offline stand-in: {self.refused.get(name)}"
            unknown = f"is not a property; there are {', '.join(sorted(self.fields))}"
            yield _join(path, name), known if name in self.refused else unknown
        for name, item in self.fields.items():
            entry = value.get(name)
            # An empty text may be what is meant, as with a prefix; an empty list of rules never is.
            if item.required and (entry is None or entry == []):
                yield _join(path, name), "is required"
            elif entry is not None and entry is not UNKNOWN:
                yield from item.shape.faults(entry, _join(path, name))

    def prepare(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: self.fields[name].shape.prepare(entry) if name in self.fields else entry
            for name, entry in value.items()
        }

    def to_aws(self, value: Any) -> Any:
        return {
            item.wire_name(name): item.shape.to_aws(value[name])
            for name, item in self.fields.items()
            if value.get(name) is not None and not item.local
        }

    def from_aws(self, value: Any) -> Any:
        wired = {name: (item, value.get(item.wire_name(name))) for name, item in self.fields.items()}
        return {name: item.shape.from_aws(entry) for name, (item, entry) in wired.items() if entry is not None}

    def differences(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        if new is UNKNOWN:
            yield path, "update"
            return
        old, new = old or {}, new or {}
        for name, item in self.fields.items():
            if item.computed and new.get(name) is None:
                continue
            for at, change in item.shape.differences(old.get(name), new.get(name), _join(path, name)):
                yield at, _replacing(change) if item.immutable else change

    def respelled(self, recorded: Any, found: Any, trim: bool) -> Any:
        if found is None:
            return recorded if recorded is not None and self.same(found, recorded) else None
        recorded = recorded if isinstance(recorded, dict) else {}
        result = {}
        for name, item in self.fields.items():
            before, now = recorded.get(name), found.get(name)
            if now is None and (item.unreported or item.local):
                now = before
            # What AWS chose is no input, unless the resource is known by it: an import needs its name.
            chosen = item.computed and not item.immutable
            if trim and before is None and not item.required and (chosen or empty(now)):
                continue
            value = item.shape.respelled(before, now, trim)
            if value is not None:
                result[name] = value
        return result

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": {"$ref": "pulumi.json#/Any"}}


def _replacing(change: DiffKind) -> DiffKind:
    replacing: dict[DiffKind, DiffKind] = {"add": "add-replace", "delete": "delete-replace", "update": "update-replace"}
    return replacing.get(change, change)
