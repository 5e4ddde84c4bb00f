"""What the program declares of a server at AWS: where it is, who reaches it, what it keeps, and what it says of it."""

import json
from typing import Any

import pulumi
import pytest

from components import rdsbase
from components.inputs import InputRefused
from declared.awsnames import AwsNames
from declared.maintenance import TASKS
from harness.program import ACCOUNT, ENDPOINT, Program, Registered, run
from targets.found import Found

INSTANCE = "aws:rds/instance:Instance"


def at_aws(server: dict[str, Any] | None = None, **changes: Any) -> Program:
    return run("prod", target="aws", server=server, access=False, **{"offline": "true", **changes})


@pytest.fixture(scope="module")
def prod() -> Program:
    return at_aws()


def the(program: Program, type: str) -> Registered:
    (found,) = program.of_type(type)
    return found


def test_the_server_is_closed_encrypted_watched_and_kept(prod):
    server = the(prod, INSTANCE)
    inputs = server.inputs
    expected = {
        "publiclyAccessible": False,
        "storageEncrypted": True,
        "kmsKeyId": f"arn:aws:kms:us-east-1:{ACCOUNT}:server-rds-key",
        "manageMasterUserPassword": True,
        "multiAz": True,
        "deletionProtection": True,
        "skipFinalSnapshot": False,
        "deleteAutomatedBackups": False,
        "copyTagsToSnapshot": True,
        "performanceInsightsEnabled": True,
        "monitoringInterval": 60,
        "engineVersion": "17",
        "autoMinorVersionUpgrade": True,
        "allowMajorVersionUpgrade": False,
        "applyImmediately": False,
        "backupRetentionPeriod": 14,
        "instanceClass": "db.m7g.large",
        "allocatedStorage": 100,
        "maxAllocatedStorage": 1000,
    }
    assert inputs.items() >= expected.items()
    assert "password" not in inputs, "AWS makes it and changes it"
    assert (server.held, len(inputs["vpcSecurityGroupIds"])) == (True, 1)
    # The name of the network's mock.
    assert inputs["finalSnapshotIdentifier"] == "visual-prompt-builder-prod-database-server-network-vpc-id"
    assert server.ignored == ("allocatedStorage",), "what isn't seen after a take-over is missing at the end"


def test_the_sizes_are_settings():
    server = the(
        at_aws({"class": "db.t4g.medium", "storage": "20", "maxStorage": "40", "multiAz": "false", "backupDays": "35"}),
        INSTANCE,
    ).inputs
    assert (server["instanceClass"], server["allocatedStorage"], server["maxAllocatedStorage"]) == (
        *("db.t4g.medium", 20, 40),
    )
    assert (server["multiAz"], server["backupRetentionPeriod"]) == (False, 35)


def test_each_parameter_says_when_it_is_applied_and_slots_have_an_end(prod):
    group = the(prod, "aws:rds/parameterGroup:ParameterGroup").inputs
    declared = {each["name"]: (each["value"], each["applyMethod"]) for each in group["parameters"]}
    assert declared == dict(rdsbase.PARAMETERS)
    assert (group["family"], group["name"]) == ("postgres17", "visual-prompt-builder-prod-postgres17")
    assert declared["rds.force_ssl"] == ("1", "immediate")
    assert int(declared["max_slot_wal_keep_size"][0]) > 0


@pytest.mark.parametrize(
    ("server", "type"),
    [
        ({}, "aws:rds/parameterGroup:ParameterGroup"),
        ({"engine": "aurora"}, "aws:rds/clusterParameterGroup:ClusterParameterGroup"),
    ],
)
def test_pg_cron_is_loaded_for_our_database_where_it_runs_the_housekeeping(server: dict[str, str], type: str) -> None:
    program = at_aws(server, maintenance={"by": "pg_cron"})
    declared = {each["name"]: each for each in the(program, type).inputs["parameters"]}
    assert declared["shared_preload_libraries"]["value"] == "pg_stat_statements,pg_cron"
    assert declared["cron.database_name"] == {
        "name": "cron.database_name",
        "value": "app",
        "applyMethod": "pending-reboot",
    }
    jobs = program.of_type("pg:index:ScheduledJob")
    assert len(jobs) == 1 + len(TASKS)
    assert all("maintenance-pg_cron" in job.waits_for for job in jobs)
    assert {job.name for job in jobs} <= program.waits_for("checkpoint")


def test_there_is_no_way_in_but_for_the_clients_group_and_no_way_out_but_to_s3(prod):
    assert not [each for each in prod.resources.values() if "Gateway:" in each.type or "eip" in each.type.lower()]
    assert not any(each.inputs["mapPublicIpOnLaunch"] for each in prod.of_type("aws:ec2/subnet:Subnet"))
    assert "routes" not in the(prod, "aws:ec2/routeTable:RouteTable").inputs
    rules = [*prod.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")]
    rules += prod.of_type("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    # From clients to the server and to the endpoints, and from the monitor, at both ends; and to S3.
    assert len(rules) == 9
    assert {rule.inputs["fromPort"] for rule in rules} == {5432, 443}
    for rule in rules:
        assert not {"cidrIpv4", "cidrIpv6"} & rule.inputs.keys(), "by reference alone"
        assert rule.inputs["ipProtocol"] == "tcp"
        assert rule.inputs["fromPort"] == rule.inputs["toPort"]
    assert not [each for each in prod.of_type("aws:ec2/securityGroup:SecurityGroup") if "ingress" in each.inputs]


def test_each_zone_has_a_part_of_the_network_and_interface_endpoints_are_asked_for():
    found = at_aws(
        {"zones": '["a", "c", "d"]', "network": "10.9.0.0/16", "interfaceEndpoints": '["ssm"]'}, region="eu-central-1"
    )
    subnets = {
        each.inputs["availabilityZone"]: each.inputs["cidrBlock"] for each in found.of_type("aws:ec2/subnet:Subnet")
    }
    assert subnets == {
        "eu-central-1a": "10.9.0.0/18",
        "eu-central-1c": "10.9.64.0/18",
        "eu-central-1d": "10.9.128.0/18",
    }
    (interface,) = [each for each in found.of_type("aws:ec2/vpcEndpoint:VpcEndpoint") if each.name.endswith("-ssm")]
    assert interface.inputs["serviceName"] == "com.amazonaws.eu-central-1.ssm"
    assert len(interface.inputs["subnetIds"]) == 3


def test_the_master_s_password_is_in_no_input_and_no_output(prod):
    assert prod.outputs["admin_url"].startswith("postgresql://master@server-rds-instance.rds.amazonaws.com:5432/app?")
    assert "sslmode=verify-full" in prod.outputs["api_url"]
    secret = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:rds!db-server-rds-instance"
    assert prod.outputs["admin_secret"] == secret
    assert prod.resources["pg"].inputs["passwordSecret"] == secret


def test_the_database_and_the_rest_of_aws_wait_for_the_server_by_a_provider_of_its_own(prod):
    assert (
        "server-rds-instance" in {name for name in prod.waits_for("snapshot-schema")} | prod.resources["pg"].waits_for
    )
    assert prod.resources["server-aws"].waits_for == frozenset()
    assert prod.resources["server-rds-instance"].waits_for >= {"server-rds-log-postgresql", "server-rds-log-upgrade"}


def test_monitoring_is_trusted_for_this_account_alone(prod):
    role = prod.resources["server-rds-monitoring"].inputs
    (trust,) = json.loads(role["assumeRolePolicy"])["Statement"]
    assert trust["Principal"] == {"Service": "monitoring.rds.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}


def test_backups_stay_readable_when_the_stack_goes_and_the_key_is_found_again(prod):
    key, alias = prod.resources["server-rds-key"], prod.resources["server-rds-alias"]
    assert (key.retain, alias.retain) == (True, True)
    name = "alias/visual-prompt-builder-prod-database"
    again = run("prod", Found(AwsNames("prod", ACCOUNT), {name: "old-key"}), target="aws", offline="true").resources
    assert (again["server-rds-key"].taken_over, again["server-rds-alias"].taken_over) == ("old-key", name)


def test_given_up_on_purpose_neither_pulumi_nor_aws_refuse_the_end():
    server = the(at_aws(protectData="false"), INSTANCE)
    assert (server.held, server.inputs["deletionProtection"]) == (False, False)
    assert server.inputs["skipFinalSnapshot"] is False


def test_at_aws_itself_nothing_leads_to_another_address(tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.touch()
    found = run("prod", target="aws", server={"rootCertificate": str(bundle)}, accountIds=[ACCOUNT])
    for name in ("aws", "server-aws"):
        inputs = found.resources[name].inputs
        assert not inputs.keys() & {"endpoints", "accessKey", "secretKey", "skipRequestingAccountId"}, name
        assert inputs["allowedAccountIds"] == f'["{ACCOUNT}"]'
    assert found.outputs["s3_endpoint"] is None
    assert "secretsEndpoint" not in found.resources["pg"].inputs
    assert ENDPOINT not in str(found.resources)


def test_a_local_endpoint_is_where_sessions_go_offline():
    found = at_aws({"endpoint": "127.0.0.1:5999", "rootCertificate": "/tmp/ca.pem"})
    assert found.outputs["admin_url"] == (
        "postgresql://master@127.0.0.1:5999/app?sslmode=verify-full&sslrootcert=%2Ftmp%2Fca.pem"
    )


@pytest.mark.parametrize(
    ("changes", "server", "said"),
    [
        (
            {"offline": ""},
            {},
            'setting database:accountIds is []; allowed is one account at least, such as ["123456789012"], where data',
        ),
        (
            {"offline": "", "accountIds": [ACCOUNT]},
            {"endpoint": "h:1"},
            "server:endpoint is allowed with database:offline only",
        ),
        (
            {"offline": "", "accountIds": [ACCOUNT]},
            {"rootCertificate": "/none"},
            "server:rootCertificate is '/none', and there is no such file",
        ),
        ({"accountIds": ["210987654321"]}, {}, f"credentials are of account {ACCOUNT}, and setting"),
        ({"target": "local", "offline": ""}, {"class": "db.m7g.large"}, "setting server:class is read by nobody"),
        ({}, {"class": "large"}, "setting server:class is 'large'; allowed is an instance class"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_declared(changes, server, said):
    with pytest.raises((InputRefused, pulumi.RunError)) as caught:
        run("prod", server=server, **{"target": "aws", "offline": "true", **changes})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
