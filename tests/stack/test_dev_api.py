"""The local API in the provisioned dev environment: asked for by a setting, used by supabase-js and by the example app,
stopped without it."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import toolchain
from declared import tokens
from declared.paths import CHECKOUT
from harness.checkout import Run, Scratch
from tests.clients import world
from tests.conftest import absent
from tests.stack.conftest import succeeded
from toolchain import node, versions

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]

ADA = "00000000-0000-7000-8000-0000000000aa"
SETTING = "  database:api: true\n"
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


@pytest.fixture(scope="module")
def settings(dev: Scratch) -> str:
    """What the stack's file says without the setting."""
    return (dev.folder / "Pulumi.dev.yaml").read_text()


@pytest.fixture(scope="module")
def served(dev: Scratch, settings: str) -> Iterator[Scratch]:
    """The environment with its API, for the tests of this file; without it afterwards, whatever they have done."""
    assert service(dev) is None
    file = dev.folder / "Pulumi.dev.yaml"
    file.write_text(settings + SETTING)
    succeeded(dev.up())
    yield dev
    if file.read_text() != settings:
        file.write_text(settings)
        succeeded(dev.up())


def packages_of(folder: Path) -> node.Packages:
    try:
        return node.ensure(toolchain.context_of(), folder)
    except toolchain.ToolchainError as error:
        absent(f"no packages of npm here: {error}")


def test_the_setting_starts_an_api_for_supabase_js(served: Scratch, tmp_path: Path) -> None:
    packages = packages_of(versions.CLIENTS)
    with psycopg.connect(served.url) as connection:
        connection.execute(
            "insert into next_auth.users (id, name, email) values (%s, 'Ada', 'ada@api.example.org')", (ADA,)
        )
    try:
        shown = variables(served)
        assert shown["SUPABASE_URL"].startswith("http://127.0.0.1:")
        assert not {"SUPABASE_SERVICE_ROLE_KEY", "SUPABASE_JWT_SECRET"} & shown.keys()
        found = variables(served, "--secrets")
        assert service(served) == {"name": "PostgREST", "version": "12.0.2", "address": found["SUPABASE_URL"]}
        claims = tokens.claims(found["SUPABASE_JWT_SECRET"], found["SUPABASE_SERVICE_ROLE_KEY"])
        assert claims["role"] == "service_role"
        token = succeeded(served.start("token", "--as", "Ada@api.example.org", "--expires", "5m").wait()).strip()
        first = {"url": found["SUPABASE_URL"], "key": found["SUPABASE_ANON_KEY"], "token": token, "person": ADA}
        results = world.programs(packages, tmp_path).run("first.mjs", **first)
        assert results == {"a person makes a project and stores a picture": "ok"}
        nobody = served.start("token", "--as", "nobody@api.example.org").wait()
        assert (nobody.status, "there is no person nobody@api.example.org" in nobody.last_line) == (1, True)
        assert "Schema cache loaded" in succeeded(served.start("logs", "--api").wait())
    finally:
        with psycopg.connect(served.url) as connection:
            connection.execute("delete from next_auth.users where id = %s", (ADA,))


def left(dev: Scratch) -> tuple[Any, ...]:
    """People, projects, stored files and replication slots that are there."""
    tables = ("next_auth.users", "public.projects", "storage.objects", "private.object_scans", "pg_replication_slots")
    with psycopg.connect(dev.url) as connection:
        counted = ", ".join(f"(select count(*) from {table})" for table in tables)
        found = connection.execute(f"select {counted}".encode()).fetchone()
    assert found is not None
    return found


@pytest.fixture
def tidy(served: Scratch) -> Iterator[Scratch]:
    """The environment, in which a test leaves nobody and nothing: files of who has left go with the next cleaning."""
    before = left(served)
    yield served
    succeeded(served.start("storage", "clean", "--grace-hours", "0", "--version-days", "0", "--force").wait())
    assert left(served) == before


def test_the_example_app_does_its_whole_story(tidy: Scratch) -> None:
    """Each step checks what its line says, and refusals among them."""
    packages_of(CHECKOUT / "clients" / "example")
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
    with psycopg.connect(tidy.url) as connection:
        connection.execute("delete from next_auth.users where email like 'bob.%@example.org'")


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it didn't come"
        time.sleep(0.1)


def test_without_the_setting_none_runs(served: Scratch, settings: str) -> None:
    (served.folder / "Pulumi.dev.yaml").write_text(settings)
    succeeded(served.up())
    assert service(served) is None
    assert "SUPABASE_URL" not in variables(served, "--secrets")
    assert [each for each in served.processes() if "local.api" in str(each)] == []
    refused = Run(["make", "example"], served.folder, served.environment).wait()
    assert refused.status != 0
    assert "error: stack dev has no API: add `database:api: true` to the config of Pulumi.dev.yaml" in refused.output
