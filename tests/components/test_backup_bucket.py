"""The bucket for backups: as the program declares it, put to a real moto, where its writer and its reader come in."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config

from declared.awsnames import AwsNames
from declared.backups import DIMENSION, METRIC, NAMESPACE
from harness.program import Program, run
from ops.backups import promise
from ops.backups.declared import Declared
from ops.backups.errors import BackupError
from ops.backups.manifest import SUMMARY
from tests.components.test_storage import BACKUPS, inputs, kept, run_lasting
from tests.local.conftest import ACCOUNT, REGION, MotoServer, code

BUCKET = "backups-bucket-bucket"
ANYBODY = json.dumps(
    {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}
)
HELD = {"backups-key", "backups-alias", BUCKET}


@pytest.fixture(scope="module")
def declared() -> Program:
    return run(access=False, backups=BACKUPS)


def test_the_object_store_has_what_backups_name_as_long_as_the_longest_is_kept(declared):
    rules = {rule["id"]: rule for rule in inputs(declared, "storage-objects-files-lifecycle")["rules"]}
    for name in ("old-versions", "retention-exports"):
        assert rules[name]["noncurrentVersionExpiration"] == {"noncurrentDays": 372}


def test_nothing_of_it_is_there_where_nothing_is_declared(program):
    assert [name for name in program.resources if name.startswith("backups")] == []
    assert not {"backup_bucket", "backup_roles"} & program.outputs.keys()


def test_it_is_private_locked_and_encrypted_with_its_own_key_and_ends(declared):
    assert inputs(declared, BUCKET)["bucket"] == AwsNames("dev", ACCOUNT).bucket("backups")
    assert inputs(declared, BUCKET)["objectLockEnabled"] is True
    assert inputs(declared, "backups-bucket-lock")["rule"] == {"defaultRetention": {"mode": "GOVERNANCE", "days": 7}}
    assert inputs(declared, "backups-bucket-versions")["versioningConfiguration"] == {"status": "Enabled"}
    (rule,) = inputs(declared, "backups-bucket-encrypted")["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"].endswith(":backups-key")
    assert inputs(declared, "backups-bucket-owner")["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    assert all(inputs(declared, "backups-bucket-private")[each] for each in ("blockPublicPolicy", "blockPublicAcls"))
    rules = {rule["id"]: rule for rule in inputs(declared, "backups-bucket-lifecycle")["rules"]}
    ends = {name: rules[name]["expiration"]["days"] for name in ("daily", "weekly", "monthly")}
    assert ends == {"daily": 7, "weekly": 35, "monthly": 372}
    assert "transitions" not in rules["daily"]
    overwritten = [rule.get("noncurrentVersionExpiration") for rule in rules.values()]
    assert [each for each in overwritten if each] == [{"noncurrentDays": 30}], "not gone before somebody has looked"
    assert rules["monthly"]["transitions"] == [
        {"storageClass": "STANDARD_IA", "days": 30},
        {"storageClass": "GLACIER_IR", "days": 90},
    ]
    assert {rule["filter"]["prefix"] for rule in rules.values()} == {"", "daily/", "weekly/", "monthly/", "wal/"}
    assert rules["wal"]["expiration"]["days"] == 7, "as long as the backups that go first"
    assert declared.outputs["backup_bucket"] == f"{BUCKET}-id"


def test_what_was_made_of_a_class_that_is_declared_no_more_ends_with_the_longest_of_the_others():
    fewer = run(access=False, backups=BACKUPS | {"retention": {"daily": 10, "weekly": 3}})
    rules = {rule["id"]: rule for rule in inputs(fewer, "backups-bucket-lifecycle")["rules"]}
    ends = {name: rules[name]["expiration"]["days"] for name in ("daily", "weekly", "monthly")}
    assert ends == {"daily": 10, "weekly": 21, "monthly": 21}


def test_the_topic_hears_of_it_where_no_backup_was_made_for_as_long_as_may_be_lost(declared):
    alarm = inputs(declared, "backups-alarm")
    assert (alarm["period"], alarm["evaluationPeriods"], alarm["datapointsToAlarm"]) == (3600, 24, 24)
    assert (alarm["treatMissingData"], alarm["threshold"]) == ("breaching", 24)
    assert alarm["alarmActions"] == alarm["okActions"] == [f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms-topic"]
    assert alarm["dimensions"] == {"Stack": "dev"}


def test_it_outlives_the_stack_and_its_end_is_refused_where_data_lasts(declared):
    for each in HELD:
        assert declared.resources[each].retain
    assert kept(run_lasting(backups=BACKUPS)) >= HELD


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, declared: Program) -> Iterator[MotoServer]:
    """A server with the bucket, its policy and its lock, and the two roles."""
    made = MotoServer(tmp_path_factory.mktemp("moto") / "state")
    made.start()
    s3, iam = made.client("s3"), made.client("iam")
    s3.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}, ObjectLockEnabledForBucket=True
    )
    rule = inputs(declared, "backups-bucket-lock")["rule"]["defaultRetention"]
    s3.put_object_lock_configuration(
        Bucket=BUCKET,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": rule["mode"], "Days": int(rule["days"])}},
        },
    )
    text = json.dumps(inputs(declared, "backups-bucket-tls")["policy"])
    for role in ("backup", "drill"):
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=ANYBODY)["Role"]["Arn"]
        text = text.replace(f"arn:aws:iam:us-east-1:{ACCOUNT}:backups-{role}", arn)
        # Were it let do anything, the bucket's policy would still hold.
        iam.put_role_policy(
            RoleName=role,
            PolicyName="all",
            PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
            ),
        )
    s3.put_bucket_policy(Bucket=BUCKET, Policy=text)
    yield made
    made.stop()


def taken(server: MotoServer, role: str) -> Any:
    """The client of who has taken a role."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    key = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return boto3.client(
        "s3",
        region_name=REGION,
        endpoint_url=server.endpoint,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["SessionToken"],
        config=Config(s3={"addressing_style": "path"}),
    )


def test_its_writer_adds_and_lists_and_does_nothing_else(server):
    s3, owner = taken(server, "backup"), server.client("s3")
    assert code(s3.put_object, Bucket=BUCKET, Key="daily/a/one", Body=b"x") == "ok"
    assert code(s3.list_objects_v2, Bucket=BUCKET) == "ok"
    version = owner.head_object(Bucket=BUCKET, Key="daily/a/one")["VersionId"]
    one = {"Bucket": BUCKET, "Key": "daily/a/one"}
    retention = {"Mode": "GOVERNANCE", "RetainUntilDate": datetime(2020, 1, 1, tzinfo=UTC)}
    denied = {
        "read": (s3.get_object, one),
        "delete": (s3.delete_object, one),
        "delete a version": (s3.delete_object, {**one, "VersionId": version}),
        "bypass": (s3.delete_object, {**one, "VersionId": version, "BypassGovernanceRetention": True}),
        "shorten": (s3.put_object_retention, {**one, "Retention": retention, "BypassGovernanceRetention": True}),
        "open": (s3.delete_bucket_policy, {"Bucket": BUCKET}),
        "unlock": (s3.put_bucket_versioning, {"Bucket": BUCKET, "VersioningConfiguration": {"Status": "Suspended"}}),
    }
    assert {name: code(call, **given) for name, (call, given) in denied.items()} == dict.fromkeys(
        denied, "AccessDenied"
    )
    assert code(owner.delete_object, **one, VersionId=version) == "AccessDenied", "the lock holds for the owner too"


def test_the_drill_reads_and_lists_and_does_nothing_else(server):
    s3, owner = taken(server, "drill"), server.client("s3")
    owner.put_object(Bucket=BUCKET, Key="daily/b/two", Body=b"x")
    two = {"Bucket": BUCKET, "Key": "daily/b/two"}
    assert (code(s3.get_object, **two), code(s3.list_objects_v2, Bucket=BUCKET)) == ("ok", "ok")
    assert code(s3.put_object, **two, Body=b"y") == "AccessDenied"
    assert code(s3.delete_object, **two) == "AccessDenied"


def test_the_alarm_s_measure_is_the_age_of_the_newest_complete_backup(server):
    place = Declared(taken(server, "backup"), BUCKET, {"daily": 7})
    now = datetime.now(UTC)
    id = f"{now - timedelta(hours=2):%Y%m%dT%H%M%SZ}-0000000a"
    write(place, id)
    write(place, f"{now:%Y%m%dT%H%M%SZ}-0000000b", complete=False)
    made = SimpleNamespace(id=id, taken_at=now.isoformat())
    promise.tell(SimpleNamespace(stack="prod", client=server.client), made, place)
    (said,) = server.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=METRIC,
        Dimensions=[{"Name": DIMENSION, "Value": "prod"}],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(hours=1),
        Period=3600,
        Statistics=["Minimum"],
    )["Datapoints"]
    assert said["Minimum"] == pytest.approx(2, abs=0.05)
    closed = SimpleNamespace(
        stack="prod", client=lambda service: boto3.client(service, "x", endpoint_url="http://127.0.0.1:9")
    )
    with pytest.raises(BackupError, match=f"backup {id} is complete, and its alarm can't be told: AWS: "):
        promise.tell(closed, made, place)


def write(place: Declared, id: str, complete: bool = True) -> None:
    for name in ("data", SUMMARY) if complete else ("data",):
        with place.create(f"{id}/{name}") as out:
            out.write(b"x")


def test_a_backup_is_of_the_class_with_the_longest_period_that_has_none_yet(server):
    days = {"daily": 7, "weekly": 35, "monthly": 372}

    def place(role: str = "backup") -> Declared:
        return Declared(taken(server, role), BUCKET, days)

    ids = {
        "20260302T030000Z-00000001": ("monthly", True),
        "20260303T030000Z-00000002": ("weekly", False),
        "20260304T030000Z-00000003": ("weekly", True),
        "20260305T030000Z-00000004": ("daily", True),
        "20260309T030000Z-00000005": ("weekly", True),
        "20260310T030000Z-00000006": ("daily", True),
        "20260401T030000Z-00000007": ("monthly", True),
    }
    for id, (_, complete) in ids.items():
        write(place(), id, complete)
    found = place("drill")
    assert {id: found._of[id] for id in found.backups() if id in ids} == {id: kind for id, (kind, _) in ids.items()}
    assert [id for id in ids if not found.has(f"{id}/{SUMMARY}")] == ["20260303T030000Z-00000002"]
    with found.open("20260309T030000Z-00000005/data") as data:
        assert data.read() == b"x"
    # Of physical ones the month has none yet; WAL has no class.
    physical = place()
    with physical.create("20260306T030000Z-00000009/base-000001.age") as out:
        out.write(b"x")
    assert physical._of["20260306T030000Z-00000009"] == "monthly"
    with place().create("wal/7/000000010000000000000001-0.age") as out:
        out.write(b"x")
    assert list(place().names("wal/7")) == ["000000010000000000000001-0.age"]
    assert place().has("wal/7/000000010000000000000001-0.age")
    with place("drill").open("wal/7/000000010000000000000001-0.age") as data:
        assert data.read() == b"x"
    place().discard("wal/7/000000010000000000000001-0.age")
    assert list(place().names("wal")) != [], "it goes by its rule alone"
    one = Declared(taken(server, "backup"), BUCKET, {"daily": 30})
    write(one, "20260601T030000Z-00000008")
    assert one._of == {"20260601T030000Z-00000008": "daily"}
    one = Declared(taken(server, "drill"), BUCKET, {"daily": 30})
    assert ids.keys() <= one.backups().keys(), "those of classes too that are declared no more"
    with one.open("20260401T030000Z-00000007/data") as data:
        assert data.read() == b"x"
