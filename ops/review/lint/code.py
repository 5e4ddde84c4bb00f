"""The statements within a statement: in a `do` block, in a `create schema`; and what is built only while it runs."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from declared import sqlgrammar
from ops.review.lint.model import Change
from ops.review.lint.objects import option

# What plpgsql runs as a statement, and where its text is.
STATEMENTS = {
    **{"PLpgSQL_stmt_execsql": "sqlstmt", "PLpgSQL_stmt_perform": "expr", "PLpgSQL_stmt_call": "expr"},
    **{"PLpgSQL_stmt_fors": "query", "PLpgSQL_stmt_assign": "expr"},
}
ASSIGNED = re.compile(r"^[^=]*?:?=")
BUILDS = {"PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"}
LOOPS = {"PLpgSQL_stmt_fors", "PLpgSQL_stmt_loop", "PLpgSQL_stmt_while", "PLpgSQL_stmt_forc", "PLpgSQL_stmt_fori"}
DDL = ("Create", "Alter", "Drop", "Grant", "Truncate", "Index", "View", "Rule", "Rename")


@dataclass(frozen=True)
class Run:
    """What a body runs: statements with their line in it, from 1, and whether it builds others."""

    statements: tuple[tuple[int, str], ...]
    builds: bool
    repeats: bool
    """Whether it has a loop."""
    returned: str = ""
    """What it returns, as a query, where that is all that it does."""


def of(text: str, language: str, source: str) -> Run | None:
    """What a function or a `do` block runs; None where that can't be read.

    Args:
        text: the whole statement.
        source: its body, where it is a text.
    """
    from pglast import parser

    if language == "sql":
        try:
            slices = parser.split(source, only_slices=True)
        except parser.ParseError:
            return None
        return Run(tuple((source.count("\n", 0, each.start) + 1, source[each]) for each in slices), False, False)
    if language != "plpgsql":
        return None
    try:
        tree = json.loads(parser.parse_plpgsql_json(text))
    except (parser.ParseError, ValueError):
        return None
    found: list[tuple[int, str]] = []
    builds = repeats = False
    for kind, node in _nodes(tree):
        repeats |= kind in (*LOOPS, "PLpgSQL_stmt_dynfors")
        if kind in STATEMENTS:
            text = node[STATEMENTS[kind]]["PLpgSQL_expr"]["query"]
            found.append((node.get("lineno", 1), ASSIGNED.sub("select ", text) if kind.endswith("assign") else text))
        elif kind in BUILDS:
            constant = _text(node["query"]["PLpgSQL_expr"]["query"])
            builds |= constant is None
            found += [(node.get("lineno", 1), constant)] if constant is not None else []
    return Run(tuple(found), builds, repeats, "" if found else _returned(tree))


def _returned(tree: Any) -> str:
    """The only value that a body of plpgsql returns; what it ends with is an empty `return`."""
    found = [
        node["expr"]["PLpgSQL_expr"]["query"]
        for kind, node in _nodes(tree)
        if kind.endswith("return") and "expr" in node
    ]
    return f"select {found[0]}" if len(found) == 1 else ""


def _nodes(tree: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for kind, node in tree.items():
            yield kind, node
            yield from _nodes(node)
    elif isinstance(tree, list):
        for each in tree:
            yield from _nodes(each)


def _text(expression: str) -> str | None:
    """The text that an expression is, where it is a constant."""
    node = sqlgrammar.parsed(f"select {expression}")
    value = node.targetList[0].val if node and node.targetList else None
    return getattr(getattr(value, "val", None), "sval", None) if type(value).__name__ == "A_Const" else None


def of_block(node: Any, text: str) -> Run | None:
    """What a `do` block runs."""
    words = {each.defname: each.arg.sval for each in node.args}
    return of(text, words.get("language", "plpgsql"), words["as"])


def of_function(node: Any, text: str) -> Run | None:
    """What a function or a procedure runs when it is called."""
    if node.sql_body is not None:
        return Run((), False, False)
    parts = option(node, "as")
    return of(text, getattr(option(node, "language"), "sval", ""), parts[0].sval if parts else "")


def makes(run: Run | None) -> bool:
    """Whether a body changes the structure, or may: it builds a statement, or can't be read."""
    if run is None or run.builds:
        return True
    nodes = (sqlgrammar.parsed(text) for _, text in run.statements)
    return any(type(node).__name__.startswith(DDL) for node in nodes)


def within(change: Change) -> Iterator[Change]:
    """A statement and those in it, which run with it, as far as they can be read."""
    yield change
    match type(change.node).__name__:
        case "DoStmt" if run := of_block(change.node, change.text):
            body = next(each.arg.sval for each in change.node.args if each.defname == "as")
            first = change.line + change.text.count("\n", 0, max(change.text.find(body), 0)) - 1
            for line, text in run.statements:
                for node in parsed(text):
                    yield Change(change.path, first + line, text.strip(), "", node, is_in_block=True)
        case "ExplainStmt" | "PrepareStmt":
            yield Change(change.path, change.line, change.text, "", change.node.query)
        case "CreateSchemaStmt":
            for node in change.node.schemaElts or ():
                if (relation := getattr(node, "relation", None)) and not relation.schemaname:
                    relation.schemaname = change.node.schemaname
                yield Change(change.path, change.line, change.text, "", node)


def parsed(text: str) -> Iterator[Any]:
    """The statements of a text, none where it can't be parsed."""
    from pglast import parser

    try:
        found = parser.parse_sql(text)
    except parser.ParseError:
        return
    yield from (each.stmt for each in found)
