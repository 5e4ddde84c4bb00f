"""Which bucket policies are refused at put, and what somebody without any credentials may do.

What the service does is on the pages "PutBucketPolicy" (API reference), "Bucket policies for Amazon S3", "Policies and
permissions in Amazon S3" and "GetObject", section Permissions.
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import Bucket, code, fetch


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
