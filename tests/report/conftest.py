"""A provisioned database with people, samples, stored files and names that try to be markup; a stack around it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from declared import connectionurl, health
from declared.sqlqueries import queries
from ops import cost
from ops.audit import run as auditing
from ops.audit.model import Finding, Severity, Skipped
from ops.audit.report import Report
from ops.backups import places
from ops.driftnotes import Look
from ops.environment import Environment
from ops.errors import CommandError
from ops.report import growth, parts, run
from ops.report.model import StatusReport
from run import engine
from tests.sql import provision
from tests.sql.provision import ADA, BOB

EVIL = "<script>alert(1)</script>"
SECRET = "hunter2-never-shown"
RUN = ("open_project", "list_components")
OTHER = "select c.id, c.revision from public.project_components as c where c.title = $1"


@dataclass(frozen=True)
class World:
    """A stack without an engine: its database, and the URLs of the logins that a report asks as."""

    url: str
    environment: Environment


def _as_role(url: str, role: str) -> str:
    return connectionurl.compose({**connectionurl.parse(url), "options": f"-c role={role}"})


def world(url: str) -> World:
    outputs = {"monitor_url": _as_role(url, "monitor"), "admin_url": url}
    return World(url, Environment("dev", outputs))


def fill(url: str) -> None:
    """What a loaded environment has."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        provision.add_people(connection)
        _samples(connection)
        for person, bucket, size in ((ADA, EVIL, 3 << 30), (BOB, "exports", 5 << 20)):
            connection.execute(
                "insert into private.storage_usage (folder_id, bucket_id, objects, bytes, kept_bytes) "
                "values (%s, %s, 7, %s, 11)",
                [person, bucket, size],
            )
        evil = sql.Identifier("public", EVIL)
        connection.execute(sql.SQL("create table {} (id uuid references public.projects (id))").format(evil))
        connection.execute(f"create role report_victim password '{SECRET}'")
        connection.execute("drop role report_victim")
        # As an app sends them: with parameters of their own.
        cursor = psycopg.RawCursor(connection)
        for query in queries():
            if query.name in RUN:
                cursor.execute(query.text.encode(), [ADA] * len(query.parameters))
        cursor.execute(OTHER, [EVIL])


def _samples(connection: psycopg.Connection[Any]) -> None:
    """Of forty days, in which the database grew to what it is by a megabyte a day."""
    size = provision.row(connection, "select value from ops.table_metrics() where metric = 'database_bytes'")[0]
    now = datetime.now(UTC)
    for age in range(40, 0, -1):
        for metric, value in (("database_bytes", size - 1e6 * age), ("connections", 0.2)):
            connection.execute(
                "insert into private.health_samples (metric, object, sampled_at, value) values (%s, '', %s, %s)",
                [metric, now - timedelta(days=age), value],
            )


@pytest.fixture(scope="session")
def loaded(cluster: Any, complete_template: str) -> Iterator[World]:
    name = f"report_{os.getpid()}"
    database = cluster.create(name, complete_template)
    fill(database.url)
    yield world(database.url)
    cluster.drop(name)


@pytest.fixture(scope="session")
def made(loaded: World, tmp_path_factory: pytest.TempPathFactory) -> StatusReport:
    """The report of it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        surround(monkeypatch, loaded, tmp_path_factory.mktemp("backups"))
        return run.of("dev")


@pytest.fixture
def stack(loaded: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """The stack dev is that database."""
    surround(monkeypatch, loaded, tmp_path)
    return loaded


def surround(monkeypatch: pytest.MonkeyPatch, found: World, folder: Path) -> None:
    """What the engine says of a stack, and a folder for backups with none in it."""
    place = places.Folder(folder)
    findings = (
        Finding("grant-public", Severity.high, f"table {EVIL}", "everybody reads it", "revoke it", ("CIS 4",)),
        Finding("tls", Severity.info, "setting ssl", "connections are in clear text", "set it", ()),
    )
    audited = Report("server", 85, findings, (Skipped("s3-public", "there is no state"),), 0.1)
    charges = [cost.Charge("database", "db.t4g.micro", 11.68), cost.Charge(EVIL, "storage", None)]
    estimate = cost.Estimate("dev", "aws", "us-east-1", charges, [])
    look = Look("2026-11-30T01:00:00+00:00", {f"Policy {EVIL}": "2026-11-29T01:00:00+00:00"})
    monkeypatch.setattr(Environment, "of", classmethod(lambda cls, stack: found.environment))
    for name, answer in (
        ("require", None),
        ("checks", health.checks({"month_spend": [None, 100]})),
        ("backups", None),
        ("adopted", ""),
        ("embedded", True),
        ("billed", True),
    ):
        monkeypatch.setattr(engine, name, lambda stack, answer=answer: answer)
    monkeypatch.setattr(growth.exported, "read", _no_state)
    monkeypatch.setattr(parts.options, "place", lambda *_: place)
    monkeypatch.setattr(parts.estimate, "of", lambda stack: estimate)
    monkeypatch.setattr(parts.driftnotes, "last", lambda stack: look)
    monkeypatch.setattr(auditing, "audit", lambda stack, trail_days: audited)


def _no_state(stack: str) -> dict[str, Any]:
    raise CommandError("stack dev has no state here")
