"""What the program declares of the health's function: its network, its rights, its alarms, its archive."""

import base64
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from components import probezip
from components.healthprobe import sent
from declared.health import CHECKS, OF_THE_POOLER
from declared.prices import METRICS_TAG
from harness.program import ACCOUNT, Program, run
from local.moto.policy import Principal, Request, Verdict, evaluate

ALARM, SECRET = (
    "aws:cloudwatch/metricAlarm:MetricAlarm",
    f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:server-health-secret",
)
NAMESPACE = "visual-prompt-builder/prod/health"
BACKUPS = {
    "retention": {"daily": 7},
    "recoveryPoint": 24,
    "recoveryTime": 4,
    "lockDays": 7,
    "recipients": ["age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"],
}


def at_aws(server: dict[str, Any] | None = None, **changes: Any) -> Program:
    return run("prod", access=False, target="aws", offline="true", server=server or {}, **changes)


@pytest.fixture(scope="module")
def prod() -> Program:
    return at_aws(thresholds={"errors": [7, 70], "spend": [None, None]})


def alarms(program: Program) -> dict[str, dict[str, Any]]:
    found = (each.inputs for each in program.of_type(ALARM))
    return {each["name"].removeprefix("visual-prompt-builder-prod-"): each for each in found}


def test_two_builds_are_the_same_bytes_and_name_no_time_and_no_account():
    first, second = (probezip.content(sent(CHECKS), b"authorities") for _ in range(2))
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        entries = archive.infolist()
        names = [entry.filename for entry in entries]
        assert names == sorted(names)
        assert {(entry.date_time, entry.external_attr >> 16, entry.compress_type) for entry in entries} == {
            ((1980, 1, 1, 0, 0, 0), 0o644, zipfile.ZIP_STORED)
        }
        assert archive.read("authorities.pem") == b"authorities"
        assert json.loads(archive.read("checks.json"))["checks"].keys() == CHECKS.keys() - set(OF_THE_POOLER)
    assert {"handler.py", "pg8000/native.py", "scramp/core.py", "asn1crypto/x509.py", "six.py"} <= set(names)
    assert not [name for name in names if name.endswith((".so", ".pyd", ".pyc"))], "it runs on another processor"
    licences = [name for name in names if ".dist-info/" in name]
    assert {name.partition("-")[0] for name in licences} >= {"pg8000", "scramp", "asn1crypto"}
    assert probezip.content({"errors": CHECKS["errors"]}, b"authorities") != first


def test_the_function_has_the_archive_whose_hash_it_declares_and_its_log_is_there_before_it(prod):
    function = prod.resources["server-health-function"]
    content = Path(function.inputs["code"].path).read_bytes()
    assert function.inputs["sourceCodeHash"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert function.waits_for >= {"server-health-log", "server-health-rights", "server-health-secret-value"}
    log = prod.resources["server-health-log"].inputs
    assert log == {"name": f"/aws/lambda/{function.inputs['name']}", "retentionInDays": 90}
    variables = function.inputs["environment"]["variables"]
    assert (variables["SECRET"], variables["NAMESPACE"], variables["OBJECTS"]) == (SECRET, NAMESPACE, "false")
    assert "password-of" not in json.dumps(variables)


def test_it_reaches_the_server_and_two_services_and_nothing_else(prod):
    group = "server-network-group-monitor-id"
    function = prod.resources["server-health-function"].inputs
    assert function["vpcConfig"]["securityGroupIds"] == [group]
    ways = {
        (each.inputs["referencedSecurityGroupId"], each.inputs["fromPort"], each.inputs["toPort"])
        for each in prod.of_type("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
        if each.inputs["securityGroupId"] == group
    }
    assert ways == {
        ("server-network-group-database-id", 5432, 5432),
        ("server-network-group-endpoints-id", 443, 443),
    }
    into = [
        each.inputs
        for each in prod.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
        if each.inputs["securityGroupId"] == group
    ]
    assert into == []
    endpoints = {
        each.inputs["serviceName"].rpartition(".")[2]: each.inputs["subnetIds"]
        for each in prod.of_type("aws:ec2/vpcEndpoint:VpcEndpoint")
        if each.inputs["vpcEndpointType"] == "Interface"
    }
    one = ["server-network-subnet-a-id"]
    assert endpoints == {"monitoring": one, "secretsmanager": one}


def test_an_endpoint_that_a_setting_names_is_in_all_zones_and_there_once():
    found = [
        each.inputs
        for each in at_aws({"interfaceEndpoints": '["secretsmanager"]'}).of_type("aws:ec2/vpcEndpoint:VpcEndpoint")
        if each.inputs["vpcEndpointType"] == "Interface"
    ]
    zones = {each["serviceName"].rpartition(".")[2]: len(each["subnetIds"]) for each in found}
    assert (zones, len(found)) == ({"secretsmanager": 2, "monitoring": 1}, 2)


@pytest.mark.parametrize(
    ("action", "resource", "context", "verdict"),
    [
        ("secretsmanager:GetSecretValue", SECRET, {}, Verdict.ALLOW),
        ("secretsmanager:GetSecretValue", f"{SECRET}2", {}, Verdict.SILENT),
        ("secretsmanager:PutSecretValue", SECRET, {}, Verdict.SILENT),
    ],
)
def test_its_role_reads_one_secret(prod, action, resource, context, verdict):
    policy = json.loads(prod.resources["server-health-rights"].inputs["policy"])
    reading = {**policy, "Statement": [each for each in policy["Statement"] if "secretsmanager" in str(each["Action"])]}
    for statement in reading["Statement"]:
        statement["Principal"] = "*"
    asked = Request(action, resource, Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/x", account=ACCOUNT), context)
    assert evaluate(reading, asked) is verdict


def test_its_role_has_these_rights_and_no_others(prod):
    statements = json.loads(prod.resources["server-health-rights"].inputs["policy"])["Statement"]
    key = prod.resources["server-health-secret"].inputs["kmsKeyId"]
    log = "arn:aws:cloudwatch:us-east-1:123456789012:server-health-log"
    interfaces = [
        *("ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
        *("ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
    ]
    assert [(each["Effect"], each["Action"], each["Resource"]) for each in statements] == [
        ("Allow", ["secretsmanager:GetSecretValue"], SECRET),
        ("Allow", ["kms:Decrypt"], key),
        ("Allow", ["cloudwatch:PutMetricData"], "*"),
        ("Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], f"{log}:*"),
        ("Allow", interfaces, "*"),
        ("Deny", interfaces, "*"),
    ]
    assert statements[1]["Condition"] == {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}


def test_the_function_is_given_what_it_asks_with(prod):
    found = prod.resources["server-health-function"].inputs
    assert {name: found[name] for name in ("runtime", "handler", "timeout", "memorySize", "architectures")} == {
        "runtime": "python3.13",
        "handler": "handler.handle",
        "timeout": 120,
        "memorySize": 256,
        "architectures": ["arm64"],
    }
    assert found["role"].endswith("server-health-role")
    assert found["tags"] == {METRICS_TAG: str(len(sent(CHECKS)) + 1)}
    variables = found["environment"]["variables"]
    assert variables["DATABASE_HOST"].startswith("server-rds-instance.")
    assert (variables["DATABASE_PORT"], variables["DATABASE_NAME"]) == ("5432", "app")


def test_it_writes_its_own_namespace_alone_and_its_code_makes_no_interface(prod):
    statements = json.loads(prod.resources["server-health-rights"].inputs["policy"])["Statement"]
    (metrics,) = [each for each in statements if each["Action"] == ["cloudwatch:PutMetricData"]]
    assert metrics["Condition"] == {"StringEquals": {"cloudwatch:namespace": NAMESPACE}}
    allowed, denied = [each for each in statements if "ec2:CreateNetworkInterface" in each["Action"]]
    assert (allowed["Effect"], denied["Effect"], denied["Action"]) == ("Allow", "Deny", allowed["Action"])
    name = prod.resources["server-health-function"].inputs["name"]
    assert denied["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"].endswith(f":function:{name}")
    (trust,) = json.loads(prod.resources["server-health-role"].inputs["assumeRolePolicy"])["Statement"]
    assert (trust["Principal"], "Condition" in trust) == ({"Service": "lambda.amazonaws.com"}, False)


def test_each_login_that_is_open_is_in_the_secret_the_one_of_now_first():
    (value,) = [
        each
        for each in at_aws(passwords=[2, 1]).of_type("aws:secretsmanager/secretVersion:SecretVersion")
        if each.name.startswith("server-health")
    ]
    kept = value.wire["secretString"]
    assert kept["4dabf18193072939515e22adb298388d"] == "1b47061264138c4ac30d75fd1eb44270", "marked as a secret"
    assert [each["username"] for each in json.loads(kept["value"])["logins"]] == ["monitor_2", "monitor"]


def test_it_is_called_every_five_minutes_by_its_rule_alone(prod):
    rule = prod.resources["server-health-schedule"].inputs
    allowed, target = (prod.resources[f"server-health-{name}"].inputs for name in ("allowed", "target"))
    assert rule["scheduleExpression"] == "rate(5 minutes)"
    assert (allowed["principal"], allowed["sourceArn"].rpartition(":")[2]) == (
        *("events.amazonaws.com", "server-health-schedule"),
    )
    assert (target["rule"], target["arn"].rpartition(":")[2]) == ("server-health-schedule", "server-health-function")


def test_an_alarm_for_each_threshold_of_the_stack_goes_by_the_worst_object(prod):
    found = alarms(prod)
    errors = {level: found[f"health-errors-{level}"] for level in ("warning", "critical")}
    assert {level: each["threshold"] for level, each in errors.items()} == {"warning": 7, "critical": 70}
    assert (errors["warning"]["metricName"], errors["warning"]["namespace"]) == ("errors", NAMESPACE)
    assert "dimensions" not in errors["warning"]
    assert not [name for name in found if name.startswith(("health-spend-", "health-pool_"))]
    assert {
        each["treatMissingData"] for name, each in found.items() if name.startswith("health-") and "silent" not in name
    } == {"notBreaching"}
    ahead = found["health-partitions_ahead-warning"]
    assert (ahead["statistic"], ahead["comparisonOperator"]) == ("Minimum", "LessThanOrEqualToThreshold")
    assert (ahead["evaluationPeriods"], ahead["datapointsToAlarm"]) == (3, 2)


def test_no_answer_is_critical(prod):
    silent = alarms(prod)["health-silent-critical"]
    assert (silent["metricName"], silent["treatMissingData"], silent["threshold"]) == ("answered", "breaching", 0)


def test_a_backup_that_is_missing_is_heard_of_once_and_a_promised_drill_that_never_was_is_a_warning():
    found = alarms(at_aws(backups=BACKUPS))
    assert not [name for name in found if name.startswith("health-backup_age")]
    assert "backup-too-old" in found
    assert found["health-drill_age-warning"]["treatMissingData"] == "breaching"


def test_switched_off_nothing_of_it_is_there_and_the_server_s_own_alarms_stay():
    found = at_aws({"healthMetrics": "none"})
    assert not [name for name in found.resources if name.startswith("server-") and "health" in name]
    assert not [name for name in alarms(found) if name.startswith("health-")]
    assert "silent-critical" in alarms(found)
    assert not found.of_type("aws:lambda/function:Function")


def test_objects_are_sent_where_the_setting_says_so():
    found = at_aws({"healthMetrics": "objects"}).resources["server-health-function"].inputs
    assert found["environment"]["variables"]["OBJECTS"] == "true"
