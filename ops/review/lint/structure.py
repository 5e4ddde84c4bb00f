"""What migrations have made so far, replayed from their syntax trees: no server is asked.

What a statement builds while it runs (`execute`, functions that a text calls) isn't seen; nor is what our grammar can't
parse.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from declared.sqldrops import RELATIONS
from ops.review.lint import types
from ops.review.lint.model import Change
from ops.review.lint.objects import (
    Check,
    Column,
    Domain,
    Function,
    Gone,
    Name,
    Routine,
    Table,
    View,
    is_on,
    name,
    option,
    roles,
    search_path,
    sets_search_path,
    signature,
)

VIEWS = {"OBJECT_VIEW", "OBJECT_MATVIEW"}
ROUTINES = {"OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE", "OBJECT_AGGREGATE"}
TABLES = {"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"}
INVOKER = "security_invoker"


class Structure:
    """Tables, views, functions, domains and triggers by name."""

    def __init__(self) -> None:
        self.tables: dict[Name, Table] = {}
        self.views: dict[Name, View] = {}
        self.functions: dict[Routine, Function] = {}
        self.domains: dict[Name, Domain] = {}
        self.triggers: dict[tuple[Name, str], Name] = {}
        """Table and trigger to the trigger's function."""
        self.temporary: set[Name] = set()
        """The temporary tables, also those that are gone."""
        self.index_tables: dict[Name, Name] = {}
        """The table of each index that was ever made, by the index's name."""

    def relation(self, which: Name) -> bool:
        return which in self.tables or which in self.views

    def functions_named(self, which: Name) -> list[Function]:
        return [function for routine, function in self.functions.items() if routine[:2] == which]

    def is_partitioned(self, which: Name) -> bool:
        """Whether it is a partitioned table, or an index of one."""
        table = self.tables.get(self.index_tables.get(which, which))
        return table is not None and table.is_partitioned

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
        table.is_partitioned = node.partspec is not None
        for parent in node.inhRelations or ():
            table.columns |= self._columns_of(parent)
        self.tables[which] = table
        self._note_temporary(which)
        for element in node.tableElts or ():
            if hasattr(element, "colname"):
                self._add_column(table, element)
            elif hasattr(element, "contype"):
                self._add_constraint(table, element)
            elif type(element).__name__ == "TableLikeClause":
                table.columns |= self._columns_of(element.relation)

    def _columns_of(self, relation: Any) -> dict[str, Column]:
        """Columns of their own, alike: what becomes of one table's isn't the other's."""
        columns: dict[str, Column] = getattr(self.tables.get(name(relation)), "columns", {})
        return {each: replace(column) for each, column in columns.items()}

    def _CreateForeignTableStmt(self, change: Change, node: Any) -> None:
        self._CreateStmt(change, node.base)

    def _CreateTableAsStmt(self, change: Change, node: Any) -> None:
        which, temporary = name(node.into.rel), node.into.rel.relpersistence == "t"
        if node.objtype.name == "OBJECT_MATVIEW":
            self.views[which] = View(change, change, invoker=False, is_materialized=True)
        else:
            self.tables[which] = Table(change, is_temporary=temporary)
            self._note_temporary(which)

    def _SelectStmt(self, change: Change, node: Any) -> None:
        if node.intoClause:
            relation = node.intoClause.rel
            self.tables[name(relation)] = Table(change, is_temporary=relation.relpersistence == "t")
            self._note_temporary(name(relation))

    def _note_temporary(self, which: Name) -> None:
        (self.temporary.add if self.tables[which].is_temporary else self.temporary.discard)(which)

    def _ViewStmt(self, change: Change, node: Any) -> None:
        invoker = bool(is_on(node.options, INVOKER))
        self.views[name(node.view)] = View(change, change, invoker, is_temporary=node.view.relpersistence == "t")

    def _IndexStmt(self, change: Change, node: Any) -> None:
        which = name(node.relation)
        if node.idxname:
            self.index_tables[which[0], node.idxname] = which
        if table := self.tables.get(which):
            # One for a part of the rows finds none of the others.
            test = getattr(node.whereClause, "nulltesttype", None)
            whole = node.whereClause is None or (test is not None and test.name == "IS_NOT_NULL")
            columns = [each.name for each in node.indexParams] if whole else []
            plain = columns[: columns.index(None)] if None in columns else columns
            table.indexes[node.idxname or f"index {change.line}"] = tuple(plain)

    def _CreateFunctionStmt(self, change: Change, node: Any) -> None:
        volatility = getattr(option(node, "volatility"), "sval", "volatile")
        definer = bool(getattr(option(node, "security"), "boolval", False))
        which = (*name(node.funcname), signature(node.parameters))
        self.functions[which] = Function(change, node, change, volatility, definer, search_path(node))

    def _AlterFunctionStmt(self, change: Change, node: Any) -> None:
        for which in self.routines(node.func):
            function = self.functions[which]
            if sets_search_path(node):
                function.search_path, function.changed = search_path(node), change
            if (definer := option(node, "security")) is not None:
                function.is_definer, function.changed = bool(definer.boolval), change
            if (volatility := option(node, "volatility")) is not None:
                function.volatility = volatility.sval

    def routines(self, node: Any) -> list[Routine]:
        """The functions that a name with arguments means: of one name the one of these types, or the only one."""
        which = name(node.objname)
        found = [routine for routine in self.functions if routine[:2] == which]
        exact = [each for each in found if each[2] == signature(node.objargs)]
        return exact or (found if len(found) == 1 else [])

    def _CreateDomainStmt(self, change: Change, node: Any) -> None:
        kinds = [(each.contype.name, each.raw_expr) for each in node.constraints or ()]
        default = next((value for kind, value in kinds if kind == "CONSTR_DEFAULT"), None)
        has_check = any(kind in ("CONSTR_CHECK", "CONSTR_NOTNULL") for kind, _ in kinds)
        self.domains[name(node.domainname)] = Domain(change, has_check, default)

    def _AlterDomainStmt(self, change: Change, node: Any) -> None:
        domain = self.domains.setdefault(name(node.typeName), Domain(None))
        match node.subtype:
            case "C" | "O":
                domain.has_check = True
            case "T":
                domain.default = node.def_

    def _CreateTrigStmt(self, change: Change, node: Any) -> None:
        self.triggers[name(node.relation), node.trigname] = name(node.funcname)

    def _CreatePolicyStmt(self, change: Change, node: Any) -> None:
        if table := self.tables.get(name(node.table)):
            table.policies[node.policy_name] = roles(node.roles)
            table.expressions[node.policy_name] = (node.qual, node.with_check)

    def _AlterTableStmt(self, change: Change, node: Any) -> Iterator[Gone]:
        which = name(node.relation)
        if (view := self.views.get(which)) and not view.is_materialized:
            self._view_altered(change, view, node)
        table = self.tables.get(which)
        for command in node.cmds if table else ():
            yield from self._altered(change, which, table, command) or ()

    def _view_altered(self, change: Change, view: View, node: Any) -> None:
        for command in node.cmds:
            if command.subtype.name in ("AT_SetRelOptions", "AT_ResetRelOptions"):
                said = is_on(command.def_, INVOKER)
                if said is not None:
                    view.invoker = said and command.subtype.name == "AT_SetRelOptions"
                    view.changed = change

    def _altered(self, change: Change, which: Name, table: Any, command: Any) -> Iterator[Gone]:
        match command.subtype.name:
            case "AT_AddColumn":
                self._add_column(table, command.def_)
            case "AT_DropColumn":
                table.columns.pop(command.name, None)
                yield Gone(change, "column", which, command.name)
            case "AT_AlterColumnType":
                column = table.columns.setdefault(command.name, Column(None))
                column.type, column.collation = types.of(command.def_.typeName), types.collation(command.def_)
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
        column = Column(types.of(node.typeName) if node.typeName else None, collation=types.collation(node))
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
            yield from self._functions_moved(change, node.object, new=node.newname)

    def _AlterObjectSchemaStmt(self, change: Change, node: Any) -> Iterator[Gone]:
        if node.relation:
            was = name(node.relation)
            yield from self._moved(change, was, (node.newschema, was[1]))
        elif node.objectType.name in ROUTINES:
            yield from self._functions_moved(change, node.object, schema=node.newschema)

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

    def _functions_moved(self, change: Change, node: Any, schema: str = "", new: str = "") -> Iterator[Gone]:
        for was in self.routines(node):
            now = (schema or was[0], new or was[1], was[2])
            self.functions[now] = function = self.functions.pop(was)
            yield Gone(change, "function", was[:2], new=".".join(now[:2]), function=function)

    def _DropStmt(self, change: Change, node: Any) -> Iterator[Gone]:
        kind = node.removeType.name
        for each in node.objects if kind in TABLES | VIEWS | ROUTINES | {"OBJECT_INDEX"} else ():
            which = name(getattr(each, "objname", each))
            if kind in TABLES:
                self.tables.pop(which, None)
                yield Gone(change, "table", which)
            elif kind in VIEWS:
                self.views.pop(which, None)
                yield Gone(change, "view", which)
            elif kind in ROUTINES:
                dropped = [self.functions.pop(routine) for routine in self.routines(each)]
                yield Gone(change, "function", which, function=dropped[0] if dropped else None)
            elif kind == "OBJECT_INDEX":
                for table in self.tables.values():
                    table.indexes.pop(which[1], None)
