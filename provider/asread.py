"""A definition as PostgreSQL reads it: its syntax tree as plain values, with what the server does to it at once.

Nothing is done that the server doesn't do itself, so two definitions that are read alike mean the same.
"""

from collections.abc import Iterator
from typing import Any

from pglast import ast
from pglast.enums import SubLinkType

from declared import sqlgrammar

# Where in the text something stands.
LOCATIONS = {"location", "stmt_location", "stmt_len", "name_location"}
LOCATIONS |= {"list_start", "list_end", "rexpr_list_start", "rexpr_list_end"}


def statement(text: str) -> Any:
    """One statement; None where it can't be parsed.

    A chain of ANDs, or of ORs, is one list, however it is put in parentheses from the left: the grammar makes it so.
    """
    parsed = sqlgrammar.parsed(text)
    # A view by itself, or the statement that makes it.
    query = getattr(parsed, "query", parsed)
    return parsed and _plain(parsed, frozenset(id(column) for column in _prefixed(query)))


def _plain(node: Any, prefixed: frozenset[int]) -> Any:
    """A node as plain values.

    Args:
        prefixed: the columns, by identity, whose prefix says nothing.
    """
    if isinstance(node, tuple):
        return tuple(_plain(each, prefixed) for each in node)
    if not isinstance(node, ast.Node):
        return node
    if isinstance(node, ast.TypeCast) and _is_of_elements(node):
        return _plain(_cast_elements(node.arg, node.typeName), prefixed)
    values = {name: getattr(node, name) for name in node if name not in LOCATIONS}
    if id(node) in prefixed:
        values["fields"] = values["fields"][1:]
    if isinstance(node, ast.ResTarget):
        values["name"] = node.name or _name(node.val)
    return type(node).__name__, *(
        (name, _plain(value, prefixed)) for name, value in values.items() if value is not None
    )


def _is_of_elements(cast: Any) -> bool:
    """Whether a cast of an array is one of each of its elements; an empty one has its type by it."""
    return isinstance(cast.arg, ast.A_ArrayExpr) and bool(cast.arg.elements and cast.typeName.arrayBounds)


def _cast_elements(array: Any, type: Any) -> Any:
    """`(array[a, b])::t[]` as `array[a::t, b::t]`; of an array of arrays, down to the innermost."""
    element = ast.TypeName(**{name: getattr(type, name) for name in type if name != "arrayBounds"})
    element.arrayBounds = type.arrayBounds[1:] or None
    cast = [
        _cast_elements(each, type) if isinstance(each, ast.A_ArrayExpr) else ast.TypeCast(arg=each, typeName=element)
        for each in array.elements or ()
    ]
    return ast.A_ArrayExpr(elements=tuple(cast))


def _name(value: Any) -> str | None:
    """What a result without a name is called by its type: a literal has none as it is written, one as it is stored."""
    if isinstance(value, ast.TypeCast) and isinstance(value.arg, ast.A_Const):
        names: Any = value.typeName
        return str(names.names[-1].sval)
    if isinstance(value, ast.SubLink) and value.subLinkType == SubLinkType.EXPR_SUBLINK:
        query: Any = value.subselect
        first = (query.targetList or (None,))[0]
        return first and (first.name or _name(first.val))
    return None


def _prefixed(query: Any) -> Iterator[ast.ColumnRef]:
    """The columns of a view of one table that have its name before theirs: up to PostgreSQL 15 all, from 16 on none.

    But for those whose name alone would mean a result of the query.
    """
    if not isinstance(query, ast.SelectStmt) or len(query.fromClause or ()) != 1:
        return
    source: Any = (query.fromClause or ())[0]
    table = source.alias.aliasname if getattr(source, "alias", None) else getattr(source, "relname", None)
    results = {target.name for target in query.targetList or () if target.name}
    sorted_by = [*(each.node for each in query.sortClause or ()), *(query.distinctClause or ())]
    kept = {id(each) for each in sorted_by if isinstance(each, ast.ColumnRef) and _words(each)[-1] in results}
    for node in _own(query):
        if isinstance(node, ast.ColumnRef) and id(node) not in kept:
            words = _words(node)
            if len(words) == 2 and words[0] == table and words[1]:
                yield node


def _words(column: Any) -> list[str | None]:
    """The parts of a column's name; None stands for all columns."""
    return [getattr(field, "sval", None) for field in column.fields]


def _own(node: Any, top: bool = True) -> Iterator[Any]:
    """The nodes of a query, without those of the queries in it."""
    if isinstance(node, tuple):
        for each in node:
            yield from _own(each, top=False)
    elif isinstance(node, ast.Node) and (top or not isinstance(node, ast.SelectStmt)):
        yield node
        for name in node:
            yield from _own(getattr(node, name), top=False)
