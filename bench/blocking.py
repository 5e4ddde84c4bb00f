"""How long each kind of migration makes ordinary reads and writes of a large table wait: ratios of one run.

`python -m bench.blocking` loads ten million rows into `private.object_scans` (10 GB of disk) and runs each
statement beside one session that reads a row by its key, again and again, and one that updates a row. The unit is a
plain read of the whole table in the same run. `docs/performance.md` has the table.
"""

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import psycopg

from harness import scratch

TABLE = "private.object_scans"
CHUNK = 500_000
BATCH = 1000
BETWEEN = 0.002
"""Seconds between two statements of the sessions beside."""
# One row in a hundred is to be filled.
LOAD = f"""
insert into {TABLE} (bucket_id, name, version, mime_type, status, scanned_at)
select 'audio', private.file_name(n), 'v', case when n %% 100 > 0 then 'audio/ogg' end, 'clean', now()
from generate_series(%s::bigint, %s) as n"""
PREPARE = """
create function private.file_name(n bigint) returns text language sql immutable set search_path = ''
return '00000000-0000-7000-8000-' || lpad((n % 1000)::text, 12, '0') || '/' || n;
create table private.types (id text primary key);
insert into private.types values ('audio/ogg')"""
KEY = "bucket_id = 'audio' and version = 'v' and name = private.file_name(%(n)s)"
READ = f"select status from {TABLE} where {KEY}"
WRITE = f"update {TABLE} set attempts = attempts + 1 where {KEY}"
SCAN = f"select count(*) from {TABLE} where status = 'none of them'"
# Undone again: what blocks is the statement, whether or not it is kept.
AT_ONCE = {
    "add a column with a constant default": f"alter table {TABLE} add column new bigint not null default 1",
    "add a column with a default for each row": f"alter table {TABLE} add column new uuid default gen_random_uuid()",
    "change a column's type": f"alter table {TABLE} alter column attempts type numeric",
    "set not null": f"alter table {TABLE} alter column attempts drop not null, alter column attempts set not null",
    "add a check": f"alter table {TABLE} add constraint new check (name <> '')",
    "create an index": f"create index new on {TABLE} (name, status)",
    "add a foreign key": f"alter table {TABLE} "
    "add constraint new foreign key (mime_type) references private.types (id)",
}
IN_STEPS = {
    "add an empty column": f"alter table {TABLE} add column new text",
    "create an index of the rows to fill, concurrently": f"create index concurrently todo on {TABLE} "
    "(bucket_id, name, version) where mime_type is null",
    f"fill them in batches of {BATCH}": "",
    "drop that index concurrently": "drop index concurrently private.todo",
    "add a check not valid": f"alter table {TABLE} add constraint filled check (mime_type is not null) not valid",
    "validate it": f"alter table {TABLE} validate constraint filled",
    "set not null, which the check has proved": f"alter table {TABLE} alter column mime_type set not null",
    "add a foreign key not valid": f"alter table {TABLE} "
    "add constraint new foreign key (mime_type) references private.types (id) not valid",
    "validate the foreign key": f"alter table {TABLE} validate constraint new",
    "create an index concurrently": f"create index concurrently new on {TABLE} (name, status)",
}
ALL = f"update {TABLE} set owner_id = 'x'"
# So that only the last of a thousand parts of the key still has rows to fill.
TAIL = f"update {TABLE} set mime_type = null where name > '00000000-0000-7000-8000-000000000999'"
FILL = f"""
update {TABLE} set mime_type = 'audio/ogg' where (bucket_id, name, version) in (
    select s.bucket_id, s.name, s.version from {TABLE} as s where s.mime_type is null
    order by s.bucket_id, s.name, s.version limit {BATCH} for update skip locked)"""

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass
class Beside:
    """Two sessions that use the table, and the longest that each has waited, in seconds."""

    url: str
    rows: int
    waited: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The longest waits from here to the end."""
        end = threading.Event()
        self.waited = {READ: 0.0, WRITE: 0.0}
        threads = [threading.Thread(target=self._use, args=(each, end)) for each in self.waited]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        try:
            yield
        finally:
            time.sleep(0.1)
            end.set()
            for thread in threads:
                thread.join()

    def _use(self, statement: str, end: threading.Event) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            number = 1
            while not end.is_set():
                number = number * 48271 % 2147483647
                begun = time.perf_counter()
                connection.execute(statement.encode(), {"n": number % self.rows + 1})
                self.waited[statement] = max(self.waited[statement], time.perf_counter() - begun)
                time.sleep(BETWEEN)


@dataclass
class Bench:
    """The loaded table, and what a plain read of it takes."""

    connection: Connection
    beside: Beside
    scan: float = 0

    def load(self, rows: int) -> None:
        self.connection.execute(PREPARE.encode())
        for first, after in pairwise([*range(1, rows + 1, CHUNK), rows + 1]):
            self.connection.execute(LOAD.encode(), (first, after - 1))
        self.connection.execute(f"vacuum (analyze, freeze) {TABLE}".encode())
        self.connection.execute("set max_parallel_workers_per_gather = 0")
        self.scan = min(timed(lambda: self.connection.execute(SCAN.encode())) for _ in range(3))

    def show(self, name: str, action: Callable[[], Any]) -> None:
        """One line of the table, in plain reads."""
        with self.beside.watching():
            took = timed(action)
        read, write = self.beside.waited.values()
        print(f"| {name} | {self._shown(took)} | {self._shown(read)} | {self._shown(write)} |", flush=True)

    def _shown(self, seconds: float) -> str:
        ratio = seconds / self.scan
        return f"{ratio:.1f}" if ratio >= 0.1 else f"{ratio:.2f}" if ratio >= 0.01 else "0"

    def run(self, statement: str) -> None:
        self.connection.execute(statement.encode())

    def undone(self, statement: str) -> None:
        with self.connection.transaction(force_rollback=True):
            self.run(statement)

    def fill(self) -> None:
        """The batches, as a migration runs them."""
        seconds: list[float] = []
        while self._changed(seconds):
            pass
        tenth = max(1, len(seconds) // 10)
        first, last = (sum(part) / tenth / self.scan for part in (seconds[:tenth], seconds[-tenth - 1 : -1]))
        print(f"{len(seconds)} batches: {first:.4f} plain reads each at first, {last:.4f} in the end", file=sys.stderr)

    def _changed(self, seconds: list[float]) -> int:
        begun = time.perf_counter()
        changed = self.connection.execute(FILL.encode()).rowcount
        seconds.append(time.perf_counter() - begun)
        return changed

    def last_batch(self) -> None:
        """What the last batch takes with an index that says what is left, and without."""
        for index in (True, False):
            with self.connection.transaction(force_rollback=True):
                self.run(TAIL)
                if not index:
                    self.run("drop index private.todo")
                taken = timed(partial(self.run, FILL)) / self.scan
            print(f"the last batch with the index, {index}: {taken:.4f} plain reads", file=sys.stderr)


def timed(action: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def main() -> None:
    """Print the table: what takes how long, and how long a read and a write wait, in plain reads of the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    with scratch.server() as server:
        scratch.complete(server.url())
        with psycopg.connect(server.url(), autocommit=True) as connection:
            bench = Bench(connection, Beside(server.url(), rows))
            bench.load(rows)
            run(bench)


def run(bench: Bench) -> None:
    """The ways that block, which are undone, and the steps of the way that doesn't."""
    print(f"a plain read takes {bench.scan:.2f} s", file=sys.stderr)
    print("| migration | takes | a read waits | a write waits |\n|---|---|---|---|")
    bench.show("nothing", lambda: time.sleep(bench.scan))
    for name, statement in AT_ONCE.items():
        bench.show(name, partial(bench.undone, statement))
    for name, statement in IN_STEPS.items():
        bench.show(name, partial(bench.run, statement) if statement else bench.fill)
        if not statement:
            bench.last_batch()
    bench.show("fill a column in one statement", partial(bench.undone, ALL))


if __name__ == "__main__":
    main()
