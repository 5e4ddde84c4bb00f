"""What moto lacks of AWS Backup: a plan that is changed, and which resources a plan backs up.

As in the AWS Backup API reference ("UpdateBackupPlan", "DeleteBackupPlan", "CreateBackupSelection"): a plan with a
selection stays, a deleted one is gone, a rule's vault has to be there, and names are short. Nothing is ever backed up.
"""

import functools
import json
import re
from collections.abc import Callable
from typing import Any

from moto.backup import urls
from moto.backup.exceptions import InvalidParameterValueException, InvalidRequestException, ResourceNotFoundException
from moto.backup.models import BackupBackend, Plan
from moto.backup.responses import BackupResponse
from moto.core.utils import unix_time
from moto.moto_api._internal import mock_random

KEPT = "local_selections"
VAULT_NAME, PLAN_NAME = re.compile(r"[A-Za-z0-9_-]{2,50}"), re.compile(r"[A-Za-z0-9_.-]{1,50}")
PLAN = r"{0}/backup/plans/(?P<plan_id>[^/]+)/selections"

Selections = dict[str, dict[str, Any]]


def _selections(response: BackupResponse, plan: str) -> Selections:
    """Those of a plan, by their ids."""
    backend = response.backup_backend
    if plan not in backend.plans:
        raise ResourceNotFoundException(msg=f"Backup plan {plan} isn't there")
    # On the backend, so that it is saved, restored and reset with it.
    kept: dict[str, Selections] = backend.__dict__.setdefault(KEPT, {})
    return kept.setdefault(plan, {})


def _where(response: BackupResponse) -> tuple[str, str]:
    plan, _, selection = response.path.split("/plans/")[1].partition("/selections")
    return plan, selection.strip("/")


def _select(self: BackupResponse) -> str:
    plan, _ = _where(self)
    given = json.loads(self.body)["BackupSelection"]
    _check_name(PLAN_NAME, given["SelectionName"])
    id, now = str(mock_random.uuid4()), unix_time()
    _selections(self, plan)[id] = {
        "SelectionId": id,
        "BackupPlanId": plan,
        "CreationDate": now,
        "BackupSelection": given,
    }
    return json.dumps({"SelectionId": id, "BackupPlanId": plan, "CreationDate": now})


def _selection(self: BackupResponse) -> str:
    plan, id = _where(self)
    found = _selections(self, plan).get(id)
    if found is None:
        raise ResourceNotFoundException(msg=f"Backup selection {id} isn't there")
    return json.dumps(found)


def _listed(self: BackupResponse) -> str:
    plan, _ = _where(self)
    found = [
        {"SelectionId": id, "BackupPlanId": plan, "SelectionName": each["BackupSelection"]["SelectionName"]}
        for id, each in _selections(self, plan).items()
    ]
    return json.dumps({"BackupSelectionsList": found})


def _unselect(self: BackupResponse) -> str:
    plan, id = _where(self)
    if _selections(self, plan).pop(id, None) is None:
        raise ResourceNotFoundException(msg=f"Backup selection {id} isn't there")
    return "{}"


def _update(self: BackupResponse) -> str:
    id = self.path.split("/plans/")[1].strip("/")
    backend = self.backup_backend
    plan = backend.get_backup_plan(backup_plan_id=id, version_id=None)
    given = json.loads(self.body)["BackupPlan"]
    _check(backend, given)
    new = Plan(backup_plan=given, creator_request_id=plan.creator_request_id, backend=backend)
    plan.backup_plan, plan.version_id = new.backup_plan, new.version_id
    return json.dumps(plan.to_dict())


def _check_name(pattern: re.Pattern[str], name: str) -> None:
    if not pattern.fullmatch(name):
        raise InvalidParameterValueException(msg=f"{name} isn't a name as {pattern.pattern}")


def _make(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def create_backup_vault(self: BackupBackend, backup_vault_name: str, **more: Any) -> Any:
        _check_name(VAULT_NAME, backup_vault_name)
        return real(self, backup_vault_name=backup_vault_name, **more)

    return create_backup_vault


def _check(backend: BackupBackend, plan: dict[str, Any]) -> None:
    _check_name(PLAN_NAME, plan["BackupPlanName"])
    for rule in plan["Rules"]:
        if rule["TargetBackupVaultName"] not in backend.vaults:
            raise InvalidParameterValueException(msg=f"Backup vault {rule['TargetBackupVaultName']} isn't there")


def _create(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def create_backup_plan(self: BackupBackend, backup_plan: dict[str, Any], **more: Any) -> Any:
        _check(self, backup_plan)
        return real(self, backup_plan=backup_plan, **more)

    return create_backup_plan


def _delete(real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def delete_backup_plan(self: BackupBackend, backup_plan_id: str) -> Any:
        kept: dict[str, Selections] = self.__dict__.setdefault(KEPT, {})
        if kept.get(backup_plan_id):
            raise InvalidRequestException(
                msg="Related backup plan selections must be deleted prior to backup plan deletion"
            )
        answer = real(self, backup_plan_id=backup_plan_id)
        # moto would keep its name.
        del self.plans[backup_plan_id]
        return answer

    return delete_backup_plan


OPERATIONS = {
    "create_backup_selection": _select,
    "get_backup_selection": _selection,
    "list_backup_selections": _listed,
    "delete_backup_selection": _unselect,
    "update_backup_plan": _update,
}


def install() -> None:
    """Puts all of it into moto's classes; once per process, before the server is made."""
    for name, operation in OPERATIONS.items():
        setattr(BackupResponse, name, operation)
    BackupBackend.create_backup_vault = _make(BackupBackend.create_backup_vault)
    BackupBackend.create_backup_plan = _create(BackupBackend.create_backup_plan)
    BackupBackend.delete_backup_plan = _delete(BackupBackend.delete_backup_plan)
    dispatch = urls.response.dispatch
    # Before moto's pattern of a plan, which takes whatever follows for its id.
    more = {f"{PLAN}/?$": dispatch, f"{PLAN}/(?P<selection_id>[^/]+)$": dispatch}
    urls.url_paths = {**more, **urls.url_paths}
