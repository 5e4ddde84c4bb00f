"""AWS Backup of the server as the program declares it; what is there already is found at a real moto."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.inputs import InputRefused
from declared.awsnames import BUCKETS, ROLES, AwsNames
from declared.naming import LONGEST_STACK, stack
from harness.program import ACCOUNT, Program, run
from targets import found
from targets.endpoint import AwsEndpoint
from tests.components.test_storage import BACKUPS, inputs
from tests.local.conftest import ACCESS_KEY, REGION, SECRET_KEY, MotoServer

FAR = "eu-west-3"
NAME = "vpb-prod-database"


def at_aws(**more: object) -> Program:
    return run("prod", access=False, target="aws", offline="true", backups={**BACKUPS, **more})


@pytest.fixture(scope="module")
def prod() -> Program:
    return at_aws(secondRegion=FAR, schedule="30 5 * * *")


def test_the_vault_is_locked_and_has_the_server_s_key_and_stays(prod):
    made, lock = inputs(prod, "server-vault-vault"), inputs(prod, "server-vault-vault-lock")
    assert (made["name"], made["kmsKeyArn"]) == (NAME, f"arn:aws:kms:us-east-1:{ACCOUNT}:server-rds-key")
    assert lock["minRetentionDays"] == 7
    assert "changeableForDays" not in lock, "or no mistake could be undone"
    for name in ("vault", "far"):
        assert prod.resources[f"server-vault-{name}"].ignored == ("kmsKeyArn",), "an import with another key would fail"
    for name in ("vault", "vault-lock", "far", "far-lock", "far-key"):
        assert prod.resources[f"server-vault-{name}"].retain


def test_jobs_that_fail_are_heard_of_at_the_alarm_topic(prod):
    topic = inputs(prod, "backups-alarm")["alarmActions"]
    for job in ("snapshot-failed", "snapshot-expired", "copy-failed"):
        alarm = inputs(prod, f"backups-{job}")
        assert (alarm["dimensions"], alarm["alarmActions"]) == ({"BackupVaultName": NAME}, topic)
        assert (alarm["threshold"], alarm["treatMissingData"]) == (1, "notBreaching")


def test_the_names_of_a_stack_with_the_longest_name_are_short_enough():
    """As the API references have it: `CreateBackupVault`, `CreateRole`, and S3's rules for buckets."""
    names = AwsNames(stack("a" * LONGEST_STACK), ACCOUNT)
    assert len(names.vault) <= 50
    assert max(map(len, map(names.of, ROLES))) <= 64
    assert max(map(len, map(names.bucket, BUCKETS))) <= 63


def test_each_class_has_a_rule_with_its_retention_and_a_copy(prod):
    rules = {rule["ruleName"]: rule for rule in inputs(prod, "server-vault-plan")["rules"]}
    assert {name: rule["schedule"] for name, rule in rules.items()} == {
        "daily": "cron(30 5 * * ? *)",
        "weekly": "cron(30 5 ? * SUN *)",
        "monthly": "cron(30 5 1 * ? *)",
    }
    assert {name: rule["lifecycle"]["deleteAfter"] for name, rule in rules.items()} == {
        "daily": 7,
        "weekly": 35,
        "monthly": 372,
    }
    for rule in rules.values():
        assert "enableContinuousBackup" not in rule, "RDS has its own"
        assert rule["copyActions"][0]["lifecycle"] == rule["lifecycle"]
        assert rule["copyActions"][0]["destinationVaultArn"].endswith("server-vault-far")
    far = {inputs(prod, f"server-vault-{name}")["region"] for name in ("far", "far-lock", "far-key")}
    assert far == {FAR}
    assert inputs(prod, "server-vault-selection")["resources"] == [
        f"arn:aws:rds:us-east-1:{ACCOUNT}:server-rds-instance"
    ]


def test_its_role_is_taken_by_aws_backup_for_this_account(prod):
    trust = json.loads(inputs(prod, "server-vault-role")["assumeRolePolicy"])["Statement"][0]
    assert trust["Principal"] == {"Service": "backup.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    rights = json.loads(inputs(prod, "server-vault-rights")["policy"])["Statement"]
    *_, keys, grants = rights
    assert len(keys["Resource"]) == 2
    assert (grants["Action"], grants["Resource"]) == ("kms:CreateGrant", keys["Resource"])
    assert grants["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    ends = [each["Resource"] for each in rights if "Delete" in str(each["Action"])]
    own = [f"arn:aws:rds:*:{ACCOUNT}:{kind}:awsbackup:*" for kind in ("cluster-snapshot", "snapshot")]
    assert ends == [own], "and no other snapshot of the account"


def test_without_a_second_region_nothing_is_copied():
    near = at_aws()
    assert "server-vault-far" not in near.resources
    assert all("copyActions" not in rule for rule in inputs(near, "server-vault-plan")["rules"])
    with pytest.raises(InputRefused, match=r"backups\.secondRegion is 'us-east-1'; allowed is another region than"):
        at_aws(secondRegion="us-east-1")


def test_a_time_at_which_rds_begins_no_backup_is_refused_on_whatever_day_it_is():
    said = (
        r"backups\.schedule is '30 4 \* \* \*'; allowed is a time that isn't within server:maintenanceWindow, "
        "wed:05:00-wed:05:30, or the hour before"
    )
    window = {"maintenanceWindow": "wed:05:00-wed:05:30"}
    backups = {**BACKUPS, "schedule": "30 4 * * *"}
    with pytest.raises(InputRefused, match=said):
        run("prod", access=False, target="aws", offline="true", backups=backups, server=window)
    run("prod", target="local", backups=backups)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MotoServer]:
    made = MotoServer(tmp_path / "state")
    made.start()
    yield made
    made.stop()


def test_what_is_there_is_taken_over_by_its_name(server):
    endpoint = AwsEndpoint(server.endpoint, ACCESS_KEY, SECRET_KEY)
    near, far = found.Clients(endpoint, REGION), found.Clients(endpoint, FAR)

    def there() -> dict[str, str]:
        ids = found.look(endpoint, REGION, "prod", FAR).ids
        return {name.removeprefix(found.VAULT): id for name, id in ids.items()}

    assert there() == {}
    key = far.of("kms").create_key()["KeyMetadata"]
    near.of("backup").create_backup_vault(BackupVaultName=NAME)
    far.of("backup").create_backup_vault(BackupVaultName=NAME, EncryptionKeyArn=key["Arn"])
    far.of("backup").put_backup_vault_lock_configuration(BackupVaultName=NAME, MinRetentionDays=7)
    rule = {"RuleName": "daily", "TargetBackupVaultName": NAME}
    plan = near.of("backup").create_backup_plan(BackupPlan={"BackupPlanName": NAME, "Rules": [rule]})["BackupPlanId"]
    chosen = {"SelectionName": NAME, "IamRoleArn": f"arn:aws:iam::{ACCOUNT}:role/v", "Resources": ["*"]}
    selected = near.of("backup").create_backup_selection(BackupPlanId=plan, BackupSelection=chosen)["SelectionId"]
    assert there() == {
        "vault": NAME,
        "far": f"{NAME}@{FAR}",
        "far-key": f"{key['KeyId']}@{FAR}",
        "plan": plan,
        "selection": f"{plan}|{selected}",
    }
    near.of("backup").delete_backup_selection(BackupPlanId=plan, SelectionId=selected)
    near.of("backup").delete_backup_plan(BackupPlanId=plan)
    server.restart()
    assert set(there()) == {"vault", "far", "far-key"}
