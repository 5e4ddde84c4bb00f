"""Bucket policies against the real server: who is let in, who isn't, and what is refused at put.

What the service does is on these pages of its guides: "Policy evaluation logic" and "IAM JSON policy elements:
Condition operators" (IAM), "Bucket policies for Amazon S3", "Examples of Amazon S3 bucket policies" and "How Amazon S3
authorizes a request" (S3), "Restrict access to an Amazon S3 origin" (CloudFront).
"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.local.conftest import ACCOUNT, REGION, Bucket, code, fetch

KMS_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-1111-1111-1111-111111111111"
SSE = "s3:x-amz-server-side-encryption"
TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


def with_headers(client: Any, headers: dict[str, str]) -> Callable[[], None]:
    """Adds headers to every signed request of a client; returns what takes them away."""

    def add(request: Any, **_: Any) -> None:
        for name, value in headers.items():
            request.headers[name] = value

    client.meta.events.register("before-sign.s3", add)
    return lambda: client.meta.events.unregister("before-sign.s3", add)


def test_a_deny_beats_an_allow_and_the_owner_is_allowed_otherwise(bucket: Bucket) -> None:
    assert code(bucket.s3.get_object, Bucket=bucket.name, Key="file") == "ok"
    bucket.policy({"Action": "s3:*"}, {"Effect": "Deny", "Action": "s3:GetObject"})
    assert code(bucket.s3.get_object, Bucket=bucket.name, Key="file") == "AccessDenied"
    assert fetch(bucket.file)[0] == 403
    assert code(bucket.s3.put_object, Bucket=bucket.name, Key="file", Body=b"y") == "ok"


def test_a_deny_for_everything_leaves_the_owner_the_policy_itself(bucket: Bucket) -> None:
    bucket.policy({"Effect": "Deny"})
    assert code(bucket.s3.get_bucket_versioning, Bucket=bucket.name) == "AccessDenied"
    assert code(bucket.s3.get_bucket_policy, Bucket=bucket.name) == "ok"
    assert code(bucket.s3.delete_bucket_policy, Bucket=bucket.name) == "ok"
    assert code(bucket.s3.get_bucket_versioning, Bucket=bucket.name) == "ok"


def test_a_deny_for_one_foreign_role_denies_nobody_else(bucket: Bucket) -> None:
    bucket.policy({"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::999999999999:role/stranger"}})
    assert code(bucket.s3.get_object, Bucket=bucket.name, Key="file") == "ok"


def test_plain_http_is_denied_where_the_policy_wants_tls(bucket: Bucket) -> None:
    bucket.policy({"Effect": "Deny", "Condition": {"Bool": {"aws:SecureTransport": "false"}}})
    assert code(bucket.s3.get_object, Bucket=bucket.name, Key="file") == "ok", "loopback counts as behind a proxy"
    for scheme, wanted in (("http", "AccessDenied"), ("https", "ok")):
        undo = with_headers(bucket.s3, {"X-Forwarded-Proto": scheme})
        assert code(bucket.s3.get_object, Bucket=bucket.name, Key="file") == wanted
        assert code(bucket.s3.get_bucket_versioning, Bucket=bucket.name) == wanted
        undo()


def test_uploads_without_the_encryption_that_the_policy_wants_are_denied(bucket: Bucket) -> None:
    put = bucket.s3.put_object
    bucket.policy(
        {"Effect": "Deny", "Action": "s3:PutObject", "Condition": {"StringNotEquals": {SSE: "aws:kms"}}},
        {
            "Effect": "Deny",
            "Action": "s3:PutObject",
            "Condition": {
                "Null": {f"{SSE}-aws-kms-key-id": "false"},
                "StringNotLike": {f"{SSE}-aws-kms-key-id": f"arn:aws:kms:*:{ACCOUNT}:key/1111*"},
            },
        },
    )
    assert code(put, Bucket=bucket.name, Key="k", Body=b"") == "AccessDenied"
    assert code(put, Bucket=bucket.name, Key="k", Body=b"", ServerSideEncryption="AES256") == "AccessDenied"
    assert code(put, Bucket=bucket.name, Key="k", Body=b"", ServerSideEncryption="aws:kms") == "ok"
    kms = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KMS_KEY}
    assert code(put, Bucket=bucket.name, Key="k", Body=b"", **kms) == "ok"
    kms["SSEKMSKeyId"] = KMS_KEY.replace("key/1", "key/2")
    assert code(put, Bucket=bucket.name, Key="k", Body=b"", **kms) == "AccessDenied"


def test_null_asks_whether_a_header_is_there(bucket: Bucket) -> None:
    bucket.policy({"Effect": "Deny", "Action": "s3:PutObject", "Condition": {"Null": {SSE: "true"}}})
    assert code(bucket.s3.put_object, Bucket=bucket.name, Key="k", Body=b"") == "AccessDenied"
    assert code(bucket.s3.put_object, Bucket=bucket.name, Key="k", Body=b"", ServerSideEncryption="AES256") == "ok"


def test_objects_without_a_clean_scan_tag_are_unreadable(bucket: Bucket) -> None:
    tag = "s3:ExistingObjectTag/scan"
    bucket.policy({"Effect": "Deny", "Action": "s3:GetObject", "Condition": {"StringNotEquals": {tag: "clean"}}})
    assert code(bucket.s3.get_object, Bucket=bucket.name, Key="file") == "AccessDenied"
    for value, wanted in (("clean", "ok"), ("infected", "AccessDenied")):
        bucket.s3.put_object_tagging(
            Bucket=bucket.name, Key="file", Tagging={"TagSet": [{"Key": "scan", "Value": value}]}
        )
        assert code(bucket.s3.get_object, Bucket=bucket.name, Key="file") == wanted


@pytest.mark.parametrize("key", ["aws:SourceArn", "AWS:SourceArn"])
def test_cloudfront_reads_for_its_own_distribution_only(bucket: Bucket, key: str) -> None:
    distribution = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"
    bucket.policy(
        {
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "s3:GetObject",
            "Condition": {"StringEquals": {key: distribution}},
        }
    )
    assert fetch(bucket.file)[0] == 403
    as_service = {"X-Local-Service": "cloudfront.amazonaws.com", "X-Local-Source-Arn": distribution}
    assert fetch(bucket.file, headers=as_service)[0] == 403, "only the owner can speak for a service"
    for headers, wanted in (
        (as_service, "ok"),
        (as_service | {"X-Local-Source-Arn": f"{distribution}2"}, "AccessDenied"),
        (as_service | {"X-Local-Service": "logging.s3.amazonaws.com"}, "AccessDenied"),
    ):
        undo = with_headers(bucket.s3, headers)
        assert code(bucket.s3.get_object, Bucket=bucket.name, Key="file") == wanted
        assert code(bucket.s3.put_object, Bucket=bucket.name, Key="file", Body=b"") == "AccessDenied"
        undo()


def _session(bucket: Bucket, role: str) -> Any:
    iam, sts = bucket.server.client("iam"), bucket.server.client("sts")
    document = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    keys = sts.assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    return bucket.server.client("s3", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def test_a_role_stands_for_its_sessions(bucket: Bucket) -> None:
    app, other = _session(bucket, f"app-{bucket.name}"), _session(bucket, f"other-{bucket.name}")
    arn = f"arn:aws:iam::{ACCOUNT}:role/app-{bucket.name}"
    bucket.policy({"Effect": "Deny", "Principal": {"AWS": arn}, "Action": "s3:DeleteObject"})
    assert code(app.delete_object, Bucket=bucket.name, Key="file") == "AccessDenied"
    assert code(other.delete_object, Bucket=bucket.name, Key="file") == "ok"
    only_app = {"ArnNotEquals": {"aws:PrincipalArn": [arn, f"arn:aws:iam::{ACCOUNT}:root"]}}
    bucket.policy({"Effect": "Deny", "Action": "s3:PutObject", "Condition": only_app})
    assert code(app.put_object, Bucket=bucket.name, Key="file", Body=b"") == "ok"
    assert code(other.put_object, Bucket=bucket.name, Key="file", Body=b"") == "AccessDenied"


def test_an_account_stands_for_everybody_in_it(bucket: Bucket) -> None:
    iam = bucket.server.client("iam")
    iam.create_user(UserName=bucket.name)
    keys = iam.create_access_key(UserName=bucket.name)["AccessKey"]
    user = bucket.server.client("s3", keys["AccessKeyId"], keys["SecretAccessKey"])
    for principal in (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:user/{bucket.name}"):
        bucket.policy({"Effect": "Deny", "Principal": {"AWS": principal}, "Action": "s3:GetObject"})
        assert code(user.get_object, Bucket=bucket.name, Key="file") == "AccessDenied"
        of_owner = code(bucket.s3.get_object, Bucket=bucket.name, Key="file")
        assert of_owner == ("ok" if "user/" in principal else "AccessDenied")


def test_deleting_many_is_decided_key_by_key(bucket: Bucket) -> None:
    bucket.s3.put_object(Bucket=bucket.name, Key="keep/me", Body=b"")
    bucket.policy({"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": f"{bucket.arns[0]}/keep/*"})
    answer = bucket.s3.delete_objects(Bucket=bucket.name, Delete={"Objects": [{"Key": "file"}, {"Key": "keep/me"}]})
    assert [deleted["Key"] for deleted in answer["Deleted"]] == ["file"]
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [("keep/me", "AccessDenied")]


def test_a_copy_needs_the_right_to_read_its_source(bucket: Bucket) -> None:
    bucket.policy({"Effect": "Deny", "Action": "s3:GetObject"})
    target = Bucket(bucket.server)
    source = {"Bucket": bucket.name, "Key": "file"}
    assert code(target.s3.copy_object, Bucket=target.name, Key="copy", CopySource=source) == "AccessDenied"
    bucket.s3.delete_bucket_policy(Bucket=bucket.name)
    assert code(target.s3.copy_object, Bucket=target.name, Key="copy", CopySource=source) == "ok"


def test_a_stranger_learns_that_a_bucket_is_missing_but_cannot_make_it(moto_server):
    missing = f"{moto_server.endpoint}/nobody-made-this-one"
    assert fetch(missing, method="HEAD")[0] == 404, "AWS answers 404 NoSuchBucket"
    assert fetch(missing, method="PUT")[0] == 403
