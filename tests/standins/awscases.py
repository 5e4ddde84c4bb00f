"""One case for every type of the aws stand-in that isn't a bucket's: arguments, a manual change, where it shows."""

import base64
import hashlib
import itertools
import json
import os
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

Values = dict[str, Any]
ACCOUNT = "123456789012"
_numbers = itertools.count()


@dataclass(frozen=True)
class Case:
    """`inputs` may be made from what there is; `manual` gets the client of `service`, the id and the state."""

    inputs: Any
    manual: Callable[..., Any]
    shows: str
    after_delete: Callable[[Values], bool] | None = None
    service: str = "s3"
    replaces: str = "bucket"
    """A property that makes another resource of it."""
    known_by: str | None = "bucket"
    """The property that is the id."""
    forgotten: frozenset[str] = frozenset()
    """What no answer holds, so that an import can't know it."""
    ends: bool = False
    """Whether all that can be done to it manually ends it."""


@dataclass
class World:
    """What somebody has made in the cloud before, with boto3."""

    endpoint: str
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = boto3.client(
                service,
                endpoint_url=self.endpoint,
                region_name="us-east-1",
                aws_access_key_id="other",
                aws_secret_access_key="other",
            )
        return self.clients[service]

    @staticmethod
    def name(beginning: str) -> str:
        return f"{beginning}-{os.getpid()}-{next(_numbers)}"

    def key(self) -> str:
        return str(self.client("kms").create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"])

    def role(self) -> str:
        name = self.name("role")
        self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
        return name

    def public_key(self) -> str:
        config = {"CallerReference": self.name("key"), "Name": self.name("key"), "EncodedKey": pem()}
        made = self.client("cloudfront").create_public_key(PublicKeyConfig=config)
        return str(made["PublicKey"]["Id"])

    def key_group(self) -> str:
        config = {"Name": self.name("group"), "Items": [self.public_key()]}
        made = self.client("cloudfront").create_key_group(KeyGroupConfig=config)
        return str(made["KeyGroup"]["Id"])

    def distribution(self) -> str:
        behavior = {"TargetOriginId": "o", "ViewerProtocolPolicy": "https-only", "CachePolicyId": "x"}
        origin = {
            "Id": "o",
            "DomainName": "b.s3.us-east-1.amazonaws.com",
            "S3OriginConfig": {"OriginAccessIdentity": ""},
        }
        made = self.client("cloudfront").create_distribution(
            DistributionConfig={
                "CallerReference": self.name("distribution"),
                "Comment": "",
                "Enabled": False,
                "Origins": {"Quantity": 1, "Items": [origin]},
                "DefaultCacheBehavior": behavior,
            }
        )
        return str(made["Distribution"]["ARN"])

    def log_source(self) -> str:
        name = self.name("source")
        self.client("logs").put_delivery_source(name=name, resourceArn=self.distribution(), logType="ACCESS_LOGS")
        return name

    def log_destination(self) -> str:
        made = self.client("logs").put_delivery_destination(
            name=self.name("destination"),
            deliveryDestinationConfiguration={"destinationResourceArn": "arn:aws:s3:::logs"},
        )
        return str(made["deliveryDestination"]["arn"])

    def vault(self) -> str:
        name = self.name("vault")
        self.client("backup").create_backup_vault(BackupVaultName=name)
        return name

    def plan(self) -> str:
        rule = {"RuleName": "daily", "TargetBackupVaultName": self.vault()}
        plan = {"BackupPlanName": self.name("plan"), "Rules": [rule]}
        return str(self.client("backup").create_backup_plan(BackupPlan=plan)["BackupPlanId"])

    def network(self) -> str:
        return str(self.client("ec2").create_vpc(CidrBlock="10.0.0.0/20")["Vpc"]["VpcId"])

    def subnets(self) -> list[str]:
        network = self.network()
        blocks = {"us-east-1a": "10.0.0.0/22", "us-east-1b": "10.0.4.0/22"}
        made = (
            self.client("ec2").create_subnet(VpcId=network, CidrBlock=block, AvailabilityZone=zone)
            for zone, block in blocks.items()
        )
        return [str(each["Subnet"]["SubnetId"]) for each in made]

    def route_table(self, network: str | None = None) -> str:
        made = self.client("ec2").create_route_table(VpcId=network or self.network())
        return str(made["RouteTable"]["RouteTableId"])

    def group(self) -> str:
        made = self.client("ec2").create_security_group(
            GroupName=self.name("group"), Description="x", VpcId=self.network()
        )
        return str(made["GroupId"])

    def subnet_group(self) -> str:
        name = self.name("subnets")
        self.client("rds").create_db_subnet_group(
            DBSubnetGroupName=name, DBSubnetGroupDescription="x", SubnetIds=self.subnets()
        )
        return name

    def parameter_group(self) -> str:
        name = self.name("parameters")
        self.client("rds").create_db_parameter_group(
            DBParameterGroupName=name, DBParameterGroupFamily="postgres17", Description="x"
        )
        return name

    def cluster_parameter_group(self) -> str:
        name = self.name("parameters")
        self.client("rds").create_db_cluster_parameter_group(
            DBClusterParameterGroupName=name, DBParameterGroupFamily="aurora-postgresql17", Description="x"
        )
        return name

    def cluster(self) -> str:
        name = self.name("cluster")
        self.client("rds").create_db_cluster(
            DBClusterIdentifier=name,
            Engine="aurora-postgresql",
            MasterUsername="master",
            ManageMasterUserPassword=True,
            ServerlessV2ScalingConfiguration={"MinCapacity": 1, "MaxCapacity": 2},
        )
        return name

    def secret(self) -> str:
        return str(self.client("secretsmanager").create_secret(Name=self.name("login"))["ARN"])

    def proxy_role(self) -> str:
        made = self.client("iam").create_role(
            RoleName=self.name("proxy"), AssumeRolePolicyDocument=trust("rds.amazonaws.com")
        )
        return str(made["Role"]["Arn"])

    def proxy(self) -> str:
        name = self.name("proxy")
        self.client("rds").create_db_proxy(
            DBProxyName=name,
            EngineFamily="POSTGRESQL",
            Auth=[{"AuthScheme": "SECRETS", "SecretArn": self.secret()}],
            RoleArn=self.proxy_role(),
            VpcSubnetIds=self.subnets(),
        )
        return name

    def monitoring(self) -> str:
        name = self.name("monitoring")
        made = self.client("iam").create_role(
            RoleName=name, AssumeRolePolicyDocument=trust("monitoring.rds.amazonaws.com")
        )
        return str(made["Role"]["Arn"])

    def key_arn(self) -> str:
        return str(self.client("kms").describe_key(KeyId=self.key())["KeyMetadata"]["Arn"])

    def alarm(self) -> str:
        name = self.name("alarm")
        self.client("cloudwatch").put_metric_alarm(
            AlarmName=name,
            Namespace="x",
            MetricName="x",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            Period=60,
            Statistic="Sum",
            Threshold=1,
        )
        return name

    def log_group(self) -> str:
        name = self.name("log")
        self.client("logs").create_log_group(logGroupName=name)
        return name

    def server(self) -> str:
        name = self.name("server")
        self.client("rds").create_db_instance(
            DBInstanceIdentifier=name,
            Engine="postgres",
            DBInstanceClass="db.m7g.large",
            AllocatedStorage=20,
            MasterUsername="master",
            ManageMasterUserPassword=True,
        )
        return name

    def function_role(self) -> str:
        made = self.client("iam").create_role(
            RoleName=self.name("function"), AssumeRolePolicyDocument=trust("lambda.amazonaws.com")
        )
        return str(made["Role"]["Arn"])

    def function(self) -> str:
        name = self.name("function")
        self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=self.function_role(),
            Handler="handler.handle",
            Code={"ZipFile": Path(self.archive()["path"]).read_bytes()},
        )
        return name

    def archive(self) -> Values:
        """An archive of a program, as the engine hands it on."""
        path = Path(tempfile.gettempdir()) / f"{self.name('archive')}.zip"
        with zipfile.ZipFile(path, "w") as made:
            made.writestr("handler.py", "def handle(event, context): return 1")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return {"0def7320c3a5731c473e5ecbe6d01bc7": "x", "hash": digest, "path": str(path)}

    def rule(self) -> str:
        name = self.name("rule")
        self.client("events").put_rule(Name=name, ScheduleExpression="rate(5 minutes)")
        return name

    def topic(self) -> str:
        return str(self.client("sns").create_topic(Name=self.name("topic"))["TopicArn"])


def pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def rights(*actions: str) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": ["arn:aws:s3:::b/*"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def key_policy(*actions: str) -> str:
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def topic_policy(*actions: str) -> str:
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _again(client: Any, call: str, thing: str, id: str, **changed: Any) -> None:
    """Changes a document of the CDN as its API wants it: read, with its version, and sent back whole."""
    answer = getattr(client, f"get_{call}")(Id=id)
    config = {**answer[thing][f"{thing}Config"], **changed}
    getattr(client, f"update_{call}")(Id=id, IfMatch=answer["ETag"], **{f"{thing}Config": config})


def _switch_off(client: Any, id: str) -> None:
    answer = client.get_distribution_config(Id=id)
    config = {**answer["DistributionConfig"], "PriceClass": "PriceClass_All"}
    config["CacheBehaviors"]["Items"][0]["TrustedKeyGroups"] = {"Enabled": False, "Quantity": 0}
    client.update_distribution(Id=id, IfMatch=answer["ETag"], DistributionConfig=config)


def _behavior(**more: Any) -> Values:
    return {
        "targetOriginId": "objects",
        "viewerProtocolPolicy": "redirect-to-https",
        "allowedMethods": ["HEAD", "GET"],
        "cachedMethods": ["GET", "HEAD"],
        "cachePolicyId": "658327ea-f89d-4fab-a63d-7e88639e58f6",
        **more,
    }


def _distribution(world: World) -> Values:
    group = world.key_group()
    return {
        "comment": "objects",
        "enabled": True,
        "isIpv6Enabled": True,
        "httpVersion": "http2and3",
        "priceClass": "PriceClass_100",
        "origins": [
            {
                "originId": "objects",
                "domainName": "b.s3.us-east-1.amazonaws.com",
                "originPath": "/tenant",
                "originAccessControlId": "E1234567890ABC",
            }
        ],
        "defaultCacheBehavior": _behavior(trustedKeyGroups=[group], responseHeadersPolicyId="p"),
        "orderedCacheBehaviors": [
            _behavior(pathPattern="/audio/*", trustedKeyGroups=[group], compress=True),
            _behavior(pathPattern="/avatars/*"),
        ],
        "restrictions": {"geoRestriction": {"restrictionType": "whitelist", "locations": ["DE", "AT"]}},
        "viewerCertificate": {"cloudfrontDefaultCertificate": True},
        "tags": {"a": "1"},
    }


def _endpoint(world: World) -> Values:
    network = world.network()
    return {
        "vpcId": network,
        "serviceName": "com.amazonaws.us-east-1.s3",
        "routeTableIds": [world.route_table(network)],
        "tags": {"a": "1"},
    }


def _function(world: World) -> Values:
    """A function with everything that this project declares of one."""
    archive = world.archive()
    return {
        "name": world.name("health"),
        "description": "asks",
        "runtime": "python3.13",
        "architectures": ["arm64"],
        "handler": "handler.handle",
        "code": archive,
        "sourceCodeHash": base64.b64encode(bytes.fromhex(archive["hash"])).decode(),
        "role": world.function_role(),
        "timeout": 60,
        "memorySize": 256,
        "environment": {"variables": {"SECRET": "a"}},
        "vpcConfig": {"subnetIds": world.subnets(), "securityGroupIds": [world.group()]},
        "tags": {"a": "1"},
    }


def _instance(world: World) -> Values:
    """A server with everything that this project declares of one."""
    key = world.key_arn()
    return {
        "identifier": world.name("server"),
        "engine": "postgres",
        "engineVersion": "17",
        "instanceClass": "db.m7g.large",
        "storageType": "gp3",
        "allocatedStorage": 100,
        "maxAllocatedStorage": 1000,
        "storageEncrypted": True,
        "kmsKeyId": key,
        "dbName": "app",
        "username": "master",
        "manageMasterUserPassword": True,
        "masterUserSecretKmsKeyId": key.rsplit("/", 1)[1],
        "dbSubnetGroupName": world.subnet_group(),
        "parameterGroupName": world.parameter_group(),
        "vpcSecurityGroupIds": [world.group()],
        "publiclyAccessible": False,
        "multiAz": True,
        "backupRetentionPeriod": 14,
        "backupWindow": "02:00-03:00",
        "maintenanceWindow": "sun:03:30-sun:04:30",
        "copyTagsToSnapshot": True,
        "deleteAutomatedBackups": False,
        "skipFinalSnapshot": True,
        "performanceInsightsEnabled": True,
        "performanceInsightsKmsKeyId": key,
        "performanceInsightsRetentionPeriod": 7,
        "monitoringInterval": 60,
        "monitoringRoleArn": world.monitoring(),
        "enabledCloudwatchLogsExports": ["upgrade", "postgresql"],
        "tags": {"a": "1"},
    }


def _cluster(world: World) -> Values:
    """A cluster with everything that this project declares of one."""
    key = world.key_arn()
    return {
        "clusterIdentifier": world.name("cluster"),
        "engine": "aurora-postgresql",
        "engineVersion": "17",
        "storageEncrypted": True,
        "kmsKeyId": key,
        "databaseName": "app",
        "masterUsername": "master",
        "manageMasterUserPassword": True,
        "masterUserSecretKmsKeyId": key.rsplit("/", 1)[1],
        "dbSubnetGroupName": world.subnet_group(),
        "dbClusterParameterGroupName": world.cluster_parameter_group(),
        "vpcSecurityGroupIds": [world.group()],
        "backupRetentionPeriod": 14,
        "preferredBackupWindow": "02:00-03:00",
        "preferredMaintenanceWindow": "sun:03:30-sun:04:30",
        "copyTagsToSnapshot": True,
        "deleteAutomatedBackups": False,
        "skipFinalSnapshot": True,
        "serverlessv2ScalingConfiguration": {"minCapacity": 0.5, "maxCapacity": 16},
        "enabledCloudwatchLogsExports": ["postgresql"],
        "tags": {"a": "1"},
    }


def _cluster_instance(world: World) -> Values:
    key = world.key_arn()
    return {
        "identifier": world.name("server"),
        "clusterIdentifier": world.cluster(),
        "engine": "aurora-postgresql",
        "instanceClass": "db.serverless",
        "availabilityZone": "us-east-1b",
        "publiclyAccessible": False,
        "promotionTier": 2,
        "preferredMaintenanceWindow": "sun:03:30-sun:04:30",
        "performanceInsightsEnabled": True,
        "performanceInsightsKmsKeyId": key,
        "performanceInsightsRetentionPeriod": 7,
        "monitoringInterval": 60,
        "monitoringRoleArn": world.monitoring(),
        "tags": {"a": "1"},
    }


def _proxy(world: World) -> Values:
    return {
        "name": world.name("proxy"),
        "engineFamily": "POSTGRESQL",
        "roleArn": world.proxy_role(),
        "requireTls": True,
        "idleClientTimeout": 1800,
        "vpcSubnetIds": world.subnets(),
        "auths": [
            {
                "authScheme": "SECRETS",
                "iamAuth": "DISABLED",
                "clientPasswordAuthType": "POSTGRES_SCRAM_SHA_256",
                "secretArn": world.secret(),
            }
        ],
        "tags": {"a": "1"},
    }


def _rule(world: World) -> Values:
    return {
        "securityGroupId": world.group(),
        "referencedSecurityGroupId": world.group(),
        "ipProtocol": "tcp",
        "fromPort": 5432,
        "toPort": 5432,
        "tags": {"a": "1"},
    }


def _opened(call: str) -> Callable[..., Any]:
    """Somebody who lets more ports through."""

    def manual(ec2: Any, id: str, state: Values) -> None:
        rule = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 65535}
        ec2.modify_security_group_rules(
            GroupId=state["securityGroupId"],
            SecurityGroupRules=[
                {
                    "SecurityGroupRuleId": id,
                    "SecurityGroupRule": {**rule, "ReferencedGroupId": state["referencedSecurityGroupId"]},
                }
            ],
        )

    return manual


def _associated(world: World) -> Values:
    (subnet, _), client = world.subnets(), world.client("ec2")
    (found,) = client.describe_subnets(SubnetIds=[subnet])["Subnets"]
    return {"subnetId": subnet, "routeTableId": world.route_table(found["VpcId"])}


CASES: dict[str, Case] = {
    "Vpc": Case(
        {"cidrBlock": "10.0.0.0/20", "enableDnsHostnames": True, "tags": {"Name": "n"}},
        lambda ec2, id, state: ec2.modify_vpc_attribute(VpcId=id, EnableDnsHostnames={"Value": False}),
        "enableDnsHostnames",
        service="ec2",
        replaces="cidrBlock",
        known_by=None,
    ),
    "Subnet": Case(
        lambda world: {
            "vpcId": world.network(),
            "cidrBlock": "10.0.0.0/22",
            "availabilityZone": "us-east-1a",
            "mapPublicIpOnLaunch": False,
            "tags": {"a": "1"},
        },
        lambda ec2, id, state: ec2.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch={"Value": True}),
        "mapPublicIpOnLaunch",
        service="ec2",
        replaces="vpcId",
        known_by=None,
    ),
    "RouteTable": Case(
        lambda world: {"vpcId": world.network(), "tags": {"a": "1"}},
        lambda ec2, id, state: ec2.create_tags(Resources=[id], Tags=[{"Key": "a", "Value": "2"}]),
        "tags",
        service="ec2",
        replaces="vpcId",
        known_by=None,
    ),
    "RouteTableAssociation": Case(
        _associated,
        lambda ec2, id, state: ec2.disassociate_route_table(AssociationId=id),
        "routeTableId",
        service="ec2",
        replaces="routeTableId",
        known_by=None,
        ends=True,
    ),
    "SecurityGroup": Case(
        lambda world: {"vpcId": world.network(), "description": "clients", "tags": {"a": "1"}},
        lambda ec2, id, state: ec2.create_tags(Resources=[id], Tags=[{"Key": "a", "Value": "2"}]),
        "tags",
        service="ec2",
        replaces="description",
        known_by=None,
    ),
    "SecurityGroupIngressRule": Case(
        _rule, _opened("ingress"), "fromPort", service="ec2", replaces="securityGroupId", known_by=None
    ),
    "SecurityGroupEgressRule": Case(
        _rule, _opened("egress"), "fromPort", service="ec2", replaces="securityGroupId", known_by=None
    ),
    "VpcEndpoint": Case(
        _endpoint,
        lambda ec2, id, state: ec2.modify_vpc_endpoint(VpcEndpointId=id, RemoveRouteTableIds=state["routeTableIds"]),
        "routeTableIds",
        service="ec2",
        replaces="vpcId",
        known_by=None,
    ),
    "Vault": Case(
        lambda world: {"name": world.name("vault"), "kmsKeyArn": world.key_arn(), "tags": {"a": "1"}},
        lambda backup, id, state: backup.tag_resource(ResourceArn=state["arn"], Tags={"a": "2"}),
        "tags",
        service="backup",
        replaces="name",
        known_by="name",
    ),
    "VaultLockConfiguration": Case(
        lambda world: {"backupVaultName": world.vault(), "minRetentionDays": 7},
        lambda backup, id, state: backup.put_backup_vault_lock_configuration(BackupVaultName=id, MinRetentionDays=1),
        "minRetentionDays",
        service="backup",
        replaces="backupVaultName",
        known_by="backupVaultName",
    ),
    "Plan": Case(
        lambda world: {
            "name": world.name("plan"),
            "rules": [
                {
                    "ruleName": name,
                    "targetVaultName": world.vault(),
                    "schedule": "cron(0 3 * * ? *)",
                    "lifecycle": {"deleteAfter": 7},
                    "copyActions": [
                        {
                            "destinationVaultArn": f"arn:aws:backup:eu-west-1:{ACCOUNT}:backup-vault:far",
                            "lifecycle": {"deleteAfter": 7},
                        }
                    ],
                }
                for name in ("daily", "weekly")
            ],
            "tags": {"a": "1"},
        },
        lambda backup, id, state: backup.update_backup_plan(
            BackupPlanId=id,
            BackupPlan={
                "BackupPlanName": state["name"],
                "Rules": [{"RuleName": "daily", "TargetBackupVaultName": state["rules"][0]["targetVaultName"]}],
            },
        ),
        "rules",
        service="backup",
        replaces="name",
        known_by=None,
    ),
    "Selection": Case(
        lambda world: {
            "name": world.name("selection"),
            "iamRoleArn": f"arn:aws:iam::{ACCOUNT}:role/vault",
            "planId": world.plan(),
            "resources": [f"arn:aws:rds:us-east-1:{ACCOUNT}:db:b", f"arn:aws:rds:us-east-1:{ACCOUNT}:db:a"],
        },
        lambda backup, id, state: backup.delete_backup_selection(
            BackupPlanId=state["planId"], SelectionId=id.partition("|")[2]
        ),
        "name",
        service="backup",
        replaces="name",
        known_by=None,
        ends=True,
    ),
    "MetricAlarm": Case(
        lambda world: {
            "name": world.name("alarm"),
            "alarmActions": ["arn:aws:sns:us-east-1:123456789012:b", "arn:aws:sns:us-east-1:123456789012:a"],
            "comparisonOperator": "GreaterThanThreshold",
            "datapointsToAlarm": 24,
            "dimensions": {"Stack": "prod", "Another": "1"},
            "evaluationPeriods": 24,
            "metricName": "Age",
            "namespace": "App",
            "period": 3600,
            "statistic": "Minimum",
            "tags": {"a": "1"},
            "threshold": 24,
            "treatMissingData": "breaching",
        },
        lambda cloudwatch, id, state: cloudwatch.put_metric_alarm(
            AlarmName=id,
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=24,
            DatapointsToAlarm=24,
            Dimensions=[{"Name": "Stack", "Value": "prod"}, {"Name": "Another", "Value": "1"}],
            MetricName="Age",
            Namespace="App",
            Period=3600,
            Statistic="Minimum",
            Threshold=99,
            TreatMissingData="breaching",
            AlarmActions=state["alarmActions"],
        ),
        "threshold",
        service="cloudwatch",
        replaces="name",
        known_by="name",
    ),
    "CompositeAlarm": Case(
        lambda world: {
            "alarmName": world.name("critical"),
            "alarmDescription": "one of them",
            "alarmRule": f'ALARM("{world.alarm()}") OR ALARM("{world.alarm()}")',
            "actionsSuppressor": {"alarm": world.alarm(), "extensionPeriod": 60, "waitPeriod": 120},
            "alarmActions": [world.topic()],
            "okActions": [world.topic()],
            "tags": {"a": "1"},
        },
        lambda cloudwatch, id, state: cloudwatch.put_composite_alarm(
            AlarmName=id, AlarmRule=state["alarmRule"], AlarmDescription="one of them"
        ),
        "actionsSuppressor",
        service="cloudwatch",
        replaces="alarmName",
        known_by="alarmName",
    ),
    "Dashboard": Case(
        lambda world: {"dashboardName": world.name("page"), "dashboardBody": '{"widgets": []}'},
        lambda cloudwatch, id, state: cloudwatch.put_dashboard(
            DashboardName=id, DashboardBody='{"widgets": [{"type": "text"}]}'
        ),
        "dashboardBody",
        service="cloudwatch",
        replaces="dashboardName",
        known_by="dashboardName",
    ),
    "LogMetricFilter": Case(
        lambda world: {
            "name": world.name("panics"),
            "logGroupName": world.log_group(),
            "pattern": '"]:PANIC:"',
            "metricTransformation": {"name": "panics", "namespace": "x", "value": "1", "defaultValue": "0"},
        },
        lambda logs, id, state: logs.put_metric_filter(
            logGroupName=state["logGroupName"],
            filterName=state["name"],
            filterPattern="x",
            metricTransformations=[{"metricName": "panics", "metricNamespace": "x", "metricValue": "1"}],
        ),
        "pattern",
        service="logs",
        replaces="logGroupName",
        known_by=None,
    ),
    "EventSubscription": Case(
        lambda world: {
            "name": world.name("events"),
            "snsTopic": world.topic(),
            "sourceType": "db-instance",
            "sourceIds": [world.server()],
            "eventCategories": ["failure", "failover"],
            "tags": {"a": "1"},
        },
        lambda rds, id, state: rds.modify_event_subscription(SubscriptionName=id, EventCategories=["failure"]),
        "eventCategories",
        service="rds",
        replaces="name",
        known_by="name",
    ),
    "Function": Case(
        _function,
        lambda functions, id, state: functions.update_function_configuration(FunctionName=id, MemorySize=512),
        "memorySize",
        service="lambda",
        replaces="name",
        known_by="name",
        # The bytes aren't read back, but their hash is.
        forgotten=frozenset({"code"}),
    ),
    "Permission": Case(
        lambda world: {
            "statementId": "schedule",
            "action": "lambda:InvokeFunction",
            "function": world.function(),
            "principal": "events.amazonaws.com",
            "sourceArn": "arn:aws:events:us-east-1:123456789012:rule/x",
        },
        lambda functions, id, state: functions.remove_permission(
            FunctionName=state["function"], StatementId=state["statementId"]
        ),
        "principal",
        service="lambda",
        replaces="principal",
        known_by=None,
        ends=True,
    ),
    "EventRule": Case(
        lambda world: {
            "name": world.name("rule"),
            "description": "each",
            "scheduleExpression": "rate(5 minutes)",
            "tags": {"a": "1"},
        },
        lambda events, id, state: events.disable_rule(Name=id),
        "state",
        service="events",
        replaces="name",
        known_by="name",
    ),
    "EventTarget": Case(
        lambda world: {
            "rule": world.rule(),
            "targetId": "health",
            "arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{world.function()}",
        },
        lambda events, id, state: events.put_targets(
            Rule=state["rule"], Targets=[{"Id": state["targetId"], "Arn": state["arn"].replace("function", "other", 1)}]
        ),
        "arn",
        service="events",
        replaces="targetId",
        known_by=None,
    ),
    "LogGroup": Case(
        lambda world: {"name": world.name("/aws/rds/instance/x"), "retentionInDays": 90, "tags": {"a": "1"}},
        lambda logs, id, state: logs.put_retention_policy(logGroupName=id, retentionInDays=1),
        "retentionInDays",
        service="logs",
        replaces="name",
        known_by="name",
    ),
    "SubnetGroup": Case(
        lambda world: {"name": world.name("subnets"), "subnetIds": world.subnets(), "tags": {"a": "1"}},
        lambda rds, id, state: rds.modify_db_subnet_group(
            DBSubnetGroupName=id, DBSubnetGroupDescription="manually", SubnetIds=state["subnetIds"]
        ),
        "description",
        service="rds",
        replaces="name",
        known_by="name",
    ),
    "ParameterGroup": Case(
        lambda world: {
            "name": world.name("parameters"),
            "family": "postgres17",
            "parameters": [
                {"name": "rds.logical_replication", "value": "1", "applyMethod": "pending-reboot"},
                {"name": "log_lock_waits", "value": "1", "applyMethod": "immediate"},
            ],
            "tags": {"a": "1"},
        },
        lambda rds, id, state: rds.modify_db_parameter_group(
            DBParameterGroupName=id,
            Parameters=[{"ParameterName": "log_lock_waits", "ParameterValue": "0", "ApplyMethod": "immediate"}],
        ),
        "parameters",
        service="rds",
        replaces="family",
        known_by="name",
    ),
    "ClusterParameterGroup": Case(
        lambda world: {
            "name": world.name("parameters"),
            "family": "aurora-postgresql17",
            "parameters": [
                {"name": "rds.logical_replication", "value": "1", "applyMethod": "pending-reboot"},
                {"name": "log_lock_waits", "value": "1", "applyMethod": "immediate"},
            ],
            "tags": {"a": "1"},
        },
        lambda rds, id, state: rds.modify_db_cluster_parameter_group(
            DBClusterParameterGroupName=id,
            Parameters=[{"ParameterName": "log_lock_waits", "ParameterValue": "0", "ApplyMethod": "immediate"}],
        ),
        "parameters",
        service="rds",
        replaces="family",
        known_by="name",
    ),
    "Cluster": Case(
        _cluster,
        lambda rds, id, state: rds.modify_db_cluster(
            DBClusterIdentifier=id, ServerlessV2ScalingConfiguration={"MinCapacity": 1, "MaxCapacity": 64}
        ),
        "serverlessv2ScalingConfiguration",
        service="rds",
        replaces="kmsKeyId",
        known_by="clusterIdentifier",
        forgotten=frozenset({"deleteAutomatedBackups", "skipFinalSnapshot"}),
    ),
    "ClusterInstance": Case(
        _cluster_instance,
        lambda rds, id, state: rds.modify_db_instance(DBInstanceIdentifier=id, PromotionTier=5),
        "promotionTier",
        service="rds",
        replaces="availabilityZone",
        known_by="identifier",
    ),
    "Proxy": Case(
        _proxy,
        lambda rds, id, state: rds.modify_db_proxy(DBProxyName=id, RequireTLS=False),
        "requireTls",
        service="rds",
        replaces="engineFamily",
        known_by="name",
    ),
    "ProxyDefaultTargetGroup": Case(
        lambda world: {
            "dbProxyName": world.proxy(),
            "connectionPoolConfig": {"maxConnectionsPercent": 80, "connectionBorrowTimeout": 30},
        },
        lambda rds, id, state: rds.modify_db_proxy_target_group(
            DBProxyName=id, TargetGroupName="default", ConnectionPoolConfig={"MaxConnectionsPercent": 10}
        ),
        "connectionPoolConfig",
        # It is there as long as its proxy is.
        lambda state: state["name"] == "default",
        service="rds",
        replaces="dbProxyName",
        known_by="dbProxyName",
    ),
    "ProxyTarget": Case(
        lambda world: {
            "dbProxyName": world.proxy(),
            "targetGroupName": "default",
            "dbClusterIdentifier": world.cluster(),
        },
        lambda rds, id, state: rds.deregister_db_proxy_targets(
            DBProxyName=state["dbProxyName"], DBClusterIdentifiers=[state["dbClusterIdentifier"]]
        ),
        "dbClusterIdentifier",
        service="rds",
        replaces="dbProxyName",
        known_by=None,
        ends=True,
    ),
    "Secret": Case(
        lambda world: {
            "name": world.name("login"),
            "description": "of a login",
            "kmsKeyId": world.key_arn(),
            "recoveryWindowInDays": 0,
            "tags": {"a": "1"},
        },
        lambda secrets, id, state: secrets.update_secret(SecretId=id, Description="manually"),
        "description",
        service="secretsmanager",
        replaces="name",
        known_by="arn",
        forgotten=frozenset({"recoveryWindowInDays"}),
    ),
    "SecretVersion": Case(
        lambda world: {"secretId": world.secret(), "secretString": "{}", "versionStages": ["AWSCURRENT"]},
        lambda secrets, id, state: secrets.put_secret_value(SecretId=state["secretId"], SecretString="manually"),
        "versionStages",
        # The current one goes with its secret.
        lambda state: state["versionStages"] == ["AWSCURRENT"],
        service="secretsmanager",
        replaces="secretString",
        known_by=None,
    ),
    "Instance": Case(
        _instance,
        lambda rds, id, state: rds.modify_db_instance(DBInstanceIdentifier=id, BackupRetentionPeriod=1),
        "backupRetentionPeriod",
        service="rds",
        replaces="kmsKeyId",
        known_by="identifier",
        forgotten=frozenset({"deleteAutomatedBackups", "skipFinalSnapshot"}),
    ),
    "Key": Case(
        {
            "description": "objects",
            "enableKeyRotation": True,
            "deletionWindowInDays": 7,
            "policy": key_policy("kms:Decrypt", "kms:*"),
            "tags": {"a": "1"},
        },
        lambda kms, id, state: kms.put_key_policy(KeyId=id, PolicyName="default", Policy=key_policy("kms:Decrypt")),
        "policy",
        service="kms",
        replaces="customerMasterKeySpec",
        known_by="keyId",
        forgotten=frozenset({"deletionWindowInDays"}),
    ),
    "Alias": Case(
        lambda world: {"name": world.name("alias/objects"), "targetKeyId": world.key()},
        lambda kms, id, state: kms.update_alias(
            AliasName=id, TargetKeyId=kms.create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
        ),
        "targetKeyId",
        service="kms",
        replaces="name",
        known_by="name",
    ),
    "Role": Case(
        {
            "assumeRolePolicy": trust("ec2.amazonaws.com"),
            "description": "what the API is",
            "maxSessionDuration": 7200,
            "forceDetachPolicies": True,
            "tags": {"a": "1"},
        },
        lambda iam, id, state: iam.update_assume_role_policy(RoleName=id, PolicyDocument=trust("lambda.amazonaws.com")),
        "assumeRolePolicy",
        service="iam",
        replaces="path",
        known_by="name",
        forgotten=frozenset({"forceDetachPolicies"}),
    ),
    "RolePolicy": Case(
        lambda world: {"role": world.role(), "policy": rights("s3:PutObject", "s3:GetObject")},
        lambda iam, id, state: iam.put_role_policy(
            RoleName=id.split(":")[0], PolicyName=id.split(":")[1], PolicyDocument=rights("s3:*")
        ),
        "policy",
        service="iam",
        replaces="role",
        known_by=None,
    ),
    "OriginAccessControl": Case(
        {"originAccessControlOriginType": "s3", "signingBehavior": "always", "signingProtocol": "sigv4"},
        lambda cloudfront, id, state: _again(
            cloudfront, "origin_access_control", "OriginAccessControl", id, SigningBehavior="never"
        ),
        "signingBehavior",
        service="cloudfront",
        replaces="",
        known_by=None,
    ),
    "PublicKey": Case(
        lambda world: {"encodedKey": pem(), "comment": "signs"},
        lambda cloudfront, id, state: _again(cloudfront, "public_key", "PublicKey", id, Comment="manually"),
        "comment",
        service="cloudfront",
        replaces="name",
        known_by=None,
    ),
    "KeyGroup": Case(
        lambda world: {"items": [world.public_key(), world.public_key()], "comment": "ours"},
        lambda cloudfront, id, state: _again(cloudfront, "key_group", "KeyGroup", id, Items=state["items"][:1]),
        "items",
        service="cloudfront",
        replaces="",
        known_by=None,
    ),
    "CachePolicy": Case(
        {
            "comment": "for ever",
            "defaultTtl": 60,
            "minTtl": 30,
            "parametersInCacheKeyAndForwardedToOrigin": {
                "cookiesConfig": {"cookieBehavior": "none"},
                "headersConfig": {"headerBehavior": "whitelist", "headers": {"items": ["Origin", "Accept"]}},
                "queryStringsConfig": {"queryStringBehavior": "none"},
                "enableAcceptEncodingBrotli": True,
            },
        },
        lambda cloudfront, id, state: _again(cloudfront, "cache_policy", "CachePolicy", id, MinTTL=0),
        "minTtl",
        service="cloudfront",
        replaces="",
        known_by=None,
    ),
    "ResponseHeadersPolicy": Case(
        {
            "comment": "safe",
            "corsConfig": {
                "accessControlAllowCredentials": False,
                "accessControlAllowHeaders": {"items": ["Range"]},
                "accessControlAllowMethods": {"items": ["HEAD", "GET"]},
                "accessControlAllowOrigins": {"items": ["https://b.example", "https://a.example"]},
                "accessControlMaxAgeSec": 60,
                "originOverride": True,
            },
            "customHeadersConfig": {"items": [{"header": "X-One", "value": "1", "override": True}]},
            "removeHeadersConfig": {"items": [{"header": "Server"}]},
            "securityHeadersConfig": {
                "contentSecurityPolicy": {"contentSecurityPolicy": "sandbox", "override": True},
                "contentTypeOptions": {"override": True},
                "frameOptions": {"frameOption": "DENY", "override": True},
                "referrerPolicy": {"referrerPolicy": "no-referrer", "override": False},
                "strictTransportSecurity": {"accessControlMaxAgeSec": 60, "override": True, "preload": True},
                "xssProtection": {"protection": True, "modeBlock": True, "override": True},
            },
        },
        lambda cloudfront, id, state: _again(
            cloudfront, "response_headers_policy", "ResponseHeadersPolicy", id, SecurityHeadersConfig={}
        ),
        "securityHeadersConfig",
        service="cloudfront",
        replaces="",
        known_by=None,
    ),
    "Distribution": Case(
        _distribution,
        lambda cloudfront, id, state: _switch_off(cloudfront, id),
        "orderedCacheBehaviors",
        service="cloudfront",
        replaces="",
        known_by=None,
    ),
    "LogDeliverySource": Case(
        lambda world: {"logType": "ACCESS_LOGS", "resourceArn": world.distribution(), "tags": {"a": "1"}},
        lambda logs, id, state: logs.untag_resource(resourceArn=state["arn"], tagKeys=["a"]),
        "tags",
        service="logs",
        replaces="resourceArn",
        known_by="name",
    ),
    "LogDeliveryDestination": Case(
        {
            "deliveryDestinationConfiguration": {"destinationResourceArn": "arn:aws:s3:::logs"},
            "outputFormat": "json",
        },
        lambda logs, id, state: logs.put_delivery_destination(
            name=id,
            outputFormat="json",
            deliveryDestinationConfiguration={"destinationResourceArn": "arn:aws:s3:::elsewhere"},
        ),
        "deliveryDestinationConfiguration",
        service="logs",
        replaces="outputFormat",
        known_by="name",
    ),
    "LogDelivery": Case(
        lambda world: {
            "deliverySourceName": world.log_source(),
            "deliveryDestinationArn": world.log_destination(),
            "tags": {"a": "1"},
        },
        lambda logs, id, state: logs.tag_resource(resourceArn=state["arn"], tags={"a": "2"}),
        "tags",
        service="logs",
        replaces="deliverySourceName",
        known_by=None,
    ),
    "Topic": Case(
        {
            "displayName": "Alarms",
            "kmsMasterKeyId": "alias/aws/sns",
            "deliveryPolicy": json.dumps({"http": {"disableSubscriptionOverrides": True}}),
            "tags": {"a": "1"},
        },
        lambda sns, id, state: sns.set_topic_attributes(TopicArn=id, AttributeName="KmsMasterKeyId", AttributeValue=""),
        "kmsMasterKeyId",
        service="sns",
        replaces="name",
        known_by="arn",
    ),
    "TopicPolicy": Case(
        lambda world: {"arn": world.topic(), "policy": topic_policy("SNS:Publish", "SNS:Subscribe")},
        lambda sns, id, state: sns.set_topic_attributes(
            TopicArn=id, AttributeName="Policy", AttributeValue=topic_policy("SNS:Publish")
        ),
        "policy",
        # That of a new topic.
        after_delete=lambda state: "AWS:SourceOwner" in state["policy"] and state["owner"] in state["policy"],
        service="sns",
        replaces="arn",
        known_by="arn",
    ),
    "TopicSubscription": Case(
        lambda world: {
            "topic": world.topic(),
            "protocol": "sqs",
            "endpoint": f"arn:aws:sqs:us-east-1:{ACCOUNT}:heard",
            "rawMessageDelivery": True,
            "filterPolicy": json.dumps({"kind": ["infected", "refused"]}),
            "confirmationTimeoutInMinutes": 5,
        },
        lambda sns, id, state: sns.set_subscription_attributes(
            SubscriptionArn=id, AttributeName="FilterPolicy", AttributeValue=json.dumps({"kind": ["none"]})
        ),
        "filterPolicy",
        service="sns",
        replaces="endpoint",
        known_by="arn",
        forgotten=frozenset({"confirmationTimeoutInMinutes"}),
    ),
    "MalwareProtectionPlan": Case(
        lambda world: {
            "role": f"arn:aws:iam::{ACCOUNT}:role/{world.role()}",
            "protectedResource": {"s3Bucket": {"bucketName": "objects", "objectPrefixes": ["a/", "b/"]}},
            "actions": [{"taggings": [{"status": "ENABLED"}]}],
            "tags": {"a": "1"},
        },
        lambda guardduty, id, state: guardduty.update_malware_protection_plan(
            MalwareProtectionPlanId=id, ProtectedResource={"S3Bucket": {"ObjectPrefixes": ["a/"]}}
        ),
        "protectedResource",
        service="guardduty",
        replaces="",
        known_by=None,
    ),
}
