"""What is at AWS, asked there now, in the form in which the program declares it: so the same rules look at both."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from guardrails.model import Resource
from guardrails.rules import accounts, buckets, cdn, servers
from ops.audit.model import NotSeen
from ops.compliance import livereach
from ops.compliance.livereach import Client

# Names that AWS' API and Pulumi spell differently.
SPELLED = {
    "MultiAZ": "multiAz",
    "IAMDatabaseAuthenticationEnabled": "iamDatabaseAuthenticationEnabled",
    "MasterUsername": "username",
    "EnabledCloudwatchLogsExports": "enabledCloudwatchLogsExports",
    "SSEAlgorithm": "sseAlgorithm",
    "ID": "id",
}
# What these answers don't have: a rule that asks for it would take its absence for an answer.
UNASKED = frozenset(
    {
        "key-window",
        "rds-last-snapshot",
        "rds-master-password",
        "rds-events",
        "cdn-logged",
        "named",
        "backup-age",
        "backup-drill",
        "secret-plain",
    }
)


def spelled(value: Any) -> Any:
    """An answer of AWS' with Pulumi's names."""
    if isinstance(value, Mapping):
        return {SPELLED.get(key, key[:1].lower() + key[1:]): spelled(each) for key, each in value.items()}
    if isinstance(value, list):
        return [spelled(each) for each in value]
    return value


def resources(state: list[dict[str, Any]], client: Client) -> Iterator[Resource | NotSeen]:
    """What is there of the resources in a stack's state; a reason where one couldn't be asked."""
    for each in state:
        read = READ.get(each["type"])
        if read is None or each.get("delete"):
            continue
        try:
            yield from read(each["type"], str(each["id"]), client)
        except ClientError as error:
            yield NotSeen(f"{each['type'].rpartition(':')[2]} {each['id']}: {error.response['Error']['Code']}")


def _bucket(type: str, name: str, client: Client) -> Iterator[Resource]:
    s3 = client("s3")
    yield Resource.of(type, name, {"bucket": name})
    asked: tuple[tuple[str, str, Callable[[dict[str, Any]], dict[str, Any]]], ...] = (
        (buckets.BLOCK, "get_public_access_block", lambda found: found["publicAccessBlockConfiguration"]),
        (buckets.ENCRYPTION, "get_bucket_encryption", lambda found: found["serverSideEncryptionConfiguration"]),
        (buckets.VERSIONING, "get_bucket_versioning", lambda found: {"versioningConfiguration": found}),
        (buckets.LIFECYCLE, "get_bucket_lifecycle_configuration", lambda found: found),
        (
            buckets.OWNERSHIP,
            "get_bucket_ownership_controls",
            lambda found: {"rule": found["ownershipControls"]["rules"][0]},
        ),
        (buckets.LOGGING, "get_bucket_logging", lambda found: found["loggingEnabled"]),
        (buckets.POLICY, "get_bucket_policy", lambda found: found),
        (buckets.LOCK, "get_object_lock_configuration", lambda found: found["objectLockConfiguration"]),
    )
    for setting, operation, inputs in asked:
        if (found := _asked(s3, operation, name)) is not None:
            yield Resource.of(setting, name, {**inputs(found), "bucket": name})


def _asked(s3: Any, operation: str, bucket: str) -> dict[str, Any] | None:
    """One setting of a bucket; None where it was never set."""
    try:
        found = getattr(s3, operation)(Bucket=bucket)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if (code.startswith("NoSuch") and code != "NoSuchBucket") or code.endswith("NotFoundError"):
            return None
        raise
    found.pop("ResponseMetadata", None)
    return spelled(found) or None


def _key(type: str, id: str, client: Client) -> Iterator[Resource]:
    kms = client("kms")
    rotates = kms.get_key_rotation_status(KeyId=id)["KeyRotationEnabled"]
    policy = kms.get_key_policy(KeyId=id, PolicyName="default")["Policy"]
    yield Resource.of(type, id, {"enableKeyRotation": rotates, "policy": policy})


def _topic(type: str, arn: str, client: Client) -> Iterator[Resource]:
    found = client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    name = arn.rpartition(":")[2]
    yield Resource.of(type, name, {"name": name, "kmsMasterKeyId": found.get("KmsMasterKeyId")})
    yield Resource.of(
        accounts.TOPIC_POLICY, name, {"arn": arn, "policy": found.get("Policy") or json.dumps({"Statement": []})}
    )


def _instance(type: str, id: str, client: Client) -> Iterator[Resource]:
    (found,) = client("rds").describe_db_instances(DBInstanceIdentifier=id)["DBInstances"]
    endpoint = found.get("Endpoint") or {}
    inputs = spelled({key: each for key, each in found.items() if isinstance(each, str | int | bool | list)})
    yield Resource.of(type, id, {**inputs, "port": endpoint.get("Port")})


def _cluster(type: str, id: str, client: Client) -> Iterator[Resource]:
    (found,) = client("rds").describe_db_clusters(DBClusterIdentifier=id)["DBClusters"]
    inputs = spelled({key: each for key, each in found.items() if isinstance(each, str | int | bool | list)})
    yield Resource.of(type, id, {**inputs, "masterUsername": inputs.get("username")})


def _parameters(type: str, name: str, client: Client) -> Iterator[Resource]:
    rds = client("rds")
    if type == servers.PARAMETERS[0]:
        pages = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=name)
    else:
        pages = rds.get_paginator("describe_db_cluster_parameters").paginate(DBClusterParameterGroupName=name)
    found = [
        {"name": each["ParameterName"], "value": each["ParameterValue"]}
        for page in pages
        for each in page["Parameters"]
        if "ParameterValue" in each
    ]
    yield Resource.of(type, name, {"parameters": found})


def _distribution(type: str, id: str, client: Client) -> Iterator[Resource]:
    # CloudFront has one address for all regions.
    found = client("cloudfront", "us-east-1").get_distribution_config(Id=id)["DistributionConfig"]
    behaviors = [found["DefaultCacheBehavior"], *(found.get("CacheBehaviors") or {}).get("Items", [])]
    default, *ordered = [
        {
            "viewerProtocolPolicy": each["ViewerProtocolPolicy"],
            "pathPattern": each.get("PathPattern", "default"),
            "trustedKeyGroups": (each.get("TrustedKeyGroups") or {}).get("Items", []),
        }
        for each in behaviors
    ]
    origins = [
        {"originId": each["Id"], "originAccessControlId": each.get("OriginAccessControlId")}
        for each in found["Origins"]["Items"]
    ]
    inputs = {"defaultCacheBehavior": default, "orderedCacheBehaviors": ordered, "origins": origins}
    certificate = spelled(found.get("ViewerCertificate") or {})
    certificate["cloudfrontDefaultCertificate"] = certificate.pop("cloudFrontDefaultCertificate", False)
    yield Resource.of(type, id, {**inputs, "viewerCertificate": certificate, "webAclId": found.get("WebACLId")})


READ: dict[str, Callable[[str, str, Client], Iterator[Resource]]] = {
    buckets.BUCKET: _bucket,
    accounts.KEY: _key,
    accounts.TOPIC: _topic,
    servers.INSTANCE: _instance,
    servers.MEMBER: _instance,
    servers.CLUSTER: _cluster,
    **dict.fromkeys(servers.PARAMETERS, _parameters),
    cdn.CDN: _distribution,
    **livereach.READ,
}
