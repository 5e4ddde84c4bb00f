"""A database as `make up` leaves it, on a server of its own with the settings of every local one; and a weak server."""

import shutil
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from harness import scratch
from local import postgres
from ops.audit.declared import AuditedDeclaration
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
    "log_min_duration_statement": "-1",
    "log_lock_waits": "off",
    "track_io_timing": "off",
    "log_line_prefix": "%t ",
    "log_timezone": "Europe/Paris",
    "fsync": "off",
    "full_page_writes": "off",
    "ssl_min_protocol_version": "TLSv1.1",
    "shared_preload_libraries": "auto_explain,pg_prewarm",
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
def server(safe: world.Cluster) -> postgres.RunningServer:
    return safe.server


@pytest.fixture(scope="session")
def url(safe: world.Cluster) -> str:
    """The complete database."""
    scratch.complete(safe.server.url())
    with psycopg.connect(safe.server.url(), autocommit=True) as connection:
        connection.execute(
            "insert into storage.buckets (id, name, file_size_limit, allowed_mime_types) "
            "values ('audio', 'audio', 50000000, array['audio/mpeg'])"
        )
    return safe.server.url()


@pytest.fixture
def audited(url: str) -> Iterator[Audited]:
    """The complete database, in a transaction that is rolled back."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        with connection.transaction(force_rollback=True):
            yield Audited(connection, AuditedDeclaration(BUCKETS), stack="dev", state={})


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
