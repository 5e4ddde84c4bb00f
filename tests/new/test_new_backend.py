"""The backend of lasting stacks: made once, brought to the same again, used by the engine for a stack's whole life."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from declared.awsnames import STATE_ALIAS
from harness.checkout import Finished, Run, Scratch
from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("backend")]

REGION, BUCKET = "eu-central-1", "vpb-state-123456789012"
URL = f"s3://{BUCKET}?region={REGION}&awssdk=v2"
SECRETS = f"awskms://{STATE_ALIAS}?region={REGION}&awssdk=v2"


@pytest.fixture(scope="module")
def scratch() -> Iterator[Scratch]:
    """A checkout whose AWS is moto, by the variables of AWS' own clients; the stack's AWS is the same one."""
    with Scratch("lasting") as scratch:
        moto = "from local import services; services.ensure('lasting', False)"
        succeeded(Run([sys.executable, "-c", moto], scratch.folder, scratch.environment).wait())
        aws = scratch.services["aws"]
        scratch.environment |= {
            "AWS_ENDPOINT_URL": aws["endpoint"],
            "AWS_ACCESS_KEY_ID": aws["access_key"],
            "AWS_SECRET_ACCESS_KEY": aws["secret_key"],
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }
        yield scratch


def new_backend(scratch: Scratch, region: str = REGION) -> Finished:
    words = ("-m", "ops", "new", "backend", "--region", region, "--json")
    return Run([sys.executable, *words], scratch.folder, scratch.environment).wait()


def client(scratch: Scratch, service: str) -> Any:
    aws = scratch.services["aws"]
    keys = {"aws_access_key_id": aws["access_key"], "aws_secret_access_key": aws["secret_key"]}
    return boto3.client(service, region_name=REGION, endpoint_url=aws["endpoint"], **keys)


def test_it_is_made_once_closed_versioned_and_encrypted_with_a_key_of_its_own(scratch):
    made = json.loads(succeeded(new_backend(scratch)))
    assert made["said"] == [f"made    key {STATE_ALIAS}", f"made    bucket {BUCKET}"]
    assert (URL in made["next"][0], SECRETS in made["next"][1]) == (True, True)
    client(scratch, "s3").delete_bucket_policy(Bucket=BUCKET)
    again = json.loads(succeeded(new_backend(scratch)))
    assert again["said"] == [f"there   bucket {BUCKET} and its key"]
    s3, kms = client(scratch, "s3"), client(scratch, "kms")
    (key,) = (each["TargetKeyId"] for each in kms.list_aliases()["Aliases"] if each["AliasName"] == STATE_ALIAS)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    assert set(s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"].endswith(key)
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=BUCKET)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert s3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"] == REGION


def test_a_region_of_another_partition_is_refused(scratch):
    run = new_backend(scratch, "cn-north-1")
    assert (run.status, "--region is 'cn-north-1'; allowed is an AWS region such as" in run.output) == (1, True)


def test_another_region_and_a_key_that_is_about_to_go_are_refused_in_one_line(scratch):
    run = new_backend(scratch, "eu-west-1")
    assert (run.status, REGION in run.last_line or "another region" in run.last_line) == (1, True), run.output
    kms = client(scratch, "kms")
    key = kms.describe_key(KeyId=STATE_ALIAS)["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    run = new_backend(scratch)
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    assert (run.status, f"KMS key {key} ({STATE_ALIAS}) is PendingDeletion" in run.output) == (1, True)
    assert "Traceback" not in run.output


def test_a_stack_lives_there_with_its_secrets_under_the_key_and_one_run_at_a_time(scratch):
    scratch.environment["PULUMI_BACKEND_URL"] = URL
    path = scratch.folder / "Pulumi.lasting.yaml"
    path.write_text("# Kept.\nconfig:\n  database:target: local # and this\n")
    succeeded(scratch.pulumi("stack", "init", "--secrets-provider", SECRETS))
    file = path.read_text()
    assert ("# Kept." in file, "# and this" in file) == (True, True)
    assert (f"secretsprovider: {SECRETS}" in file, "encryptedkey: " in file) == (True, True)
    succeeded(scratch.up())
    outputs = json.loads(scratch.pulumi("stack", "output", "--json", "--show-secrets").output)
    s3 = client(scratch, "s3")
    names = {each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert ".pulumi/stacks/database/lasting.json" in names
    assert any(name.startswith(".pulumi/history/") for name in names), "who ran what, when"
    state = s3.get_object(Bucket=BUCKET, Key=".pulumi/stacks/database/lasting.json")
    assert outputs["admin_url"].encode() not in state["Body"].read()
    assert state["ServerSideEncryption"] == "aws:kms"
    assert not (scratch.state_folder / ".pulumi").exists()
    lock = ".pulumi/locks/organization/database/lasting/another.json"
    s3.put_object(Bucket=BUCKET, Key=lock, Body=json.dumps({"pid": 1, "username": "ada", "hostname": "elsewhere"}))
    run = scratch.pulumi("up", "--yes", "--skip-preview", "--non-interactive")
    assert (run.status, "the stack is currently locked by 1 lock" in run.output) == (1, True), run.output[-1500:]
    s3.delete_object(Bucket=BUCKET, Key=lock)
    succeeded(scratch.down())
