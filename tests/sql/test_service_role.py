"""service_role on a server where no role can be made to bypass row security, as on RDS: its policies let it work."""

import re

import psycopg
import pytest

from declared import grants
from tests.sql import matrix
from tests.sql.provision import ADA, BOB, OURS, Connection, acting_as, add_recording, row

TABLES = """
    select c.oid::regclass::text from pg_class as c
    where c.relnamespace = any(%s::regnamespace[]) and c.relkind in ('r', 'p') and not c.relispartition
        and has_table_privilege('service_role', c.oid, 'select') order by 1
"""


@pytest.fixture
def bound(people: Connection) -> Connection:
    """People and things, and a service_role that row security binds; rolled back with the rest."""
    people.execute("alter role service_role nobypassrls")
    project = row(people, "select id from public.projects where owner_id = %s and title = 'private'", (ADA,))[0]
    for statement in (
        "insert into public.project_components (project_id, kind) values (%s, 'text')",
        "insert into public.collaborators (project_id, email) values (%s, 'x@example.org')",
    ):
        people.execute(statement.encode(), (project,))
    add_recording(people, project)
    people.execute(
        'insert into next_auth.sessions (expires, "sessionToken", "userId") values (now(), \'s\', %s)', (ADA,)
    )
    people.execute("insert into next_auth.verification_tokens (identifier, token, expires) values ('x', 't', now())")
    people.execute("insert into next_auth.accounts (type, provider, \"providerAccountId\") values ('oauth', 'x', '1')")
    people.execute("insert into analytics.error_logs (source, message, fingerprint) values ('x', 'x', 'x')")
    people.execute("insert into analytics.performance_metrics (name, value) values ('x', 1)")
    ask = "insert into public.prompt_generations (project_id, created_by, prompt, provider, model) "
    record = "select public.record_generation(%s, 'k', response => 'r')"
    (asked,) = row(people, ask + "values (%s, %s, 'p', 'x', 'm') returning id", (project, ADA))
    with acting_as(people, "service_role") as session:
        session.execute(record.encode(), (asked,))
    people.execute(record.encode(), (asked,))
    return people


def test_it_reads_every_row_of_every_table_it_is_granted(provisioned):
    # What the access matrix tries has rows in each.
    matrix.populate(provisioned)
    provisioned.execute("alter role service_role nobypassrls")
    tables = [name for (name,) in provisioned.execute(TABLES, ([*OURS, "storage"],))]
    assert len(tables) >= 16
    for table in tables:
        (expected,) = row(provisioned, f"select count(*) from {table}")
        assert expected, f"{table}: there is nothing to be seen"
        with acting_as(provisioned, "service_role") as session:
            assert row(session, f"select count(*) from {table}") == (expected,), table


def test_it_writes_what_it_is_granted(bound):
    with acting_as(bound, "service_role") as session:
        session.execute("set local storage.allow_delete_query = 'true'")
        assert session.execute("update public.projects set title = 'x'").rowcount == 6
        assert session.execute("update public.users set is_super_admin = true where id = %s", (BOB,)).rowcount == 1
        session.execute(
            "insert into storage.objects (bucket_id, name) select 'audio', id || '/b.ogg' from public.projects"
        )
        assert session.execute("delete from storage.objects").rowcount == 7
        assert session.execute("delete from next_auth.users").rowcount == 2
        assert row(session, "select count(*) from public.audio_recordings") == (0,)


def test_the_policies_are_what_lets_it(bound):
    bound.execute("drop policy projects_all_service on public.projects")
    with acting_as(bound, "service_role") as session:
        assert row(session, "select count(*) from public.projects") == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege), session.transaction():
            session.execute("insert into public.projects (owner_id, title) values (%s, 'x')", (ADA,))


def test_each_table_that_it_may_reach_has_its_policy(provisioned):
    covered = {
        name
        for (name,) in provisioned.execute(
            "select polrelid::regclass::text from pg_policy "
            "where polcmd = '*' and polroles = array['service_role'::regrole]::oid[]"
        )
    }
    granted = {table for table, roles in grants.TABLES.items() if "service_role" in roles}
    assert covered == granted


def test_its_queries_run_by_the_same_plans_as_where_it_bypasses_row_security(people):
    """A policy whose condition is `true` leaves nothing to be asked of a row; only conditions change places."""
    tables = [name for (name,) in people.execute(TABLES, ([*OURS, "storage"],))]
    statements = [f"select * from {table} order by 1 limit 10" for table in tables]
    statements.append(f"select * from public.projects where owner_id = '{ADA}' and title ilike '%priv%'")
    statements.append(f"delete from public.projects where id = '{ADA}'")
    bypassing = plans(people, statements)
    assert any("Index Cond" in words for plan in bypassing for line in plan for words in line)
    people.execute("alter role service_role nobypassrls")
    assert plans(people, statements) == bypassing


def plans(connection: Connection, statements: list[str]) -> list[list[list[str]]]:
    """Of each statement the lines of its plan, their conditions in order."""
    with acting_as(connection, "service_role") as session:
        session.execute("set local enable_seqscan to off")
        explained = [session.execute(f"explain (costs off) {each}".encode()).fetchall() for each in statements]
    return [[sorted(re.split(r"(?<=Filter:) |(?<=[)]) AND ", line)) for (line,) in plan] for plan in explained]
