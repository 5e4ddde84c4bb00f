"""What opens something in a database is in the list of who reaches what: each change made on PostgreSQL, and undone."""

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from ops.review import accesslist
from ops.review.accesschanges import changes

MORE = "more"
# What is done → the direction, who, and of what it is said.
OPENED = {
    "create or replace function private.is_super_admin() returns boolean language sql stable security definer "
    "set search_path = '' as 'select true'": ("other", "its callers", "function private.is_super_admin()"),
    "alter function auth.uid() leakproof": ("other", "its callers", "function auth.uid()"),
    # What a row policy calls, calls it.
    "alter function private.acts_as_super_admin() leakproof": (
        "other",
        "its callers",
        "function private.acts_as_super_admin()",
    ),
    "alter function public.my_budget() security definer": (MORE, "its callers", "function public.my_budget()"),
    "alter view audit.entries reset (security_invoker)": (MORE, "everybody with a grant", "view audit.entries"),
    "create or replace view authjs.users with (security_invoker = true) as select * from next_auth.users where true": (
        "other",
        "everybody with a grant",
        "view authjs.users",
    ),
    "alter table public.projects owner to authenticated": (MORE, "authenticated", "table public.projects"),
    "alter view audit.entries owner to authenticated": (MORE, "authenticated", "view audit.entries"),
    "alter schema private owner to authenticated": (MORE, "authenticated", "schema private"),
    "alter function private.is_here() owner to postgres": (MORE, "postgres", "function private.is_here()"),
    "alter type storage.buckettype owner to authenticated": (MORE, "authenticated", "type storage.buckettype"),
    "grant select on {partition} to anon": (MORE, "anon", "partition {partition}"),
    "grant select (lane) on {partition} to anon": (MORE, "anon", "partition {partition}"),
    "alter table {partition} disable row level security": (
        MORE,
        "everybody with a grant",
        "table partition {partition}",
    ),
    "create policy open on {partition} for select to anon using (true)": (
        MORE,
        "anon",
        "rows of partition {partition}",
    ),
    "alter table {partition} owner to authenticated": (MORE, "authenticated", "partition {partition}"),
    "alter default privileges for role app_owner grant select on tables to anon": (
        MORE,
        "anon",
        "tables that app_owner makes",
    ),
    "alter default privileges for role app_owner grant execute on functions to public": (
        MORE,
        "public",
        "functions that app_owner makes",
    ),
    "grant app_owner to migrator with admin option": (MORE, "migrator", "role migrator"),
    "create role helper; grant service_role to helper": (MORE, "helper", "role helper"),
    "create role chief superuser": (MORE, "chief", "role chief"),
    "alter role authenticator set role = 'service_role'": ("other", "authenticator", "role authenticator"),
    "alter role anon set statement_timeout = 0": ("other", "anon", "role anon"),
    "alter database {database} set row_security = off": ("other", "every role", "role every role"),
    "create table public.more (); alter table public.more owner to supabase_storage_admin": (
        MORE,
        "supabase_storage_admin",
        "table public.more",
    ),
    "grant create on database {database} to anon": (MORE, "anon", "the database"),
    "grant set on parameter session_replication_role to anon": (MORE, "anon", "parameter session_replication_role"),
    "grant select on pg_authid to anon": (MORE, "anon", "table pg_catalog.pg_authid"),
    "grant select (rolpassword) on pg_authid to anon": (MORE, "anon", "table pg_catalog.pg_authid (rolpassword)"),
    "grant execute on function pg_catalog.pg_read_file(text) to anon": (MORE, "anon", "function pg_read_file(text)"),
    "grant execute on function pg_catalog.lo_create(oid) to public": (MORE, "public", "function lo_create(oid)"),
    "grant select on statistics.pg_stat_statements to anon": (MORE, "anon", "view statistics.pg_stat_statements"),
    "grant usage on language plpgsql to anon": (MORE, "anon", "language plpgsql"),
    "create publication leak for table public.users": (MORE, "its subscribers", "publication leak"),
    "create publication leak for tables in schema audit": (MORE, "its subscribers", "publication leak"),
    "alter publication supabase_realtime add table public.users": (
        MORE,
        "its subscribers",
        "publication supabase_realtime",
    ),
    "create foreign data wrapper far; create server far foreign data wrapper far; grant usage on foreign server far "
    "to anon": (MORE, "anon", "foreign server far"),
    "create foreign data wrapper far; create server far foreign data wrapper far; create user mapping for anon "
    "server far": (MORE, "anon", "foreign server far"),
    "select lo_create(77); grant select on large object 77 to anon": (MORE, "anon", "large object 77"),
}


@pytest.fixture(scope="module")
def shared(cluster: Any, complete_template: str) -> Iterator[psycopg.Connection[Any]]:
    database = cluster.create(f"reached_{os.getpid()}", complete_template)
    with psycopg.connect(database.url) as found:
        yield found
    cluster.drop(database.name)


@pytest.fixture(scope="module")
def before(shared: psycopg.Connection[Any]) -> dict[str, Any]:
    return accesslist.catalogue(shared, {})


@pytest.fixture
def connection(shared: psycopg.Connection[Any], before: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    """Nothing that a test does is kept."""
    yield shared
    shared.rollback()


def test_what_is_listed_is_the_same_each_time(connection: Any, before: dict[str, Any]) -> None:
    assert changes(before, accesslist.catalogue(connection, {})) == []


@pytest.mark.parametrize("sql", OPENED)
def test_what_opens_something_is_said(connection: Any, before: dict[str, Any], sql: str) -> None:
    (partition,) = connection.execute(
        "select min(c.oid::regclass::text) from pg_class as c where c.oid in "
        "(select inhrelid from pg_inherits where inhparent = 'audit.log'::regclass) and c.relname ~ '_20'"
    ).fetchone()
    names = {"partition": partition, "database": connection.info.dbname}
    connection.execute(sql.format(**names))
    found = changes(before, accesslist.catalogue(connection, {}))
    direction, who, object = OPENED[sql]
    said = [(each.direction, each.who, each.object) for each in found]
    assert (direction, who, object.format(**names)) in said, found
    assert len({each for each in found if each.direction != "less"}) <= 4, found


def test_a_month_more_changes_nothing(connection: Any, before: dict[str, Any]) -> None:
    """As housekeeping makes one: it has what each partition of its table has."""
    connection.execute(
        "create table audit.log_2031_05 partition of audit.log for values from ('2031-05-01') to ('2031-06-01')"
    )
    connection.execute("alter table audit.log_2031_05 enable row level security, force row level security")
    connection.execute("alter table audit.log_2031_05 owner to app_owner")
    connection.execute("create policy log_2031_05_select_backup on audit.log_2031_05 for select to backup using (true)")
    connection.execute("comment on policy log_2031_05_select_backup on audit.log_2031_05 is 'Backups read all.'")
    found = changes(before, accesslist.catalogue(connection, {}))
    assert found == []
