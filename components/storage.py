"""Storage: the buckets that users see, and the one private S3 bucket in which their objects lie."""

import json
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import s3

import pg
from components.base import Component
from settings import BucketSettings

DAYS_OF_UNFINISHED_UPLOADS = 7
DAYS_OF_OLD_VERSIONS = 30


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    object_bucket: str
    """The S3 bucket's name; the Storage API is told it."""
    buckets: tuple[BucketSettings, ...]
    disposable: bool = False
    """Whether the S3 bucket may go with objects in it."""
    adopt: bool = False
    """Whether the S3 bucket exists already and is to be taken over."""


class Storage(Component):
    """Rows of `storage.buckets`, and the object bucket: private, TLS only, encrypted, versioned, owner enforced."""

    object_bucket: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        args: StorageArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"objectBucket": args.object_bucket}, opts)
        for bucket in args.buckets:
            pg.Bucket(
                f"{name}-{bucket.id}",
                bucket=bucket.id,
                public=bucket.public,
                fileSizeLimit=bucket.file_size_limit,
                allowedMimeTypes=list(bucket.allowed_mime_types) or None,
                opts=self.child(),
            )
        self.object_bucket = self._objects(f"{name}-objects", args)
        self.register_outputs({"objectBucket": self.object_bucket})

    def _objects(self, name: str, args: StorageArgs) -> pulumi.Output[str]:
        options = pulumi.ResourceOptions(parent=self)
        bucket = s3.Bucket(
            name,
            bucket=args.object_bucket,
            force_destroy=args.disposable,
            opts=pulumi.ResourceOptions.merge(
                options, pulumi.ResourceOptions(import_=args.object_bucket if args.adopt else None)
            ),
        )
        id: pulumi.Output[str] = bucket.id
        block = s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=options,
        )
        s3.BucketOwnershipControls(
            f"{name}-owner", bucket=id, rule={"object_ownership": "BucketOwnerEnforced"}, opts=options
        )
        versioning = s3.BucketVersioning(
            f"{name}-versions", bucket=id, versioning_configuration={"status": "Enabled"}, opts=options
        )
        s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encrypted",
            bucket=id,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=options,
        )
        s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=id,
            rules=_lifecycle(),
            opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[versioning])),
        )
        s3.BucketPolicy(
            f"{name}-tls",
            bucket=id,
            policy=bucket.arn.apply(tls_only),
            opts=pulumi.ResourceOptions.merge(options, pulumi.ResourceOptions(depends_on=[block])),
        )
        return id


def _lifecycle() -> list[dict[str, Any]]:
    return [
        {
            "id": "unfinished-uploads",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "abort_incomplete_multipart_upload": {"days_after_initiation": DAYS_OF_UNFINISHED_UPLOADS},
        },
        {
            "id": "old-versions",
            "status": "Enabled",
            "filter": {"prefix": ""},
            "noncurrent_version_expiration": {"noncurrent_days": DAYS_OF_OLD_VERSIONS},
        },
    ]


def tls_only(arn: str) -> str:
    """The bucket policy that denies every request without TLS (AWS Foundational Security Best Practices, S3.5)."""
    statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
