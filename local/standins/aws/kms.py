"""Keys and their aliases."""

from typing import Any, ClassVar

from local.standins.aws.resource import AutoName, AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import FLAG, NUMBER, TEXT, Field, JsonText, Scalar, choice
from plugin.server import CheckFailure

_GONE = frozenset({"NotFoundException"})
_POLICY = {"PolicyName": "default"}


def _alive(site: Site, key: str) -> Values | None:
    """What AWS says of a key; None for one that waits for its end, which nobody can use any more."""
    found: Values = site.client.describe_key(KeyId=key)["KeyMetadata"]
    return None if found["KeyState"] == "PendingDeletion" else found


class Key(AwsKind):
    """A key, its rotation and its tags."""

    token = "aws:kms/key:Key"
    service = "kms"
    noun = "KMS key"
    gone = _GONE
    tagged = True
    properties: ClassVar = {
        "bypassPolicyLockoutSafetyCheck": Field(shape=FLAG, local=True),
        "customerMasterKeySpec": Field(immutable=True, default="SYMMETRIC_DEFAULT"),
        "deletionWindowInDays": Field(shape=NUMBER, local=True),
        "description": Field(computed=True),
        "enableKeyRotation": Field(shape=FLAG),
        "isEnabled": Field(shape=FLAG, default=True),
        "keyUsage": Field(
            shape=choice("ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC"),
            immutable=True,
            default="ENCRYPT_DECRYPT",
        ),
        "policy": Field(shape=JsonText(), computed=True),
        # moto forgets it.
        "rotationPeriodInDays": Field(shape=NUMBER, computed=True, unreported=True),
    }
    outputs: ClassVar = {"arn": TEXT, "keyId": TEXT}
    refused: ClassVar = {
        "customKeyStoreId": "there are no key stores offline, leave it out",
        "multiRegion": "moto's multi-region keys can't decrypt, leave it out",
        "xksKeyId": "there are no key stores offline, leave it out",
    }

    def faults(self, inputs: Values) -> list[CheckFailure]:
        days = inputs.get("deletionWindowInDays")
        if isinstance(days, int) and not 7 <= days <= 30:
            return [CheckFailure("deletionWindowInDays", f"is {days}, but must be from 7 to 30")]
        return []

    def make(self, site: Site, inputs: Values) -> str:
        arguments = {"Description": inputs.get("description", ""), "KeySpec": inputs["customerMasterKeySpec"]}
        if "policy" in inputs:
            arguments["Policy"] = inputs["policy"]
        tags = [{"TagKey": name, "TagValue": text} for name, text in self.all_tags(inputs).items()]
        made = site.client.create_key(KeyUsage=inputs["keyUsage"], Tags=tags, **arguments)
        id: str = made["KeyMetadata"]["KeyId"]
        self._switch(site, id, inputs)
        return id

    def _switch(self, site: Site, id: str, inputs: Values) -> None:
        period = inputs.get("rotationPeriodInDays")
        if inputs.get("enableKeyRotation"):
            site.client.enable_key_rotation(KeyId=id, **({"RotationPeriodInDays": period} if period else {}))
        elif inputs["keyUsage"] == "ENCRYPT_DECRYPT":
            site.client.disable_key_rotation(KeyId=id)
        # Last, since a disabled key takes no other change.
        (site.client.enable_key if inputs.get("isEnabled") else site.client.disable_key)(KeyId=id)

    def find(self, site: Site, id: str) -> Values | None:
        found = _alive(site, id)
        if found is None:
            return None
        symmetric = found["KeySpec"] == "SYMMETRIC_DEFAULT"
        rotates = symmetric and site.client.get_key_rotation_status(KeyId=id)["KeyRotationEnabled"]
        tags = site.client.list_resource_tags(KeyId=id)["Tags"]
        return {
            "arn": found["Arn"],
            "customerMasterKeySpec": found["KeySpec"],
            "description": found["Description"],
            "enableKeyRotation": rotates,
            "isEnabled": found["Enabled"],
            "keyId": id,
            "keyUsage": found["KeyUsage"],
            "policy": site.client.get_key_policy(KeyId=id, **_POLICY)["Policy"],
            "tagsAll": {tag["TagKey"]: tag["TagValue"] for tag in tags},
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        site.client.enable_key(KeyId=id)
        if "description" in new:
            site.client.update_key_description(KeyId=id, Description=new["description"])
        if "policy" in new:
            site.client.put_key_policy(KeyId=id, Policy=new["policy"], **_POLICY)
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            site.client.untag_resource(KeyId=id, TagKeys=removed)
        if added:
            pairs = [{"TagKey": name, "TagValue": text} for name, text in added.items()]
            site.client.tag_resource(KeyId=id, Tags=pairs)
        self._switch(site, id, new)

    def remove(self, site: Site, id: str, state: Values) -> None:
        if _alive(site, id) is not None:
            site.client.schedule_key_deletion(KeyId=id, PendingWindowInDays=state.get("deletionWindowInDays") or 30)


class KeyReference(Scalar):
    """A key by its id or its ARN."""

    def equal(self, old: Any, new: Any) -> bool:
        return bool(old.rsplit("/", 1)[-1] == new.rsplit("/", 1)[-1])


class Alias(AwsKind):
    """A name for a key."""

    token = "aws:kms/alias:Alias"
    service = "kms"
    noun = "KMS alias"
    gone = _GONE
    auto_name = AutoName("name", "namePrefix", limit=256, before="alias/")
    properties: ClassVar = {
        "name": Field(computed=True, immutable=True),
        "namePrefix": Field(computed=True, immutable=True, unreported=True),
        "targetKeyId": Field(shape=KeyReference(), required=True),
    }
    outputs: ClassVar = {"arn": TEXT, "targetKeyArn": TEXT}

    def faults(self, inputs: Values) -> list[CheckFailure]:
        given = {name: inputs.get(name) for name in ("name", "namePrefix")}
        return [
            CheckFailure(name, f"is {value!r}, but must begin with alias/")
            for name, value in given.items()
            if isinstance(value, str) and not value.startswith("alias/")
        ]

    def make(self, site: Site, inputs: Values) -> str:
        name = AutoName("name", "namePrefix").given(inputs)
        site.client.create_alias(AliasName=name, TargetKeyId=inputs["targetKeyId"])
        return name

    def find(self, site: Site, id: str) -> Values | None:
        for page in site.client.get_paginator("list_aliases").paginate():
            for alias in page["Aliases"]:
                if alias["AliasName"] == id:
                    key = alias["TargetKeyId"]
                    arn = alias["AliasArn"]
                    return {
                        "arn": arn,
                        "name": id,
                        "targetKeyArn": f"{arn.rsplit(':', 1)[0]}:key/{key}",
                        "targetKeyId": key,
                    }
        return None

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        site.client.update_alias(AliasName=id, TargetKeyId=new["targetKeyId"])

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_alias(AliasName=id)


KINDS: tuple[type[AwsKind], ...] = (Key, Alias)
