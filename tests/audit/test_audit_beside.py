"""The rules on S3, on the state and on files: what they are about is broken one thing at a time."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops.audit import state as state_rules
from ops.audit.declared import AuditedDeclaration
from ops.audit.model import Audited, NotSeen, S3Bucket, Severity, Topic, apply
from ops.audit.registry import RULES
from ops.audit.run import look
from tests.local.conftest import MotoServer

BY_ID = {rule.id: rule for rule in RULES}
S3 = {rule for rule in BY_ID if rule.startswith("s3-")}
STATE = {"state-secret", "settings-secret", "files-readable", "password-old", "password-overlap"}
SNS = {rule for rule in BY_ID if rule.startswith("sns-")}
BESIDE = S3 | STATE | SNS
NAME = "audited-objects"
TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": [f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
EVERYBODY = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{NAME}/*"}
STRANGER = {
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::999999999999:root"},
    "Action": ["s3:PutBucketPolicy"],
    "Resource": f"arn:aws:s3:::{NAME}",
}


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    server = MotoServer(tmp_path_factory.mktemp("moto") / "state")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(moto) -> Iterator[Any]:
    """An S3 client, and a bucket as components/privatebucket.py makes it."""
    client = moto.client("s3")
    client.create_bucket(Bucket=NAME, CreateBucketConfiguration={"LocationConstraint": client.meta.region_name})
    _mend(client)
    yield client
    client.delete_bucket(Bucket=NAME)


def _policy(client: Any, *more: dict[str, Any]) -> None:
    policy = {"Version": "2012-10-17", "Statement": [TLS_ONLY, *more]}
    client.put_bucket_policy(Bucket=NAME, Policy=json.dumps(policy))


def _mend(client: Any) -> None:
    flags = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    client.put_public_access_block(Bucket=NAME, PublicAccessBlockConfiguration=dict.fromkeys(flags, True))
    client.put_bucket_ownership_controls(
        Bucket=NAME, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    client.put_bucket_versioning(Bucket=NAME, VersioningConfiguration={"Status": "Enabled"})
    client.put_bucket_encryption(
        Bucket=NAME,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    rule = {"ID": "unfinished", "Status": "Enabled", "Filter": {"Prefix": ""}}
    abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}
    client.put_bucket_lifecycle_configuration(Bucket=NAME, LifecycleConfiguration={"Rules": [rule | abort]})
    _policy(client)


def _unblock(client: Any) -> None:
    client.delete_public_access_block(Bucket=NAME)


BREAKS = {
    "s3-public-access-block": _unblock,
    "s3-public-policy": lambda client: (_unblock(client), _policy(client, EVERYBODY)),
    "s3-foreign-account": lambda client: _policy(client, STRANGER),
    "s3-tls": lambda client: client.delete_bucket_policy(Bucket=NAME),
    "s3-encryption": lambda client: client.delete_bucket_encryption(Bucket=NAME),
    "s3-versioning": lambda client: client.put_bucket_versioning(
        Bucket=NAME, VersioningConfiguration={"Status": "Suspended"}
    ),
    "s3-ownership": lambda client: client.delete_bucket_ownership_controls(Bucket=NAME),
    "s3-lifecycle": lambda client: client.delete_bucket_lifecycle(Bucket=NAME),
}


def beside(client: Any, local: bool = True, **more: Any) -> Audited:
    """An audit of what isn't in the database; a rule that asked it would fail."""
    return Audited(_NoDatabase(), AuditedDeclaration(), state={}, s3_buckets=(S3Bucket(client, NAME, local),), **more)  # type: ignore[arg-type]


class _NoDatabase:
    """In the place of a connection: transactions, and nothing in them."""

    def transaction(self) -> Any:
        from contextlib import nullcontext

        return nullcontext()


@pytest.mark.parametrize("rule", sorted(BREAKS))
def test_what_is_wrong_with_an_s3_bucket_is_reported(client, rule):
    assert apply(BY_ID[rule], beside(client)) == []
    BREAKS[rule](client)
    assert [finding.object for finding in apply(BY_ID[rule], beside(client))] == [f"S3 bucket {NAME}"]


def test_a_bucket_as_the_program_makes_it_is_clean(client):
    findings, skipped = look(beside(client), [BY_ID[rule] for rule in sorted(S3)])
    assert [finding for finding in findings if finding.severity > Severity.info] == []
    assert skipped == ()


def test_requests_that_are_logged_nowhere_matter_on_aws_only(client):
    for local, severity in ((True, Severity.info), (False, Severity.medium)):
        (finding,) = apply(BY_ID["s3-access-log"], beside(client, local))
        assert finding.severity is severity


def test_a_bucket_that_cannot_be_asked_is_not_called_clean(client):
    gone = Audited(
        _NoDatabase(), AuditedDeclaration(), state={}, s3_buckets=(S3Bucket(client, "no-such-bucket", True),)
    )  # type: ignore[arg-type]
    with pytest.raises(NotSeen, match="no-such-bucket"):
        apply(BY_ID["s3-versioning"], gone)


def test_every_rule_on_s3_is_broken_once():
    assert set(BREAKS) | {"s3-access-log"} == S3


def _allowing(**statement: Any) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", "Action": "sns:Publish", "Resource": "*", **statement}]})


TOPICS = {
    "sns-encryption": ("KmsMasterKeyId", "", "its messages aren't encrypted with a key of its own"),
    "sns-open": ("Policy", _allowing(Principal="*"), "its policy allows anybody sns:Publish"),
}


@pytest.fixture
def topic(moto) -> Iterator[Topic]:
    """A topic with a key, and the policy of a new one."""
    client = moto.client("sns")
    arn = client.create_topic(Name="audited", Attributes={"KmsMasterKeyId": "alias/aws/sns"})["TopicArn"]
    yield Topic(client, arn)
    client.delete_topic(TopicArn=arn)


def findings(rule: str, topic: Topic) -> list[tuple[str, str]]:
    audited = Audited(_NoDatabase(), AuditedDeclaration(), state={}, topics=(topic,))  # type: ignore[arg-type]
    return [(finding.object, finding.reason) for finding in apply(BY_ID[rule], audited)]


@pytest.mark.parametrize("rule", sorted(TOPICS))
def test_what_is_wrong_with_a_topic_is_reported(topic, rule):
    assert set(TOPICS) == SNS
    name, value, reason = TOPICS[rule]
    assert findings(rule, topic) == []
    topic.client.set_topic_attributes(TopicArn=topic.arn, AttributeName=name, AttributeValue=value)
    assert findings(rule, topic) == [("SNS topic audited", reason)]


@pytest.mark.parametrize(
    ("principal", "others"),
    [
        ({"AWS": "arn:aws:iam::123456789012:root"}, None),
        ({"AWS": "123456789012"}, None),
        ({"AWS": ["arn:aws:iam::123456789012:role/a", "999999999999"]}, "999999999999"),
        ({"AWS": "arn:aws:iam::999999999999:root"}, "arn:aws:iam::999999999999:root"),
        ({"AWS": "*"}, "anybody"),
    ],
)
def test_a_topic_is_its_account_s_own(topic, principal, others):
    policy = _allowing(Principal=principal)
    topic.client.set_topic_attributes(TopicArn=topic.arn, AttributeName="Policy", AttributeValue=policy)
    reasons = [reason for _, reason in findings("sns-open", topic)]
    assert reasons == ([f"its policy allows {others} sns:Publish"] if others else [])


def test_a_topic_that_cannot_be_asked_is_not_called_clean(topic):
    gone = Topic(topic.client, f"{topic.arn}-gone")
    with pytest.raises(NotSeen, match="SNS topic audited-gone: NotFound"):
        findings("sns-encryption", gone)


def _state(**properties: Any) -> dict[str, Any]:
    urn = "urn:pulumi:dev::database::pg:index:Role::roles-authjs"
    return {"deployment": {"resources": [{"urn": urn, "type": "pg:index:Role", "inputs": properties}]}}


MADE_UP = {
    "a SCRAM verifier": "SCRAM-SHA-256$4096:" + "c2FsdA==" + "$" + "a:b",
    "a URL with a password": "postgresql://somebody:" + "sesame" + "@host/database",
    "a private key": "-----BEGIN " + "PRIVATE KEY-----",
    "a signed token": ".".join(["eyJhbGciOiJI", "eyJzdWIiOiIx", "c2lnbmF0dXJlLXZhbHVl"]),
    "an AWS access key": "AKIA" + "ABCDEFGH12345678",
}


@pytest.mark.parametrize("what", MADE_UP)
def test_a_secret_in_clear_text_in_the_state_is_reported_by_its_place_and_not_shown(what):
    assert set(MADE_UP) == set(state_rules.SECRETS)
    audited = Audited(_NoDatabase(), AuditedDeclaration(), state=_state(nested={"list": ["fine", MADE_UP[what]]}))  # type: ignore[arg-type]
    (finding,) = apply(BY_ID["state-secret"], audited)
    assert finding.object == "state of roles-authjs"
    assert finding.reason == f"{what} lies in inputs.nested.list[1] in clear text"
    assert MADE_UP[what] not in str(finding)


def test_a_text_under_the_name_of_a_secret_is_reported_and_ciphertext_is_not():
    encrypted = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:x"}
    for properties, found in (({"secretKey": "x"}, 1), ({"secretKey": encrypted, "rotation": "1"}, 0)):
        audited = Audited(_NoDatabase(), AuditedDeclaration(), state=_state(**properties))  # type: ignore[arg-type]
        assert len(apply(BY_ID["state-secret"], audited)) == found


def test_an_old_password_is_reported_by_its_age():
    def password(days: int) -> dict[str, Any]:
        made = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        urn = "urn:pulumi:dev::database::vpb:index:Roles$pg:index:Password::roles-authjs-password"
        return {"deployment": {"resources": [{"urn": urn, "type": "pg:index:Password", "modified": made}]}}

    for days, found in ((89, []), (91, ["role authjs"])):
        audited = Audited(_NoDatabase(), AuditedDeclaration(), state=password(days))  # type: ignore[arg-type]
        assert [finding.object for finding in apply(BY_ID["password-old"], audited)] == found


def test_a_stack_file_with_a_secret_and_files_that_others_can_read_are_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(state_rules, "CHECKOUT", tmp_path)
    audited = Audited(_NoDatabase(), AuditedDeclaration(), stack="dev", state={})  # type: ignore[arg-type]
    settings = tmp_path / "Pulumi.dev.yaml"
    settings.write_text("config:\n  database:passwords: [2]\n")
    local = tmp_path / ".local"
    local.mkdir(mode=0o700)
    (local / "passphrase").touch(mode=0o600)
    assert apply(BY_ID["settings-secret"], audited) == []
    assert apply(BY_ID["files-readable"], audited) == []
    settings.write_text(f"config:\n  database:url: {MADE_UP['a URL with a password']}\n")
    (finding,) = apply(BY_ID["settings-secret"], audited)
    assert finding.reason == "line 2 holds a URL with a password in clear text"
    local.chmod(0o755)
    (local / "passphrase").chmod(0o644)
    assert [found.object for found in apply(BY_ID["files-readable"], audited)] == [".local", ".local/passphrase"]


@pytest.mark.parametrize("rule", sorted(BESIDE))
def test_without_a_stack_the_rules_beside_the_database_say_that_they_could_not_look(rule):
    with pytest.raises(NotSeen, match="no stack"):
        apply(BY_ID[rule], Audited(_NoDatabase(), AuditedDeclaration()))  # type: ignore[arg-type]


def test_a_rotation_that_nobody_finishes_is_reported_after_a_week():
    def passwords(**days: int) -> dict[str, Any]:
        found = []
        for login, age in days.items():
            made = (datetime.now(UTC) - timedelta(days=age)).isoformat()
            urn = f"urn:pulumi:dev::database::vpb:index:Roles$pg:index:Password::roles-{login}-password"
            found.append({"urn": urn, "type": "pg:index:Password", "created": made})
        return {"deployment": {"resources": found}}

    for state, found in (
        (passwords(authjs=80), []),
        (passwords(authjs=80, authjs_2=7), []),
        (passwords(authjs=80, authjs_2=8), ["role authjs"]),
        (passwords(authjs=8, authjs_2=80), ["role authjs"]),
    ):
        audited = Audited(_NoDatabase(), AuditedDeclaration(), state=state)  # type: ignore[arg-type]
        assert [finding.object for finding in apply(BY_ID["password-overlap"], audited)] == found
