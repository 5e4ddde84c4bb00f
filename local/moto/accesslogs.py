"""Access logs of buckets: who may receive them, and that none are written here.

As on the page "Enabling Amazon S3 server access logging": the target's policy must let logging.s3.amazonaws.com put
objects for the source. moto compares the policy as text; here it is evaluated as every other request is.

moto writes an object for each request, reads too: the state would grow with every look at it. No log is delivered.
"""

from typing import Any

from moto.s3.models import FakeBucket, S3Backend

from local.moto.access import policy_of
from local.moto.policy import Principal, Request, Verdict, evaluate

SERVICE = Principal(service="logging.s3.amazonaws.com")


def _may_log(source: Any, target: Any, prefix: str) -> bool:
    policy = policy_of(target)
    context = {
        "aws:securetransport": "true",
        "aws:sourcearn": source.arn,
        "aws:sourceaccount": source.account_id,
        "aws:principalisawsservice": "true",
    }
    request = Request("s3:PutObject", f"{target.arn}/{prefix}log", SERVICE, context)
    return policy is not None and evaluate(policy, request) is Verdict.ALLOW


def install() -> None:
    original = FakeBucket.set_logging

    def set_logging(self: Any, logging_config: Any, bucket_backend: Any) -> None:
        # The method is static in moto and doesn't get the source.
        self._log_permissions_enabled_policy = lambda target_bucket, target_prefix: _may_log(
            self, target_bucket, target_prefix or ""
        )
        try:
            original(self, logging_config, bucket_backend)
        finally:
            del self._log_permissions_enabled_policy

    FakeBucket.set_logging = set_logging
    S3Backend.log_incoming_request = lambda self, request, bucket_name: None
