"""What a stack has at AWS already, found by name: after a lost state it is taken over, and not made a second time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from declared.awsnames import BUCKETS, KEYS, ROLES, AwsNames, asked_tag
from declared.errors import UserError
from targets.endpoint import AwsEndpoint

# The buckets with a key of their own, which has the same name.
ENCRYPTED = ("objects", "backups")
# What the names begin with of what AWS Backup has.
VAULT = "backup:"
UNUSABLE = {"PendingDeletion": "cancel-key-deletion", "Disabled": "enable-key"}


class NotTakenOver(UserError):
    """Something of the stack's name that can't be taken over; the text is one line."""


@dataclass(frozen=True)
class Found:
    """What is there, and whose account it is."""

    names: AwsNames
    ids: Mapping[str, str] = field(default_factory=dict)
    """Name → the id that Pulumi takes it over by; of an alias, the id of its key."""
    asked: frozenset[str] = frozenset()
    """The alarm topic's tags for the e-mail addresses that were asked to confirm."""
    subscribed: frozenset[str] = frozenset()
    """Those that have, or that may still."""

    def silent(self, address: str) -> bool:
        """Whether an address was asked and hears nothing: its link has expired unused, or it has unsubscribed."""
        return asked_tag(address) in self.asked and address not in self.subscribed


def look(aws: AwsEndpoint, region: str, stack: str, second: str | None = None) -> Found:
    """Ask AWS for what has a name of the stack's.

    Args:
        second: the second region of its vaults, or empty; None where it has none.

    :raises NotTakenOver: for a bucket of another account's, and for a key that can't be used or has no alias
    """
    from botocore.exceptions import BotoCoreError, ClientError

    clients = Clients(aws, region)
    try:
        names = AwsNames(stack, clients.of("sts").get_caller_identity()["Account"])
        buckets = _buckets(clients, names, region)
        # In another region there would be no key.
        keys = _keys(clients, names)
        _check_key(clients, names, buckets, keys)
        asked, subscribed = _heard(clients, names)
        ids = {**keys, **{bucket: bucket for bucket in buckets}, **_roles(clients, names)}
        if second is not None:
            ids |= _vaults(names, clients, Clients(aws, second) if second else None)
        return Found(names, ids, asked, subscribed)
    except (BotoCoreError, ClientError) as error:
        raise NotTakenOver(f"stack {stack}: AWS can't be asked what is there: {' '.join(str(error).split())}") from None


@dataclass
class Clients:
    """The clients of AWS' services, for one run."""

    aws: AwsEndpoint
    region: str
    _session: Any = None

    def of(self, service: str) -> Any:
        import botocore.config
        import botocore.session

        # boto3 takes twice as long to begin, and each run asks.
        self._session = self._session or botocore.session.get_session()
        style = {"addressing_style": "path" if self.aws.endpoint else "auto"}
        return self._session.create_client(
            service,
            region_name=self.region,
            endpoint_url=self.aws.endpoint,
            aws_access_key_id=self.aws.access_key,
            aws_secret_access_key=self.aws.secret_key,
            config=botocore.config.Config(s3=style, connect_timeout=5, retries={"total_max_attempts": 3}),
        )


def _keys(clients: Clients, names: AwsNames) -> dict[str, str]:
    kms, wanted = clients.of("kms"), {names.alias(use) for use in KEYS}
    pages = kms.get_paginator("list_aliases").paginate()
    found = {alias["AliasName"]: alias.get("TargetKeyId", "") for page in pages for alias in page["Aliases"]}
    keys = {alias: key for alias, key in found.items() if alias in wanted and key}
    for alias, key in keys.items():
        state = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
        if state in UNUSABLE:
            raise NotTakenOver(
                f"KMS key {key} ({alias}) is {state}, and what it has encrypted can't be read: "
                f"`aws kms {UNUSABLE[state]} --key-id {key}`, and run it again"
            )
    return keys


def _buckets(clients: Clients, names: AwsNames, region: str) -> list[str]:
    s3 = clients.of("s3")
    found = {bucket: _region(s3, bucket, names.account) for bucket in map(names.bucket, BUCKETS)}
    for bucket, there in found.items():
        if there not in ("", region):
            raise NotTakenOver(
                f"S3 bucket {bucket} is in {there}, and database:region is {region}: a bucket can't be moved; set the "
                "region back, or make another stack there and copy the files"
            )
    return [bucket for bucket, there in found.items() if there]


def _check_key(clients: Clients, names: AwsNames, buckets: Sequence[str], keys: Mapping[str, str]) -> None:
    """
    :raises NotTakenOver: where files would get a second key
    """
    for use in ENCRYPTED:
        files, alias = names.bucket(use), names.alias(use)
        if files in buckets and alias not in keys and (key := _key_of(clients.of("s3"), files)):
            raise NotTakenOver(
                f"S3 bucket {files} is encrypted with KMS key {key}, which no alias {alias} leads to: "
                f"`aws kms create-alias --alias-name {alias} --target-key-id {key}`, and run it again"
            )


def _region(s3: Any, bucket: str, account: str) -> str:
    """Where the account's bucket is, or nothing. A stranger's may have let us in, and would get all files and logs.

    :raises NotTakenOver: where another account has it
    """
    from botocore.exceptions import ClientError

    try:
        answer = s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 404:
            return ""
        raise NotTakenOver(
            f"S3 bucket {bucket} is there and isn't for this login of account {account} (status {status}): give the "
            "login s3:ListBucket where it is yours; where another account has taken the name, choose another stack name"
        ) from None
    return str(answer["BucketRegion"])


def _key_of(s3: Any, bucket: str) -> str:
    """The KMS key that a bucket encrypts with; empty where it does so with another."""
    from botocore.exceptions import ClientError

    try:
        answer = s3.get_bucket_encryption(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ServerSideEncryptionConfigurationNotFoundError":
            return ""
        raise
    (rule,) = answer["ServerSideEncryptionConfiguration"]["Rules"]
    return str(rule.get("ApplyServerSideEncryptionByDefault", {}).get("KMSMasterKeyID", ""))


def _heard(clients: Clients, names: AwsNames) -> tuple[frozenset[str], frozenset[str]]:
    """Tags of the alarm topic, and the e-mail addresses that are subscribed to it."""
    from botocore.exceptions import ClientError

    sns = clients.of("sns")
    topic = f"arn:aws:sns:{clients.region}:{names.account}:{names.of('alarms')}"
    try:
        tags = sns.list_tags_for_resource(ResourceArn=topic)["Tags"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NotFound", "NotFoundException", "ResourceNotFound"):
            raise
        return frozenset(), frozenset()
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    heard = (each for page in pages for each in page["Subscriptions"] if each["Protocol"] == "email")
    return frozenset(tag["Key"] for tag in tags), frozenset(each["Endpoint"] for each in heard)


def _roles(clients: Clients, names: AwsNames) -> dict[str, str]:
    iam = clients.of("iam")
    from botocore.exceptions import ClientError

    found = {}
    for role in map(names.of, ROLES):
        try:
            iam.get_role(RoleName=role)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise
        else:
            found[role] = role
    return found


def _vaults(names: AwsNames, near: Clients, far: Clients | None) -> dict[str, str]:
    """The vaults, the key of the second one, the plan and what it backs up."""
    called, found = names.vault, dict[str, str]()
    for clients, what in ((near, "vault"), (far, "far")):
        vault = _vault(clients, called) if clients else None
        if clients is None or vault is None:
            continue
        at = f"@{clients.region}" if clients is far else ""
        found[what] = f"{called}{at}"
        if clients is far:
            found["far-key"] = f"{vault['EncryptionKeyArn'].rpartition('/')[2]}{at}"
    backups = near.of("backup")
    pages = backups.get_paginator("list_backup_plans").paginate()
    for plan in (each for page in pages for each in page["BackupPlansList"]):
        if plan["BackupPlanName"] == called:
            found["plan"] = plan["BackupPlanId"]
            for each in backups.list_backup_selections(BackupPlanId=found["plan"])["BackupSelectionsList"]:
                found["selection"] = f"{found['plan']}|{each['SelectionId']}"
    return {f"{VAULT}{what}": id for what, id in found.items()}


def _vault(clients: Clients, name: str) -> Mapping[str, Any] | None:
    pages = clients.of("backup").get_paginator("list_backup_vaults").paginate()
    return next((each for page in pages for each in page["BackupVaultList"] if each["BackupVaultName"] == name), None)
