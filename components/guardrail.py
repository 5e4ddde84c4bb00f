"""The guardrail: no S3 bucket that is public, unencrypted, without lifecycle or open to plain http; no plain topic.

It sees every resource of the program as it is declared. The SDK queues them while the program's body runs and sends
them when it has ended: a refusal in the body's last line ends the process, and nothing is touched, with or without a
preview.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pulumi
import pulumi.runtime

# With this status Pulumi adds no line of its own.
MESSAGE_SHOWN = 32
BUCKET = "aws:s3/bucket:Bucket"
TOPIC = "aws:sns/topic:Topic"
WITHOUT = "`components/privatebucket.py` makes buckets that have it"
SWITCHES = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")


@dataclass(frozen=True)
class AwsResource:
    """One resource with the arguments that the program gave it."""

    resource: Any
    arguments: Mapping[str, Any]


@dataclass
class Guardrail:
    """What has been declared so far; made before the first resource, asked after the last."""

    declared: dict[str, list[AwsResource]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pulumi.runtime.register_stack_transformation(self._see)

    def _see(self, seen: pulumi.ResourceTransformationArgs) -> None:
        if seen.type_.startswith(("aws:s3/", TOPIC)):
            self.declared.setdefault(seen.type_, []).append(AwsResource(seen.resource, dict(seen.props)))

    def check(self) -> None:
        """Ends the program for the first bucket or topic that lacks something, with one line that names both."""
        for bucket in self.declared.get(BUCKET, []):
            for lack in self._lacks(bucket.resource):
                end(f"bucket {bucket.resource._name}: {lack}; {WITHOUT}")
        for topic in self.declared.get(TOPIC, []):
            if not _keyed(topic.arguments):
                end(f"topic {topic.resource._name}: lacks encryption; give it a key as `components/alarms.py` does")

    def _lacks(self, bucket: Any) -> list[str]:
        checks = {
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": (
                _closed,
                "a public access block with all four switches on",
            ),
            "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
                _encrypted,
                "encryption of all objects",
            ),
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": (_ends, "an enabled lifecycle rule"),
            "aws:s3/bucketPolicy:BucketPolicy": (_tls_only, "a policy that denies requests without TLS"),
        }
        return [
            f"lacks {what}"
            for type, (fits, what) in checks.items()
            if not any(
                _is_of(setting.arguments.get("bucket"), bucket) and fits(setting.arguments, bucket)
                for setting in self.declared.get(type, [])
            )
        ]


def end(message: str) -> NoReturn:
    """Ends the process at once: after an exception the SDK would first send what is queued."""
    pulumi.log.error(message)
    sys.stdout.flush()
    os._exit(MESSAGE_SHOWN)


def _is_of(value: Any, bucket: Any) -> bool:
    # Outputs have no value yet, but the one that was passed on is the same object.
    return value is bucket.id or value is bucket.bucket


def _keyed(arguments: Mapping[str, Any]) -> bool:
    key = arguments.get("kms_master_key_id")
    # An output has no value yet; whether it is true can't be asked.
    return key is not None and key != ""


def _closed(arguments: Mapping[str, Any], bucket: Any) -> bool:
    return all(arguments.get(switch) is True for switch in SWITCHES)


def _encrypted(arguments: Mapping[str, Any], bucket: Any) -> bool:
    rules = arguments.get("rules") or []
    return bool(rules) and all(
        rule.get("apply_server_side_encryption_by_default", {}).get("sse_algorithm") in ("AES256", "aws:kms")
        for rule in rules
    )


def _ends(arguments: Mapping[str, Any], bucket: Any) -> bool:
    return any(rule.get("status") == "Enabled" for rule in arguments.get("rules") or [])


def _tls_only(arguments: Mapping[str, Any], bucket: Any) -> bool:
    policy = arguments.get("policy")
    statements = policy.get("Statement", []) if isinstance(policy, Mapping) else []
    return any(
        statement.get("Effect") == "Deny"
        and statement.get("Principal") == "*"
        and statement.get("Action") == "s3:*"
        and statement.get("Resource", [None])[0] is bucket.arn
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in statements
    )
