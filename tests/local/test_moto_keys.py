"""Objects under a KMS key: who reads and writes them needs the key, and one that ends takes its objects along.

What the services do is in the AWS KMS developer guide ("Key states of AWS KMS keys", "Determining access to AWS KMS
keys") and the Amazon S3 user guide ("Using server-side encryption with AWS KMS keys").
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.conftest import ACCOUNT, REGION, Bucket, MotoServer, code, fetch

OWNER = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
DISTRIBUTION = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"
CDN = {"X-Local-Service": "cloudfront.amazonaws.com", "X-Local-Source-Arn": DISTRIBUTION}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def made(server: MotoServer, *more: dict[str, Any]) -> str:
    """A key of the account's, and of whom its policy names beside."""
    owner = {"Effect": "Allow", "Principal": OWNER, "Action": "kms:*", "Resource": "*"}
    answer = server.client("kms").create_key(Policy=document(owner, *more))
    return str(answer["KeyMetadata"]["Arn"])


def encrypt(bucket: Bucket, key: str) -> None:
    """From now on with this key; the object that is there, too."""
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    bucket.s3.put_bucket_encryption(Bucket=bucket.name, ServerSideEncryptionConfiguration={"Rules": [default]})
    bucket.s3.put_object(Bucket=bucket.name, Key="file", Body=b"x")


def test_a_key_that_waits_for_its_end_or_is_off_takes_its_objects_along(bucket: Bucket) -> None:
    kms, key = bucket.server.client("kms"), made(bucket.server)
    encrypt(bucket, key)
    here = {"Bucket": bucket.name, "Key": "file"}
    asked = {
        "read": lambda: code(bucket.s3.get_object, **here),
        "written": lambda: code(bucket.s3.put_object, **here, Body=b"y"),
        "copied": lambda: code(bucket.s3.copy_object, Bucket=bucket.name, Key="copy", CopySource=here),
        "in parts": lambda: code(bucket.s3.create_multipart_upload, **here),
    }
    id = key.rpartition("/")[2]
    kms.disable_key(KeyId=id)
    assert {ask() for ask in asked.values()} == {"KMS.DisabledException"}
    kms.enable_key(KeyId=id)
    assert {ask() for ask in asked.values()} == {"ok"}
    kms.schedule_key_deletion(KeyId=id, PendingWindowInDays=7)
    assert {ask() for ask in asked.values()} == {"KMS.KMSInvalidStateException"}
    assert code(bucket.s3.head_object, **here) == "ok", "what is known of it isn't encrypted"
    assert code(bucket.s3.put_object_tagging, **here, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}) == "ok"
    assert code(bucket.s3.delete_object, **here) == "ok"


def test_a_service_needs_the_keys_own_word(bucket: Bucket) -> None:
    reads = {"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}}
    bucket.policy({**reads, "Action": "s3:GetObject"})
    condition = {"Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/*"}}}
    closed = made(bucket.server)
    opened = made(bucket.server, {**reads, "Action": "kms:Decrypt", "Resource": "*", **condition})
    for key, answer in ((closed, "AccessDenied"), (opened, "ok")):
        encrypt(bucket, key)

        def add(request: Any, **_: Any) -> None:
            for name, value in CDN.items():
                request.headers[name] = value

        bucket.s3.meta.events.register("before-sign.s3", add)
        assert code(bucket.s3.get_object, Bucket=bucket.name, Key="file") == answer
        bucket.s3.meta.events.unregister("before-sign.s3", add)


@pytest.fixture
def checked(bucket: Bucket) -> Iterator[None]:
    yield
    checking(bucket.server, b"inf")


def checking(server: MotoServer, from_call: bytes) -> None:
    text = {"Content-Type": "text/plain"}
    assert fetch(f"{server.endpoint}/moto-api/reset-auth", "POST", from_call, text)[0] == 200


RIGHTS = {
    "none": set[str](),
    "Decrypt": {"get"},
    "GenerateDataKey": {"put"},
    "another service": set[str](),
}


@pytest.mark.usefixtures("checked")
@pytest.mark.parametrize("right", list(RIGHTS))
def test_a_role_needs_a_right_to_the_key_beside_that_to_the_object(bucket: Bucket, right: str) -> None:
    key, other = made(bucket.server), made(bucket.server)
    encrypt(bucket, key)
    iam, sts = bucket.server.client("iam"), bucket.server.client("sts")
    name = f"role-{bucket.name}"
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(TRUST))["Role"]["Arn"]
    objects = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "*"}
    action = ["kms:Decrypt", "kms:GenerateDataKey"] if right == "another service" else [f"kms:{right}"]
    service = "sns" if right == "another service" else "s3"
    through = {"StringEquals": {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}}
    with_key = {"Effect": "Allow", "Action": action, "Resource": key, "Condition": through}
    # Another key's right is none to this one.
    with_other = {**with_key, "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": other}
    policy = document(objects, with_other, *(() if right == "none" else (with_key,)))
    iam.put_role_policy(RoleName=name, PolicyName="rights", PolicyDocument=policy)
    keys = sts.assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    client = bucket.server.client("s3", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    checking(bucket.server, b"0")
    here = {"Bucket": bucket.name, "Key": "file"}
    found = {"get": code(client.get_object, **here), "put": code(client.put_object, **here, Body=b"y")}
    assert {call for call, answer in found.items() if answer == "ok"} == RIGHTS[right], found
    assert set(found.values()) <= {"ok", "AccessDenied"}
