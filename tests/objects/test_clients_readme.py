"""The examples in the packages' READMEs, run as they stand; what the packages say of themselves."""

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from visual_prompt_builder.signing import Store

import toolchain
from declared.paths import CHECKOUT
from declared.version import VERSION
from tests.objects.conftest import ADA, BOB, PROJECT, TypeScript, World
from toolchain import node, versions

KEPT = "select kept_bytes from private.storage_usage where folder_id = %s and bucket_id = ''"
PYTHON, NODE = CHECKOUT / "clients" / "python", CHECKOUT / "clients" / "typescript"


def example(folder: Path, language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    return found


@pytest.fixture
def environment(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The outputs of a stack; the store's key where both SDKs look for one, and room for as much as both send."""
    world.run("insert into private.storage_quotas (user_id, bytes) values (%s, %s)", ADA, len(b"sound"))
    world.run("select ops.note_kept('{}', '{}', '{}')")
    monkeypatch.setenv("DATABASE_URL", world.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", store.access_key or "")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", store.secret_key or "")
    audio = {"public": False, "file_size_limit": 1000, "allowed_mime_types": ["audio/webm"], "cdn": False}
    yield {"object_bucket": store.bucket, "s3_endpoint": store.endpoint, "storage_buckets": {"audio": audio}}
    world.run("delete from private.storage_quotas")


def test_the_example_in_python_uploads_and_reads(environment, world: World, tmp_path, monkeypatch):
    (tmp_path / "outputs.json").write_text(json.dumps(environment))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(example(PYTHON, "python"), "README.md", "exec"), names)
    form = names["begin"](PROJECT, ADA, len(b"sound"))
    assert form.largest == len(b"sound"), "as the database answers"
    assert world.run(KEPT, ADA) == [(len(b"sound"),)], "and notes"
    assert requests.post(form.url, data=form.fields, files={"file": ("a", b"sound")}, timeout=10).status_code == 204
    stored = names["finish"](form, PROJECT, ADA)
    assert requests.get(names["listen"](stored), timeout=10).content == b"sound"


def test_the_example_in_typescript_uploads_and_reads(environment, world: World, typescript: TypeScript, tmp_path):
    (tmp_path / "outputs.json").write_text(json.dumps(environment))
    # The app's own packages, of which the database's driver is one.
    app = tmp_path / "app"
    (app / "node_modules").mkdir(parents=True)
    drivers = node.ensure(toolchain.context_of(), versions.CLIENTS).modules
    for name, place in (("pg", drivers / "pg"), ("visual-prompt-builder-objects", typescript.folder)):
        (app / "node_modules" / name).symlink_to(place)
    program = app / "readme.mjs"
    program.write_text(example(NODE, "ts"))
    done = subprocess.run(
        [typescript.packages.node, "--no-warnings", program, PROJECT, ADA],
        cwd=tmp_path,
        env=typescript.packages.environment(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert world.run(KEPT, ADA) == [(len(b"sound"),)], "what it took is noted"
    answer = json.loads(done.stdout)
    assert answer["metadata"]["mimetype"] == "audio/webm"
    assert requests.get(answer["url"], timeout=10).content == b"sound"


def test_both_packages_have_the_project_s_version_and_its_licence():
    python = tomllib.loads((PYTHON / "pyproject.toml").read_text())["project"]
    node = json.loads((NODE / "package.json").read_text())
    lock = json.loads((NODE / "package-lock.json").read_text())
    assert {python["version"], node["version"], lock["version"], lock["packages"][""]["version"]} == {VERSION}
    assert {python["license"], node["license"]} == {"MIT"}
    (first, *_) = re.findall(r"^## (.+)$", (CHECKOUT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert re.fullmatch(rf"{re.escape(VERSION)} - (\d{{4}}-\d\d-\d\d|unreleased)", first)


def test_the_examples_finish_nothing_for_who_has_left(environment, world: World, tmp_path, monkeypatch):
    (tmp_path / "outputs.json").write_text(json.dumps(environment))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(example(PYTHON, "python"), "README.md", "exec"), names)
    form = names["begin"](PROJECT, ADA, len(b"sound"))
    assert requests.post(form.url, data=form.fields, files={"file": ("a", b"sound")}, timeout=10).status_code == 204
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="may not edit the project"):
        names["finish"](form, PROJECT, BOB)
    assert names["finish"](form, PROJECT, ADA).size == len(b"sound")
    assert world.run("select name from storage.objects") == [], "it was only tried"
