"""A server that was there before, by setting: provisioned beside nothing of ours, tidied up by `down` if told."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from declared import connectionurl
from harness.checkout import Scratch
from local import postgres
from ops import confirmation
from provider.resources.role import BOUND
from tests.conftest import installations
from tests.doubles import rdslike
from tests.stack import pages
from tests.stack.conftest import succeeded

pytestmark = pytest.mark.stack

# The machine's own where it has one: the wheel's is what all other tests here run on.
ANOTHER = list(installations().values())[-1]
# What is a server's, and schemas.
THERE = """select rolname::text from pg_roles union all select 'schema ' || nspname from pg_namespace
            where nspname !~ '^pg_(toast_)?temp' order by 1"""
MORE = {"sslmode": "disable", "connect_timeout": "7", "options": "-c app.of_url=kept"}


def test_a_database_of_ones_own_is_provisioned_in_place_of_the_embedded_one(tmp_path):
    """On a server of its own, reached over IPv6: `down` drops the roles, which its other databases would still need."""
    server = postgres.ensure(tmp_path, ANOTHER, {"listen_addresses": "127.0.0.1, ::1"})
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute('create database "App DB é"')
    url = connectionurl.compose({**server.parameters("App DB é"), **MORE, "host": "::1"})
    with Scratch("own") as scratch:
        (scratch.folder / "url.txt").write_text(url)
        recipe = pages.Followed(scratch, "A server of your own")
        recipe.to("./vpb new stack")
        try:
            assert server.password not in recipe.to("make up")
            shown = scratch.pulumi("stack", "output", "--json", "--show-secrets")
            urls = {name: value for name, value in json.loads(shown.output).items() if name.endswith("_url")}
            for output in urls.values():
                found = connectionurl.parse(output)
                kept = {"host": "::1", "dbname": "App DB é", "sslmode": "disable", "connect_timeout": "7"}
                assert found.items() >= kept.items()
                with psycopg.connect(output) as connection:
                    assert connection.execute("select current_setting('app.of_url')").fetchone() == ("kept",)
            assert server.password not in scratch.pulumi("stack", "export").output
            for command in ("rekey", "maintain", "archive"):
                succeeded(scratch.start(command).wait())
            succeeded(scratch.start("-m", "ops", "migrate", "status", "--url", urls["admin_url"]).wait())
            audit = scratch.start("audit", "--json").wait()
            assert json.loads(audit.output)["audited"] == "stack own", audit.output
            with psycopg.connect(url) as connection:
                assert connection.execute("select count(*) from public.projects").fetchone() == (0,)
        finally:
            recipe.to("make down")
            assert recipe.ended()
        with psycopg.connect(url) as connection:
            left = connection.execute("select nspname from pg_namespace where nspname in ('auth', 'private')")
            assert left.fetchall() == []
    postgres.remove(tmp_path, ANOTHER)


def test_a_server_like_amazon_rds_is_provisioned_and_tidied_up():
    """No superuser, no BYPASSRLS, TLS alone; the rest of its life is in `tests/sql/test_rdslike.py`."""
    with rdslike.server() as double, Scratch("rds") as scratch:
        with psycopg.connect(double.url()) as connection:
            before = connection.execute(THERE).fetchall()
        succeeded(scratch.pulumi("stack", "init"))
        succeeded(scratch.pulumi("config", "set", "--secret", "database:url", double.url()))
        try:
            run = scratch.up()
            succeeded(run)
            assert double.password not in run.output
            assert f"role backup: {BOUND}" in " ".join(run.output.split())
            seen = scratch.preview()
            succeeded(seen)
            assert BOUND not in " ".join(seen.output.split())
            shown = scratch.pulumi("stack", "output", "--json", "--show-secrets")
            url = json.loads(shown.output)["backup_url"]
            assert connectionurl.parse(url)["sslmode"] == "verify-full"
            with psycopg.connect(url) as connection:
                assert connection.execute("select session_user, current_user").fetchone() == ("backup", "backup")
        finally:
            succeeded(scratch.start("down", "--confirm", "rds").wait())
        with psycopg.connect(double.url()) as connection:
            assert connection.execute(THERE).fetchall() == before


# What `down` asks, on a stack whose program makes nothing and writes down what it is told.

PROGRAM = """import os, pathlib

with pathlib.Path("told").open("a") as file:
    print(os.environ.get("VPB_DESTROY"), file=file)
"""


@pytest.fixture
def own(database) -> Iterator[Scratch]:
    """A stack on a database with two tables and three rows."""
    with psycopg.connect(database.url) as connection:
        connection.execute('create table a (); create table "B b" (id int); insert into "B b" values (1), (2), (3)')
    with Scratch("own") as scratch:
        (scratch.folder / "__main__.py").write_text(PROGRAM)
        # Without a provider of AWS in its state a stack is destroyed without the program.
        scratch.environment["PULUMI_RUN_PROGRAM"] = "true"
        succeeded(scratch.pulumi("stack", "init"))
        succeeded(scratch.pulumi("config", "set", "--secret", "database:url", database.url))
        yield scratch


def written(scratch: Scratch) -> list[str]:
    path = scratch.folder / "told"
    return path.read_text().split() if path.exists() else []


def test_data_of_a_server_of_ones_own_goes_only_when_the_stack_is_named(own, database):
    lost = f"stack own: this destroys what it made in database {database.name} on {database.host}:{database.port} as "
    lost += "postgres, which has 2 tables with 3 rows"
    for words, said in {
        (): f"error: {lost}; confirm with --confirm own, or `make down STACK=own CONFIRM=own`\n",
        ("--confirm", ""): f"error: {lost}; confirm with --confirm own, or `make down STACK=own CONFIRM=own`\n",
        ("--confirm", "dev"): "error: stack own: --confirm names 'dev'; nothing was destroyed\n",
    }.items():
        run = own.start("down", *words).wait()
        assert (run.status, run.output) == (1, said)
    assert answered(own, "dev") == 1
    assert own.checkpoint.exists()
    assert written(own) == []
    assert own.processes() == []
    assert answered(own, "own") == 0
    assert written(own) == ["own"], "destroy is told whose data may go"
    assert not own.checkpoint.exists()


def answered(scratch: Scratch, answer: str) -> int:
    """The status of `down` on a terminal where somebody types an answer."""
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "ops", "down", "--stack", scratch.stack]
    process = subprocess.Popen(command, cwd=scratch.folder, env=scratch.environment, stdin=end, stderr=subprocess.PIPE)
    os.write(terminal, f"{answer}\n".encode())
    _, said = process.communicate(timeout=120)
    os.close(terminal)
    os.close(end)
    assert b"Type the stack's name to go on: " in said
    return process.returncode


def test_what_cannot_be_counted_in_time_is_estimated_and_told_so(database, monkeypatch):
    parameters = connectionurl.parse(database.url)
    with psycopg.connect(database.url) as connection:
        connection.execute("create table a (); create table b (id int); insert into b values (1), (2)")
        connection.commit()
        assert asyncio.run(confirmation.counted(parameters)) == (2, 2, True)
        connection.execute("lock table b")
        monkeypatch.setattr(confirmation, "LONGEST_COUNT", 100)
        assert asyncio.run(confirmation.counted(parameters)) == (2, 2, False), "a row each, at least"


def test_only_destroy_is_told_that_data_may_go(own):
    own.environment["VPB_DESTROY"] = "own"
    succeeded(own.up())
    succeeded(own.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive"))
    assert written(own) == ["None", "own"]


def test_a_server_that_does_not_answer_is_reported_and_confirmed_all_the_same(own):
    succeeded(own.pulumi("config", "set", "--secret", "database:url", "postgresql://u:geheim@127.0.0.1:1/d"))
    run = own.start("down").wait()
    assert run.status == 1
    assert "what it made in database d on 127.0.0.1:1 as u, which can't be asked: " in run.output
    assert "geheim" not in run.output
    assert run.output.count("\n") == 1
