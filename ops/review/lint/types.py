"""Column types, and which change of one makes PostgreSQL write the table again."""

from dataclasses import dataclass
from typing import Any

SYSTEM = "pg_catalog"
TEXTS = {"text", "varchar", "citext"}
# Pairs with one binary form, as `pg_cast` has them; a cast from `text` to `citext` and back too.
SAME_FORM = {("cidr", "inet"), ("xml", "text"), ("xml", "varchar")}
UP_TO = {"varchar", "varbit"}
# The number in parentheses is that of digits after the second.
TIMES = {"time", "timetz", "timestamp", "timestamptz", "interval"}
MOST_DIGITS = 6
SERIALS = {"serial": "int4", "bigserial": "int8", "smallserial": "int2"}
ALIASES = {"int": "int4", "integer": "int4", "bigint": "int8", "smallint": "int2", "boolean": "bool"}


@dataclass(frozen=True)
class Type:
    """A type as the parser names it, with what stands in its parentheses."""

    name: str
    numbers: tuple[int, ...] = ()
    array: bool = False

    def __str__(self) -> str:
        numbers = f"({', '.join(map(str, self.numbers))})" if self.numbers else ""
        return f"{self.name}{numbers}{'[]' if self.array else ''}"

    @property
    def plain(self) -> str:
        """Without its numbers."""
        return f"{self.name}{'[]' if self.array else ''}"


def of(node: Any) -> Type:
    """The type that a `TypeName` of the syntax tree is."""
    names = [part.sval for part in node.names]
    name = names[-1] if len(names) == 1 or names[0] == SYSTEM else ".".join(names)
    numbers = tuple(value for each in node.typmods or () if (value := _number(each)) is not None)
    if name == "interval":
        # The first one is the mask of its fields.
        numbers = numbers[1:]
    return Type(SERIALS.get(name, ALIASES.get(name, name)), numbers, bool(node.arrayBounds))


def is_serial(node: Any) -> bool:
    """Whether a column of this type gets its values from a sequence."""
    return bool(node.names[-1].sval in SERIALS)


def _number(node: Any) -> int | None:
    value = getattr(node, "val", None)
    # A zero is an integer without a value.
    return getattr(value, "ival", None) if type(value).__name__ == "Integer" else None


def rewrites(old: Type, new: Type) -> bool:
    """Whether a column's change from one type to the other writes the whole table again."""
    if old == new:
        return False
    if old.array or new.array:
        return True
    if old.name != new.name:
        same_form = {old.name, new.name} <= TEXTS or (old.name, new.name) in SAME_FORM
        # A length is tested, value by value, where the type was another one.
        return not (same_form and not new.numbers)
    if not new.numbers:
        return old.name == "bpchar"
    if new.name in UP_TO:
        return not old.numbers or old.numbers[0] > new.numbers[0]
    if new.name == "numeric":
        return not old.numbers or _scale(old) != _scale(new) or old.numbers[0] > new.numbers[0]
    if new.name in TIMES:
        return new.numbers[0] < (old.numbers[0] if old.numbers else MOST_DIGITS)
    return True


def _scale(of: Type) -> int:
    return of.numbers[1] if len(of.numbers) > 1 else 0


def collation(column: Any) -> str:
    """The collation that a column's definition names; an empty text where it is the type's."""
    clause = getattr(column, "collClause", None)
    named = clause.collname[-1].sval if clause else ""
    return "" if named == "default" else str(named)
