"""Whether a condition is true of every row: what of an expression is constant is folded.

What isn't constant, and isn't plainly the same on both sides, isn't known; null isn't true, as in a row policy.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

from declared import sqlgrammar

UNKNOWN = object()
TRUE = {"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"}
FALSE = {"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"}
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    **{"=": operator.eq, "<>": operator.ne, "!=": operator.ne, "<": operator.lt, ">": operator.gt},
    **{"<=": operator.le, ">=": operator.ge, "+": operator.add, "-": operator.sub, "*": operator.mul},
    **{"||": operator.add},
}
# Of one expression with itself, where it isn't null.
OF_ITSELF = {"=", "<=", ">="}
VOLATILE = {"random", "clock_timestamp", "timeofday", "gen_random_uuid", "nextval"}

Body = Callable[[Any], Any]
"""What a function without arguments returns, by its name in the syntax tree; None where that isn't known."""


def always_true(node: Any, body: Body = lambda name: None) -> bool:
    """Whether an expression's syntax tree is true of every row."""
    return _value(node, body) is True


def _value(node: Any, body: Body) -> Any:
    """The constant that an expression is, or `UNKNOWN`; None is null."""
    fold = FOLDS.get(type(node).__name__)
    return fold(node, body) if fold else UNKNOWN


def _constant(node: Any, body: Body) -> Any:
    if node.isnull:
        return None
    value, kind = node.val, type(node.val).__name__
    if kind == "Boolean":
        return bool(value.boolval)
    if kind == "Integer":
        # A zero is an integer without a value.
        return Fraction(value.ival or 0)
    return Fraction(value.fval) if kind == "Float" else getattr(value, "sval", UNKNOWN)


def _cast(node: Any, body: Body) -> Any:
    value, wanted = _value(node.arg, body), node.typeName.names[-1].sval
    if wanted == "bool":
        words = str(value).strip().lower() if isinstance(value, str | bool) else ""
        if isinstance(value, Fraction):
            return value != 0
        return True if words in TRUE else False if words in FALSE else value if value is None else UNKNOWN
    if wanted in ("int2", "int4", "int8", "numeric") and isinstance(value, str):
        return Fraction(value) if value.strip("+-").isdigit() else UNKNOWN
    if wanted in ("text", "varchar") and isinstance(value, bool | Fraction):
        return str(value).lower()
    return value


def _logical(node: Any, body: Body) -> Any:
    values = [_value(each, body) for each in node.args]
    match node.boolop.name:
        case "NOT_EXPR":
            return not values[0] if isinstance(values[0], bool) else values[0]
        case "AND_EXPR":
            return _all(values)
    return True if _covers_everything(node.args) else _any(values)


def _all(values: Iterable[Any]) -> Any:
    found = list(values)
    if any(each is False for each in found):
        return False
    return True if all(each is True for each in found) else UNKNOWN


def _any(values: Iterable[Any]) -> Any:
    found = list(values)
    if any(each is True for each in found):
        return True
    return False if all(each is False for each in found) else UNKNOWN


def _covers_everything(parts: Sequence[Any]) -> bool:
    """Whether one of two parts holds wherever the other doesn't: `a is null or a is not null`, `a or not a`."""
    tests = {(each.nulltesttype.name, _text(each.arg)) for each in parts if type(each).__name__ == "NullTest"}
    plain = {_text(each) for each in parts}
    negated = [each.args[0] for each in parts if getattr(getattr(each, "boolop", None), "name", "") == "NOT_EXPR"]
    return any(("IS_NULL", what) in tests for kind, what in tests if kind == "IS_NOT_NULL") or any(
        _text(each) in plain for each in negated
    )


def _subquery(node: Any, body: Body) -> Any:
    query, kind = node.subselect, node.subLinkType.name
    where = getattr(query, "whereClause", None)
    plain = not (getattr(query, "fromClause", None) or getattr(query, "limitCount", None)) and not query.havingClause
    if not plain or (where is not None and _value(where, body) is not True):
        return UNKNOWN
    if query.valuesLists:
        ((only,), *more) = query.valuesLists
        return _value(only, body) if not more else UNKNOWN
    if kind == "EXISTS_SUBLINK":
        return UNKNOWN if query.op.name != "SETOP_NONE" else True
    single = kind == "EXPR_SUBLINK" and query.targetList and len(query.targetList) == 1
    return _value(query.targetList[0].val, body) if single else UNKNOWN


def _compared(node: Any, body: Body) -> Any:
    kind, called = node.kind.name, node.name[-1].sval
    left, right = node.lexpr, node.rexpr
    if kind in ("AEXPR_IN", "AEXPR_OP_ANY"):
        many = right if isinstance(right, tuple) else getattr(right, "elements", None) or ()
        return _any(_pair("=", left, each, body) for each in many) if called == "=" else UNKNOWN
    if kind in ("AEXPR_LIKE", "AEXPR_ILIKE"):
        return True if set(str(_value(right, body))) == {"%"} and called in ("~~", "~~*") else UNKNOWN
    if kind == "AEXPR_BETWEEN":
        return _all([_pair(">=", left, right[0], body), _pair("<=", left, right[1], body)])
    if kind == "AEXPR_NOT_DISTINCT":
        return _pair("=", left, right, body)
    return _pair(called, left, right, body) if kind == "AEXPR_OP" and left is not None else UNKNOWN


def _pair(called: str, left: Any, right: Any, body: Body) -> Any:
    one, other = _value(left, body), _value(right, body)
    if one is None or other is None:
        return None
    if UNKNOWN in (one, other):
        same = called in OF_ITSELF and _text(left) == _text(right) and not _is_volatile(left)
        return True if same else UNKNOWN
    if called not in OPERATORS:
        return UNKNOWN
    if isinstance(one, str) != isinstance(other, str):
        one, other = str(one).lower(), str(other).lower()
    return OPERATORS[called](one, other)


def _null(node: Any, body: Body) -> Any:
    value = _value(node.arg, body)
    return UNKNOWN if value is UNKNOWN else (value is None) == (node.nulltesttype.name == "IS_NULL")


def _boolean(node: Any, body: Body) -> Any:
    value, test = _value(node.arg, body), node.booltesttype.name
    if value is UNKNOWN:
        return UNKNOWN
    wanted = {"TRUE": True, "FALSE": False, "UNKNOWN": None}[test.rpartition("_")[2]]
    return (value is wanted) != ("_NOT_" in test)


def _first(node: Any, body: Body) -> Any:
    for each in node.args:
        value = _value(each, body)
        if value is not None:
            # Whatever a row has first, true comes after it: not constant, but an unknown one may be false.
            return value
    return None


def _chosen(node: Any, body: Body) -> Any:
    results = [each.result for each in node.args] + [node.defresult]
    values = [None if each is None else _value(each, body) for each in results]
    return values[0] if all(each is values[0] for each in values) else UNKNOWN


def _called(node: Any, body: Body) -> Any:
    found = body(node.funcname) if not node.args else None
    return UNKNOWN if found is None else _value(found, body)


def _text(node: Any) -> str:
    return sqlgrammar.deparsed(node) or repr(node)


def _is_volatile(node: Any) -> bool:
    calls = (each for each in sqlgrammar.walk(node) if type(each).__name__ == "FuncCall")
    return any(each.funcname[-1].sval in VOLATILE for each in calls)


FOLDS: dict[str, Callable[[Any, Body], Any]] = {
    **{"A_Const": _constant, "TypeCast": _cast, "BoolExpr": _logical, "SubLink": _subquery, "A_Expr": _compared},
    **{"NullTest": _null, "BooleanTest": _boolean, "CoalesceExpr": _first, "CaseExpr": _chosen, "FuncCall": _called},
}
