"""`./vpb sign`: the same functions manually, with an environment's outputs; refusals are one line."""

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from visual_prompt_builder.signing import Store

from ops import __main__ as ops
from ops.environment import Environment
from tests.objects import sound
from tests.objects.conftest import ADA, BOB, PROJECT, VERSION, World
from tests.objects.test_scan_queue import STORE

PERSON = ("--person", ADA)
BUCKETS = {"audio": {"public": False, "file_size_limit": 100_000, "allowed_mime_types": ["audio/wav"]}}


@pytest.fixture
def environment(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The outputs of an environment whose store and database are the tests' own."""
    outputs = {"object_bucket": store.bucket, "storage_buckets": BUCKETS, "admin_url": world.url}
    monkeypatch.setattr(Environment, "of", lambda stack: Environment(stack, outputs))
    monkeypatch.setattr(Environment, "store", store)
    return outputs


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    status = ops.main(["sign", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.usefixtures("environment")
def test_the_form_is_a_command_that_uploads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path
) -> None:
    status, said, _ = run(
        capsys, monkeypatch, "upload", "audio", f"{PROJECT}/by hand's.wav", "--type", "audio/wav", "--person", ADA
    )
    assert status == 0
    file = tmp_path / "a.wav"
    file.write_bytes(sound.wav(0.1))
    command = [word.replace("@FILE", f"@{file}") for word in shlex.split(said)]
    subprocess.run(command, check=True, capture_output=True, timeout=20)
    listed = store.s3.list_objects_v2(
        Bucket=store.bucket, Prefix=f"uploads/storage-single-tenant/audio/{PROJECT}/by hand's.wav/"
    )
    assert [entry["Size"] for entry in listed["Contents"]] == [file.stat().st_size]


@pytest.mark.usefixtures("environment")
def test_as_json_it_is_what_the_function_answers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    status, said, _ = run(
        capsys, monkeypatch, "upload", "audio", f"{PROJECT}/a.wav", "--type", "audio/wav", "--person", ADA, "--json"
    )
    found = json.loads(said)
    assert (status, found["largest"], found["name"]) == (0, 100_000, f"{PROJECT}/a.wav")
    answer = requests.post(found["url"], data=found["fields"], files={"file": b"x"}, timeout=10)
    assert answer.status_code == 204
    words = ("finish", "audio", f"{PROJECT}/a.wav", found["version"], "--person")
    status, said, _ = run(capsys, monkeypatch, *words, ADA, "--json")
    assert (status, json.loads(said)["metadata"]["size"]) == (0, 1)
    status, said, error = run(capsys, monkeypatch, *words, BOB)
    assert (status, said) == (1, "")
    assert "by a form of this person" in error
    world.run("insert into private.departures (user_id, collaborators) values (%s, '{}')", ADA)
    for person in (ADA, PROJECT):
        status, said, error = run(capsys, monkeypatch, *words, person)
        assert (status, said) == (1, "")
        assert f'person "{person}" has no account here; nothing was stored' in error
    world.run("delete from private.departures")


@pytest.mark.usefixtures("environment")
def test_a_form_takes_no_more_than_the_quota_leaves(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    words = ("upload", "audio", f"{PROJECT}/a.wav", "--type", "audio/wav", "--person", ADA, "--size", "7", "--json")
    none = "was given room for 0 bytes of the quota that it counts for, not for 1"
    for quota, wanted in ((7, (0, 7)), (6, (1, none))):
        world.run("insert into private.storage_quotas (user_id, bytes) values (%s, %s)", ADA, quota)
        status, said, error = run(capsys, monkeypatch, *words)
        world.run("delete from private.storage_quotas")
        assert status == wanted[0]
        assert json.loads(said)["largest"] == wanted[1] if status == 0 else str(wanted[1]) in error


@pytest.mark.usefixtures("environment")
def test_a_download_takes_the_version_of_the_row_once_that_is_clean(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    world.run(STORE, "audio", f"{PROJECT}/a.wav", ADA, VERSION, "{}")
    words = ("download", "audio", f"{PROJECT}/a.wav", "--json")
    status, said, error = run(capsys, monkeypatch, *words)
    assert (status, said) == (1, "")
    assert "the virus scan says pending; --unscanned signs it all the same" in json.loads(error)["error"]
    assert run(capsys, monkeypatch, *words, "--unscanned")[0] == 0
    world.run("update private.object_scans set status = 'clean', scanned_at = now()")
    status, said, _ = run(capsys, monkeypatch, *words)
    assert (status, json.loads(said)["version"]) == (0, VERSION)
    assert f"/{VERSION}?" in json.loads(said)["url"]
    status, said, error = run(capsys, monkeypatch, "download", "audio", f"{PROJECT}/b.wav")
    assert (status, said) == (1, "")
    assert error == f"error: object audio/{PROJECT}/b.wav: has no row in storage.objects; name its --version\n"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["upload", "audio", "../a", "--type", "audio/wav", *PERSON], 'object name "../a": has a part . or ..'),
        (
            ["upload", "audio", f"{ADA}/a", "--type", "text/html", *PERSON],
            'type "text/html": bucket audio takes audio/wav',
        ),
        (["upload", "video", f"{ADA}/a", "--type", "a/b", *PERSON], 'bucket "video": no such bucket; there are audio'),
        (
            ["upload", "audio", f"{ADA}/a", "--type", "audio/wav", "--seconds", "9999", *PERSON],
            "time 9999 s: must be 1 to 3600 s",
        ),
        (
            ["upload", "audio", f"{PROJECT}/a", "--type", "audio/wav", "--size", "100001", *PERSON],
            "size 100001: bucket audio takes 1 to 100000 bytes in one form",
        ),
        (
            ["upload", "audio", f"{ADA}/a", "--type", "audio/wav", "--person", "ada"],
            'person "ada": must be a uuid in lower case',
        ),
        (["download", "audio", f"{ADA}/a", "--version", "1"], 'version "1": must be a uuid in lower case'),
        (
            ["cdn", "https://a.b/c", "--key-id", "K", "--private-key", "/dev/null", "--seconds", "99999999999999"],
            "time 99999999999999 s: must be 1 to 3600 s",
        ),
        (["cdn", "https://a.b/c", "--key-id", "K", "--private-key", "/no/such"], "CDN key /no/such: No such file"),
    ],
)
@pytest.mark.usefixtures("environment")
def test_a_refusal_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], wanted: str
) -> None:
    status, said, error = run(capsys, monkeypatch, *words)
    assert (status, said) == (1, "")
    assert error.startswith(f"error: {wanted}")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "wrong", "wanted"),
    [
        (("upload", "audio", f"{PROJECT}/a.wav", "--type", "audio/wav", *PERSON), "database", "database: permission "),
        (("finish", "audio", f"{PROJECT}/a.wav", VERSION, *PERSON), "database", "database: permission denied for "),
        (("download", "audio", f"{PROJECT}/a.wav"), "database", "database: permission denied for "),
        (("finish", "audio", f"{PROJECT}/a.wav", VERSION, *PERSON), "store", "AWS: Could not connect to the endpoint"),
    ],
)
def test_what_a_server_says_no_to_is_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, Any],
    world: World,
    store: Store,
    words: tuple[str, ...],
    wrong: str,
    wanted: str,
) -> None:
    """As a login without privileges, and with a store that doesn't answer."""
    if wrong == "database":
        environment["admin_url"] = world.scanner_url
    else:
        monkeypatch.setattr(Environment, "store", replace(store, endpoint="http://127.0.0.1:1"))
    status, said, error = run(capsys, monkeypatch, *words)
    assert (status, said, len(error.splitlines())) == (1, "", 1)
    assert error.startswith(f"error: {wanted}")
    assert "made-up" not in error


def test_help_names_the_three(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    status, said, _ = run(capsys, monkeypatch, "--help")
    assert status == 0
    assert [name for name in ("upload", "download", "cdn") if name not in said] == []
