"""A delivery of logs lets itself into a bucket whose policy doesn't ("Enable logging from AWS services")."""

import json
from typing import Any

from local.moto.logdelivery import SERVICE, SID
from tests.local.conftest import ACCOUNT, Bucket

DISTRIBUTION = f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"


def deliver(bucket: Bucket) -> None:
    logs = bucket.server.client("logs")
    logs.put_delivery_source(name=bucket.name, resourceArn=DISTRIBUTION, logType="ACCESS_LOGS")
    place = {"destinationResourceArn": f"arn:aws:s3:::{bucket.name}"}
    made = logs.put_delivery_destination(name=bucket.name, deliveryDestinationConfiguration=place)
    logs.create_delivery(deliverySourceName=bucket.name, deliveryDestinationArn=made["deliveryDestination"]["arn"])


def statements(bucket: Bucket) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(bucket.s3.get_bucket_policy(Bucket=bucket.name)["Policy"])["Statement"]
    return found


def test_a_policy_that_lets_the_service_write_is_left_as_it_is(bucket: Bucket) -> None:
    logs = f"arn:aws:s3:::{bucket.name}/AWSLogs/*"
    bucket.policy({"Principal": {"Service": SERVICE}, "Action": "s3:PutObject", "Resource": logs})
    before = statements(bucket)
    deliver(bucket)
    assert statements(bucket) == before


def test_without_one_the_service_adds_its_own_line(bucket: Bucket) -> None:
    deliver(bucket)
    (added,) = statements(bucket)
    assert (added["Sid"], added["Principal"]) == (SID, {"Service": SERVICE})


def test_a_policy_that_does_not_let_it_write_keeps_its_lines(bucket: Bucket) -> None:
    bucket.policy({"Effect": "Deny", "Action": "s3:DeleteObject"})
    before = statements(bucket)
    deliver(bucket)
    assert [each.get("Sid") for each in statements(bucket)] == [*(each.get("Sid") for each in before), SID]
