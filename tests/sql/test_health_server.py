"""Causes that are the whole server's, on one of their own: each is seen by its metric, and goes once it is mended."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from declared import health
from harness import scratch
from local import postgres
from local.paths import server_account
from local.ports import free_port
from ops.environment import Environment
from ops.health import report
from ops.health.report import Measured
from run import engine
from tests import conftest as world
from tests.sql.provision import Connection, acting_as, row

pytestmark = pytest.mark.xdist_group("health_server")

SETTINGS = {
    "fsync": "off",
    "shared_buffers": "4MB",
    "max_prepared_transactions": "5",
    "archive_mode": "on",
    "archive_command": "exit 1",
    "max_slot_wal_keep_size": "1MB",
    "wal_keep_size": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "32MB",
}
# What takes long to be bad is bad at once here.
AT_ONCE = {
    "connections": [0.1, None],
    "prepared_transaction_age": [0.1, None],
    "transaction_ids": [1000 / 2**31, None],
    "archive_failing": [0.1, None],
    "replica_lag": [0.1, None],
}
SECONDS = 30


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[world.Cluster]:
    folder, programs = tmp_path_factory.mktemp("health"), postgres.wheel_binaries()
    started = postgres.ensure(folder, programs, SETTINGS)
    try:
        scratch.complete(started.url())
        yield world.Cluster(started, postgres.usable(programs, folder), folder)
    finally:
        postgres.remove(folder, programs)
        shutil.rmtree(folder)


@pytest.fixture
def admin(server: world.Cluster) -> Iterator[Connection]:
    with psycopg.connect(server.server.url(), autocommit=True) as connection:
        yield connection


def seen(admin: Connection, metric: str) -> list[Measured]:
    """What is over its threshold, as the monitor sees it."""
    with acting_as(admin, "monitor") as session:
        found = report.read(session, health.checks(AT_ONCE))
    return [each for each in found if each.metric == metric and each.level != "ok"]


def until(admin: Connection, metric: str, there: bool, work: Callable[[], Any] = lambda: None) -> list[Measured]:
    """Wait for it to be seen, or to be seen no more."""
    end = time.monotonic() + SECONDS
    while bool(found := seen(admin, metric)) != there:
        assert time.monotonic() < end, f"{metric} is {'not seen' if there else 'still seen'}: {found}"
        work()
        time.sleep(0.1)
    return found


def test_connections(admin: Connection, server: world.Cluster) -> None:
    assert seen(admin, "connections") == []
    with ExitStack() as many:
        for _ in range(10):
            many.enter_context(psycopg.connect(server.server.url()))
        (found,) = until(admin, "connections", there=True)
        assert 0.1 <= (found.value or 0) < 0.2
    until(admin, "connections", there=False)


def test_a_server_whose_connections_are_all_in_use_is_a_metric_and_no_failure(
    admin: Connection, server: world.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.execute("create role watches login password 'x'; grant connect on database postgres to watches")
    login = replace(server.server, user="watches", password="x").url()
    outputs = {"monitor_url": login}
    monkeypatch.setattr(report.Environment, "of", classmethod(lambda cls, stack: Environment(stack, outputs)))
    monkeypatch.setattr(engine, "adopted", lambda stack: "")
    monkeypatch.setattr(engine, "checks", lambda stack: health.checks({}))
    with ExitStack() as many:
        with suppress(psycopg.OperationalError):
            while True:
                many.enter_context(psycopg.connect(login))
        (found,) = report.of("dev").metrics
    assert (found.metric, found.level, found.value) == ("connections", "critical", 1)
    assert "remaining connection slots" in found.detail
    assert found.detail.endswith("another session has to end first")
    admin.execute("revoke connect on database postgres from watches; drop role watches")


def test_a_prepared_transaction_that_nobody_ends(admin: Connection) -> None:
    assert seen(admin, "prepared_transaction_age") == []
    admin.execute("begin; create table public.forgotten (id integer); prepare transaction 'forgotten'")
    (found,) = until(admin, "prepared_transaction_age", there=True)
    assert (found.object, found.detail) == ("postgres", "1 prepared")
    admin.execute("rollback prepared 'forgotten'")
    assert seen(admin, "prepared_transaction_age") == []


def test_transaction_ids_until_all_is_frozen(admin: Connection, server: world.Cluster) -> None:
    for _ in range(1200):
        admin.execute("select pg_current_xact_id()")
    (found,) = seen(admin, "transaction_ids")
    assert found.level == "warning"
    for name in ("postgres", "template1"):
        with psycopg.connect(server.server.url(name), autocommit=True) as session:
            session.execute("set vacuum_freeze_min_age = 0; set vacuum_multixact_freeze_min_age = 0")
            session.execute("vacuum (freeze, skip_locked)")
    admin.execute("alter database template0 allow_connections true")
    with psycopg.connect(server.server.url("template0"), autocommit=True) as session:
        session.execute("vacuum freeze")
    admin.execute("alter database template0 allow_connections false")
    assert seen(admin, "transaction_ids") == []


def test_blocks_that_are_not_in_memory(admin: Connection) -> None:
    admin.execute(
        "create table public.large as select i, repeat('x', 900) as padding from generate_series(1, 60000) as i"
    )
    admin.execute("select pg_stat_reset()")

    def read() -> None:
        for _ in range(8):
            admin.execute("select count(*) from public.large")
        admin.execute("select pg_stat_force_next_flush()")

    (found,) = until(admin, "cache_hit", there=True, work=read)
    assert (found.value or 1) < 0.9
    admin.execute("drop table public.large")
    admin.execute("select pg_stat_reset()")
    assert seen(admin, "cache_hit") == []


def test_an_archive_command_that_fails(admin: Connection) -> None:
    admin.execute("select pg_switch_wal()")
    (found,) = until(admin, "archive_failing", there=True)
    assert "failed, the last one at" in found.detail
    admin.execute("alter system set archive_command = 'true'")
    admin.execute("select pg_reload_conf()")
    until(admin, "archive_failing", there=False)


def test_a_slot_that_lost_its_wal(admin: Connection) -> None:
    admin.execute("select pg_create_physical_replication_slot('abandoned', true)")
    assert seen(admin, "slot_lost") == []

    def write() -> None:
        admin.execute("create table public.filler as select repeat('x', 2000) from generate_series(1, 20000)")
        admin.execute("drop table public.filler")
        admin.execute("select pg_switch_wal()")
        admin.execute("checkpoint")

    (found,) = until(admin, "slot_lost", there=True, work=write)
    assert (found.object, found.level) == ("abandoned", "critical")
    admin.execute("select pg_drop_replication_slot('abandoned')")
    assert seen(admin, "slot_lost") == []


def test_a_slot_whose_room_ends_while_its_subscriber_confirms_nothing(admin: Connection, server: world.Cluster) -> None:
    """Logical ones, as Realtime's: one that somebody reads and one that nobody does; seen before they are lost."""
    admin.execute("alter system set max_slot_wal_keep_size = '64MB'")
    admin.execute("select pg_reload_conf()")
    for name in ("followed", "left"):
        admin.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))
    admin.execute("create publication watched for all tables")
    start = b"START_REPLICATION SLOT followed LOGICAL 0/0 (proto_version '1', publication_names 'watched')"
    subscriber = psycopg.connect(server.server.url(), replication="database", autocommit=True)
    with closing(subscriber):
        assert subscriber.pgconn.exec_(start).status == psycopg.pq.ExecStatus.COPY_BOTH
        assert seen(admin, "slot_room") == []

        def write() -> None:
            admin.execute("create table public.filler as select repeat('x', 2000) from generate_series(1, 2000)")
            admin.execute("drop table public.filler")
            admin.execute("select pg_switch_wal()")

        write()
        found = until(admin, "slot_room", there=True, work=write)
        followed, left = sorted(found, key=lambda each: each.object)
        assert (followed.object, left.object) == ("followed", "left")
        assert followed.detail.startswith("read, ")
        assert left.detail.startswith("not read by anybody, ")
        assert 0 < left.value <= 0.5
        assert {each.object for each in seen(admin, "slot_lost")} == set()
    admin.execute("select pg_terminate_backend(active_pid, 10000) from pg_replication_slots where active")
    admin.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
    admin.execute("drop publication watched")
    admin.execute("alter system set max_slot_wal_keep_size = '1MB'")
    admin.execute("select pg_reload_conf()")
    assert seen(admin, "slot_room") == []


def test_a_replica_that_is_behind(admin: Connection, server: world.Cluster) -> None:
    account = server_account()
    identity: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid} if account else {}
    folder = Path(row(admin, "show data_directory")[0]).parent / "standby"
    admin.execute("alter system set max_slot_wal_keep_size = -1")
    admin.execute("select pg_reload_conf()")
    folder.mkdir(0o700)
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    environment = {**os.environ, "PGPASSWORD": server.server.password}
    at = ["-h", server.server.host, "-p", str(server.server.port), "-U", server.server.user]
    base = [server.programs / "pg_basebackup", *at, "-D", folder, "-R", "-c", "fast"]
    subprocess.run([str(word) for word in base], env=environment, check=True, cwd="/", **identity)
    with (folder / "postgresql.auto.conf").open("a") as settings:
        settings.write("recovery_min_apply_delay = '10min'\nhot_standby = off\narchive_mode = off\n")
    control = [str(server.programs / "pg_ctl"), "-D", str(folder), "-o", f"-p {free_port()}", "-l", str(folder / "log")]
    subprocess.run([*control, "-W", "start"], check=True, cwd="/", stdout=subprocess.DEVNULL, **identity)
    try:
        (found,) = until(admin, "replica_lag", there=True, work=lambda: admin.execute("select pg_current_xact_id()"))
        assert found.detail == "streaming"
    finally:
        subprocess.run(
            [*control, "-m", "immediate", "stop"], check=True, cwd="/", stdout=subprocess.DEVNULL, **identity
        )
    until(admin, "replica_lag", there=False)
