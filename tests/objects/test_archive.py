"""`./vpb archive` on a real database and store: a month goes once its archive has been read back, and comes back."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from visual_prompt_builder.signing import Store

from ops import __main__ as ops
from ops.archive import job
from ops.archive.copies import Copies, Manifest
from ops.environment import Environment
from tests.objects.test_scan_job import Killed
from tests.sql import provision
from tests.sql.provision import Connection, row
from tests.sql.test_audit_months import made_old
from tests.sql.trail import findings

TABLES = ["analytics.api_usage", "audit.log"]
MONTHS = "select ops.make_partitions(0, (now() - interval '15 months')::date)"
# Each value that a text could lose: nothing, the empty text, quotes, ends of lines, what isn't ASCII.
ROWS = """
insert into analytics.api_usage (created_at, user_id, provider, model, cost, latency_ms)
select
    date_trunc('month', now() at time zone 'UTC') - interval '15 months' + interval '1 day',
    null, v.text, E'a\nb"c', 0.1, null
from (values (''), ('Grüße, "du"'), ('\\N'), (E'\r\n')) as v (text)"""
OLD = "select tableoid::regclass::text from analytics.api_usage order by created_at limit 1"
THERE = "select to_regclass(%s) is not null"


@pytest.fixture
def outputs(store: Store, provisioned_database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A stack with a store that is empty and a database that archives."""
    with psycopg.connect(provisioned_database.url, autocommit=True) as connection:
        connection.execute("alter role backup password 'made-up'")
        connection.execute(
            "update private.settings set value = %s where name = 'archivedTables'", (json.dumps(TABLES),)
        )
    place = f"{provisioned_database.host}:{provisioned_database.port}/{provisioned_database.name}"
    known = {
        "admin_url": provisioned_database.url,
        "backup_url": f"postgresql://backup:made-up@{place}",
        "object_bucket": store.bucket,
        "retention_months": {"analytics": 13, "audit": 24},
        "archived_tables": TABLES,
    }
    monkeypatch.setattr(Environment, "of", lambda stack: Environment(stack, known))
    monkeypatch.setattr(Environment, "store", store)
    yield known
    pages = store.s3.get_paginator("list_object_versions").paginate(Bucket=store.bucket, Prefix="archives/")
    for page in pages:
        for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            store.s3.delete_object(Bucket=store.bucket, Key=entry["Key"], VersionId=entry["VersionId"])


@pytest.fixture
def alone(provisioned_database: Any) -> Iterator[Connection]:
    """The superuser, on a database of this test alone, with people."""
    with psycopg.connect(provisioned_database.url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        provision.add_people(connection)
        yield connection


@pytest.fixture
def month(outputs: dict[str, Any], alone: Connection) -> str:
    """A month of usage that is due."""
    alone.execute(MONTHS.encode())
    alone.execute(ROWS.encode())
    return str(row(alone, OLD)[0])


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = ops.main(["archive", *words])
    said = capsys.readouterr()
    return status, said.out, said.err


def archived(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> dict[str, dict[str, Any]]:
    """What became of each month, by its name."""
    found, said, error = run(capsys, *words, "--json")
    assert (found, error) == (status, ""), said
    return {each["name"]: each for each in json.loads(said)}


def content(connection: Connection, table: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"select * from {table} order by id".encode()).fetchall()


def test_a_month_is_archived_then_dropped_and_is_read_again_as_it_was(capsys, outputs, alone, month, store):
    before = content(alone, month)
    assert len(before) == 4
    counted = archived(capsys, "--dry-run")
    assert counted[month]["rows"] == 4
    assert row(alone, THERE, (month,)) == (True,)
    assert store.s3.list_objects_v2(Bucket=store.bucket, Prefix="archives/")["KeyCount"] == 0
    # Housekeeping leaves it alone, and drops what isn't archived.
    retired = row(alone, "call ops.keep_partitions()")[1]
    assert {name.rpartition("_20")[0] for name in retired} == {"error_logs", "performance_metrics", "user_activity"}
    assert row(alone, "select ops.retire_partitions()") == ([],)

    done = archived(capsys)
    assert done.keys() == counted.keys()
    assert done[month]["result"] == "archived and dropped"
    assert row(alone, THERE, (month,)) == (False,)
    assert archived(capsys) == {}
    listed = run(capsys, "list")[1]
    assert month.partition(".")[2][:12] in listed

    status, said, _ = run(capsys, "restore", month)
    table = f"archived.{month.partition('.')[2]}"
    assert (status, said) == (0, f"{table}: 4 rows; when you have read it: drop table {table}\n")
    assert content(alone, table) == before
    assert run(capsys, "restore", month)[::2] == (
        1,
        f"error: archive {month}: {table} is there already; read it, or drop it first\n",
    )
    alone.execute("set role service_role")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        alone.execute(f"select from {table}".encode())


def test_the_trail_is_whole_when_its_months_are_archived(capsys, outputs, alone):
    old = made_old(alone, 30, 4)
    assert archived(capsys)[old]["rows"] == 4
    assert findings(alone) == []
    assert row(alone, "select count(*) > 0 from audit.retired where partition = %s", (old.partition(".")[2],)) == (
        True,
    )
    assert run(capsys, "restore", old)[0] == 0
    assert row(alone, f"select count(*) from archived.{old.partition('.')[2]}") == (4,)
    assert findings(alone) == []


STEPS = [(Copies, "put_rows"), (Copies, "check"), (Copies, "put_manifest"), (job, "_retire")]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("place", "step"), STEPS, ids=[step for _, step in STEPS])
def test_killed_anywhere_it_goes_on_when_it_is_run_again(capsys, alone, month, monkeypatch, place, step, after):
    before = content(alone, month)
    real = getattr(place, step)

    def dies(*given: Any) -> None:
        if after:
            real(*given)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(place, step, dies)
        with pytest.raises(Killed):
            ops.main(["archive"])
        capsys.readouterr()
    dropped = (step, after) == ("_retire", True)
    assert row(alone, THERE, (month,)) == (not dropped,)
    assert (month in archived(capsys)) is not dropped
    assert run(capsys, "restore", month)[0] == 0
    assert content(alone, f"archived.{month.partition('.')[2]}") == before


def damaged(store: Store, month: str, change: str) -> None:
    key = f"archives/{month}/rows.csv.gz"
    found = store.s3.get_object(Bucket=store.bucket, Key=key)["Body"].read()
    if change == "gone":
        store.s3.delete_object(Bucket=store.bucket, Key=key)
    else:
        text = gzip.compress(gzip.decompress(found).replace(b"du", b"Sie")) if change == "other rows" else found[:-9]
        store.s3.put_object(Bucket=store.bucket, Key=key, Body=text)


@pytest.mark.parametrize(
    ("change", "how"), [("gone", "is missing"), ("other rows", "isn't what"), ("cut", "isn't what")]
)
def test_a_damaged_archive_is_refused_and_nothing_is_dropped_for_it(
    capsys, alone, month, monkeypatch, store, change, how
):
    real = Copies.put_rows

    def stored(copies: Copies, name: str, rows: Any) -> None:
        real(copies, name, rows)
        damaged(store, name, change)

    with monkeypatch.context() as patched:
        patched.setattr(Copies, "put_rows", stored)
        done = archived(capsys, status=1)
    assert how in done[month]["result"]
    assert row(alone, THERE, (month,)) == (True,)
    assert archived(capsys)[month]["failed"] is False
    damaged(store, month, change)
    status, said, error = run(capsys, "restore", month)
    assert (status, said, error.count("\n")) == (1, "", 1)
    assert how in error
    assert row(alone, "select to_regnamespace('archived') is null") == (True,)


def test_a_manifest_that_says_something_else_than_the_rows_is_refused(capsys, alone, month, store):
    archived(capsys)
    copies = Copies(store)
    told = copies.manifest(month)
    assert told
    for change in ({"digest": "7"}, {"rows": 5}, {"columns": [["id", "uuid); drop table x; --"]]}):
        copies.put_manifest(Manifest(**{**vars(told), **change}))
        status, _, error = run(capsys, "restore", month)
        assert (status, error.count("\n")) == (1, 1), error
    store.s3.put_object(Bucket=store.bucket, Key=f"archives/{month}/manifest.json", Body=b"{}")
    assert "is no manifest of it" in run(capsys, "restore", month)[2]


def test_a_month_that_changed_or_hides_rows_or_is_in_use_stays(capsys, outputs, alone, month, monkeypatch):
    real = Copies.check

    def changed(copies: Copies, manifest: Manifest) -> None:
        real(copies, manifest)
        alone.execute(f"update {month} set user_id = null, model = 'other'".encode())

    with monkeypatch.context() as patched:
        patched.setattr(Copies, "check", changed)
        assert "it has changed while it was archived" in archived(capsys, status=1)[month]["result"]
    with psycopg.connect(outputs["admin_url"]) as session:
        session.execute(f"lock table {month} in row exclusive mode".encode())
        assert archived(capsys, status=1)[month]["result"] == "locked by others, left to the next run"
    # As on a server whose superuser is nobody's.
    alone.execute("alter role backup nobypassrls")
    try:
        policy = f"{month.partition('.')[2]}_select_backup"
        alone.execute(f"alter policy {policy} on {month} using (provider <> '')".encode())
        assert "row security hides rows from login backup" in archived(capsys, status=1)[month]["result"]
        alone.execute(f"alter policy {policy} on {month} using (true)".encode())
        assert archived(capsys, "--dry-run")[month]["rows"] == 4
    finally:
        alone.execute("alter role backup bypassrls")
    assert row(alone, f"select count(*) from {month}") == (4,)
    with psycopg.connect(outputs["admin_url"], autocommit=True) as session:
        session.execute(job.ALONE)
        assert run(capsys)[::2] == (
            1,
            "error: stack dev: another archive run is under way; wait until it ends\n",
        )


def test_an_archive_that_a_killed_run_left_is_taken_only_for_the_same_rows(capsys, alone, month, monkeypatch, store):
    with monkeypatch.context() as patched:
        real = Copies.put_manifest

        def dies(copies: Copies, manifest: Manifest) -> None:
            real(copies, manifest)
            raise Killed

        patched.setattr(Copies, "put_manifest", dies)
        with pytest.raises(Killed):
            ops.main(["archive"])
        capsys.readouterr()
    alone.execute(f"update {month} set model = 'other'".encode())
    assert "an archive of it has other rows" in archived(capsys, status=1)[month]["result"]
    assert row(alone, f"select count(*) from {month}") == (4,)
    store.s3.delete_object(Bucket=store.bucket, Key=f"archives/{month}/manifest.json")
    assert archived(capsys)[month]["failed"] is False


def test_options_before_a_command_are_refused(capsys):
    status, _, error = run(capsys, "--stack", "prod", "list")
    assert (status, error.startswith("error: options go behind list")) == (1, True)
