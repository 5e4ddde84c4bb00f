"""`./vpb adopt` on live databases: what it writes, that `up` changes nothing of it, that a preview is empty then."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from components import inputs
from declared import adopted
from harness import program, scratch, stack
from harness.stack import Stack
from local import postgres
from ops import __main__ as ops
from ops.adopt import run

SHOP = (Path(__file__).parent / "shop.sql").read_text()
FOLDER = "adopted/shop"
HISTORY = "supabase_migrations.schema_migrations"
ROLES = "create role anon; create role authenticated; create role service_role bypassrls;"


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.RunningServer]:
    with scratch.server() as made:
        with psycopg.connect(made.url(), autocommit=True) as connection:
            connection.execute(ROLES.encode())
        yield made


@dataclass
class Live:
    """A live database, and a checkout of its own into which it is adopted."""

    url: str
    root: Path
    said: dict[str, Any]

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def dump(self, *words: str) -> str:
        command = [postgres.wheel_binaries() / "pg_dump", "--schema-only", "-N", "supabase_migrations", *words]
        done = subprocess.run([*command, "-d", self.url], capture_output=True, text=True, check=True)
        # A key of each dump's own.
        return "\n".join(line for line in done.stdout.split("\n") if "restrict " not in line)

    def stack(self, monkeypatch: pytest.MonkeyPatch, target: str = "local") -> Stack:
        monkeypatch.setattr(inputs, "CHECKOUT", self.root)
        recorded = program.run(adopted=FOLDER, target=target, url=stack.ELSEWHERE)
        return Stack(self.url, stack.resources(recorded), self.root)


def make(server: postgres.RunningServer, name: str, root: Path) -> Live:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("drop role if exists shop_reader")
        connection.execute(f'create database "{name}"'.encode())
    url = server.url(name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SHOP.encode())
    return Live(url, root, run.adopt(url, FOLDER, root))


@pytest.fixture
def live(server: postgres.RunningServer, tmp_path: Path) -> Iterator[Live]:
    found = make(server, "shop", tmp_path)
    yield found
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("drop database shop with (force)")


def changes(preview: stack.Run) -> dict[str, Any]:
    return {**preview.changes, **preview.errors}


def test_it_says_what_it_took_and_what_is_unsafe_as_found(live):
    assert live.said["taken"] == {
        "schemas": 2,
        "tables": 5,
        "row policies": 5,
        "functions": 2,
        "extensions": 0,
        "roles": 3,
        "buckets": 0,
        "publications": 1,
        "triggers on tables of others": 0,
        "cron jobs": 0,
    }
    assert live.said["left"] == []
    unsafe = live.said["unsafe"]
    assert unsafe["tables that anon may truncate, which row security doesn't bind"] == [
        "public.Profiles",
        "public.orders",
    ]
    assert unsafe["security definer functions without a search path"] == ["public.total(uuid)"]
    assert unsafe["tables without row security, left open"] == ["public.rates", "shop.prices"]
    assert unsafe["row policies for public, which are everybody"] == [
        "Public profiles are viewable by everyone. on public.Profiles"
    ]


def test_up_changes_nothing_and_the_preview_after_it_is_empty(live, monkeypatch):
    before = live.dump(), live.sql("select oid, polname from pg_policy order by 1")
    stack = live.stack(monkeypatch)
    first = stack.preview()
    assert first.errors == {}
    assert "record 0001_baseline: it was adopted from this database, it doesn't run" in "\n".join(first.messages)
    assert stack.up().errors == {}
    assert (live.dump(), live.sql("select oid, polname from pg_policy order by 1")) == before
    second = stack.preview()
    assert changes(second) == {}
    assert sorted(line.partition(" is reached")[0] for line in second.messages) == [
        "adopted-public.rates: row security left open: every row of public.rates",
        "adopted-shop.prices: row security left open: every row of shop.prices",
    ]
    assert live.sql(f"select version from {HISTORY} order by 1") == [("20230101120000",), ("20230202120000",)]
