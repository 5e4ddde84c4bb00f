"""Which rows the expression of a row policy lets through, by PostgreSQL's own grammar.

What is constant is folded. What can't be seen to leave a row out is taken to let every row through.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Any

from declared import sqlgrammar
from guardrails.folding import BETWEEN, Body, Scope, constant, function_name, kind, operator, same


class Reach(IntEnum):
    """Which rows an expression lets through, the fewest first."""

    none = 0
    own = 1
    """Those that the caller is bound to: the row is compared with who asks, or a known function says so."""
    some = 2
    """Those that fit a condition of the row alone, not of who asks."""
    any = 3
    """Every row, for some callers or at some times; or it can't be seen which."""
    all = 4
    """Every row, always."""


# Functions that let a few people see every row, and that is what they are for.
GUARDS = frozenset({"private.is_super_admin"})
# Functions of the row that look up what the caller may do with it.
MAY = frozenset(
    f"private.{each}"
    for each in (
        "lock_members",
        "lock_project",
        "may_edit",
        "may_find",
        "may_manage",
        "may_read",
        "may_see",
        "may_store",
    )
)
# Functions that compare what they are given.
COMPARE = frozenset({"starts_with"})
ABOVE, BELOW = {">", ">="}, {"<", "<="}
NEGATIVE = {"<>", "!=", "!~", "!~*", "!~~", "!~~*"}
NEGATED = ("AEXPR_NOT_BETWEEN", "AEXPR_NOT_BETWEEN_SYM", "AEXPR_DISTINCT")
REFLEXIVE = {"=", "<=", ">=", "~~", "~~*", "@>", "<@"}
ANY_TEXT, ANY_MATCH = frozenset({"%", "%%"}), frozenset({"", "^", ".*", "^.*", ".*$", "^.*$"})
MATCHES_ALL = {"~~": ANY_TEXT, "~~*": ANY_TEXT, "~": ANY_MATCH, "~*": ANY_MATCH}
MORE_THAN_A_CONDITION = ("groupClause", "havingClause", "sortClause", "limitCount", "limitOffset", "windowClause")


@lru_cache(maxsize=4096)
def reach(expression: str) -> Reach:
    """Which rows an expression lets through; what PostgreSQL's grammar doesn't know may be any."""
    tree = sqlgrammar.parsed(f"select 1 where {expression}")
    if kind(tree) != "SelectStmt" or any(getattr(tree, each) for each in MORE_THAN_A_CONDITION):
        return Reach.any
    return _of(tree.whereClause, Scope()) if tree.whereClause is not None else Reach.any


def lets_all(node: Any, body: Body) -> bool:
    """Whether an expression's syntax tree is true of every row.

    Args:
        body: what functions without arguments return.
    """
    return _of(node, Scope(body=body)) is Reach.all


def _of(node: Any, scope: Scope) -> Reach:
    value = constant(node, scope.body)
    if value is not None:
        return Reach.all if value.truth else Reach.none
    look = FORMS.get(kind(node))
    return look(node, scope) if look else Reach.any


def _joined(node: Any, scope: Scope) -> Reach:
    name = node.boolop.name
    if name == "AND_EXPR":
        return _all(node.args, scope)
    found = [_of(each, scope) for each in node.args]
    if name == "OR_EXPR":
        return Reach.all if _covers_everything(node.args) else max(found)
    value = constant(node.args[0], scope.body)
    if value is not None and value.said is None:
        return Reach.none
    return {Reach.all: Reach.none, Reach.none: Reach.all, Reach.any: Reach.any}.get(found[0], Reach.some)


def _covers_everything(parts: Sequence[Any]) -> bool:
    """Whether one of them holds wherever another doesn't: `a is null or a is not null`; of `a or not a`, null aside."""
    tests = [each for each in parts if kind(each) == "NullTest"]
    negated = [each.args[0] for each in parts if kind(each) == "BoolExpr" and each.boolop.name == "NOT_EXPR"]
    return any(
        one.nulltesttype != other.nulltesttype and same(one.arg, other.arg) for one in tests for other in tests
    ) or any(same(one, other) for one in negated for other in parts)


def _all(conditions: Iterable[Any], scope: Scope) -> Reach:
    """Conditions that hold together."""
    each = list(conditions)
    least = min((_of(one, scope) for one in each), default=Reach.all)
    # One of them may lead from the row to another table, and another from there to the caller.
    bound = any(_binds(one, scope) for one in each) or _between(each, scope)
    return Reach.own if least is Reach.some and bound else least


def _between(conditions: Iterable[Any], scope: Scope) -> bool:
    """Whether a column lies between two values of the caller's."""
    ends = [each for each in conditions if kind(each) == "A_Expr" and _meets(each, scope.names_row, scope)]
    above, below = ([each for each in ends if operator(each) in signs] for signs in (ABOVE, BELOW))
    return any(same(one.lexpr, other.lexpr) for one in above for other in below)


def _binds(node: Any, scope: Scope) -> bool:
    """Whether a condition binds a relation of the query to the caller."""
    if kind(node) == "BoolExpr" and node.boolop.name != "NOT_EXPR":
        return (all if node.boolop.name == "OR_EXPR" else any)(_binds(each, scope) for each in node.args)
    if kind(node) == "FuncCall":
        return function_name(node) in MAY and scope.names_inner(node.args or ())
    if kind(node) != "A_Expr" or _negative(node):
        return False
    equal = operator(node) not in ABOVE | BELOW and node.kind.name not in BETWEEN
    return equal and _meets(node, scope.names_inner, scope) and not _itself(node)


def _negative(node: Any) -> bool:
    return operator(node) in NEGATIVE or node.kind.name in NEGATED


def _meets(node: Any, names: Callable[[Any], bool], scope: Scope) -> bool:
    """Whether one side names a column alone, and the other one the caller alone."""
    left, right = ((names(side), scope.names_caller(side)) for side in (node.lexpr, node.rexpr))
    return (left, right) in (((True, False), (False, True)), ((False, True), (True, False)))


def _compared(node: Any, scope: Scope) -> Reach:
    for side, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
        value = constant(side, scope.body)
        if value is not None and value.said is None and node.kind.name == "AEXPR_OP":
            return Reach.none
        if value is not None and value.said is True and operator(node) == "=":
            return _of(other, scope)
    if not _negative(node) and (_itself(node) or _matches_all(node)):
        return Reach.all
    if not scope.names_row((node.lexpr, node.rexpr)):
        return Reach.any
    if node.kind.name in BETWEEN:
        own = all(map(scope.names_caller, node.rexpr)) or scope.names_beginning(node.rexpr[0])
        return Reach.own if own and not scope.names_caller(node.lexpr) else Reach.some
    # Everything on one side of a value is no more one's own than everything else.
    equal = not _negative(node) and operator(node) not in ABOVE | BELOW
    return Reach.own if equal and _meets(node, scope.names_row, scope) else Reach.some


def _itself(node: Any) -> bool:
    """Whether a value is compared with itself."""
    among = node.rexpr if isinstance(node.rexpr, tuple) else (node.rexpr,)
    if kind(among[0]) == "A_ArrayExpr":
        among = among[0].elements or ()
    found = [same(node.lexpr, each) for each in among]
    if node.kind.name in BETWEEN:
        return all(found)
    return any(found) and (operator(node) in REFLEXIVE or node.kind.name == "AEXPR_NOT_DISTINCT")


def _matches_all(node: Any) -> bool:
    pattern = constant(node.rexpr)
    return pattern is not None and pattern.said in MATCHES_ALL.get(operator(node), ())


def _called(node: Any, scope: Scope) -> Reach:
    name, given = function_name(node), node.args or ()
    returned = scope.body(node.funcname) if not given else None
    if returned is not None:
        return _of(returned, Scope(body=scope.body))
    if name in GUARDS and not given:
        return Reach.own
    if not scope.names_row(given):
        return Reach.any
    known = name in MAY or (name in COMPARE and scope.names_caller(given))
    return Reach.own if known else Reach.some


def _asked(node: Any, scope: Scope) -> Reach:
    """A query within the expression."""
    query, sort = node.subselect, node.subLinkType.name
    if kind(query) != "SelectStmt" or query.op.name != "SETOP_NONE" or query.havingClause or query.groupClause:
        return Reach.any
    inner = scope.within(query)
    conditions = [*_conditions(query)]
    if sort == "EXISTS_SUBLINK":
        # That there is any row at all says nothing of this one.
        return min(Reach.any, _all(conditions, inner)) if query.fromClause else _all(conditions, inner)
    if sort == "EXPR_SUBLINK":
        return _all([*conditions, *(each.val for each in query.targetList or ())], inner)
    if sort == "ANY_SUBLINK" and scope.names_row(node.testexpr):
        bound = any(_binds(each, inner) for each in conditions) or inner.names_caller(query.targetList)
        return Reach.own if bound and not _unlike(node) else Reach.some
    return Reach.some if scope.names_row(node.testexpr) else Reach.any


def _unlike(node: Any) -> bool:
    return bool(node.operName) and node.operName[-1].sval in NEGATIVE


def _conditions(query: Any) -> Iterator[Any]:
    """What holds of each row that a query reads, without what only an outer join asks."""
    pending = [*(query.fromClause or ())]
    while pending:
        node = pending.pop()
        if kind(node) == "JoinExpr" and node.jointype.name == "JOIN_INNER":
            pending += [node.larg, node.rarg]
            yield from _parts(node.quals)
    yield from _parts(query.whereClause)


def _parts(node: Any) -> Iterator[Any]:
    if kind(node) == "BoolExpr" and node.boolop.name == "AND_EXPR":
        for each in node.args:
            yield from _parts(each)
    elif node is not None:
        yield node


def _null(node: Any, scope: Scope) -> Reach:
    """Most columns are never null: that this one isn't leaves no row out."""
    asked = node.nulltesttype.name == "IS_NULL" and scope.names_row(node.arg)
    return Reach.some if asked else Reach.any


def _truth(node: Any, scope: Scope) -> Reach:
    found, name = _of(node.arg, scope), node.booltesttype.name
    if name == "IS_TRUE" or (name == "IS_NOT_FALSE" and found is Reach.all):
        return found
    if name in ("IS_FALSE", "IS_NOT_TRUE") and found in (Reach.none, Reach.all):
        return Reach.all if found is Reach.none else Reach.none
    return max(Reach.some, min(found, Reach.any))


def _cast(node: Any, scope: Scope) -> Reach:
    return _of(node.arg, scope)


def _first(node: Any, scope: Scope) -> Reach:
    """`coalesce` may be each of its values."""
    return max(_of(each, scope) for each in node.args)


def _case(node: Any, scope: Scope) -> Reach:
    found = [Reach.none if node.defresult is None else _of(node.defresult, scope)]
    for each in node.args:
        asked = Reach.any if node.arg is not None else _of(each.expr, scope)
        found.append(min(asked, _of(each.result, scope)))
    return max(found)


def _column(node: Any, scope: Scope) -> Reach:
    return Reach.some if scope.names_row(node) else Reach.any


FORMS: Mapping[str, Callable[[Any, Scope], Reach]] = {
    "BoolExpr": _joined,
    "A_Expr": _compared,
    "FuncCall": _called,
    "SubLink": _asked,
    "NullTest": _null,
    "BooleanTest": _truth,
    "TypeCast": _cast,
    "CollateClause": _cast,
    "CoalesceExpr": _first,
    "CaseExpr": _case,
    "ColumnRef": _column,
}
