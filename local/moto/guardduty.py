"""GuardDuty's malware protection plans, which moto lacks.

As in the Amazon GuardDuty API reference ("CreateMalwareProtectionPlan", "GetMalwareProtectionPlan",
"UpdateMalwareProtectionPlan", "DeleteMalwareProtectionPlan", "TagResource", "UntagResource"): a plan is kept and can be
changed except for its bucket; one that there isn't is ResourceNotFoundException. Nothing is ever scanned.
"""

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, EmptyResult
from moto.guardduty import urls
from moto.guardduty.responses import GuardDutyResponse
from moto.moto_api._internal import mock_random

KEPT = "local_malware_plans"
PATHS = ("malware-protection-plan$", "malware-protection-plan/(?P<plan_id>[^/]+)$", "tags/(?P<arn>.+)$")

Plan = dict[str, Any]
Operation = Callable[[GuardDutyResponse], ActionResult]


class NotFound(ServiceException):  # type: ignore[misc]
    code = "ResourceNotFoundException"
    message = "The request failed because the resource was not found."


def _plans(response: GuardDutyResponse) -> dict[str, Plan]:
    # On the backend, so that it is saved, restored and reset with it.
    kept: dict[str, Plan] = response.guardduty_backend.__dict__.setdefault(KEPT, {})
    return kept


def _named(response: GuardDutyResponse) -> Plan:
    plan = _plans(response).get(response.params["MalwareProtectionPlanId"])
    if plan is None:
        raise NotFound
    return plan


def _tags(response: GuardDutyResponse) -> dict[str, str]:
    arn = unquote(response.params["ResourceArn"])
    for plan in _plans(response).values():
        if plan["Arn"] == arn:
            tags: dict[str, str] = plan["Tags"]
            return tags
    raise NotFound


def _create(self: GuardDutyResponse) -> ActionResult:
    id = mock_random.get_random_hex(20)
    given = self.params
    _plans(self)[id] = {
        "Arn": f"arn:aws:guardduty:{self.region}:{self.current_account}:malware-protection-plan/{id}",
        "Role": given["Role"],
        "ProtectedResource": given["ProtectedResource"],
        "Actions": given.get("Actions") or {"Tagging": {"Status": "DISABLED"}},
        "CreatedAt": datetime.now(UTC).replace(microsecond=0),
        "Status": "ACTIVE",
        "StatusReasons": [],
        "Tags": dict(given.get("Tags") or {}),
    }
    return ActionResult({"MalwareProtectionPlanId": id})


def _get(self: GuardDutyResponse) -> ActionResult:
    return ActionResult(_named(self))


def _list(self: GuardDutyResponse) -> ActionResult:
    return ActionResult({"MalwareProtectionPlans": [{"MalwareProtectionPlanId": id} for id in _plans(self)]})


def _update(self: GuardDutyResponse) -> ActionResult:
    plan, given = _named(self), self.params
    plan |= {name: given[name] for name in ("Role", "Actions") if given.get(name)}
    if given.get("ProtectedResource"):
        prefixes = given["ProtectedResource"]["S3Bucket"].get("ObjectPrefixes") or []
        bucket = plan["ProtectedResource"]["S3Bucket"] | {"ObjectPrefixes": prefixes}
        plan["ProtectedResource"] = {"S3Bucket": bucket}
    return EmptyResult()


def _delete(self: GuardDutyResponse) -> ActionResult:
    _named(self)
    del _plans(self)[self.params["MalwareProtectionPlanId"]]
    return EmptyResult()


def _tag(self: GuardDutyResponse) -> ActionResult:
    _tags(self).update(self.params["Tags"])
    return EmptyResult()


def _untag(self: GuardDutyResponse) -> ActionResult:
    for name in self.params["TagKeys"]:
        _tags(self).pop(name, None)
    return EmptyResult()


OPERATIONS: dict[str, Operation] = {
    "create_malware_protection_plan": _create,
    "get_malware_protection_plan": _get,
    "list_malware_protection_plans": _list,
    "update_malware_protection_plan": _update,
    "delete_malware_protection_plan": _delete,
    "tag_resource": _tag,
    "untag_resource": _untag,
}


def _parsed(operation: Operation) -> Operation:
    # moto's older services leave a request as it is.
    @functools.wraps(operation)
    def method(self: GuardDutyResponse) -> ActionResult:
        self.parse_parameters(self.normalized_request)
        return operation(self)

    return method


def install() -> None:
    """Puts all of it into moto's classes; once per process, before the server is made."""
    for name, operation in OPERATIONS.items():
        setattr(GuardDutyResponse, name, _parsed(operation))
    for path in PATHS:
        urls.url_paths[f"{{0}}/{path}"] = GuardDutyResponse.dispatch
