"""What of a row comes into the audit trail: nothing secret, and no column by accident."""

import psycopg
import pytest
from psycopg import sql

from tests.sql.provision import Connection, refused, row
from tests.sql.trail import entries

# Columns of recorded tables that leave no entry when they change: set by triggers, computed, or edited as people work.
UNRECORDED = {
    "audit.retired": {"retired_at"},
    "next_auth.accounts": {"expires_at", "session_state"},
    "next_auth.users": set[str](),
    "public.audio_recordings": {
        *("title", "transcript", "duration_ms", "sample_rate", "created_at", "updated_at"),
    },
    "public.collaborators": {"invited_at", "expires_at", "updated_at"},
    "public.project_components": {"revision", "created_at", "updated_at"},
    "public.prompt_generations": {
        *("tokens_in", "tokens_out", "latency_ms", "estimated_tokens", "estimated_cost"),
        *("created_at", "updated_at", "started_at", "finished_at"),
    },
    "public.projects": {"created_at", "updated_at"},
    "public.users": {"created_at", "updated_at"},
    "storage.buckets": {"owner", "created_at", "updated_at", "avif_autodetection", "versioning_status"},
}
RECORDED = sorted(UNRECORDED)


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
    query = """
        select array_agg(attname::text) from pg_attribute
        where attrelid = %s::regclass and attnum > 0 and not attisdropped
    """
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
