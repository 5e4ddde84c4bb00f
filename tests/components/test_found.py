"""What a stack has at AWS already: found by name at a real moto, and taken over by the program."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from declared.awsnames import AwsNames, asked_tag
from harness.program import run
from targets import found
from targets.local import Local
from targets.target import AwsEndpoint
from tests.local.conftest import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY, MotoServer

NAMES = AwsNames("prod", ACCOUNT)
ALIAS, FILES = NAMES.alias("objects"), NAMES.bucket("objects")
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": {"AWS": "*"}}]})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MotoServer]:
    made = MotoServer(tmp_path / "state")
    made.start()
    yield made
    made.stop()


@contextmanager
def of_another_account(s3: Any) -> Iterator[Any]:
    """The client, as moto's owner of another account."""

    def add(request: Any, **_: Any) -> None:
        request.headers["x-moto-account-id"] = "999999999999"

    s3.meta.events.register("before-sign.s3", add)
    yield s3
    s3.meta.events.unregister("before-sign.s3", add)


def look(server: MotoServer, stack: str = "prod") -> found.Found:
    return found.look(AwsEndpoint(server.endpoint, ACCESS_KEY, SECRET_KEY), REGION, stack)


def make_bucket(s3: Any, bucket: str = FILES) -> None:
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})


def make_key(server: MotoServer, alias: str = ALIAS) -> str:
    kms = server.client("kms")
    key = str(kms.create_key()["KeyMetadata"]["KeyId"])
    if alias:
        kms.create_alias(AliasName=alias, TargetKeyId=key)
    return key


def test_nothing_is_found_where_nothing_is(server: MotoServer) -> None:
    make_bucket(server.client("s3"), "vpb-dev-objects")
    make_key(server, "alias/visual-prompt-builder-dev-objects")
    assert look(server) == found.Found(NAMES, {})


def test_keys_buckets_and_roles_are_found_by_the_stack_s_names(server: MotoServer) -> None:
    make_bucket(server.client("s3"))
    key, role = make_key(server), NAMES.of("api")
    server.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)
    assert look(server).ids == {ALIAS: key, FILES: FILES, role: role}
    assert look(server, "dev").ids == {}


def test_a_key_that_nobody_can_use_is_named_with_what_calls_it_back(server: MotoServer) -> None:
    key, kms = make_key(server), server.client("kms")
    kms.disable_key(KeyId=key)
    with pytest.raises(found.NotTakenOver, match=rf"is Disabled, .*`aws kms enable-key --key-id {key}`"):
        look(server)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    with pytest.raises(
        found.NotTakenOver, match=rf"is PendingDeletion, .*`aws kms cancel-key-deletion --key-id {key}`"
    ):
        look(server)


def test_a_bucket_whose_key_has_no_alias_gets_no_second_key(server: MotoServer) -> None:
    make_bucket(server.client("s3"))
    key = make_key(server, "")
    default = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    server.client("s3").put_bucket_encryption(Bucket=FILES, ServerSideEncryptionConfiguration={"Rules": [default]})
    with pytest.raises(found.NotTakenOver, match=f"--alias-name {ALIAS} --target-key-id {key}") as caught:
        look(server)
    assert "\n" not in str(caught.value)
    server.client("kms").create_alias(AliasName=ALIAS, TargetKeyId=key)
    assert look(server).ids == {ALIAS: key, FILES: FILES}


@pytest.mark.parametrize("opened", [False, True])
def test_a_bucket_of_a_stranger_is_not_taken_over_even_where_it_lets_us_in(server: MotoServer, opened: bool) -> None:
    with of_another_account(server.client("s3")) as theirs:
        make_bucket(theirs)
        if opened:
            policy = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{FILES}"}
            theirs.put_bucket_policy(Bucket=FILES, Policy=json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
    if opened:
        server.client("s3").head_bucket(Bucket=FILES)
    with pytest.raises(found.NotTakenOver, match=f"S3 bucket {FILES} is there and isn't for this login of account"):
        look(server)


def test_a_stack_does_not_leave_its_files_behind_in_another_region(server: MotoServer) -> None:
    make_bucket(server.client("s3"))
    make_key(server)
    with pytest.raises(found.NotTakenOver, match=rf"{FILES} is in {REGION}, and database:region is us-east-1: "):
        found.look(AwsEndpoint(server.endpoint, ACCESS_KEY, SECRET_KEY), "us-east-1", "prod")


def test_who_was_asked_to_hear_alarms_and_who_does_is_known_from_the_topic(server: MotoServer) -> None:
    sns, address = server.client("sns"), "ops@example.org"
    tags = [{"Key": asked_tag(address), "Value": "yes"}, {"Key": "Stack", "Value": "prod"}]
    topic = sns.create_topic(Name=NAMES.of("alarms"), Tags=tags)["TopicArn"]
    heard = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address, ReturnSubscriptionArn=True)
    sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+4912345678", ReturnSubscriptionArn=True)
    there = look(server)
    assert (there.silent(address), there.silent("new@example.org")) == (False, False)
    assert there.subscribed == {address}
    # What AWS does with a link that nobody follows, and a recipient with one that ends it.
    sns.unsubscribe(SubscriptionArn=heard["SubscriptionArn"])
    there = look(server)
    assert (there.silent(address), there.silent("new@example.org")) == (True, False)


def test_where_aws_does_not_answer_one_line_says_so() -> None:
    with pytest.raises(found.NotTakenOver, match=r"^stack prod: AWS can't be asked what is there: ") as caught:
        found.look(AwsEndpoint("http://127.0.0.1:1", "a", "b"), REGION, "prod")
    assert "\n" not in str(caught.value)


def test_the_program_takes_over_what_is_there_by_its_id() -> None:
    """All of it is named by the stack alone: what isn't found is refused by AWS as there already, and not doubled."""
    dev = AwsNames("dev", ACCOUNT)
    there = {dev.alias("objects"): "key-1", dev.alias("alarms"): "key-2", dev.bucket("objects"): dev.bucket("objects")}
    there |= {dev.of(role): dev.of(role) for role in ("server", "api", "scanner", "cleaner")}
    with mock.patch.object(Local, "disposable", False):
        program = run(access=False, there=found.Found(dev, there))
    taken = {each.name: each.taken_over for each in program.resources.values() if each.taken_over}
    assert taken == {
        "storage-objects-key": "key-1",
        "storage-objects-alias": dev.alias("objects"),
        "alarms-key": "key-2",
        "alarms-alias": dev.alias("alarms"),
        "storage-objects-files-bucket": dev.bucket("objects"),
        **{f"storage-access-{role}": dev.of(role) for role in ("server", "api", "scanner", "cleaner")},
    }
    for role in program.of_type("aws:iam/rolePolicy:RolePolicy"):
        assert role.inputs["name"] == "rights", "another name would leave the old rights beside the new"
    for name in ("storage-cdn-access", "storage-cdn-keys"):
        assert program.resources[name].inputs["name"] == dev.of("cdn")
