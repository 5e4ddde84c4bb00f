"""Migrations in front of live traffic: they give way, and no query waits longer than the limit."""

import asyncio
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
import pytest

from harness.engine import Refusal
from provider.resources import base
from provider.steps import locks
from tests.provider.folders import one_line
from tests.provider.world import World

LIMIT = 0.2
# Two shared cores: a thread that isn't scheduled isn't a lock that is waited for.
SLACK = 0.6


@dataclass
class Traffic:
    """Threads that read and write one table without a pause, and how long each query took."""

    url: str
    seconds: list[float] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.end = threading.Event()

    def _query(self, statement: bytes) -> None:
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                while not self.end.is_set():
                    begun = time.monotonic()
                    connection.execute(statement)
                    self.seconds.append(time.monotonic() - begun)
                    time.sleep(0.002)
        except Exception as error:
            self.failures.append(error)

    @contextmanager
    def running(self) -> Iterator["Traffic"]:
        statements = [
            b"select count(*) from public.notes where title = 'a'",
            b"insert into public.notes (title) values ('b')",
            b"update public.notes set body = 'c' where id = (select min(id) from public.notes)",
        ]
        threads = [threading.Thread(target=self._query, args=(statement,)) for statement in statements]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.end.set()
            for thread in threads:
                thread.join()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = locks.Limits(once=LIMIT, look=0.05, pause=0.1, longest_pause=0.3, step=20)
    monkeypatch.setattr(locks, "LIMITS", limits)


def column_there(world: World) -> bool:
    found = world.sql("select 1 from pg_attribute where attrelid = 'public.notes'::regclass and attname = 'added'")
    return bool(found)


@pytest.mark.usefixtures("hurried")
def test_no_query_waits_longer_than_the_limit_while_a_step_wants_a_held_table(plain_folder, second_session):
    world = plain_folder.world
    plain_folder.write("0001_column", "alter table public.notes add column added int;")
    world.sql("insert into public.notes (title) values ('a')")
    # A long report: readers and writers don't mind it, `alter table` does, and so do the statements that come after it.
    second_session.execute("begin; select count(*) from public.notes")
    with Traffic(world.database.url).running() as traffic:
        report = threading.Timer(3, second_session.execute, args=("commit",))
        report.start()
        begun = time.monotonic()
        plain_folder.up()
        took = time.monotonic() - begun
        report.join()
    assert traffic.failures == []
    assert took > 2.5, "the migration had to wait for the report"
    assert column_there(world)
    assert plain_folder.recorded() == ["0001"]
    assert len(traffic.seconds) > 500, "there was traffic all the time"
    assert max(traffic.seconds) < LIMIT + SLACK, (
        f"longest of {len(traffic.seconds)}, median {statistics.median(traffic.seconds)}"
    )
    assert max(traffic.seconds) > LIMIT / 2, "somebody did wait behind the migration, or nothing was tested"
    holder = f"a lock on public.notes held by pid {second_session.info.backend_pid}, application app"
    assert any(
        line.startswith(f"applying 0001_column (1 of 1): waiting for {holder}, try ")
        for line in plain_folder.engine.progress
    )


@pytest.mark.usefixtures("hurried")
def test_an_index_built_concurrently_lets_all_traffic_by(plain_folder):
    world = plain_folder.world
    world.sql("insert into public.notes (title) select 'a' from generate_series(1, 50000)")
    plain_folder.write(
        "0001_index",
        "-- Run: outside a transaction.\n\ncreate index concurrently notes_title_idx on public.notes (title, body);",
    )
    with Traffic(world.database.url).running() as traffic:
        plain_folder.up()
    assert traffic.failures == []
    assert max(traffic.seconds) < LIMIT + SLACK
    assert plain_folder.recorded() == ["0001"]


@pytest.mark.usefixtures("hurried")
def test_a_lock_that_never_comes_is_one_line_with_who_holds_it_and_changes_nothing(
    plain_folder, second_session, monkeypatch
):
    monkeypatch.setattr(locks, "LIMITS", locks.Limits(once=0.1, look=0.02, pause=0.05, longest_pause=0.1, step=1))
    plain_folder.table("0001_first")
    plain_folder.write("0002_column", "create table public.b ();\nalter table public.notes add column added int;")
    second_session.execute("begin; lock table public.notes in access share mode")
    begun = time.monotonic()
    with pytest.raises(Refusal) as caught:
        plain_folder.up()
    second_session.execute("rollback")
    assert time.monotonic() - begun < 5
    said = one_line(caught)
    assert "migration 0002_column: canceling statement due to lock timeout (55P03), " in said
    assert ", sql/steps/0002_column.up.sql:5; " in said
    assert f"held by pid {second_session.info.backend_pid}, application app" in said
    assert plain_folder.tables() == ["first"]
    assert plain_folder.recorded() == ["0001"]


@pytest.mark.usefixtures("hurried")
def test_a_deadlock_is_given_way_for_and_tried_again(plain_folder, second_session):
    world = plain_folder.world
    world.sql("alter system set deadlock_timeout = '50ms'")
    world.sql("select pg_reload_conf()")
    plain_folder.write(
        "0001_both", "lock table public.other; select pg_sleep(0.3); alter table public.notes add column added int;"
    )

    def cross() -> None:
        with second_session.transaction():
            second_session.execute("lock table public.notes in access share mode")
            while not world.sql("select 1 from pg_locks where relation = 'public.other'::regclass and granted"):
                time.sleep(0.01)
            second_session.execute("lock table public.other in access share mode")

    other = threading.Thread(target=cross)
    other.start()
    try:
        plain_folder.up()
    finally:
        other.join()
        world.sql("alter system reset deadlock_timeout")
        world.sql("select pg_reload_conf()")
    assert column_there(world)


def test_a_second_run_waits_for_the_first_however_long_and_says_so(plain_folder):
    world = plain_folder.world
    world.sql("create table public.runs (step text)")
    plain_folder.write("0001_slow", "insert into public.runs values ('slow'); select pg_sleep(2);")
    engines = [plain_folder.engine, world.second_engine(lockTimeout="100ms")]
    failures: list[Exception] = []

    def run(number: int) -> None:
        try:
            engines[number].create("pg:index:MigrationSet", plain_folder.declared())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waited = [line for engine in engines for line in engine.progress if "waiting for another run (pid " in line]
    engines[1].close()
    assert failures == []
    assert waited
    assert world.sql("select step from public.runs") == [("slow",)]


def test_another_run_that_never_ends_is_reported_with_its_process(plain_folder, second_session, monkeypatch):
    monkeypatch.setattr(locks, "LIMITS", locks.Limits(run=0.3))
    plain_folder.table("0001_first")
    second_session.execute("select pg_advisory_lock(hashtextextended('visual-prompt-builder migrations sql/steps', 0))")
    with pytest.raises(Refusal) as caught:
        plain_folder.up()
    second_session.execute("select pg_advisory_unlock_all()")
    assert (
        f"migrations sql/steps: another run (pid {second_session.info.backend_pid}, application app) isn't"
        in one_line(caught)
    )
    assert plain_folder.tables() == []


def test_first_runs_of_many_sets_at_once_make_one_history_schema(plain_folder):
    plain_folder.table("0001_first")
    engines = [plain_folder.world.second_engine() for _ in range(6)]
    failures: list[Exception] = []

    def run(number: int) -> None:
        try:
            steps = {"folder": "sql/steps", "steps": {}, "history": f"history.set_{number}"}
            engines[number].create("pg:index:MigrationSet", steps)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(engines))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.close()
    assert failures == []
    tables = plain_folder.world.sql("select count(*) from pg_tables where schemaname = 'history'")
    assert tables == [(4 * len(engines),)]


def test_deletions_at_once_do_not_wait_for_each_other_in_the_database(plain_world, monkeypatch):
    """There each would wait for those before it, and be given up after `lockTimeout`."""
    original = base.ObjectKind._end

    async def slow(self, connection, state, released) -> None:
        await original(self, connection, state, released)
        await asyncio.sleep(0.1)

    monkeypatch.setattr(base.ObjectKind, "_end", slow)
    engine = plain_world.second_engine(lockTimeout="150ms")
    inputs = {"table": "public.notes", "kind": "permissive", "command": "select", "roles": ["anon"], "using": "true"}
    things = [engine.create("pg:index:Policy", {**inputs, "name": f"notes_{number}"}) for number in range(5)]
    assert engine.together(*map(engine.deleting, things)) == [None] * 5
    engine.close()
