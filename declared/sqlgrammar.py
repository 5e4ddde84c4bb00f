"""PostgreSQL's own scanner and parser (pglast, libpg_query), asked where the grammar has to be known.

Its grammar is that of PostgreSQL 18. What it can't parse may still be right for a newer server: every function here
says None then, and the caller goes on without it, so that the server says what is wrong. Loading it takes as long as
reading all of `sql/`, so it is loaded when it is asked.
"""

import re
from collections.abc import Iterator
from typing import Any

# Which token PostgreSQL's scanner found no end of.
DOT, COMMENTS = "ASCII_46", ("C_COMMENT", "SQL_COMMENT")
UNCLOSED = re.compile(r"unterminated (?P<what>.*?) at or near")


def ends(text: str) -> Iterator[int] | None:
    """Where the statements of a text end."""
    from pglast import parser

    try:
        found = [part.stop for part in parser.split(text, with_parser=True, only_slices=True)]
    except parser.ParseError:
        return None
    return iter([*found, len(text)])


def parsed(statement: str) -> Any:
    """The syntax tree of one statement."""
    from pglast import parser

    try:
        found = parser.parse_sql(statement)
    except parser.ParseError:
        return None
    return found[0].stmt if len(found) == 1 else None


def unclosed(text: str) -> tuple[int, str] | None:
    """Where a comment, string, quoted name or dollar quote begins that has no end, and what it is."""
    from pglast import parser

    try:
        parser.scan(text)
    except parser.ParseError as error:
        message, position = error.args
        if match := UNCLOSED.search(message):
            return position, match["what"]
    return None


def end_of_name(statement: str, start: int) -> int:
    """Behind the qualified name that begins at `start`."""
    from pglast import parser

    tokens = [token for token in parser.scan(statement) if token.start >= start and token.name not in COMMENTS]
    while tokens[1].name == DOT:
        tokens = tokens[2:]
    return int(tokens[0].end) + 1


def walk(node: Any) -> Iterator[Any]:
    """A syntax tree's nodes, from the top."""
    from pglast import ast

    if isinstance(node, ast.Node):
        yield node
        for name in node:
            yield from walk(getattr(node, name))
    elif isinstance(node, tuple):
        for each in node:
            yield from walk(each)


def deparsed(node: Any) -> str | None:
    """The SQL of a syntax tree."""
    from pglast.stream import RawStream

    try:
        return str(RawStream()(node))
    except NotImplementedError:
        return None
