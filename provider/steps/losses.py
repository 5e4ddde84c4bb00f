"""What applying a migration or rolling it back destroys, counted in the database and put into words."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from declared.sqldrops import Drop, Names, drops, may_drop
from declared.sqltext import quick_statements
from provider.connection import Connection, row, rows

# A table that takes longer to count is counted by the planner's estimate.
COUNT_MILLISECONDS = 2000
NAMED = 5
# `do` with an `execute` of more than one constant.
MADE = re.compile(r"do\b.*\bexecute\s+(?!'(?:[^']|'')*'\s*;|\$\w*\$)", re.IGNORECASE | re.DOTALL)
RELATION = """select n.nspname as schema, c.relname as relation, greatest(c.reltuples, 0)::bigint as estimate
                from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
               where c.oid = pg_catalog.to_regclass(%s)"""
TABLES = """select pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name
              from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where n.nspname = %s and c.relkind in ('r', 'p') and not c.relispartition"""


@dataclass(frozen=True)
class Part:
    """A table or a column that goes, with how many rows it has; `exact` is false where they were only estimated."""

    name: str
    rows: int
    exact: bool


@dataclass(frozen=True)
class Loss:
    """Everything with rows that goes, by what happens to it, such as `drops 1 table`."""

    dropped: tuple[Part, ...] = ()
    emptied: tuple[Part, ...] = ()
    columns: tuple[Part, ...] = ()
    changed: tuple[Part, ...] = ()
    """Columns that get another type, or one value in every row."""
    code: bool = False
    """Whether code that can't be read here drops or deletes."""

    @property
    def rows(self) -> int:
        """How many rows go, or lose a column."""
        return sum(part.rows for part in (*self.dropped, *self.emptied, *self.columns, *self.changed))

    def __bool__(self) -> bool:
        return bool(self.dropped or self.emptied or self.columns or self.changed or self.code)

    def __str__(self) -> str:
        words = [
            f"{verb} {_counted(parts, noun)}"
            for verb, noun, parts in (
                ("drops", "table", self.dropped),
                ("deletes from", "table", self.emptied),
                ("drops", "column", self.columns),
                ("overwrites or converts", "column", self.changed),
            )
            if parts
        ]
        words += ["runs code that drops or deletes"] if self.code else []
        return "this " + " and ".join(words)


async def of(connection: Connection, downs: Mapping[str, str | None], names: Names | None = None) -> Loss:
    """What some down scripts destroy together, newest migration first as they run.

    Args:
        connection: to the database that has the tables.
        downs: migration to its script.
        names: what scripts before them have renamed and made.
    """
    names = names or Names()
    return await _of(
        connection, (drop for name in sorted(downs, reverse=True) for drop in drops(downs[name] or "", names))
    )


async def _of(connection: Connection, found_drops: Iterable[Drop], whole: bool = True) -> Loss:
    """
    Args:
        whole: whether each table was there before the scripts; else one that isn't there is none that they lose.
    """
    found: dict[str, dict[str, Part]] = {"dropped": {}, "emptied": {}, "columns": {}, "changed": {}}
    code = False
    for drop in found_drops:
        dropped = drop.how == "drops"
        kind = {
            "table": "dropped" if dropped else "emptied",
            "column": "columns" if dropped else "changed",
            "schema": "dropped",
        }
        if drop.kind not in kind:
            code = True
            continue
        for name, table in await _tables(connection, drop):
            part = await _part(connection, name, table)
            if part:
                found[kind[drop.kind]].setdefault(name, part)
            elif whole or len(drop.table) == 1:
                # Only the script's own search path says which table it means, or code of it makes the name.
                code = True
    gone = found["dropped"]
    emptied = [part for name, part in found["emptied"].items() if name not in gone]
    columns = [part for name, part in found["columns"].items() if name.rpartition(".")[0] not in gone]
    changed = [part for name, part in found["changed"].items() if name.rpartition(".")[0] not in gone]
    return Loss(tuple(gone.values()), tuple(emptied), tuple(columns), tuple(changed), code)


async def in_words(connection: Connection, downs: Mapping[str, str | None]) -> dict[str, str]:
    """For each down script what it destroys, in words that follow the migration's name."""
    names = Names()
    found = {name: await of(connection, {name: downs[name]}, names) for name in sorted(downs, reverse=True)}
    return {name: f": {loss}" if loss else "" for name, loss in found.items()}


async def ahead(connection: Connection, ups: Mapping[str, str]) -> dict[str, str]:
    """The same of up scripts, in the order of their names; what they have made themselves isn't lost."""
    if not any(may_drop(text) or _makes_sql(text) for text in ups.values()):
        return {}
    names = Names()
    found = {name: await _of(connection, drops(ups[name], names), whole=False) for name in sorted(ups)}
    found = {name: replace(loss, code=loss.code or _makes_sql(ups[name])) for name, loss in found.items()}
    return {name: f": {loss}" for name, loss in found.items() if loss}


def _makes_sql(text: str) -> bool:
    """Whether code in it runs a text that it puts together, so that nobody can read here what that drops."""
    return any(MADE.match(statement.text) for statement in quick_statements(text))


async def _tables(connection: Connection, drop: Drop) -> list[tuple[str, str]]:
    """What is lost, and the table whose rows it has."""
    if drop.kind == "schema":
        return [(entry["name"], entry["name"]) for entry in await rows(connection, TABLES, [drop.parts[-1]])]
    return [(drop.name, Drop("table", drop.table, "drops", drop.line).name)]


async def _part(connection: Connection, name: str, table: str) -> Part | None:
    entry = await row(connection, RELATION, [table])
    if entry is None:
        return None
    exact = await count(connection, [(entry["schema"], entry["relation"])])
    # What can't be counted isn't known to be empty: a partitioned table, or one never analysed, has no estimate.
    return Part(name, max(entry["estimate"], 1) if exact is None else exact, exact is not None)


async def count(
    connection: Connection, tables: Sequence[tuple[str, str]], milliseconds: int = COUNT_MILLISECONDS
) -> int | None:
    """The rows of some tables together, or None where they can't be counted in time or aren't all ours to read.

    Args:
        tables: schema and name of each.
    """
    each = [sql.SQL("select count(*) as rows from {}").format(sql.Identifier(*table)) for table in tables]
    if not each:
        return 0
    query = sql.SQL("select sum(rows)::bigint as rows from ({}) as tables").format(sql.SQL(" union all ").join(each))
    try:
        async with connection.transaction():
            await connection.execute(f"set local statement_timeout = {milliseconds}; set local row_security = off")
            return int((await rows(connection, query, []))[0]["rows"])
    except psycopg.Error:
        return None


def _counted(parts: tuple[Part, ...], noun: str) -> str:
    total = sum(part.rows for part in parts)
    named = sorted(parts, key=lambda part: (-part.rows, part.name))[:NAMED]
    more = f" and {len(parts) - NAMED} more" if len(parts) > NAMED else ""
    things = f"{len(parts)} {noun}" + ("s" if len(parts) > 1 else "")
    if not total:
        return f"{things} without rows ({', '.join(part.name for part in named)}{more})"
    about = "" if all(part.exact for part in parts) else "about "
    names = ", ".join(f"{part.name}: {part.rows:,}" for part in named)
    return f"{things} with {about}{total:,} row" + ("s" if total > 1 else "") + f" ({names}{more})"
