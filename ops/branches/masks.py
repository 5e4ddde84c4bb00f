"""What is read of each table for a preview environment: its columns by `declared/masking.py`, and masked by default.

Both catalogues are asked: that of the source for what there is, that of the copy for what has to hold there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from psycopg import sql

from declared.masking import COPIED, EMPTY, Rule
from declared.schemas import HISTORY_SCHEMA
from ops.branches.errors import BranchError
from ops.database import Connection

WHERE = "declared/masking.py"
TABLES = """
select n.nspname || '.' || c.relname, c.oid::bigint
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgbouncer')
    and not exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid
        and d.deptype = 'e')
order by 1"""
COLUMNS = """
select a.attname::text, a.attnotnull, t.typname::text, t.typtype::text, t.typcategory::text,
    exists (select from pg_index as i where i.indrelid = a.attrelid and i.indisunique and a.attnum = any(i.indkey)),
    array(select n.nspname || '.' || c.relname from pg_constraint as f join pg_class as c on c.oid = f.confrelid
        join pg_namespace as n on n.oid = c.relnamespace
        where f.conrelid = a.attrelid and f.contype = 'f' and a.attnum = any(f.conkey) and f.conparentid = 0),
    format_type(a.atttypid, a.atttypmod)
from pg_attribute as a join pg_type as t on t.oid = a.atttypid
where a.attrelid = %s and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum"""
# What stands in the place of a value that may not be null, by category of the type and by the type's name.
BY_CATEGORY = {"B": "false", "N": "0", "S": "''", "D": "'epoch'", "A": "'{}'", "T": "'0'"}
BY_NAME = {
    "json": "'{}'",
    "jsonb": "'{}'",
    "bytea": "''",
    "inet": "'0.0.0.0'",
    "cidr": "'0.0.0.0/32'",
    "uuid": "'00000000-0000-0000-0000-000000000000'",
    "tsvector": "''",
    "time": "'00:00'",
    "timetz": "'00:00+00'",
}


@dataclass(frozen=True)
class Column:
    """A column as the catalogue has it."""

    name: str
    required: bool
    """Whether it may not be null."""
    type: str
    kind: str
    """`e` is an enumeration, `d` a domain."""
    category: str
    unique: bool
    """Whether it is part of a unique index."""
    names: tuple[str, ...]
    """The tables that its foreign keys name."""
    full_type: str


@dataclass(frozen=True)
class Read:
    """How a table is read and written."""

    table: str
    """With its schema."""
    columns: tuple[str, ...]
    expressions: tuple[str, ...]
    by_default: frozenset[str] = frozenset()
    """The columns that no rule names, which are masked by their types."""

    @property
    def identifier(self) -> sql.Identifier:
        return identifier(self.table)

    @property
    def query(self) -> sql.Composed:
        """What is sent; only the expressions reach the client."""
        chosen = sql.SQL(", ").join(sql.SQL(each) for each in self.expressions)
        return sql.SQL("copy (select {} from {}) to stdout").format(chosen, self.identifier)

    @property
    def statement(self) -> sql.Composed:
        names = sql.SQL(", ").join(map(sql.Identifier, self.columns))
        return sql.SQL("copy {} ({}) from stdin").format(self.identifier, names)


@dataclass(frozen=True)
class Plan:
    """What is copied, each table after those that its rows name, and what isn't."""

    reads: tuple[Read, ...]
    empty: Mapping[str, str]
    """Tables that come without rows, and why."""
    oids: Mapping[str, int]
    """Of the tables of the source."""


def identifier(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split(".", 1))


def plan(source: Connection, copy: Connection, rules: Mapping[str, Mapping[str, Rule]] = COPIED) -> Plan:
    """
    :raises BranchError: for a column that no value can stand for, and for foreign keys that have no order
    """
    theirs, ours = _tables(source), _tables(copy)
    wanted = {table: columns(copy, ours[table]) for table in rules if table in theirs and table in ours}
    reads = {
        table: _read(table, columns(source, theirs[table]), found, rules[table], wanted)
        for table, found in wanted.items()
    }
    empty = {
        table: EMPTY.get(table) or ("no rule of " + WHERE if table not in rules else "it isn't in the copy")
        for table in theirs
        if table not in reads and not table.startswith(f"{HISTORY_SCHEMA}.")
    }
    return Plan(tuple(reads[table] for table in _order(wanted)), empty, {table: theirs[table] for table in reads})


def columns(session: Connection, table: int) -> list[Column]:
    """Those that can be written."""
    found = session.execute(COLUMNS, (table,)).fetchall()
    return [
        Column(name, required, type, kind, category, unique, tuple(names), full_type)
        for name, required, type, kind, category, unique, names, full_type in found
    ]


def default(table: str, column: Column, copied: Mapping[str, Any]) -> str:
    """What stands for the values of a column that no rule names.

    :raises BranchError: where nothing can
    """
    if not column.required:
        return "null"
    where = f"column {table}.{column.name}: has no rule in {WHERE}, and"
    if column.names:
        raise BranchError(f"{where} names rows of {', '.join(column.names)}; write one, KEEP where that says nothing")
    if column.unique:
        raise BranchError(f"{where} its values differ from row to row; write one that makes others")
    value = BY_NAME.get(column.type) or BY_CATEGORY.get(column.category, "")
    if column.kind == "e":
        return f"(pg_catalog.enum_range(null::{column.full_type}))[1]"
    if not value or column.kind == "d":
        raise BranchError(f"{where} no value of type {column.full_type} is known that could stand there; write one")
    return f"{value}::{column.full_type}"


def _tables(session: Connection) -> dict[str, int]:
    return dict(session.execute(TABLES).fetchall())


def _read(
    table: str,
    theirs: list[Column],
    ours: list[Column],
    rules: Mapping[str, Rule],
    copied: Mapping[str, Any],
) -> Read:
    there, chosen, by_default = {column.name for column in theirs}, dict[str, str](), set[str]()
    for column in ours:
        if column.name not in there:
            continue
        lost = [name for name in column.names if name not in copied]
        rule = rules.get(column.name)
        if rule is None or (lost and not column.required):
            chosen[column.name] = default(table, column, copied)
            by_default.add(column.name)
        elif lost:
            raise BranchError(
                f"column {table}.{column.name}: names rows of {lost[0]}, which isn't copied; declare that table in "
                f"{WHERE}, or leave this one empty"
            )
        else:
            chosen[column.name] = sql.Identifier(column.name).as_string() if rule.copied else rule.expression
    return Read(table, tuple(chosen), tuple(chosen.values()), frozenset(by_default))


def _order(wanted: Mapping[str, list[Column]]) -> Iterator[str]:
    graph = {
        table: {name for column in found for name in column.names if name in wanted and name != table}
        for table, found in wanted.items()
    }
    try:
        yield from TopologicalSorter(graph).static_order()
    except CycleError as error:
        raise BranchError(
            f"tables {', '.join(error.args[1])}: name each other's rows, so neither can be first"
        ) from None
