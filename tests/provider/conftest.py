"""The provider's world: a database whose tables are made new for each test, and two logins to run everything with.

The suite runs as a superuser and, as on RDS and Supabase, as a login that has CREATEROLE and CREATEDB, owns the
database and is a member of the owner roles, and is no superuser.
"""

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from harness.engine import Engine
from tests.provider.folders import Folder, make_folder
from tests.provider.world import COPIES, World, login_of
from tests.sql import provision

TABLES = """
create table public.notes (id bigint generated always as identity primary key, writer text, title text, body text,
    "emailVerified" timestamptz);
alter table public.notes enable row level security;
alter table public.notes force row level security;
create table public.other (id bigint primary key);
create sequence public.counter;
create type public.mood as enum ('good');
create function public.greet(who text) returns text language sql return 'hello ' || who;
create function public.helps(who text) returns boolean language sql return who = current_user;
create procedure public.tidy() language sql begin atomic select 1; end;
"""

RESET = """
do $$ declare name text; begin
    for name in select pubname from pg_publication loop execute format('drop publication %I', name); end loop;
end $$;
drop schema if exists supabase_migrations cascade;
drop schema if exists history cascade;
drop extension if exists citext, earthdistance, cube, pg_trgm cascade;
drop schema if exists lent cascade;
drop schema if exists extra cascade;
drop schema if exists made_here cascade;
drop schema public cascade;
create schema public;
grant usage, create on schema public to app_owner;
create schema extra authorization app_owner;
set local storage.allow_delete_query = 'true';
truncate storage.buckets cascade;
set local role app_owner;
"""

MEMBER = """
grant app_owner, supabase_storage_admin to {master};
grant {reader}, {writer} to {master} with admin option;
"""


@dataclass(frozen=True)
class Template:
    database: Any
    names: dict[str, str]
    superuser: dict[str, Any]
    owner: dict[str, Any]


@pytest.fixture(scope="session")
def provider_template(cluster: Any, frame: Any) -> Iterator[Template]:
    """Roles, schemas, the platform layer and some tables of the app's owner."""
    run = os.getpid()
    names = {word: f"{word}_{run}" for word in ("reader", "writer", "made", "master")}
    password = secrets.token_urlsafe(12)
    database = cluster.create(f"provider_{run}", f"frame_{run}")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(f"revoke all on database {database.name} from public")
        connection.execute(f"grant temporary on database {database.name} to app_owner")
        provision.migrate(connection, "sql/platform")
        connection.execute("drop schema supabase_migrations cascade")
        connection.execute(f"create role {names['master']} login createrole createdb password '{password}'")
        for name in (names["reader"], names["writer"]):
            connection.execute(f"create role {name}")
        connection.execute(f"alter database {database.name} owner to {names['master']}")
    yield Template(database, names, login_of(database), login_of(database, names["master"], password))
    cluster.drop(database.name)
    for name in names.values():
        cluster.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))


@pytest.fixture(params=["superuser", "owner"])
def world(request: pytest.FixtureRequest, provider_template: Template) -> Iterator[World]:
    """The run's database with its tables new, and a plugin that is connected to it."""
    yield from _world(provider_template, superuser=request.param == "superuser")


@pytest.fixture
def plain_world(provider_template: Template) -> Iterator[World]:
    """The same as superuser only, for what doesn't depend on rights."""
    yield from _world(provider_template, superuser=True)


def _world(template: Template, superuser: bool) -> Iterator[World]:
    """The run's database with its tables made again, which takes a fifth of the time that another clone does."""
    login = template.superuser if superuser else template.owner
    with psycopg.connect(template.database.url, autocommit=True) as connection:
        with connection.transaction():
            # The roles are the whole server's, and other tests run the repairs that an audit proposes.
            connection.execute(MEMBER.format(**template.names).encode())
            connection.execute((RESET + TABLES).encode())
        engine = Engine().configure(login)
        names = template.names | {"database": template.database.name}
        try:
            yield World(engine, template.database, login, superuser, names, connection)
        finally:
            engine.close()
            connection.rollback()
            _drop_copies(template.database.url)
            connection.execute(f"drop owned by {names['reader']}, {names['writer']}".encode())
            if connection.execute(f"select 1 from pg_roles where rolname = '{names['made']}'".encode()).fetchall():
                connection.execute(f"drop owned by {names['made']}; drop role {names['made']}".encode())


def _drop_copies(url: str) -> None:
    """What previews of other engines have left, which nobody ended."""
    with psycopg.connect(url, autocommit=True) as connection:
        for (name,) in connection.execute(COPIES.encode()).fetchall():
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def folder(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """An empty folder of migrations; with both logins."""
    return make_folder(world, tmp_path, monkeypatch)


@pytest.fixture
def plain_folder(plain_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """The same as superuser only, for what doesn't depend on rights."""
    return make_folder(plain_world, tmp_path, monkeypatch)


@pytest.fixture
def second_session(provider_template: Template) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """The app, or somebody with psql: holds locks while migrations run."""
    with psycopg.connect(provider_template.database.url, autocommit=True, application_name="app") as connection:
        yield connection


@pytest.fixture
def unconnected() -> Iterator[Engine]:
    """A plugin that was never told where the server is, as in the preview of a new environment."""
    engine = Engine()
    yield engine
    engine.close()
