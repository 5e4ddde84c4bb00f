"""An environment whose data isn't disposable, through the real engine: what a destroy takes, and what a lost state.

No target here is one, so the copy's `local` says that it is.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from harness.checkout import Scratch
from tests.stack.conftest import succeeded
from tests.stack.test_dev import outputs, s3

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
        client.get_bucket_policy(Bucket=bucket)["Policy"],
        client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
        client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"],
        client.get_bucket_versioning(Bucket=bucket)["Status"],
        client.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"],
    ]


def test_a_destroy_is_refused_before_anything_is_deleted(prod):
    before = prod.checkpoint.read_text()
    run = prod.start("down", "--confirm", "prod").wait()
    assert run.status == 1
    assert "stack prod: its data isn't disposable, so nothing was destroyed" in run.output
    refused = prod.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive")
    assert refused.status != 0
    assert "protected" in refused.output
    assert "deleted" not in refused.output.replace("cannot be deleted", "")
    assert readable(prod, outputs(prod)["object_bucket"])
    assert before.count('"urn"') == prod.checkpoint.read_text().count('"urn"')


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
    succeeded(prod.up())
    assert readable(prod, bucket)
    assert settings(prod, bucket) == before
    succeeded(prod.preview())
