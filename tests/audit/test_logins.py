"""The logins as they really log in: what each may become, what the backup reads, what the migrator does."""

import re
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from declared.roles import API, ROLES
from ops import __main__ as ops
from provider.connection import ConnectionInfo
from tests.provider.snapshots import Stack
from tests.sql import provision
from tests.sql.provision import ADA, refused

PASSWORD = "of-a-test"
LOGINS = [role for role, spec in ROLES.items() if spec.login]
# What a login may become beside itself; PostgreSQL's own roles that these contain are let out.
BECOMES = {
    "authenticator": set(API),
    "supabase_storage_admin": {*API, "storage_service"},
    "migrator": {"app_owner"},
    "authjs": set(),
    "monitor": set(),
    "backup": set(),
    "scanner": set(),
    "cleaner": set(),
}


@pytest.fixture
def login(url: str) -> Iterator[Callable[[str], Any]]:
    """Opens a session as a login, by a password of the test's."""
    with psycopg.connect(url, autocommit=True) as admin:
        before = dict(admin.execute("select rolname, rolpassword from pg_authid where rolcanlogin").fetchall())
        opened = []

        def open_as(role: str) -> Any:
            name, text = sql.Identifier(role), sql.Literal(PASSWORD)
            admin.execute(sql.SQL("alter role {} password {}").format(name, text))
            opened.append(psycopg.connect(as_login(url, role), autocommit=True))
            return opened[-1]

        yield open_as
        for connection in opened:
            connection.close()
        for role in LOGINS:
            name, text = sql.Identifier(role), sql.Literal(before[role])
            admin.execute(sql.SQL("alter role {} password {}").format(name, text))


def as_login(url: str, role: str) -> str:
    return re.sub("//[^@]+@", f"//{role}:{PASSWORD}@", url)


@pytest.fixture
def ada(url: str) -> Iterator[str]:
    """Ada's private project, committed."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("insert into next_auth.users (id, name, email) values (%s, 'Ada', 'ada@example.org')", (ADA,))
        admin.execute("insert into public.projects (owner_id, title) values (%s, 'nobody elses')", (ADA,))
        yield "nobody elses"
        admin.execute("delete from next_auth.users where id = %s", (ADA,))


@pytest.mark.parametrize("role", LOGINS)
def test_a_login_becomes_what_it_is_declared_to_and_nothing_else(url, login, role):
    session = login(role)
    everybody = [name for (name,) in session.execute("select rolname from pg_roles where rolname !~ '^pg_'")]
    became = set()
    for name in everybody:
        try:
            session.execute(sql.SQL("set role {}").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege:
            continue
        became.add(name)
        session.execute("reset role")
    assert "postgres" in everybody
    assert became == {role} | BECOMES[role]


@pytest.mark.parametrize("role", LOGINS)
def test_no_login_takes_another_identity(login, role):
    session = login(role)
    for other in ("postgres", "app_owner", "anon"):
        refused(session, psycopg.errors.InsufficientPrivilege, f"set session authorization {other}")


@pytest.mark.parametrize("role", [role for role in LOGINS if role != "backup"])
def test_a_login_reads_no_project_as_itself(login, ada, role):
    session = login(role)
    refused(session, psycopg.errors.InsufficientPrivilege, "select * from public.projects")


@pytest.mark.parametrize("role", LOGINS)
def test_no_login_makes_a_temporary_table_or_a_table(login, role):
    session = login(role)
    session.execute("set default_transaction_read_only = off")
    refused(session, psycopg.errors.InsufficientPrivilege, "create temporary table projects (id int)")
    refused(session, psycopg.errors.InsufficientPrivilege, "create table public.mine (id int)")


def test_the_backup_login_dumps_every_row_and_writes_none(safe, url, login, ada):
    session = login("backup")
    run = subprocess.run(
        [str(safe.programs / "pg_dump"), "--dbname", as_login(url, "backup")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert ada in run.stdout, "row security doesn't hide rows from a backup"
    assert run.stderr == ""
    for schema in ("next_auth", "private", "analytics", "supabase_migrations", "storage"):
        assert f"CREATE SCHEMA {schema};" in run.stdout
    refused(session, psycopg.errors.ReadOnlySqlTransaction, "delete from public.projects")
    session.execute("set default_transaction_read_only = off")
    for statement in (
        "delete from public.projects",
        "update public.users set display_name = 'x'",
        "insert into next_auth.users (email) values ('x@example.org')",
        "truncate analytics.api_usage",
    ):
        refused(session, psycopg.errors.InsufficientPrivilege, statement)


def test_the_migrator_rolls_back_and_applies_the_apps_steps_and_notes_it(url, login):
    login("migrator")
    # Event triggers are a superuser's: those of this one and what comes after it are rolled back by one.
    (events,) = [int(each.version) for each in provision.steps("migrations") if "structure_changes" in each.name]
    here = as_login(url, "migrator")
    assert ops.main(["migrate", "status", "--url", here, "--quiet"]) == 0
    with psycopg.connect(url, autocommit=True) as admin:
        schemas = ["private", "public", "supabase_migrations"]
        snapshot = Stack(url, ConnectionInfo.of(url), {"name": "schema", "schemas": schemas})
        newest = ["migrate", "down", "--to", str(events - 1), "--lose", "--url", url, "--quiet"]
        assert ops.main(newest) == 0
        snapshot.begin()
        try:
            assert ops.main(["migrate", "down", "--to", str(events - 2), "--lose", "--url", here, "--quiet"]) == 0
            assert ops.main(["migrate", "status", "--url", here, "--quiet"]) == 2
        finally:
            assert ops.main(["migrate", "up", "--url", here, "--quiet"]) == 0
            changed = snapshot.refresh()
            assert ops.main(newest) == 0
            assert ops.main(["migrate", "up", "--url", url, "--quiet"]) == 0
            admin.execute("set search_path = ''")
            provision.apply_grants(admin)
        assert changed == {}, "what it did isn't a manual change"
        admin.execute("delete from supabase_migrations.schema_snapshot")
        owners = "select distinct pg_get_userbyid(relowner) from pg_class where relnamespace = 'public'::regnamespace"
        assert admin.execute(owners).fetchall() == [("app_owner",)]


def test_the_migrator_touches_neither_roles_nor_the_platform(login):
    session = login("migrator")
    for statement in (
        "create role stray",
        "alter role anon bypassrls",
        "grant app_owner to authjs",
        "delete from supabase_migrations.platform_migrations",
        "alter table storage.objects disable row level security",
        "select rolpassword from pg_authid",
    ):
        refused(session, psycopg.errors.InsufficientPrivilege, statement)
        session.execute("set role app_owner")
        refused(session, psycopg.errors.InsufficientPrivilege, statement)
        session.execute("reset role")


def test_a_limit_of_connections_holds(url, login):
    limit = ROLES["monitor"].limit
    sessions = [login("monitor") for _ in range(limit)]
    assert len(sessions) == limit
    with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
        psycopg.connect(as_login(url, "monitor"))


@pytest.mark.parametrize("role", LOGINS)
def test_a_login_starts_with_its_declared_settings(login, role):
    session = login(role)
    for setting, value in ROLES[role].settings.items():
        assert session.execute("select current_setting(%s)", (setting,)).fetchone() == (value,)


# Default privileges.

MAKES = {
    "table": ("create table public.made (id int)", "has_table_privilege(%s, 'public.made', 'select, insert')"),
    "sequence": ("create sequence public.made", "has_sequence_privilege(%s, 'public.made', 'usage, select, update')"),
    "function": (
        "create function public.made() returns int language sql as 'select 1'",
        "has_function_privilege(%s, 'public.made()', 'execute')",
    ),
    "type": ("create type public.made as enum ('x')", "has_type_privilege(%s, 'public.made', 'usage')"),
    "domain": ("create domain public.made as text", "has_type_privilege(%s, 'public.made', 'usage')"),
    "schema": ("create schema made", "has_schema_privilege(%s, 'made', 'usage, create')"),
}


@pytest.mark.parametrize("maker", ["app_owner", "postgres"])
@pytest.mark.parametrize("kind", MAKES)
def test_what_is_made_is_nobodys_until_it_is_granted(audited, maker, kind):
    connection = audited.connection
    make, may = MAKES[kind]
    connection.execute("grant create on database postgres to app_owner")
    connection.execute(f"set local role {maker}; {make}; reset role")
    for role in (*API, "authenticator", "authjs", "monitor", "migrator"):
        assert connection.execute(f"select {may}".encode(), (role,)).fetchone() == (False,), role
    assert connection.execute(f"select {may}".encode(), (maker,)).fetchone() == (True,)


def test_an_extension_that_comes_later_works_for_people(audited):
    audited.connection.execute("create extension citext schema extensions; set local role authenticated")
    query = "select 'A'::extensions.citext operator(extensions.=) 'a'::extensions.citext"
    assert audited.connection.execute(query).fetchone() == (True,)
