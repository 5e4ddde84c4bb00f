"""Storage: the buckets that users see, and what stands under them at AWS: objects, CDN and who may touch them."""

from dataclasses import dataclass, field

import pulumi
import pulumi_aws

import pg
from components.accessroles import AccessRoles, AccessRolesArgs
from components.base import Component
from components.cdn import Cdn, CdnArgs
from components.documents import Statement
from components.malware import Malware, MalwareArgs
from components.objects import Objects, ObjectsArgs
from settings import BucketSettings


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    object_bucket: str
    """The S3 bucket's name; the Storage API is told it."""
    log_bucket: str
    """The name of the S3 bucket for the logs of the object bucket and of the CDN."""
    region: str
    buckets: tuple[BucketSettings, ...]
    cors_origins: tuple[str, ...] = ()
    cdn_keys: tuple[str, ...]
    scanning: str = "clamav"
    """What scans uploads; the bucket itself has to know of guardduty only."""
    disposable: bool = False
    """Whether the S3 buckets may go with objects in them."""
    adopt: frozenset[str] = field(default_factory=frozenset)
    """The S3 buckets that exist already and are to be taken over."""


class Storage(Component):
    """Rows of `storage.buckets`; under them the object bucket, the CDN in front of it, and the roles."""

    object_bucket: pulumi.Output[str]
    cdn: Cdn
    roles: AccessRoles

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
        # None of what follows waits for the database.
        options = pulumi.ResourceOptions(parent=self)
        account = pulumi_aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(parent=self)).account_id
        objects = Objects(
            f"{name}-objects",
            ObjectsArgs(
                bucket=args.object_bucket,
                log_bucket=args.log_bucket,
                account=account,
                buckets=args.buckets,
                cors_origins=args.cors_origins,
                disposable=args.disposable,
                adopt=args.adopt,
            ),
            self,
        )
        self.cdn = Cdn(
            f"{name}-cdn",
            CdnArgs(
                origin=objects.bucket,
                logs=objects.logs,
                buckets=args.buckets,
                keys=args.cdn_keys,
                cors_origins=args.cors_origins,
            ),
            options,
        )
        self.roles = AccessRoles(
            f"{name}-access",
            AccessRolesArgs(
                objects=objects.bucket,
                key_arn=objects.key.arn,
                cdn_arn=self.cdn.arn,
                account=account,
                region=args.region,
            ),
            options,
        )
        gate: list[Statement] = []
        if args.scanning == "guardduty":
            malware = Malware(
                f"{name}-malware",
                MalwareArgs(objects=objects.bucket, key_arn=objects.key.arn, account=account, region=args.region),
                options,
            )
            # The API serves an upload to its owner at once: who that is, the row policies say.
            gate = malware.unread_until_clean(self.roles.arns["api"])
        objects.bucket.policy(*objects.own_key_only(), *gate, *self.cdn.statements())
        self.object_bucket = objects.bucket.bucket.id
        self.register_outputs({"objectBucket": self.object_bucket, "cdnDomain": self.cdn.domain})
