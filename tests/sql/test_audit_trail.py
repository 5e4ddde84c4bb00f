"""The audit trail: who, when and what of each change, nothing secret, and nothing changed afterwards unseen."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.sql import provision
from tests.sql.provision import ADA, BOB, Connection, acting_as, refused, row

SIGNED_IN = {"sub": ADA, "role": "authenticated"}
# Columns of recorded tables that leave no entry when they change: set by triggers, computed, or edited as people work.
UNRECORDED = {
    "audit.retired": {"retired_at"},
    "next_auth.accounts": {"expires_at", "session_state"},
    "next_auth.users": set[str](),
    "public.audio_recordings": {
        *("title", "transcript", "duration_ms", "sample_rate", "search", "created_at", "updated_at"),
    },
    "public.collaborators": {"invited_at", "updated_at"},
    "public.projects": {"search", "created_at", "updated_at"},
    "public.users": {"created_at", "updated_at"},
    "storage.buckets": {"owner", "created_at", "updated_at", "avif_autodetection", "versioning_status"},
}
RECORDED = sorted(UNRECORDED)
AS_OWNER = "set local role app_owner"
NEWEST = "select lane, entry from audit.log order by created_at desc, entry desc limit 1"


def entries(connection: Connection, relation: str, columns: str = "operation, row_id, old, new, withheld") -> list[Any]:
    """The entries of a table, in order."""
    query = f"select {columns} from audit.log where relation = %s order by transaction, created_at, lane, entry"
    return connection.execute(query.encode(), (relation,)).fetchall()


def findings(connection: Connection, anchor: dict[str, Any] | None = None) -> list[tuple[str, int | None, int | None]]:
    """What `audit.verify` finds: kind, lane and entry."""
    query = "select kind, lane, entry from audit.verify(%s)"
    return connection.execute(query, (anchor and json.dumps(anchor),)).fetchall()


def project_of(connection: Connection, person: str, title: str = "private") -> str:
    query = "select id::text from public.projects where owner_id = %s and title = %s"
    return str(row(connection, query, (person, title))[0])


@contextmanager
def unguarded(connection: Connection) -> Iterator[None]:
    """What a superuser can do, and nobody else: the tables of the trail without their triggers."""
    tables = (
        "select oid::regclass::text from pg_class where relnamespace = 'audit'::regnamespace and relkind in ('r', 'p')"
    )
    names = [name for (name,) in connection.execute(tables)]
    for name in names:
        connection.execute(f"alter table only {name} disable trigger _100_append_only".encode())
    yield
    for name in names:
        connection.execute(f"alter table only {name} enable always trigger _100_append_only".encode())


def chain_anew(connection: Connection) -> None:
    """What a thorough forger does: every hash computed again, in order, and the heads set right."""
    connection.execute("""
        do $$
        declare
            e audit.log;
            head audit.heads;
        begin
            for head in select * from audit.heads loop
                head.hash = '';
                head.entries = 0;
                for e in select * from audit.log where lane = head.lane order by entry loop
                    head.hash = private.audit_hash(head.hash, e);
                    head.entries = e.entry;
                    update audit.log set hash = head.hash where lane = e.lane and entry = e.entry;
                end loop;
                update audit.heads set hash = head.hash, entries = head.entries where lane = head.lane;
            end loop;
        end
        $$
    """)


# Who, when, what.


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
    insert = (
        "insert into public.audio_recordings (project_id, object_path, mime_type, bytes, transcript) "
        "values (%s, 'a.ogg', 'audio/ogg', 1, 'spoken words')"
    )
    people.execute(insert.encode(), (project_of(people, ADA),))
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
        query = "select relation, count(*), count(distinct transaction) from audit.log where operation = 'delete' group by 1"
        assert dict((name, (count, once)) for name, count, once in session.execute(query)) == {
            "next_auth.users": (1, 1),
            "public.users": (1, 1),
            "public.projects": (3, 1),
            "public.collaborators": (1, 1),
        }
        assert findings(session) == []


def test_a_key_that_changes_is_recorded_under_both(people):
    (old,) = row(people, "insert into storage.buckets (id, name) values ('one', 'one') returning id")
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
    counts = "select operation, count(distinct row_id), count(distinct lane) from audit.log where relation = 'public.projects' group by 1"
    assert sorted(people.execute(counts)) == [("delete", 2503, 1), ("insert", 2506, 1), ("update", 2506, 1)]
    assert findings(people) == []


def test_a_session_that_calls_itself_a_replica_is_recorded_too(people):
    people.execute("set local session_replication_role = replica")
    people.execute("update public.projects set title = 'in secret' where id = %s", (project_of(people, ADA),))
    assert entries(people, "public.projects")[-1][3] == {"title": "in secret"}


def test_claims_that_cannot_be_read_stop_the_write(people):
    with acting_as(people, "service_role", "{no json") as session:
        refused(session, psycopg.errors.InvalidTextRepresentation, "update public.projects set title = 'x'")


# Secrets.


def test_no_secret_is_ever_in_the_log(people):
    secret = "TOPSECRET"
    for table in ("accounts", "sessions", "verification_tokens"):
        columns = row(
            people,
            "select array_agg(attname order by attnum) from pg_attribute where attrelid = %s::regclass and attnum > 0 "
            "and atttypid = 'text'::regtype",
            (f"next_auth.{table}",),
        )[0]
        named = sql.SQL(", ").join(map(sql.Identifier, columns))
        values = sql.SQL(", ").join(sql.Literal(f"{secret}-{column}") for column in columns)
        more, given = (sql.SQL(", expires"), sql.SQL(", now()")) if table != "accounts" else (sql.SQL(""),) * 2
        target = sql.Identifier("next_auth", table)
        people.execute(sql.SQL("insert into {} ({}{}) values ({}{})").format(target, named, more, values, given))
        changes = sql.SQL(", ").join(sql.SQL("{0} = {0} || '2'").format(sql.Identifier(column)) for column in columns)
        people.execute(sql.SQL("update {} set {}").format(target, changes))
        people.execute(sql.SQL("delete from {}").format(target))
    found = entries(people, "next_auth.accounts", "operation, withheld, coalesce(old, '{}') || coalesce(new, '{}')")
    assert [operation for operation, *_ in found] == ["insert", "update", "delete"]
    assert found[1][1] == "refresh_token, access_token, id_token, oauth_token, oauth_token_secret"
    known = {"type", "provider", "providerAccountId", "userId", "scope", "token_type"}
    text = "select l::text from audit.log as l"
    assert all({*values} <= known for *_, values in found)
    for (entry,) in people.execute(text).fetchall():
        for word in ("refresh_token", "access_token", "id_token", "oauth_token", "session", "identifier"):
            assert f"{secret}-{word}" not in entry
    assert entries(people, "next_auth.sessions") == entries(people, "next_auth.verification_tokens") == []


def columns_named(connection: Connection, relation: str) -> tuple[set[str], str]:
    """All columns of a table, and the source of the function that records it."""
    query = "select array_agg(attname::text) from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
    function = f"tg_{relation.replace('.', '_')}__audit"
    return {*row(connection, query, (relation,))[0]}, row(
        connection, "select prosrc from pg_proc where proname = %s", (function,)
    )[0]


@pytest.mark.parametrize("relation", RECORDED)
def test_every_column_of_a_recorded_table_is_recorded_withheld_or_left_out_on_purpose(people, relation):
    columns, source = columns_named(people, relation)
    key = "partition" if relation == "audit.retired" else "id"
    looked_at = {column for column in columns if f"'{column}'" in source}
    assert looked_at | UNRECORDED[relation] | {key} == columns, "say in an own step what the log does with it"
    assert not looked_at & UNRECORDED[relation]


def test_the_recorded_tables_are_the_known_ones(provisioned):
    query = "select distinct tgrelid::regclass::text from pg_trigger where tgname like '\\_900\\_audit\\_%' order by 1"
    assert [name for (name,) in provisioned.execute(query)] == RECORDED


def test_a_column_that_is_added_later_leaks_nothing(people):
    people.execute("alter table next_auth.accounts add column webauthn_key text default 'TOPSECRET'")
    people.execute("insert into next_auth.accounts (type, provider, \"providerAccountId\") values ('o', 'p', '1')")
    people.execute("update next_auth.accounts set webauthn_key = 'TOPSECRET2'")
    people.execute("delete from next_auth.accounts")
    found = entries(people, "next_auth.accounts")
    assert [entry[0] for entry in found] == ["insert", "delete"]
    assert "TOPSECRET" not in str(found)


def test_a_column_that_is_not_there_cannot_be_recorded(people):
    statement = "select private.audit_table('public.users', '{display_name, shoe_size}')"
    assert "public.users has no column shoe_size" in refused(people, psycopg.errors.UndefinedColumn, statement)


# Append-only.

WRITES = [
    "insert into {} select * from {}",
    "update {} set transaction = 1",
    "delete from {}",
    "truncate {}",
]


@pytest.mark.parametrize("who", ["reset role", AS_OWNER, "set local session_replication_role = replica"])
@pytest.mark.parametrize(
    "table", ["audit.log", "audit.log_default", "audit.log_2999_12", "audit.heads", "audit.retired"]
)
def test_nobody_changes_the_trail(people, who, table):
    assert row(people, "select count(*) from audit.log")[0] > 0
    if table == "audit.log_2999_12":
        # A month of the future, made as the scheduler makes it.
        people.execute("select ops.make_partitions(5)")
        table = f"audit.{row(people, 'select ops.make_partitions(6)')[0][0]}"
    people.execute(who.encode())
    for write in WRITES:
        statement = write.format(table, table)
        if table == "audit.retired":
            if write.startswith("insert"):
                continue
            statement = statement.replace("transaction = 1", "heads = '{}'")
        said = refused(people, psycopg.errors.InsufficientPrivilege, statement)
        assert "only grows" in said, said
    people.execute("reset role")
    assert findings(people) == []


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "authjs", "monitor", "authenticator"])
def test_nobody_else_reads_writes_or_verifies_the_trail(people, role):
    (month,) = row(people, "select tableoid::regclass::text from audit.log limit 1")
    with acting_as(people, role, SIGNED_IN) as session:
        for table in ("audit.log", "audit.heads", "audit.retired", month):
            refused(session, psycopg.errors.InsufficientPrivilege, f"select 1 from {table}")
            refused(session, psycopg.errors.InsufficientPrivilege, f"delete from {table}")
        for call in ("audit.verify()", "audit.anchor()", "private.audit_write('a', 'b', '{}', '{}', '{}', '{}')"):
            refused(session, psycopg.errors.InsufficientPrivilege, f"select {call}")


def test_the_policies_that_come_with_the_step_are_those_of_the_files(connection):
    provision.migrate_up(connection)
    policies = """
        select p.polname, p.polrelid::regclass::text, p.polcmd, p.polpermissive, p.polroles::regrole[]::text,
            pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid), obj_description(p.oid, 'pg_policy')
        from pg_policy as p where p.polrelid::regclass::text like 'audit.%' order by 1
    """
    brought = connection.execute(policies).fetchall()
    assert len(brought) == 6
    provision.apply_policies(connection)
    assert [policy for policy in connection.execute(policies).fetchall() if policy[4] == "{app_owner}"] == brought


# What verification finds.


def test_a_trail_that_nobody_touched_has_no_findings(people):
    assert row(people, "select count(*) from audit.log")[0] > 5
    anchor = row(people, "select audit.anchor()")[0]
    assert findings(people) == findings(people, anchor) == []
    people.execute("update public.projects set title = 'later'")
    assert findings(people, anchor) == []


EDITS = {
    "created_at": "created_at - interval '1 second'",
    "transaction": "transaction + 1",
    "actor": "'somebody else'",
    "login": "'app'",
    "role": "'anon'",
    "application": "'psql'",
    "address": "'10.0.0.1'",
    "relation": "'public.users'",
    "operation": "'insert'",
    "row_id": "'x'",
    "old": '\'{"title": "y"}\'',
    "new": 'new || \'{"title": "y"}\'',
    "withheld": "'title'",
    "hash": "sha256('')",
}


@pytest.mark.parametrize("column", EDITS)
def test_an_edited_entry_is_named_whichever_column_it_is(people, column):
    people.execute("update public.projects set title = 'x'")
    lane, entry = row(people, "select lane, entry from audit.log where operation = 'update' order by entry limit 1")
    with unguarded(people):
        change = sql.SQL("update audit.log set {} = " + EDITS[column] + " where lane = %s and entry = %s")
        assert people.execute(change.format(sql.Identifier(column)), (lane, entry)).rowcount == 1
    found = findings(people)
    # With another hash the next entry doesn't follow any more either.
    assert found[0] == ("edited", lane, entry)
    assert found[1:] == ([("edited", lane, entry + 1)] if column == "hash" else [])


def test_the_edits_are_of_every_column(people):
    columns, _ = columns_named(people, "audit.retired")
    query = "select attname::text from pg_attribute where attrelid = 'audit.log'::regclass and attnum > 0"
    assert {name for (name,) in people.execute(query)} == {*EDITS, "lane", "entry"}
    assert columns == {"partition", "retired_at", "heads"}


def test_entries_that_were_taken_away_are_named(people):
    lane, newest = row(people, NEWEST)
    with unguarded(people):
        people.execute("delete from audit.log where lane = %s and entry in (1, 3, 4, %s)", (lane, newest))
    assert findings(people) == [("missing", lane, 1), ("missing", lane, 3), ("missing", lane, newest)]
    said = [detail for (detail,) in people.execute("select detail from audit.verify()")]
    assert "entries 3 to 4 are not there" in said[1]
    with unguarded(people):
        people.execute("truncate audit.log")
    assert findings(people) == [("missing", lane, 1)]


def test_an_entry_that_was_put_in_is_named(people):
    lane, newest = row(people, NEWEST)
    copy = (
        "insert into audit.log select lane, %s, created_at + interval '1 us', transaction, actor, login, role, "
        "application, address, relation, operation, row_id, old, new, withheld, hash from audit.log "
        "where lane = %s and entry = 2"
    )
    with unguarded(people):
        people.execute(copy.encode(), (2, lane))
    assert ("added", lane, 2) in findings(people)
    with unguarded(people):
        people.execute(
            "delete from audit.log where entry = 2 and created_at = (select max(created_at) from audit.log where entry = 2)"
        )
        assert findings(people) == []
        people.execute(copy.encode(), (newest + 1, lane))
    assert ("head", lane, newest + 1) in findings(people)


@pytest.mark.parametrize(
    ("change", "kind", "shift"),
    [
        ("update audit.heads set entries = entries - 1 where lane = %s", "head", 0),
        ("update audit.heads set entries = entries + 1 where lane = %s", "missing", 1),
        ("update audit.heads set hash = sha256('') where lane = %s", "head", 0),
        ("delete from audit.heads where lane = %s", "head", 0),
    ],
)
def test_a_head_that_was_changed_is_named(people, change, kind, shift):
    lane, newest = row(people, NEWEST)
    with unguarded(people):
        people.execute(change.encode(), (lane,))
    assert findings(people) == [(kind, lane, newest + shift)]


def test_the_head_of_an_empty_lane_is_watched_too(people):
    (lane,) = row(people, "select min(lane) from audit.heads where entries = 0")
    with unguarded(people):
        people.execute("delete from audit.heads where lane = %s", (lane,))
    assert findings(people) == [("head", lane, 0)]


def test_only_an_anchor_shows_a_trail_that_was_chained_anew(people):
    people.execute("update public.projects set title = 'x'")
    anchor = row(people, "select audit.anchor()")[0]
    lane, newest = row(people, NEWEST)
    with people.transaction(force_rollback=True), unguarded(people):
        people.execute("update audit.log set actor = 'somebody else' where lane = %s and entry = 2", (lane,))
        chain_anew(people)
        assert findings(people) == [kind for kind in findings(people) if kind[0] == "unguarded"]
        assert [found for found in findings(people, anchor) if found[0] != "unguarded"] == [("rewritten", lane, newest)]
    with people.transaction(force_rollback=True), unguarded(people):
        people.execute("delete from audit.log where lane = %s and entry > 2", (lane,))
        chain_anew(people)
        assert [found for found in findings(people, anchor) if found[0] != "unguarded"] == [("rewritten", lane, newest)]


def test_an_anchor_has_a_digest_that_anybody_can_compute(people):
    import hashlib

    anchor = row(people, "select audit.anchor()")[0]
    lanes = dict(sorted(anchor["lanes"].items(), key=lambda lane: (len(lane[0]), lane[0])))
    assert hashlib.sha256(json.dumps(lanes).encode()).hexdigest() == anchor["digest"]
    people.execute("update public.projects set title = 'later'")
    assert row(people, "select audit.anchor()")[0]["digest"] != anchor["digest"]


@pytest.mark.parametrize(
    "table", ["audit.log", "audit.log_default", "audit.heads", "public.projects", "storage.buckets"]
)
def test_a_trigger_that_was_switched_off_is_named(people, table):
    trigger = "_100_append_only" if table.startswith("audit.") else "_900_audit_update"
    for switch in ("disable trigger", "enable trigger"):
        people.execute(f"alter table only {table} {switch} {trigger}".encode())
        query = "select detail from audit.verify() where kind = 'unguarded'"
        assert people.execute(query).fetchall() == [(f"{table} has no trigger {trigger} that always fires",)]


# Months.


def made_old(connection: Connection, months: int, entries: int) -> str:
    """The first entries of the lane as they would be after so many months; the partition that they are in."""
    lane, _ = row(connection, NEWEST)
    with unguarded(connection):
        connection.execute(
            "update audit.log set created_at = created_at - make_interval(months => %s) where lane = %s and entry <= %s",
            (months, lane, entries),
        )
        chain_anew(connection)
    connection.execute("select ops.make_partitions(0, (now() - make_interval(months => %s))::date)", (months,))
    return str(
        row(connection, "select tableoid::regclass::text from audit.log where lane = %s and entry = 1", (lane,))[0]
    )


def test_retired_months_leave_a_chain_that_is_whole(people):
    month = made_old(people, 30, 4)
    assert month != "audit.log_default"
    assert findings(people) == []
    retired = row(people, "select ops.retire_partitions('13 months')")[0]
    assert month.removeprefix("audit.") in retired
    assert row(people, "select min(entry) from audit.log") == (5,)
    assert findings(people) == []
    people.execute("update public.projects set title = 'later'")
    assert findings(people) == []
    # And once more: what was noted before is still where the lanes begin.
    made_older = "select partition, heads from audit.retired order by partition desc limit 1"
    before = row(people, made_older)
    people.execute("select ops.retire_partitions('13 months', '12 months')")
    assert row(people, made_older)[1] == before[1]
    assert findings(people) == []


def test_the_trail_is_kept_longer_than_the_analytics_and_never_less_than_a_year(people):
    month = made_old(people, 20, 4)
    assert month.removeprefix("audit.") not in row(people, "select ops.retire_partitions('1 month')")[0]
    for keep in ("1 day", "11 months"):
        said = refused(
            people, psycopg.errors.InvalidParameterValue, f"select ops.retire_partitions('13 months', '{keep}')"
        )
        assert "12 months at least" in said
    assert month.removeprefix("audit.") in row(people, "select ops.retire_partitions('13 months', '12 months')")[0]


def test_a_month_that_was_dropped_is_missing_whatever_audit_retired_says(people):
    month = made_old(people, 30, 4)
    lane, _ = row(people, NEWEST)
    hash4 = row(people, "select encode(hash, 'hex') from audit.log where lane = %s and entry = 4", (lane,))[0]
    people.execute(f"drop table {month}".encode())
    assert findings(people) == [("missing", lane, 1)]
    cover = "insert into audit.retired (partition, heads) values (%s, jsonb_build_object(%s::text, jsonb_build_array(4, %s::text)))"
    with people.transaction(force_rollback=True):
        people.execute("alter table audit.retired disable trigger user")
        people.execute(cover.encode(), (month, lane, hash4))
        people.execute("alter table audit.retired enable always trigger _900_audit_insert")
        assert ("checkpoint", None, None) in findings(people)
    people.execute(cover.encode(), (month, lane, hash4))
    # The owner of it all may say so, but not without an entry.
    assert findings(people) == []
    assert entries(people, "audit.retired", "operation, row_id, login") == [("insert", month, "postgres")]


def test_an_entry_of_a_month_that_was_not_made_is_kept_moved_and_guarded_again(people):
    (month,) = row(people, "select tableoid::regclass::text from audit.log limit 1")
    with unguarded(people):
        people.execute("create temporary table kept as select * from audit.log")
        people.execute(f"drop table {month}".encode())
        people.execute("insert into audit.log select * from kept")
    people.execute("update public.projects set title = 'x'")
    where = "select distinct tableoid::regclass::text from audit.log"
    assert people.execute(where).fetchall() == [("audit.log_default",)]
    people.execute("select ops.make_partitions(1)")
    assert people.execute(where).fetchall() == [(month,)]
    assert findings(people) == []
    refused(people, psycopg.errors.InsufficientPrivilege, "truncate audit.log_default")


# Many at once. These commit, so each has a database of its own.


@pytest.fixture
def trail(connection):
    """The complete SQL with people, committed."""
    provision.migrate_up(connection)
    provision.apply_policies(connection)
    provision.apply_grants(connection)
    provision.add_people(connection)
    return connection


def test_a_transaction_that_is_rolled_back_leaves_no_gap(trail):
    with trail.transaction(force_rollback=True):
        trail.execute("update public.projects set title = 'never'")
    with trail.transaction():
        trail.execute("update public.projects set title = 'a' where id = %s", (project_of(trail, ADA, "private"),))
        with trail.transaction(force_rollback=True):
            trail.execute("update public.projects set title = 'never'")
        trail.execute("update public.projects set title = 'b' where id = %s", (project_of(trail, BOB, "private"),))
    assert [new for (new,) in entries(trail, "public.projects", "new ->> 'title'")][-2:] == ["a", "b"]
    assert findings(trail) == []


def test_twenty_writers_neither_wait_for_each_other_nor_break_a_chain(trail, database):
    projects = [project_of(trail, person, title) for person in (ADA, BOB) for title in ("private", "public")]
    failures: list[str] = []
    started = threading.Barrier(20)

    def write(number: int) -> None:
        try:
            with psycopg.connect(database.url, autocommit=True) as session:
                session.execute("set lock_timeout = '20s'")
                started.wait()
                for turn in range(15):
                    with session.transaction():
                        # One's own row and then one that others want too: with a lane in common that would be a deadlock.
                        session.execute(
                            "insert into public.projects (owner_id, title) values (%s, %s)", (ADA, f"{number}-{turn}")
                        )
                        session.execute(
                            "update public.projects set title = %s where id = %s",
                            (f"{number}-{turn}", projects[(number + turn) % len(projects)]),
                        )
        except psycopg.Error as error:
            failures.append(str(error))

    before = row(trail, "select count(*) from audit.log")[0]
    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert row(trail, "select count(*) from audit.log")[0] == before + 20 * 15 * 2
    assert row(trail, "select count(distinct lane) from audit.log")[0] > 10
    assert findings(trail) == []


def test_a_lane_that_somebody_holds_is_left_to_them(trail, database):
    with psycopg.connect(database.url) as other:
        other.execute("update public.projects set title = 'held' where id = %s", (project_of(trail, ADA),))
        held = row(other, NEWEST)[0]
        other.execute("select 1 from audit.heads where lane = %s for update", (trail.info.backend_pid % 128,))
        trail.execute("set statement_timeout = '5s'")
        with trail.transaction():
            trail.execute("update public.projects set title = 'one' where id = %s", (project_of(trail, BOB),))
            trail.execute("update public.projects set title = 'two' where title = 'one'")
        lanes = {lane for (lane,) in entries(trail, "public.projects", "lane")[-2:]}
        assert len(lanes) == 1, "a transaction stays in its lane"
        assert not lanes & {held, trail.info.backend_pid % 128}
        # Only without any free lane somebody waits.
        other.execute("select 1 from audit.heads for update")
        refused(
            trail,
            psycopg.errors.QueryCanceled,
            "set statement_timeout = '300ms'; update public.projects set title = 'x'",
        )
        other.rollback()
    assert findings(trail) == []


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_stricter_transactions_of_different_sessions_do_not_fail_each_other(trail, database, level):
    with psycopg.connect(database.url) as other:
        for session, person in ((trail, ADA), (other, BOB)):
            session.execute(f"begin transaction isolation level {level}".encode())
            session.execute("select count(*) from public.users where id = %s", (person,))
        for session, person in ((trail, ADA), (other, BOB)):
            session.execute("update public.projects set title = 'x' where id = %s", (project_of(session, person),))
        trail.execute("commit")
        other.commit()
    assert findings(trail) == []
