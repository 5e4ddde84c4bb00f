"""The local API in the provisioned dev environment: asked for by a setting, used by a new app and by the example app,
stopped without it."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import toolchain
from declared import tokens
from declared.paths import CHECKOUT
from harness.checkout import Run, Scratch
from tests.conftest import absent
from tests.stack import pages
from tests.stack.conftest import succeeded
from toolchain import node, versions

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]
PAGE = CHECKOUT / "docs" / "first-steps.md"
# What the page makes in the checkout.
FIRST_APP = "first-app"
STEPS = 19
# Of the browser itself, about the write that is refused as stale.
STALE = "bob: Failed to load resource: the server responded with a status of 409 (CONFLICT)"


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


@pytest.fixture(scope="module")
def served(dev: Scratch) -> Iterator[Scratch]:
    """The environment with its API, as the page turns it on; without it afterwards, whatever the tests have done."""
    assert service(dev) is None
    try:
        first_steps(dev)
        yield dev
    finally:
        if (dev.folder / FIRST_APP).exists():
            turn_off(dev)


def turn_off(dev: Scratch) -> None:
    """The environment as it was before the page."""
    shutil.copy2(CHECKOUT / "Pulumi.dev.yaml", dev.folder)
    shutil.rmtree(dev.folder / FIRST_APP, ignore_errors=True)
    dev.sql("delete from next_auth.users where name in ('Ada', 'Bob') and email is null")
    succeeded(dev.up())


def test_the_setting_starts_an_api_by_which_a_new_app_writes_a_row(served: Scratch) -> None:
    shown = variables(served)
    assert shown["SUPABASE_URL"].startswith("http://127.0.0.1:")
    assert not {"SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_JWT_SECRET"} & shown.keys()
    found = variables(served, "--secrets")
    api = {"name": "PostgREST", "version": "12.0.2", "address": found["SUPABASE_URL"], "remark": None}
    assert service(served) == api
    claims = tokens.claims(found["SUPABASE_JWT_SECRET"], found["SUPABASE_SERVICE_ROLE_KEY"])
    assert claims["role"] == "service_role"
    ((person,),) = served.sql("select id::text from next_auth.users where name = 'Bob'")
    token = succeeded(served.start("token", "--as", person, "--expires", "5m").wait()).strip()
    assert tokens.claims(found["SUPABASE_JWT_SECRET"], token)["sub"] == person
    nobody = served.start("token", "--as", "nobody@api.example.org").wait()
    assert (nobody.status, "there is no person nobody@api.example.org" in nobody.last_line) == (1, True)
    assert "Schema cache loaded" in succeeded(served.start("logs", "--api").wait())


def packages_of(folder: Path) -> node.Packages:
    try:
        return node.ensure(toolchain.context_of(), folder)
    except toolchain.ToolchainError as error:
        absent(f"no packages of npm here: {error}")


def left(dev: Scratch) -> tuple[Any, ...]:
    """People, projects, stored files and replication slots that are there."""
    tables = ("next_auth.users", "public.projects", "storage.objects", "private.object_scans", "pg_replication_slots")
    ((*counts,),) = dev.sql(f"select {', '.join(f'(select count(*) from {table})' for table in tables)}")
    return tuple(counts)


@pytest.fixture
def tidy(served: Scratch) -> Iterator[Scratch]:
    """The environment, in which a test leaves nobody and nothing: files of who has left go with the next cleaning."""
    before = left(served)
    yield served
    succeeded(served.start("storage", "clean", "--grace-hours", "0", "--version-days", "0", "--force").wait())
    assert left(served) == before


def test_the_example_app_does_its_whole_story(tidy: Scratch) -> None:
    """Each step checks what its line says, and refusals among them."""
    packages_of(versions.EXAMPLE)
    done = Run(["make", "example"], tidy.folder, tidy.environment).wait()
    lines = done.output.splitlines()
    assert (done.status, [line for line in lines if line.startswith("✗")]) == (0, []), done.output[-3000:]
    assert len([line for line in lines if line.startswith("✓ ")]) == STEPS
    assert "PutObject" not in done.output, "the client package says nothing of its own"


def test_two_people_work_on_the_page_of_the_example_app(tidy: Scratch) -> None:
    """Ada at a desktop and Bob at a phone: shared, edited at once, a recording, an export, a departure."""
    program = shutil.which("chromium")
    if program is None:
        absent("no chromium on PATH (Debian: apt install chromium)")
    packages = packages_of(CHECKOUT / "tests" / "report")
    page = Run(["make", "example", "PAGE=0"], tidy.folder, tidy.environment)
    try:
        wait_until(lambda: page.process.poll() is not None or "the page: " in page.output)
        (address,) = re.findall(r"^the page: (http://localhost:\d+);", page.output, re.MULTILINE)
        script = CHECKOUT / "tests" / "stack" / "example_page.mjs"
        done = subprocess.run(
            [packages.node, "--no-warnings", script, program, address, packages.modules],
            env={**tidy.environment, "SCAN": "./vpb scan"},
            cwd=tidy.folder,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:] + page.output[-1000:]
    finally:
        page.interrupt()
        page.wait()
    found = json.loads(done.stdout)
    assert found["said"] == [STALE]
    assert (found["violations"], found["wide"]) == ([], [0] * 5)
    assert (found["markup"], found["title"]) == (0, "Visual Prompt Builder: example"), "what people write is text"
    assert found["kept"] == "from Bob", "what was refused as stale is still there"
    assert (found["early"], found["late"]) == (0, 1), "Bob hears it once it is clean"
    assert found["played"] == pytest.approx(0.1)
    assert "/exports/" in found["exported"]
    assert not found["open"], "the project of who has left is closed at Bob's"
    # Bob has only signed out.
    tidy.sql("delete from next_auth.users where email like 'bob.%@example.org'")


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it didn't come"
        time.sleep(0.1)


def test_without_the_setting_none_runs(served: Scratch) -> None:
    turn_off(served)
    assert service(served) is None
    assert "SUPABASE_URL" not in variables(served, "--secrets")
    assert [each for each in served.processes() if "local.api" in str(each)] == []
    refused = Run(["make", "example"], served.folder, served.environment).wait()
    assert refused.status != 0
    assert "error: stack dev has no API: add `database:api: true` to the config of Pulumi.dev.yaml" in refused.output
