"""The local API in the provisioned dev environment: asked for by a setting, used by supabase-js, stopped without it."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

import toolchain
from declared import tokens
from harness.checkout import Scratch
from tests.clients import world
from tests.conftest import absent
from tests.stack.conftest import succeeded
from toolchain import node, versions

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]

ADA = "00000000-0000-7000-8000-0000000000aa"
SETTING = "  database:api: true\n"


def service(dev: Scratch) -> dict[str, Any] | None:
    found = json.loads(succeeded(dev.start("status", "--json").wait()))["services"]
    return next((each for each in found if each["name"] == "PostgREST"), None)


def variables(dev: Scratch, *more: str) -> dict[str, str]:
    found = dev.start("env", "--format", "json", *more).wait()
    assert found.status == 0, found.output
    text = found.output
    answer: dict[str, str] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return answer


def test_the_setting_starts_an_api_for_supabase_js_and_without_it_none_runs(dev: Scratch, tmp_path: Path) -> None:
    try:
        packages = node.ensure(toolchain.context_of(), versions.CLIENTS)
    except toolchain.ToolchainError as error:
        absent(f"no real clients here: {error}")
    assert service(dev) is None
    file = dev.folder / "Pulumi.dev.yaml"
    before = file.read_text()
    file.write_text(before + SETTING)
    with psycopg.connect(dev.url) as connection:
        connection.execute(
            "insert into next_auth.users (id, name, email) values (%s, 'Ada', 'ada@api.example.org')", (ADA,)
        )
    try:
        succeeded(dev.up())
        shown = variables(dev)
        assert shown["SUPABASE_URL"].startswith("http://127.0.0.1:")
        assert not {"SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_JWT_SECRET"} & shown.keys()
        found = variables(dev, "--secrets")
        assert service(dev) == {"name": "PostgREST", "version": "12.0.2", "address": found["SUPABASE_URL"]}
        claims = tokens.claims(found["SUPABASE_JWT_SECRET"], found["SUPABASE_SERVICE_ROLE_KEY"])
        assert claims["role"] == "service_role"
        token = succeeded(dev.start("token", "--as", "Ada@api.example.org", "--expires", "5m").wait()).strip()
        first = {"url": found["SUPABASE_URL"], "key": found["SUPABASE_ANON_KEY"], "token": token, "person": ADA}
        results = world.programs(packages, tmp_path).run("first.mjs", **first)
        assert results == {"a person makes a project and stores a picture": "ok"}
        nobody = dev.start("token", "--as", "nobody@api.example.org").wait()
        assert (nobody.status, "there is no person nobody@api.example.org" in nobody.last_line) == (1, True)
        assert "Schema cache loaded" in succeeded(dev.start("logs", "--api").wait())
    finally:
        file.write_text(before)
        with psycopg.connect(dev.url) as connection:
            connection.execute("delete from next_auth.users where id = %s", (ADA,))
    succeeded(dev.up())
    assert service(dev) is None
    assert "SUPABASE_URL" not in variables(dev, "--secrets")
    assert [each for each in dev.processes() if "local.api" in str(each)] == []
