"""The target `aws` through the real engine, offline: moto is AWS, and a server that lets its master do what RDS lets it
is where sessions go.

Its cost before anything is made, up, an empty preview, manual changes at AWS and in the database, repair, a
destroy that is refused, and one that is allowed.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyrage
import pytest
from psycopg import sql

from declared import connectionurl
from harness.checkout import Scratch
from tests.doubles import rdslike, sessionmanager
from tests.stack.conftest import succeeded
from tests.stack.test_dev import client_of, outputs

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("aws")]

IDENTIFIER = "visual-prompt-builder-prod-database"
BACKUPS = "vpb-prod-123456789012-backups"
KEY = pyrage.x25519.Identity.generate()
FILE = """config:
  database:target: aws
  database:offline: "true"
  database:accountIds: ["123456789012"]
  database:backups:
    retention:
      daily: 7
      monthly: 12
    recoveryPoint: 24
    recoveryTime: 4
    lockDays: 7
    secondRegion: eu-west-1
    recipients: [{recipient}]
  server:endpoint: 127.0.0.1:{port}
  server:rootCertificate: {authority}
"""


@dataclass(frozen=True)
class Prod:
    scratch: Scratch
    double: rdslike.RdsLike

    def server(self) -> dict[str, Any]:
        (found,) = client_of(self.scratch, "rds").describe_db_instances()["DBInstances"]
        return dict(found)

    def password(self) -> str:
        """The master's, where AWS keeps it."""
        secrets = client_of(self.scratch, "secretsmanager")
        found = secrets.get_secret_value(SecretId=self.server()["MasterUserSecret"]["SecretArn"])
        return str(json.loads(found["SecretString"])["password"])


@pytest.fixture(scope="module")
def prod() -> Iterator[Prod]:
    with rdslike.server() as double, Scratch("prod") as scratch:
        # A state that is written after each resource takes four times as long.
        scratch.environment["PULUMI_SKIP_CHECKPOINTS"] = "true"
        settings = FILE.format(port=double.server.port, authority=double.authority, recipient=KEY.to_public())
        (scratch.folder / "Pulumi.prod.yaml").write_text(settings)
        yield Prod(scratch, double)


def test_its_costs_are_known_before_anything_is_made_and_nothing_stays_of_the_question(prod):
    said = succeeded(prod.scratch.start("cost", "--json").wait())
    found = json.loads(said[said.index("{") :])
    assert (found["dollars"], found["complete"], found["region"]) == (314.98, True, "us-east-1")
    assert [each["dollars"] for each in found["charges"] if each["resource"] == "server-rds-key"] == [1.0]
    (metrics,) = (each for each in found["charges"] if each["resource"] == "server-health-function")
    assert (metrics["what"], round(metrics["dollars"], 2)) == ("42 metrics of our own", 12.6)
    assert not (prod.scratch.folder / ".local" / "prod").exists()
    assert "prod" not in succeeded(prod.scratch.pulumi("stack", "ls", "--json"))


def test_a_login_that_the_server_refuses_is_one_line_and_the_next_run_goes_on(prod):
    """The double doesn't know the password that AWS has made. At AWS the server and its secret agree."""
    run = prod.scratch.up()
    assert run.status == 1
    assert run.last_line.startswith(f"error: database app on 127.0.0.1:{prod.double.server.port} as master: FATAL: ")
    password = prod.password()
    with psycopg.connect(prod.double.platform("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("alter role master password {}").format(sql.Literal(password)))
    said = succeeded(prod.scratch.up())
    assert "made without bypassrls" in said
    assert password not in said
    assert password not in prod.scratch.checkpoint.read_text(), "the master's password is in no state"
    succeeded(prod.scratch.preview())


def test_the_server_is_as_declared_and_its_logins_come_in(prod):
    server, found = prod.server(), outputs(prod.scratch)
    assert (server["PubliclyAccessible"], server["StorageEncrypted"], server["DeletionProtection"]) == (
        *(False, True, True),
    )
    assert server["EngineVersion"].startswith("17.")
    (key,) = [
        alias["TargetKeyId"]
        for alias in client_of(prod.scratch, "kms").list_aliases()["Aliases"]
        if alias["AliasName"] == f"alias/{IDENTIFIER}"
    ]
    assert server["KmsKeyId"].endswith(key)
    assert connectionurl.parse(found["admin_url"]).get("password") is None
    assert found["admin_secret"] == server["MasterUserSecret"]["SecretArn"]
    with psycopg.connect(found["api_url"]) as connection:
        assert connection.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()").fetchone() == (True,)
    watched = client_of(prod.scratch, "cloudwatch").describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert {each["AlarmName"].rpartition("-")[2] for each in watched} == {"outage", "critical", "warning"}
    assert {action for each in watched for action in each["AlarmActions"]} == {found["alarm_topic_arn"]}
    with psycopg.connect(found["monitor_url"]) as connection:
        assert connection.execute("select count(*) from ops.slow_statements(1)").fetchone() is not None


def test_commands_take_the_master_s_password_where_aws_keeps_it_through_a_tunnel_too(prod, tmp_path, monkeypatch):
    with by_tunnel(prod, tmp_path, monkeypatch):
        run = prod.scratch.start("maintain").wait()
    assert prod.password() not in succeeded(run)


def test_a_backup_goes_into_the_locked_bucket_and_is_read_with_its_key_alone(prod, tmp_path):
    assert outputs(prod.scratch)["backup_bucket"] == BACKUPS
    said = succeeded(prod.scratch.start("backup").wait())
    assert f"in s3://{BACKUPS}/: " in said
    (tmp_path / "key").write_text(f"{KEY}\n")
    said = succeeded(prod.scratch.start("backups", "verify", "--identity", str(tmp_path / "key")).wait())
    assert "as it was written" in said
    s3 = client_of(prod.scratch, "s3")
    found = s3.list_objects_v2(Bucket=BACKUPS, Prefix="monthly/")["Contents"]
    assert [each["Key"] for each in found if each["Key"].endswith("/summary.json")]
    assert s3.head_object(Bucket=BACKUPS, Key=found[0]["Key"])["ObjectLockMode"] == "GOVERNANCE"
    alarms = client_of(prod.scratch, "cloudwatch").describe_alarms()["MetricAlarms"]
    (alarm,) = (each for each in alarms if each["AlarmName"].endswith("-backup-too-old"))
    metrics = client_of(prod.scratch, "cloudwatch").list_metrics(Namespace=alarm["Namespace"])["Metrics"]
    assert [(each["MetricName"], each["Dimensions"]) for each in metrics] == [
        (alarm["MetricName"], alarm["Dimensions"])
    ]


def test_a_destroy_is_refused_and_what_somebody_opened_is_seen_through_a_tunnel_too(prod, tmp_path, monkeypatch):
    run = prod.scratch.start("down", "--confirm", "prod").wait()
    assert (run.status, "its data isn't disposable, so nothing was destroyed" in run.last_line) == (1, True)
    ec2, rds = client_of(prod.scratch, "ec2"), client_of(prod.scratch, "rds")
    clients = outputs(prod.scratch)["network"]["client_security_group"]
    (rule,) = [
        rule
        for rule in ec2.describe_security_group_rules()["SecurityGroupRules"]
        if rule.get("FromPort") == 5432 and not rule["IsEgress"] and rule["ReferencedGroupInfo"]["GroupId"] == clients
    ]
    opened = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535}
    ec2.modify_security_group_rules(
        GroupId=rule["GroupId"],
        SecurityGroupRules=[
            {
                "SecurityGroupRuleId": rule["SecurityGroupRuleId"],
                "SecurityGroupRule": {**opened, "ReferencedGroupId": rule["ReferencedGroupInfo"]["GroupId"]},
            }
        ],
    )
    rds.modify_db_instance(DBInstanceIdentifier=IDENTIFIER, BackupRetentionPeriod=1)
    with psycopg.connect(prod.double.platform(), autocommit=True) as connection:
        connection.execute("grant select on public.users to anon")
    with by_tunnel(prod, tmp_path, monkeypatch):
        shown = prod.scratch.drift()
    assert shown.status == 2
    for name in ("server-network-into-database", "server-rds-instance", "grants on table public.users"):
        assert name in shown.output


@contextmanager
def by_tunnel(prod: Prod, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The stack says that its server is reached by a tunnel, and what runs meanwhile asks for one."""
    settings, programs = prod.scratch.folder / "Pulumi.prod.yaml", folder / "bin"
    before = settings.read_text()
    settings.write_text(f"{before}  server:reach: tunnel\n  server:bastion: i-0123456789abcdef0\n")
    more = sessionmanager.install(programs) | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    for name, value in more.items():
        monkeypatch.setitem(prod.scratch.environment, name, value)
    yield
    settings.write_text(before)
    asked = json.loads((programs / "FAKE_ASKED").read_text())
    assert f'"portNumber": ["{prod.double.server.port}"]' in asked[1]["--parameters"]


def test_what_was_made_by_moto_is_not_looked_for_at_aws(prod):
    settings = prod.scratch.folder / "Pulumi.prod.yaml"
    before = settings.read_text()
    settings.write_text(before.replace('offline: "true"', 'offline: "false"'))
    run = prod.scratch.pulumi("preview", "--non-interactive")
    settings.write_text(before)
    assert run.status == 1
    assert run.last_line.startswith(
        "error: stack prod: it was made at moto of this machine, and its settings lead to AWS"
    )


def test_after_a_lost_state_no_second_server_is_begun_and_by_a_setting_the_first_is_taken_over(prod):
    kept, settings = prod.scratch.checkpoint.read_bytes(), prod.scratch.folder / "Pulumi.prod.yaml"
    before = settings.read_text()
    prod.scratch.checkpoint.unlink()
    succeeded(prod.scratch.pulumi("stack", "init"))
    run = prod.scratch.pulumi("preview", "--non-interactive")
    assert run.status == 1
    assert f"server-network-vpc would be made, and server {IDENTIFIER} of stack prod is at AWS already" in run.output
    settings.write_text(before + "  server:takeOver: true\n")
    shown = succeeded(prod.scratch.pulumi("preview", "--json", "--non-interactive"))
    ops: dict[str, set[str]] = {}
    for step in json.loads(shown[shown.index("{") :])["steps"]:
        ops.setdefault(step["urn"].rpartition("::")[2], set()).add(step["op"])
    there = {name: done for name, done in ops.items() if name.startswith(("server-network-", "server-rds-"))}
    assert {name for name, done in there.items() if "import" not in done} == {"server-rds-monitoring-rights"}
    # What was changed manually before is brought back in the same run.
    assert there["server-rds-instance"] == {"import", "update"}
    assert {name for name, done in there.items() if "update" in done} == {
        *("server-rds-instance", "server-network-into-database"),
    }
    settings.write_text(before)
    prod.scratch.checkpoint.write_bytes(kept)


def test_given_up_on_purpose_all_goes_but_a_last_snapshot_and_its_key(prod):
    succeeded(prod.scratch.pulumi("config", "set", "database:protectData", "false"))
    succeeded(prod.scratch.up())
    repaired = prod.server()
    assert (repaired["BackupRetentionPeriod"], repaired["DeletionProtection"]) == (14, False)
    key = repaired["KmsKeyId"]
    succeeded(prod.scratch.pulumi("destroy", "--yes", "--skip-preview", "--non-interactive"))
    rds, ec2 = client_of(prod.scratch, "rds"), client_of(prod.scratch, "ec2")
    assert rds.describe_db_instances()["DBInstances"] == []
    (last,) = rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    assert last["DBSnapshotIdentifier"].startswith(f"{IDENTIFIER}-")
    assert [network for network in ec2.describe_vpcs()["Vpcs"] if not network["IsDefault"]] == []
    assert client_of(prod.scratch, "kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    s3 = client_of(prod.scratch, "s3")
    assert s3.get_object_lock_configuration(Bucket=BACKUPS)["ObjectLockConfiguration"]["Rule"]
    assert s3.list_objects_v2(Bucket=BACKUPS)["KeyCount"] > 0
