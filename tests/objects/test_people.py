"""`./vpb people`: the export of what concerns a person, and who has left."""

import io
import json
import resource
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from visual_prompt_builder.names import TENANT
from visual_prompt_builder.signing import Store

from ops import __main__ as ops
from ops.environment import Environment
from ops.people import export
from tests.objects.conftest import World
from tests.objects.test_scan_queue import STORE

EVE = "00000000-0000-7000-8000-00000000000e"
PROJECT = "00000000-0000-7000-8000-0000000000e1"
NOBODY = "00000000-0000-7000-8000-0000000000ff"


@pytest.fixture
def eve(world: World) -> Iterator[str]:
    """A person who has something, and has left after the test."""
    world.run("delete from private.departures")
    world.run("insert into storage.buckets (id, name) values ('exports', 'exports') on conflict do nothing")
    world.run("insert into next_auth.users (id, name, email) values (%s, 'Eve', 'eve@example.org')", EVE)
    world.run("insert into public.projects (id, owner_id, title) values (%s, %s, 'Gärten')", PROJECT, EVE)
    world.run("insert into analytics.user_activity (user_id, action) select %s, 'a.b' from generate_series(1, 3)", EVE)
    yield EVE
    world.run("delete from next_auth.users where id = %s", EVE)
    world.run("call ops.erase_departed()")
    world.run("delete from private.departures")


@pytest.fixture
def outputs(store: Store, world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stack whose store and database are the tests' own; its outputs."""
    known = {
        "admin_url": world.url,
        "api_url": world.url,
        "object_bucket": store.bucket,
        "storage_buckets": {"exports": {"file_size_limit": 1_000_000, "allowed_mime_types": ["application/zip"]}},
    }
    monkeypatch.setattr(Environment, "of", lambda stack: Environment(stack, known))
    monkeypatch.setattr(Environment, "store", store)
    return known


def add(world: World, store: Store, name: str, content: bytes | None = b"sound", bucket: str = "audio") -> str:
    """A row, and its file unless there is none; its key."""
    version = str(uuid4())
    key = f"{TENANT}/{bucket}/{name}/{version}"
    if content is not None:
        store.s3.put_object(Bucket=store.bucket, Key=key, Body=content)
    world.run(STORE, bucket, name, EVE, version, json.dumps({"size": len(content or b"")}))
    return key


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = ops.main(["people", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


def read(archive: zipfile.ZipFile, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(archive.read(f"tables/{table}.json"))
    return found


def test_an_export_has_each_table_the_files_and_what_is_left_out(
    capsys: pytest.CaptureFixture[str], outputs: dict[str, Any], world: World, store: Store, eve: str, tmp_path: Path
) -> None:
    add(world, store, f"{PROJECT}/one.wav", b"one")
    add(world, store, f"{eve}/deep/er/two.png", b"two", "avatars")
    add(world, store, f"{PROJECT}/gone.wav", None)
    add(world, store, f"{PROJECT}/bad.wav", b"virus")
    world.run("update private.object_scans set status = 'infected', scanned_at = now() where name like '%%/bad.wav'")
    add(world, store, f"{eve}/earlier.zip", b"zip", "exports")
    path = tmp_path / "eve.zip"
    status, said, _ = run(capsys, "export-person", eve, "--to", str(path), "--json")
    assert (status, json.loads(said)["file"]) == (0, str(path))
    assert path.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        tables = [name for (name,) in world.run("select t.name from ops.exported_tables() as t (name)")]
        assert list(manifest["tables"]) == tables
        for table in tables:
            assert len(read(archive, table)) == manifest["tables"][table], table
        assert read(archive, "next_auth.users")[0]["email"] == "eve@example.org"
        assert read(archive, "public.projects")[0]["title"] == "Gärten"
        assert manifest["tables"]["analytics.user_activity"] == 3
        assert archive.read(f"files/audio/{PROJECT}/one.wav") == b"one"
        assert archive.read(f"files/avatars/{eve}/deep/er/two.png") == b"two"
        assert len([name for name in archive.namelist() if name.startswith("files/")]) == 2
    assert {each["name"]: each["reason"] for each in manifest["left_out"]} == {
        f"{PROJECT}/bad.wav": "found harmful",
        f"{PROJECT}/gone.wav": "not in the object store",
    }


def test_an_export_lies_in_the_persons_own_folder_with_a_row_that_they_read(
    capsys: pytest.CaptureFixture[str], outputs: dict[str, Any], world: World, store: Store, eve: str
) -> None:
    status, said, _ = run(capsys, "export-person", eve)
    assert status == 0
    assert said.startswith(f"exports/{eve}/export-")
    ((name, version, size),) = world.run(
        "select name, version, (metadata ->> 'size')::bigint from storage.objects where bucket_id = 'exports'"
    )
    stored = store.s3.get_object(Bucket=store.bucket, Key=f"{TENANT}/exports/{name}/{version}")["Body"].read()
    assert (name.startswith(f"{eve}/"), len(stored)) == (True, size)
    with zipfile.ZipFile(io.BytesIO(stored)) as archive:
        assert read(archive, "public.users")[0]["display_name"] == "Eve"


def test_what_stands_in_the_way_is_one_line_and_leaves_no_file(
    capsys: pytest.CaptureFixture[str], outputs: dict[str, Any], world: World, store: Store, eve: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.zip"
    status, _, error = run(capsys, "export-person", NOBODY, "--to", str(path))
    assert (status, error) == (1, f"error: person {NOBODY}: there is no such account, or it has been deleted\n")
    assert not path.exists()
    path.write_text("mine")
    status, _, error = run(capsys, "export-person", eve, "--to", str(path))
    assert (status, error) == (1, f"error: export {path} can't be made: File exists\n")
    assert path.read_text() == "mine"
    outputs["storage_buckets"]["exports"]["file_size_limit"] = 100
    status, _, error = run(capsys, "export-person", eve)
    assert (status, error.count("\n"), "bucket exports takes 100" in error) == (1, 1, True)
    assert world.run("select name from storage.objects where bucket_id = 'exports'") == []
    status, _, error = run(capsys, "export-person", "Eve")
    assert (status, error.count("\n")) == (1, 1)


def test_neither_a_file_nor_a_table_has_to_fit_into_memory(
    outputs: dict[str, Any], world: World, store: Store, eve: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[int] = []
    copy = shutil.copyfileobj

    def copied(source: Any, target: Any, length: int) -> None:
        pieces.append(length)
        copy(source, target, length)

    monkeypatch.setattr(shutil, "copyfileobj", copied)
    add(world, store, f"{PROJECT}/long.wav", b"\0" * 30_000_000)
    world.run(
        "insert into analytics.user_activity (user_id, action, details) "
        "select %s, 'a.b', jsonb_build_object('x', repeat('y', 10000)) from generate_series(1, 3000)",
        eve,
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    export.to_file(Environment.of("dev"), UUID(eve), tmp_path / "big.zip")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    assert pieces == [export.PIECE]


def test_the_list_of_who_has_left_is_kept_and_applied_to_a_restored_database(
    capsys: pytest.CaptureFixture[str], outputs: dict[str, Any], world: World, eve: str, tmp_path: Path
) -> None:
    world.run("delete from next_auth.users where id = %s", eve)
    status, said, _ = run(capsys, "departures", "--json")
    known = json.loads(said)
    assert (status, [each["user_id"] for each in known["departures"]], known["waiting"]) == (0, [eve], 0)
    kept = tmp_path / "departures.json"
    kept.write_text(said)
    # What a backup from before brings back.
    world.run("delete from private.departures")
    world.run("insert into next_auth.users (id, name) values (%s, 'Eve')", eve)
    status, said, error = run(capsys, "departures", "--apply", str(kept))
    assert (status, said, error.count("\n")) == (1, "", 1)
    assert "this deletes what accounts there are of 1 people" in error
    assert "confirm with --yes" in error
    assert world.run("select name from next_auth.users where id = %s", eve) == [("Eve",)], "nobody was asked"
    assert run(capsys, "departures", "--yes")[0] == 1, "nothing is asked there"
    assert run(capsys, "departures", "--apply", str(kept), "--yes")[:2] == (
        0,
        "1 accounts that a backup had brought back are gone\n",
    )
    assert world.run("select name from next_auth.users where id = %s", eve) == []
    assert run(capsys, "departures")[1].startswith("1 people have left, of 0 something is still to be deleted")
    kept.write_text("[]")
    status, _, error = run(capsys, "departures", "--apply", str(kept))
    assert (status, error.count("\n"), "is none that" in error) == (1, 1, True)
