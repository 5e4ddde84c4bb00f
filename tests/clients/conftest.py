"""The real clients: Auth.js' adapters, supabase-js through PostgREST. They write, so the database is theirs alone."""

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import toolchain
from harness import data
from provider import openpgp
from tests.clients import localapi, typescript, world
from tests.clients.localapi import LocalApi
from tests.clients.typescript import App
from tests.clients.world import Complete, Programs
from tests.conftest import absent
from tests.local.conftest import MotoServer
from tests.sql import provision
from tests.sql.provision import ADA, BOB
from toolchain import node, postgrest, versions

PROJECTS = 1000
# People without a name, files of no type and files that the scanner has given up, a bucket that no quota counts.
UNUSUAL = """
update public.users as u set display_name = null from next_auth.users as n where n.id = u.id and n.email ~ '[05]@';
update public.users as u set avatar_url = 'https://example.org/a.png'
from next_auth.users as n where n.id = u.id and n.email ~ '[12]@';
update private.object_scans set mime_type = null where status = 'pending' and version < '8';
update private.object_scans set status = 'failed', scanned_at = now() where version < '1' and status = 'clean';
insert into storage.buckets (id, name) values ('servers', 'servers')
"""


@pytest.fixture(scope="session")
def packages() -> node.Packages:
    """The packages that package-lock.json pins, in the cache."""
    try:
        return node.ensure(toolchain.context_of(), world.HERE)
    except toolchain.ToolchainError as error:
        absent(f"no real clients here: {error}")


@pytest.fixture(scope="module")
def app(packages: node.Packages, tmp_path_factory: pytest.TempPathFactory) -> App:
    try:
        own = node.ensure(toolchain.context_of(), versions.TYPESCRIPT)
    except toolchain.ToolchainError as error:
        absent(f"no TypeScript here: {error}")
    return typescript.app(tmp_path_factory.mktemp("typed") / "app", own, packages)


@pytest.fixture(scope="session")
def programs(packages: node.Packages, tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return world.programs(packages, tmp_path_factory.mktemp("clients"))


@pytest.fixture(scope="session")
def complete(cluster: Any, complete_template: str) -> Iterator[Complete]:
    """A database with the complete SQL, its rows committed, and logins that have passwords."""
    name = f"clients_{os.getpid()}"
    database = cluster.create(name, complete_template)
    passwords, keys = world.new_passwords(), openpgp.generate()
    with psycopg.connect(database.url, autocommit=True) as connection:
        for login, password in passwords.items():
            connection.execute(
                sql.SQL("alter role {} password {}").format(sql.Identifier(login), sql.Literal(password))
            )
        connection.execute(f"alter role authjs in database {name} set search_path = authjs".encode())
        connection.execute("insert into private.sealing_keys values ('k1', 0, decode(%s, 'base64'))", (keys.public,))
    yield Complete(database, passwords, keys.private)
    cluster.drop(name)


@pytest.fixture(scope="session")
def product(cluster: Any, complete: Complete, complete_template: str) -> Iterator[Complete]:
    """Another one with the same logins, and a small product's worth of data."""
    name = f"product_{os.getpid()}"
    database = cluster.create(name, complete_template)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        assert [*data.generate(connection, PROJECTS)]
        connection.execute(UNUSUAL.encode())
        connection.execute(f"alter role authjs in database {name} set search_path = authjs".encode())
    yield replace(complete, database=database)
    cluster.drop(name)


@pytest.fixture
def admin(complete: Complete) -> Iterator[provision.Connection]:
    """The superuser on that database, each statement committed."""
    with psycopg.connect(complete.database.url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def people(admin: provision.Connection) -> None:
    """Ada and Bob, committed, for the clients have connections of its own."""
    # What deleted projects of another test have left to the servers.
    admin.execute("delete from private.deletion_queue")
    admin.execute("delete from next_auth.users where id = any(%s)", ([ADA, BOB],))
    # Who has left doesn't come back under the same id.
    admin.execute("delete from private.departures where user_id = any(%s)", ([ADA, BOB],))
    provision.add_people(admin)


@pytest.fixture(scope="session")
def pgbouncer() -> Path:
    """The machine's PgBouncer; no registry that we use has one."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        absent("no pgbouncer on PATH nor in /usr/sbin (Debian: apt install pgbouncer)")
    return Path(program)


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    server = MotoServer(tmp_path_factory.mktemp("moto") / "state")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def served(
    packages: object, complete: Complete, moto: MotoServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalApi]:
    with localapi.running(complete, moto, tmp_path_factory.mktemp("api")) as found:
        yield found


@pytest.fixture(scope="session")
def jwt_secret() -> str:
    return secrets.token_urlsafe(32)


@pytest.fixture(scope="session")
def api(complete: Complete, jwt_secret: str) -> Iterator[str]:
    """PostgREST over the login authenticator; its address."""
    try:
        program = postgrest.ensure(toolchain.context_of())
    except toolchain.ToolchainError as error:
        absent(str(error))
    with world.postgrest(program, complete.url("authenticator"), jwt_secret) as address:
        yield address
