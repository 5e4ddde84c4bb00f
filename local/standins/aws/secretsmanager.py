"""Secrets, and what is in them."""

from typing import ClassVar

from local.standins.aws.kms import KeyReference
from local.standins.aws.resource import AutoName, AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import NUMBER, TEXT, Field, SetOf, TagMap
from plugin.server import CheckFailure

_GONE = frozenset({"ResourceNotFoundException"})


class Secret(AwsKind):
    """A secret; what it says is a version of it."""

    token = "aws:secretsmanager/secret:Secret"
    service = "secretsmanager"
    noun = "secret"
    gone = _GONE
    tagged = True
    auto_name = AutoName("name", "namePrefix", limit=512)
    properties: ClassVar = {
        "description": Field(),
        "kmsKeyId": Field(shape=KeyReference()),
        "name": Field(computed=True, immutable=True),
        "namePrefix": Field(computed=True, immutable=True, unreported=True),
        "recoveryWindowInDays": Field(shape=NUMBER, local=True, default=30),
    }
    outputs: ClassVar = {"arn": TEXT}
    refused: ClassVar = {
        "policy": "who may read it is said by their own policies, leave it out",
        **dict.fromkeys(("forceOverwriteReplicaSecret", "replicas"), "there is no other region offline, leave it out"),
        "type": "it is for secrets of others, leave it out",
    }

    def make(self, site: Site, inputs: Values) -> str:
        given = {"Description": inputs.get("description"), "KmsKeyId": inputs.get("kmsKeyId")}
        made = site.client.create_secret(
            Name=AutoName("name", "namePrefix").given(inputs),
            Tags=TagMap().to_aws(self.all_tags(inputs)),
            **{name: value for name, value in given.items() if value},
        )
        return str(made["ARN"])

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.describe_secret(SecretId=id)
        if "DeletedDate" in found:
            return None
        return {
            "arn": found["ARN"],
            "description": found.get("Description") or "",
            "kmsKeyId": found.get("KmsKeyId") or "",
            "name": found["Name"],
            "tagsAll": TagMap().from_aws(found.get("Tags") or []),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        given = {"Description": new.get("description") or "", "KmsKeyId": new.get("kmsKeyId")}
        site.client.update_secret(SecretId=id, **{name: value for name, value in given.items() if value is not None})
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            site.client.untag_resource(SecretId=id, TagKeys=removed)
        if added:
            site.client.tag_resource(SecretId=id, Tags=TagMap().to_aws(added))

    def remove(self, site: Site, id: str, state: Values) -> None:
        days = state.get("recoveryWindowInDays") or 0
        how = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
        site.client.delete_secret(SecretId=id, **how)


class SecretVersion(AwsKind):
    """What a secret says. The current one goes with its secret alone."""

    token = "aws:secretsmanager/secretVersion:SecretVersion"
    service = "secretsmanager"
    noun = "version of secret"
    gone = _GONE
    properties: ClassVar = {
        "secretId": Field(required=True, immutable=True),
        "secretString": Field(immutable=True),
        "versionStages": Field(shape=SetOf(TEXT), computed=True),
    }
    outputs: ClassVar = {"arn": TEXT, "secretArn": TEXT, "versionId": TEXT}
    refused: ClassVar = {
        "secretBinary": "use secretString instead",
        **dict.fromkeys(("secretStringWo", "secretStringWoVersion"), "use secretString instead"),
    }
    withheld = frozenset({"hasSecretStringWo"})

    def faults(self, inputs: Values) -> list[CheckFailure]:
        return [] if inputs.get("secretString") else [CheckFailure("secretString", "is required")]

    def make(self, site: Site, inputs: Values) -> str:
        stages = {"VersionStages": inputs["versionStages"]} if inputs.get("versionStages") else {}
        made = site.client.put_secret_value(SecretId=inputs["secretId"], SecretString=inputs["secretString"], **stages)
        return f"{made['ARN']}|{made['VersionId']}"

    def find(self, site: Site, id: str) -> Values | None:
        secret, _, version = id.partition("|")
        found = site.client.get_secret_value(SecretId=secret, VersionId=version)
        return {
            "arn": found["ARN"],
            "secretArn": found["ARN"],
            "secretId": found["ARN"],
            "secretString": found["SecretString"],
            "versionId": version,
            "versionStages": self._stages(site, secret).get(version, []),
        }

    def _stages(self, site: Site, secret: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = site.client.describe_secret(SecretId=secret).get("VersionIdsToStages") or {}
        return found

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        secret, _, version = id.partition("|")
        now = self._stages(site, secret)
        for stage in set(new.get("versionStages") or []) - set(now.get(version, [])):
            holders = [other for other, stages in now.items() if stage in stages]
            holder = {"RemoveFromVersionId": holders[0]} if holders else {}
            site.client.update_secret_version_stage(
                SecretId=secret, VersionStage=stage, MoveToVersionId=version, **holder
            )
        for stage in set(self._stages(site, secret).get(version, [])) - set(new.get("versionStages") or []):
            site.client.update_secret_version_stage(SecretId=secret, VersionStage=stage, RemoveFromVersionId=version)

    def remove(self, site: Site, id: str, state: Values) -> None:
        secret, _, version = id.partition("|")
        for stage in self._stages(site, secret).get(version, []):
            if stage != "AWSCURRENT":
                site.client.update_secret_version_stage(
                    SecretId=secret, VersionStage=stage, RemoveFromVersionId=version
                )


KINDS: tuple[type[AwsKind], ...] = (Secret, SecretVersion)
