"""A database as `make up` leaves it, on a server of its own with the settings of every local one; and a weak server."""

import secrets
import shutil
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from pgprovider import snapshots
from pgprovider.resources.password import scram_verifier
from psycopg import sql

from components import grants, rolespecs
from components.structure import EXTENSIONS, HISTORY_SCHEMA
from local import postgres
from ops import migrate
from ops.audit.declared import Declared
from ops.audit.model import Audited
from tests import conftest as world
from tests.sql import provision

Connection = psycopg.Connection[tuple[Any, ...]]
BUCKETS = {"audio": {"public": False, "file_size_limit": 50_000_000, "allowed_mime_types": ["audio/mpeg"]}}
WEAK = {
    "listen_addresses": "0.0.0.0",
    "password_encryption": "md5",
    "log_connections": "off",
    "log_statement": "none",
    "log_line_prefix": "%t ",
    "log_timezone": "Europe/Paris",
    "fsync": "off",
    "full_page_writes": "off",
    "ssl_min_protocol_version": "TLSv1.1",
    "shared_preload_libraries": "pg_stat_statements,auto_explain,pg_prewarm",
}
HBA = (
    "host all all 0.0.0.0/0 trust",
    "host all all 10.0.0.0/8 md5",
    "host all all 192.168.0.0/16 scram-sha-256",
    "hostssl all all 172.16.0.0/12 scram-sha-256",
)


@pytest.fixture(scope="session", params=list(world.installations()))
def safe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[world.Cluster]:
    """Not the one of the other tests: their roles would be findings, and it is fast where it should be safe."""
    folder, programs = tmp_path_factory.mktemp("audited"), world.installations()[request.param]
    yield world.Cluster(postgres.ensure(folder, programs), programs, folder)
    postgres.remove(folder, programs)
    shutil.rmtree(folder)


@pytest.fixture
def server(safe: world.Cluster) -> postgres.Server:
    return safe.server


@pytest.fixture(scope="session")
def url(safe: world.Cluster) -> str:
    """The complete database."""
    server = safe.server
    with psycopg.connect(server.url(), autocommit=True) as connection:
        provision.prepare(connection)
        for extension in EXTENSIONS:
            connection.execute(f"create extension if not exists {extension} schema extensions")
        _finish_roles(connection)
        # The real command, for the history that it keeps.
        assert migrate.main(["up", "--url", server.url(), "--quiet"]) == 0
        provision.apply_policies(connection)
        provision.apply_grants(connection)
        _let_the_migrator(connection)
        connection.execute(
            "create publication supabase_realtime for table " + ", ".join(Declared().parameters["published"])
        )
        connection.execute(
            "insert into storage.buckets (id, name, file_size_limit, allowed_mime_types) "
            "values ('audio', 'audio', 50000000, array['audio/mpeg'])"
        )
    return server.url()


def _finish_roles(connection: Connection) -> None:
    for role, spec in rolespecs.ROLES.items():
        name = sql.Identifier(role)
        if spec.login:
            verifier = scram_verifier(secrets.token_urlsafe(8), secrets.token_bytes(16))
            connection.execute(sql.SQL("alter role {} password {}").format(name, sql.Literal(verifier)))
        connection.execute(sql.SQL("alter role {} connection limit {}").format(name, sql.Literal(spec.limit)))
        for setting, value in spec.settings.items():
            connection.execute(
                sql.SQL("alter role {} set {} = {}").format(name, sql.Identifier(setting), sql.Literal(value))
            )


def _let_the_migrator(connection: Connection) -> None:
    connection.execute(snapshots._text("tables").encode())
    provision.grant(
        connection,
        {
            "schema": {HISTORY_SCHEMA: {"migrator": ["usage"]}},
            "table": {f"{HISTORY_SCHEMA}.{table}": roles for table, roles in grants.HISTORY.items()},
        },
    )
    for table in grants.HISTORY:
        connection.execute(
            f"create policy {table}_migrator on {HISTORY_SCHEMA}.{table} to migrator using (true) with check (true)"
        )


@pytest.fixture
def audited(url: str) -> Iterator[Audited]:
    """The complete database, in a transaction that is rolled back."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        with connection.transaction(force_rollback=True):
            yield Audited(connection, Declared(BUCKETS), stack="dev", state={})


@pytest.fixture(scope="session")
def weak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A server that lets everybody in and forgets what it was told."""
    folder = tmp_path_factory.mktemp("weak")
    server = postgres.ensure(folder, None, WEAK)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        (path,) = provision.row(connection, "show hba_file")
        with open(path, "a") as file:
            file.write("\n".join(HBA) + "\n")
        yield connection
    postgres.remove(folder)
    shutil.rmtree(folder)
