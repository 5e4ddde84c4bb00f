"""How long this server takes for a row and for a byte: measured, in a second or two, in the copy's own database.

In tables that are logged, since a temporary one writes no WAL and a rewrite would seem twice as fast. Each operation is
measured as the statement that does it in a migration, on a narrow table and on a wide one: from the two follows what a
row costs and what a byte does.
"""

import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass

from provider.connection import Connection, row

ROWS, WIDE_ROWS, CHANGED = 50_000, 6_000, 10_000
# An entry that is made alone, with its way down the tree and its own record in the WAL, against one of many sorted.
ENTRY = 2.5
# Three times at least; what is quick, more often: the shorter it is, the more chance there is in it.
LEAST_ROUNDS, MOST_ROUNDS, LONG_ENOUGH = 3, 9, 0.1
LOAD = f"""
create schema forecast;
create table forecast.referenced (id bigint primary key);
insert into forecast.referenced select pg_catalog.generate_series(1, {ROWS});
create table forecast.narrow (
    id bigint, owner uuid, referenced bigint, title text, status text, number integer, amount numeric(12, 2),
    at timestamptz, flag integer
);
insert into forecast.narrow
select i, pg_catalog.gen_random_uuid(), (i * 7919::bigint) % {ROWS} + 1, pg_catalog.md5(i::text), 'draft', i % 1000,
       i * 1.5, pg_catalog.now(), 1
  from pg_catalog.generate_series(1, {ROWS}) as i;
create table forecast.wide (id bigint, number integer, body text);
alter table forecast.wide alter column body set storage external;
insert into forecast.wide select i, i % 1000, pg_catalog.repeat(pg_catalog.md5(i::text), 30)
  from pg_catalog.generate_series(1, {WIDE_ROWS}) as i;
analyze forecast.referenced;
analyze forecast.narrow;
analyze forecast.wide;
select pg_catalog.count(*) from forecast.narrow;
select pg_catalog.count(*) from forecast.wide"""
SIZES = """select pg_catalog.pg_relation_size('forecast.narrow') as narrow,
                  pg_catalog.pg_relation_size('forecast.wide') as wide"""
STATEMENTS = {
    "scan": "alter table forecast.narrow add check (number >= 0)",
    "scan wide": "alter table forecast.wide add check (number >= 0)",
    "rewrite": "alter table forecast.narrow alter column number type bigint",
    "rewrite wide": "alter table forecast.wide alter column number type bigint",
    "numbers": "create index on forecast.narrow (referenced)",
    "texts": "create index on forecast.narrow (title)",
    "key": "alter table forecast.narrow add foreign key (referenced) references forecast.referenced",
    "change": f"update forecast.narrow set number = number + 1 where id <= {CHANGED}",
}


@dataclass(frozen=True)
class Cost:
    """Seconds for a row and for a byte."""

    row: float
    byte: float

    def of(self, rows: float, bytes: float) -> float:
        return self.row * rows + self.byte * bytes


@dataclass(frozen=True)
class Rates:
    """What one run has measured."""

    scan: Cost
    rewrite: Cost
    numbers: float
    """Seconds for an index of so many rows as were measured, with keys of a fixed length."""
    texts: float
    """The same with texts as keys."""
    join: float
    """Seconds for a row of either table of a foreign key, beside reading it."""
    change: float
    """Seconds for a row that is changed."""

    def entry(self, texts: bool) -> float:
        """Seconds for a row's entry in an index that is there."""
        return ENTRY * (self.texts if texts else self.numbers) / ROWS

    def build(self, rows: float, texts: bool) -> float:
        """Seconds for a b-tree: sorting takes a logarithm more than a row each."""
        measured = self.texts if texts else self.numbers
        return measured * rows / ROWS * math.log2(max(rows, 2)) / math.log2(ROWS)


def now(backend: int) -> float:
    """The clock that work is measured by, in seconds; `backend` is the server's process that does it."""
    return time.perf_counter()


async def measure(connection: Connection) -> Rates:
    """Measure them in the database that this session is in; what is made there stays.

    :raises psycopg.Error: where it can't be measured, such as for a full disk
    """
    await connection.execute(LOAD.encode())
    sizes = await row(connection, SIZES, [])
    assert sizes is not None
    seconds = {name: await _median(connection, statement) for name, statement in STATEMENTS.items()}
    await connection.execute("drop schema forecast cascade")
    scan = _cost(seconds["scan"], seconds["scan wide"], sizes)
    join = max(seconds["key"] - seconds["scan"], 0) / (2 * ROWS)
    return Rates(
        scan,
        _cost(seconds["rewrite"], seconds["rewrite wide"], sizes),
        seconds["numbers"],
        seconds["texts"],
        join,
        seconds["change"] / CHANGED,
    )


async def _median(connection: Connection, statement: str) -> float:
    found: list[float] = []
    while len(found) < LEAST_ROUNDS or (sum(found) < LONG_ENOUGH and len(found) < MOST_ROUNDS):
        async with connection.transaction(force_rollback=True):
            begun = now(connection.info.backend_pid)
            await connection.execute(statement.encode())
            found.append(now(connection.info.backend_pid) - begun)
    return statistics.median(found)


def _cost(narrow: float, wide: float, bytes: Mapping[str, int]) -> Cost:
    """The two costs that give both times; none is less than nothing, whatever else the machine did meanwhile."""
    both = ROWS * bytes["wide"] - WIDE_ROWS * bytes["narrow"]
    of_byte = (wide * ROWS - narrow * WIDE_ROWS) / both
    of_row = (narrow * bytes["wide"] - wide * bytes["narrow"]) / both
    if of_byte < 0:
        return Cost(narrow / ROWS, 0)
    if of_row < 0:
        return Cost(0, narrow / bytes["narrow"])
    return Cost(of_row, of_byte)
