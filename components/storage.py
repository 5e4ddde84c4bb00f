"""Storage: the buckets that users see, and what stands under them at AWS: objects, CDN and who may touch them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi

from components.accessroles import AccessRoles, AccessRolesArgs
from components.alarms import Alarms
from components.base import Component
from components.buckets import rows
from components.cdn import Cdn, CdnArgs
from components.documents import PolicyStatement
from components.malware import Malware, MalwareArgs
from components.objects import Objects, ObjectsArgs
from declared import objectlayout
from declared.settings import BucketSettings
from targets.found import Found


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    found: Found
    """What is there already, and what all of it is called."""
    region: str
    buckets: tuple[BucketSettings, ...]
    cors_origins: tuple[str, ...] = ()
    cdn_keys: tuple[str, ...]
    scanning: str = "clamav"
    """What scans uploads, and so by which tag the CDN knows what is clean."""
    role_trust: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Who may take which role."""
    alarms: Alarms
    """Whose topic the scanner notifies."""
    rows_after: Sequence[pulumi.Resource]
    """What has to be in the database before the rows of `storage.buckets`; nothing at AWS waits for it."""
    cdn_after: Sequence[pulumi.Resource] = ()
    """What has to be in the database before the CDN serves a bucket: from then on, what ends there is noted for it."""
    backup_days: int = 0
    """How many days backups are kept, and with them the files that they name."""
    disposable: bool = False
    """Whether the S3 buckets may go with objects in them."""


class Storage(Component):
    """Rows of `storage.buckets`; under them the object bucket, the CDN in front of it, and the roles."""

    objects: Objects
    account: pulumi.Output[str]
    exports: Mapping[str, pulumi.Input[Any]]
    """What others get to know of it, by the names of the stack's outputs."""

    def __init__(
        self,
        name: str,
        args: StorageArgs,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(name, {"objectBucket": args.found.names.bucket("objects")}, opts)
        self.final = rows(self, name, args.buckets, args.rows_after)
        # Not asked of the plugin: a destroy after a first `up` that failed early has none of it.
        account = pulumi.Output.from_input(args.found.names.account)
        objects = self._objects(name, args, account)
        cdn = self._cdn(name, args, objects)
        aws_roles = self._roles(name, args, account, objects, cdn)
        gate = self._gate(name, args, account, objects, aws_roles)
        objects.files.policy(*objects.own_key_only(), *gate, *cdn.statements())
        self.objects, self.account = objects, account
        self.exports = {
            "object_bucket": objects.files.s3_bucket.id,
            "cdn_domain": cdn.domain,
            "cdn_distribution": cdn.distribution,
            "cdn_signing_key": cdn.signing_key,
            "object_roles": aws_roles.arns,
            "scanning": args.scanning,
        }
        self.register_outputs({"objectBucket": objects.files.s3_bucket.id, "cdnDomain": cdn.domain})

    def _objects(self, name: str, args: StorageArgs, account: pulumi.Output[str]) -> Objects:
        return Objects(
            f"{name}-objects",
            ObjectsArgs(
                found=args.found,
                account=account,
                buckets=args.buckets,
                cors_origins=args.cors_origins,
                backup_days=args.backup_days,
                disposable=args.disposable,
            ),
            self.child(),
        )

    def _cdn(self, name: str, args: StorageArgs, objects: Objects) -> Cdn:
        return Cdn(
            f"{name}-cdn",
            CdnArgs(
                origin=objects.files,
                logs=objects.logs,
                logs_policy=objects.logs_policy,
                buckets=args.buckets,
                clean_tag=objectlayout.CLEAN_TAGS[args.scanning],
                keys=args.cdn_keys,
                cors_origins=args.cors_origins,
                name=None if args.disposable else args.found.names.of("cdn"),
            ),
            pulumi.ResourceOptions(parent=self, depends_on=list(args.cdn_after)),
        )

    def _roles(
        self, name: str, args: StorageArgs, account: pulumi.Output[str], objects: Objects, cdn: Cdn
    ) -> AccessRoles:
        return AccessRoles(
            f"{name}-access",
            AccessRolesArgs(
                bucket=objects.files,
                key_arn=objects.key.arn,
                cdn_arn=cdn.arn,
                account=account,
                region=args.region,
                alarms=args.alarms,
                found=args.found,
                trust=args.role_trust,
                scanner_tags=args.scanning != objectlayout.GUARDDUTY,
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _gate(
        self, name: str, args: StorageArgs, account: pulumi.Output[str], objects: Objects, aws_roles: AccessRoles
    ) -> list[PolicyStatement]:
        """What keeps files from being read before a scan by GuardDuty, where it scans."""
        if args.scanning != objectlayout.GUARDDUTY:
            return []
        malware = Malware(
            f"{name}-malware",
            MalwareArgs(
                bucket=objects.files, key_arn=objects.key.arn, account=account, region=args.region, found=args.found
            ),
            pulumi.ResourceOptions(parent=self),
        )
        # The API serves an upload to its owner at once: who that is, the row policies say.
        return malware.unread_until_clean(aws_roles.arns["scanner"], aws_roles.arns["server"], aws_roles.arns["api"])
