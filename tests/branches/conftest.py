"""A database with rows that are nobody else's business, and a server with empty tables to copy them into."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from harness import data, scratch
from local.postgres import RunningServer
from ops.branches import copying, structure
from ops.branches.copying import Copied
from tests.conftest import Cluster

PROJECTS = 60
BASE = "base"


@dataclass
class Copies:
    """Databases with the tables of the source and no rows, each of its own."""

    server: RunningServer
    source: str
    numbers: Iterator[int]

    def database(self, *statements: str) -> str:
        """The URL of another one."""
        name = f"copy_{next(self.numbers)}"
        with psycopg.connect(self.server.url(), autocommit=True) as session:
            session.execute(f"create database {name} template {BASE}".encode())
        for statement in statements:
            execute(self.server.url(name), statement)
        return self.server.url(name)

    def copied(self, url: str, progress: Callable[[str], None] = lambda table: None) -> Copied:
        with copying.opened(self.source) as (source, taken_at):
            return copying.copy(source, taken_at, url, progress)


def execute(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as session:
        found = session.execute(statement.encode())
        return found.fetchall() if found.description else []


@pytest.fixture(scope="module")
def source(cluster: Cluster, complete_template: str) -> Iterator[str]:
    """The URL of a provisioned database with rows in most of its tables."""
    database = cluster.create(f"{complete_template}_rows", complete_template)
    with psycopg.connect(database.url, autocommit=True) as session:
        for _ in data.generate(session, PROJECTS):
            pass
    yield database.url
    cluster.drop(database.name)


@pytest.fixture(scope="module")
def copies(source: str) -> Iterator[Copies]:
    """The structure is made once, by what the source's history says."""
    with scratch.server() as server:
        execute(server.url(), f"create database {BASE}")
        with copying.opened(source) as (session, _):
            steps = structure.applied(session)
        structure.build(server.url(BASE), steps)
        yield Copies(server, source, itertools.count())
