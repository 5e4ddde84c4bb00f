"""AWS Backup: vaults with their locks, plans, and what a plan backs up."""

from typing import Any, ClassVar

from local.standins.aws.resource import AutoName, AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Block, Field, ListOf, SetOf

_GONE = frozenset({"ResourceNotFoundException"})
_NOT_USED = "nothing of the program has it, leave it out"


class _Tagged(AwsKind):
    """What has tags on its ARN."""

    service = "backup"
    gone = _GONE
    tagged = True

    def _tags(self, site: Site, arn: str) -> Values:
        tags: Values = site.client.list_tags(ResourceArn=arn).get("Tags", {})
        return tags

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            site.client.untag_resource(ResourceArn=state["arn"], TagKeyList=removed)
        if added:
            site.client.tag_resource(ResourceArn=state["arn"], Tags=added)


class Vault(_Tagged):
    """Where recovery points are kept, encrypted with one key."""

    token = "aws:backup/vault:Vault"
    noun = "backup vault"
    auto_name = AutoName("name", limit=50)
    properties: ClassVar = {
        "forceDestroy": Field(shape=FLAG, local=True),
        "kmsKeyArn": Field(computed=True, immutable=True, unreported=True),
        "name": Field(computed=True, immutable=True),
    }
    outputs: ClassVar = {"arn": TEXT, "recoveryPoints": NUMBER}

    def make(self, site: Site, inputs: Values) -> str:
        name: str = inputs["name"]
        key = {"EncryptionKeyArn": inputs["kmsKeyArn"]} if inputs.get("kmsKeyArn") else {}
        site.client.create_backup_vault(BackupVaultName=name, BackupVaultTags=self.all_tags(inputs), **key)
        return name

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.describe_backup_vault(BackupVaultName=id)
        return {
            "arn": found["BackupVaultArn"],
            "kmsKeyArn": found.get("EncryptionKeyArn"),
            "name": id,
            "recoveryPoints": found.get("NumberOfRecoveryPoints", 0),
            "tagsAll": self._tags(site, found["BackupVaultArn"]),
        }

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_backup_vault(BackupVaultName=id)


class VaultLockConfiguration(AwsKind):
    """How long nobody deletes a recovery point of a vault. With days to change it, it can't be undone after them."""

    token = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
    service = "backup"
    noun = "lock of backup vault"
    gone = _GONE
    properties: ClassVar = {
        "backupVaultName": Field(required=True, immutable=True),
        "maxRetentionDays": Field(shape=NUMBER),
        "minRetentionDays": Field(shape=NUMBER),
    }
    outputs: ClassVar = {"backupVaultArn": TEXT}
    refused: ClassVar = {"changeableForDays": "then the lock is for ever, also of a mistake; leave it out"}

    def _label(self, urn: str, inputs: Values) -> str:
        return str(inputs["backupVaultName"])

    def make(self, site: Site, inputs: Values) -> str:
        site.client.put_backup_vault_lock_configuration(**Block(self.properties).to_aws(inputs))
        return str(inputs["backupVaultName"])

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.describe_backup_vault(BackupVaultName=id)
        if not found.get("Locked"):
            return None
        known = Block(self.properties).from_aws(found)
        return {**known, "backupVaultArn": found["BackupVaultArn"]}

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        self.make(site, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_backup_vault_lock_configuration(BackupVaultName=id)


_LIFECYCLE = Block(
    {
        "coldStorageAfter": Field(shape=NUMBER, aws="MoveToColdStorageAfterDays"),
        "deleteAfter": Field(shape=NUMBER, aws="DeleteAfterDays"),
    },
    {"optInToArchiveForSupportedResources": _NOT_USED},
)
_COPY = Block(
    {
        "destinationVaultArn": Field(required=True, aws="DestinationBackupVaultArn"),
        "lifecycle": Field(shape=_LIFECYCLE),
    }
)
_RULE = Block(
    {
        "ruleName": Field(required=True),
        "targetVaultName": Field(required=True, aws="TargetBackupVaultName"),
        "completionWindow": Field(shape=NUMBER, computed=True, aws="CompletionWindowMinutes"),
        "copyActions": Field(shape=SetOf(_COPY)),
        "enableContinuousBackup": Field(shape=FLAG),
        "lifecycle": Field(shape=_LIFECYCLE),
        "schedule": Field(computed=True, aws="ScheduleExpression"),
        "scheduleExpressionTimezone": Field(computed=True),
        "startWindow": Field(shape=NUMBER, computed=True, aws="StartWindowMinutes"),
    },
    {
        "recoveryPointTags": _NOT_USED,
        "scanActions": _NOT_USED,
        "targetLogicallyAirGappedBackupVaultArn": _NOT_USED,
    },
)


class Plan(_Tagged):
    """When recovery points are made, and how long they are kept."""

    token = "aws:backup/plan:Plan"
    noun = "backup plan"
    auto_name = AutoName("name", limit=50)
    properties: ClassVar = {
        "name": Field(computed=True, immutable=True),
        "rules": Field(shape=SetOf(_RULE, key="ruleName"), required=True),
    }
    outputs: ClassVar = {"arn": TEXT, "version": TEXT}
    refused: ClassVar = {"advancedBackupSettings": _NOT_USED, "scanSettings": _NOT_USED}

    def _plan(self, inputs: Values) -> Values:
        return {"BackupPlanName": inputs["name"], "Rules": ListOf(_RULE).to_aws(inputs["rules"])}

    def make(self, site: Site, inputs: Values) -> str:
        tags = self.all_tags(inputs)
        made = site.client.create_backup_plan(
            BackupPlan=self._plan(inputs), **({"BackupPlanTags": tags} if tags else {})
        )
        return str(made["BackupPlanId"])

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.get_backup_plan(BackupPlanId=id)
        # AWS still tells of one that was deleted.
        if found.get("DeletionDate"):
            return None
        return {
            "arn": found["BackupPlanArn"],
            "name": found["BackupPlan"]["BackupPlanName"],
            "rules": ListOf(_RULE).from_aws(found["BackupPlan"]["Rules"]),
            "version": found["VersionId"],
            "tagsAll": self._tags(site, found["BackupPlanArn"]),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        site.client.update_backup_plan(BackupPlanId=id, BackupPlan=self._plan(new))
        super().change(site, id, state, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_backup_plan(BackupPlanId=id)


class Selection(AwsKind):
    """What a plan backs up, and with whose rights. It can't be changed, so it is replaced."""

    token = "aws:backup/selection:Selection"
    service = "backup"
    noun = "backup selection"
    gone = _GONE
    properties: ClassVar = {
        "iamRoleArn": Field(required=True, immutable=True),
        "name": Field(computed=True, immutable=True, aws="SelectionName"),
        "notResources": Field(shape=SetOf(TEXT), computed=True, immutable=True),
        "planId": Field(required=True, immutable=True, local=True),
        "resources": Field(shape=SetOf(TEXT), immutable=True),
    }
    auto_name = AutoName("name", limit=50)
    refused: ClassVar = {"conditions": _NOT_USED, "selectionTags": _NOT_USED}
    _selection = Block(properties)

    def make(self, site: Site, inputs: Values) -> str:
        made = site.client.create_backup_selection(
            BackupPlanId=inputs["planId"], BackupSelection=self._selection.to_aws(inputs)
        )
        return f"{inputs['planId']}|{made['SelectionId']}"

    def find(self, site: Site, id: str) -> Values | None:
        plan, _, selection = id.partition("|")
        found = site.client.get_backup_selection(BackupPlanId=plan, SelectionId=selection)
        known: dict[str, Any] = self._selection.from_aws(found["BackupSelection"])
        return {**known, "planId": plan}

    def remove(self, site: Site, id: str, state: Values) -> None:
        plan, _, selection = id.partition("|")
        site.client.delete_backup_selection(BackupPlanId=plan, SelectionId=selection)


KINDS: tuple[type[AwsKind], ...] = (Vault, VaultLockConfiguration, Plan, Selection)
