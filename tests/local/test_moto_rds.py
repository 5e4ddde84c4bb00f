"""What AWS refuses of a server, its groups and its parameters, and what moto would forget.

Where it is documented: `local/moto/rds.py`.
"""

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.local.conftest import MotoServer


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    server = MotoServer(tmp_path_factory.mktemp("moto") / "state", verified=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client(moto):
    def of(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=moto.endpoint,
            region_name="us-east-1",
            aws_access_key_id="x",
            aws_secret_access_key="x",
        )

    return of


def refused(call, code: str) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])


@pytest.fixture(scope="module")
def network(client):
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/20")["Vpc"]["VpcId"]
    zones = {"us-east-1a": "10.0.0.0/24", "us-east-1b": "10.0.1.0/24"}
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for zone, block in zones.items()
    ]
    group = ec2.create_security_group(GroupName="database", Description="x", VpcId=vpc)["GroupId"]
    return {"subnets": subnets, "group": group}


def role(client, name: str, service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return str(client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"])


def server(rds, name: str, **more: Any) -> Any:
    given = {
        "Engine": "postgres",
        "EngineVersion": "17",
        "DBInstanceClass": "db.t4g.medium",
        "AllocatedStorage": 20,
        "MasterUsername": "master",
        "ManageMasterUserPassword": True,
    }
    return rds.create_db_instance(DBInstanceIdentifier=name, **{**given, **more})["DBInstance"]


def test_a_subnet_group_covers_two_zones_has_its_name_once_and_is_kept_when_it_changes(client, network):
    rds, subnets = client("rds"), network["subnets"]
    given = {"DBSubnetGroupName": "one", "DBSubnetGroupDescription": "x"}
    refused(lambda: rds.create_db_subnet_group(**given, SubnetIds=subnets[:1]), "DBSubnetGroupDoesNotCoverEnoughAZs")
    rds.create_db_subnet_group(**given, SubnetIds=subnets)
    refused(lambda: rds.create_db_subnet_group(**given, SubnetIds=subnets), "DBSubnetGroupAlreadyExists")
    refused(
        lambda: rds.modify_db_subnet_group(DBSubnetGroupName="one", SubnetIds=subnets[1:]),
        "DBSubnetGroupDoesNotCoverEnoughAZs",
    )
    rds.modify_db_subnet_group(DBSubnetGroupName="one", SubnetIds=subnets, DBSubnetGroupDescription="y")
    (found,) = rds.describe_db_subnet_groups(DBSubnetGroupName="one")["DBSubnetGroups"]
    assert found["DBSubnetGroupDescription"] == "y"


def test_a_static_parameter_waits_for_a_restart_and_one_that_is_reset_is_gone(client):
    rds = client("rds")
    rds.create_db_parameter_group(DBParameterGroupName="p", DBParameterGroupFamily="postgres17", Description="x")

    def put(name: str, when: str) -> Any:
        parameter = {"ParameterName": name, "ParameterValue": "1", "ApplyMethod": when}
        return rds.modify_db_parameter_group(DBParameterGroupName="p", Parameters=[parameter])

    refused(lambda: put("rds.logical_replication", "immediate"), "InvalidParameterCombination")
    put("rds.logical_replication", "pending-reboot")
    put("log_lock_waits", "immediate")
    reset = [{"ParameterName": "log_lock_waits", "ApplyMethod": "immediate"}]
    rds.reset_db_parameter_group(DBParameterGroupName="p", Parameters=reset)
    left = rds.describe_db_parameters(DBParameterGroupName="p")["Parameters"]
    assert [each["ParameterName"] for each in left] == ["rds.logical_replication"]


def test_what_a_server_uses_is_there_and_stays(client, network):
    rds, kms = client("rds"), client("kms")
    rds.create_db_subnet_group(DBSubnetGroupName="used", DBSubnetGroupDescription="x", SubnetIds=network["subnets"])
    rds.create_db_parameter_group(DBParameterGroupName="used", DBParameterGroupFamily="postgres17", Description="x")
    off = kms.create_key()["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=off.rsplit("/", 1)[1])
    for key in (off, "arn:aws:kms:us-east-1:123456789012:key/none"):
        refused(lambda key=key: server(rds, "s", StorageEncrypted=True, KmsKeyId=key), "KMSKeyNotAccessibleFault")
    other = role(client, "other", "ec2.amazonaws.com")
    said = refused(lambda: server(rds, "s", MonitoringInterval=60, MonitoringRoleArn=other), "InvalidParameterValue")
    assert "ENHANCED_MONITORING" in said
    right = role(client, "right", "monitoring.rds.amazonaws.com")
    used = {"DBSubnetGroupName": "used", "DBParameterGroupName": "used", "VpcSecurityGroupIds": [network["group"]]}
    made = server(rds, "s", MonitoringInterval=60, MonitoringRoleArn=right, **used)
    assert made["EngineVersion"].startswith("17.")
    assert made["DbiResourceId"] != server(rds, "another")["DbiResourceId"]
    refused(lambda: rds.delete_db_subnet_group(DBSubnetGroupName="used"), "InvalidDBSubnetGroupStateFault")
    refused(lambda: rds.delete_db_parameter_group(DBParameterGroupName="used"), "InvalidDBParameterGroupState")
    refused(lambda: client("ec2").delete_security_group(GroupId=network["group"]), "DependencyViolation")
    refused(lambda: rds.delete_db_instance(DBInstanceIdentifier="s"), "InvalidParameterCombination")
    rds.delete_db_instance(DBInstanceIdentifier="s", FinalDBSnapshotIdentifier="last")
    rds.delete_db_subnet_group(DBSubnetGroupName="used")


def test_performance_insights_are_kept_over_a_restart(client, moto):
    rds = client("rds")
    server(rds, "watched", EnablePerformanceInsights=True, PerformanceInsightsRetentionPeriod=7)
    moto.stop()
    moto.start()
    found = client("rds").describe_db_instances(DBInstanceIdentifier="watched")["DBInstances"][0]
    assert (found["PerformanceInsightsEnabled"], found["PerformanceInsightsRetentionPeriod"]) == (True, 7)
    client("rds").modify_db_instance(DBInstanceIdentifier="watched", EnablePerformanceInsights=False)
    found = client("rds").describe_db_instances(DBInstanceIdentifier="watched")["DBInstances"][0]
    assert found["PerformanceInsightsEnabled"] is False


def test_a_cluster_is_held_to_the_same(client, network):
    rds = client("rds")
    rds.create_db_subnet_group(DBSubnetGroupName="shared", DBSubnetGroupDescription="x", SubnetIds=network["subnets"])
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName="shared", DBParameterGroupFamily="aurora-postgresql17", Description="x"
    )
    given = {
        "Engine": "aurora-postgresql",
        "EngineVersion": "17",
        "MasterUsername": "master",
        "ManageMasterUserPassword": True,
        "DBSubnetGroupName": "shared",
        "DBClusterParameterGroupName": "shared",
        "VpcSecurityGroupIds": [network["group"]],
        "EnableCloudwatchLogsExports": ["postgresql"],
    }
    key = "arn:aws:kms:us-east-1:123456789012:key/none"
    refused(lambda: rds.create_db_cluster(DBClusterIdentifier="c", KmsKeyId=key, **given), "KMSKeyNotAccessibleFault")
    made = rds.create_db_cluster(DBClusterIdentifier="c", **given)["DBCluster"]
    assert made["EngineVersion"].startswith("17.")
    refused(lambda: rds.create_db_cluster(DBClusterIdentifier="c", **given), "DBClusterAlreadyExistsFault")

    static = {"ParameterName": "rds.logical_replication", "ParameterValue": "1", "ApplyMethod": "immediate"}
    refused(
        lambda: rds.modify_db_cluster_parameter_group(DBClusterParameterGroupName="shared", Parameters=[static]),
        "InvalidParameterCombination",
    )
    member = {"DBInstanceIdentifier": "c-1", "DBClusterIdentifier": "c", "Engine": "aurora-postgresql"}
    refused(lambda: rds.create_db_instance(**member, DBInstanceClass="db.serverless"), "InvalidDBClusterStateFault")
    sizes = {"MinCapacity": 0.5, "MaxCapacity": 4}
    logs = {"DisableLogTypes": ["postgresql"]}
    rds.modify_db_cluster(
        DBClusterIdentifier="c", ServerlessV2ScalingConfiguration=sizes, CloudwatchLogsExportConfiguration=logs
    )
    (changed,) = rds.describe_db_clusters(DBClusterIdentifier="c")["DBClusters"]
    assert changed["ServerlessV2ScalingConfiguration"] == sizes
    assert changed.get("EnabledCloudwatchLogsExports", []) == []
    rds.create_db_instance(**member, DBInstanceClass="db.serverless")

    refused(lambda: rds.delete_db_subnet_group(DBSubnetGroupName="shared"), "InvalidDBSubnetGroupStateFault")
    refused(
        lambda: rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName="shared"),
        "InvalidDBParameterGroupState",
    )
    refused(lambda: client("ec2").delete_security_group(GroupId=network["group"]), "DependencyViolation")
    refused(lambda: rds.delete_db_cluster(DBClusterIdentifier="c"), "InvalidParameterCombination")
    rds.delete_db_instance(DBInstanceIdentifier="c-1", SkipFinalSnapshot=True)
    rds.delete_db_cluster(DBClusterIdentifier="c", FinalDBSnapshotIdentifier="last-of-c")
    rds.delete_db_cluster_parameter_group(DBClusterParameterGroupName="shared")


def test_a_proxy_needs_two_zones_a_role_that_rds_may_take_secrets_and_a_server(client, network):
    rds = client("rds")
    secret = client("secretsmanager").create_secret(Name="login")["ARN"]
    right, other = (role(client, f"for-{service}", service) for service in ("rds.amazonaws.com", "ec2.amazonaws.com"))

    def make(**changed: Any) -> Any:
        given = {
            "EngineFamily": "POSTGRESQL",
            "Auth": [{"AuthScheme": "SECRETS", "SecretArn": secret}],
            "RoleArn": right,
            "VpcSubnetIds": network["subnets"],
            "VpcSecurityGroupIds": [network["group"]],
            "RequireTLS": True,
        }
        return rds.create_db_proxy(DBProxyName="p", **{**given, **changed})

    refused(lambda: make(VpcSubnetIds=network["subnets"][:1]), "InvalidSubnet")
    refused(lambda: make(RoleArn=other), "InvalidParameterValue")
    refused(lambda: make(Auth=[{"AuthScheme": "SECRETS", "SecretArn": f"{secret}x"}]), "InvalidParameterValue")
    make()
    refused(
        lambda: rds.register_db_proxy_targets(DBProxyName="p", DBInstanceIdentifiers=["none"]), "DBInstanceNotFound"
    )
    rds.modify_db_proxy(DBProxyName="p", IdleClientTimeout=60)
    (found,) = rds.describe_db_proxies(DBProxyName="p")["DBProxies"]
    assert (found["IdleClientTimeout"], found["RequireTLS"]) == (60, True)
    refused(lambda: client("ec2").delete_security_group(GroupId=network["group"]), "DependencyViolation")
    rds.delete_db_proxy(DBProxyName="p")
    refused(lambda: rds.delete_db_proxy(DBProxyName="p"), "DBProxyNotFoundFault")
