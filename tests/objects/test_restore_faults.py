"""A whole restore that meets a full disk, a prepared transaction, Ctrl-C or a long name; and who has left elsewhere."""

import json
import resource
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from declared.errors import UserError
from local import postgres
from ops import __main__ as ops
from ops.backups import checking, making, options, refusals, restoring
from ops.backups.errors import BackupError
from ops.backups.whole import Whole
from ops.environment import Environment
from tests.conftest import Cluster
from tests.objects.test_backups import IDENTITY, Memory

pytestmark = pytest.mark.xdist_group("backups")
PERSON = "00000000-0000-7000-8000-00000000000a"
NAMES = "select datname::text, datconnlimit from pg_database where datname ~ '^(made|long)' order by 1"
# As much of the app as a whole restore asks.
PEOPLE = f"""
create schema private; create schema ops; create table people (id uuid); insert into people values ('{PERSON}');
create table private.departures (user_id uuid, departed_at timestamptz default now());
create function ops.depart(gone uuid[]) returns bigint language sql as $$
    with left_again as (delete from people where id = any(gone) returning 1) select count(*) from left_again $$"""
# More than a file of the server may hold; and an index that is sorted in more memory than it gets.
LARGE = "create table large as select g as id, repeat('x', 900) as filler from generate_series(1, 30000) as g"
SORTED = """
create table large as select g as id, md5(g::text) as filler from generate_series(1, 60000) as g;
create index on large (filler)"""
LARGEST_FILE = 20 << 20


def interrupt() -> None:
    """As Ctrl-C does."""
    number = threading.main_thread().ident
    assert number
    signal.pthread_kill(number, signal.SIGINT)


class Server:
    """A server of these tests, with databases that come and go; none of its files grows beyond a limit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = postgres.wheel_binaries()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, hard))
        try:
            self.at = postgres.ensure(folder, self.programs, {"fsync": "off", "max_prepared_transactions": "2"})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    def run(self, statement: str, database: str = "postgres") -> list[Any]:
        with psycopg.connect(self.at.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def backed_up(self, name: str, statements: str, url: str = "") -> Whole:
        """A new database, and the restore of its backup, or of that of another one of the same name."""
        self.run(f'create database "{name}"')
        self.run(statements, name)
        place = Memory()
        making.Making("dev", url or self.at.url(name), place, [IDENTITY.to_public()]).run()
        return Whole(self.at.url(name), checking.named(place, None), [IDENTITY])


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("faults")
    for each in (folder, *folder.parents[:3]):
        each.chmod(0o755)
    made = Server(folder / "server")
    yield made
    postgres.remove(made.folder, made.programs)


@pytest.fixture
def server(started: Server) -> Iterator[Server]:
    yield started
    for name, _ in started.run(NAMES):
        started.run(f'drop database "{name}" with (force)')


def test_what_is_kept_of_a_database_with_a_long_name_is_found(server: Server):
    """Names that begin alike are different, and PostgreSQL cuts none off."""
    name, other = "long_" + "é" * 20 + "_a", "long_" + "é" * 20 + "_b"
    task = server.backed_up(name, "create table one (id int)")
    server.run(f'create database "{other}"')
    task.run(task.plan())
    aside = Whole(server.at.url(other), task.backup, [IDENTITY])._before
    (kept,) = task.plan().before
    assert len(kept.encode()) <= 63
    assert {each for each, _ in server.run(NAMES)} == {name, other, kept}
    task.database = other
    task.__post_init__()
    with psycopg.connect(server.at.url()) as session:
        assert aside(session) == [kept], "the manifest names the database"
    assert server.run("select count(*) from one", name) == [(0,)]


def test_a_prepared_transaction_is_named_and_nothing_is_changed(server: Server):
    task = server.backed_up("made", "create table one (id int)")
    plan = task.plan()
    idle = psycopg.connect(server.at.url("made"))
    server.run("begin; insert into one values (1); prepare transaction 'kept open'", "made")
    said = r"^database made: has the prepared transaction 'kept open', which keeps it from being renamed; end it there"
    for attempt in (task.plan, lambda: task.run(plan)):
        with pytest.raises(BackupError, match=said):
            attempt()
    assert server.run(NAMES) == [("made", -1)]
    assert idle.execute("select 1").fetchone() == (1,), "no session was ended"
    idle.close()
    server.run("rollback prepared 'kept open'", "made")
    task.run(task.plan())


@pytest.mark.parametrize(
    ("made", "options", "said"),
    [
        (LARGE, "", "rows: PostgreSQL refuses its rows: "),
        (SORTED, "-c temp_file_limit=64kB -c maintenance_work_mem=1MB", "temporary file size exceeds temp_file_limit"),
    ],
    ids=["rows", "index"],
)
def test_a_full_disk_leaves_what_was_there(
    cluster: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch, made: str, options: str, said: str
):
    """Of a file that may not grow further as its rows are copied, and of what an index is sorted in."""
    large = cluster.create("made_large", "template0")
    with psycopg.connect(large.url, autocommit=True) as connection:
        connection.execute(made.encode())
    task = server.backed_up("made_large", "create table one (id int); insert into one values (1)", large.url)
    cluster.drop(large.name)
    plan = task.plan()
    monkeypatch.setenv("PGOPTIONS", options)
    with pytest.raises(BackupError) as caught:
        task.run(plan)
    monkeypatch.delenv("PGOPTIONS")
    assert said in str(caught.value)
    assert refusals.said(psycopg.errors.DiskFull()) == "the disk of the server is full"
    assert "\n" not in str(caught.value)
    assert server.run(NAMES) == [("made_large", -1)]
    assert server.run("select id from one", "made_large") == [(1,)]


def test_ctrl_c_while_rows_are_copied_puts_back_what_was_there(server: Server, monkeypatch: pytest.MonkeyPatch):
    task = server.backed_up("made", "create table one (id int); insert into one values (1)")
    server.run("insert into one values (2)", "made")
    blocks, began = restoring.Restoring._blocks, list[float]()

    def endless(self: Any, part: Any) -> Iterator[bytes]:
        yield from blocks(self, part)
        while part.name.startswith("data-"):
            if not began:
                began.append(time.monotonic())
                interrupt()
            time.sleep(0.01)
            yield b"1\n"

    monkeypatch.setattr(restoring.Restoring, "_blocks", endless)
    with pytest.raises(KeyboardInterrupt):
        task.run(task.plan())
    assert time.monotonic() - began[0] < 2
    assert server.run(NAMES) == [("made", -1)]
    assert server.run("select count(*) from one", "made") == [(2,)]


def test_ctrl_c_while_files_are_looked_for_waits_for_none(server: Server, monkeypatch: pytest.MonkeyPatch):
    """The database is done by then, and stays."""
    task = server.backed_up("made", "create table one (id int); insert into one values (1)")
    line = json.dumps({"bucket": "audio", "name": "a", "key": "k", "object_version": "v"}).encode()
    began, free = list[float](), threading.Event()

    def slow(**_: str) -> None:
        if not began:
            began.append(time.monotonic())
            interrupt()
        free.wait(30)

    task.store = SimpleNamespace(bucket="b", s3=SimpleNamespace(head_object=slow))  # type: ignore[assignment]
    monkeypatch.setattr(Whole, "_lines", lambda self: iter([line] * 100))
    plan = task.plan()
    with pytest.raises(KeyboardInterrupt):
        task.run(plan)
    took = time.monotonic() - began[0]
    free.set()
    assert took < 2
    assert server.run(NAMES) == [("made", -1), (plan.replaced, 0)]


def test_elsewhere_who_has_left_is_asked_of_the_stacks_own_database(
    cluster: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    own, place = cluster.create("made_elsewhere", "template0"), Memory()
    with psycopg.connect(own.url, autocommit=True) as connection:
        connection.execute(PEOPLE.encode())
        making.Making("dev", own.url, place, [IDENTITY.to_public()]).run()
        connection.execute("insert into private.departures values (%s)", (PERSON,))
    monkeypatch.setenv("RESTORE_SERVER_URL", server.at.url())
    monkeypatch.setattr(options, "place", lambda *_: place)
    monkeypatch.setattr(options, "identities", lambda *_, needed: [IDENTITY])
    monkeypatch.setattr(options, "reachable", lambda stack: None)
    monkeypatch.setattr(Environment, "of", classmethod(lambda cls, name: Environment(name, {"admin_url": own.url})))
    command = ["restore", "environment", "--elsewhere", "--confirm", "dev"]
    assert ops.main(command) == 0
    assert "left again: 1 accounts" in capsys.readouterr().out
    assert server.run("select * from people", "made_elsewhere") == []
    cluster.drop(own.name)
    assert ops.main(command) == 0
    said = capsys.readouterr()
    assert "left again: 0 accounts" in said.out
    assert said.err.startswith("stack dev: can't be asked who has left since: ")
    assert "--departures FILE says it\n" in said.err

    def gone(cls: Any, name: str) -> Environment:
        raise UserError("stack dev: has no outputs")

    monkeypatch.setattr(Environment, "of", classmethod(gone))
    assert ops.main([*command, "--dry-run"]) == 0
    assert "can't be asked who has left since: stack dev: has no outputs" in capsys.readouterr().err
