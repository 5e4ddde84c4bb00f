"""Plans and selections of AWS Backup against the real server.

What the service does is in the AWS Backup API reference, under the name of each call.
"""

from typing import Any

from tests.local.conftest import ACCOUNT, MotoServer, code

RULE = {"RuleName": "daily", "TargetBackupVaultName": "near"}
CHOSEN = {"SelectionName": "server", "IamRoleArn": f"arn:aws:iam::{ACCOUNT}:role/v", "Resources": ["*"]}


def test_a_plan_with_a_selection_stays_is_changed_and_names_vaults_that_are_there(fresh_server: MotoServer) -> None:
    backup: Any = fresh_server.client("backup")

    def plan(vault: str) -> dict[str, Any]:
        return {"BackupPlanName": "all", "Rules": [{**RULE, "TargetBackupVaultName": vault}]}

    assert code(backup.create_backup_plan, BackupPlan=plan("near")) == "InvalidParameterValueException"
    assert code(backup.create_backup_vault, BackupVaultName="n" * 51) == "InvalidParameterValueException"
    backup.create_backup_vault(BackupVaultName="near")
    long = {**plan("near"), "BackupPlanName": "n" * 51}
    assert code(backup.create_backup_plan, BackupPlan=long) == "InvalidParameterValueException"
    id = backup.create_backup_plan(BackupPlan=plan("near"))["BackupPlanId"]
    selected = backup.create_backup_selection(BackupPlanId=id, BackupSelection=CHOSEN)["SelectionId"]
    assert code(backup.delete_backup_plan, BackupPlanId=id) == "InvalidRequestException"
    assert code(backup.update_backup_plan, BackupPlanId=id, BackupPlan=plan("far")) == "InvalidParameterValueException"
    fresh_server.restart()
    (found,) = backup.list_backup_selections(BackupPlanId=id)["BackupSelectionsList"]
    assert found["SelectionId"] == selected
    assert backup.get_backup_selection(BackupPlanId=id, SelectionId=selected)["BackupSelection"] == CHOSEN
    backup.delete_backup_selection(BackupPlanId=id, SelectionId=selected)
    backup.delete_backup_plan(BackupPlanId=id)
    assert code(backup.get_backup_plan, BackupPlanId=id) == "ResourceNotFoundException"
    assert code(backup.list_backup_selections, BackupPlanId=id) == "ResourceNotFoundException"
