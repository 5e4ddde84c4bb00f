"""A cluster, its proxy and its network found again at a real moto, under the names that the program gives them."""

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from components.takeover import UNSAID, AtAws, CannotTakeOver
from declared.awsnames import AwsNames
from harness.program import run
from targets import wayin
from targets.found import Clients
from targets.target import AwsEndpoint
from tests.local.conftest import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY, MotoServer
from tests.standins.awscases import CASES

NAMES = AwsNames("prod", ACCOUNT)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    made = MotoServer(tmp_path_factory.mktemp("moto") / "state")
    made.start()
    yield made
    made.stop()


def at(server: MotoServer) -> AwsEndpoint:
    return AwsEndpoint(server.endpoint, ACCESS_KEY, SECRET_KEY)


def there(server: MotoServer) -> AtAws:
    return AtAws(NAMES, REGION, Clients(at(server), REGION), "server-aurora", "aurora-postgresql17")


def named(kind: str, use: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": NAMES.of(use)}]}]


def make_network(ec2: Any) -> dict[str, str]:
    """What `Network` declares, with the names in the program."""
    vpc = ec2.create_vpc(CidrBlock="10.64.0.0/20", TagSpecifications=named("vpc", "network"))["Vpc"]["VpcId"]
    found = {"server-network-vpc": vpc}
    tables = ec2.create_route_table(VpcId=vpc, TagSpecifications=named("route-table", "private"))
    routes = found["server-network-routes"] = tables["RouteTable"]["RouteTableId"]
    for zone, block in (("a", "10.64.0.0/22"), ("b", "10.64.4.0/22")):
        made = ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=block,
            AvailabilityZone=f"{REGION}{zone}",
            TagSpecifications=named("subnet", f"private-{zone}"),
        )
        subnet = found[f"server-network-subnet-{zone}"] = made["Subnet"]["SubnetId"]
        ec2.associate_route_table(SubnetId=subnet, RouteTableId=routes)
        found[f"server-network-subnet-{zone}-routes"] = f"{subnet}/{routes}"
    gateway = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=f"com.amazonaws.{REGION}.s3",
        RouteTableIds=[routes],
        TagSpecifications=named("vpc-endpoint", "s3"),
    )
    found["server-network-s3"] = gateway["VpcEndpoint"]["VpcEndpointId"]
    groups = {
        use: ec2.create_security_group(GroupName=NAMES.of(use), Description="x", VpcId=vpc)["GroupId"]
        for use in ("clients", "proxy", "database", "monitor")
    }
    found |= {f"server-network-group-{use}": id for use, id in groups.items()}
    for use, into, of in (
        ("database", "database", "clients"),
        ("proxy", "proxy", "clients"),
        ("database-from-proxy", "database", "proxy"),
        ("database-from-monitor", "database", "monitor"),
    ):
        for way, call, near, far in (
            ("into", ec2.authorize_security_group_ingress, into, of),
            ("to", ec2.authorize_security_group_egress, of, into),
        ):
            pair = {
                "IpProtocol": "tcp",
                "FromPort": 5432,
                "ToPort": 5432,
                "UserIdGroupPairs": [{"GroupId": groups[far]}],
            }
            rule = call(GroupId=groups[near], IpPermissions=[pair])["SecurityGroupRules"][0]
            found[f"server-network-{way}-{use}"] = rule["SecurityGroupRuleId"]
    return found


def make_cluster(server: MotoServer, subnets: list[str]) -> dict[str, str]:
    rds, name, family = server.client("rds"), NAMES.of("database"), NAMES.of("aurora-postgresql17")
    rds.create_db_subnet_group(DBSubnetGroupName=name, DBSubnetGroupDescription="x", SubnetIds=subnets)
    rds.create_db_cluster_parameter_group(
        DBClusterParameterGroupName=family, DBParameterGroupFamily="aurora-postgresql17", Description="x"
    )
    rds.create_db_cluster(
        DBClusterIdentifier=name,
        Engine="aurora-postgresql",
        MasterUsername="master",
        ManageMasterUserPassword=True,
        DBSubnetGroupName=name,
        ServerlessV2ScalingConfiguration={"MinCapacity": 1, "MaxCapacity": 2},
    )
    rds.create_db_instance(
        DBInstanceIdentifier=f"{name}-1",
        DBClusterIdentifier=name,
        DBInstanceClass="db.serverless",
        Engine="aurora-postgresql",
    )
    log = f"/aws/rds/cluster/{name}/postgresql"
    server.client("logs").create_log_group(logGroupName=log)
    secret = server.client("secretsmanager").create_secret(Name=NAMES.of("login-authenticator"))["ARN"]
    statement = {"Effect": "Allow", "Principal": {"Service": "rds.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = server.client("iam").create_role(RoleName="proxy", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    rds.create_db_proxy(
        DBProxyName=name,
        EngineFamily="POSTGRESQL",
        Auth=[{"AuthScheme": "SECRETS", "SecretArn": secret}],
        RoleArn=role,
        VpcSubnetIds=subnets,
    )
    rds.register_db_proxy_targets(DBProxyName=name, DBClusterIdentifiers=[name])
    topic, events = server.client("sns").create_topic(Name="alarms")["TopicArn"], NAMES.of("events-db-cluster")
    rds.create_event_subscription(SubscriptionName=events, SnsTopicArn=topic, SourceType="db-cluster", SourceIds=[name])
    return {
        "server-aurora-subnets": name,
        "server-aurora-parameters": family,
        "server-aurora-cluster": name,
        "server-aurora-server-1": f"{name}-1",
        "server-aurora-log-postgresql": log,
        "server-proxy-proxy": name,
        "server-proxy-pool": name,
        "server-proxy-target": f"{name}/default/TRACKED_CLUSTER/{name}",
        "server-proxy-secret-authenticator": secret,
        "server-watch-events-db-cluster": events,
    }


def make_health(server: MotoServer) -> dict[str, str]:
    """The function that asks for the database's health, with what belongs to it."""
    called, functions = NAMES.of("health"), server.client("lambda")
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    role = server.client("iam").create_role(RoleName=called, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("handler.py", "")
    program = {"Runtime": "python3.13", "Handler": "handler.handle", "Code": {"ZipFile": archive.getvalue()}}
    functions.create_function(FunctionName=called, Role=role, **program)
    assert "server-health-allowed" not in there(server).ids()
    allowed = {"StatementId": "schedule", "Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com"}
    functions.add_permission(FunctionName=called, **allowed)
    server.client("logs").create_log_group(logGroupName=f"/aws/lambda/{called}")
    server.client("logs").create_log_group(logGroupName=f"/aws/lambda/{called}-of-others")
    return {
        "server-health-function": called,
        "server-health-allowed": f"{called}/schedule",
        "server-health-log": f"/aws/lambda/{called}",
        "server-health-secret": server.client("secretsmanager").create_secret(Name=NAMES.of("health-login"))["ARN"],
    }


def test_all_of_it_is_found_under_the_names_that_the_program_has(server):
    assert there(server).ids() == {}
    assert (there(server).server(), there(server).network()) == (None, None)
    assert wayin.address(at(server), REGION, "prod", "aurora") is None
    assert wayin.address(at(server), REGION, "prod", "postgres") is None
    ec2 = server.client("ec2")
    made = make_network(ec2)
    assert there(server).ids() == made, "a network that a run has begun"
    other = ec2.create_vpc(CidrBlock="10.64.0.0/20", TagSpecifications=named("vpc", "network"))["Vpc"]["VpcId"]
    with pytest.raises(CannotTakeOver, match=f"^there are several networks {NAMES.of('network')} at AWS, .*{other}"):
        there(server).network()
    made |= make_cluster(server, [made["server-network-subnet-a"], made["server-network-subnet-b"]])
    assert there(server).ids() == made, "the server says which of the networks it is"
    made |= make_health(server)
    assert there(server).ids() == made
    assert there(server).server() == NAMES.of("database")
    program = run("prod", access=False, target="aws", offline="true", server={"engine": "aurora", "proxy": "true"})
    assert made.keys() <= program.resources.keys()
    host, port = wayin.address(at(server), REGION, "prod", "aurora") or ("", 0)
    assert (".cluster-" in host, port) == (True, 5432)


def test_what_aws_does_not_say_of_a_resource_is_left_to_the_next_run():
    # As the contract of each type knows it.
    for type, unsaid in UNSAID.items():
        assert CASES[type.rpartition(":")[2]].forgotten <= set(unsaid), type
