"""The URLs that this project puts together, as psql and node-postgres read them: IPv6, a socket, odd names."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from declared import connectionurl
from local import postgres
from tests.clients.world import Programs
from tests.conftest import FAST

DATABASE, ROLE, PASSWORD = "ein Name é", "wé ird@", "p@:/%#? é[]&=+\"'x\\,"


@pytest.fixture(scope="module")
def urls(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server's URLs by how they lead to it."""
    folder, sockets = tmp_path_factory.mktemp("urls"), Path(tempfile.mkdtemp(dir="/var/tmp"))
    sockets.chmod(0o777)
    settings = {"listen_addresses": "127.0.0.1, ::1", "unix_socket_directories": str(sockets)}
    server = postgres.ensure(folder, cluster.programs, FAST | settings)
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
        login = sql.SQL("create role {} login password {}")
        connection.execute(login.format(sql.Identifier(ROLE), sql.Literal(PASSWORD)))
    parameters = {**server.parameters(DATABASE), "user": ROLE, "password": PASSWORD}
    hosts = {"IPv4": "127.0.0.1", "IPv6": "::1", "a socket": str(sockets)}
    yield {name: connectionurl.compose({**parameters, "host": host}) for name, host in hosts.items()}
    postgres.remove(folder, cluster.programs)
    shutil.rmtree(sockets)


def test_psql_reads_them(cluster, urls):
    for url in urls.values():
        done = subprocess.run(
            [cluster.programs / "psql", url, "-Atc", "select current_database(), current_user"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == f"{DATABASE}|{ROLE}\n", done.stderr


def test_node_postgres_reads_them(programs: Programs, urls):
    assert programs.run("urls.mjs", urls=urls, database=DATABASE) == dict.fromkeys(urls, "ok")
