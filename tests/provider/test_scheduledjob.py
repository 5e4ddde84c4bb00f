"""Jobs of pg_cron on a real server that has it: the program declared, run by pg_cron, and each change of a job seen."""

import itertools
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from declared.maintenance import TASKS
from harness import program, scratch
from harness.engine import CheckRefusal, Refusal
from harness.stack import Stack, resources, with_inputs
from local import postgres
from tests.conftest import MACHINE_PROGRAMS, absent

pytestmark = pytest.mark.xdist_group("pg_cron")

DATABASE = "app"
SETTINGS = {
    "fsync": "off",
    "shared_preload_libraries": "pg_stat_statements,pg_cron",
    "cron.database_name": DATABASE,
    # As at RDS: no connection, so no password.
    "cron.use_background_workers": "on",
}
JOB = "maintenance-vpb_health"
JOBS = "select jobname, schedule, command, active from cron.job order by jobid"
NOTED = "select count(*) from private.maintenance_runs where task = 'partitions' and not failed"
SECONDS = 90


@dataclass
class World:
    """The whole program's declaration on a server with pg_cron, and a superuser who changes things manually."""

    stack: Stack
    manual: psycopg.Connection[tuple[object, ...]]

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        cursor = self.manual.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []

    def differs(self) -> dict[str, list[str]]:
        run = self.stack.preview()
        assert run.errors == {}
        return run.changes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    programs = next((path.parent for path in MACHINE_PROGRAMS if (path.parents[1] / "lib/pg_cron.so").exists()), None)
    if programs is None:
        absent("no PostgreSQL of the machine has pg_cron (Debian's postgresql-15-cron)")
    folder = tmp_path_factory.mktemp("cron")
    server = postgres.ensure(folder, programs, SETTINGS)
    try:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            connection.execute(f"create database {DATABASE}")
        declared = resources(program.run("dev", maintenance={"by": "pg_cron", "at": "23:50"}))
        there = with_inputs(scratch.without(declared, *scratch.ROWS), {"structure-database": {"name": DATABASE}})
        stack = Stack(server.url(DATABASE), there)
        run = stack.up()
        assert run.errors == {}
        with psycopg.connect(server.url(DATABASE), autocommit=True) as manual:
            # Somebody else's, and due by the time that the last test looks at it.
            manual.execute("drop table analytics.user_activity_default")
            manual.execute("select cron.schedule('trial', '* * * * *', 'call ops.run_task(''partitions'')')")
            yield World(stack, manual)
    finally:
        postgres.remove(folder, programs)
        shutil.rmtree(folder)


def test_each_task_has_its_job_and_nothing_differs_then(world: World) -> None:
    jobs = {name: rest for name, *rest in world.sql(JOBS) if name != "trial"}
    assert jobs.keys() == {*(f"vpb_{task}" for task in TASKS), "vpb_window_end"}
    months = "'13 months', '24 months')"
    assert jobs["vpb_partitions"] == ["50 23 * * *", f"call ops.run_task('partitions', {months}", True]
    # Past midnight, and its end an hour after its begin.
    assert jobs["vpb_projects"] == ["0 0 * * *", f"call ops.run_task('projects', {months}", True]
    assert jobs["vpb_window_end"] == ["50 0 * * *", "select ops.stop_tasks()", True]
    assert world.differs() == {}
    for task in TASKS:
        assert world.sql(f"call ops.run_task('{task}')")[0][0] is False, world.sql("select * from ops.maintenance()")


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ("select cron.alter_job(jobid, active := false) from cron.job where jobname = 'vpb_health'", ["active"]),
        (
            "select cron.alter_job(jobid, schedule := '0 4 * * *') from cron.job where jobname = 'vpb_health'",
            ["schedule"],
        ),
        ("select cron.alter_job(jobid, command := 'select 1') from cron.job where jobname = 'vpb_health'", ["command"]),
        ("select cron.unschedule('vpb_health')", ["create"]),
    ],
)
def test_a_manual_change_of_a_job_is_seen_and_taken_back(world: World, change: str, seen: list[str]) -> None:
    before = sorted(map(str, world.sql(JOBS)))
    world.sql(change)
    assert world.differs() == {JOB: seen}
    assert world.stack.part([JOB]).up().errors == {}
    assert sorted(map(str, world.sql(JOBS))) == before
    world.stack.refresh()


def test_roles_of_the_api_reach_nothing_of_it(world: World) -> None:
    roles = ("anon", "authenticated", "service_role", "authjs", "monitor")
    for role, what in itertools.product(
        roles, ("select * from cron.job", "select cron.schedule('x', '* * * * *', 'x')")
    ):
        with world.manual.transaction(force_rollback=True):
            world.sql(f"set local role {role}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                world.sql(what)


def test_a_job_of_the_same_name_for_another_database_is_refused(world: World) -> None:
    world.sql("select cron.unschedule('vpb_health')")
    world.sql("select cron.schedule_in_database('vpb_health', '0 1 * * *', 'select 1', 'postgres')")
    errors = world.stack.part([JOB]).up().errors
    assert "this login has one of that name for database postgres; `select cron.unschedule(name)`" in errors[JOB]
    world.sql("select cron.unschedule('vpb_health')")
    assert world.stack.part([JOB]).up().errors == {}


def test_pg_cron_runs_a_task_that_commits_and_the_run_is_noted(world: World) -> None:
    until = time.monotonic() + SECONDS
    while world.sql(NOTED) == [(0,)] and time.monotonic() < until:
        time.sleep(0.5)
    said = world.sql("select said from private.maintenance_runs where task = 'partitions' order by began_at limit 1")
    assert said == [("made: user_activity_default",)], world.sql(
        "select status, return_message from cron.job_run_details"
    )


def test_without_the_extension_a_line_says_what_the_server_needs(plain_world: Any) -> None:
    inputs = {"name": "vpb_x", "schedule": "0 2 * * *", "command": "select 1"}
    with pytest.raises(
        Refusal, match="scheduled job vpb_x: extension pg_cron isn't in this database; the server needs"
    ):
        plain_world.engine.create("pg:index:ScheduledJob", inputs)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "x'; drop"}, "must be 1 to 63 of"),
        ({"schedule": "each night"}, "is no schedule; one looks like 0 2"),
        ({"command": " "}, "must be a statement"),
    ],
)
def test_what_is_no_job_is_refused_before_a_server_is_asked(
    unconnected: Any, change: dict[str, str], reason: str
) -> None:
    inputs = {"name": "vpb_x", "schedule": "0 2 * * *", "command": "select 1"}
    with pytest.raises(CheckRefusal, match=reason):
        unconnected.check("pg:index:ScheduledJob", inputs | change)
