"""The objects' place in S3: one private bucket for all storage buckets, its key, and the bucket for its logs."""

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import s3

from components.base import Component
from components.documents import PolicyStatement, key_rights
from components.namedkey import named_key
from components.privatebucket import DAYS_OF_UNFINISHED_UPLOADS, PrivateBucket, PrivateBucketArgs, gone_with
from declared import objectlayout
from declared.settings import BucketSettings
from targets.found import Found

DAYS_OF_LOGS = 90
ACCESS_LOGS = "s3/"
SSE = "s3:x-amz-server-side-encryption"


@dataclass(frozen=True, kw_only=True)
class ObjectsArgs:
    found: Found
    """What is there already; the Storage API is configured with the name of the object bucket."""
    account: pulumi.Input[str]
    """Whose buckets they are."""
    buckets: tuple[BucketSettings, ...]
    cors_origins: tuple[str, ...] = ()
    backup_days: int = 0
    """How many days backups are kept, and with them the files that they name."""
    disposable: bool = False
    """Whether both S3 buckets may go with what is in them, and the key at once."""


class Objects(Component):
    """The object bucket: private, TLS only, encrypted with a key of its own, versioned, logged."""

    def __init__(self, name: str, args: ObjectsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {use: args.found.names.bucket(use) for use in ("objects", "logs")}, opts)
        self._account = args.account
        rights = _key_rights(args.account)
        self.key, self._alias = named_key(self, name, "objects", args.found, rights, args.disposable)
        self.files = self._files(name, args)
        self.logs = self._logs(name, args)
        self._logged(name)
        if args.cors_origins:
            s3.BucketCorsConfiguration(
                f"{name}-cors",
                bucket=self.files.s3_bucket.id,
                cors_rules=[_cors(args.cors_origins)],
                opts=pulumi.ResourceOptions.merge(self.child(), gone_with(self.files)),
            )
        self.register_outputs({"bucket": self.files.s3_bucket.id})

    def _files(self, name: str, args: ObjectsArgs) -> PrivateBucket:
        return PrivateBucket(
            f"{name}-files",
            PrivateBucketArgs(
                bucket=args.found.names.bucket("objects"),
                rules=_lifecycle(args.buckets, args.backup_days),
                # Of what no backup names the cleaner is faster.
                old_days=max(objectlayout.DAYS_OF_OLD_VERSIONS, args.backup_days),
                key_arn=self.key.arn,
                disposable=args.disposable,
                found=args.found,
            ),
            # So it goes before its key.
            self.child(self.key, self._alias),
        )

    def _logs(self, name: str, args: ObjectsArgs) -> PrivateBucket:
        # S3 can't deliver its access logs to a bucket that encrypts with KMS.
        return PrivateBucket(
            f"{name}-logs",
            PrivateBucketArgs(
                bucket=args.found.names.bucket("logs"),
                rules=[
                    {
                        "id": "old",
                        "status": "Enabled",
                        "filter": {"prefix": ""},
                        "expiration": {"days": DAYS_OF_LOGS},
                        # What has expired isn't kept as an old version for another month.
                        "noncurrent_version_expiration": {"noncurrent_days": 1},
                    }
                ],
                disposable=args.disposable,
                found=args.found,
            ),
            self.child(),
        )

    def _logged(self, name: str) -> None:
        """S3 writes who reads and writes the files."""
        self.logs_policy = self.logs.policy(self._s3_writes_logs(), self._cdn_writes_logs())
        s3.BucketLogging(
            f"{name}-logged",
            bucket=self.files.s3_bucket.id,
            target_bucket=self.logs.s3_bucket.id,
            target_prefix=ACCESS_LOGS,
            opts=pulumi.ResourceOptions.merge(self.child(self.logs_policy), gone_with(self.files)),
        )

    def _s3_writes_logs(self) -> PolicyStatement:
        return {
            "Sid": "S3WritesItsLogs",
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": self.logs.below(ACCESS_LOGS),
            "Condition": {
                "ArnEquals": {"aws:SourceArn": self.files.arn},
                "StringEquals": {"aws:SourceAccount": self._account},
            },
        }

    def _cdn_writes_logs(self) -> PolicyStatement:
        sources = pulumi.Output.concat("arn:aws:logs:us-east-1:", self._account, ":delivery-source:*")
        return {
            "Sid": "CloudFrontWritesItsLogs",
            "Effect": "Allow",
            "Principal": {"Service": "delivery.logs.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": self.logs.below("AWSLogs/"),
            "Condition": {
                "ArnLike": {"aws:SourceArn": sources},
                "StringEquals": {
                    "aws:SourceAccount": self._account,
                    "s3:x-amz-acl": "bucket-owner-full-control",
                },
            },
        }

    def own_key_only(self) -> list[PolicyStatement]:
        """Denies uploads that ask for another encryption than the bucket's; those that ask for none get it."""
        upload = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:PutObject",
            "Resource": self.files.below(""),
        }
        # Without a key's id `aws:kms` means AWS' key and not the bucket's, and so isn't equal either.
        other = {"Null": {SSE: "false"}, "StringNotEquals": {f"{SSE}-aws-kms-key-id": self.key.arn}}
        sent_along = {"Null": {f"{SSE}-customer-algorithm": "false"}}
        return [
            {"Sid": "OwnKeyOnly", **upload, "Condition": other},
            {"Sid": "NoKeyOfTheSender", **upload, "Condition": sent_along},
        ]


def _key_rights(account: pulumi.Input[str]) -> list[PolicyStatement]:
    """Who may use the key: whom the account's own policies let, and the account's CDN to read."""
    # Which distribution it is, the bucket's policy says: naming it here too would need the key to be made after it.
    distributions = pulumi.Output.concat("arn:aws:cloudfront::", account, ":distribution/*")
    return [
        key_rights(account),
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudfront.amazonaws.com"},
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:SourceArn": distributions}},
        },
    ]


def _lifecycle(buckets: tuple[BucketSettings, ...], backup_days: int) -> list[dict[str, Any]]:
    # S3 dates what came in parts by its beginning: a week may have passed when it ends. Of forms the cleaner is faster.
    uploads = {
        "id": "uploads",
        "status": "Enabled",
        "filter": {"prefix": f"{objectlayout.UPLOADS}/"},
        "expiration": {"days": DAYS_OF_UNFINISHED_UPLOADS + 1},
        "noncurrent_version_expiration": {"noncurrent_days": 1},
    }
    return [uploads] + [
        {
            "id": f"retention-{bucket.id}",
            "status": "Enabled",
            "filter": {"prefix": objectlayout.prefix(bucket.id)},
            "expiration": {"days": bucket.retention_days},
            # What has expired isn't kept as an old version for another month, but for backups.
            "noncurrent_version_expiration": {"noncurrent_days": max(1, backup_days)},
        }
        for bucket in buckets
        if bucket.retention_days is not None
    ]


def _cors(origins: tuple[str, ...]) -> dict[str, Any]:
    return {
        "allowed_origins": list(origins),
        "allowed_methods": ["GET", "HEAD", "POST", "PUT"],
        "allowed_headers": ["*"],
        # What a player needs to seek, and an uploader to compare.
        "expose_headers": ["Accept-Ranges", "Content-Length", "Content-Range", "ETag"],
        "max_age_seconds": 3600,
    }
