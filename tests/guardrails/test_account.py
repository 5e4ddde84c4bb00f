"""An auditor at AWS: all that the program declares, made in moto, asked there and tried, then opened piece by piece.

What each role may do is in tests/components/test_storage_access.py, of backups in test_backup_bucket.py, who takes a
role in test_role_trust.py, the topic in test_alarms.py; what moto evaluates of a policy in tests/local.
"""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from botocore.exceptions import ClientError

import targets
from guardrails.checking import check
from guardrails.model import Plan, Result, Status
from guardrails.rules import BY_ID, RULES
from harness.program import run
from ops.audit.model import NotSeen
from ops.compliance import live
from ops.compliance import run as compliance
from ops.compliance.model import Side
from tests.guardrails.account import Account
from tests.guardrails.conftest import PROD, PRODUCTION, plan_of
from tests.guardrails.test_rules import ADVISED
from tests.local.conftest import MotoServer, code, fetch

FILES, BACKUPS, LOGS = (f"vpb-prod-123456789012-{each}" for each in ("objects", "backups", "logs"))
SERVER = "visual-prompt-builder-prod-database"
OPEN = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{FILES}/*"}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    server = MotoServer(tmp_path_factory.mktemp("moto") / "state")
    server.start()
    made = Account(server.endpoint)
    try:
        made.make(run("prod", server={"healthMetrics": "none", "proxy": "true"}, **PROD))
        yield made
    finally:
        server.stop()


def found(account: Account, services: Collection[str] = ()) -> list[Result]:
    """What the rules say of what is there, of some services alone."""
    state = [each for each in account.state if not services or each["type"].partition("/")[0] in services]
    there = list(live.resources(state, account.client))
    assert [str(each) for each in there if isinstance(each, NotSeen)] == []
    resources = tuple(each for each in there if not isinstance(each, NotSeen))
    rules = [rule for rule in RULES if rule.id not in live.UNASKED]
    return list(check(Plan(resources, **PRODUCTION), rules=rules).results)


def failed(account: Account, services: Collection[str] = ()) -> set[str]:
    return {each.rule.id for each in found(account, services) if each.status is Status.failed}


def test_what_is_there_keeps_every_rule_that_what_is_declared_keeps(account):
    results = found(account)
    assert failed(account) <= ADVISED
    said = {each.rule.id for each in results if each.status is Status.passed}
    assert said >= {
        *("s3-public-access-block", "s3-policy-open", "s3-tls", "s3-encryption", "s3-versioning", "s3-lock"),
        *(
            "s3-lifecycle",
            "s3-ownership",
            "s3-access-log",
            "key-rotation",
            "policy-open",
            "topic-encrypted",
            "topic-tls",
        ),
        *("rds-private", "rds-encrypted", "rds-tls", "rds-scram", "rds-multi-az", "rds-deletion-protection"),
        *("rds-backups", "rds-minor-versions", "cdn-tls", "cdn-origin", "cdn-signed", "proxy-tls", "network-open"),
        *("subnet-private", "role-rights", "role-trust", "key-for-all", "secret-key", "vault-lock", "vault-encrypted"),
        "log-retention",
    }
    assert {each.resource.name for each in results} >= {FILES, BACKUPS, LOGS, SERVER}


def test_a_policy_that_somebody_attached_to_a_role_is_seen(account):
    iam, role = account.client("iam"), "visual-prompt-builder-prod-vault"
    everything = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    )
    arn = iam.create_policy(PolicyName="more", PolicyDocument=everything)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    try:
        bad = {each.resource.name for each in found(account, ["aws:iam"]) if each.rule.id == "role-managed"}
        assert bad == {f"{role}/more"} | {each for each in bad if "/" not in each}
        assert "role-managed" in failed(account, ["aws:iam"])
    finally:
        iam.detach_role_policy(RoleName=role, PolicyArn=arn)


@pytest.mark.parametrize("bucket", [FILES, BACKUPS, LOGS])
def test_nobody_reads_lists_or_writes_without_a_signature(account, bucket):
    account.client("s3").put_object(Bucket=bucket, Key="seen", Body=b"x")
    url = f"{account.endpoint}/{bucket}"
    assert [fetch(f"{url}/seen")[0], fetch(url)[0], fetch(f"{url}/seen", "PUT", b"y")[0]] == [403, 403, 403]
    assert fetch(f"{url}/seen", "DELETE")[0] == 403


@pytest.mark.parametrize(("bucket", "algorithm"), [(FILES, "aws:kms"), (BACKUPS, "aws:kms"), (LOGS, "AES256")])
def test_what_is_stored_is_encrypted_and_an_overwrite_can_be_taken_back(account, bucket, algorithm):
    s3 = account.client("s3")
    first = s3.put_object(Bucket=bucket, Key="kept", Body=b"first")["VersionId"]
    assert s3.head_object(Bucket=bucket, Key="kept")["ServerSideEncryption"] == algorithm
    s3.put_object(Bucket=bucket, Key="kept", Body=b"second")
    s3.delete_object(Bucket=bucket, Key="kept")
    assert code(s3.get_object, Bucket=bucket, Key="kept") == "NoSuchKey"
    assert s3.get_object(Bucket=bucket, Key="kept", VersionId=first)["Body"].read() == b"first"


def test_a_backup_is_locked_for_the_owner_too_and_other_files_are_not(account):
    s3 = account.client("s3")
    for bucket, answer in ((BACKUPS, "AccessDenied"), (FILES, "ok")):
        version = s3.put_object(Bucket=bucket, Key="locked", Body=b"x")["VersionId"]
        assert code(s3.delete_object, Bucket=bucket, Key="locked", VersionId=version) == answer


def test_a_bucket_can_t_be_opened_while_its_block_stands(account):
    s3 = account.client("s3")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [OPEN]})
    assert code(s3.put_bucket_policy, Bucket=FILES, Policy=policy) == "AccessDenied"


class Nothing:
    """In the place of a database that says nothing: this is about the account."""

    connection = type("", (), {"transaction": staticmethod(nullcontext)})

    def __init__(self, state: list[dict[str, Any]]) -> None:
        self.resources = lambda: state

    def rows(self, query: str) -> list[dict[str, Any]]:
        return []


def test_the_table_of_compliance_has_what_the_account_says_beside_the_plan(account, monkeypatch):
    monkeypatch.setattr(compliance, "opened", lambda stack: nullcontext(Nothing(account.state)))
    monkeypatch.setattr(compliance, "look", lambda audited, rules: ((), ()))
    monkeypatch.setattr(compliance.Environment, "of", lambda stack: account)
    monkeypatch.setattr(compliance.engine, "target", lambda stack: targets.of("aws"))
    monkeypatch.setattr(compliance.engine, "backups", lambda stack: None)
    plan = plan_of("prod")
    table = compliance.table("prod", check(plan), compliance.found("prod", plan))
    after = {line.control.id: line.after for line in table.lines if line.control.standard == "AWS"}
    assert after["RDS.2"] == Side("passed", (f"{SERVER}: publiclyAccessible is false",))
    assert after["RDS.38"].status == "passed"
    assert after["RDS.23"] == Side("failed", (f"{SERVER}: port is 5432",))
    assert {f"{bucket}: statement TlsOnly" for bucket in (FILES, BACKUPS, LOGS)} == {*after["S3.5"].evidence}
    assert after["KMS.4"].status == after["CloudFront.3"].status == after["SNS.4"].status == "passed"
    assert after["IAM.1"].status == after["EC2.18"].status == after["Backup.1"].status == "passed"
    assert after["Lambda.1"] == Side("not seen", ("nothing that is there was asked for it",))


def _flags(**off: bool) -> dict[str, bool]:
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    return {**dict.fromkeys(names, True), **off}


def _open_policy(account: Account) -> None:
    s3 = account.client("s3")
    block = _flags(BlockPublicPolicy=False, RestrictPublicBuckets=False)
    s3.put_public_access_block(Bucket=FILES, PublicAccessBlockConfiguration=block)
    s3.put_bucket_policy(Bucket=FILES, Policy=json.dumps({"Version": "2012-10-17", "Statement": [OPEN]}))


def _server(**change: Any) -> Callable[[Account], None]:
    def do(account: Account) -> None:
        account.client("rds").modify_db_instance(DBInstanceIdentifier=SERVER, ApplyImmediately=True, **change)

    return do


def _on_files(operation: str, **arguments: Any) -> Callable[[Account], None]:
    def do(account: Account) -> None:
        getattr(account.client("s3"), operation)(Bucket=FILES, **arguments)

    return do


def _keys_stay(account: Account) -> None:
    account.client("kms").disable_key_rotation(KeyId=account.ids["storage-objects-key"])


def _topic_bare(account: Account) -> None:
    arn = account.ids["alarms-topic"]
    account.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="KmsMasterKeyId", AttributeValue="")


def _topic_open(account: Account) -> None:
    arn = account.ids["alarms-topic"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)


def _role_wide(account: Account) -> None:
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["kms:*", "*"], "Resource": "*"}}
    role = account.ids["storage-access-server"]
    account.client("iam").put_role_policy(RoleName=role, PolicyName="more", PolicyDocument=json.dumps(document))


def _role_open(account: Account) -> None:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    role = account.ids["storage-access-server"]
    account.client("iam").update_assume_role_policy(RoleName=role, PolicyDocument=document)


def _way_in(account: Account) -> None:
    everywhere = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    group = account.ids["server-network-group-database"]
    account.client("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[everywhere])


def _public_subnet(account: Account) -> None:
    subnet = account.ids["server-network-subnet-a"]
    account.client("ec2").modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})


def _log_for_ever(account: Account) -> None:
    account.client("logs").delete_retention_policy(logGroupName=account.ids["server-rds-log-postgresql"])


OPENED: dict[str, tuple[Callable[[Account], None], set[str]]] = {
    "the block": (
        _on_files("put_public_access_block", PublicAccessBlockConfiguration=_flags(BlockPublicAcls=False)),
        {"s3-public-access-block"},
    ),
    "its policy": (_open_policy, {"s3-public-access-block", "s3-policy-open", "s3-tls"}),
    "versions": (
        _on_files("put_bucket_versioning", VersioningConfiguration={"Status": "Suspended"}),
        {"s3-versioning"},
    ),
    "encryption": (_on_files("delete_bucket_encryption"), {"s3-encryption"}),
    "owners": (_on_files("delete_bucket_ownership_controls"), {"s3-ownership"}),
    "lifecycle": (_on_files("delete_bucket_lifecycle"), {"s3-lifecycle"}),
    "logs": (_on_files("put_bucket_logging", BucketLoggingStatus={}), {"s3-access-log"}),
    "keys": (_keys_stay, {"key-rotation"}),
    "the topic's key": (_topic_bare, {"topic-encrypted"}),
    "the topic": (_topic_open, {"policy-open", "topic-tls"}),
    "the server's address": (_server(PubliclyAccessible=True), {"rds-private"}),
    "its protection": (_server(DeletionProtection=False), {"rds-deletion-protection"}),
    "its backups": (_server(BackupRetentionPeriod=1), {"rds-backups"}),
    "its standby": (_server(MultiAZ=False), {"rds-multi-az"}),
    "its log": (_log_for_ever, {"log-retention"}),
    "a way in": (_way_in, {"network-open"}),
    "a subnet": (_public_subnet, {"subnet-private"}),
    "a role's rights": (_role_wide, {"role-rights", "key-for-all"}),
    "who takes a role": (_role_open, {"role-trust"}),
}


def test_what_somebody_opens_at_aws_is_found_there_one_by_one(account):
    """In turn on one account: each change is found besides those before it."""
    for what, (change, rules) in OPENED.items():
        services = {type.partition("/")[0] for rule in rules for type in BY_ID[rule].types}
        seen = failed(account, services)
        change(account)
        now = failed(account, services)
        assert rules <= now, what
        assert now - seen <= rules, what


class Function:
    """Lambda's answers: a function with a rule of EventBridge that may call it, and one that nobody may."""

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:
        return {"Runtime": "python3.13", "VpcConfig": {"SubnetIds": ["a", "b"]}}

    def get_policy(self, FunctionName: str) -> dict[str, Any]:
        if FunctionName == "closed":
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetPolicy")
        source = {"ArnLike": {"AWS:SourceArn": "arn:aws:events:us-east-1:1:rule/a"}}
        ours = {"Sid": "ours", "Principal": {"Service": "events.amazonaws.com"}, "Condition": source}
        return {"Policy": json.dumps({"Statement": [ours, {"Sid": "open", "Principal": "*"}]})}


def test_who_may_call_a_function_is_read_from_its_policy():
    state = [{"type": "aws:lambda/function:Function", "id": name} for name in ("health", "closed")]
    there = [each for each in live.resources(state, lambda service: Function()) if not isinstance(each, NotSeen)]
    said = {
        (each.rule.id, each.resource.name): each.status.name
        for each in check(Plan(tuple(there))).results
        if each.rule.id.startswith("function-")
    }
    assert said == {
        ("function-open", "health/ours"): "passed",
        ("function-open", "health/open"): "failed",
        **{(rule, name): "passed" for rule in ("function-runtime", "function-zones") for name in ("health", "closed")},
    }


def test_what_can_t_be_asked_is_not_called_good(account):
    gone = [{"type": "aws:rds/instance:Instance", "id": "gone"}]
    (answer,) = live.resources(gone, account.client)
    assert isinstance(answer, NotSeen)
    assert str(answer).startswith("Instance gone: DBInstanceNotFound")
