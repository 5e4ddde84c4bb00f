"""Delivery of logs to a bucket: AWS lets itself in where the bucket's policy doesn't.

As on the page "Enable logging from AWS services" of the CloudWatch Logs guide: a bucket's policy that doesn't let
delivery.logs.amazonaws.com write gets a statement that does, when a delivery is made. So one made before the bucket's
declared policy is a manual change of it.
"""

import json
from typing import Any

from moto.logs.models import LogsBackend
from moto.s3.models import s3_backends

from local.moto.access import policy_of
from local.moto.policy import Principal, Request, Verdict, evaluate

SERVICE = "delivery.logs.amazonaws.com"
SID = "AWSLogDeliveryWrite"


def _lets_in(bucket: Any, source: str) -> bool:
    policy = policy_of(bucket)
    context = {
        "aws:securetransport": "true",
        "aws:sourcearn": source,
        "aws:sourceaccount": bucket.account_id,
        "s3:x-amz-acl": "bucket-owner-full-control",
    }
    resource = f"{bucket.arn}/AWSLogs/{bucket.account_id}/log"
    asked = Request("s3:PutObject", resource, Principal(service=SERVICE), context)
    return policy is not None and evaluate(policy, asked) is Verdict.ALLOW


def _let_in(bucket: Any, source: str) -> None:
    statement = {
        "Sid": SID,
        "Effect": "Allow",
        "Principal": {"Service": SERVICE},
        "Action": "s3:PutObject",
        "Resource": f"{bucket.arn}/AWSLogs/{bucket.account_id}/*",
        "Condition": {
            "StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SourceAccount": bucket.account_id},
            "ArnLike": {"aws:SourceArn": source},
        },
    }
    policy = policy_of(bucket) or {"Version": "2012-10-17", "Statement": []}
    bucket.policy = json.dumps({**policy, "Statement": [*policy["Statement"], statement]}).encode()


def _prepare(backend: Any, delivery: Any) -> None:
    (target,) = (
        each for each in backend.delivery_destinations.values() if each.arn == delivery.delivery_destination_arn
    )
    place = target.delivery_destination_configuration["destinationResourceArn"]
    bucket = s3_backends[backend.account_id]["aws"].buckets.get(place.rpartition(":")[2])
    source = backend.delivery_sources[delivery.delivery_source_name].arn
    # A bucket that isn't there is left to the caller.
    if bucket is not None and not _lets_in(bucket, source):
        _let_in(bucket, source)


def install() -> None:
    """Puts it into moto's logs; once per process."""
    original = LogsBackend.create_delivery

    def create_delivery(self: Any, **arguments: Any) -> Any:
        made = original(self, **arguments)
        _prepare(self, made)
        return made

    LogsBackend.create_delivery = create_delivery
