"""Where backups go: a bucket of their own, which who writes them can't empty, and the two roles that reach it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import cloudwatch

from components.alarms import Alarms
from components.base import Component
from components.documents import PolicyStatement, allow_statement, key_rights, through
from components.namedkey import named_key
from components.objects import Objects
from components.privatebucket import PrivateBucket, PrivateBucketArgs
from components.servicerole import trusted_role
from declared.backups import CLASSES, DIMENSION, METRIC, NAMESPACE, WAL, BackupSettings
from targets.found import Found

# Both are read without a restore first. Less than these days in them costs as much.
INFREQUENT, ARCHIVE = ("STANDARD_IA", 30), ("GLACIER_IR", 90)
ADDING = ("AbortMultipartUpload", "ListMultipartUploadParts", "PutObject")
READING = ("GetObject", "GetObjectVersion")
LISTING = ("ListBucket", "ListBucketVersions")
# What AWS Backup counts by vault of the jobs that didn't end well.
JOBS = {
    "snapshot-failed": "NumberOfBackupJobsFailed",
    "snapshot-expired": "NumberOfBackupJobsExpired",
    "copy-failed": "NumberOfCopyJobsFailed",
}


@dataclass(frozen=True, kw_only=True)
class BackupsArgs:
    settings: BackupSettings
    found: Found
    """What is there already."""
    account: pulumi.Input[str]
    region: str
    alarms: Alarms
    """Whose topic hears of a backup that is too old."""
    objects: Objects
    """The stored files, whose versions a backup names and a drill looks for."""
    trust: Mapping[str, tuple[str, ...]]
    """Who may take which role."""
    vault: str | None = None
    """The vault of AWS Backup, where the program makes the server."""
    disposable: bool = False
    """Whether the key may go as soon as AWS lets it."""


class Backups(Component):
    """A locked bucket with a key of its own; the role `backup` adds to it and lists, the role `drill` reads."""

    exports: Mapping[str, pulumi.Input[Any]]
    """What others get to know of it, by the names of the stack's outputs."""

    def __init__(self, name: str, args: BackupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        called = args.found.names.bucket("backups")
        super().__init__(name, {"bucket": called}, opts)
        self._name, self._args = name, args
        rights = key_rights(args.account)
        # The backups outlive the stack, and are read with its key alone.
        key, alias = named_key(self, name, "backups", args.found, [rights], args.disposable, outlives=True)
        self._key = key.arn
        self._bucket = PrivateBucket(
            f"{name}-bucket",
            PrivateBucketArgs(
                bucket=called,
                rules=_lifecycle(args.settings),
                key_arn=key.arn,
                found=args.found,
                outlives=True,
                lock_days=args.settings.lock_days,
            ),
            self.child(key, alias),
        )
        self._alarm()
        if args.vault:
            self._jobs(args.vault)
        roles = {"backup": self._role("backup", self._writes()), "drill": self._role("drill", self._reads())}
        self._bucket.policy(
            self._nothing_but("OnlyAdds", roles["backup"], *ADDING, *LISTING),
            self._nothing_but("OnlyReads", roles["drill"], *READING, *LISTING),
        )
        self.exports = {"backup_bucket": self._bucket.s3_bucket.id, "backup_roles": roles}
        self.register_outputs({"bucket": self._bucket.s3_bucket.id})

    def _role(self, use: str, rights: list[PolicyStatement]) -> pulumi.Output[str]:
        args = self._args
        return trusted_role(self, f"{self._name}-{use}", use, args.trust.get(use, ()), args.found, args.account, rights)

    def _alarm(self) -> None:
        """Heard of where in as many hours as may be lost no backup has said that it is complete."""
        args = self._args
        hours = args.settings.recovery_point
        stack = args.found.names.stack
        cloudwatch.MetricAlarm(
            f"{self._name}-alarm",
            name=args.found.names.of("backup-too-old"),
            alarm_description=f"No backup of {stack} in {hours} hours: what is written since may be lost. ./vpb backup",
            namespace=NAMESPACE,
            metric_name=METRIC,
            dimensions={DIMENSION: stack},
            statistic="Minimum",
            comparison_operator="GreaterThanThreshold",
            threshold=hours,
            # Each backup says it once; an hour without one counts as bad, and all of them have to be.
            period=3600,
            evaluation_periods=hours,
            datapoints_to_alarm=hours,
            treat_missing_data="breaching",
            alarm_actions=[args.alarms.topic],
            ok_actions=[args.alarms.topic],
            opts=self.child(),
        )

    def _jobs(self, vault: str) -> None:
        """Heard of when AWS Backup couldn't make a snapshot of the server, or the copy of one."""
        args = self._args
        stack = args.found.names.stack
        for job, metric in JOBS.items():
            cloudwatch.MetricAlarm(
                f"{self._name}-{job}",
                name=args.found.names.of(job),
                alarm_description=f"AWS Backup, {metric} of {stack}: its console says why.",
                namespace="AWS/Backup",
                metric_name=metric,
                dimensions={"BackupVaultName": vault},
                statistic="Sum",
                comparison_operator="GreaterThanOrEqualToThreshold",
                threshold=1,
                period=3600,
                evaluation_periods=1,
                treat_missing_data="notBreaching",
                alarm_actions=[args.alarms.topic],
                opts=self.child(),
            )

    def _writes(self) -> list[PolicyStatement]:
        """Adds backups, and sees which there are; of stored files it sees versions and no bytes."""
        args = self._args
        return [
            allow_statement("s3", ADDING, self._bucket.below("")),
            allow_statement("s3", LISTING, self._bucket.arn),
            # An upload in parts needs both; what isn't read can't be decrypted.
            through("s3", args.region, self._key, "Decrypt", "GenerateDataKey"),
            allow_statement("s3", LISTING, args.objects.files.arn),
            {
                **allow_statement("cloudwatch", ("PutMetricData",), "*"),
                "Condition": {"StringEquals": {"cloudwatch:namespace": NAMESPACE}},
            },
        ]

    def _reads(self) -> list[PolicyStatement]:
        """Reads backups, and looks whether stored files are there, which S3 takes for reading them."""
        args = self._args
        return [
            allow_statement("s3", READING, self._bucket.below("")),
            allow_statement("s3", LISTING, self._bucket.arn),
            through("s3", args.region, self._key, "Decrypt"),
            allow_statement("s3", READING, args.objects.files.below("")),
            allow_statement("s3", LISTING, args.objects.files.arn),
            through("s3", args.region, args.objects.key.arn, "Decrypt"),
        ]

    def _nothing_but(self, sid: str, role: pulumi.Input[str], *actions: str) -> PolicyStatement:
        """Denies a role all else with the bucket, whatever its own policies say: to delete, and to undo the lock."""
        return {
            "Sid": sid,
            "Effect": "Deny",
            "Principal": "*",
            "NotAction": [f"s3:{action}" for action in actions],
            "Resource": [self._bucket.arn, self._bucket.below("")],
            "Condition": {"StringEquals": {"aws:PrincipalArn": role}},
        }


def _lifecycle(settings: BackupSettings) -> list[dict[str, Any]]:
    """A rule for each class: to where it is cheaper, and to its end; and one for WAL.

    One that isn't declared, any more or at all, ends with the longest of the others: without a rule what was made while
    it was declared would never end.
    """
    longest = max(settings.retention.values())
    # As long as the backups that go first: it goes on from one of these.
    wal = {"id": WAL, "status": "Enabled", "filter": {"prefix": f"{WAL}/"}}
    rules: list[dict[str, Any]] = [{**wal, "expiration": {"days": min(settings.retention.values())}}]
    for kind in CLASSES:
        days = settings.retention.get(kind, longest)
        colder = [
            {"storage_class": storage, "days": after} for storage, after in (INFREQUENT, ARCHIVE) if days >= 2 * after
        ]
        rules.append(
            {
                "id": kind,
                "status": "Enabled",
                "filter": {"prefix": f"{kind}/"},
                **({"transitions": colder} if colder else {}),
                # What its writer writes over stays as long as any old version, so that a drill finds it in time.
                "expiration": {"days": days},
            }
        )
    return rules
