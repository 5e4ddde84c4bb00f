"""What a way back takes away: the tables, columns and schemas that its text drops, and the tables that it empties.

Views, materialized views, indexes, functions, triggers and constraints hold no data of their own and aren't named; nor
is a table that the same text has made.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import sqlgrammar
from sqltext import Statement, quick_statements, statements

Kind = Literal["table", "column", "schema", "type", "extension", "role", "database", "code"]
# By its first word, what a statement may drop or delete: only such a statement is parsed. A comment between two words
# makes it one of them.
HARMLESS = r"(?:materialized\s+view|view|index|function|procedure|routine|aggregate|trigger|policy|rule|constraint)\b"
LOSES = rf"\b(?:drop\b(?!\s+{HARMLESS})|truncate\b|delete\b|merge\b)"
SUSPECT = re.compile(
    rf"drop\b(?!\s+{HARMLESS})|truncate\b|delete\b|merge\b|(?:alter|with|do|explain|prepare|create|copy)\b.*{LOSES}",
    re.IGNORECASE | re.DOTALL,
)
ANYWHERE = re.compile(LOSES, re.IGNORECASE)
MADE = re.compile(r"create\b.*\btable\b", re.IGNORECASE | re.DOTALL)
PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# What goes with all that is in it or of it only by `cascade`; without, it is refused where something is.
BY_CASCADE = {
    "OBJECT_SCHEMA": "schema",
    "OBJECT_TYPE": "type",
    "OBJECT_DOMAIN": "type",
    "OBJECT_EXTENSION": "extension",
}


@dataclass(frozen=True)
class Drop:
    """Something that holds data and is dropped or emptied."""

    kind: Kind
    """`code` is what isn't read here: a `do` block, or a statement that our grammar can't parse."""
    parts: tuple[str, ...]
    """As the catalogue has them: schema, table, column; without a schema where the text has none."""
    how: Literal["drops", "empties", "deletes rows of"]
    line: int

    @property
    def name(self) -> str:
        """The qualified name as SQL has it; of a column with its table."""
        return ".".join(part if PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in self.parts)

    @property
    def table(self) -> tuple[str, ...]:
        """Of a table or a column, the names of the table."""
        return self.parts[:-1] if self.kind == "column" else self.parts

    def __str__(self) -> str:
        if self.kind == "code":
            return "has code that drops or deletes, which can't be read here"
        if self.kind == "role":
            return f"drops what role {self.name} owns"
        within = " with all that depends on it" if self.kind in BY_CASCADE.values() else ""
        return f"{self.how} {self.kind} {self.name}{within}"


def drops(text: str) -> list[Drop]:
    """What a text drops or empties that holds data, in its order."""
    if not ANYWHERE.search(text) or not any(SUSPECT.match(each.text) for each in quick_statements(text)):
        return []
    found: list[Drop] = []
    made: set[tuple[str, ...]] = set()
    for statement in statements(text):
        made |= _made(statement)
        found += (each for each in _drops(statement) if each.table not in made)
    return found


def _made(statement: Statement) -> set[tuple[str, ...]]:
    if not MADE.match(statement.text):
        return set()
    node: Any = sqlgrammar.parsed(statement.text)
    relation = getattr(node, "relation", None) or getattr(getattr(node, "into", None), "rel", None)
    return set() if relation is None or getattr(node, "if_not_exists", False) else {_parts(relation)}


def _drops(statement: Statement) -> Iterator[Drop]:
    if not SUSPECT.match(statement.text):
        return
    node: Any = sqlgrammar.parsed(statement.text)
    kind = type(node).__name__
    if node is None or kind == "DoStmt":
        yield Drop("code", (), "drops", statement.line)
    elif kind == "DropStmt":
        yield from _dropped(node, statement.line)
    elif kind == "AlterTableStmt":
        for command in node.cmds:
            if command.subtype.name == "AT_DropColumn":
                yield Drop("column", (*_parts(node.relation), command.name), "drops", statement.line)
    elif kind == "TruncateStmt":
        for relation in node.relations:
            yield Drop("table", _parts(relation), "empties", statement.line)
    elif kind == "DropOwnedStmt":
        for role in node.roles:
            yield Drop("role", (role.rolename or "current_user",), "drops", statement.line)
    elif kind == "DropdbStmt":
        yield Drop("database", (node.dbname,), "drops", statement.line)
    else:
        for relation in _deleted_from(node):
            yield Drop("table", _parts(relation), "deletes rows of", statement.line)


def _dropped(node: Any, line: int) -> Iterator[Drop]:
    kind = node.removeType.name
    if kind != "OBJECT_TABLE" and not (kind in BY_CASCADE and node.behavior.name == "DROP_CASCADE"):
        return
    for each in node.objects:
        names = getattr(each, "names", each)
        parts = tuple(name.sval for name in names) if isinstance(names, tuple) else (names.sval,)
        yield Drop(BY_CASCADE.get(kind, "table"), parts, "drops", line)  # type: ignore[arg-type]


def _deleted_from(node: Any) -> Iterator[Any]:
    """The tables that a statement deletes from, at its head or in what follows `with`."""
    if type(node).__name__ == "DeleteStmt":
        yield node.relation
    if type(node).__name__ == "MergeStmt" and any(
        each.commandType.name == "CMD_DELETE" for each in node.mergeWhenClauses
    ):
        yield node.relation
    for part in getattr(getattr(node, "withClause", None), "ctes", None) or ():
        yield from _deleted_from(part.ctequery)
    for name in ("query", "selectStmt"):
        if getattr(node, name, None) is not None:
            yield from _deleted_from(getattr(node, name))


def _parts(relation: Any) -> tuple[str, ...]:
    return (relation.schemaname, relation.relname) if relation.schemaname else (relation.relname,)
