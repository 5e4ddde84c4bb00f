"""The examples in the packages' READMEs, run as they stand; what the packages say of themselves."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
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
THREE = """
import { client } from "visual-prompt-builder";
import { BUCKETS } from "visual-prompt-builder/database";
import { asPerson } from "visual-prompt-builder/queries";
console.log(typeof client, typeof asPerson, ...BUCKETS);
"""
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
    for name, place in (("pg", drivers / "pg"), ("visual-prompt-builder", typescript.folder)):
        (app / "node_modules" / name).symlink_to(place)
    program = app / "readme.mjs"
    program.write_text(example(NODE, "js"))
    done = subprocess.run(
        [typescript.packages.node, "--no-warnings", program, PROJECT, ADA],
        cwd=tmp_path,
        env=typescript.packages.environment(os.environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert world.run(KEPT, ADA) == [(len(b"sound"),)], "what it took is noted"
    answer = json.loads(done.stdout)
    assert answer["metadata"]["mimetype"] == "audio/webm"
    assert requests.get(answer["url"], timeout=10).content == b"sound"


def test_the_package_for_python_is_installed_as_its_page_says(tmp_path):
    shutil.copytree(PYTHON, tmp_path / "clients" / "python")
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, "venv"], cwd=tmp_path, check=True)
    words = example(PYTHON, "sh").split()
    subprocess.run([*uv, *words[:2], "--python", "venv", *words[2:]], cwd=tmp_path, check=True)
    code = "from importlib.metadata import version; import visual_prompt_builder.signing; print(version('{}'))"
    name = tomllib.loads((PYTHON / "pyproject.toml").read_text())["project"]["name"]
    done = subprocess.run(["venv/bin/python", "-c", code.format(name)], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == f"{VERSION}\n", done.stderr


def test_the_package_for_typescript_is_built_and_installed_as_its_page_says(tmp_path):
    packages = node.ensure(toolchain.context_of(), versions.CLIENTS)
    folder = tmp_path / "clients" / "typescript"
    shutil.copytree(NODE, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    bin, app = tmp_path / "bin", tmp_path / "app"
    bin.mkdir()
    app.mkdir()
    (app / "package.json").write_text('{"name": "app", "private": true, "type": "module"}')
    program = shlex.join(map(str, node.npm(packages.node)))
    (bin / "npm").write_text(f'#!/bin/sh\nexec {program} --no-audit --no-fund --cache {tmp_path}/cache "$@"\n')
    (bin / "npm").chmod(0o755)
    environ = packages.environment(os.environ)
    environ["PATH"] = os.pathsep.join([str(bin), str(packages.node.parent), environ["PATH"]])
    build, install = example(NODE, "sh").splitlines()
    for command, where in ((build, tmp_path), (install.replace("./", f"{folder}/"), app)):
        done = subprocess.run(command, shell=True, cwd=where, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    words = [packages.node, "--input-type=module", "-e", THREE]
    done = subprocess.run(words, cwd=app, env=environ, capture_output=True, text=True)
    assert done.stdout == "function function audio avatars exports\n", done.stderr
    types = {path.name for path in (app / "node_modules" / "visual-prompt-builder" / "dist").glob("*.d.ts")}
    assert {"index.d.ts", "database.d.ts", "queries.d.ts"} <= types


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
