"""An S3 bucket with everything that keeps it closed; every bucket of the program is made here (see `guardrail.py`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import s3

from components.base import Component
from components.documents import PolicyStatement, document
from declared import objectlayout
from targets.found import Found

DAYS_OF_UNFINISHED_UPLOADS = 7
UNFINISHED = {
    "id": "unfinished-uploads",
    "status": "Enabled",
    "filter": {"prefix": ""},
    "abort_incomplete_multipart_upload": {"days_after_initiation": DAYS_OF_UNFINISHED_UPLOADS},
}


@dataclass(frozen=True, kw_only=True)
class PrivateBucketArgs:
    bucket: str
    """Its name at S3."""
    rules: Sequence[Mapping[str, Any]]
    """When objects go, beside unfinished uploads and old versions."""
    key_arn: pulumi.Input[str] | None = None
    """The KMS key that objects are encrypted with; S3's own where there is none."""
    disposable: bool = False
    """Whether it goes with its server, objects and all."""
    found: Found | None = None
    """What is there already, and so is taken over."""
    outlives: bool = False
    """Whether it stays at AWS when the stack goes."""
    old_days: int = objectlayout.DAYS_OF_OLD_VERSIONS
    """How many days a version is kept that was replaced or deleted."""
    lock_days: int | None = None
    """In how many days after it was written nobody deletes a version who hasn't the right to go around the lock."""


class PrivateBucket(Component):
    """A bucket that nobody reaches without TLS, a signature and a right, encrypted, versioned, and with an end."""

    def __init__(self, name: str, args: PrivateBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"bucket": args.bucket}, opts)
        self.s3_bucket = s3.Bucket(
            f"{name}-bucket",
            bucket=args.bucket,
            object_lock_enabled=True if args.lock_days else None,
            # A bucket with objects in it isn't deleted at AWS. moto goes as a whole, so there it is left alone.
            opts=pulumi.ResourceOptions.merge(
                self.child(),
                pulumi.ResourceOptions(
                    import_=args.found.ids.get(args.bucket) if args.found else None,
                    retain_on_delete=args.disposable or args.outlives,
                ),
            ),
        )
        id = self.s3_bucket.id
        self._closed = s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=self._setting(),
        )
        s3.BucketOwnershipControls(
            f"{name}-owner", bucket=id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=self._setting()
        )
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encrypted", bucket=id, rules=[_encryption(args.key_arn)], opts=self._setting()
        )
        versioning = s3.BucketVersioning(
            f"{name}-versions", bucket=id, versioning_configuration={"status": "Enabled"}, opts=self._setting()
        )
        s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=id,
            rules=[UNFINISHED, _old_versions(args.old_days), *args.rules],
            opts=self._setting(versioning),
        )
        if args.lock_days:
            s3.BucketObjectLockConfiguration(
                f"{name}-lock",
                bucket=id,
                rule={"default_retention": {"mode": "GOVERNANCE", "days": args.lock_days}},
                opts=self._setting(versioning),
            )
        self._name = name
        self.register_outputs({"bucket": id})

    def _setting(self, *siblings: pulumi.Resource) -> pulumi.ResourceOptions:
        """The options of a setting of the bucket, which is none without it."""
        return pulumi.ResourceOptions.merge(self.child(*siblings), gone_with(self))

    @property
    def arn(self) -> pulumi.Output[str]:
        arn: pulumi.Output[str] = self.s3_bucket.arn
        return arn

    def below(self, path: str) -> pulumi.Output[str]:
        """The ARN of the objects whose keys begin with `path`."""
        return pulumi.Output.concat(self.s3_bucket.arn, "/", path, "*")

    def policy(self, *statements: PolicyStatement) -> s3.BucketPolicy:
        """Its policy: TLS only, and what is given. Called once."""
        return s3.BucketPolicy(
            f"{self._name}-tls",
            bucket=self.s3_bucket.id,
            policy=document(tls_only(self), *statements),
            opts=self._setting(self._closed),
        )


def gone_with(bucket: PrivateBucket) -> pulumi.ResourceOptions:
    """The option of a setting that a destroy leaves to the bucket: one that isn't empty stays, with all of them."""
    return pulumi.ResourceOptions(deleted_with=bucket.s3_bucket)


def _old_versions(days: int) -> dict[str, Any]:
    return {
        "id": "old-versions",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "expiration": {"expired_object_delete_marker": True},
        "noncurrent_version_expiration": {"noncurrent_days": days},
    }


def _encryption(key_arn: pulumi.Input[str] | None) -> dict[str, Any]:
    if key_arn is None:
        return {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}
    return {
        "apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": key_arn},
        # One data key for many objects: without it each read is a call to KMS, which costs time and money.
        "bucket_key_enabled": True,
    }


def tls_only(bucket: PrivateBucket) -> PolicyStatement:
    """Denies every request without TLS (AWS Foundational Security Best Practices, S3.5)."""
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket.arn, bucket.below("")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
