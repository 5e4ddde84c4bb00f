"""Housekeeping by its tasks: each run noted, one at a time, ended with its window; indexes that have grown rebuilt."""

import re
import time
from threading import Thread
from typing import Any

import psycopg

from declared import health
from declared.maintenance import INDEXES, TASKS
from ops.health import report
from ops.maintain import APPLICATION, Done, Housekeeping
from tests.sql.provision import Connection, acting_as, refused, row
from tests.sql.trail import unguarded

LAST = "select task, failed, said from ops.maintenance()"
SLOW = """create or replace function ops.forget_expired() returns bigint language plpgsql as $$
begin perform pg_sleep(30); return 0; end $$"""
BROKEN = """create or replace function ops.note_storage() returns bigint language plpgsql as $$
begin raise exception 'no room'; end $$"""
OPEN = "insert into private.maintenance_runs (task, began_at) values ('calls', now() - interval '2 days')"
OLD = """insert into private.maintenance_runs
select 'calls', now() - interval '91 days', now() - interval '91 days', false, ''"""
LEFT = (
    "create index heap_pkey_ccnew on public.heap (id)",
    "update pg_index set indisvalid = false where indexrelid = 'public.heap_pkey_ccnew'::regclass",
)
FILE = "select pg_relation_filenode('public.heap_pkey')"


def kept_up(url: str, window: float = 60, bloat: float | None = None) -> dict[str, Done]:
    with psycopg.connect(url, autocommit=True, application_name=APPLICATION) as session:
        return {done.task: done for done in Housekeeping(session, (13, 24), window, bloat).run()}


def test_the_command_and_the_database_have_the_same_tasks(provisioned: Connection) -> None:
    assert row(provisioned, "select private.maintenance_tasks()") == ([*TASKS],)
    said = refused(provisioned, psycopg.errors.InvalidParameterValue, "call ops.run_task('tidying')")
    assert "no task of maintenance is named tidying; there are partitions, sign_ins" in said


def test_each_run_is_noted_with_what_it_did_and_others_run_after_one_that_fails(
    alone: Connection, provisioned_database: Any
) -> None:
    for statement in (OPEN, OLD, BROKEN):
        alone.execute(statement.encode())
    done = kept_up(provisioned_database.url)
    assert list(done) == [*TASKS]
    assert {task for task, each in done.items() if each.failed} == {"storage"}
    noted = {task: rest for task, *rest in alone.execute(LAST).fetchall()}
    assert noted == {task: [each.failed, each.result] for task, each in done.items()}
    assert noted["storage"] == [True, "no room"]
    before = "select failed, said from private.maintenance_runs where task = 'calls' order by began_at"
    assert alone.execute(before).fetchall() == [(True, "was ended before it was done"), (False, "0")]
    with acting_as(alone, "monitor") as session:
        age = "select object, detail from ops.health() where metric = 'maintenance_age' and value > 0"
        assert dict(session.execute(age).fetchall())["storage"] == "the last run failed"
        refused(session, psycopg.errors.InsufficientPrivilege, "call ops.run_task('storage')")
        refused(session, psycopg.errors.InsufficientPrivilege, "select ops.end_run('storage', false, '')")


def test_notes_that_cannot_be_written_keep_no_task_from_running(alone: Connection, provisioned_database: Any) -> None:
    with psycopg.connect(provisioned_database.url) as other:
        other.execute("lock table private.maintenance_runs in share row exclusive mode")
        done = kept_up(provisioned_database.url, window=7)
    assert done["partitions"].result == "canceling statement due to lock timeout"
    assert [*done] == [*TASKS]


def test_a_broken_trail_is_a_task_that_failed(alone: Connection, provisioned_database: Any) -> None:
    with unguarded(alone):
        alone.execute("update audit.log set role = 'x'")
    done = kept_up(provisioned_database.url)["audit"]
    assert done.failed
    assert done.result.startswith("the audit trail is broken: ")


def test_nothing_is_at_work_after_the_window_and_a_task_runs_once_at_a_time(
    alone: Connection, provisioned_database: Any
) -> None:
    alone.execute(SLOW.encode())
    alone.execute("select pg_advisory_lock(hashtextextended('vpb maintenance partitions', 0))")
    done = kept_up(provisioned_database.url, window=2)
    assert done["partitions"].result == "another run of it is at work"
    assert done["sign_ins"].result == "ended with the window; the next run goes on"
    assert {each.result for task, each in done.items() if task not in ("partitions", "sign_ins")} == {
        "left to the next run: the window is over"
    }
    assert sum(each.seconds for each in done.values()) < 10
    assert alone.execute(LAST).fetchall() == [("sign_ins", True, "ended with the window; the next run goes on")]


def test_a_scheduler_s_tasks_are_ended_at_the_end_of_its_window(alone: Connection, provisioned_database: Any) -> None:
    alone.execute(SLOW.encode())
    ended = list[BaseException]()

    def run() -> None:
        with psycopg.connect(provisioned_database.url, autocommit=True) as session:
            try:
                session.execute("call ops.run_task('sign_ins')")
            except psycopg.Error as error:
                ended.append(error)

    scheduler = Thread(target=run)
    scheduler.start()
    asleep = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
    while row(alone, asleep) == (0,):
        time.sleep(0.05)
    assert row(alone, "select ops.stop_tasks()") == (1,)
    scheduler.join(10)
    assert [type(error) for error in ended] == [psycopg.errors.QueryCanceled]
    with acting_as(alone, "monitor") as session:
        detail = "select detail from ops.health() where metric = 'maintenance_age' and object = 'sign_ins'"
        assert row(session, detail) == ("the last run has no end",)


def test_an_index_that_has_grown_is_seen_and_rebuilt_and_what_an_ended_rebuild_left_goes(
    alone: Connection, provisioned_database: Any
) -> None:
    def bloated() -> list[str]:
        with acting_as(alone, "monitor") as session:
            found = report.read(session, health.checks({}))
        return [each.object for each in found if each.metric == "index_bloat" and each.level != "ok"]

    alone.execute("create table public.heap (id uuid primary key) with (autovacuum_enabled = off)")
    alone.execute("insert into public.heap select gen_random_uuid() from generate_series(1, 450000)")
    alone.execute("vacuum analyze public.heap")
    alone.execute("select ops.note_health()")
    assert bloated() == []
    alone.execute("delete from public.heap where id::text !~ '^.......[0-3]'")
    alone.execute("vacuum analyze public.heap")
    (found,) = bloated()
    assert re.fullmatch(r"public\.heap_pkey \d+", found)
    for statement in LEFT:
        alone.execute(statement.encode())
    (before,) = row(alone, FILE)
    with psycopg.connect(provisioned_database.url) as reader:
        reader.execute("lock table public.heap in share mode")
        done = kept_up(provisioned_database.url, bloat=3)[INDEXES]
        why = "canceling statement due to lock timeout"
        assert (done.failed, done.result) == (True, f"left: public.heap_pkey ({why})")
        assert row(alone, FILE) == (before,)
    mutex = "hashtextextended('vpb maintenance indexes', 0)"
    alone.execute(f"select pg_advisory_lock({mutex})".encode())
    assert kept_up(provisioned_database.url, bloat=3)[INDEXES].result == "another run of it is at work"
    alone.execute(f"select pg_advisory_unlock({mutex})".encode())
    done = kept_up(provisioned_database.url, bloat=3)[INDEXES]
    assert (done.failed, done.result) == (False, "rebuilt: public.heap_pkey")
    assert row(alone, FILE) != (before,)
    assert row(alone, "select count(*) from pg_index where indrelid = 'public.heap'::regclass") == (1,)
    alone.execute("analyze public.heap")
    assert bloated() == []
