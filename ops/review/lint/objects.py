"""What a structure is made of, as far as rules ask for it, and how the syntax tree names it."""

from dataclasses import dataclass, field
from typing import Any

from ops.review.lint import types
from ops.review.lint.model import Change

Name = tuple[str, str]
Routine = tuple[str, str, tuple[str, ...]]
"""Schema, name and the types of the arguments."""
PUBLIC = "public"
INPUTS = {"FUNC_PARAM_IN", "FUNC_PARAM_INOUT", "FUNC_PARAM_VARIADIC", "FUNC_PARAM_DEFAULT"}
EVERYBODY = "public"


@dataclass
class Column:
    """A column's type, its collation, and what keeps null out of it; the type is None where it isn't known."""

    type: types.Type | None
    not_null: bool = False
    collation: str = ""
    """Its own; empty where it is the type's."""


@dataclass
class Check:
    """A check constraint's expression, and whether the rows that are there have been tested."""

    expression: Any
    valid: bool


@dataclass
class Table:
    """A table, as far as rules ask for it."""

    made: Change | None
    """None where its statement isn't known."""
    columns: dict[str, Column] = field(default_factory=dict)
    indexes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The plain columns that each index begins with; primary and unique keys are among them."""
    checks: dict[str, Check] = field(default_factory=dict)
    row_security: bool = False
    policies: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The roles that each is for."""
    expressions: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """What each of them says."""
    is_partition: bool = False
    is_partitioned: bool = False
    is_temporary: bool = False


@dataclass
class View:
    """A view, and whose privileges it reads with."""

    created: Change
    changed: Change
    """The last statement that said whose."""
    invoker: bool
    is_materialized: bool = False
    is_temporary: bool = False


@dataclass
class Function:
    """A function, by its last definition."""

    created: Change
    node: Any
    """The `create function`."""
    changed: Change
    """The last statement that said what it is allowed."""
    volatility: str
    is_definer: bool
    search_path: tuple[str, ...] | None
    """None where it is its caller's."""

    @property
    def arguments(self) -> tuple[int, int]:
        """How many a call has at least and at most."""
        taken = [each for each in self.node.parameters or () if each.mode.name in INPUTS]
        if any(each.mode.name == "FUNC_PARAM_VARIADIC" for each in taken):
            return len(taken) - 1, 100
        return sum(each.defexpr is None for each in taken), len(taken)


@dataclass
class Domain:
    """A domain: its constraints are tested, and its default is taken, for each row of a new column."""

    made: Change | None
    has_check: bool = False
    default: Any = None


@dataclass(frozen=True)
class Gone:
    """What a statement has dropped or renamed: a column where it has one, else a table, view or function."""

    change: Change
    kind: str
    name: Name
    column: str | None = None
    new: str | None = None
    """The name that it has now, where it was renamed."""
    function: Function | None = None


def name(parts: Any) -> Name:
    """Schema and name of a qualified name in the syntax tree: a `RangeVar`, or parts."""
    if hasattr(parts, "relname"):
        return parts.schemaname or PUBLIC, parts.relname
    words = [part.sval for part in (parts if isinstance(parts, tuple) else (parts,)) if hasattr(part, "sval")]
    return (words[-2] if len(words) > 1 else PUBLIC, words[-1])


def signature(parameters: Any) -> tuple[str, ...]:
    """The types by which PostgreSQL distinguishes functions of one name; of types alone, or of parameters."""
    given = [each for each in parameters or () if not hasattr(each, "mode") or each.mode.name in INPUTS]
    return tuple(types.of(getattr(each, "argType", each)).plain for each in given)


def roles(nodes: Any) -> tuple[str, ...]:
    """The roles that a statement names; `public` for everybody, also where it names none."""
    named = tuple(each.rolename or each.roletype.name.removeprefix("ROLESPEC_").lower() for each in nodes or ())
    return named or (EVERYBODY,)


def option(node: Any, word: str) -> Any:
    """The value of a function's option; None where it has none."""
    found = [each.arg for each in _options(node) if each.defname == word]
    return found[-1] if found else None


def search_path(node: Any) -> tuple[str, ...] | None:
    """The schemas that a `create` or `alter function` looks names up in; None where it doesn't say or lets go of it."""
    found = [each.arg for each in _options(node) if each.defname == "set" and each.arg.name == "search_path"]
    if not found or found[-1].kind.name in ("VAR_RESET", "VAR_SET_DEFAULT"):
        return None
    if found[-1].kind.name == "VAR_SET_CURRENT":
        return ("whatever it is then",)
    words = [str(getattr(each.val, "sval", "")) for each in found[-1].args or ()]
    # A text may hold several, and an empty one is no schema.
    return tuple(part.strip().strip('"') for word in words for part in word.split(",") if part.strip())


def sets_search_path(node: Any) -> bool:
    """Whether an `alter function` says anything of it."""
    every = any(each.defname == "set" and each.arg.kind.name == "VAR_RESET_ALL" for each in _options(node))
    return every or any(each.defname == "set" and each.arg.name == "search_path" for each in _options(node))


def is_on(options: Any, word: str) -> bool | None:
    """Whether an option in parentheses is set, as a view's are; None where it isn't named."""
    found = [each.arg for each in options or () if each.defname == word]
    if not found:
        return None
    value = getattr(found[-1], "sval", getattr(found[-1], "boolval", getattr(found[-1], "ival", True)))
    return str(value).lower() in ("true", "on", "yes", "1", "t", "y")


def _options(node: Any) -> Any:
    return (node.actions if type(node).__name__ == "AlterFunctionStmt" else node.options) or ()
