"""What the functions do: ordering, copying, recording usage, queueing files, months of analytics, summaries, views."""

import json
from decimal import Decimal

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, Connection, acting_as, add_recording, refused, row

SIGNED_IN = {"sub": ADA, "role": "authenticated"}
SERVER = {"role": "service_role"}


@pytest.fixture
def project(people):
    """A project of Ada's with components A to D, made by the function; its id."""
    parts = [{"kind": "text", "title": title, "x": place} for place, title in enumerate("ABCD")]
    with people.transaction():
        people.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(SIGNED_IN),))
        people.execute("set local role authenticated")
        (made,) = row(people, "select public.create_project('Poem', components => %s)", (json.dumps(parts),))
        people.execute("reset role")
    return str(made)


def titles(connection: Connection, project: str) -> str:
    """The components of a project in order, by their titles."""
    query = "select string_agg(title, '' order by position) from public.project_components where project_id = %s"
    return str(row(connection, query, (project,))[0])


def part(connection: Connection, project: str, title: str) -> str:
    """The component of a project with this title."""
    query = "select id from public.project_components where project_id = %s and title = %s"
    return str(row(connection, query, (project, title))[0])


def test_a_new_project_is_the_askers_with_its_components_in_order(people, project):
    assert titles(people, project) == "ABCD"
    found = row(people, "select owner_id::text, visibility from public.projects where id = %s", (project,))
    assert found == (ADA, "private")


def test_nobody_makes_a_project_without_being_somebody(people):
    with acting_as(people, "authenticated", {"role": "authenticated"}) as session:
        refused(session, psycopg.errors.InsufficientPrivilege, "select public.create_project('x')")


def test_a_copy_has_the_tree_of_the_original_and_is_private(people, project):
    group = "insert into public.project_components (project_id, kind, title) values (%s, 'group', 'G')"
    people.execute(group.encode(), (project,))
    people.execute(
        "update public.project_components set parent_id = %s where id = %s",
        (part(people, project, "G"), part(people, project, "A")),
    )
    people.execute("update public.projects set visibility = 'public' where id = %s", (project,))
    with acting_as(people, "authenticated", {**SIGNED_IN, "sub": BOB}) as session:
        copy = str(row(session, "select public.duplicate_project(%s)", (project,))[0])
        assert titles(session, copy) == "ABCDG"
        tree = "select p.title from public.project_components c join public.project_components p on p.id = c.parent_id"
        assert row(session, f"{tree} where c.project_id = %s", (copy,)) == ("G",)
        found = row(session, "select owner_id::text, visibility, title from public.projects where id = %s", (copy,))
        assert found == (BOB, "private", "Poem (copy)")


def test_what_cannot_be_seen_cannot_be_copied(people, project):
    with acting_as(people, "authenticated", {**SIGNED_IN, "sub": BOB}) as session:
        with pytest.raises(psycopg.Error, match="there is no such project") as caught, session.transaction():
            session.execute("select public.duplicate_project(%s)", (project,))
        assert caught.value.sqlstate == "PT404"


ASK = """
    insert into public.prompt_generations (project_id, created_by, prompt, provider, model)
    values (%s, %s, 'p', 'x', 'm') returning id
"""
RECORD = """
    select public.record_generation(
        %s, %s, response => 'Done', tokens_in => 10, tokens_out => 20, cost => 0.001234, latency_ms => 900
    )
"""


def generated(connection, project):
    """A generation of Ada's that is over and paid; its id."""
    (made,) = row(connection, ASK, (project, ADA))
    assert row(connection, RECORD, (made, str(made))) == ("succeeded",)
    return made


def test_a_generation_is_recorded_with_its_usage_in_one_go(people, project):
    with acting_as(people, "service_role", SERVER) as session:
        made = generated(session, project)
        found = row(
            session, "select status, tokens_in + tokens_out, cost from public.prompt_generations where id = %s", (made,)
        )
        assert found == ("succeeded", 30, Decimal("0.001234"))
        session.execute("reset role")
        session.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(SIGNED_IN),))
        session.execute("set local role authenticated")
        assert row(session, "select requests, tokens_in, cost from public.usage_summary()") == (
            1,
            10,
            Decimal("0.001234"),
        )
        assert row(session, "select action from analytics.user_activity") == ("generation.succeeded",)


def test_the_file_of_a_deleted_recording_is_queued_and_taken_once(people, project):
    for number in (1, 2):
        add_recording(people, project, f"{number}.ogg")
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        session.execute("delete from public.audio_recordings where object_path like '%%1.ogg'")
        # The other goes with the project, which queues its files, recorded or not.
        session.execute("delete from public.projects where id = %s", (project,))
        session.execute("set local role service_role")
        taken = session.execute("select id, object_path, attempts from public.take_deletions(10)").fetchall()
        assert [path for _, path, _ in taken] == [f"{project}/1.ogg", f"{project}/1.ogg", f"{project}/2.ogg"]
        assert session.execute("select id from public.take_deletions(10)").fetchall() == [], "taken twice"
        ids = [key for key, _, _ in taken]
        assert row(session, "select public.finish_deletions(%s)", (ids,)) == (3,)


def test_a_person_who_goes_takes_activity_and_files_along_and_leaves_the_costs(people, project):
    path = add_recording(people, project)
    generated(people, project)
    people.execute(
        "insert into analytics.error_logs (source, message, fingerprint, user_id) values ('s', 'm', 'f', %s)", (ADA,)
    )
    with acting_as(people, "authjs") as session:
        session.execute("delete from next_auth.users where id = %s", (ADA,))
        session.execute("reset role")
        assert row(session, "select count(*) from analytics.user_activity") == (0,)
        assert row(session, "select count(*), count(user_id), sum(cost) from analytics.api_usage") == (
            1,
            0,
            Decimal("0.001234"),
        )
        assert row(session, "select count(*), count(user_id) from analytics.error_logs") == (1, 0)
        assert row(session, "select object_path from private.deletion_queue") == (path,)


PARTITIONS = """
    select c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relacl is null, pg_get_userbyid(c.relowner)
    from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
    where c.relnamespace in ('analytics'::regnamespace, 'audit'::regnamespace) and c.relkind = 'r' order by 1
"""


def test_months_are_made_ahead_closed_to_everybody(provisioned):
    found = provisioned.execute(PARTITIONS).fetchall()
    assert len(found) == 5 * 5, "four tables and the audit log, this month and three ahead, and the spare one"
    made = row(provisioned, "select ops.make_partitions(5)")[0]
    assert len(made) == 10
    for name, enabled, forced, plain, owner in provisioned.execute(PARTITIONS).fetchall():
        assert (enabled, forced, plain, owner) == (True, True, True, "app_owner"), name
    assert row(provisioned, "select ops.make_partitions(5)") == ([],)


def test_a_row_of_a_month_that_was_not_made_is_kept_and_moved_when_it_is(provisioned):
    insert = "insert into analytics.performance_metrics (created_at, name, value) values (now() + %s, 'late', 1)"
    provisioned.execute(insert.encode(), ("7 months",))
    where = "select tableoid::regclass::text from analytics.performance_metrics where name = 'late'"
    assert row(provisioned, where) == ("analytics.performance_metrics_default",)
    provisioned.execute("select ops.make_partitions(8)")
    assert row(provisioned, where)[0] != "analytics.performance_metrics_default"
    assert row(provisioned, "select count(*) from analytics.performance_metrics_default") == (0,)


def test_old_months_are_retired_and_no_younger_ones(provisioned):
    provisioned.execute("select ops.make_partitions(1, (now() - interval '20 months')::date)")
    retired = row(provisioned, "select ops.retire_partitions('13 months')")[0]
    # Of the 20 months back, those that ended 13 ago: six whole ones at least, for each of the four tables.
    assert 4 * 6 <= len(retired) <= 4 * 7
    assert row(provisioned, "select ops.retire_partitions('13 months')") == ([],)
    refused(provisioned, psycopg.errors.InvalidParameterValue, "select ops.retire_partitions('1 day')")


def test_summaries_are_refreshed_while_they_are_read_and_show_only_ones_own(people, project):
    generated(people, project)
    people.execute("select ops.refresh_summaries()")
    people.execute("select ops.refresh_summaries()")
    for person, rows in ((ADA, 1), (BOB, 0)):
        with acting_as(people, "authenticated", {**SIGNED_IN, "sub": person}) as session:
            assert len(session.execute("select * from public.usage_by_day()").fetchall()) == rows
            ask = "select components, generations, cost from public.project_summaries(%s)"
            found = session.execute(ask.encode(), ([project],)).fetchall()
            assert found == [(4, 1, Decimal("0.001234"))] * rows


def test_expired_sessions_and_links_go_and_others_stay(people):
    for shift in ("-1 hour", "1 hour"):
        people.execute(
            'insert into next_auth.sessions (expires, "sessionToken", "userId") values (now() + %s, %s, %s)',
            (shift, shift, ADA),
        )
        people.execute(
            "insert into next_auth.verification_tokens (identifier, token, expires) values ('a', %s, now() + %s)",
            (shift, shift),
        )
    assert row(people, "select ops.forget_expired()") == (2,)
    assert row(people, "select count(*) from next_auth.sessions") == (1,)


def test_auth_js_signs_in_by_its_unqualified_names(people):
    with acting_as(people, "authjs") as session:
        session.execute("set local search_path = authjs")
        person = row(
            session,
            'insert into users (name, email, "emailVerified", image) '
            "values ('Eve', 'eve@example.org', null, null) returning *",
        )
        assert len(person) == 5
        account = row(
            session,
            'insert into accounts ("userId", provider, type, "providerAccountId") '
            "values (%s, 'github', 'oauth', '1') "
            "returning *",
            (person[0],),
        )
        assert len(account) == 12
        insert = 'insert into sessions ("userId", expires, "sessionToken") values (%s, now(), \'any text\') returning *'
        assert len(row(session, insert, (person[0],))) == 4
        change = "update sessions set expires = now() where \"sessionToken\" = 'any text' returning *"
        assert len(row(session, change)) == 4
        row(session, "insert into verification_token (identifier, expires, token) values ('i', now(), 't') returning *")
        assert row(session, "delete from verification_tokens where identifier = 'i' and token = 't' returning token")
        session.execute("delete from users where id = %s", (person[0],))
        assert (
            session.execute("select * from accounts").fetchall() == session.execute("select * from sessions").fetchall()
        )
        refused(session, psycopg.errors.FeatureNotSupported, "update accounts set access_token = 'x'")
        refused(session, psycopg.errors.InsufficientPrivilege, "update accounts set scope = 'x'")


def test_one_identity_is_one_account_and_one_token_one_session(people):
    for statement in (
        "insert into next_auth.accounts (type, provider, \"providerAccountId\", \"userId\") values ('o', 'g', '1', %s)",
        'insert into next_auth.sessions (expires, "sessionToken", "userId") values (now(), \'s\', %s)',
    ):
        people.execute(statement.encode(), (ADA,))
        refused(people, psycopg.errors.UniqueViolation, statement, ADA)
