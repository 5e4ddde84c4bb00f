"""AWS Backup of the database server: snapshots beside RDS' own, in a locked vault, and copies in a second region."""

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import backup, kms

from components.base import Component
from components.documents import PolicyStatement, allow_statement, key_rights, text
from components.servicerole import service_role
from declared.backups import BackupSettings
from targets.found import VAULT, Found

SERVICE = "backup.amazonaws.com"
# As AWS' policies for this role (AWSBackupServiceRolePolicyForBackup) have them for RDS.
SNAPSHOTS = (
    *("AddTagsToResource", "CopyDBClusterSnapshot", "CopyDBSnapshot", "CreateDBClusterSnapshot", "CreateDBSnapshot"),
    *("DescribeDBClusterSnapshots", "DescribeDBClusters", "DescribeDBInstances", "DescribeDBSnapshots"),
    "ListTagsForResource",
)
# What it ends are snapshots of its own, which it names so: the server's last one isn't.
ENDS, OWN = ("DeleteDBClusterSnapshot", "DeleteDBSnapshot"), ("cluster-snapshot:awsbackup:*", "snapshot:awsbackup:*")
VAULTS = ("CopyFromBackupVault", "CopyIntoBackupVault", "DescribeBackupVault")
KEYS = ("Decrypt", "DescribeKey", "GenerateDataKey", "ReEncryptFrom", "ReEncryptTo")
# Days of the week and the month of a rule's schedule, as AWS writes cron.
WHEN = {"daily": "* * ? *", "weekly": "? * SUN *", "monthly": "1 * ? *"}


@dataclass(frozen=True, kw_only=True)
class VaultArgs:
    settings: BackupSettings
    found: Found
    """What is there already."""
    key: pulumi.Input[str]
    """The ARN of the server's key, which its snapshots are encrypted with."""
    server: pulumi.Input[str]
    """The ARN of the server or cluster."""


class Vault(Component):
    """A vault, a plan with a rule for each class of backups, and the role that AWS Backup takes for it.

    Continuous backups are RDS' own: AWS Backup would change how long the server keeps them.
    """

    def __init__(self, name: str, args: VaultArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        called = args.found.names.vault
        super().__init__(name, {"vault": called}, opts)
        self._name, self._args, self._called = name, args, called
        vault = self._vault("vault", args.key)
        far = self._far() if args.settings.second_region else None
        # A vault that was there before may have another key than the server has now.
        keys = pulumi.Output.all(args.key, vault.kms_key_arn, *([far.kms_key_arn] if far else []))
        role, rights = service_role(
            self,
            (f"{name}-role", f"{name}-rights"),
            "vault",
            SERVICE,
            args.found,
            self._rights(keys.apply(lambda all: list(dict.fromkeys(all)))),
        )
        plan = backup.Plan(
            f"{name}-plan",
            name=called,
            rules=[self._rule(kind, days, vault, far) for kind, days in args.settings.retention.items()],
            opts=self._again("plan"),
        )
        backup.Selection(
            f"{name}-selection",
            name=called,
            plan_id=plan.id,
            iam_role_arn=role.arn,
            resources=[args.server],
            opts=self._again("selection", rights),
        )
        self.register_outputs({"vault": vault.arn})

    def _again(self, what: str, *siblings: pulumi.Resource) -> pulumi.ResourceOptions:
        return self.again(self._args.found.ids.get(f"{VAULT}{what}"), *siblings)

    def _vault(self, what: str, key: pulumi.Input[str], region: str | None = None) -> backup.Vault:
        # One with recovery points isn't deleted at AWS, nor does it change its key.
        stays = pulumi.ResourceOptions(retain_on_delete=True, ignore_changes=["kms_key_arn"])
        vault = backup.Vault(
            f"{self._name}-{what}",
            name=self._called,
            kms_key_arn=key,
            region=region,
            opts=pulumi.ResourceOptions.merge(self._again(what), stays),
        )
        backup.VaultLockConfiguration(
            f"{self._name}-{what}-lock",
            backup_vault_name=vault.name,
            # Without days to change it: by a right of its own it can be undone.
            min_retention_days=self._args.settings.lock_days,
            region=region,
            # Put over the one that is there, for as many days as it may have been.
            opts=pulumi.ResourceOptions.merge(self.child(), pulumi.ResourceOptions(retain_on_delete=True)),
        )
        return vault

    def _far(self) -> backup.Vault:
        """The vault in the second region, with a key that is there too."""
        region = self._args.settings.second_region
        key = kms.Key(
            f"{self._name}-far-key",
            description=f"Copies of backups of {self._args.found.names.stack}",
            policy=text(key_rights(self._args.found.names.account)),
            enable_key_rotation=True,
            deletion_window_in_days=30,
            region=region,
            opts=pulumi.ResourceOptions.merge(
                self._again("far-key"),
                pulumi.ResourceOptions(ignore_changes=["deletion_window_in_days"], retain_on_delete=True),
            ),
        )
        return self._vault("far", key.arn, region)

    def _rule(self, kind: str, days: int, vault: backup.Vault, far: backup.Vault | None) -> dict[str, Any]:
        minute, hour = self._args.settings.schedule
        ends = {"delete_after": days}
        return {
            "rule_name": kind,
            "target_vault_name": vault.name,
            "schedule": f"cron({minute} {hour} {WHEN[kind]})",
            "schedule_expression_timezone": "Etc/UTC",
            "lifecycle": ends,
            **({"copy_actions": [{"destination_vault_arn": far.arn, "lifecycle": ends}]} if far else {}),
        }

    def _rights(self, keys: pulumi.Output[list[str]]) -> list[PolicyStatement]:
        account = self._args.found.names.account
        return [
            allow_statement("rds", SNAPSHOTS, f"arn:aws:rds:*:{account}:*"),
            allow_statement("rds", ENDS, [f"arn:aws:rds:*:{account}:{snapshots}" for snapshots in OWN]),
            allow_statement("backup", VAULTS, f"arn:aws:backup:*:{account}:backup-vault:{self._called}"),
            allow_statement("kms", KEYS, keys),
            # A grant of its own making would outlast the role; RDS makes them for what it copies.
            {
                "Effect": "Allow",
                "Action": "kms:CreateGrant",
                "Resource": keys,
                "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
            },
        ]
