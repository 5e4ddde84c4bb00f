"""Realistic data in any amount: `python -m harness.data --url URL --projects 100000 --seed 1`.

All of it is made inside the server, in one statement a table, so that a million projects cost minutes and no traffic.
The same seed and size give the same rows; only the dates move with the day, as months in use must have partitions.

Per project: 2 collaborators, 3 components, half a recording, 1 generation, 2 usage rows, 2 activities, 2 errors and 3
measurements. A third is public. There are 20 projects a person, but person 1 is heavy: 5 of 1,000 are theirs, 10 of
1,000 are shared with them.
"""

import argparse
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]

# `pick` is a number from 0 to 1, the same for the same row and purpose; `key` a version 7 uuid for a row and its date.
# Words are drawn by a cubed pick: a few are in most texts, most are rare, as in any language.
HELPERS = """
create or replace function pg_temp.pick(n bigint, purpose text) returns float8
language sql immutable parallel safe
as $$ select (hashint8extended(n, {seed} * 1000003 + hashtext(purpose)) & 16777215) / 16777216.0::float8 $$;

create or replace function pg_temp.key(n bigint, purpose text, at timestamptz) returns uuid
language sql immutable parallel safe
as $$
    select (
        lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0')
        || '7' || substr(d, 1, 3) || '8' || substr(d, 4, 15)
    )::uuid
    from md5(purpose || ' {seed} ' || n) as d
$$;

create or replace function pg_temp.words(n bigint, purpose text, count integer) returns text
language sql immutable parallel safe
as $$
    select string_agg(w.list[1 + floor(cardinality(w.list) * pg_temp.pick(n * 1000 + i, purpose) ^ 3)::integer], ' ')
    from (select {vocabulary}::text[] as list) as w, generate_series(1, count) as i
$$;

create or replace function pg_temp.person(n bigint) returns uuid
language sql immutable parallel safe
as $$ select pg_temp.key(n, 'person', timestamptz '2025-01-01 00:00+00' + n * interval '1 second') $$;

create or replace function pg_temp.project_date(n bigint) returns timestamptz
language sql stable parallel safe
as $$ select date_trunc('day', now()) - pg_temp.pick(n, 'made') * interval '360 days' $$;

create or replace function pg_temp.owner_number(n bigint) returns bigint
language sql immutable parallel safe
as $$
    select case when n % 200 = 0 then 1 else 2 + floor(({people} - 1) * pg_temp.pick(n, 'owner'))::bigint end
$$;

-- Each key is made once: making one costs as much as inserting a row.
create temporary table made_people on commit drop as
select n, pg_temp.person(n) as id from generate_series(1, {people}) as n;
alter table pg_temp.made_people add primary key (n);

create temporary table made_projects on commit drop as
select n, pg_temp.key(n, 'project', pg_temp.project_date(n)) as id, pg_temp.project_date(n) as made_at,
    pg_temp.owner_number(n) as owner_number,
    (select p.id from pg_temp.made_people as p where p.n = pg_temp.owner_number(g.n)) as owner_id
from generate_series(1, {projects}) as g (n);
alter table pg_temp.made_projects add primary key (n);
analyze pg_temp.made_people, pg_temp.made_projects;
"""

RARE = tuple(f"word{number}" for number in range(1200))
FIRST = """
    Ada Alan Amara Anna Boris Chen Clara Dev Elif Emre Fatima Grace Hana Ivan Jonas Kenji Leila Luca Maya Nour Omar
    Priya Rosa Sven
"""
LAST = """
    Adeyemi Bauer Costa Dubois Eriksen Ferrari Garcia Haddad Ivanova Jensen Kaya Lehmann Mori Nguyen Okafor Patel Quinn
    Rossi Silva Tanaka Ueda Virtanen Weber Zhang
"""
# Common words first: those are drawn most often.
COMMON = """
    the a model prompt image voice scene light story write make with for and in of to as style short long list table
    summary email product launch lesson plan recipe travel game hero city forest river winter summer night morning
    robot cat dog bird dragon portrait landscape poster logo icon button page chapter song poem dialogue code test
    data chart report answer question example rule tone warm dark bright friendly formal
"""

STATEMENTS: dict[str, str] = {
    "people": """
        insert into next_auth.users (id, name, email, "emailVerified")
        select id, {first}[1 + n % 24] || ' ' || {last}[1 + n / 24 % 24], 'person' || n || '@example.org', now()
        from pg_temp.made_people;
        insert into public.users (id, display_name) select u.id, u.name from next_auth.users as u
        on conflict do nothing;
        insert into next_auth.sessions (expires, "sessionToken", "userId")
        select now() + (pg_temp.pick(n, 'expires') - 0.1) * interval '30 days', md5('session' || n), id
        from pg_temp.made_people;
        insert into next_auth.verification_tokens (identifier, token, expires)
        select 'person' || n || '@example.org', md5('token' || n), now() + (n % 30 - 3) * interval '1 hour'
        from generate_series(1, {people}) as n;
        insert into private.departures (user_id, erased_at)
        select md5('gone' || n)::uuid, case when n % 1000 > 0 then now() end from generate_series(1, {people}) as n;
        insert into next_auth.accounts (type, provider, "providerAccountId", "userId")
        select 'oauth', (array['github', 'google'])[1 + n % 2], n::text, id from pg_temp.made_people
    """,
    # So that some entries of the audit log are somebody's.
    "changes": """
        do $do$
        begin
            for n in 1 .. least({people}, 1000) loop
                perform set_config('request.jwt.claim.sub', pg_temp.person(n)::text, true);
                update public.users set time_zone = 'Europe/Berlin' where id = pg_temp.person(n);
            end loop;
            perform set_config('request.jwt.claim.sub', '', true);
        end
        $do$
    """,
    "projects": """
        insert into public.projects
            (id, owner_id, title, description, visibility, archived_at, created_at, updated_at)
        select id, owner_id, pg_temp.words(n, 'title', 3), pg_temp.words(n, 'about', 8),
            case when pg_temp.pick(n, 'public') < 0.33 then 'public' when n % 4 = 0 then 'private' else 'shared' end,
            case when pg_temp.pick(n, 'archived') < 0.1 then now() end,
            made_at, made_at + pg_temp.pick(n, 'changed') * interval '5 days'
        from pg_temp.made_projects
    """,
    "collaborators": """
        insert into public.collaborators (project_id, user_id, role, invited_by, invited_at, expires_at, accepted_at)
        select p.id, g.id,
            (array['viewer', 'editor', 'admin'])[1 + floor(3 * pg_temp.pick(p.n * 3 + i, 'role'))::integer],
            p.owner_id, p.made_at,
            case when not a.accepted then now() + (pg_temp.pick(p.n * 3 + i, 'ends') * 14 - 1) * interval '1 day' end,
            case when a.accepted then p.made_at end
        from pg_temp.made_projects as p,
            generate_series(1, case when p.n % 200 = 0 then 2 else (array[0, 3, 3, 2])[1 + p.n % 4] end) as i,
            lateral (
                select case when p.n % 100 = 1 and i = 1 then 1
                    else 2 + floor(({people} - 1) * pg_temp.pick(p.n * 3 + i, 'guest'))::bigint end as guest_number
            ) as c
        cross join lateral (select pg_temp.pick(p.n * 3 + i, 'accepted') < 0.9 as accepted) as a
        join pg_temp.made_people as g on g.n = c.guest_number
        where c.guest_number <> p.owner_number
        on conflict do nothing
    """,
    "project_components": """
        insert into public.project_components
            (project_id, kind, title, x, y, position, properties, created_at, updated_at)
        select p.id, (array['text', 'instruction', 'example', 'variable'])[1 + (p.n + i) % 4],
            'Part ' || i, 300 * (i % 20), 160 * (i / 20), private.place_at(50000000 + i),
            jsonb_build_object('text', s.list[1 + (p.n * 7 + i) % 500]), p.made_at, p.made_at
        from pg_temp.made_projects as p, generate_series(1, 1 + n % (2 * {components} - 1)) as i,
            (select array_agg(pg_temp.words(n, 'sentence', 12)) as list from generate_series(1, 500) as n) as s
    """,
    "audio_recordings": """
        insert into public.audio_recordings (
            bucket_id, project_id, created_by, title, object_path, mime_type, bytes, duration_ms, sample_rate,
            transcript, scan_status, scanned_at, created_at, updated_at
        )
        select 'audio', id, owner_id, 'Take ' || n, id || '/' || n || '.ogg', 'audio/ogg', 100000 + n, 60000, 48000,
            pg_temp.words(n, 'transcript', 30), case when n % 400 = 0 then 'pending' else 'clean' end,
            case when n % 400 <> 0 then now() end, made_at + interval '1 hour', now()
        from pg_temp.made_projects where n % 4 in (0, 1)
    """,
    "prompt_generations": """
        insert into public.prompt_generations (
            project_id, created_by, prompt, provider, model, status, response, tokens_in, tokens_out, cost, latency_ms,
            created_at, updated_at, finished_at
        )
        select id, owner_id, pg_temp.words(n, 'prompt', 12),
            (array['anthropic', 'openai'])[1 + n % 2], (array['large', 'small'])[1 + n % 2],
            case when n % 500 = 0 then 'pending' else 'succeeded' end,
            case when n % 500 <> 0 then pg_temp.words(n, 'response', 24) end, 200 + n % 800, 400 + n % 900,
            round(((n % 1000) / 10000.0)::numeric, 6), 500 + n % 3000, made_at + interval '2 hours',
            now(), case when n % 500 <> 0 then made_at + interval '3 hours' end
        from pg_temp.made_projects
    """,
    "project_words": """
        insert into private.project_words
        select id, private.text_words(title, description, 'en'), visibility = 'public' and archived_at is null
        from public.projects
    """,
    "recording_words": """
        insert into private.recording_words
        select id, private.text_words(title, transcript, 'en') from public.audio_recordings
    """,
    "generation_words": """
        insert into private.generation_words
        select id, private.text_words(prompt, coalesce(response, ''), 'en') from public.prompt_generations
    """,
    "user_activity": """
        insert into analytics.user_activity (created_at, user_id, action, project_id)
        select date_trunc('day', now()) - pg_temp.pick(n, 'acted') * interval '60 days',
            (
                select p.id from pg_temp.made_people as p
                where p.n = 1 + floor({people} * pg_temp.pick(g.n, 'actor'))::bigint
            ), 'project.open', (select p.id from pg_temp.made_projects as p where p.n = 1 + g.n % {projects})
        from generate_series(1, {projects} * 2) as g (n)
    """,
    "api_usage": """
        insert into analytics.api_usage
            (created_at, user_id, project_id, provider, model, tokens_in, tokens_out, cost, latency_ms)
        select date_trunc('day', now()) - pg_temp.pick(n, 'used') * interval '60 days',
            (
                select p.id from pg_temp.made_people as p
                where p.n = 1 + floor({people} * pg_temp.pick(g.n, 'user'))::bigint
            ), (select p.id from pg_temp.made_projects as p where p.n = 1 + g.n % {projects}),
            (array['anthropic', 'openai'])[1 + n % 2], (array['large', 'small'])[1 + n % 2], 200 + n % 800,
            400 + n % 900, round(((n % 1000) / 10000.0)::numeric, 6), 500 + n % 3000
        from generate_series(1, {projects} * 2) as g (n)
    """,
    "budgets": """
        insert into private.budget_usage (user_id, month, tokens, cost)
        select id, private.budget_month(), 100000, 1 from pg_temp.made_people;
        insert into private.budget_limits (user_id, hard_tokens)
        select id, 100000000 from pg_temp.made_people where n % 2 = 1;
        insert into private.budget_reservations (
            generation_id, user_id, project_id, provider, model, tokens, cost, expires_at
        )
        select id, created_by, project_id, provider, model, 10000, 0.1, now() + n % 40 * interval '1 minute'
        from (
            select g.*, row_number() over (order by g.id) as n from public.prompt_generations as g
        ) as g where n % 5 = 0;
        insert into private.recorded_calls (key, generation_id, content, outcome, recorded_at)
        select 'call ' || g.id, g.id, '', 'succeeded', now() - pg_temp.pick(g.n, 'recorded') * interval '31 days'
        from (
            select o.id, row_number() over (order by o.id) as n from public.prompt_generations as o
        ) as g
    """,
    # In order of time, as they are written in life: that is what a BRIN index lives on.
    "error_logs": """
        insert into analytics.error_logs (created_at, level, source, message, fingerprint, user_id)
        select now() - (1 - n::float8 / ({projects} * 2)) * interval '60 days', 'error', 'api', 'it did not work',
            md5((n % 400)::text),
            case when n % 3 = 0 then (
                select p.id from pg_temp.made_people as p
                where p.n = 1 + floor({people} * pg_temp.pick(g.n, 'hit'))::bigint
            ) end
        from generate_series(1, {projects} * 2) as g (n)
    """,
    "performance_metrics": """
        insert into analytics.performance_metrics (created_at, name, value, route)
        select now() - (1 - n::float8 / ({projects} * 3)) * interval '60 days',
            'http.' || (array['request', 'render', 'query', 'upload', 'queue', 'cache'])[1 + n % 6],
            1000 * pg_temp.pick(n, 'took') ^ 4, '/projects'
        from generate_series(1, {projects} * 3) as n
    """,
    "deletion_queue": """
        insert into private.deletion_queue (bucket_id, object_path, taken_at)
        select 'audio', 'gone/' || n, case when n % 3 > 0 then now() end from generate_series(1, {projects} / 5) as n
    """,
    "file_events": """
        insert into private.file_events (bucket_id, object_path, version, event, taken_at)
        select 'audio', 'kept/' || n, md5(n::text), 'stored', case when n % 3 > 0 then now() end
        from generate_series(1, {projects} / 5) as n
    """,
    "object_scans": """
        insert into private.object_scans (bucket_id, name, version, status, scanned_at, mime_type)
        select bucket_id, object_path, md5(object_path), scan_status, scanned_at, mime_type
        from public.audio_recordings
    """,
    "undated_projects": """
        insert into private.undated_projects (project_id)
        select id from public.projects order by id limit 1 + {projects} / 100
    """,
    # What triggers would have noted.
    "stale_summaries": """
        insert into private.stale_summaries (project_id, day)
        select id, null::date from public.projects
        union all select distinct null::uuid, (created_at at time zone 'UTC')::date from analytics.api_usage
    """,
}
# The triggers of the audit log fire in any case. They record the people, so that the log has rows too, but not these.
UNRECORDED = ("projects", "collaborators", "audio_recordings")


def people(projects: int) -> int:
    """How many people there are for so many projects."""
    return max(50, projects // 20)


def generate(
    connection: Connection,
    projects: int,
    seed: int = 1,
    components: int = 3,
    leave_out: Collection[str] = (),
    rare: Sequence[str] = RARE,
) -> Iterator[str]:
    """Fill a database that has our schema and no rows, as superuser; the name of each table as it is done.

    Triggers and foreign keys are off meanwhile: the rows fit each other by construction.

    Args:
        components: how many of a project, on average.
        leave_out: the statements that aren't run.
        rare: words of texts beside the common ones, the last the rarest.
    """
    size: dict[str, Any] = {"projects": projects, "people": people(projects), "seed": seed, "components": components}
    vocabulary = _array([*COMMON.split(), *rare])
    names = {"first": f"({_array(FIRST.split())})", "last": f"({_array(LAST.split())})"}
    with connection.transaction():
        connection.execute("set local search_path = ''; set local session_replication_role = replica")
        connection.execute(_filled(HELPERS, size | {"vocabulary": vocabulary}))
        connection.execute("select ops.make_partitions(1, (now() - interval '61 days')::date)")
        for table, statement in STATEMENTS.items():
            if table in leave_out:
                continue
            if table in UNRECORDED:
                connection.execute(f"alter table public.{table} disable trigger _900_audit_insert")
            connection.execute(_filled(statement, size | names))
            if table in UNRECORDED:
                connection.execute(f"alter table public.{table} enable always trigger _900_audit_insert")
            yield table
    # For visibility maps too: without them no plan reads an index alone.
    connection.execute("vacuum (analyze)")
    connection.execute("select ops.refresh_summaries()")
    yield "summaries"


def _array(words: list[str]) -> str:
    return "array['" + "', '".join(words) + "']"


def _filled(statement: str, values: dict[str, Any]) -> bytes:
    for name, value in values.items():
        statement = statement.replace(f"{{{name}}}", str(value))
    return statement.encode()


def main(arguments: list[str], say: Callable[[str], object] = print) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="a superuser's login to a database with the schema and no rows")
    parser.add_argument("--projects", type=int, default=20_000, help="1,000 to 1,000,000")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    with psycopg.connect(given.url, autocommit=True) as connection:
        start = time.monotonic()
        for table in generate(connection, given.projects, given.seed):
            say(f"{time.monotonic() - start:7.1f} s  {table}")


if __name__ == "__main__":
    main(sys.argv[1:])
