"""What the running app uses: relations, columns and functions in query patterns, functions, views and row policies."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from declared import sqlfiles, sqlgrammar, sqlqueries
from declared.roles import ROLES
from ops.review.lint import deployed
from ops.review.lint.code import parsed
from ops.review.lint.objects import PUBLIC, Function, Gone, Name, name, option
from ops.review.lint.structure import Structure

STATEMENTS = {"SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"}
# What plpgsql hands to the parser as it stands; of an assignment the value, of the rest an expression.
ASSIGNED = re.compile(r"^\s*(?P<target>[\w.\"\[\]]+)\s*:?=\s*(?P<value>.*)$", re.DOTALL)
ROWS_OF_TRIGGERS = {"new", "old"}

Scope = Mapping[str, Name]
"""What the relations of a statement are called in it."""


@dataclass(frozen=True)
class User:
    """Something that runs, as syntax trees."""

    what: str
    text: str
    nodes: tuple[Any, ...]
    schema: str = PUBLIC
    """Where a name without a schema is looked for."""
    follows_names: bool = False
    """Whether PostgreSQL keeps it by numbers: what is renamed is renamed in it too."""
    on: Name | None = None
    """The table of a row policy, whose columns it names as they are."""
    triggered: tuple[Name, ...] = ()
    """The tables whose rows a trigger's function is called for."""
    has_variables: bool = False
    """Whether a name before a dot may be a variable."""

    def uses_relation(self, which: Name) -> bool:
        schema, relation = which
        qualified = re.search(rf'(?<![\w."])"?{re.escape(schema)}"?\."?{re.escape(relation)}"?(?![\w])', self.text)
        return which == self.on or bool(qualified) or which in self._relations()

    def _relations(self) -> set[Name]:
        return {(each.schemaname or self.schema, each.relname) for node in self.nodes for each in relations(node)}

    def uses_function(self, gone: Gone, left: Iterable[tuple[int, int]]) -> bool:
        """Whether it calls a function with a number of arguments that none of those left takes.

        Args:
            left: how many arguments at least and at most the other functions of the name take.
        """
        calls = (each for node in self.nodes for each in sqlgrammar.walk(node) if type(each).__name__ == "FuncCall")
        least, most = gone.function.arguments if gone.function else (0, 100)
        for call in calls:
            if len(call.funcname) > 1 and name(call.funcname) == gone.name:
                number = len(call.args or ())
                if least <= number <= most and not any(low <= number <= high for low, high in left):
                    return True
        return False

    def uses_column(self, table: Name, column: str, structure: Structure) -> bool:
        """Whether a name in it means this column; what other tables have is looked up in `structure`."""
        scopes: list[Scope] = [{self.on[1]: self.on}] if self.on else []
        return any(_uses(self, node, scopes, (table, column), structure) for node in self.nodes)


def relations(node: Any) -> Iterator[Any]:
    """The relations that a statement names, without the parts of its `with`."""
    found = [each for each in sqlgrammar.walk(node) if type(each).__name__ in ("RangeVar", "CommonTableExpr")]
    parts = {each.ctename for each in found if hasattr(each, "ctename")}
    return (each for each in found if hasattr(each, "relname") and (each.schemaname or each.relname not in parts))


def _scope(statement: Any, schema: str) -> Scope:
    found: dict[str, Name] = {}
    for each in _within(statement):
        if type(each).__name__ == "RangeVar":
            called = each.alias.aliasname if each.alias else each.relname
            found[called] = (each.schemaname or schema, each.relname)
    return found


def _within(statement: Any) -> Iterator[Any]:
    """The nodes of a statement without those of the statements in it."""
    todo = _children(statement)
    while todo:
        node = todo.pop()
        if type(node).__name__ not in STATEMENTS:
            yield node
            todo += _children(node)


def _children(node: Any) -> list[Any]:
    """The nodes right below a node, lists of them taken apart."""
    from pglast import ast

    if isinstance(node, tuple):
        return [below for each in node for below in (_children(each) if isinstance(each, tuple) else [each])]
    return _children(tuple(getattr(node, each) for each in node)) if isinstance(node, ast.Node) else []


def _uses(user: User, node: Any, scopes: list[Scope], wanted: tuple[Name, str], structure: Structure) -> bool:
    kind = type(node).__name__
    if kind == "ColumnRef":
        return _means(user, node, scopes, wanted, structure)
    if kind in STATEMENTS:
        if _writes(node, wanted, user.schema):
            return True
        scopes = [_scope(node, user.schema), *scopes]
    return any(_uses(user, each, scopes, wanted, structure) for each in _children(node))


def _writes(statement: Any, wanted: tuple[Name, str], schema: str) -> bool:
    """Whether it names the column as one that it writes."""
    relation = getattr(statement, "relation", None)
    if relation is None or (relation.schemaname or schema, relation.relname) != wanted[0]:
        return False
    conflict = getattr(statement, "onConflictClause", None)
    written = [*(getattr(statement, "cols", None) or ()), *(getattr(conflict, "targetList", None) or ())]
    if type(statement).__name__ == "UpdateStmt":
        written += statement.targetList
    if conflict is not None and conflict.infer:
        written += conflict.infer.indexElems or ()
    return any(each.name == wanted[1] for each in written)


def _means(user: User, node: Any, scopes: list[Scope], wanted: tuple[Name, str], structure: Structure) -> bool:
    table, column = wanted
    fields = [getattr(each, "sval", "*") for each in node.fields]
    if fields[-1] != column:
        return False
    if len(fields) > 2:
        return tuple(fields[-3:-1]) == table
    if len(fields) == 2:
        return _of_qualified(user, fields[0], scopes, table)
    for scope in scopes:
        has = [each for each in scope.values() if each == table or column in _columns(structure, each)]
        if has:
            return table in has
    return False


def _columns(structure: Structure, which: Name) -> Iterable[str]:
    table = structure.tables.get(which)
    return table.columns if table else ()


def _of_qualified(user: User, called: str, scopes: list[Scope], table: Name) -> bool:
    for scope in scopes:
        if called in scope:
            return scope[called] == table
    if called in ROWS_OF_TRIGGERS:
        return table in user.triggered
    return user.has_variables and user.uses_relation(table)


def users(structure: Structure, root: Path) -> Iterator[User]:
    """All that is known of the app: the files of a checkout, and what migrations have made."""
    yield from _queries_of_app(root)
    yield from policies(root)
    for called, view in structure.views.items():
        change = view.created
        yield User(f"view {'.'.join(called)}", change.text, (change.node.query,), follows_names=True)
    for (*qualified, _), function in structure.functions.items():
        which: Name = (qualified[0], qualified[1])
        triggered = tuple(table for (table, _), called in structure.triggers.items() if called == which)
        yield _function(which, function, triggered)


def policies(root: Path) -> Iterator[User]:
    """The row policies of a checkout."""
    if (folder := root / sqlfiles.POLICY_FOLDER).is_dir():
        for policy in sqlfiles.row_policies(folder):
            schema_of, _, table = policy.table.partition(".")
            text = " and ".join(f"({each})" for each in (policy.using, policy.check) if each)
            nodes = tuple(parsed(f"select {text}")) if text else ()
            yield User(f"row policy {policy.name}", text, nodes, on=(schema_of, table))


def _queries_of_app(root: Path) -> Iterator[User]:
    """Those of the checkout, and those of the main branch that are others: they run until the change is deployed."""
    folder = root / deployed.FOLDER
    own = sqlqueries.queries(folder) if folder.is_dir() else []
    branch, others = deployed.queries(root)
    same = {query.text for query in own}
    for query in [*own, *(other for other in others if other.text not in same)]:
        where = "" if query.text in same else f" of {branch}"
        schema = str(ROLES[query.role].settings.get("search_path", PUBLIC)) if query.role in ROLES else PUBLIC
        yield User(f"query pattern {query.name}{where}", query.text, tuple(parsed(query.text)), schema)


def _function(which: Name, function: Function, triggered: tuple[Name, ...]) -> User:
    node, called = function.node, f"function {'.'.join(which)}"
    atomic = node.sql_body is not None
    nodes = (node.sql_body,) if atomic else body(node, function.created.text)
    language = getattr(option(node, "language"), "sval", "")
    return User(
        called,
        function.created.text,
        nodes,
        follows_names=atomic,
        triggered=triggered,
        has_variables=language == "plpgsql",
    )


def body(node: Any, text: str) -> tuple[Any, ...]:
    """The statements and expressions in a function's body, as far as they can be parsed."""
    if node.sql_body is not None:
        return (node.sql_body,)
    language = getattr(option(node, "language"), "sval", "")
    parts = option(node, "as")
    if language == "sql" and parts:
        return tuple(parsed(parts[0].sval))
    return tuple(_of_plpgsql(text)) if language == "plpgsql" else ()


def _of_plpgsql(text: str) -> Iterator[Any]:
    from pglast import parser

    try:
        tree = json.loads(parser.parse_plpgsql_json(text))
    except (parser.ParseError, ValueError):
        return
    for query in _expressions(tree):
        found = list(parsed(query))
        if not found and (match := ASSIGNED.match(query)):
            found = list(parsed(f"select {match['target']}, {match['value']}"))
        yield from found or parsed(f"select {query}")


def _expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "PLpgSQL_expr":
                yield value["query"]
            else:
                yield from _expressions(value)
    elif isinstance(node, list):
        for each in node:
            yield from _expressions(each)
