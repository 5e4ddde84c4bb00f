"""The double of a hosted Supabase project: as the platform hands one over, and as strict."""

from collections.abc import Iterator

import psycopg
import pytest

from declared import connectionurl
from tests.doubles import supabaselike
from tests.doubles.supabaselike import SupabaseLike
from tests.sql.provision import refused

LENT = (
    "select roleid::regrole::text from pg_auth_members where member = 'postgres'::regrole and inherit_option order by 1"
)
DENIED = psycopg.errors.InsufficientPrivilege
# Login, inherits, makes roles, replicates, bypasses row security.
ATTRIBUTES = {
    "anon": (False, True, False, False, False),
    "authenticated": (False, True, False, False, False),
    "service_role": (False, True, False, False, True),
    "authenticator": (True, False, False, False, False),
    "postgres": (True, True, True, True, True),
    "supabase_auth_admin": (True, False, False, False, False),
    "supabase_storage_admin": (True, False, True, False, False),
    "supabase_read_only_user": (True, True, False, False, True),
    "pgbouncer": (True, True, False, False, False),
}
OWNERS = {
    **dict.fromkeys(("auth", "storage", "realtime", "graphql", "graphql_public", "vault"), "supabase_admin"),
    "extensions": "postgres",
    "pgbouncer": "pgbouncer",
    "public": "pg_database_owner",
}
POLICY = "create policy stray on storage.objects for select to anon using (false)"
FUNCTION = "create function public.nothing() returns trigger language plpgsql as $$ begin return new; end $$"
TRIGGER = "create trigger stray before update on storage.buckets for each row execute function public.nothing()"
MAY = (
    f"{POLICY}; comment on policy stray on storage.objects is 'x'; drop policy stray on storage.objects",
    f"{POLICY}; do $$ begin execute 'alter policy stray on storage.objects rename to other'; end $$",
    f"{FUNCTION}; {TRIGGER}; drop trigger stray on storage.buckets",
    "insert into storage.buckets (id, name) values ('stray', 'stray')",
    "alter publication supabase_realtime set (publish = 'insert')",
    "create role stray bypassrls replication; drop role stray",
    "create role stray; grant anon to stray with set false; grant usage on schema storage to stray",
    "alter role anon set statement_timeout = '4s'",
    "create extension pg_trgm schema extensions",
    "drop extension pgcrypto",
    "set local session_replication_role = replica; create policy stray on auth.users using (true)",
    "select rolpassword from pg_authid",
)
MAY_NOT = (
    "alter table storage.objects add column extra text",
    "alter table auth.users enable row level security",
    "create index on storage.objects (version)",
    "create table storage.extra ()",
    "create policy stray on storage.migrations using (true)",
    "create policy stray on storage.vector_indexes using (true)",
    "comment on table storage.objects is 'x'",
    "drop function storage.filename(text)",
    "alter role supabase_storage_admin nologin",
    "grant supabase_auth_admin to postgres",
    "set role supabase_admin",
    "alter role postgres superuser",
    "alter default privileges for role supabase_admin grant select on tables to anon",
    "create event trigger stray on ddl_command_end execute function extensions.pgrst_ddl_watch()",
)


@pytest.fixture(scope="module")
def double() -> Iterator[SupabaseLike]:
    with supabaselike.server() as running:
        yield running


@pytest.fixture
def session(double) -> Iterator[psycopg.Connection]:
    with psycopg.connect(double.url()) as connection:
        yield connection
        connection.rollback()


def test_roles_schemas_and_tables_are_those_of_a_hosted_project(session):
    columns = "rolcanlogin, rolinherit, rolcreaterole, rolreplication, rolbypassrls"
    found = session.execute(f"select rolname, {columns} from pg_roles where rolname = any(%s)", [list(ATTRIBUTES)])
    assert {name: tuple(rest) for name, *rest in found} == ATTRIBUTES
    owners = session.execute("select nspname, pg_get_userbyid(nspowner) from pg_namespace")
    assert {name: owner for name, owner in owners if name in OWNERS} == OWNERS
    counted = """select relnamespace::regnamespace::text, count(*) from pg_class
        where relkind = 'r' and relnamespace::regnamespace::text in ('auth', 'storage') group by 1"""
    assert dict(session.execute(counted).fetchall()) == {"auth": 23, "storage": 10}
    users = "select count(*) from pg_attribute where attrelid = 'auth.users'::regclass and attnum > 0"
    assert session.execute(users).fetchone() == (35,)
    schemas = """select nspname, has_schema_privilege(nspname, 'usage with grant option'),
        has_schema_privilege(nspname, 'create') from pg_namespace where nspname in ('auth', 'storage')"""
    assert {*session.execute(schemas).fetchall()} == {("auth", False, False), ("storage", True, False)}
    extensions = session.execute("select extname, extnamespace::regnamespace::text from pg_extension").fetchall()
    assert {("pgcrypto", "extensions"), ("pg_stat_statements", "extensions")} <= {*extensions}
    published = session.execute("select pubname, pg_get_userbyid(pubowner) from pg_publication").fetchall()
    assert ("supabase_realtime", "postgres") in published
    truncates = "select has_table_privilege('anon', 'storage.objects', 'truncate')"
    assert session.execute(truncates).fetchone() == (True,)


@pytest.mark.parametrize("statement", MAY)
def test_the_login_may(session, statement):
    before = session.execute(LENT).fetchall()
    session.execute(statement.encode())
    assert session.execute(LENT).fetchall() == before, "it acts as nobody else after the statement"


@pytest.mark.parametrize("statement", MAY_NOT)
def test_the_login_may_not(session, statement):
    refused(session, DENIED, statement)


def test_privileges_without_a_grant_option_are_granted_to_nobody(session):
    session.execute("create role stray")
    session.execute("grant usage on schema auth to stray")
    assert session.execute("select has_schema_privilege('stray', 'auth', 'usage')").fetchone() == (False,)


def test_a_made_role_is_nobodys_to_become_until_it_is_granted(session):
    session.execute("create role stray")
    refused(session, DENIED, "set role stray")


def test_every_login_of_the_platform_connects_by_tls_alone(double):
    for login in supabaselike.LOGINS:
        with psycopg.connect(double.url(login)) as connection:
            assert connection.execute("select session_user").fetchone() == (login,)
    plain = connectionurl.compose({**connectionurl.parse(double.url()), "sslmode": "disable"})
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(plain)
