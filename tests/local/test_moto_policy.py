"""Bucket policies against the real server: who is let in, who isn't, and what is refused at put.

What the service does is on these pages of its guides: "Policy evaluation logic" and "IAM JSON policy elements:
Condition operators" (IAM), "Bucket policies for Amazon S3", "Examples of Amazon S3 bucket policies" and "How Amazon S3
authorizes a request" (S3), "Restrict access to an Amazon S3 origin" (CloudFront).
"""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import ACCOUNT, REGION, MotoServer, fetch

_names = itertools.count()
KMS_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11111111-1111-1111-1111-111111111111"
SSE = "s3:x-amz-server-side-encryption"
TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}


class Bucket:
    """A bucket with one object, seen by its owner."""

    def __init__(self, server: MotoServer) -> None:
        self.server = server
        self.name = f"policy-{next(_names)}"
        self.s3 = server.client("s3")
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.s3.put_object(Bucket=self.name, Key="file", Body=b"x")
        self.url = f"{server.endpoint}/{self.name}"
        self.file = f"{self.url}/file"

    def policy(self, *statements: dict[str, Any]) -> None:
        filled = [
            {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": self.arns, **statement}
            for statement in statements
        ]
        self.s3.put_bucket_policy(
            Bucket=self.name, Policy=json.dumps({"Version": "2012-10-17", "Statement": filled})
        )

    @property
    def arns(self) -> list[str]:
        return [f"arn:aws:s3:::{self.name}", f"arn:aws:s3:::{self.name}/*"]


@pytest.fixture
def bucket(moto_server: MotoServer) -> Bucket:
    return Bucket(moto_server)


def code(call: Callable[..., Any], **arguments: Any) -> str:
    """The error code of a call, or ok."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"


def with_headers(client: Any, headers: dict[str, str]) -> Callable[[], None]:
    """Adds headers to every signed request of a client; returns what takes them away."""

    def add(request: Any, **_: Any) -> None:
        for name, value in headers.items():
            request.headers[name] = value

    client.meta.events.register("before-sign.s3", add)
    return lambda: client.meta.events.unregister("before-sign.s3", add)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_nobody_in_particular_may_touch_an_object(bucket: Bucket, method: str) -> None:
    assert fetch(bucket.file, method, b"y" if method == "PUT" else None)[0] == 403
    assert bucket.s3.get_object(Bucket=bucket.name, Key="file")["Body"].read() == b"x"


def test_nobody_in_particular_may_list_or_make_buckets(bucket: Bucket) -> None:
    assert fetch(bucket.url)[0] == 403
    assert fetch(bucket.server.endpoint)[0] == 403
    assert fetch(f"{bucket.server.endpoint}/by-nobody", "PUT", b"")[0] == 403
    assert "by-nobody" not in [found["Name"] for found in bucket.s3.list_buckets()["Buckets"]]


def test_an_allow_for_everybody_opens_exactly_its_actions_and_resources(bucket: Bucket) -> None:
    bucket.s3.put_object(Bucket=bucket.name, Key="open/file", Body=b"o")
    bucket.policy({"Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"{bucket.arns[0]}/open/*"})
    assert fetch(f"{bucket.url}/open/file") == (200, "o")
    assert fetch(f"{bucket.url}/open/new", "PUT", b"n")[0] == 200
    assert fetch(f"{bucket.url}/open/new", "DELETE")[0] == 403
    assert fetch(bucket.file)[0] == 403
    assert fetch(bucket.url)[0] == 403
    bucket.policy({"Action": "s3:ListBucket"})
    assert fetch(bucket.url)[0] == 200


def test_whoever_may_not_list_does_not_learn_what_exists(bucket: Bucket) -> None:
    bucket.policy({"Action": "s3:GetObject"})
    assert fetch(f"{bucket.url}/absent")[0] == 403
    bucket.policy({"Action": ["s3:GetObject", "s3:ListBucket"]})
    assert fetch(f"{bucket.url}/absent")[0] == 404


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


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        '{"Statement": []}',
        '{"Version": "2020-01-01", "Statement": [{}]}',
        '{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::NAME/*"}}',
        '{"Statement": {"Effect": "allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::NAME/*"}}',
        '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::other/*"}}',
        '{"Statement": {"Effect": "Allow", "Principal": "me", "Action": "s3:*", "Resource": "arn:aws:s3:::NAME/*"}}',
    ],
)
def test_a_policy_that_says_nothing_valid_is_refused_at_put(bucket: Bucket, text: str) -> None:
    policy = text.replace("NAME", bucket.name)
    assert code(bucket.s3.put_bucket_policy, Bucket=bucket.name, Policy=policy) == "MalformedPolicy"
    assert code(bucket.s3.get_bucket_policy, Bucket=bucket.name) == "NoSuchBucketPolicy"


@pytest.mark.parametrize(
    "condition",
    [{"StringEquals": {"aws:SourceVpce": "vpce-1"}}, {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}],
)
def test_a_condition_that_is_not_evaluated_here_is_refused_rather_than_ignored(
    bucket: Bucket, condition: dict[str, Any]
) -> None:
    with pytest.raises(ClientError, match="not evaluated offline"):
        bucket.policy({"Effect": "Deny", "Condition": condition})
