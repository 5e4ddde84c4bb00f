"""Every service that the project uses survives a restart, with its ids, bytes, versions and private keys."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from tests.local.conftest import REGION, MotoServer
from tests.local.test_moto_cloudfront import cache_policy, distribution, group, key

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "*", "Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def _zip() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("handler.py", "def handle(event, context): return 1")
    return content.getvalue()


def _populate(server: MotoServer) -> None:
    """Something in every service that the project uses, including what needs a reducer to be pickled."""
    call = server.client
    s3 = call("s3")
    s3.create_bucket(Bucket="kept-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket="kept-bucket", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"first", b"second" * 200_000):
        s3.put_object(Bucket="kept-bucket", Key="voice.webm", Body=body, Tagging="scan=clean")
    kms = call("kms")
    key = kms.create_key(KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/data", TargetKeyId=key)
    kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="RSA_2048")
    kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
    role = call("iam").create_role(RoleName="runner", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    call("sts").assume_role(RoleArn=role, RoleSessionName="session")
    call("sns").create_topic(Name="alarms")
    queue = call("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    call("sqs").send_message(QueueUrl=queue, MessageBody="hello")
    call("secretsmanager").create_secret(Name="login", SecretString="s3cret")
    call("ssm").put_parameter(Name="/app/key", Value="v", Type="SecureString")
    call("ssm").add_tags_to_resource(ResourceType="Parameter", ResourceId="/app/key", Tags=[{"Key": "a", "Value": "b"}])
    call("logs").create_log_group(logGroupName="app")
    call("events").put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    call("cloudwatch").put_dashboard(DashboardName="board", DashboardBody="{}")
    call("lambda").create_function(
        FunctionName="f", Runtime="python3.11", Role=role, Handler="handler.handle", Code={"ZipFile": _zip()}
    )
    call("guardduty").create_detector(Enable=True)
    call("backup").create_backup_vault(BackupVaultName="vault")
    call("cloudfront").create_origin_access_control(
        OriginAccessControlConfig={
            "Name": "oac",
            "SigningProtocol": "sigv4",
            "SigningBehavior": "always",
            "OriginAccessControlOriginType": "s3",
        }
    )
    _populate_cdn(call("cloudfront"), call("logs"))
    call("ec2").create_vpc(CidrBlock="10.9.0.0/16")
    call("rds").create_db_instance(
        DBInstanceIdentifier="db",
        DBInstanceClass="db.t3.micro",
        Engine="postgres",
        EngineVersion="16",
        MasterUsername="u",
        MasterUserPassword="made-up-1",
        AllocatedStorage=20,
    )


def _populate_cdn(cdn: Any, logs: Any) -> None:
    """A distribution with all that hangs on it, and the delivery of its logs."""
    cache = cache_policy(cdn)
    headers = {"Name": "safe", "SecurityHeadersConfig": {"ContentTypeOptions": {"Override": True}}}
    cdn.create_response_headers_policy(ResponseHeadersPolicyConfig=headers)
    arn = distribution(cdn, policy=cache, groups=(group(cdn, key(cdn)),), enabled=True)["Distribution"]["ARN"]
    cdn.tag_resource(Resource=arn, Tags={"Items": [{"Key": "a", "Value": "b"}]})
    logs.put_delivery_source(name="cdn", resourceArn=arn, logType="ACCESS_LOGS")
    target = {"destinationResourceArn": "arn:aws:s3:::kept-bucket"}
    made = logs.put_delivery_destination(name="bucket", deliveryDestinationConfiguration=target)
    logs.create_delivery(deliverySourceName="cdn", deliveryDestinationArn=made["deliveryDestination"]["arn"])


def _view_cdn(cdn: Any) -> list[Any]:
    found = cdn.list_distributions()["DistributionList"]["Items"][0]
    behavior = found["DefaultCacheBehavior"]
    group_id = behavior["TrustedKeyGroups"]["Items"][0]
    keys = cdn.get_key_group(Id=group_id)["KeyGroup"]["KeyGroupConfig"]["Items"]
    return [
        cdn.get_distribution_config(Id=found["Id"])["DistributionConfig"],
        cdn.list_tags_for_resource(Resource=found["ARN"])["Tags"],
        cdn.get_cache_policy(Id=behavior["CachePolicyId"])["CachePolicy"],
        [cdn.get_public_key(Id=id)["PublicKey"] for id in keys],
    ]


def _view(server: MotoServer) -> dict[str, Any]:
    """What a reader sees of it all, ids included."""
    call = server.client
    reads: dict[str, Callable[[], Any]] = {
        "versions": lambda: call("s3").list_object_versions(Bucket="kept-bucket")["Versions"],
        "body": lambda: call("s3").get_object(Bucket="kept-bucket", Key="voice.webm")["Body"].read(),
        "tags": lambda: call("s3").get_object_tagging(Bucket="kept-bucket", Key="voice.webm")["TagSet"],
        "kms": lambda: [sorted(key["KeyId"] for key in call("kms").list_keys()["Keys"]), call("kms").list_aliases()],
        "iam": lambda: call("iam").list_roles()["Roles"],
        "sns": lambda: call("sns").list_topics()["Topics"],
        "sqs": lambda: call("sqs").get_queue_attributes(
            QueueUrl=call("sqs").get_queue_url(QueueName="jobs")["QueueUrl"], AttributeNames=["All"]
        )["Attributes"],
        "secret": lambda: call("secretsmanager").get_secret_value(SecretId="login")["VersionId"],
        "ssm": lambda: call("ssm").get_parameter(Name="/app/key", WithDecryption=True)["Parameter"],
        "logs": lambda: call("logs").describe_log_groups()["logGroups"],
        "events": lambda: call("events").list_rules()["Rules"],
        "cloudwatch": lambda: call("cloudwatch").list_dashboards()["DashboardEntries"],
        "lambda": lambda: call("lambda").list_functions()["Functions"],
        "guardduty": lambda: call("guardduty").list_detectors()["DetectorIds"],
        "backup": lambda: call("backup").list_backup_vaults()["BackupVaultList"],
        "cloudfront": lambda: call("cloudfront").list_origin_access_controls()["OriginAccessControlList"]["Items"],
        "cdn": lambda: _view_cdn(call("cloudfront")),
        "deliveries": lambda: call("logs").describe_deliveries()["deliveries"],
        "key": lambda: call("kms").get_key_policy(
            KeyId=call("kms").list_aliases()["Aliases"][0]["TargetKeyId"], PolicyName="default"
        )["Policy"],
        "ec2": lambda: call("ec2").describe_vpcs()["Vpcs"],
        "rds": lambda: call("rds").describe_db_instances()["DBInstances"],
    }
    found = json.loads(json.dumps({name: read() for name, read in reads.items()}, default=str))
    found["kms"][1].pop("ResponseMetadata")
    found["rds"][0].pop("LatestRestorableTime")
    return dict(found)


def test_every_service_is_the_same_after_sigterm(fresh_server: MotoServer) -> None:
    assert fresh_server.health()["empty"] is True
    _populate(fresh_server)
    before = _view(fresh_server)
    assert fresh_server.health() | {"pid": 0} == {
        "moto": "5.2.5",
        "pid": 0,
        "state": str(fresh_server.state),
        "loaded": False,
        "empty": False,
    }
    assert fresh_server.stop() == "", "a service that isn't saved says so on standard error"
    fresh_server.start()
    after = _view(fresh_server)
    assert {name: (before[name], after[name]) for name in before if before[name] != after[name]} == {}
    assert fresh_server.health()["loaded"] is True
    keys = fresh_server.client("kms").list_keys()["Keys"]
    specs = [fresh_server.client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in keys]
    signing = next(spec["KeyId"] for spec in specs if spec["KeySpec"] == "RSA_2048")
    signed = fresh_server.client("kms").sign(
        KeyId=signing, Message=b"m", MessageType="RAW", SigningAlgorithm="RSASSA_PSS_SHA_256"
    )
    assert signed["Signature"], "a restored private key still signs"
    fresh_server.client("sqs").create_queue(QueueName="after-restart")
