"""Malware protection of S3 buckets."""

from typing import Any, ClassVar

from local.standins.aws.resource import AwsKind, Site, Values, tag_changes
from local.standins.aws.shapes import TEXT, Block, Field, Instant, ListOf, SetOf, choice

_TAGGING = Block({"status": Field(shape=choice("ENABLED", "DISABLED"), required=True)})


def _actions(inputs: Values) -> dict[str, Any]:
    """What AWS has one of, the official plugin has in lists."""
    tagging = [block for action in inputs.get("actions") or [] for block in action["taggings"]]
    return {"Actions": {"Tagging": {"Status": tagging[0]["status"]}}} if tagging else {}


class MalwareProtectionPlan(AwsKind):
    """Which objects of a bucket GuardDuty scans, with whose rights, and whether it tags them."""

    token = "aws:guardduty/malwareProtectionPlan:MalwareProtectionPlan"
    service = "guardduty"
    noun = "malware protection plan"
    gone = frozenset({"ResourceNotFoundException"})
    tagged = True
    _bucket = Block(
        {
            "bucketName": Field(required=True, immutable=True),
            "objectPrefixes": Field(shape=SetOf(TEXT)),
        }
    )
    properties: ClassVar = {
        "actions": Field(
            shape=ListOf(Block({"taggings": Field(shape=ListOf(_TAGGING), required=True)})), computed=True
        ),
        "protectedResource": Field(shape=Block({"s3Bucket": Field(shape=_bucket, required=True)}), required=True),
        "role": Field(required=True),
    }
    outputs: ClassVar = {"arn": TEXT, "createdAt": TEXT, "status": TEXT}

    def make(self, site: Site, inputs: Values) -> str:
        made = site.client.create_malware_protection_plan(
            Role=inputs["role"],
            ProtectedResource=self.properties["protectedResource"].shape.to_aws(inputs["protectedResource"]),
            Tags=self.all_tags(inputs),
            **_actions(inputs),
        )
        return str(made["MalwareProtectionPlanId"])

    def find(self, site: Site, id: str) -> Values | None:
        found = site.client.get_malware_protection_plan(MalwareProtectionPlanId=id)
        status = found.get("Actions", {}).get("Tagging", {}).get("Status", "DISABLED")
        return {
            "actions": [{"taggings": [{"status": status}]}],
            "arn": found["Arn"],
            "createdAt": Instant().from_aws(found["CreatedAt"]),
            "protectedResource": self.properties["protectedResource"].shape.from_aws(found["ProtectedResource"]),
            "role": found["Role"],
            "status": found["Status"],
            "tagsAll": found.get("Tags", {}),
        }

    def change(self, site: Site, id: str, state: Values, new: Values) -> None:
        prefixes = new["protectedResource"]["s3Bucket"].get("objectPrefixes") or []
        site.client.update_malware_protection_plan(
            MalwareProtectionPlanId=id,
            Role=new["role"],
            ProtectedResource={"S3Bucket": {"ObjectPrefixes": prefixes}},
            **_actions(new),
        )
        added, removed = tag_changes(state.get("tagsAll") or {}, self.all_tags(new))
        if removed:
            site.client.untag_resource(ResourceArn=state["arn"], TagKeys=removed)
        if added:
            site.client.tag_resource(ResourceArn=state["arn"], Tags=added)

    def remove(self, site: Site, id: str, state: Values) -> None:
        site.client.delete_malware_protection_plan(MalwareProtectionPlanId=id)


KINDS: tuple[type[AwsKind], ...] = (MalwareProtectionPlan,)
