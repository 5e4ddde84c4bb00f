"""Generations that ended long ago, deleted in batches where `database:generationDays` says when."""

from typing import Any

import psycopg
import pytest

from tests.sql.provision import ADA, Connection, row

OLD = "finished_at < now() - interval '100 days'"
# As they are after so many days: triggers would date them now.
GENERATIONS = """
insert into public.prompt_generations (
    id, project_id, created_by, prompt, provider, model, status, response, created_at, finished_at
)
select
    encode(
        int8send((extract(epoch from made) * 1000)::bigint << 16) || substr(uuid_send(gen_random_uuid()), 9), 'hex'
    )::uuid,
    %(project)s, %(person)s, 'a cat', 'a', 'b', case when %(ended)s::integer > 0 then 'succeeded' else 'running' end,
    'meow', made, now() - make_interval(days => %(ended)s)
from (select now() - make_interval(days => %(made)s) as made from generate_series(1, %(count)s)) as each"""
KEEP = "update private.settings set value = to_jsonb(%s::integer) where name = 'generationDays'"
FORGET = "call ops.forget_generations(10)"


@pytest.fixture
def project(alone: Connection) -> Any:
    """Ada's project: 25 old generations, one that is old and runs, one that ended yesterday, 3 young ones."""
    (project,) = row(alone, "select id from public.projects where owner_id = %s and title = 'private'", (ADA,))
    with alone.transaction():
        alone.execute("set local session_replication_role = replica")
        for made, ended, count in ((400, 399, 25), (400, None, 1), (400, 1, 1), (99, 99, 3)):
            values = {"project": project, "person": ADA, "made": made, "ended": ended, "count": count}
            alone.execute(GENERATIONS.encode(), values)
        alone.execute(
            "insert into analytics.api_usage (user_id, project_id, generation_id, provider, model, tokens_in) "
            "select created_by, project_id, id, provider, model, 7 from public.prompt_generations"
        )
    return project


def test_what_ended_long_ago_goes_what_it_cost_stays_and_nothing_else_happens_to_its_project(alone, project):
    before = row(alone, "select updated_at from public.projects where id = %s", (project,))
    assert row(alone, FORGET) == (0,), "by default all are kept"
    alone.execute(KEEP, (100,))
    assert row(alone, FORGET) == (25,)
    assert row(alone, FORGET) == (0,)
    assert row(alone, f"select count(*), count(*) filter (where {OLD}) from public.prompt_generations") == (5, 0)
    assert row(alone, "select count(*), sum(tokens_in) from analytics.api_usage") == (30, 210)
    assert row(alone, "select updated_at from public.projects where id = %s", (project,)) == before


def test_one_that_somebody_holds_is_left_to_the_next_run(alone, provisioned_database, project):
    alone.execute(KEEP, (100,))
    with psycopg.connect(provisioned_database.url) as other:
        other.execute(f"select from public.prompt_generations where {OLD} limit 1 for update".encode())
        assert row(alone, FORGET) == (24,)
    assert row(alone, FORGET) == (1,)
