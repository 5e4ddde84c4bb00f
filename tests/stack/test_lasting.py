"""An environment whose data isn't disposable, through the real engine: what a destroy takes, and what a lost state.

No target here is one, so the copy's `local` says that it is.
"""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from harness.checkout import Scratch
from tests.stack.conftest import succeeded
from tests.stack.test_dev import client_of, outputs, s3

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("lasting")]

KEY = "storage-single-tenant/exports/u1/all.zip/v1"


@pytest.fixture(scope="module")
def prod() -> Iterator[Scratch]:
    with Scratch("prod") as scratch:
        path = scratch.folder / "targets" / "local.py"
        text = path.read_text()
        assert "    disposable = True\n" in text
        path.write_text(text.replace("    disposable = True\n", "    disposable = False\n"))
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
    for run in (
        prod.start("down", "--confirm", "prod").wait(),
        prod.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive"),
    ):
        assert run.status == 1
        assert run.last_line.startswith("error: stack prod: its data isn't disposable, so nothing was destroyed; set ")
    assert readable(prod, outputs(prod)["object_bucket"])
    assert before == prod.checkpoint.read_text()


def test_given_up_on_purpose_a_filled_bucket_stays_with_its_key_and_its_settings(prod):
    bucket = outputs(prod)["object_bucket"]
    before = settings(prod, bucket)
    succeeded(prod.pulumi("config", "set", "database:protectData", "false"))
    succeeded(prod.up())
    run = prod.start("down", "--confirm", "prod").wait()
    assert run.status != 0
    assert "BucketNotEmpty" in run.output
    assert readable(prod, bucket)
    assert settings(prod, bucket) == before
    succeeded(prod.pulumi("config", "rm", "database:protectData"))
    # What is made again waits for locks that the run before may still hold, and gives up in time.
    again = prod.up()
    succeeded(prod.up() if again.status else again)
    assert readable(prod, bucket)
    assert settings(prod, bucket) == before
    succeeded(prod.preview())


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
