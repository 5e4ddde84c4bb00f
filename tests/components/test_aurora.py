"""What the program declares where the server is a cluster of Aurora: servers, sizes, readers, and the same guards."""

import pytest

from components import aurora, rdsbase
from declared.awsnames import AwsNames
from declared.naming import LONGEST_STACK, stack
from harness.program import ACCOUNT, Program, run

CLUSTER, SERVER = "aws:rds/cluster:Cluster", "aws:rds/clusterInstance:ClusterInstance"


def at_aws(**server: str) -> Program:
    return run("prod", access=False, target="aws", offline="true", server={"engine": "aurora", **server})


@pytest.fixture(scope="module")
def prod() -> Program:
    return at_aws(readers="2")


def test_the_cluster_is_encrypted_backed_up_and_kept(prod):
    (cluster,) = prod.of_type(CLUSTER)
    expected = {
        "engine": "aurora-postgresql",
        "engineVersion": "17",
        "storageEncrypted": True,
        "kmsKeyId": f"arn:aws:kms:us-east-1:{ACCOUNT}:server-aurora-key",
        "manageMasterUserPassword": True,
        "deletionProtection": True,
        "skipFinalSnapshot": False,
        "deleteAutomatedBackups": False,
        "copyTagsToSnapshot": True,
        "backupRetentionPeriod": 14,
        "allowMajorVersionUpgrade": False,
        "serverlessv2ScalingConfiguration": {"minCapacity": 2, "maxCapacity": 16},
        "enabledCloudwatchLogsExports": ["postgresql"],
    }
    assert cluster.inputs.items() >= expected.items()
    assert cluster.inputs["finalSnapshotIdentifier"] == "visual-prompt-builder-prod-database-server-network-vpc-id"
    assert (cluster.held, len(cluster.inputs["vpcSecurityGroupIds"]), cluster.ignored) == (True, 1, ())
    assert cluster.waits_for >= {"server-aurora-log-postgresql"}
    assert not prod.of_type("aws:rds/instance:Instance")


def test_its_servers_are_in_the_zones_in_turn_and_the_first_reader_is_ready_to_take_over(prod):
    servers = {each.name: each for each in prod.of_type(SERVER)}
    assert [(each.inputs["availabilityZone"], each.inputs["promotionTier"]) for _, each in sorted(servers.items())] == [
        ("us-east-1a", 0),
        ("us-east-1b", 1),
        ("us-east-1a", 2),
    ]
    for each in servers.values():
        assert (each.inputs["publiclyAccessible"], each.inputs["instanceClass"]) == (False, "db.serverless")
        assert (each.inputs["performanceInsightsEnabled"], each.inputs["monitoringInterval"]) == (True, 60)
    assert "server-aurora-server-1" in servers["server-aurora-server-2"].waits_for, "the first one is the writer"


def test_identifiers_of_the_longest_stack_s_servers_are_short_enough():
    names = AwsNames(stack("a" * LONGEST_STACK), ACCOUNT)
    assert len({*aurora.NUMBERS}) == 1 + 15, "the writer and the most readers"
    assert max(len(names.of(f"database-{number}")) for number in aurora.NUMBERS) <= 63


def test_its_own_parameters_force_tls_and_say_when_they_are_applied(prod):
    (group,) = prod.of_type("aws:rds/clusterParameterGroup:ClusterParameterGroup")
    declared = {each["name"]: (each["value"], each["applyMethod"]) for each in group.inputs["parameters"]}
    assert group.inputs["family"] == "aurora-postgresql17"
    assert declared["rds.force_ssl"] == ("1", "immediate")
    assert {*rdsbase.PARAMETERS} - {*declared} == aurora.NOT_AURORAS


def test_what_reads_has_a_url_of_its_own_as_the_login_of_the_api(prod):
    written, read = prod.outputs["api_url"], prod.outputs["read_url"]
    assert "@server-aurora-cluster.cluster.rds.amazonaws.com:5432/app?" in written
    assert read == written.replace(".cluster.rds.", ".cluster-ro.rds.")
    assert "read_url" in prod.secret_outputs


def test_one_server_alone_has_no_reader():
    found = at_aws(multiAz="false", **{"class": "db.r7g.large"})
    assert [each.inputs["instanceClass"] for each in found.of_type(SERVER)] == ["db.r7g.large"]
    assert "read_url" not in found.outputs
    assert "serverlessv2ScalingConfiguration" not in found.of_type(CLUSTER)[0].inputs


def test_the_database_waits_for_a_server_that_takes_sessions(prod):
    assert "server-aurora-server-1" in prod.resources["pg"].waits_for
