"""An environment whose data isn't disposable, through the real engine: what a destroy takes, and what a lost state.

No target here is one, so the copy's `local` says that it is.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from declared import sqlfiles
from declared.paths import CHECKOUT
from declared.permissions import today
from declared.sqlfiles import MIGRATIONS
from harness.checkout import Finished, Scratch
from tests.stack.conftest import UP_ALONE, succeeded
from tests.stack.test_dev import client_of, outputs, s3

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("lasting")]

# A migration and a schema more than the project's own, to be taken back.
STEP = f"{len(sqlfiles.steps(CHECKOUT / MIGRATIONS.folder)) + 1:04}_attic"
UP = f"""-- {STEP[:4]} attic: a column that is taken back again.
-- Lock: access exclusive on users. Duration: instant.
-- Down: loses what the column holds.

alter table public.users add column attic text;
"""
DOWN = UP.replace("add column attic text", "drop column attic")
SCHEMA = '    "attic": OWNER,\n'
KEY = "storage-single-tenant/exports/u1/all.zip/v1"


@pytest.fixture(scope="module")
def prod() -> Iterator[Scratch]:
    with Scratch("prod") as scratch:
        (scratch.folder / "Pulumi.prod.yaml").unlink()
        path = scratch.folder / "targets" / "local.py"
        text = path.read_text()
        assert "    disposable = True\n" in text
        path.write_text(text.replace("    disposable = True\n", "    disposable = False\n"))
        schemas = scratch.folder / "declared" / "schemas.py"
        schemas.write_text(schemas.read_text().replace('    "audit": OWNER,\n', f'    "audit": OWNER,\n{SCHEMA}'))
        for half, text in {"up": UP, "down": DOWN}.items():
            (scratch.folder / "sql" / "migrations" / f"{STEP}.{half}.sql").write_text(text)
        succeeded(scratch.pulumi("stack", "init"))
        succeeded(scratch.up())
        s3(scratch).put_object(Bucket=outputs(scratch)["object_bucket"], Key=KEY, Body=b"kept")
        yield scratch


def readable(prod: Scratch, bucket: str) -> bool:
    return bool(s3(prod).get_object(Bucket=bucket, Key=KEY)["Body"].read() == b"kept")


def settings(prod: Scratch, bucket: str) -> list[Any]:
    client = s3(prod)
    return [
        {each["Sid"] for each in json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]},
        client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
        client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"],
        client.get_bucket_versioning(Bucket=bucket)["Status"],
        client.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"],
    ]


def test_a_destroy_is_refused_before_anything_is_deleted(prod):
    before = prod.checkpoint.read_text()
    run = prod.start("down", "--confirm", "prod").wait()
    assert run.status == 1
    assert run.last_line.startswith("error: stack prod: its data isn't disposable, so nothing was destroyed; set ")
    assert readable(prod, outputs(prod)["object_bucket"])
    unchanged = prod.checkpoint.read_text() == before
    assert unchanged


@contextmanager
def allowed(prod: Scratch, *what: str, days: int) -> Iterator[None]:
    """Permissions in the stack's file, good until so many days from now."""
    path = prod.folder / "Pulumi.prod.yaml"
    before = path.read_text() if path.exists() else ""
    until = f"{today() + timedelta(days=days):%Y-%m-%d}"
    entries = "".join(f"    - {{what: {each}, reason: nobody uses it, until: {until}}}\n" for each in what)
    path.write_text(f"config:\n  database:allow:\n{entries}")
    try:
        yield
    finally:
        path.write_text(before)


def refused(prod: Scratch, said: str, run: Callable[[], Finished]) -> None:
    """A run refuses, and nothing is changed."""
    before, done = prod.checkpoint.read_text(), run()
    assert done.status == 1, done.output[-3000:]
    assert said in done.output
    # A difference of two states takes pytest an hour to show.
    unchanged = prod.checkpoint.read_text() == before
    assert unchanged


def test_a_rollback_that_loses_data_and_the_end_of_a_schema_are_refused_until_they_are_allowed(prod):
    for half in ("up", "down"):
        (prod.folder / "sql" / "migrations" / f"{STEP}.{half}.sql").unlink()
    path = prod.folder / "declared" / "schemas.py"
    path.write_text(path.read_text().replace(SCHEMA, ""))
    said = f"migration {STEP}: this environment protects its data and the rollback doesn't: 'loses what the column"
    with allowed(prod, STEP, days=-1):
        expired = prod.start("preview").wait()
        assert (expired.status, said in expired.output) == (1, True)
        assert f"database:allow: {STEP} was allowed until" in expired.output
    said = (
        "structure-attic would be deleted or replaced, and with it a schema: put its declaration back; if it is meant: "
    )
    with allowed(prod, STEP, days=0):
        refused(prod, said, prod.up)
    unused = "structure-statistics"
    with allowed(prod, "structure-attic", STEP, unused, days=0):
        done = succeeded(prod.up())
    assert f"database:allow: {STEP} is allowed until {today():%Y-%m-%d} (nobody uses it)" in done
    needless = [line for line in done.splitlines() if "nothing has needed" in line]
    assert [unused in line and "take it out of Pulumi.prod.yaml" in line for line in needless] == [True]
    assert prod.sql("select count(*) from pg_namespace where nspname = 'attic'") == [(0,)]


def test_the_replacement_of_a_bucket_and_a_key_is_refused_with_nothing_made_in_their_place(prod):
    path, kms = prod.folder / "declared" / "awsnames.py", client_of(prod, "kms")
    text, keys = path.read_text(), len(kms.list_keys()["Keys"])
    path.write_text(text.replace('f"vpb-{self.stack}-', 'f"vpb-another-{self.stack}-'))
    try:
        said = "-bucket would be deleted or replaced, and with it files: put its declaration back; if it is meant: "
        # Also where nobody looks before.
        run = prod.pulumi(*UP_ALONE)
        assert (run.status, said in run.output) == (1, True)
    finally:
        path.write_text(text)
    names = {bucket["Name"] for bucket in s3(prod).list_buckets()["Buckets"]}
    assert not any("another" in name for name in names)
    assert len(kms.list_keys()["Keys"]) == keys


def test_given_up_on_purpose_a_filled_bucket_stays_with_its_key_and_its_settings(prod):
    bucket = outputs(prod)["object_bucket"]
    before = settings(prod, bucket)
    succeeded(prod.pulumi("config", "set", "database:protectData", "false"))
    succeeded(prod.pulumi(*UP_ALONE))
    run = prod.start("down", "--confirm", "prod").wait()
    assert run.status != 0
    assert "BucketNotEmpty" in run.output
    assert readable(prod, bucket)
    assert settings(prod, bucket) == before
    succeeded(prod.pulumi("config", "rm", "database:protectData"))
    # What is made again waits for locks that the run before may still hold, and gives up in time.
    again = prod.pulumi(*UP_ALONE)
    succeeded(prod.pulumi(*UP_ALONE) if again.status else again)
    assert readable(prod, bucket)
    assert settings(prod, bucket) == before


def test_after_a_lost_state_files_are_read_with_the_key_that_they_were_written_with(prod):
    """What holds data and who reads it is taken over. The CDN isn't: its domain would be another, and is asked for."""
    bucket, kms, iam = outputs(prod)["object_bucket"], client_of(prod, "kms"), client_of(prod, "iam")

    def there():
        return len(kms.list_keys()["Keys"]), len(iam.list_roles()["Roles"])

    before = there()
    shutil.rmtree(prod.state_folder)
    run = prod.up()
    assert run.status == 1
    assert "OriginAccessControlAlreadyExists" in run.output
    assert "bring back the state" in run.output
    assert (there(), readable(prod, bucket)) == (before, True)


def test_a_key_that_waits_for_its_end_is_called_back_first(prod):
    kms = client_of(prod, "kms")
    alias = "alias/visual-prompt-builder-prod-objects"
    (key,) = (each["TargetKeyId"] for each in kms.list_aliases()["Aliases"] if each["AliasName"] == alias)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    run = prod.up()
    assert run.status == 1
    assert f"KMS key {key} ({alias}) is PendingDeletion" in run.output
    assert f"`aws kms cancel-key-deletion --key-id {key}`" in run.last_line
