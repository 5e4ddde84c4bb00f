"""Property values on the wire and in Python: the only place that knows the engine's markers.

Numbers arrive as doubles and leave as Python numbers, whole ones as `int`. A secret is unwrapped, and the name of the
top-level property that held it is remembered. A value that isn't known yet (a preview) becomes `UNKNOWN`.
Source of the markers: `sdk/go/common/resource/sig.go` of pulumi/pulumi.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_WIRE = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


class Unknown:
    """The type of `UNKNOWN`; equal to nothing but itself."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = Unknown()


@dataclass
class Properties:
    """The plain values of one resource, and which of its top-level properties are secret."""

    values: dict[str, Any] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

    @property
    def known(self) -> dict[str, Any]:
        """The properties whose values are known down to the last leaf."""
        return {name: value for name, value in self.values.items() if not has_unknown(value)}


def has_unknown(value: Any) -> bool:
    """Whether `value` is, or holds, something that a preview can't know yet."""
    if isinstance(value, Mapping):
        return any(has_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    return value is UNKNOWN


def decode(message: struct_pb2.Struct) -> Properties:
    """Plain Python values of a message; properties that are null are left out, as the engine means them."""
    values: dict[str, Any] = {}
    secrets = set()
    for name, item in message.fields.items():
        value, secret = _decode(item)
        if secret:
            secrets.add(name)
        if value is not None and not name.startswith("__"):
            values[name] = value
    return Properties(values, frozenset(secrets))


def _decode(item: struct_pb2.Value) -> tuple[Any, bool]:
    kind = item.WhichOneof("kind")
    if kind == "struct_value":
        return _decode_struct(item.struct_value)
    if kind == "list_value":
        pairs = [_decode(entry) for entry in item.list_value.values]
        return [value for value, _ in pairs], any(secret for _, secret in pairs)
    if kind == "number_value":
        number = item.number_value
        return (int(number) if number.is_integer() else number), False
    if kind == "string_value":
        return (UNKNOWN if item.string_value == UNKNOWN_WIRE else item.string_value), False
    return (item.bool_value if kind == "bool_value" else None), False


def _decode_struct(struct: struct_pb2.Struct) -> tuple[Any, bool]:
    signature = struct.fields[SIGNATURE].string_value if SIGNATURE in struct.fields else ""
    if signature == SECRET:
        return _decode(struct.fields["value"])[0], True
    if signature == OUTPUT:
        value = _decode(struct.fields["value"])[0] if "value" in struct.fields else UNKNOWN
        return value, "secret" in struct.fields and struct.fields["secret"].bool_value
    pairs = {name: _decode(entry) for name, entry in struct.fields.items()}
    return {name: value for name, (value, _) in pairs.items()}, any(secret for _, secret in pairs.values())


def encode(values: Mapping[str, Any], secrets: Iterable[str] = ()) -> struct_pb2.Struct:
    """The message of plain values; each property named in `secrets` is marked so."""
    message = struct_pb2.Struct()
    hidden = set(secrets)
    for name, value in values.items():
        if value is None:
            continue
        target = message.fields[name]
        if name in hidden:
            target.struct_value.fields[SIGNATURE].string_value = SECRET
            target = target.struct_value.fields["value"]
        _encode(target, value)
    return message


def _encode(target: struct_pb2.Value, value: Any) -> None:
    if value is UNKNOWN:
        target.string_value = UNKNOWN_WIRE
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, Mapping):
        target.struct_value.SetInParent()
        for name, item in value.items():
            if item is not None:
                _encode(target.struct_value.fields[name], item)
    elif isinstance(value, list | tuple):
        target.list_value.SetInParent()
        for item in value:
            _encode(target.list_value.values.add(), item)
    elif value is None:
        target.null_value = struct_pb2.NULL_VALUE
    else:
        raise TypeError(f"a property can't hold a {type(value).__name__}")
