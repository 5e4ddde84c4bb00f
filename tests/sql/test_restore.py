"""A dump that was restored is the database that was dumped: nothing differs, also under a newer PostgreSQL."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from harness.scratch import ROWS, without
from harness.stack import Stack, declaration
from local import postgres

NEW = postgres.wheel_binaries()
# The restore of a summary's rows runs as the owner, whom forced row security binds.
SUMMARIES = ("query would be affected by row-level security policy", "has not been populated")


def run(program: Path, *arguments: str) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, text=True, env={**os.environ, "PGOPTIONS": ""})
    unexpected = [
        line for line in done.stderr.splitlines() if "error:" in line and not any(word in line for word in SUMMARIES)
    ]
    assert unexpected == []
    return done.stdout


def dump(programs: Path, url: str, path: Path) -> Path:
    run(programs / "pg_dump", "-Fc", "-f", str(path), "-d", url)
    return path


def structure(programs: Path, url: str) -> list[str]:
    """The text of a dump without data, and without what differs between two dumps of the same."""
    text = run(programs / "pg_dump", "--schema-only", "-d", url)
    return [line for line in text.splitlines() if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))]


def restore(programs: Path, file: Path, url: str) -> None:
    run(programs / "pg_restore", "-d", url, str(file))


def takes_up(url: str) -> None:
    """A stack that has lost its state finds everything as it declares it."""
    with psycopg.connect(url) as connection:
        name = connection.info.dbname
    stack = Stack(url, without(declaration(name), *ROWS))
    first = stack.preview()
    assert [line for line in first.messages if "manually" in line] == []
    assert stack.up().errors == {}
    again = stack.preview()
    assert (again.text, again.changes) == ([], {})


def test_what_was_restored_is_taken_up_without_a_manual_change(
    cluster: Any, provisioned_database: Any, database: Any, tmp_path: Path
) -> None:
    programs = cluster.programs
    restore(programs, dump(programs, provisioned_database.url, tmp_path / "dump"), database.url)
    # The text settles with the first restore: what is stored then is what the parser makes of it.
    settled = structure(programs, database.url)
    takes_up(database.url)
    again = cluster.create(f"{database.name}_again", "template0")
    try:
        restore(programs, dump(programs, database.url, tmp_path / "again"), again.url)
        assert structure(programs, again.url) == settled
    finally:
        cluster.drop(again.name)


@pytest.fixture
def newer(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Server]:
    """An empty server of the newest version, with the roles of the older one."""
    if cluster.programs == NEW:
        pytest.skip("this is the newest one already")
    folder = tmp_path_factory.mktemp("newer")
    server = postgres.ensure(folder, NEW, {"fsync": "off"})
    roles = run(NEW / "pg_dumpall", "--roles-only", "-d", cluster.server.url())
    with psycopg.connect(server.url(), autocommit=True) as connection:
        for line in roles.splitlines():
            if line.startswith(("CREATE ROLE", "ALTER ROLE", "GRANT")) and "ROLE postgres" not in line:
                connection.execute(line.encode())
    yield server
    postgres.remove(folder, NEW)


def test_an_older_version_s_dump_is_taken_up_by_a_newer_one(
    newer: postgres.Server, provisioned_database: Any, tmp_path: Path
) -> None:
    with psycopg.connect(newer.url(), autocommit=True) as connection:
        connection.execute("create database app template template0")
    restore(NEW, dump(NEW, provisioned_database.url, tmp_path / "dump"), newer.url("app"))
    takes_up(newer.url("app"))
