"""What is constant in an expression of SQL, and which columns and functions it names."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import add, eq, ge, gt, le, lt, mul, ne, sub
from typing import Any

from declared import sqlgrammar

# Functions and settings that say who asks.
CALLER = frozenset(
    {
        *(f"auth.{each}" for each in ("email", "jwt", "uid")),
        *(
            f"private.{each}"
            for each in ("few_files", "few_projects", "led_projects", "may_hear", "may_speak", "my_projects")
        ),
    }
)
CLAIMS = "request.jwt."
# Where a range of keys begins that is empty for who may not see it.
BEGINNINGS = frozenset(f"private.{each}" for each in ("many_files_from", "many_from", "supervised_from"))
TRUE, FALSE = {"t", "true", "y", "yes", "on", "1"}, {"f", "false", "n", "no", "off", "0"}
COMPARES = {"=": eq, "<>": ne, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}
COUNTS = {"+": add, "-": sub, "*": mul}
NUMBERS = {"int2", "int4", "int8", "numeric", "float4", "float8"}
TEXTS = {"text", "varchar", "bpchar"}
BETWEEN = ("AEXPR_BETWEEN", "AEXPR_BETWEEN_SYM")
Body = Callable[[Any], Any]
"""What a function without arguments returns, by its name in the syntax tree; None where that isn't known."""
WRAPS = ("TypeCast", "CollateClause")


@dataclass(frozen=True)
class Constant:
    """A value that is the same for every row."""

    said: bool | int | float | str | None

    @property
    def truth(self) -> bool | None:
        """What it is where a condition stands."""
        text = str(self.said).strip().lower()
        return True if text in TRUE else False if text in FALSE else None


def kind(node: Any) -> str:
    """The name of a node's type in PostgreSQL's grammar."""
    return type(node).__name__


def operator(node: Any) -> str:
    """The operator of an expression, without its schema."""
    return str(node.name[-1].sval)


def function_name(node: Any) -> str:
    """The name of a called function, with its schema where it is written."""
    return ".".join(each.sval for each in node.funcname).removeprefix("pg_catalog.")


def no_body(name: Any) -> None:
    """No function's body is known."""


def constant(node: Any, body: Body = no_body) -> Constant | None:
    """The value of an expression; None where it isn't seen to be constant."""
    sort = kind(node)
    if sort == "FuncCall" and not node.args and (returned := body(node.funcname)) is not None:
        return constant(returned, body)
    if sort == "A_Const":
        return Constant(None if node.isnull else _value(node.val))
    if sort == "TypeCast":
        return _cast(constant(node.arg, body), node.typeName.names[-1].sval)
    if sort == "A_Expr" and node.lexpr is not None:
        return _compared(node, body)
    if sort == "NullTest" and (found := constant(node.arg, body)):
        return Constant((found.said is None) == (node.nulltesttype.name == "IS_NULL"))
    if sort == "SubLink" and (query := alone(node)):
        if node.subLinkType.name == "EXISTS_SUBLINK":
            return Constant(True)
        return constant(query.targetList[0].val, body) if node.subLinkType.name == "EXPR_SUBLINK" else None
    return None


def _compared(node: Any, body: Body) -> Constant | None:
    left = constant(node.lexpr, body)
    if node.kind.name == "AEXPR_OP":
        return _counted(left, operator(node), constant(node.rexpr, body))
    if node.kind.name in BETWEEN and len(node.rexpr) == 2:
        above, below = (constant(each, body) for each in node.rexpr)
        both = [_counted(left, ">=", above), _counted(left, "<=", below)]
        return Constant(all(each.said is True for each in both if each)) if None not in both else None
    return None


def alone(node: Any) -> Any:
    """The query of a sublink that reads nothing and has no condition; None for another one."""
    query = node.subselect
    plain = kind(query) == "SelectStmt" and query.targetList and not (query.fromClause or query.whereClause)
    return query if plain and not (query.havingClause or query.limitCount or query.limitOffset) else None


def _value(value: Any) -> bool | int | float | str:
    for field in ("boolval", "ival", "sval"):
        if hasattr(value, field):
            found: bool | int | str = getattr(value, field)
            return found
    return float(value.fval) if hasattr(value, "fval") else str(value.bsval)


def _cast(given: Constant | None, type: str) -> Constant | None:
    """What another type makes of a value isn't followed, where it says it in its own way."""
    if given is None or given.said is None:
        return given
    if type == "bool":
        return Constant(given.truth if given.truth is not None else bool(given.said))
    if type in NUMBERS and isinstance(given.said, str):
        try:
            return Constant(float(given.said))
        except ValueError:
            return None
    return given if type in TEXTS or not isinstance(given.said, str) else None


def _counted(left: Constant | None, name: str, right: Constant | None) -> Constant | None:
    if left is None or right is None:
        return None
    if left.said is None or right.said is None:
        return Constant(None)
    sides = _alike(left.said, right.said)
    if name == "||":
        return Constant(f"{left.said}{right.said}")
    if sides is None or name not in COMPARES | COUNTS:
        return None
    if name in COUNTS:
        return Constant(COUNTS[name](*sides)) if not isinstance(sides[0], str) else None
    return Constant(COMPARES[name](*sides))


def _alike(left: Any, right: Any) -> tuple[Any, Any] | None:
    """Both sides as PostgreSQL compares them: a text beside a number is one."""
    if isinstance(left, str) == isinstance(right, str):
        return left, right
    try:
        return float(left), float(right)
    except ValueError:
        return None


def unwrapped(node: Any) -> Any:
    """An expression without what leaves its value as it is: casts, collations, a query that only says it."""
    while True:
        if kind(node) in WRAPS:
            node = node.arg
        elif kind(node) == "SubLink" and node.subLinkType.name == "EXPR_SUBLINK" and (query := alone(node)):
            node = query.targetList[0].val
        else:
            return node


def same(left: Any, right: Any) -> bool:
    """Whether two expressions are one."""
    left, right = unwrapped(left), unwrapped(right)
    if kind(left) == kind(right) == "RowExpr":
        return len(left.args) == len(right.args) and all(map(same, left.args, right.args))
    if kind(left) == kind(right) == "ColumnRef":
        names = [[getattr(each, "sval", "*") for each in node.fields] for node in (left, right)]
        shorter = min(map(len, names))
        return names[0][-shorter:] == names[1][-shorter:]
    text = sqlgrammar.deparsed(left)
    return text is not None and text == sqlgrammar.deparsed(right)


def _names(node: Any) -> Iterator[str]:
    """What the relations of a `from` are called."""
    if kind(node) == "JoinExpr":
        yield from _names(node.larg)
        yield from _names(node.rarg)
    elif getattr(node, "alias", None):
        yield node.alias.aliasname
    elif kind(node) == "RangeVar":
        yield node.relname


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: within a query, names are first those of its own relations."""

    inner: frozenset[str] = frozenset()
    body: Body = no_body

    def within(self, query: Any) -> "Scope":
        """The scope of a query's conditions."""
        return Scope(self.inner.union(*({*_names(each), ""} for each in query.fromClause or ())), self.body)

    def names_row(self, node: Any) -> bool:
        """Whether a column of the policy's own row is named."""
        return any(self._is_row(each, scope) for each, scope in self._columns(node))

    def names_inner(self, node: Any) -> bool:
        """Whether a column of a relation of the query is named."""
        return any(not self._is_row(each, scope) for each, scope in self._columns(node))

    def names_caller(self, node: Any) -> bool:
        """Whether something is named that says who asks."""
        return any(_says_who(each) for each in sqlgrammar.walk(node) if kind(each) == "FuncCall")

    def names_beginning(self, node: Any) -> bool:
        """Whether a function is named that says where a range begins."""
        calls = (each for each in sqlgrammar.walk(node) if kind(each) == "FuncCall")
        return any(function_name(each) in BEGINNINGS for each in calls)

    def _columns(self, node: Any) -> Iterator[tuple[Any, "Scope"]]:
        if isinstance(node, tuple):
            for each in node:
                yield from self._columns(each)
        elif kind(node) == "ColumnRef":
            yield node, self
        elif kind(node) == "SelectStmt":
            yield from self.within(node)._fields(node)
        else:
            yield from self._fields(node)

    def _fields(self, node: Any) -> Iterator[tuple[Any, "Scope"]]:
        if hasattr(node, "__slots__"):
            for field in node:
                yield from self._columns(getattr(node, field))

    @staticmethod
    def _is_row(column: Any, scope: "Scope") -> bool:
        names = [getattr(each, "sval", "") for each in column.fields]
        return names[-2] not in scope.inner if len(names) > 1 else not scope.inner and names[-1] != ""


def _says_who(call: Any) -> bool:
    name = function_name(call)
    if name == "current_setting" and call.args:
        setting = constant(call.args[0])
        return setting is not None and str(setting.said).startswith(CLAIMS)
    return name in CALLER
