"""The stand-in for the aws plugin, against a real moto server: what the engine would ask, and what boto3 then sees."""

import ast
import asyncio
import functools
import importlib.util
import json
import keyword
import os
import re
import subprocess
import sys
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import boto3
import grpc
import pytest
from google.protobuf import empty_pb2

from local.ports import free_port
from local.standins.aws.cloud import HONOURED
from local.standins.aws.provider import SERVICES, AwsPlugin
from local.standins.aws.resource import AwsKind
from local.standins.aws.shapes import Block, JsonText, ListOf
from plugin.proto import provider_pb2, provider_pb2_grpc
from plugin.server import Context, Diff, PluginError, top
from plugin.wire import UNKNOWN, decode, encode
from tests.local.conftest import MotoServer
from tests.standins.awscases import CASES as OTHERS
from tests.standins.awscases import Case, World

ROOT = Path(__file__).parents[2]
CLIENTS = ("sts", *sorted({kind.service for service in SERVICES for kind in service.KINDS}))
TAGGED = sorted(kind.token.rpartition(":")[2] for service in SERVICES for kind in service.KINDS if kind.tagged)
T = TypeVar("T")
Values = dict[str, Any]


@pytest.fixture(scope="module")
def moto_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of this module's own, which knows no keys."""
    server = MotoServer(tmp_path_factory.mktemp("moto") / "state", verified=False)
    server.start()
    yield server.endpoint
    server.stop()


def configuration(endpoint: str, **more: Any) -> Values:
    return {
        "region": "us-east-1",
        "accessKey": "AKIATEST",
        "secretKey": "made-up-secret",
        "endpoints": [dict.fromkeys(CLIENTS, endpoint)],
        "s3UsePathStyle": True,
        "skipCredentialsValidation": True,
        "skipMetadataApiCheck": True,
        "skipRegionValidation": True,
        "skipRequestingAccountId": True,
        **more,
    }


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


@pytest.fixture(scope="module")
def plugin(moto_endpoint: str) -> AwsPlugin:
    made = AwsPlugin()
    run(made.configure(configuration(moto_endpoint)))
    return made


@pytest.fixture(scope="module")
def world(moto_endpoint: str) -> World:
    """Somebody with boto3 clients of their own."""
    return World(moto_endpoint)


@pytest.fixture(scope="module")
def s3(world: World) -> Any:
    return world.client("s3")


_numbers = count()


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    """A bucket that somebody else made; its lock can be chosen then alone."""
    name = f"given-{os.getpid()}-{next(_numbers)}"
    s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket="BucketObjectLockConfiguration" in request.node.name)
    return name


async def _silent(urn: str, message: str, ephemeral: bool) -> None:
    return None


@dataclass
class Engine:
    """What the engine does with one resource."""

    kind: AwsKind
    name: str = "thing"
    inputs: Values = field(default_factory=dict)
    state: Values = field(default_factory=dict)
    id: str = ""

    @property
    def context(self) -> Context:
        return Context(f"urn:pulumi:dev::project::{self.kind.token}::{self.name}", _silent)

    def check(self, inputs: Values) -> tuple[Values, list[str]]:
        checked, failures = run(self.kind.check(self.context, self.inputs, dict(inputs)))
        return checked, [f"{failure.property} {failure.reason}" for failure in failures]

    def create(self, inputs: Values) -> "Engine":
        self.inputs, failures = self.check(inputs)
        assert failures == []
        self.id, self.state = run(self.kind.create(self.context, self.inputs, False))
        return self

    def diff(self, inputs: Values | None = None) -> Diff:
        wanted = self.inputs if inputs is None else self.check(inputs)[0]
        return run(self.kind.diff(self.context, self.id, self.state, wanted))

    def refresh(self) -> bool:
        found = run(self.kind.read(self.context, self.id, self.state, self.inputs))
        if found is None:
            return False
        self.id, self.state = found.id, found.state
        return True

    def import_(self, id: str) -> "Engine":
        found = run(self.kind.read(self.context, id, {}, {}))
        assert found is not None
        self.id, self.state = found.id, found.state
        self.inputs, failures = self.check(found.inputs)
        assert failures == []
        return self

    def update(self, inputs: Values | None = None) -> None:
        self.inputs = self.inputs if inputs is None else self.check(inputs)[0]
        self.state = run(self.kind.update(self.context, self.id, self.state, self.inputs, False))

    def delete(self) -> None:
        run(self.kind.delete(self.context, self.id, self.state))


def kind(plugin: AwsPlugin, name: str) -> AwsKind:
    (found,) = [each for token, each in plugin.kinds.items() if token.endswith(f":{name}")]
    assert isinstance(found, AwsKind)
    return found


# Arguments of one bucket setting, what somebody changes manually, and the property where that shows.


def statement(*actions: str) -> Values:
    principal = {"AWS": "arn:aws:iam::123456789012:root"}
    resource = "arn:aws:s3:::given-*/*"
    return {"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": [resource]}


def policy(*actions: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement(*actions)]}, indent=4)


LOGS = "logs-of-the-others"
RULES = [
    {
        "id": "old",
        "status": "Enabled",
        "filter": {"and": {"prefix": "audio/", "objectSizeGreaterThan": 10, "tags": {"keep": "no"}}},
        "expiration": {"days": 90},
        "noncurrentVersionExpiration": {"noncurrentDays": 5, "newerNoncurrentVersions": 2},
        "noncurrentVersionTransitions": [{"noncurrentDays": 30, "storageClass": "GLACIER"}],
        "transitions": [
            {"days": 60, "storageClass": "GLACIER"},
            {"days": 30, "storageClass": "STANDARD_IA"},
        ],
    },
    {"id": "uploads", "status": "Enabled", "abortIncompleteMultipartUpload": {"daysAfterInitiation": 3}},
    {"id": "end", "status": "Disabled", "prefix": "tmp/", "expiration": {"date": "2030-01-31T01:00:00+01:00"}},
    {"id": "large", "status": "Enabled", "filter": {"objectSizeGreaterThan": 5}, "expiration": {"days": 9}},
]

BUCKET_CASES = {
    "Bucket": Case(
        {"tags": {"b": "2", "a": "1"}, "forceDestroy": True},
        lambda s3, name, state: s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": "b", "Value": "3"}]}),
        "tags",
        forgotten=frozenset({"forceDestroy"}),
    ),
    "BucketVersioning": Case(
        {"versioningConfiguration": {"status": "Enabled", "mfaDelete": "Disabled"}},
        lambda s3, name, state: s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"}),
        "versioningConfiguration",
        lambda state: state["versioningConfiguration"]["status"] == "Suspended",
        forgotten=frozenset({"versioningConfiguration.mfaDelete"}),
    ),
    "BucketServerSideEncryptionConfiguration": Case(
        {
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": "k"},
                    "bucketKeyEnabled": True,
                }
            ]
        },
        lambda s3, name, state: s3.put_bucket_encryption(
            Bucket=name,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        ),
        "rules",
    ),
    "BucketPublicAccessBlock": Case(
        {"blockPublicAcls": True, "blockPublicPolicy": True, "restrictPublicBuckets": False},
        lambda s3, name, state: s3.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration={"BlockPublicPolicy": False, "BlockPublicAcls": True}
        ),
        "blockPublicPolicy",
    ),
    "BucketOwnershipControls": Case(
        {"rule": {"objectOwnership": "BucketOwnerEnforced"}},
        lambda s3, name, state: s3.put_bucket_ownership_controls(
            Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
        ),
        "rule",
    ),
    "BucketPolicy": Case(
        {"policy": policy("s3:PutObject", "s3:GetObject")},
        lambda s3, name, state: s3.put_bucket_policy(Bucket=name, Policy=policy("s3:GetObject")),
        "policy",
    ),
    "BucketLifecycleConfiguration": Case(
        {"rules": RULES, "transitionDefaultMinimumObjectSize": "all_storage_classes_128K"},
        lambda s3, name, state: s3.put_bucket_lifecycle_configuration(
            Bucket=name,
            LifecycleConfiguration={
                "Rules": [{"ID": "old", "Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}]
            },
        ),
        "rules",
    ),
    "BucketCorsConfiguration": Case(
        {
            "corsRules": [
                {"allowedMethods": ["GET"], "allowedOrigins": ["*"]},
                {
                    "id": "app",
                    "allowedMethods": ["PUT", "GET"],
                    "allowedOrigins": ["https://b.example", "https://a.example"],
                    "allowedHeaders": ["*"],
                    "exposeHeaders": ["ETag"],
                    "maxAgeSeconds": 60,
                },
            ]
        },
        lambda s3, name, state: s3.put_bucket_cors(
            Bucket=name,
            CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://evil"]}]},
        ),
        "corsRules",
    ),
    "BucketObjectLockConfiguration": Case(
        {"rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 7}}},
        lambda s3, name, state: s3.put_object_lock_configuration(
            Bucket=name,
            ObjectLockConfiguration={
                "ObjectLockEnabled": "Enabled",
                "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 1}},
            },
        ),
        "rule",
    ),
    "BucketLogging": Case(
        {
            "targetBucket": LOGS,
            "targetPrefix": "s3/",
            "targetObjectKeyFormat": {"partitionedPrefix": {"partitionDateSource": "EventTime"}},
            "targetGrants": [
                {
                    "grantee": {"type": "Group", "uri": "http://acs.amazonaws.com/groups/s3/LogDelivery"},
                    "permission": "READ",
                }
            ],
        },
        lambda s3, name, state: s3.put_bucket_logging(
            Bucket=name,
            BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": LOGS, "TargetPrefix": "else/"}},
        ),
        "targetPrefix",
        forgotten=frozenset({"targetObjectKeyFormat.partitionedPrefix.partitionDateSource"}),
    ),
}
CASES = {**BUCKET_CASES, **OTHERS}


@pytest.fixture(scope="module", autouse=True)
def log_bucket(moto_endpoint: str) -> None:
    client = boto3.client(
        "s3", endpoint_url=moto_endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    client.create_bucket(Bucket=LOGS, ObjectOwnership="ObjectWriter")
    client.put_bucket_acl(Bucket=LOGS, ACL="log-delivery-write")


def arguments(name: str, bucket: str, world: World | None = None) -> Values:
    given = CASES[name].inputs
    if callable(given):
        assert world is not None
        given = given(world)
    inputs: Values = json.loads(json.dumps(given))
    return {"bucket": bucket, **inputs} if name in BUCKET_CASES and name != "Bucket" else inputs


@pytest.fixture(params=sorted(CASES))
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_type_has_a_case(plugin: AwsPlugin) -> None:
    assert {token.rsplit(":", 1)[1] for token in plugin.kinds} == set(CASES)


def test_a_resource_is_kept_from_its_making_to_its_end(plugin: AwsPlugin, world: World, bucket: str, case: str) -> None:
    described = CASES[case]
    engine = Engine(kind(plugin, case)).create(arguments(case, bucket, world))
    assert described.known_by is None or engine.id == engine.state[described.known_by]
    assert engine.diff().changes == {}, "a new resource is as declared"
    made = dict(engine.state)
    assert engine.refresh()
    assert engine.diff().changes == {}, "reading changes nothing"
    assert engine.state == made, "create and read give the same outputs"

    described.manual(world.client(described.service), engine.id, engine.state)
    if described.ends:
        assert not engine.refresh()
        return
    assert engine.refresh()
    changes = engine.diff().changes
    assert any(top(path) == described.shows for path in changes), changes
    assert not engine.diff().replaces

    engine.update()
    assert engine.refresh()
    assert engine.diff().changes == {}, "the update repaired it"

    engine.delete()
    gone = described.after_delete
    assert engine.refresh() is (gone is not None)
    assert gone is None or gone(engine.state)
    engine.delete()


def test_a_resource_is_imported_by_its_id_alone(plugin: AwsPlugin, world: World, bucket: str, case: str) -> None:
    described, inputs = CASES[case], arguments(case, bucket, world)
    declared = Engine(kind(plugin, case)).create(inputs)
    imported = Engine(kind(plugin, case)).import_(declared.id)
    assert imported.diff().changes == {}
    assert imported.id == declared.id
    assert imported.diff(declared.inputs).changes.keys() == described.forgotten
    if described.replaces:
        assert imported.diff({**declared.inputs, described.replaces: "another-one"}).replaces == [described.replaces]


def test_the_inputs_of_a_refresh_are_the_recorded_ones_until_something_drifts(
    plugin: AwsPlugin, world: World, bucket: str, case: str
) -> None:
    described = CASES[case]
    engine = Engine(kind(plugin, case)).create(arguments(case, bucket, world))
    found = run(engine.kind.read(engine.context, engine.id, engine.state, engine.inputs))
    assert found is not None
    assert found.inputs == engine.inputs
    described.manual(world.client(described.service), engine.id, engine.state)
    found = run(engine.kind.read(engine.context, engine.id, engine.state, engine.inputs))
    assert (found is None) is described.ends
    assert found is None or found.inputs != engine.inputs


@pytest.mark.parametrize("case", sorted(BUCKET_CASES))
def test_a_setting_of_a_bucket_that_is_gone_is_gone(plugin: AwsPlugin, s3: Any, bucket: str, case: str) -> None:
    engine = Engine(kind(plugin, case)).create(arguments(case, bucket))
    s3.delete_bucket(Bucket=engine.id)
    assert not engine.refresh()
    engine.delete()


def test_a_preview_touches_nothing(plugin: AwsPlugin, world: World, case: str) -> None:
    engine = Engine(kind(plugin, case))
    inputs, failures = engine.check(arguments(case, "never-made", world))
    assert failures == []
    id, state = run(engine.kind.create(engine.context, inputs, True))
    assert id == ""
    assert state.items() >= inputs.items()
    assert all(state[name] is UNKNOWN for name in engine.kind.outputs)
    assert "never-made" not in {entry["Name"] for entry in world.client("s3").list_buckets()["Buckets"]}


def test_unknown_arguments_pass_the_check_and_count_as_a_change(
    plugin: AwsPlugin, world: World, bucket: str, case: str
) -> None:
    described, inputs = CASES[case], arguments(case, bucket, world)
    name = described.shows
    engine = Engine(kind(plugin, case)).create(inputs)
    assert engine.check({**inputs, name: UNKNOWN})[1] == []
    assert name in {top(path) for path in engine.diff({**inputs, name: UNKNOWN}).changes}
    if described.replaces:
        assert engine.diff({**inputs, described.replaces: UNKNOWN}).replaces == [described.replaces]
    planned = run(engine.kind.update(engine.context, engine.id, engine.state, engine.inputs, True))
    given = {name: engine.state[name] for name in engine.state.keys() - engine.kind.inputs.fields.keys()}
    assert planned.items() >= {**engine.inputs, **given}.items()


@pytest.mark.parametrize("case", TAGGED)
def test_a_tag_is_added_changed_and_taken_away(plugin: AwsPlugin, world: World, bucket: str, case: str) -> None:
    inputs = arguments(case, bucket, world)
    engine = Engine(kind(plugin, case)).create({**inputs, "tags": {"a": "1", "b": "1"}})
    engine.update({**inputs, "tags": {"b": "2", "c": "3"}})
    assert engine.refresh()
    assert engine.state["tags"] == {"b": "2", "c": "3"}
    assert engine.diff().changes == {}


# The types against the installed SDK.


@dataclass(frozen=True)
class SdkClass:
    """An args class: Pulumi's name of each argument, whether it's required, and the class of its values."""

    required: dict[str, bool]
    nested: dict[str, str]


def sdk_file(*parts: str) -> ast.Module:
    spec = importlib.util.find_spec("pulumi_aws")
    assert spec is not None
    assert spec.origin is not None
    return ast.parse(Path(spec.origin).parent.joinpath(*parts).read_text())


def classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def getters(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for method in node.body:
        marks = method.decorator_list if isinstance(method, ast.FunctionDef) else []
        for mark in marks:
            if ast.unparse(mark).startswith("pulumi.getter"):
                assert isinstance(method, ast.FunctionDef)
                renamed = re.search(r"name='(\w+)'", ast.unparse(mark))
                found[method.name] = renamed[1] if renamed else method.name
    return found


def sdk_class(node: ast.ClassDef) -> SdkClass:
    names = getters(node)
    start = next(item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
    pairs = list(zip(start.args.kwonlyargs, start.args.kw_defaults, strict=True))
    hints = {names[item.arg]: re.search(r"'(\w+Args)'", ast.unparse(item.annotation or item)) for item, _ in pairs}
    return SdkClass(
        {names[item.arg]: default is None for item, default in pairs},
        {name: hint[1] for name, hint in hints.items() if hint},
    )


@functools.cache
def sdk_nested(folder: str) -> dict[str, ast.ClassDef]:
    return classes(sdk_file(folder, "_inputs.py"))


def sdk_resource(folder: str, name: str) -> tuple[SdkClass, set[str]]:
    found = classes(sdk_file(folder, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() + ".py"))
    arguments = next(node for label, node in found.items() if label.endswith("Args") and label.startswith(name))
    return sdk_class(arguments), set(getters(found[name]).values())


def assert_block(block: Block, sdk: SdkClass, nested: dict[str, ast.ClassDef], path: str) -> None:
    assert block.fields.keys() | block.refused.keys() == sdk.required.keys(), path
    assert not block.fields.keys() & block.refused.keys(), path
    for name, item in block.fields.items():
        assert item.required == sdk.required[name], f"{path}.{name}"
        shape = item.shape.item if isinstance(item.shape, ListOf) else item.shape
        known = name in sdk.nested and not isinstance(shape, JsonText)
        assert isinstance(shape, Block) == known, f"{path}.{name}"
        if isinstance(shape, Block):
            assert_block(shape, sdk_class(nested[sdk.nested[name]]), nested, f"{path}.{name}")


def folder(declared: AwsKind) -> str:
    """Where the SDK has a type: between the colon and the slash of its token, but for a word of Python's."""
    found = declared.token.split(":")[1].split("/")[0]
    return f"{found}_" if keyword.iskeyword(found) else found


def test_the_arguments_of_a_type_are_those_of_the_sdk(plugin: AwsPlugin, case: str) -> None:
    declared = kind(plugin, case)
    sdk, _ = sdk_resource(folder(declared), case)
    assert_block(declared.inputs, sdk, sdk_nested(folder(declared)), case)


def test_the_outputs_of_a_type_are_those_of_the_sdk(plugin: AwsPlugin, case: str) -> None:
    declared = kind(plugin, case)
    _, outputs = sdk_resource(folder(declared), case)
    given = declared.inputs.fields.keys() | declared.outputs.keys() | ({"tagsAll"} if declared.tagged else set())
    assert given | declared.refused.keys() | declared.withheld == outputs
    assert not given & (declared.refused.keys() | declared.withheld)


def test_the_outputs_that_a_type_declares_are_given(plugin: AwsPlugin, world: World, bucket: str, case: str) -> None:
    declared = kind(plugin, case)
    state = Engine(declared).create(arguments(case, bucket, world)).state
    assert declared.outputs.keys() <= state.keys()
    assert state.keys() <= declared.inputs.fields.keys() | declared.outputs.keys() | {"tagsAll"}
    assert state.get("region") == ("us-east-1" if declared.regional else None)


def test_the_arguments_of_the_provider_exist_in_the_sdk() -> None:
    names = set(getters(classes(sdk_file("provider.py"))["ProviderArgs"]).values())
    assert names >= HONOURED - {"version", "pluginDownloadURL"}


# Refusals.


def test_credentials_of_another_account_than_the_allowed_ones_are_refused(moto_endpoint: str) -> None:
    plugin = AwsPlugin()
    run(plugin.configure(configuration(moto_endpoint, allowedAccountIds='["123456789012"]')))
    with pytest.raises(PluginError, match="AWS account ID not allowed: 123456789012; there are 210987654321"):
        run(plugin.configure(configuration(moto_endpoint, allowedAccountIds='["210987654321"]')))


def test_a_property_that_nobody_knows_is_refused(plugin: AwsPlugin, world: World, bucket: str, case: str) -> None:
    _, failures = Engine(kind(plugin, case)).check({**arguments(case, bucket, world), "colour": "red"})
    known = sorted(kind(plugin, case).inputs.fields)
    assert failures == [f"colour is not a property; there are {', '.join(known)}"]


def test_a_nested_property_that_nobody_knows_is_refused(plugin: AwsPlugin) -> None:
    engine = Engine(kind(plugin, "BucketLifecycleConfiguration"))
    rules = [{"id": "a", "status": "Enabled", "filter": {"and": {"suffix": "x"}}}]
    assert engine.check({"bucket": "b", "rules": rules})[1] == [
        "rules[0].filter.and.suffix is not a property; "
        "there are objectSizeGreaterThan, objectSizeLessThan, prefix, tags"
    ]


@pytest.mark.parametrize(
    ("argument", "instead"),
    [
        ("acl", "BucketAcl"),
        ("versioning", "BucketVersioning"),
        ("policy", "BucketPolicy"),
        ("lifecycleRules", "BucketLifecycleConfiguration"),
        ("serverSideEncryptionConfiguration", "BucketServerSideEncryptionConfiguration"),
    ],
)
def test_an_inline_argument_of_a_bucket_is_refused_with_the_type_to_use(
    plugin: AwsPlugin, argument: str, instead: str
) -> None:
    assert Engine(kind(plugin, "Bucket")).check({argument: "x"})[1] == [
        f"{argument} is not supported by the offline stand-in: use aws.s3.{instead} instead"
    ]


@pytest.mark.parametrize(
    ("name", "inputs", "reason"),
    [
        ("BucketVersioning", {"bucket": "b"}, "versioningConfiguration is required"),
        (
            "BucketVersioning",
            {"bucket": "b", "versioningConfiguration": {"status": "On"}},
            "versioningConfiguration.status is 'On', but must be one of Enabled, Suspended, Disabled",
        ),
        (
            "BucketVersioning",
            {"bucket": "b", "versioningConfiguration": "Enabled"},
            "versioningConfiguration must be an object",
        ),
        ("BucketPublicAccessBlock", {"bucket": "b", "blockPublicAcls": "yes"}, "blockPublicAcls must be true or false"),
        ("BucketPolicy", {"bucket": "b", "policy": "{"}, "policy is not JSON"),
        ("BucketLifecycleConfiguration", {"bucket": "b"}, "rules must have at least one rule"),
        ("BucketCorsConfiguration", {"bucket": "b", "corsRules": []}, "corsRules is required"),
        (
            "BucketLifecycleConfiguration",
            {"bucket": "b", "rules": [{"id": "a", "status": "Enabled", "expiration": {"date": "soon"}}]},
            "rules[0].expiration.date must be a time such as",
        ),
        ("Bucket", {"tags": {"a": 1}}, 'tags["a"] must be text'),
        ("Bucket", {"bucket": "A", "bucketPrefix": "b"}, "bucketPrefix conflicts with bucket"),
        ("Bucket", {"bucket": "Upper_Case"}, "bucket is 'Upper_Case', but must have 3 to 63 lower-case letters"),
    ],
)
def test_an_argument_of_the_wrong_form_is_refused(plugin: AwsPlugin, name: str, inputs: Values, reason: str) -> None:
    failures = Engine(kind(plugin, name)).check(inputs)[1]
    assert len(failures) == 1
    assert failures[0].startswith(reason)


def test_a_function_that_the_stand_in_lacks_is_refused(plugin: AwsPlugin) -> None:
    with pytest.raises(PluginError, match="aws:ec2/getAmi:getAmi is not a function of the offline stand-in"):
        run(plugin.invoke("aws:ec2/getAmi:getAmi", {}))
    with pytest.raises(PluginError, match="argument endpoint is not supported"):
        run(plugin.invoke("aws:index/getRegion:getRegion", {"endpoint": "x"}))


def test_arguments_of_the_provider_that_the_stand_in_lacks_are_refused(plugin: AwsPlugin) -> None:
    assert run(plugin.check_config(configuration("http://x"))) == []
    failures = run(plugin.check_config(configuration("http://x", profile="mine", token="hush")))
    assert [failure.reason for failure in failures] == [
        f"{name} is not supported by the offline stand-in for the aws plugin; leave it out"
        for name in ("profile", "token")
    ]
    assert {failure.property for failure in failures} == {""}, "the engine would print the value"
    wrong = {"endpoints": "http://x", "defaultTags": {"a": "b"}, "skipMetadataApiCheck": "perhaps"}
    failures = run(plugin.check_config(configuration("http://x", **wrong)))
    assert {failure.property for failure in failures} == wrong.keys()


# The provider's configuration.


def test_nested_configuration_may_come_as_json_text(moto_endpoint: str, bucket: str) -> None:
    inputs = configuration(moto_endpoint, defaultTags={"tags": {"made-by": "pulumi"}})
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in inputs.items()}
    plugin = AwsPlugin()
    assert run(plugin.check_config(texts)) == []
    run(plugin.configure(texts))
    engine = Engine(kind(plugin, "Bucket")).import_(bucket)
    assert engine.diff().changes == {'tagsAll["made-by"]': "add"}


def test_default_tags_are_on_every_bucket_and_no_drift(moto_endpoint: str, s3: Any) -> None:
    plugin = AwsPlugin()
    run(plugin.configure(configuration(moto_endpoint, defaultTags={"tags": {"team": "db", "stage": "dev"}})))
    engine = Engine(kind(plugin, "Bucket")).create({"tags": {"stage": "own"}})
    assert engine.state["tags"] == {"stage": "own"}
    assert engine.state["tagsAll"] == {"team": "db", "stage": "own"}
    assert engine.refresh()
    assert engine.diff().changes == {}
    s3.put_bucket_tagging(Bucket=engine.id, Tagging={"TagSet": [{"Key": "stage", "Value": "own"}]})
    assert engine.refresh()
    assert engine.diff().changes == {'tagsAll["team"]': "add"}
    assert engine.diff({}).changes == {'tags["stage"]': "update", 'tagsAll["team"]': "add"}


def test_a_bucket_that_cannot_be_tagged_is_not_left_behind(plugin: AwsPlugin, s3: Any) -> None:
    engine = Engine(kind(plugin, "Bucket"))
    name = f"untaggable-{os.getpid()}"
    with pytest.raises(PluginError, match=f"^bucket {name}: .*tag"):
        engine.create({"bucket": name, "tags": {"aws:reserved": "x"}})
    assert name not in {entry["Name"] for entry in s3.list_buckets()["Buckets"]}


def test_a_resource_follows_the_region_of_its_provider(moto_endpoint: str) -> None:
    plugin = AwsPlugin()
    run(plugin.configure(configuration(moto_endpoint)))
    engine = Engine(kind(plugin, "Bucket")).create({})
    run(plugin.configure(configuration(moto_endpoint, region="eu-west-1")))
    assert engine.diff().replaces == ["region"]
    assert engine.refresh(), "it is read where it is"


def test_the_region_of_a_resource_wins_over_the_providers(plugin: AwsPlugin, s3: Any) -> None:
    engine = Engine(kind(plugin, "Bucket")).create({"region": "eu-west-1"})
    assert s3.get_bucket_location(Bucket=engine.id)["LocationConstraint"] == "eu-west-1"
    assert engine.state["region"] == engine.state["bucketRegion"] == "eu-west-1"
    assert engine.state["bucketRegionalDomainName"] == f"{engine.id}.s3.eu-west-1.amazonaws.com"
    assert engine.diff().changes == {}
    assert engine.diff({"region": "eu-west-2"}).replaces == ["region"]
    imported = Engine(kind(plugin, "Bucket")).import_(f"{engine.id}@eu-west-1")
    assert (imported.id, imported.inputs["region"]) == (engine.id, "eu-west-1")


def test_the_machines_own_aws_settings_are_not_used(
    moto_endpoint: str, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[profile broken]\nregion = nowhere\ns3 =\n  addressing_style = virtual\n")
    wrong = {
        "AWS_PROFILE": "missing",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "AWS_REGION": "nowhere",
        "AWS_ACCESS_KEY_ID": "wrong",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    plugin = AwsPlugin()
    run(plugin.configure(configuration(moto_endpoint)))
    assert Engine(kind(plugin, "Bucket")).import_(bucket).state["region"] == "us-east-1"


def test_a_service_without_an_endpoint_is_never_asked(moto_endpoint: str) -> None:
    plugin = AwsPlugin()
    run(plugin.configure(configuration(moto_endpoint, endpoints=[{"s3": moto_endpoint}])))
    with pytest.raises(PluginError, match="no endpoint for sts; add it to endpoints"):
        run(plugin.invoke("aws:index/getCallerIdentity:getCallerIdentity", {}))


def test_one_client_serves_a_service_and_region(plugin: AwsPlugin) -> None:
    assert plugin.cloud.client("s3") is plugin.cloud.client("s3", "us-east-1")
    assert plugin.cloud.client("s3") is not plugin.cloud.client("s3", "eu-west-1")


def test_the_functions_answer_as_the_sdk_expects(plugin: AwsPlugin) -> None:
    answers = {
        name: run(plugin.invoke(f"aws:index/{name}:{name}", {}))
        for name in ("getCallerIdentity", "getRegion", "getPartition")
    }
    assert answers["getCallerIdentity"]["accountId"] == answers["getCallerIdentity"]["id"] == "123456789012"
    assert answers["getRegion"] == {
        "description": "US East (N. Virginia)",
        "endpoint": "ec2.us-east-1.amazonaws.com",
        "id": "us-east-1",
        "name": "us-east-1",
        "region": "us-east-1",
    }
    assert answers["getPartition"]["dnsSuffix"] == "amazonaws.com"
    for name, answer in answers.items():
        file = re.sub(r"(?=[A-Z])", "_", name).lower() + ".py"
        result = classes(sdk_file(file))[f"{name[0].upper()}{name[1:]}Result"]
        assert answer.keys() == set(getters(result).values())


# Buckets.


def test_a_bucket_without_a_name_gets_one_and_keeps_it(plugin: AwsPlugin) -> None:
    engine = Engine(kind(plugin, "Bucket"), name="Audio")
    engine.create({})
    assert re.fullmatch(r"audio-[0-9a-f]{7}", engine.id)
    assert engine.check({})[0]["bucket"] == engine.id
    assert engine.diff({}).changes == {}
    other = Engine(kind(plugin, "Bucket"), name="Audio").check({})[0]["bucket"]
    assert other != engine.id
    engine.inputs["bucket"] = "once-given-by-the-program"
    assert re.fullmatch(r"audio-[0-9a-f]{7}", engine.check({})[0]["bucket"])


def test_a_prefix_becomes_a_name_of_its_own(plugin: AwsPlugin) -> None:
    engine = Engine(kind(plugin, "Bucket")).create({"bucketPrefix": "audio-"})
    assert "bucket" not in engine.inputs
    assert re.fullmatch(r"audio-\d{18}[0-9a-f]{8}", engine.id)
    assert engine.diff().changes == {}
    assert engine.refresh()
    assert engine.diff().changes == {}
    assert engine.diff({"bucketPrefix": "video-"}).replaces == ["bucketPrefix"]


def test_another_name_replaces_a_bucket(plugin: AwsPlugin) -> None:
    engine = Engine(kind(plugin, "Bucket")).create({"bucket": f"first-{os.getpid()}"})
    renamed = engine.diff({"bucket": "second"})
    assert (renamed.changes, renamed.delete_before_replace) == ({"bucket": "update-replace"}, False)
    locked = engine.diff({"bucket": engine.id, "objectLockEnabled": True})
    assert locked.replaces == ["objectLockEnabled"]
    assert locked.delete_before_replace, "two buckets can't have one name"


def test_an_object_lock_is_read_back(plugin: AwsPlugin) -> None:
    engine = Engine(kind(plugin, "Bucket")).create({"objectLockEnabled": True})
    imported = Engine(kind(plugin, "Bucket")).import_(engine.id)
    assert imported.inputs["objectLockEnabled"] is True


def test_a_bucket_that_exists_is_not_taken_over(plugin: AwsPlugin, bucket: str) -> None:
    with pytest.raises(PluginError, match=f"^bucket {bucket}: bucket already exists .BucketAlreadyExists.; choose"):
        Engine(kind(plugin, "Bucket")).create({"bucket": bucket})


def fill(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for number in range(6):
        s3.put_object(Bucket=bucket, Key=f"key {number % 2}", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="key 1")


def test_a_bucket_with_objects_is_not_deleted(plugin: AwsPlugin, s3: Any) -> None:
    engine = Engine(kind(plugin, "Bucket")).create({})
    fill(s3, engine.id)
    with pytest.raises(PluginError, match=f"^bucket {engine.id}: .*not empty .BucketNotEmpty.; .*forceDestroy"):
        engine.delete()
    assert engine.refresh()


def test_force_destroy_deletes_every_version_page_by_page(
    plugin: AwsPlugin, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.standins.aws.s3._DELETE_AT_ONCE", 2)
    engine = Engine(kind(plugin, "Bucket")).create({})
    fill(s3, engine.id)
    engine.update({"forceDestroy": True})
    assert engine.state["forceDestroy"] is True
    engine.delete()
    assert not engine.refresh()


# Settings of buckets.


def test_a_policy_written_another_way_is_the_same_policy(plugin: AwsPlugin, s3: Any, bucket: str) -> None:
    text = policy("s3:PutObject", "s3:GetObject")
    engine = Engine(kind(plugin, "BucketPolicy")).create({"bucket": bucket, "policy": text})
    other = statement("s3:GetObject", "s3:PutObject") | {"Resource": "arn:aws:s3:::given-*/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Statement": other, "Version": "2012-10-17"}))
    assert engine.refresh()
    assert engine.state["policy"] == text
    assert engine.diff().changes == {}
    assert engine.diff({"bucket": bucket, "policy": policy("s3:GetObject")}).changes == {"policy": "update"}


def test_a_policy_may_be_given_as_an_object(plugin: AwsPlugin) -> None:
    document = {"Version": "2012-10-17", "Statement": [statement("s3:GetObject")]}
    engine = Engine(kind(plugin, "BucketPolicy"))
    assert json.loads(engine.check({"bucket": "b", "policy": document})[0]["policy"]) == document
    document["Statement"] = [{**statement("s3:GetObject"), "Resource": UNKNOWN}]
    checked, failures = engine.check({"bucket": "b", "policy": document})
    assert (checked["policy"], failures) == (UNKNOWN, [])


def test_the_order_of_sets_is_no_drift(plugin: AwsPlugin, bucket: str) -> None:
    lifecycle = Engine(kind(plugin, "BucketLifecycleConfiguration")).create({"bucket": bucket, "rules": RULES})
    assert lifecycle.diff({"bucket": bucket, "rules": RULES[::-1]}).changes == {}
    cors = Engine(kind(plugin, "BucketCorsConfiguration"))
    cors.create(arguments("BucketCorsConfiguration", bucket))
    turned = arguments("BucketCorsConfiguration", bucket)
    turned["corsRules"].reverse()
    turned["corsRules"][0]["allowedOrigins"].reverse()
    assert cors.diff(turned).changes == {}


def test_a_change_in_one_rule_names_that_rule(plugin: AwsPlugin, bucket: str) -> None:
    engine = Engine(kind(plugin, "BucketLifecycleConfiguration")).create({"bucket": bucket, "rules": RULES})
    changed: list[Values] = json.loads(json.dumps(RULES))
    changed[0]["expiration"]["days"] = 30
    changed[1]["id"] = "renamed"
    assert engine.diff({"bucket": bucket, "rules": changed}).changes == {
        "rules[0].expiration.days": "update",
        "rules[1]": "add",
        "rules[4]": "delete",
    }


def test_a_size_that_the_endpoint_forgets_is_no_drift_but_a_change_of_it_is(plugin: AwsPlugin, bucket: str) -> None:
    inputs = {"bucket": bucket, "rules": RULES, "transitionDefaultMinimumObjectSize": "varies_by_storage_class"}
    engine = Engine(kind(plugin, "BucketLifecycleConfiguration")).create({"bucket": bucket, "rules": RULES})
    assert engine.diff(inputs).changes == {"transitionDefaultMinimumObjectSize": "update"}
    smaller: list[Values] = json.loads(json.dumps(RULES))
    smaller[0]["filter"]["and"]["objectSizeGreaterThan"] = 1
    assert engine.diff({"bucket": bucket, "rules": smaller}).changes == {
        "rules[0].filter.and.objectSizeGreaterThan": "update"
    }
    engine.update({"bucket": bucket, "rules": smaller})
    assert engine.refresh()
    assert engine.diff().changes == {}


def test_a_kept_public_access_block_stays_after_its_end(plugin: AwsPlugin, bucket: str) -> None:
    inputs = {"bucket": bucket, "blockPublicAcls": True, "skipDestroy": True}
    engine = Engine(kind(plugin, "BucketPublicAccessBlock")).create(inputs)
    engine.delete()
    assert engine.refresh()


def test_versioning_can_be_declared_off_but_not_taken_back(plugin: AwsPlugin, s3: Any, bucket: str) -> None:
    off = {"bucket": bucket, "versioningConfiguration": {"status": "Disabled"}}
    engine = Engine(kind(plugin, "BucketVersioning")).create(off)
    assert engine.refresh()
    assert engine.diff().changes == {}
    engine.delete()
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    with pytest.raises(PluginError, match=f"versioning of bucket {bucket}: can't go from Enabled to Disabled"):
        engine.update()


# Topics and plans.


def test_a_topic_that_is_there_is_taken_over_by_its_name_and_set_as_declared(plugin: AwsPlugin, world: World) -> None:
    arn = world.topic()
    engine = Engine(kind(plugin, "Topic")).create({"name": arn.rsplit(":", 1)[1], "kmsMasterKeyId": "alias/aws/sns"})
    assert engine.id == arn
    found = world.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
    assert found["KmsMasterKeyId"] == "alias/aws/sns"


@pytest.mark.parametrize(
    ("case", "fewer", "attribute", "left"),
    [
        ("Topic", "displayName", "DisplayName", ""),
        ("TopicSubscription", "rawMessageDelivery", "RawMessageDelivery", "false"),
    ],
)
def test_what_is_declared_no_more_is_taken_away_and_nothing_else(
    plugin: AwsPlugin, world: World, bucket: str, case: str, fewer: str, attribute: str, left: str
) -> None:
    inputs = arguments(case, bucket, world)
    engine = Engine(kind(plugin, case)).create(inputs)
    before = engine.state
    engine.update({name: value for name, value in inputs.items() if name != fewer})
    sns = world.client("sns")
    found = (
        sns.get_topic_attributes(TopicArn=engine.id)
        if case == "Topic"
        else sns.get_subscription_attributes(SubscriptionArn=engine.id)
    )["Attributes"]
    assert found[attribute] == left
    assert {name for name in before if engine.state.get(name) != before[name]} == {fewer}


def test_a_plan_for_another_bucket_is_another_plan(plugin: AwsPlugin, world: World) -> None:
    inputs = arguments("MalwareProtectionPlan", "", world)
    engine = Engine(kind(plugin, "MalwareProtectionPlan")).create(inputs)
    turned = json.loads(json.dumps(inputs))
    turned["protectedResource"]["s3Bucket"]["objectPrefixes"].reverse()
    assert engine.diff(turned).changes == {}
    turned["protectedResource"]["s3Bucket"]["bucketName"] = "another"
    assert engine.diff(turned).changes == {"protectedResource.s3Bucket.bucketName": "update-replace"}
    untagged = {name: value for name, value in inputs.items() if name != "actions"}
    other = Engine(kind(plugin, "MalwareProtectionPlan")).create(untagged)
    assert other.state["actions"] == [{"taggings": [{"status": "DISABLED"}]}], "as AWS has it, unless told"


# Errors.


@pytest.mark.parametrize("case", sorted(BUCKET_CASES.keys() - {"Bucket"}))
def test_an_error_is_one_line_with_the_resource_the_reason_and_the_way_out(plugin: AwsPlugin, case: str) -> None:
    with pytest.raises(PluginError) as caught:
        Engine(kind(plugin, case)).create(arguments(case, "not-there"))
    text = str(caught.value)
    assert text.startswith(f"{kind(plugin, case).noun} of bucket not-there: ")
    assert "(NoSuchBucket); create the bucket first" in text
    assert "\n" not in text


def test_a_server_that_is_away_is_named(bucket: str) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    plugin = AwsPlugin()
    run(plugin.configure(configuration(address)))
    with pytest.raises(PluginError) as caught:
        Engine(kind(plugin, "Bucket")).import_(bucket)
    text = str(caught.value)
    assert text.startswith(f"bucket {bucket}: Could not connect to the endpoint URL")
    assert address in text
    assert text.endswith("start the service, or correct the provider's endpoints")
    assert "\n" not in text


def test_no_error_shows_the_secret_key(plugin: AwsPlugin) -> None:
    from botocore.exceptions import ClientError

    answer = {"Error": {"Code": "SignatureDoesNotMatch", "Message": "made-up-secret\nwas used"}}
    error = plugin.cloud.explain(ClientError(answer, "PutObject"), "bucket b")
    assert str(error) == "bucket b: [secret] was used (SignatureDoesNotMatch); correct the provider's secretKey"


# The executable, as the engine starts it.


@pytest.fixture
def started(tmp_path: Path) -> Iterator[grpc.Channel]:
    """The executable, reached through a path with a space, from another folder, with a bare environment."""
    checkout = tmp_path / "a checkout"
    checkout.symlink_to(ROOT)
    bin_ = str(Path(sys.executable).parent)
    process = subprocess.Popen(
        [checkout / "local/standins/bin/pulumi-resource-aws"],
        cwd=tmp_path,
        env={"PATH": f"{bin_}:/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            yield channel
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_the_executable_speaks_the_protocol(started: grpc.Channel, moto_endpoint: str, s3: Any) -> None:
    stub = provider_pb2_grpc.ResourceProviderStub(started)
    assert stub.GetPluginInfo(empty_pb2.Empty()).version == "7.51.1"
    stub.Configure(provider_pb2.ConfigureRequest(args=encode(configuration(moto_endpoint))))
    urn = "urn:pulumi:dev::project::vpb:index:Storage$aws:s3/bucket:Bucket::wire"
    checked = stub.Check(provider_pb2.CheckRequest(urn=urn, news=encode({"tags": {"a": "b"}})))
    made = stub.Create(provider_pb2.CreateRequest(urn=urn, properties=checked.inputs))
    assert re.fullmatch(r"wire-[0-9a-f]{7}", made.id)
    assert decode(made.properties).values["arn"] == f"arn:aws:s3:::{made.id}"
    assert s3.get_bucket_tagging(Bucket=made.id)["TagSet"] == [{"Key": "a", "Value": "b"}]
    assert set(json.loads(stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)["resources"]) > {
        "aws:s3/bucket:Bucket"
    }

    with pytest.raises(grpc.RpcError) as caught:
        stub.Create(provider_pb2.CreateRequest(urn=urn, properties=encode({"bucket": made.id})))
    assert caught.value.details().startswith(f"bucket {made.id}: bucket already exists")
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(provider_pb2.CheckRequest(urn="urn:pulumi:dev::p::aws:sqs/queue:Queue::q"))
    assert caught.value.details().startswith("aws:sqs/queue:Queue is not a resource type of this plugin")
