"""What migrations have made so far, replayed from their syntax trees: no server is asked.

What code makes (`do` blocks, functions that a text calls) isn't seen; nor is what our grammar can't parse.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from declared.sqldrops import RELATIONS
from ops.review.lint import types
from ops.review.lint.model import Change

Name = tuple[str, str]
PUBLIC = "public"
# By its first word, what makes or changes an object; the rest needn't be parsed.
MAKES = re.compile(r"(?:create|alter|drop)\b(?!\s+(?:role|default|extension|publication|event)\b)", re.IGNORECASE)
VIEWS = {"OBJECT_VIEW", "OBJECT_MATVIEW"}
ROUTINES = {"OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE", "OBJECT_AGGREGATE"}


@dataclass
class Column:
    """A column's type and what keeps null out of it; the type is None where it isn't known."""

    type: types.Type | None
    not_null: bool = False


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
    policies: set[str] = field(default_factory=set)
    is_partition: bool = False
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
    has_search_path: bool


@dataclass(frozen=True)
class Gone:
    """What a statement has dropped or renamed: a column where it has one, else a table, view or function."""

    change: Change
    kind: str
    name: Name
    column: str | None = None
    new: str | None = None
    """The name that it has now, where it was renamed."""


def name(parts: Any) -> Name:
    """Schema and name of a qualified name in the syntax tree: a `RangeVar`, or parts."""
    if hasattr(parts, "relname"):
        return parts.schemaname or PUBLIC, parts.relname
    words = [part.sval for part in (parts if isinstance(parts, tuple) else (parts,)) if hasattr(part, "sval")]
    return (words[-2] if len(words) > 1 else PUBLIC, words[-1])


def option(node: Any, word: str) -> Any:
    """The value of a function's option; None where it has none."""
    found = [each.arg for each in _options(node) if each.defname == word]
    return found[-1] if found else None


def search_path(node: Any) -> bool | None:
    """Whether a `create` or `alter function` fixes the search path, or lets go of it; None where it does neither."""
    found = [each.arg for each in _options(node) if each.defname == "set" and each.arg.name == "search_path"]
    return found[-1].kind.name not in ("VAR_RESET", "VAR_SET_DEFAULT") if found else None


def _options(node: Any) -> Any:
    return (node.actions if type(node).__name__ == "AlterFunctionStmt" else node.options) or ()


class Structure:
    """Tables, views, functions and triggers by name."""

    def __init__(self) -> None:
        self.tables: dict[Name, Table] = {}
        self.views: dict[Name, Change] = {}
        self.functions: dict[Name, Function] = {}
        self.triggers: dict[tuple[Name, str], Name] = {}
        """Table and trigger to the trigger's function."""

    def relation(self, which: Name) -> bool:
        return which in self.tables or which in self.views

    def follow(self, change: Change) -> Iterator[Gone]:
        """Take in a statement; what it has dropped or renamed."""
        node = change.node
        follow = getattr(self, f"_{type(node).__name__}", None)
        if follow is not None:
            yield from follow(change, node) or ()

    def _CreateStmt(self, change: Change, node: Any) -> None:
        which = name(node.relation)
        if node.if_not_exists and which in self.tables:
            return
        table = Table(change, is_partition=node.partbound is not None, is_temporary=node.relation.relpersistence == "t")
        for parent in node.inhRelations or ():
            table.columns |= getattr(self.tables.get(name(parent)), "columns", {})
        self.tables[which] = table
        for element in node.tableElts or ():
            if hasattr(element, "colname"):
                self._add_column(table, element)
            elif hasattr(element, "contype"):
                self._add_constraint(table, element)
            elif type(element).__name__ == "TableLikeClause":
                table.columns |= getattr(self.tables.get(name(element.relation)), "columns", {})

    def _CreateForeignTableStmt(self, change: Change, node: Any) -> None:
        self._CreateStmt(change, node.base)

    def _CreateTableAsStmt(self, change: Change, node: Any) -> None:
        which = name(node.into.rel)
        if node.objtype.name == "OBJECT_MATVIEW":
            self.views[which] = change
        else:
            self.tables[which] = Table(change, is_temporary=node.into.rel.relpersistence == "t")

    def _ViewStmt(self, change: Change, node: Any) -> None:
        self.views[name(node.view)] = change

    def _IndexStmt(self, change: Change, node: Any) -> None:
        if table := self.tables.get(name(node.relation)):
            # One for a part of the rows finds none of the others.
            test = getattr(node.whereClause, "nulltesttype", None)
            whole = node.whereClause is None or (test is not None and test.name == "IS_NOT_NULL")
            columns = [each.name for each in node.indexParams] if whole else []
            plain = columns[: columns.index(None)] if None in columns else columns
            table.indexes[node.idxname or f"index {change.line}"] = tuple(plain)

    def _CreateFunctionStmt(self, change: Change, node: Any) -> None:
        volatility = getattr(option(node, "volatility"), "sval", "volatile")
        definer = bool(getattr(option(node, "security"), "boolval", False))
        self.functions[name(node.funcname)] = Function(
            change, node, change, volatility, definer, bool(search_path(node))
        )

    def _AlterFunctionStmt(self, change: Change, node: Any) -> None:
        function = self.functions.get(name(node.func.objname))
        if function is None:
            return
        if (path := search_path(node)) is not None:
            function.has_search_path, function.changed = path, change
        if (definer := option(node, "security")) is not None:
            function.is_definer, function.changed = bool(definer.boolval), change
        if (volatility := option(node, "volatility")) is not None:
            function.volatility, function.changed = volatility.sval, change

    def _CreateTrigStmt(self, change: Change, node: Any) -> None:
        self.triggers[name(node.relation), node.trigname] = name(node.funcname)

    def _CreatePolicyStmt(self, change: Change, node: Any) -> None:
        if table := self.tables.get(name(node.table)):
            table.policies.add(node.policy_name)

    def _AlterTableStmt(self, change: Change, node: Any) -> Iterator[Gone]:
        which = name(node.relation)
        table = self.tables.get(which)
        for command in node.cmds if table else ():
            yield from self._altered(change, which, table, command) or ()

    def _altered(self, change: Change, which: Name, table: Any, command: Any) -> Iterator[Gone]:
        match command.subtype.name:
            case "AT_AddColumn":
                self._add_column(table, command.def_)
            case "AT_DropColumn":
                table.columns.pop(command.name, None)
                yield Gone(change, "column", which, command.name)
            case "AT_AlterColumnType":
                table.columns.setdefault(command.name, Column(None)).type = types.of(command.def_.typeName)
            case "AT_SetNotNull" | "AT_DropNotNull" as what:
                table.columns.setdefault(command.name, Column(None)).not_null = what == "AT_SetNotNull"
            case "AT_AddConstraint":
                self._add_constraint(table, command.def_)
            case "AT_ValidateConstraint" if command.name in table.checks:
                table.checks[command.name].valid = True
            case "AT_DropConstraint":
                table.checks.pop(command.name, None)
                table.indexes.pop(command.name, None)
            case "AT_EnableRowSecurity" | "AT_DisableRowSecurity" as what:
                table.row_security = what == "AT_EnableRowSecurity"
            case "AT_AttachPartition" if partition := self.tables.get(name(command.def_.name)):
                partition.is_partition = True

    def _add_column(self, table: Table, node: Any) -> None:
        column = Column(types.of(node.typeName) if node.typeName else None)
        table.columns[node.colname] = column
        for each in node.constraints or ():
            column.not_null |= each.contype.name in ("CONSTR_NOTNULL", "CONSTR_PRIMARY")
            self._add_constraint(table, each, (node.colname,))

    def _add_constraint(self, table: Table, node: Any, own: tuple[str, ...] = ()) -> None:
        called = node.conname or f"{node.contype.name} {len(table.checks)} {len(table.indexes)}"
        if node.contype.name == "CONSTR_CHECK":
            table.checks[called] = Check(node.raw_expr, not node.skip_validation)
        elif node.contype.name in ("CONSTR_PRIMARY", "CONSTR_UNIQUE"):
            columns = tuple(each.sval for each in node.keys or ()) or own
            if node.indexname:
                columns = table.indexes.get(node.indexname, ())
            table.indexes[called] = columns

    def _RenameStmt(self, change: Change, node: Any) -> Iterator[Gone]:
        kind = node.renameType.name
        if kind in RELATIONS and kind not in ("OBJECT_INDEX", "OBJECT_SEQUENCE"):
            was = name(node.relation)
            yield from self._moved(change, was, (was[0], node.newname))
        elif kind == "OBJECT_COLUMN":
            which = name(node.relation)
            if table := self.tables.get(which):
                table.columns[node.newname] = table.columns.pop(node.subname, Column(None))
                table.indexes = {
                    index: tuple(node.newname if each == node.subname else each for each in columns)
                    for index, columns in table.indexes.items()
                }
            yield Gone(change, "column", which, node.subname, node.newname)
        elif kind in ROUTINES:
            was = name(node.object.objname)
            yield from self._function_moved(change, was, (was[0], node.newname))

    def _AlterObjectSchemaStmt(self, change: Change, node: Any) -> Iterator[Gone]:
        if node.relation:
            was = name(node.relation)
            yield from self._moved(change, was, (node.newschema, was[1]))
        elif node.objectType.name in ROUTINES:
            was = name(node.object.objname)
            yield from self._function_moved(change, was, (node.newschema, was[1]))

    def _moved(self, change: Change, was: Name, now: Name) -> Iterator[Gone]:
        if was in self.tables:
            self.tables[now] = self.tables.pop(was)
            yield Gone(change, "table", was, new=".".join(now))
        elif was in self.views:
            self.views[now] = self.views.pop(was)
            yield Gone(change, "view", was, new=".".join(now))
        for (table, trigger), function in list(self.triggers.items()):
            if table == was:
                self.triggers[now, trigger] = function

    def _function_moved(self, change: Change, was: Name, now: Name) -> Iterator[Gone]:
        if was in self.functions:
            self.functions[now] = self.functions.pop(was)
            yield Gone(change, "function", was, new=".".join(now))

    def _DropStmt(self, change: Change, node: Any) -> Iterator[Gone]:
        kind = node.removeType.name
        for each in node.objects:
            which = name(getattr(each, "objname", each))
            if kind in ("OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"):
                self.tables.pop(which, None)
                yield Gone(change, "table", which)
            elif kind in VIEWS:
                self.views.pop(which, None)
                yield Gone(change, "view", which)
            elif kind in ROUTINES:
                self.functions.pop(which, None)
                yield Gone(change, "function", which)
            elif kind == "OBJECT_INDEX":
                for table in self.tables.values():
                    table.indexes.pop(which[1], None)
