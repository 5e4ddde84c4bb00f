"""Masked rows in a server that a setting names, and the `up` that follows there."""

from dataclasses import replace

import psycopg
import pytest

from harness import scratch
from harness.stack import Stack, declaration
from ops.branches import making
from ops.branches.errors import BranchError
from tests.branches.conftest import execute


def test_up_adopts_what_was_copied_and_holds_it(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with scratch.server() as server:
        execute(server.url(), "create database review")
        url = server.url("review")
        monkeypatch.setattr(making, "_reader", lambda stack: source)
        monkeypatch.setattr(making, "_named_by_setting", lambda stack: (url, "local"))
        made = making.copy("review", "dev", lambda step: None)
        assert made.total > 1000
        with pytest.raises(
            BranchError, match=r"^stack review: its database has table [\w.]+ already; name one that is"
        ):
            making.copy("review", "dev", lambda step: None)
        stack = Stack(url, declaration("review", stack="review"))
        assert stack.up().errors == {}
        assert stack.preview().text == []
        assert execute(url, "select count(*) from public.projects") == [(made.rows["public.projects"],)]
        # A pull request that takes the last migration away rolls it back.
        declared = stack.declared["structure-migrations"]
        steps = declared.inputs["steps"]
        last = max(steps)
        fewer = {name: checksum for name, checksum in steps.items() if name != last}
        alone = replace(
            stack, declared={declared.name: replace(declared, inputs={**declared.inputs, "steps": fewer})}, state={}
        )
        assert alone.up().errors == {}
        assert execute(url, f"select from supabase_migrations.schema_migrations where version = '{last[:4]}'") == []


def test_a_login_that_row_security_binds_is_refused_before_anything_is_made(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scratch.server() as server:
        execute(server.url(), "create role bound login createdb createrole password 'bound'")
        execute(server.url(), "create database review owner bound")
        url = server.url("review").replace(f"postgres:{server.password}@", "bound:bound@")
        monkeypatch.setattr(making, "_reader", lambda stack: source)
        monkeypatch.setattr(making, "_named_by_setting", lambda stack: (url, "local"))
        with pytest.raises(BranchError, match=r"^bound: is no superuser and has no BYPASSRLS"):
            making.copy("review", "dev", lambda step: None)
        with psycopg.connect(url) as session:
            assert session.execute("select count(*) from pg_namespace where nspname = 'next_auth'").fetchone() == (0,)


def test_another_environments_server_is_refused_since_its_passwords_would_be_others(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scratch.server() as server:
        execute(server.url(), "create role authjs login")
        execute(server.url(), "create database review")
        monkeypatch.setattr(making, "_reader", lambda stack: source)
        monkeypatch.setattr(making, "_named_by_setting", lambda stack: (server.url("review"), "local"))
        with pytest.raises(BranchError, match=r"^stack review: its server has login authjs already"):
            making.copy("review", "dev", lambda step: None)
        assert execute(server.url("review"), "select count(*) from pg_namespace where nspname = 'next_auth'") == [(0,)]
