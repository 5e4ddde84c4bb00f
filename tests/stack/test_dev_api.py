"""The local API in the provisioned dev environment: asked for by a setting, used by a new app, stopped without it."""

import json
import shutil
from typing import Any

import pytest

from declared import tokens
from declared.paths import CHECKOUT
from harness.checkout import Scratch
from tests.stack import pages
from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]
PAGE = CHECKOUT / "docs" / "first-steps.md"


def service(dev: Scratch) -> dict[str, Any] | None:
    found = json.loads(succeeded(dev.start("status", "--json").wait()))["services"]
    return next((each for each in found if each["name"] == "PostgREST"), None)


def variables(dev: Scratch, *more: str) -> dict[str, str]:
    found = dev.start("env", "--format", "json", *more).wait()
    assert found.status == 0, found.output
    text = found.output
    answer: dict[str, str] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return answer


def first_steps(dev: Scratch) -> None:
    """The page for an app's developer from top to bottom, with what npm has today."""
    said = ""
    for block in pages.blocks(PAGE.read_text()):
        if block.kind == "sh":
            said = "".join(pages.run(dev, command) for command in block.commands)
        elif block.kind == "text":
            assert pages.missing(block.text, said) == [], said
        else:
            assert block.file, f"a block of {block.kind} that nobody runs"
            pages.write(dev.folder, block)
    assert "42501" in said


def test_the_setting_starts_an_api_by_which_a_new_app_writes_a_row_and_without_it_none_runs(dev: Scratch) -> None:
    assert service(dev) is None
    try:
        first_steps(dev)
        shown = variables(dev)
        assert shown["SUPABASE_URL"].startswith("http://127.0.0.1:")
        assert not {"SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_JWT_SECRET"} & shown.keys()
        found = variables(dev, "--secrets")
        assert service(dev) == {"name": "PostgREST", "version": "12.0.2", "address": found["SUPABASE_URL"]}
        claims = tokens.claims(found["SUPABASE_JWT_SECRET"], found["SUPABASE_SERVICE_ROLE_KEY"])
        assert claims["role"] == "service_role"
        ((person,),) = dev.sql("select id::text from next_auth.users where name = 'Bob'")
        token = succeeded(dev.start("token", "--as", person, "--expires", "5m").wait()).strip()
        assert tokens.claims(found["SUPABASE_JWT_SECRET"], token)["sub"] == person
        nobody = dev.start("token", "--as", "nobody@api.example.org").wait()
        assert (nobody.status, "there is no person nobody@api.example.org" in nobody.last_line) == (1, True)
        assert "Schema cache loaded" in succeeded(dev.start("logs", "--api").wait())
    finally:
        shutil.copy2(CHECKOUT / "Pulumi.dev.yaml", dev.folder)
        shutil.rmtree(dev.folder / "first-app", ignore_errors=True)
        dev.sql("delete from next_auth.users where name in ('Ada', 'Bob') and email is null")
    succeeded(dev.up())
    assert service(dev) is None
    assert "SUPABASE_URL" not in variables(dev, "--secrets")
    assert [each for each in dev.processes() if "local.api" in str(each)] == []
