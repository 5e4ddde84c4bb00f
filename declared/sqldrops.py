"""What a rollback takes away: the tables, columns, sequences and schemas that its text drops, and what it empties.

Views, materialized views, indexes, triggers and constraints hold no data of their own and aren't named; nor is a table
that the same text has made. What the text has renamed or moved has the name that it had before.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from declared import sqlgrammar
from declared.sqltext import Statement, quick_statements, statements

Parts = tuple[str, ...]
# By its first word, what a statement may drop or delete: only such a statement is parsed. A comment between two words
# makes it one of them.
HARMLESS = r"(?:materialized\s+view|view|index|function|procedure|routine|aggregate|trigger|policy|rule|constraint)\b"
LOSES = (
    rf"\b(?:drop\b(?!\s+{HARMLESS})|drop\b[^;]*\bcascade\b|truncate\b|delete\b|merge\b"
    r"|alter\s+(?:column\s+)?\S+\s+(?:set\s+data\s+)?type\b)"
)
# The body of a function runs when it is called, which may be never.
BODY = r"(?!\s+(?:or\s+replace\s+)?(?:function|procedure)\b)"
SUSPECT = re.compile(
    rf"drop\b(?!\s+{HARMLESS})|drop\b.*\bcascade\b|truncate\b|delete\b|merge\b|update\b|alter\b.*\btype\b"
    rf"|(?:with|explain|prepare|insert)\b.*\bupdate\b|(?:alter|with|do|explain|prepare|create{BODY}|copy)\b.*{LOSES}",
    re.IGNORECASE | re.DOTALL,
)
ANYWHERE = re.compile(rf"{LOSES}|\bupdate\b|\btype\b", re.IGNORECASE)
NAMES = re.compile(
    rf"create\b{BODY}.*\b(?:table|sequence|schema)\b|alter\b.*\b(?:rename|schema|column|add)\b",
    re.IGNORECASE | re.DOTALL,
)
PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
RELATIONS = {"OBJECT_TABLE", "OBJECT_SEQUENCE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_INDEX", "OBJECT_FOREIGN_TABLE"}
# What depends on them holds no data. Of the rest, a column may be made of it or by it, and goes by `cascade`.
WITHOUT_COLUMNS = (RELATIONS - {"OBJECT_TABLE", "OBJECT_SEQUENCE"}) | {
    "OBJECT_TRIGGER",
    "OBJECT_POLICY",
    "OBJECT_RULE",
    "OBJECT_PROCEDURE",
}
WORDS = {
    "OBJECT_DOMAIN": "type",
    "OBJECT_ROUTINE": "function",
    "OBJECT_TSCONFIGURATION": "text search configuration",
    "OBJECT_TSDICTIONARY": "text search dictionary",
    "OBJECT_TSPARSER": "text search parser",
    "OBJECT_TSTEMPLATE": "text search template",
    "OBJECT_OPCLASS": "operator class",
    "OBJECT_OPFAMILY": "operator family",
}
# What every value can become without a loss, without a length.
KEEPING = {"text", "varchar", "numeric"}


@dataclass(frozen=True)
class Drop:
    """Something that holds data and is dropped or emptied."""

    kind: str
    """A word of SQL, such as `table`; `code` is what isn't read here: a `do` block, or what our grammar can't parse."""
    parts: Parts
    """As the catalogue has them: schema, table, column; without a schema where the text has none."""
    how: Literal["drops", "empties", "deletes rows of", "converts", "overwrites"]
    line: int

    @property
    def name(self) -> str:
        """The qualified name as SQL has it; of a column with its table."""
        return ".".join(part if PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in self.parts)

    @property
    def table(self) -> Parts:
        """Of a table or a column, the names of the table."""
        return self.parts[:-1] if self.kind == "column" else self.parts

    def __str__(self) -> str:
        if self.kind == "code":
            return "has code that drops or deletes, which can't be read here"
        if self.kind == "role":
            return f"drops what role {self.name} owns"
        if self.how == "converts":
            return f"converts column {self.name} to another type"
        within = "" if self.kind in ("table", "column", "sequence", "database") else " with all that depends on it"
        return f"{self.how} {self.kind} {self.name}{within}"


class Names:
    """What is called how while scripts run, and how it was called before them."""

    def __init__(self) -> None:
        # By its present name; None for what the scripts have made.
        self._relations: dict[Parts, Parts | None] = {}
        self._columns: dict[Parts, str | None] = {}
        self._schemas: dict[str, str | None] = {}

    def relation(self, parts: Parts) -> Parts | None:
        """The name that a table had before; None if it wasn't there."""
        if parts in self._relations:
            return self._relations[parts]
        return (self._schemas.get(parts[0]) or parts[0], parts[1]) if len(parts) == 2 else parts

    def column(self, table: Parts, name: str) -> str | None:
        """The same of a column of a table with its name from before."""
        return self._columns.get((*table, name), name)

    def before(self, drop: Drop) -> Iterator[Drop]:
        """What of it was there before, under its name of then."""
        if drop.kind == "schema":
            moved = [was for now, was in self._relations.items() if was and len(now) == 2 and now[0] == drop.parts[0]]
            yield from (Drop("table", was, "drops", drop.line) for was in moved)
            schema = self._schemas.get(drop.parts[0], drop.parts[0])
            if schema is not None:
                yield replace(drop, parts=(schema,))
        elif drop.kind == "column":
            table = self.relation(drop.table)
            column = table and self.column(table, drop.parts[-1])
            if table and column:
                yield replace(drop, parts=(*table, column))
        elif drop.kind in ("table", "sequence"):
            if parts := self.relation(drop.parts):
                yield replace(drop, parts=parts)
            if drop.how == "drops":
                self._relations.pop(drop.parts, None)
        else:
            yield drop

    def follow(self, statement: Statement) -> None:
        """Take in what a statement makes, renames or moves to another schema."""
        node: Any = sqlgrammar.parsed(statement.text) if NAMES.match(statement.text) else None
        match type(node).__name__:
            case "CreateStmt" | "CreateForeignTableStmt" | "CreateTableAsStmt" | "CreateSeqStmt":
                self._made(node)
            case "CreateSchemaStmt" if node.schemaname and not node.if_not_exists:
                self._schemas[node.schemaname] = None
            case "AlterTableStmt":
                self._added(node)
            case "RenameStmt":
                self._renamed(node)
            case "AlterObjectSchemaStmt" if node.relation:
                parts = _parts(node.relation)
                self._moved(parts, (node.newschema, parts[-1]))

    def _made(self, node: Any) -> None:
        base = getattr(node, "base", node)
        made = getattr(base, "relation", None) or getattr(base, "sequence", None)
        relation = made or base.into.rel
        if not base.if_not_exists:
            self._relations[_parts(relation)] = None

    def _added(self, node: Any) -> None:
        table = self.relation(_parts(node.relation))
        for command in node.cmds if table else ():
            if command.subtype.name == "AT_AddColumn" and not command.missing_ok:
                self._columns[(*(table or ()), command.def_.colname)] = None

    def _renamed(self, node: Any) -> None:
        kind = node.renameType.name
        if kind == "OBJECT_SCHEMA":
            self._schemas[node.newname] = self._schemas.pop(node.subname, node.subname)
        elif kind in RELATIONS:
            parts = _parts(node.relation)
            self._moved(parts, (*parts[:-1], node.newname))
        elif kind in ("OBJECT_COLUMN", "OBJECT_ATTRIBUTE") and (table := self.relation(_parts(node.relation))):
            was = self._columns.pop((*table, node.subname), node.subname)
            self._columns[(*table, node.newname)] = was

    def _moved(self, old: Parts, new: Parts) -> None:
        was = self.relation(old)
        self._relations.pop(old, None)
        self._relations[new] = was


def may_drop(text: str) -> bool:
    """Whether a text may drop, empty or overwrite what holds data, by its words alone."""
    return bool(ANYWHERE.search(text)) and any(SUSPECT.match(each.text) for each in quick_statements(text))


def drops(text: str, names: Names | None = None) -> list[Drop]:
    """What a text drops, empties or overwrites that holds data, in its order.

    Args:
        text: the script.
        names: what scripts before it have renamed and made; it takes in what this one does.
    """
    if names is None and not may_drop(text):
        return []
    names = names or Names()
    found: list[Drop] = []
    for statement in statements(text):
        for drop in _drops(statement):
            found += names.before(drop)
        names.follow(statement)
    return found


def _drops(statement: Statement) -> Iterator[Drop]:
    if not SUSPECT.match(statement.text):
        return
    node: Any = sqlgrammar.parsed(statement.text)
    kind, line = type(node).__name__, statement.line
    if node is None or kind == "DoStmt":
        if node or re.search(LOSES, statement.text, re.IGNORECASE):
            yield Drop("code", (), "drops", line)
    elif kind == "DropStmt":
        yield from _dropped(node, line)
    elif kind == "AlterTableStmt":
        for command in node.cmds:
            if command.subtype.name == "AT_DropColumn":
                yield Drop("column", (*_parts(node.relation), command.name), "drops", line)
            elif command.subtype.name == "AT_AlterColumnType" and not _keeps(command.def_):
                yield Drop("column", (*_parts(node.relation), command.name), "converts", line)
    elif kind == "TruncateStmt":
        for relation in node.relations:
            yield Drop("table", _parts(relation), "empties", line)
    elif kind == "DropOwnedStmt":
        for role in node.roles:
            yield Drop("role", (role.rolename or "current_user",), "drops", line)
    elif kind == "DropdbStmt":
        yield Drop("database", (node.dbname,), "drops", line)
    elif kind not in ("CreateFunctionStmt", "RuleStmt"):
        for relation in _deleted_from(node):
            yield Drop("table", _parts(relation), "deletes rows of", line)
        for relation, column in _overwritten(node):
            yield Drop("column", (*_parts(relation), column), "overwrites", line)


def _dropped(node: Any, line: int) -> Iterator[Drop]:
    kind = node.removeType.name
    cascades = node.behavior.name == "DROP_CASCADE" and kind not in WITHOUT_COLUMNS
    if kind not in ("OBJECT_TABLE", "OBJECT_SEQUENCE") and not cascades:
        return
    word = WORDS.get(kind, kind.removeprefix("OBJECT_").lower().replace("_", " "))
    for each in node.objects:
        names = getattr(each, "objname", None) or getattr(each, "names", each)
        parts = names if isinstance(names, tuple) else (names,)
        yield Drop(word, tuple(name.sval for name in parts if hasattr(name, "sval")), "drops", line)


def _keeps(column: Any) -> bool:
    """Whether a column that gets this type keeps its values, whatever its type was."""
    of = column.typeName
    return column.raw_default is None and of.names[-1].sval in KEEPING and not of.typmods


def _overwritten(node: Any) -> Iterator[tuple[Any, str]]:
    """The columns that get the same value in every row that a statement meets, without a condition."""
    for each in sqlgrammar.walk(node):
        kind = type(each).__name__
        if kind == "UpdateStmt" and _is_everywhere(each.whereClause):
            yield from ((each.relation, column) for column in _constants(each.targetList))
        elif kind == "InsertStmt" and each.onConflictClause and _is_everywhere(each.onConflictClause.whereClause):
            yield from ((each.relation, column) for column in _constants(each.onConflictClause.targetList))
        elif kind == "MergeStmt":
            for clause in each.mergeWhenClauses:
                if clause.commandType.name == "CMD_UPDATE" and _is_everywhere(clause.condition):
                    yield from ((each.relation, column) for column in _constants(clause.targetList))


def _is_everywhere(condition: Any) -> bool:
    return condition is None or _is_constant(condition)


def _constants(targets: Any) -> Iterator[str]:
    for target in targets or ():
        value = target.val
        if type(value).__name__ == "MultiAssignRef":
            many = getattr(value.source, "args", None)
            value = many[value.colno - 1] if many else None
        if _is_constant(value):
            yield target.name


def _is_constant(node: Any) -> bool:
    kind = type(node).__name__
    return kind in ("A_Const", "SetToDefault") or (kind == "TypeCast" and _is_constant(node.arg))


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


def _parts(relation: Any) -> Parts:
    return (relation.schemaname, relation.relname) if relation.schemaname else (relation.relname,)
