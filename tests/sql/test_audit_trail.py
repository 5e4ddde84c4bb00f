"""The audit trail: who, when and what of each change."""

import json

import psycopg
import pytest

from tests.sql.provision import ADA, BOB, acting_as, add_recording, refused, row
from tests.sql.trail import SIGNED_IN, entries, findings, project_of


def test_an_entry_says_who_when_and_from_where(people):
    project = project_of(people, ADA)
    with acting_as(people, "authenticated", SIGNED_IN) as session:
        session.execute("update public.projects set title = 'x' where id = %s", (project,))
        session.execute("reset role")
        (found,) = entries(
            session, "public.projects", "actor, login, role, application, row_id, created_at, transaction"
        )[-1:]
        xact, clock = row(session, "select pg_current_xact_id()::text::bigint, clock_timestamp()")
    assert found[:5] == (ADA, "postgres", "authenticated", "", project)
    assert 0 <= (clock - found[5]).total_seconds() < 30
    assert found[6] == xact


@pytest.mark.parametrize(
    ("login", "role", "claims", "expected"),
    [
        ("authenticator", "service_role", {"role": "service_role"}, (None, "authenticator", "service_role")),
        ("authenticator", "service_role", {"sub": BOB}, (BOB, "authenticator", "service_role")),
        ("authenticator", "service_role", {"sub": "a text id"}, ("a text id", "authenticator", "service_role")),
        ("postgres", None, None, (None, "postgres", "postgres")),
    ],
)
def test_an_entry_tells_the_login_from_the_role_that_it_took_on(people, login, role, claims, expected):
    with people.transaction(force_rollback=True):
        people.execute(f"set local session authorization {login}".encode())
        people.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(claims) if claims else "",))
        if role:
            people.execute(f"set local role {role}".encode())
        assert people.execute("update public.projects set title = 'x' where owner_id = %s", (ADA,)).rowcount == 3
        people.execute("reset session authorization")
        assert set(entries(people, "public.projects", "actor, login, role")[-3:]) == {expected}


def test_the_claim_of_older_clients_is_read_too(people):
    with acting_as(people, "service_role") as session:
        session.execute("select set_config('request.jwt.claim.sub', %s, true)", (BOB,))
        session.execute("update public.projects set title = 'x' where owner_id = %s", (ADA,))
        session.execute("reset role")
        assert entries(session, "public.projects", "actor")[-1] == (BOB,)


def test_auth_js_login_is_recorded_with_what_it_links(people):
    with people.transaction(force_rollback=True):
        people.execute("set local session authorization authjs")
        people.execute("set local search_path = authjs")
        (person,) = row(people, "insert into users (name, email) values ('Eve', 'eve@example.org') returning id")
        account = (
            'insert into accounts ("userId", provider, type, "providerAccountId", access_token) '
            "values (%s, 'github', 'oauth', '7', 'SECRET') returning id"
        )
        (link,) = row(people, account, (person,))
        people.execute("delete from accounts where id = %s", (link,))
        people.execute("reset session authorization")
        found = entries(people, "next_auth.accounts", "login, operation, row_id, coalesce(new, old)")
        assert [entry[:3] for entry in found] == [("authjs", "insert", str(link)), ("authjs", "delete", str(link))]
        assert all(entry[3]["userId"] == str(person) and entry[3]["provider"] == "github" for entry in found)
        assert entries(people, "next_auth.users", "login, operation, new ->> 'email'")[-1] == (
            *("authjs", "insert", "eve@example.org"),
        )
        assert entries(people, "public.users", "login, operation")[-1] == ("authjs", "insert")


def test_an_update_records_what_it_changed_before_and_after_and_nothing_else(people):
    project = project_of(people, ADA)
    people.execute(
        "update public.projects set title = 'new', archived_at = '2026-01-01 00:00Z', description = 'long', "
        "visibility = visibility where id = %s",
        (project,),
    )
    assert entries(people, "public.projects")[-1] == (
        "update",
        project,
        {"title": "private", "archived_at": None},
        {"title": "new", "archived_at": "2026-01-01T00:00:00+00:00"},
        "description",
    )


def test_an_insert_and_a_delete_record_the_whole_of_what_is_recorded(people):
    (member,) = row(
        people,
        "insert into public.collaborators (project_id, user_id, role) values (%s, %s, 'editor') returning id::text",
        (project_of(people, ADA), BOB),
    )
    people.execute("delete from public.collaborators where id = %s", (member,))
    first, second = entries(people, "public.collaborators")
    assert first[:3] == ("insert", member, None)
    assert first[3] | {"project_id": "", "invited_by": None} == {
        **{"project_id": "", "user_id": BOB, "email": None, "role": "editor", "invited_by": None, "accepted_at": None},
    }
    assert second == ("delete", member, first[3], None, None)


@pytest.mark.parametrize(
    "statement",
    [
        "update public.projects set title = title",
        "update public.projects set title = 'x' where false",
        "delete from public.projects where false",
        "update public.users set updated_at = now()",
    ],
)
def test_what_changes_nothing_that_is_recorded_leaves_no_entry(people, statement):
    before = row(people, "select count(*) from audit.log")
    people.execute(statement.encode())
    assert row(people, "select count(*) from audit.log") == before


def test_the_scan_of_a_recording_is_recorded_and_its_transcript_is_not(people):
    add_recording(people, project_of(people, ADA), transcript="spoken words")
    people.execute("update public.audio_recordings set transcript = 'other words', title = 'Take'")
    people.execute("update public.audio_recordings set scan_status = 'infected', scanned_at = now()")
    people.execute("delete from public.audio_recordings")
    found = entries(people, "public.audio_recordings", "operation, coalesce(new, old) ->> 'scan_status'")
    assert found == [("insert", "pending"), ("update", "infected"), ("delete", "infected")]
    assert not row(people, "select count(*) from audit.log as l where l::text like '%%words%%'")[0]


def test_a_bucket_that_becomes_public_is_recorded(people):
    people.execute("insert into storage.buckets (id, name) values ('audio', 'audio')")
    with acting_as(people, "service_role") as session:
        session.execute("update storage.buckets set public = true where id = 'audio'")
        session.execute("reset role")
        assert entries(session, "storage.buckets", "operation, row_id, old, new, role")[-1] == (
            *("update", "audio", {"public": False}, {"public": True}, "service_role"),
        )


def test_a_person_who_goes_is_recorded_with_all_that_goes_along(people):
    people.execute(
        "insert into public.collaborators (project_id, user_id) values (%s, %s)", (project_of(people, ADA), BOB)
    )
    with acting_as(people, "authjs") as session:
        session.execute("delete from next_auth.users where id = %s", (ADA,))
        session.execute("reset role")
        query = """
            select relation, count(*), count(distinct transaction) from audit.log where operation = 'delete' group by 1
        """
        assert dict((name, (count, once)) for name, count, once in session.execute(query)) == {
            "next_auth.users": (1, 1),
            "public.users": (1, 1),
            "public.projects": (3, 1),
            "public.collaborators": (1, 1),
        }
        assert findings(session) == []


def test_a_key_that_changes_is_recorded_under_both(people):
    people.execute("insert into storage.buckets (id, name) values ('one', 'one')")
    people.execute("update storage.buckets set id = 'two'")
    found = entries(people, "storage.buckets", "operation, row_id, old ->> 'name', new ->> 'name'")
    assert sorted(found[1:]) == [("update", "one", "one", None), ("update", "two", None, "one")]


def test_an_upsert_a_merge_and_a_truncate_are_recorded(people):
    upsert = (
        "insert into storage.buckets (id, name) values ('a', 'a'), ('b', 'b') "
        "on conflict (id) do update set public = true"
    )
    people.execute(upsert)
    people.execute(upsert)
    people.execute("truncate storage.buckets cascade")
    found = entries(people, "storage.buckets", "operation, row_id")
    assert sorted(found[:2]) == [("insert", "a"), ("insert", "b")]
    assert sorted(found[2:4]) == [("update", "a"), ("update", "b")]
    assert found[4:] == [("truncate", None)]
    assert findings(people) == []


def test_a_statement_of_many_rows_is_one_chain(people):
    people.execute(
        "insert into public.projects (owner_id, title) select %s, n::text from generate_series(1, 2500) as n", (ADA,)
    )
    people.execute("update public.projects set title = title || 'x'")
    people.execute("delete from public.projects where owner_id = %s", (ADA,))
    counts = """
        select operation, count(distinct row_id), count(distinct lane) from audit.log
        where relation = 'public.projects' group by 1
    """
    assert sorted(people.execute(counts)) == [("delete", 2503, 1), ("insert", 2506, 1), ("update", 2506, 1)]
    assert findings(people) == []


def test_a_session_that_calls_itself_a_replica_is_recorded_too(people):
    people.execute("set local session_replication_role = replica")
    people.execute("update public.projects set title = 'in secret' where id = %s", (project_of(people, ADA),))
    assert entries(people, "public.projects")[-1][3] == {"title": "in secret"}


def test_a_migration_that_moves_data_is_recorded_like_everybody(people):
    with acting_as(people, "app_owner") as session:
        session.execute("set local row_security = off")
        session.execute("alter table public.projects no force row level security")
        assert session.execute("update public.projects set title = 'moved'").rowcount == 6
        session.execute("reset role")
        session.execute("set local row_security = on")
        assert entries(session, "public.projects", "role, new")[-6:] == [("app_owner", {"title": "moved"})] * 6


def test_claims_that_cannot_be_read_stop_the_write(people):
    with acting_as(people, "service_role", "{no json") as session:
        refused(session, psycopg.errors.InvalidTextRepresentation, "update public.projects set title = 'x'")
