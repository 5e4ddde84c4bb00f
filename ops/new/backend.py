"""Where the states of lasting stacks are kept: a bucket at S3 and the key that encrypts it and the secrets in them.

Made with AWS' API and not by Pulumi: a stack that made it would need it. What is there already is brought to the same
settings. Pulumi itself locks a stack in the bucket while a run is under way.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from declared import awsnames
from declared.awsnames import REGION, REGIONS
from ops.errors import CommandError

DAYS_OF_OLD_STATES = 365
WAIT = Config(connect_timeout=10, read_timeout=30, retries={"total_max_attempts": 3})
TAGS = {"Project": "visual-prompt-builder", "Use": "state"}
# What creating a bucket there doesn't name.
HOME = "us-east-1"


@dataclass(frozen=True)
class Backend:
    """What Pulumi is to be given."""

    bucket: str
    url: str
    """For PULUMI_BACKEND_URL and `pulumi login`."""
    secrets_provider: str
    """For `stack init --secrets-provider`."""
    made: tuple[str, ...]
    """What wasn't there before."""


def make(region: str) -> Backend:
    """The backend of the account that the credentials are of; endpoints as boto3 finds them.

    :raises CommandError: for a region of another partition, a bucket of another account or region, a key that is to go
    """
    if not REGION.fullmatch(region):
        raise CommandError(f"--region is {region!r}; allowed is {REGIONS}")
    session = boto3.session.Session(region_name=region)
    account = session.client("sts", config=WAIT).get_caller_identity()["Account"]
    bucket, made = awsnames.state_bucket(account), list[str]()
    kms, s3 = session.client("kms", config=WAIT), session.client("s3", config=WAIT)
    key = _key(kms, account, made)
    if not _is_there(s3, bucket, account, region):
        _create(s3, bucket, region)
        made.append(f"bucket {bucket}")
    for name, setting in _settings(bucket, key).items():
        put: Callable[..., object] = getattr(s3, f"put_{name}")
        put(Bucket=bucket, ExpectedBucketOwner=account, **setting)
    return Backend(
        bucket,
        f"s3://{bucket}?region={region}&awssdk=v2",
        f"awskms://{awsnames.STATE_ALIAS}?region={region}&awssdk=v2",
        tuple(made),
    )


def _key(kms: Any, account: str, made: list[str]) -> str:
    """The ARN of the key behind the alias."""
    try:
        found = kms.describe_key(KeyId=awsnames.STATE_ALIAS)["KeyMetadata"]
    except kms.exceptions.NotFoundException:
        found = _new_key(kms, account)
        made.append(f"key {awsnames.STATE_ALIAS}")
    if found["KeyState"] != "Enabled":
        key, goes = found["KeyId"], found["KeyState"] == "PendingDeletion"
        back = f"`aws kms cancel-key-deletion --key-id {key}` and then " if goes else ""
        raise CommandError(
            f"KMS key {key} ({awsnames.STATE_ALIAS}) is {found['KeyState']}, and the states that it has encrypted "
            f"can't be read: enable it with {back}`aws kms enable-key --key-id {key}`"
        )
    kms.enable_key_rotation(KeyId=found["KeyId"])
    return str(found["Arn"])


def _new_key(kms: Any, account: str) -> Mapping[str, Any]:
    # Who uses it, the account's own policies say.
    owner = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    found: Mapping[str, Any] = kms.create_key(
        Description="Pulumi's states, and the secrets in them",
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [owner]}),
        Tags=[{"TagKey": name, "TagValue": value} for name, value in TAGS.items()],
    )["KeyMetadata"]
    kms.create_alias(AliasName=awsnames.STATE_ALIAS, TargetKeyId=found["KeyId"])
    return found


def _is_there(s3: Any, bucket: str, account: str, region: str) -> bool:
    try:
        answer = s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return False
        if status in (301, 400):
            raise CommandError(f"bucket {bucket}: it is in another region than {region}; name that one") from None
        raise CommandError(
            f"bucket {bucket}: S3 refuses it with {status}: the credentials may not read it, or another account has "
            "taken the name; nothing was written to it"
        ) from None
    there = answer.get("BucketRegion", region)
    if there != region:
        raise CommandError(f"bucket {bucket}: it is in {there}; run it again with --region {there}")
    return True


def _create(s3: Any, bucket: str, region: str) -> None:
    where = {} if region == HOME else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, ObjectOwnership="BucketOwnerEnforced", **where)


def _settings(bucket: str, key: str) -> dict[str, dict[str, Any]]:
    """Each by the name of the call that puts it; the one that closes the bucket first."""
    arn = f"arn:aws:s3:::{bucket}"
    tls_only = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    encryption = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key},
        "BucketKeyEnabled": True,
    }
    switches = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    old = {
        "ID": "old-states",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": DAYS_OF_OLD_STATES},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    tags = [{"Key": name, "Value": value} for name, value in TAGS.items()]
    return {
        "public_access_block": {"PublicAccessBlockConfiguration": dict.fromkeys(switches, True)},
        "bucket_ownership_controls": {"OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}},
        "bucket_encryption": {
            "ServerSideEncryptionConfiguration": {"Rules": [encryption]},
        },
        "bucket_versioning": {"VersioningConfiguration": {"Status": "Enabled"}},
        "bucket_policy": {"Policy": json.dumps({"Version": "2012-10-17", "Statement": [tls_only]})},
        "bucket_lifecycle_configuration": {"LifecycleConfiguration": {"Rules": [old]}},
        "bucket_tagging": {"Tagging": {"TagSet": tags}},
    }
