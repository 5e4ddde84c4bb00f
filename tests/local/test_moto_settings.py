"""Bucket settings against the real server: public access block, object ownership, lifecycle.

What the service does is on the pages "Blocking public access to your Amazon S3 storage", "Controlling ownership of
objects and disabling ACLs for your bucket" (S3 user guide) and "GetBucketLifecycleConfiguration" (API reference).
"""

import itertools
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import ACCOUNT, REGION, MotoServer, fetch

_names = itertools.count()
OFF = {
    "BlockPublicAcls": False,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": False,
    "RestrictPublicBuckets": False,
}


@pytest.fixture
def s3(moto_server: MotoServer) -> Any:
    return moto_server.client("s3")


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"settings-{next(_names)}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=name, Key="file", Body=b"x")
    return name


def block(s3: Any, bucket: str, *settings: str) -> None:
    configuration = OFF | dict.fromkeys(settings, True)
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=configuration)


def policy(bucket: str, **statement: Any) -> str:
    fixed = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**fixed, **statement}]})


def by_arn(arn: str, operator: str = "StringEquals") -> dict[str, Any]:
    return {"Condition": {operator: {"aws:SourceArn": arn}}}


def by_address(network: str) -> dict[str, Any]:
    return {"Condition": {"IpAddress": {"aws:SourceIp": network}}}


PUBLIC = [
    {},
    {"Principal": {"AWS": ["123456789012", "*"]}},
    by_arn("arn:aws:cloudfront::123456789012:*", "StringLike"),
    by_arn("arn:aws:s3:::a", "StringNotEquals"),
    by_address("0.0.0.0/1"),
    {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
]
NOT_PUBLIC = [
    {"Effect": "Deny"},
    {"Principal": {"AWS": ACCOUNT}},
    {"Principal": {"Service": "cloudfront.amazonaws.com"}},
    by_arn("arn:aws:cloudfront::123456789012:distribution/E1"),
    by_address("203.0.113.0/24"),
]


@pytest.mark.parametrize("statement", PUBLIC, ids=str)
def test_block_public_policy_refuses_a_policy_that_is_public(s3: Any, bucket: str, statement: dict[str, Any]) -> None:
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, **statement))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    s3.delete_bucket_policy(Bucket=bucket)
    block(s3, bucket, "BlockPublicPolicy")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, **statement))
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=bucket)


@pytest.mark.parametrize("statement", NOT_PUBLIC, ids=str)
def test_block_public_policy_takes_a_policy_that_is_limited(s3: Any, bucket: str, statement: dict[str, Any]) -> None:
    block(s3, bucket, "BlockPublicPolicy")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket, **statement))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False


def test_block_public_acls_refuses_public_acls_and_no_others(s3: Any, bucket: str) -> None:
    block(s3, bucket, "BlockPublicAcls")
    group = 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'
    for call in (
        lambda: s3.put_bucket_acl(Bucket=bucket, ACL="public-read"),
        lambda: s3.put_bucket_acl(Bucket=bucket, GrantRead=group),
        lambda: s3.put_object_acl(Bucket=bucket, Key="file", ACL="authenticated-read"),
        lambda: s3.put_object(Bucket=bucket, Key="new", Body=b"", ACL="public-read"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()  # type: ignore[no-untyped-call]
    s3.put_object_acl(Bucket=bucket, Key="file", ACL="private")
    block(s3, bucket)
    s3.put_object_acl(Bucket=bucket, Key="file", ACL="public-read")


def test_public_acls_open_an_object_until_they_are_ignored(moto_server: MotoServer, s3: Any, bucket: str) -> None:
    url = f"{moto_server.endpoint}/{bucket}"
    s3.put_object_acl(Bucket=bucket, Key="file", ACL="public-read")
    assert fetch(f"{url}/file") == (200, "x")
    assert fetch(url)[0] == 403
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    assert fetch(url)[0] == 200
    assert fetch(f"{url}/new", "PUT", b"n")[0] == 200
    block(s3, bucket, "IgnorePublicAcls")
    assert [fetch(f"{url}/file")[0], fetch(url)[0], fetch(f"{url}/new", "PUT", b"n")[0]] == [403, 403, 403]
    block(s3, bucket)
    assert fetch(f"{url}/file")[0] == 200


def test_restrict_public_buckets_closes_a_public_policy_to_strangers(
    moto_server: MotoServer, s3: Any, bucket: str
) -> None:
    url = f"{moto_server.endpoint}/{bucket}/file"
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(bucket))
    assert fetch(url)[0] == 200
    block(s3, bucket, "RestrictPublicBuckets")
    assert fetch(url)[0] == 403
    assert s3.get_object(Bucket=bucket, Key="file")["Body"].read() == b"x"


def test_a_bucket_whose_owner_owns_all_takes_no_acls(moto_server: MotoServer, s3: Any, bucket: str) -> None:
    s3.put_object_acl(Bucket=bucket, Key="file", ACL="public-read")
    rule = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=rule)
    for call in (
        lambda: s3.put_bucket_acl(Bucket=bucket, ACL="private"),
        lambda: s3.put_object_acl(Bucket=bucket, Key="file", ACL="private"),
        lambda: s3.put_object(Bucket=bucket, Key="new", Body=b"", ACL="public-read"),
    ):
        with pytest.raises(ClientError, match="AccessControlListNotSupported") as caught:
            call()  # type: ignore[no-untyped-call]
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    s3.put_object(Bucket=bucket, Key="new", Body=b"", ACL="bucket-owner-full-control")
    assert fetch(f"{moto_server.endpoint}/{bucket}/file")[0] == 403, "the old ACL no longer counts"


def test_lifecycle_keeps_sizes_and_newer_versions(moto_server: MotoServer, s3: Any, bucket: str) -> None:
    rules = [
        {"ID": "size", "Status": "Enabled", "Filter": {"ObjectSizeGreaterThan": 500}, "Expiration": {"Days": 3}},
        {
            "ID": "both",
            "Status": "Enabled",
            "Filter": {
                "And": {
                    "Prefix": "a/",
                    "ObjectSizeGreaterThan": 1,
                    "ObjectSizeLessThan": 9,
                    "Tags": [{"Key": "k", "Value": "v"}],
                }
            },
            "Expiration": {"Days": 4},
        },
        {
            "ID": "old",
            "Status": "Enabled",
            "Filter": {"Prefix": "b/"},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 5, "NewerNoncurrentVersions": 2},
        },
    ]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
    moto_server.restart()
    assert s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"] == rules
