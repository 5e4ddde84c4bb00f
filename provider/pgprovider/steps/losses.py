"""What rolling a migration back destroys, counted in the database and put into words."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgprovider.connection import Connection, row, rows

DROPPED = re.compile(r"\bdrop\s+table\s+(?:if\s+exists\s+)?([\w.\"]+)", re.IGNORECASE)
# A table that takes longer to count is counted by the planner's estimate.
COUNT_MILLISECONDS = 2000
NAMED = 5
RELATION = """select c.oid::pg_catalog.regclass::text as name, n.nspname as schema, c.relname as relation,
                     greatest(c.reltuples, 0)::bigint as estimate
                from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
               where c.oid = pg_catalog.to_regclass(%s)"""


@dataclass(frozen=True)
class Table:
    """A table that goes, with its rows; `exact` is false where they were only estimated."""

    name: str
    rows: int
    exact: bool


@dataclass(frozen=True)
class Loss:
    """The tables that go; of none there is nothing to say."""

    tables: tuple[Table, ...] = ()

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    def __str__(self) -> str:
        tables = f"{len(self.tables)} table" + ("s" if len(self.tables) > 1 else "")
        named = sorted(self.tables, key=lambda table: (-table.rows, table.name))[:NAMED]
        more = f" and {len(self.tables) - NAMED} more" if len(self.tables) > NAMED else ""
        if not self.rows:
            return f"this drops {tables} without rows ({', '.join(table.name for table in named)}{more})"
        about = "" if all(table.exact for table in self.tables) else "about "
        rows = f"{self.rows:,} row" + ("s" if self.rows > 1 else "")
        names = ", ".join(f"{table.name}: {table.rows:,}" for table in named)
        return f"this drops {tables} with {about}{rows} ({names}{more})"


async def of(connection: Connection, down: str) -> str:
    """What a down script destroys, in words that follow the migration's name; empty where no table goes."""
    loss = await _counted(connection, _dropped([down]))
    return f": {loss}" if loss.tables else ""


async def of_all(connection: Connection, downs: Mapping[str, str | None]) -> Loss:
    """What all these down scripts destroy together."""
    return await _counted(connection, _dropped(down or "" for down in downs.values()))


def _dropped(downs: Iterable[str]) -> list[str]:
    return sorted({name for down in downs for name in DROPPED.findall(down)})


async def _counted(connection: Connection, names: Iterable[str]) -> Loss:
    found = [await row(connection, RELATION, [name]) for name in names]
    tables = []
    for entry in found:
        if entry is None:
            continue
        exact = await _count(connection, entry["schema"], entry["relation"])
        tables.append(Table(entry["name"], entry["estimate"] if exact is None else exact, exact is not None))
    return Loss(tuple(tables))


async def _count(connection: Connection, schema: str, relation: str) -> int | None:
    """The rows of a table, or None where they can't be counted in time or aren't ours to read."""
    try:
        async with connection.transaction():
            await connection.execute(
                f"set local statement_timeout = {COUNT_MILLISECONDS}; set local row_security = off"
            )
            query = sql.SQL("select count(*) as rows from {}").format(sql.Identifier(schema, relation))
            return int((await rows(connection, query, []))[0]["rows"])
    except psycopg.Error:
        return None
