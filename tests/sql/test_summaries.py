"""Summaries that are kept up to date: they are what a sum over all rows would be, written in any order."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.sql import provision
from tests.sql.provision import ADA, BOB, Connection, row

OVERVIEW = """
    select (a.created_at at time zone 'UTC')::date, a.provider, a.model, round(count(*), -1),
        round(sum(a.tokens_in + a.tokens_out), -3)
    from analytics.api_usage as a where a.user_id is not null group by 1, 2, 3 having count(distinct a.user_id) >= 5
    order by 1, 2, 3
"""
KEPT_OVERVIEW = "select day, provider, model, requests, tokens from analytics.usage_overview order by 1, 2, 3"
# A project in which there is nothing yet needs no sums.
TOTALS = """
    select t.* from (select p.id, (select count(*) from public.project_components as n where n.project_id = p.id),
        (select count(*) from public.audio_recordings as n where n.project_id = p.id),
        (select coalesce(sum(n.duration_ms), 0) from public.audio_recordings as n where n.project_id = p.id),
        (select count(*) from public.prompt_generations as n where n.project_id = p.id),
        (select coalesce(sum(n.tokens_in + n.tokens_out), 0) from public.prompt_generations as n
         where n.project_id = p.id),
        (select coalesce(sum(n.cost), 0) from public.prompt_generations as n where n.project_id = p.id)
    from public.projects as p) as t (id, components, recordings, duration_ms, generations, tokens, cost)
    where components + recordings + generations > 0 order by 1
"""
KEPT_TOTALS = """
    select project_id, components, recordings, duration_ms, generations, tokens, cost
    from analytics.project_totals where components + recordings + generations > 0 order by 1
"""
# What is written while people and servers work: {n} is a number of this write's own.
WRITES = (
    "insert into analytics.api_usage (user_id, provider, model, tokens_in, tokens_out, cost, created_at) "
    "select u.id, 'x', 'm' || {n} % 3, {n}, 700, 0.{n}1, now() - make_interval(days => {n} % 5) "
    "from public.users as u where {n} % 4 <> 0 or u.id = '" + ADA + "'",
    "insert into analytics.api_usage (user_id, provider, model, cost) values (null, 'x', 'm', {n})",
    "update analytics.api_usage set tokens_in = tokens_in + {n}, cost = cost + {n} where tokens_in % 3 = {n} % 3",
    "update analytics.api_usage set created_at = created_at - interval '1 day', model = 'm' "
    "where tokens_in % 7 = {n} % 7",
    "update analytics.api_usage set user_id = null where tokens_in % 11 = {n} % 11",
    "delete from analytics.api_usage where tokens_in % 13 = {n} % 13",
    "insert into public.projects (owner_id, title) values ('" + ADA + "', '{n}')",
    "delete from public.projects where id = (select id from public.projects order by md5(id::text || {n}) limit 1)",
    "insert into public.project_components (project_id, kind) select id, 'text' from public.projects where {n} % 2 = 0",
    "delete from public.project_components where id in "
    "(select id from public.project_components order by md5(id::text || {n}) limit 2)",
    "insert into public.prompt_generations (project_id, created_by, prompt, provider, model) "
    "select id, owner_id, 'p', 'x', 'm' from public.projects order by md5(id::text || {n}) limit 2",
    "update public.prompt_generations set tokens_in = tokens_in + {n}, cost = cost + 0.5 "
    "where id = (select id from public.prompt_generations order by md5(id::text || {n}) limit 1)",
    "delete from public.prompt_generations where id = "
    "(select id from public.prompt_generations order by md5(id::text || {n}) limit 1)",
    "insert into storage.buckets (id, name) values ('audio', 'audio') on conflict do nothing; "
    "insert into storage.objects (bucket_id, name, metadata) "
    "select 'audio', id || '/{n}.ogg', jsonb_build_object('size', 1, 'mimetype', 'audio/ogg') from public.projects "
    "order by md5(id::text || {n}) limit 1; "
    "insert into public.audio_recordings (project_id, created_by, object_path, duration_ms) "
    "select p.id, p.owner_id, o.name, {n} from storage.objects as o join public.projects as p "
    "on o.name = p.id || '/{n}.ogg'",
    "update public.audio_recordings set duration_ms = duration_ms + {n}",
    "select ops.refresh_summaries()",
)


def people(connection: Connection) -> None:
    for number in range(4):
        connection.execute(
            "insert into next_auth.users (name, email) values (%s, %s)", (f"P{number}", f"p{number}@example.org")
        )
    connection.execute("insert into private.budget_limits (user_id, hard_cost) select id, 99999999 from public.users")


@contextmanager
def _other(connection: Connection) -> Iterator[Connection]:
    with psycopg.connect(connection.info.dsn, password=connection.info.password, autocommit=True) as other:
        yield other


def compare(connection: Connection) -> None:
    connection.execute("select ops.refresh_summaries()")
    for kept, fresh in ((KEPT_OVERVIEW, OVERVIEW), (KEPT_TOTALS, TOTALS)):
        assert connection.execute(kept.encode()).fetchall() == connection.execute(fresh.encode()).fetchall()


@pytest.mark.parametrize("seed", [1, 2])
def test_they_are_the_sums_of_all_rows_after_any_writes(alone, seed):
    chance = random.Random(seed)
    people(alone)
    for number in range(1, 121):
        alone.execute(chance.choice(WRITES).format(n=number).encode())
        if number % 20 == 0:
            compare(alone)
    assert row(alone, "select count(*) > 0 from analytics.usage_overview") == (True,)
    assert row(alone, "select count(*) from private.stale_summaries") == (0,)


def test_they_come_back_with_their_migration(alone):
    """What was there before a migration's rollback is summed up by its next run."""
    people(alone)
    for number in (1, 2, 3, 5, 6, 7):
        for write in WRITES:
            alone.execute(write.format(n=number).encode())
    compare(alone)
    (summaries,) = (step for step in provision.steps("migrations") if step.version == "0020")
    for script in (summaries.down, summaries.up):
        provision.run_script(alone, script, owner="app_owner")
    compare(alone)
    assert row(alone, "select count(*) > 2 from analytics.project_totals") == (True,)


def test_what_changes_while_they_are_refreshed_is_in_the_next_refresh(alone):
    (project,) = row(alone, "insert into public.projects (owner_id, title) values (%s, 'p') returning id", (ADA,))
    add = "insert into public.project_components (project_id, kind) values (%s, 'text')"
    with _other(alone) as writer, _other(alone) as second:
        with writer.transaction():
            writer.execute(add, (project,))
            alone.execute("select ops.refresh_summaries()")
            assert row(alone, "select count(*) from analytics.project_totals where components > 0") == (0,)
        with alone.transaction():
            alone.execute("select ops.refresh_summaries()")
            # Nobody who writes waits for who refreshes.
            second.execute("set lock_timeout = '2s'")
            second.execute(add, (project,))
            second.execute("insert into analytics.api_usage (user_id, provider, model) values (%s, 'x', 'm')", (BOB,))
            # Who refreshes as well does.
            with pytest.raises(psycopg.errors.LockNotAvailable):
                second.execute("select ops.refresh_summaries()")
        compare(alone)
    assert row(alone, "select components from analytics.project_totals where project_id = %s", (project,)) == (2,)


def test_days_of_months_that_are_retired_go(alone):
    people(alone)
    alone.execute("select ops.make_partitions(1, (now() - interval '20 months')::date)")
    alone.execute(
        "insert into analytics.api_usage (user_id, provider, model, created_at) select u.id, 'x', 'm', "
        "now() - make_interval(months => n) from public.users as u, unnest('{0,19}'::integer[]) as n"
    )
    compare(alone)
    assert row(alone, "select count(*) from analytics.usage_overview") == (2,)
    alone.execute("call ops.keep_partitions(1, interval '13 months')")
    compare(alone)
    assert row(alone, "select count(*) from analytics.usage_overview") == (1,)


def test_a_refresh_sums_up_what_has_changed_and_nothing_else(alone):
    alone.execute(
        "insert into public.projects (owner_id, title) select %s, n::text from generate_series(1, 50) as n", (ADA,)
    )
    kind = "insert into public.project_components (project_id, kind) select id, 'text' from public.projects"
    alone.execute(kind)
    alone.execute("select ops.refresh_summaries()")
    versions = "select count(*) from analytics.project_totals where xmin = pg_current_xact_id()::xid"
    alone.execute(f"{kind} limit 1".encode())
    with alone.transaction():
        alone.execute("select ops.refresh_summaries()")
        assert row(alone, versions) == (1,)


def test_a_days_usage_is_not_searched_in_the_whole_month(alone):
    alone.execute(
        "insert into analytics.api_usage (created_at, provider, model) "
        "select date_trunc('month', now()) + n * interval '24 seconds', 'x', 'm' from generate_series(1, 100000) as n"
    )
    alone.execute("vacuum analyze analytics.api_usage")
    query = (
        "explain (analyze, format json) select count(*) from unnest(array[date_trunc('month', now())::date + 9]) as d "
        "(day) join analytics.api_usage as u on u.created_at >= d.day::timestamp at time zone 'UTC' "
        "and u.created_at < (d.day + 1)::timestamp at time zone 'UTC'"
    )
    (month,) = row(alone, "select to_char(now(), 'YYYY_MM')")
    assert f"api_usage_{month}_created_at_idx" in str(row(alone, query))
