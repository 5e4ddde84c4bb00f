"""What monitoring asks: for the monitor alone, and each cause is seen and seen no more once it is gone."""

import math
import re
import time
from threading import Thread
from typing import Any

import psycopg
import pytest

from declared import connectionurl, health
from declared.paths import CHECKOUT
from ops.everyday import overview
from ops.health import patterns, report
from ops.health.report import Measured
from tests.sql.provision import ADA, BOB, Connection, acting_as, refused, row

OF_OTHER_TESTS = {"lock_wait", "archive_age", "dead_rows"}
FUNCTIONS = ("ops.health()", *(f"ops.{part}_metrics()" for part in health.PARTS))
FUNCTIONS += ("ops.health_history('errors')", "private.app_metrics()", "private.usage_metrics()")
# What takes minutes to be bad is bad at once here.
AT_ONCE = {"transaction_age": [0.1, None], "idle_in_transaction": [0.1, None], "lock_wait": [0.1, None]}
AT_ONCE |= {"slot_bytes": [1000, None], "role_connections": [0.4, None], "month_spend": [300, None]}


def bad(connection: Connection, metric: str) -> list[Measured]:
    """What is over a threshold of one metric, as the monitor sees it."""
    with acting_as(connection, "monitor") as session:
        found = report.read(session, health.checks(AT_ONCE))
    return [each for each in found if each.metric == metric and each.level != "ok"]


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "authjs", "cleaner", "scanner", "backup"])
def test_nobody_else_asks_for_it_or_writes_samples(provisioned: Connection, role: str) -> None:
    with acting_as(provisioned, role) as session:
        for function in (*FUNCTIONS, "ops.note_health()"):
            refused(session, psycopg.errors.InsufficientPrivilege, f"select * from {function}")
    with acting_as(provisioned, "monitor") as session:
        refused(session, psycopg.errors.InsufficientPrivilege, "select ops.note_health()")


def test_a_healthy_database_has_nothing_bad_and_every_metric_is_declared(people: Connection) -> None:
    with acting_as(people, "monitor") as session:
        found = report.read(session, health.checks({}))
    # Other tests use the same server, and roll back what they have written.
    assert [each for each in found if each.level != "ok" and each.metric not in OF_OTHER_TESTS] == []
    assert {each.metric for each in found} <= health.CHECKS.keys()


ERRORS = """insert into analytics.error_logs (source, message, fingerprint)
select 'web', 'x', 'y' from generate_series(1, 60)"""
CALLS = """insert into analytics.api_usage (provider, model, succeeded, cost)
select 'x', 'y', i > 5, 10 from generate_series(1, 20) as i"""
SCANS = "insert into private.object_scans (bucket_id, name, version, status, queued_at, scanned_at) values "
USED_UP = f"""insert into private.budget_usage (user_id, month, tokens, cost)
values ('{ADA}', private.budget_month(), 0, 1e9)
on conflict (user_id) do update set cost = 1e9, month = excluded.month"""
BACKUP = """insert into private.backups (backup, taken_at, kept_until)
values ('20200101T000000Z-00000000', now() - interval '30 hours', now() + interval '1 day')"""
# What was spent in another month doesn't count.
MONTH = f"""insert into private.budget_usage (user_id, month, tokens, cost)
select id, case email when 'bob@example.org' then date '2020-01-01' else private.budget_month() end, 0, 400
from next_auth.users where id in ('{ADA}', '{BOB}')
on conflict (user_id) do update set cost = excluded.cost, month = excluded.month"""
DRILL = BACKUP + "; update private.backups set drilled_at = now() - interval '9 days', passed = true, "
DRILL += "recovery_point = '1 hour', recovery_time = '1 minute'"
RUN = """insert into private.maintenance_runs
select 'health', now() - interval '31 hours', now() - interval '30 hours', false, '1'"""
PARTITIONS = """do $$ declare month regclass; begin
    for month in select inhrelid from pg_inherits
        where inhparent = 'audit.log'::regclass and right(inhrelid::regclass::text, 7) > to_char(now(), 'YYYY_MM')
    loop execute format('drop table %s', month); end loop; end $$"""
# What is done to the app's tables, the metric that sees it, and its value.
CAUSES: dict[str, tuple[str, str, float]] = {
    "errors": (ERRORS, "errors", 60),
    "calls that fail": (CALLS, "failed_calls", 0.25),
    "overspend": (CALLS, "spend", 200),
    "a month of spending": (MONTH, "month_spend", 400),
    "a file that waits": (SCANS + "('b', 'n', 'v', 'pending', now() - interval '20 minutes', null)", "scan_wait", 1200),
    "a scan given up": (SCANS + "('b', 'n', 'v', 'failed', now(), now())", "scans_failed", 1),
    "a deletion that waits": (
        "insert into private.deletion_queue (bucket_id, object_path, queued_at) "
        "values ('b', 'n', now() - interval '2 days')",
        "deletion_wait",
        2 * health.DAY,
    ),
    "no new backup": (BACKUP, "backup_age", 30 * health.HOUR),
    "no new drill": (DRILL, "drill_age", 9 * health.DAY),
    "no housekeeping": (RUN, "maintenance_age", 30 * health.HOUR),
    "the same index twice": (
        "create index twin on public.projects (owner_id, created_at desc, id desc); "
        "create index other on public.projects (owner_id, created_at desc, id desc)",
        "duplicate_index",
        2,
    ),
    "a key without an index": (
        "create table public.loose (id uuid references public.projects (id))",
        "unindexed_key",
        1,
    ),
    "an invalid index": (
        "update pg_index set indisvalid = false where indexrelid = 'public.projects_pkey'::regclass",
        "invalid_index",
        1,
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_a_cause_is_seen_and_seen_no_more_once_it_is_gone(people: Connection, cause: str) -> None:
    statement, metric, value = CAUSES[cause]
    with people.transaction(force_rollback=True):
        people.execute(statement.encode())
        found = bad(people, metric)
        assert found, f"{metric} doesn't see it"
        assert math.isclose(found[0].value or 0, value, rel_tol=0.01)
    assert bad(people, metric) == []


def test_months_that_nobody_makes_are_seen_before_they_are_missing(people: Connection) -> None:
    people.execute(PARTITIONS.encode())
    (found,) = bad(people, "partitions_ahead")
    assert found.object == "audit.log"
    assert 0 <= (found.value or -1) <= 31


def test_a_budget_that_is_used_up_is_counted(people: Connection) -> None:
    def used_up() -> float:
        with acting_as(people, "monitor") as session:
            found = report.read(session, health.checks({}))
        return next(each.value or 0 for each in found if each.metric == "budgets_used_up")

    assert used_up() == 0
    people.execute(USED_UP.encode())
    assert used_up() == 1


# What other sessions do, on a database where each statement is committed.


def seen(connection: Connection, metric: str) -> list[Measured]:
    """What is bad within two seconds; the server's own numbers come a moment late."""
    for _ in range(20):
        if found := bad(connection, metric):
            return found
        time.sleep(0.1)
    return []


def test_a_lock_that_somebody_holds_is_seen_with_who_waits_for_whom(
    alone: Connection, provisioned_database: Any
) -> None:
    url = provisioned_database.url
    with psycopg.connect(url) as holder, psycopg.connect(url, application_name="app") as late:
        holder.execute("select * from public.projects for update")
        waiting = Thread(target=lambda: late.execute("update public.projects set title = 'x'"))
        waiting.start()
        (found,) = seen(alone, "lock_wait")
        assert f"process {late.info.backend_pid} waits for process {holder.info.backend_pid} of" in found.detail
        assert found.detail.endswith("idle in transaction")
        assert "update" not in found.detail
        (idle,) = bad(alone, "idle_in_transaction")
        assert f"process {holder.info.backend_pid} of" in idle.detail
        assert [each.object for each in bad(alone, "transaction_age")] == [idle.object]
        holder.rollback()
        waiting.join()
        late.rollback()
    assert [*bad(alone, "lock_wait"), *bad(alone, "idle_in_transaction"), *bad(alone, "transaction_age")] == []


def test_a_login_with_few_connections_left_is_seen(alone: Connection, provisioned_database: Any) -> None:
    alone.execute("create role few login superuser connection limit 2 password 'few'")
    try:
        with psycopg.connect(provisioned_database.url, user="few", password="few"):
            (found,) = bad(alone, "role_connections")
            assert (found.object, found.detail) == ("few", "1 of 2")
        # The client has left before its session is gone.
        for _ in range(100):
            if not (left := bad(alone, "role_connections")):
                break
            time.sleep(0.1)
        assert left == []
    finally:
        alone.execute("drop role few")


def test_dead_rows_are_seen_until_a_vacuum(alone: Connection) -> None:
    alone.execute("create table public.heap (id int) with (autovacuum_enabled = off)")
    alone.execute("insert into public.heap select generate_series(1, 30000)")
    alone.execute("delete from public.heap where id > 10000")
    alone.execute("select pg_stat_force_next_flush()")
    found = seen(alone, "dead_rows")
    assert [(each.object, each.level) for each in found] == [("public.heap", "critical")]
    assert found[0].detail == "20000 of 30000"
    alone.execute("vacuum public.heap")
    alone.execute("select pg_stat_force_next_flush()")
    assert bad(alone, "dead_rows") == []


def test_a_row_for_which_there_is_no_month_is_seen_until_it_has_gone(alone: Connection) -> None:
    alone.execute(
        "insert into analytics.error_logs (source, message, fingerprint, created_at) "
        "values ('a', 'b', 'c', '2001-01-01')"
    )
    alone.execute("select pg_stat_force_next_flush()")
    (found,) = seen(alone, "spare_rows")
    assert (found.object, found.value) == ("analytics.error_logs_default", 1)
    alone.execute("delete from analytics.error_logs where created_at = '2001-01-01'")
    alone.execute("select pg_stat_force_next_flush()")
    assert bad(alone, "spare_rows") == []


def test_a_slot_that_nobody_reads_is_seen(alone: Connection) -> None:
    alone.execute("select pg_create_physical_replication_slot('forgotten', true)")
    try:
        alone.execute("create table public.heap as select generate_series(1, 10000)")
        (found,) = bad(alone, "slot_bytes")
        assert (found.object, found.detail) == ("forgotten", "not read by anybody, reserved")
    finally:
        alone.execute("select pg_drop_replication_slot('forgotten')")
    assert bad(alone, "slot_bytes") == []


def test_wal_that_no_archiver_takes_or_stores_has_an_age_and_a_quiet_server_has_none(
    alone: Connection, provisioned_database: Any
) -> None:
    def age() -> tuple[float, str]:
        with acting_as(alone, "monitor") as session:
            found = [each for each in report.read(session, health.checks({})) if each.metric == "archive_age"]
        assert [each.object for each in found] == ["vpb_old"], "other slots are no archive's"
        return found[0].value or 0, found[0].detail

    alone.execute("select pg_switch_wal()")
    # A slot begins where the last checkpoint did.
    alone.execute("checkpoint")
    for slot in ("vpb_old", "vpb2"):
        alone.execute("select pg_create_physical_replication_slot(%s, true)", [slot])
    try:
        if row(alone, "select pg_current_wal_lsn() - restart_lsn < 1024 from pg_replication_slots limit 1")[0]:
            assert age()[0] == 0, "nothing was written since"
        alone.execute("create table public.heap as select generate_series(1, 100)")
        time.sleep(0.3)
        value, detail = age()
        assert 0 < value < 60
        assert re.fullmatch(r"not read by anybody, \d+ bytes of WAL aren't archived", detail)
        since = int(time.time()) - 7200
        for name in ("vpb wal x vpb_old", "vpb wal 99999999999 vpb_older", f"vpb wal {since} vpb_old"):
            assert age()[0] < 60
            alone.execute("select set_config('application_name', %s, false)", [name])
        value, detail = age()
        assert 7200 <= value < 7260
        assert detail.endswith("; the archiver can't store")
        where = connectionurl.parse(provisioned_database.url)
        said = [overview.archived(where, stack, health.CHECKS["archive_age"]) for stack in ("old", "none")]
        assert [each and (each.late, each.detail) for each in said] == [(True, detail), None]
    finally:
        alone.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name ~ '^vpb'")


def test_a_lock_takes_away_what_it_holds_and_no_other_number(alone: Connection, provisioned_database: Any) -> None:
    alone.execute("set lock_timeout = '200ms'")
    with psycopg.connect(provisioned_database.url) as holder:
        holder.execute("lock table analytics.error_logs, public.projects in access exclusive mode")
        (found,) = bad(alone, health.UNREADABLE)
        assert (found.object, found.level) == ("usage", "critical")
        assert "lock timeout" in found.detail
        with acting_as(alone, "monitor") as session:
            metrics = {each.metric for each in report.read(session, health.checks({}))}
        assert {"connections", "database_bytes", "scan_wait"} <= metrics
        assert "errors" not in metrics
    assert bad(alone, health.UNREADABLE) == []


ODD = """
create table public.two (a uuid references public.projects (id), b uuid references public.projects (id));
create table analytics.error_logs_2024_13 partition of analytics.error_logs
for values from ('2024-01-01') to ('2024-02-01');
create sequence public.odd minvalue -10 maxvalue 0 start -10;
alter sequence public.odd owner to app_owner;
select nextval('public.odd');
create schema elsewhere;
create sequence elsewhere.open;
grant usage on sequence elsewhere.open to public;
select nextval('elsewhere.open');
create temporary table jobs (id int);
create index on jobs (id);
create index on jobs (id);
create table public."a""b
c" (id serial);
alter table public."a""b
c" owner to app_owner;
select setval('public."a""b
c_id_seq"', 2147483640);
"""


def test_odd_objects_take_no_number_away_and_each_pair_is_there_once(people: Connection) -> None:
    people.execute(ODD.encode())
    with acting_as(people, "monitor") as session:
        rows = session.execute("select metric, object, value, detail from ops.health()").fetchall()
    pairs = [(metric, object) for metric, object, *_ in rows]
    assert len(pairs) == len(set(pairs)), "an exporter refuses a series that is there twice"
    found = {(metric, object): (value, detail) for metric, object, value, detail in rows}
    assert not [detail for (metric, _), (_, detail) in found.items() if metric == health.UNREADABLE]
    assert found["unindexed_key", "public.two"] == (2, "foreign key two_a_fkey, two_b_fkey")
    assert 0.99 < found["sequence_used", 'public."a""b\nc_id_seq"'][0] < 1
    assert not [object for _, object in pairs if "jobs" in object], "a temporary table is no concern of anybody's"


def test_a_password_in_a_statement_is_not_among_the_slow_ones(people: Connection) -> None:
    people.execute("/* a */ create role victim password 'PlainSecret1'")
    people.execute("-- what\nselect /* b */ 'shown' as told_apart")
    with acting_as(people, "monitor") as session:
        texts = [text for (text,) in session.execute("select statement from ops.slow_statements(100000)").fetchall()]
    assert "create role …" in texts
    assert "select /* b */ $1 as told_apart" in texts
    assert [text for text in texts if "PlainSecret1" in text or "SCRAM" in text] == []


def test_samples_are_a_history_and_old_ones_go(alone: Connection) -> None:
    old = "insert into private.health_samples values ('errors', '', now() - make_interval(days => %s), 7)"
    for days in (91, 80):
        alone.execute(old, [days])
    noted = row(alone, "select ops.note_health()")[0]
    assert noted > 10
    with acting_as(alone, "monitor") as session:
        history = session.execute(
            "select value from ops.health_history('errors', now() - interval '1 year')"
        ).fetchall()
    assert history == [(7,), (0,)]


SECTIONS = re.compile(r"# (\w+): .+?\n\n.+?\n\n## How to look\n\n```sql\n(.+?)```\n\n## What to do\n\n- .+", re.DOTALL)


@pytest.mark.parametrize("metric", health.CHECKS)
def test_each_metric_has_a_runbook_whose_statement_runs(people: Connection, metric: str) -> None:
    page = SECTIONS.fullmatch((CHECKOUT / "docs" / "runbooks" / f"{metric}.md").read_text())
    assert page, "the page has a title, what it means, how to look and what to do"
    assert page[1] == metric
    people.execute(page[2].replace("schema.table", "public.projects").encode())


def test_no_runbook_is_of_a_metric_that_is_gone() -> None:
    # What CloudWatch alone measures has sections of one page.
    assert {path.stem for path in (CHECKOUT / "docs" / "runbooks").iterdir()} == {*health.CHECKS, "aws"}


def test_a_statement_is_named_after_its_query_pattern(people: Connection) -> None:
    people.execute("select ops.forget_expired()")
    assert patterns.named("SELECT ops.forget_expired()") == "forget_expired"
    assert patterns.named("select $1") == ""
    assert patterns.named("select cut off (") == ""


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.714, "share", "71.4 %"),
        (0.000002, "share", "0 %"),
        (90, "seconds", "90 s"),
        (7200, "seconds", "2 h"),
        (1536, "bytes", "1.5 KiB"),
        (12.5, "dollars", "12.50 $"),
        (3, "count", "3"),
        (None, "seconds", "never"),
    ],
)
def test_a_value_is_shown_in_its_unit(value: float | None, unit: str, said: str) -> None:
    assert report.shown(value, unit) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "a map of metrics"),
        ({"nothing": [1, 2]}, "no such metric"),
        ({"errors": 5}, "a list of two numbers"),
        ({"errors": [1, 2, 3]}, "a list of two numbers"),
        ({"errors": [True, 2]}, "a list of two numbers"),
        ({"errors": [5, 1]}, "critical at least as large"),
        ({"connections": [70, 90]}, "shares from 0 to 1"),
        ({5: [1, 2], "errors": [1, 2]}, "no such metric"),
        ({"unreadable": [1, 2]}, "no such metric"),
        ({"partitions_ahead": [5, 9]}, "critical at most as large"),
    ],
)
def test_thresholds_that_cannot_be_used_are_refused(given: Any, said: str) -> None:
    with pytest.raises(health.SettingError, match=said):
        health.checks(given)


def test_a_threshold_that_is_set_takes_the_place_of_the_default() -> None:
    checks = health.checks({"errors": [5, None]})
    assert [checks["errors"].level(value) for value in (4, 5, 1000)] == ["ok", "warning", "warning"]
    assert [checks["partitions_ahead"].level(value) for value in (60, 45, 5)] == ["ok", "warning", "critical"]
