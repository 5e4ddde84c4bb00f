"""Malware protection plans against the real server.

What the service does is in the Amazon GuardDuty API reference, under the name of each call:
"CreateMalwareProtectionPlan", "GetMalwareProtectionPlan", "UpdateMalwareProtectionPlan", "DeleteMalwareProtectionPlan".
"""

from typing import Any

import pytest

from tests.local.conftest import ACCOUNT, REGION, MotoServer, code

ROLE = f"arn:aws:iam::{ACCOUNT}:role/scans"
BUCKET = {"S3Bucket": {"BucketName": "objects", "ObjectPrefixes": ["tenant/"]}}
TAGGING = {"Tagging": {"Status": "ENABLED"}}


def plan(guardduty: Any) -> str:
    made = guardduty.create_malware_protection_plan(Role=ROLE, ProtectedResource=BUCKET, Actions=TAGGING)
    return str(made["MalwareProtectionPlanId"])


@pytest.fixture(scope="module")
def guardduty(moto_server: MotoServer) -> Any:
    return moto_server.client("guardduty")


def test_a_plan_is_kept_changed_and_deleted(guardduty: Any) -> None:
    id = plan(guardduty)
    found = guardduty.get_malware_protection_plan(MalwareProtectionPlanId=id)
    assert found["Arn"] == f"arn:aws:guardduty:{REGION}:{ACCOUNT}:malware-protection-plan/{id}"
    assert (found["Role"], found["ProtectedResource"], found["Actions"]) == (ROLE, BUCKET, TAGGING)
    assert found["Status"] == "ACTIVE"
    prefixes = {"S3Bucket": {"ObjectPrefixes": ["other/"]}}
    guardduty.update_malware_protection_plan(MalwareProtectionPlanId=id, ProtectedResource=prefixes)
    found = guardduty.get_malware_protection_plan(MalwareProtectionPlanId=id)
    assert found["ProtectedResource"] == {"S3Bucket": {"BucketName": "objects", "ObjectPrefixes": ["other/"]}}
    assert (found["Role"], found["Actions"]) == (ROLE, TAGGING), "what isn't sent stays"
    assert {"MalwareProtectionPlanId": id} in guardduty.list_malware_protection_plans()["MalwareProtectionPlans"]
    guardduty.delete_malware_protection_plan(MalwareProtectionPlanId=id)
    for call in ("get", "update", "delete"):
        operation = getattr(guardduty, f"{call}_malware_protection_plan")
        assert code(operation, MalwareProtectionPlanId=id) == "ResourceNotFoundException"


def test_a_plan_s_tags_are_its_own(guardduty: Any) -> None:
    first, second = (
        guardduty.get_malware_protection_plan(MalwareProtectionPlanId=plan(guardduty))["Arn"] for _ in range(2)
    )
    guardduty.tag_resource(ResourceArn=first, Tags={"a": "1", "b": "2"})
    guardduty.untag_resource(ResourceArn=first, TagKeys=["a"])
    tags = [
        guardduty.get_malware_protection_plan(MalwareProtectionPlanId=arn.rsplit("/", 1)[1])["Tags"]
        for arn in (first, second)
    ]
    assert tags == [{"b": "2"}, {}]
    assert code(guardduty.tag_resource, ResourceArn=f"{first}0", Tags={"a": "1"}) == "ResourceNotFoundException"


def test_a_plan_survives_a_restart(fresh_server: MotoServer) -> None:
    id = plan(fresh_server.client("guardduty"))
    fresh_server.restart()
    found = fresh_server.client("guardduty").get_malware_protection_plan(MalwareProtectionPlanId=id)
    assert (found["Role"], found["ProtectedResource"]) == (ROLE, BUCKET)
