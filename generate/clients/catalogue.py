"""What PostgreSQL knows of columns and functions that a type in a client can say."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from declared.errors import UserError

Connection = psycopg.Connection[tuple[Any, ...]]

COLUMNS = """
select a.attrelid, a.attnum, n.nspname || '.' || c.relname, c.relkind::text, a.attname, a.attnotnull
from pg_attribute as a join pg_class as c on c.oid = a.attrelid join pg_namespace as n on n.oid = c.relnamespace
where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v') and not c.relispartition
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
"""
CHECKS = """
select k.conrelid, k.conkey[1], pg_get_expr(k.conbin, k.conrelid)
from pg_constraint as k
where k.contype = 'c' and cardinality(k.conkey) = 1 and k.convalidated
"""
FUNCTIONS = """
select n.nspname || '.' || p.proname, p.proretset,
    coalesce(p.proargnames, '{}'), coalesce(p.proargmodes::text[], array_fill('i'::text, array[p.pronargs::int])),
    array(select pg_get_function_arg_default(p.oid, i) from generate_series(1, p.pronargs) as i),
    (select r.relnamespace::regnamespace::text || '.' || r.relname from pg_class as r
        where r.reltype = p.prorettype and r.relkind in ('r', 'p', 'v'))
from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
where n.nspname in ('public', 'ops') and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
    and not exists (select from pg_depend as d where d.objid = p.oid and d.deptype = 'e')
"""
# What PostgreSQL makes of `check (status in ('pending', 'clean'))`.
LISTED = re.compile(r"\(?\"?(\w+)\"? = ANY \(ARRAY\[((?:'[^']*'::text(?:, )?)+)\]\)\)?")


class TypesError(UserError):
    """Types can't be made of the database as it is; one line names the object."""


@dataclass(frozen=True)
class Column:
    """A column of a table or of a view."""

    relation: str
    kind: str
    """`r` and `p` are tables, `v` is a view."""
    name: str
    nullable: bool
    """A view's always is, as far as PostgreSQL knows."""
    values: tuple[str, ...]
    """The texts that a check constraint allows; empty where none lists them."""


@dataclass(frozen=True)
class Function:
    """A function that apps may call."""

    name: str
    arguments: Mapping[str, str | None]
    """Name to default, as SQL."""
    columns: Sequence[str]
    """Of its result; a single empty text where it returns one value."""
    many: bool
    relation: str | None = None
    """The table or view whose rows it returns."""


@dataclass(frozen=True)
class Catalogue:
    columns: Mapping[tuple[int, int], Column]
    """By the table's oid and the column's number, as the description of a statement has them."""
    functions: Mapping[str, Function]

    def of(self, relation: str) -> dict[str, Column]:
        """The columns of a table by name."""
        return {each.name: each for each in self.columns.values() if each.relation == relation}

    def expanded(self, declared: Sequence[str]) -> tuple[str, ...]:
        """Possible values as `facts` declares them, with those of each column that is named in their place.

        :raises TypesError: for a column whose values no check constraint lists
        """
        found: list[str] = []
        for each in declared:
            relation, dot, column = each.rpartition(".")
            of = self.of(relation).get(column)
            if dot and not (of and of.values):
                raise TypesError(f"{each} in generate/clients/facts.py: no check constraint lists values of it")
            found += of.values if of else [each]
        return tuple(found)

    def relations(self, schema: str, *kinds: str) -> set[str]:
        """The names of a schema's tables (`r`, `p`) or views (`v`), without the schema."""
        found = {each.relation for each in self.columns.values() if each.kind in kinds}
        return {name.partition(".")[2] for name in found if name.startswith(f"{schema}.")}


def read(connection: Connection) -> Catalogue:
    """The columns and functions of a database with the complete SQL.

    :raises TypesError: for a function that has a name twice
    """
    listed = {(table, number): _values(text) for table, number, text in connection.execute(CHECKS)}
    columns = {
        (table, number): Column(relation, kind, name, not never, listed.get((table, number), ()))
        for table, number, relation, kind, name, never in connection.execute(COLUMNS)
    }
    functions: dict[str, Function] = {}
    twice: set[str] = set()
    for name, many, names, modes, defaults, relation in connection.execute(FUNCTIONS.encode()):
        if name in functions:
            twice.add(name)
        given = [each for each, mode in zip(names, modes, strict=False) if mode in "iv"]
        returned = [each for each, mode in zip(names, modes, strict=False) if mode in "to"]
        functions[name] = Function(name, dict(zip(given, defaults, strict=True)), returned or [""], many, relation)
    if published := sorted(name for name in twice if name.startswith("public.")):
        raise TypesError(f"{published[0]}: there are two of this name, which no client can tell apart; rename one")
    return Catalogue(columns, {name: each for name, each in functions.items() if name not in twice})


def _values(expression: str) -> tuple[str, ...]:
    found = LISTED.fullmatch(expression)
    return tuple(re.findall(r"'([^']*)'", found[2])) if found else ()
