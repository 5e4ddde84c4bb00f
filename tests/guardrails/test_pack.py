"""The pack as the engine asks it: in this process by its protocol, and once by the engine itself."""

import copy
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy import EnforcementLevel, policy

from declared.paths import CHECKOUT
from declared.permissions import today
from guardrails import pack
from guardrails.rules import BY_ID
from harness.checkout import Scratch
from harness.program import Program, Registered, run
from plugin.wire import encode
from tests.guardrails.conftest import PROD

FOLDER = CHECKOUT / "guardrails"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "geheim"}
SOON = f"{today() + timedelta(days=30):%Y-%m-%d}"


@pytest.fixture(scope="module")
def program() -> Program:
    return run("prod", server={"proxy": "true"}, **PROD)


@pytest.fixture
def servicer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What answers the engine, configured as it does it."""
    for name in ("_PolicyAnalyzerServicer", "deserialize_properties", "unknown_checking_proxy"):
        monkeypatch.setattr(policy, name, getattr(policy, name))
    made: list[Any] = []

    class Pack:
        def __init__(self, name: str, policies: list[Any]) -> None:
            made.append(policy._PolicyAnalyzerServicer(name, "0.1.0", policies, EnforcementLevel.ADVISORY))

    monkeypatch.setattr(pack, "PolicyPack", Pack)
    monkeypatch.setattr(pack.Servicer, "config", {})
    pack.main()
    configure(made[0])
    return made[0]


def configure(servicer: Any, **config: str) -> None:
    given = {
        "database:target": "aws",
        "database:protectData": "true",
        **{k.replace("_", ":"): v for k, v in config.items()},
    }
    servicer.ConfigureStack(analyzer_pb2.AnalyzerStackConfigureRequest(stack="prod", config=given), None)


def asked(servicer: Any, type: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """The diagnostics on one resource, by their rule."""
    request = analyzer_pb2.AnalyzeRequest(type=type, name=name, urn=f"urn:pulumi:prod::database::{type}::{name}")
    request.properties.CopyFrom(encode(inputs))
    return {each.policyName: each for each in servicer.Analyze(request, None).diagnostics}


INSTANCE = "aws:rds/instance:Instance"


def test_each_rule_is_a_policy_that_ends_the_run_where_it_is_critical_or_high(servicer):
    found = {each.name: each for each in servicer.GetAnalyzerInfo(None, None).policies}
    assert found.keys() == {*BY_ID, "exception-unused"}
    mandatory = {name for name, each in found.items() if each.enforcementLevel == analyzer_pb2.MANDATORY}
    assert mandatory == {rule.id for rule in BY_ID.values() if rule.severity.name in ("critical", "high")}
    assert found["rds-private"].severity == analyzer_pb2.POLICY_SEVERITY_CRITICAL


def test_a_resource_is_refused_before_it_is_made(servicer, program):
    instance = copy.deepcopy(program.resources["server-rds-instance"].inputs)
    before = asked(servicer, INSTANCE, "server-rds-instance", instance)
    assert {each for each in before if BY_ID[each].severity.mandatory} == set()
    found = asked(servicer, INSTANCE, "server-rds-instance", {**instance, "publiclyAccessible": True})
    assert found.keys() - before.keys() == {"rds-private"}
    assert found["rds-private"].enforcementLevel == analyzer_pb2.MANDATORY
    assert "server-rds-instance: publiclyAccessible is true: " in found["rds-private"].message


def test_a_value_that_is_not_known_yet_is_said_not_to_be_and_ends_nothing(servicer):
    found = asked(servicer, INSTANCE, "a", {"publiclyAccessible": UNKNOWN})["rds-private"]
    assert found.enforcementLevel == analyzer_pb2.ADVISORY
    assert "publiclyAccessible isn't known before up" in found.message


def test_a_secret_is_seen_to_be_one_and_never_shown(servicer):
    marked = asked(servicer, "aws:secretsmanager/secretVersion:SecretVersion", "a", {"secretString": SECRET})
    assert "secret-value" not in marked
    plain = asked(servicer, "aws:secretsmanager/secretVersion:SecretVersion", "a", {"secretString": "geheim"})
    assert {"secret-value", "secret-plain"} <= plain.keys()
    assert not any("geheim" in each.message for each in plain.values())


def test_a_rule_on_the_whole_plan_is_asked_at_its_end_and_exceptions_hold_there_too(servicer, program):
    def ended() -> dict[str, str]:
        request = analyzer_pb2.AnalyzeStackRequest()
        for each in program.resources.values():
            _add(request, each)
        return {each.policyName: each.message for each in servicer.AnalyzeStack(request, None).diagnostics}

    program.resources["storage-objects-files-private"].inputs["blockPublicPolicy"] = False
    assert "storage-objects-files-bucket: off: blockPublicPolicy" in ended()["s3-public-access-block"]
    given = [
        {"rule": rule, "resource": resource, "reason": "a", "until": SOON}
        for rule, resource in (
            ("s3-public-access-block", "storage-objects-files-bucket"),
            ("rds-private", "server-rds-instance"),
        )
    ]
    configure(servicer, guardrails_exceptions=json.dumps(given))
    found = ended()
    assert "s3-public-access-block" not in found
    assert "rds-private of server-rds-instance: nothing needs it" in found["exception-unused"]


def _add(request: Any, each: Registered) -> None:
    def urn(name: str) -> str:
        return f"urn:pulumi:prod::database::x::{name}"

    added = request.resources.add(type=each.type, name=each.name, urn=urn(each.name), parent=urn(each.parent))
    added.properties.CopyFrom(encode({key: value for key, value in each.inputs.items() if key != "code"}))
    named = each.inputs.get("bucket")
    if isinstance(named, str) and named.endswith("-id"):
        added.propertyDependencies["bucket"].urns.append(urn(named.removesuffix("-id")))


@pytest.mark.parametrize(
    ("command", "folder"),
    [
        ([str(FOLDER / "pulumi-analyzer-guardrails"), "127.0.0.1:1"], Path("/")),
        # As engines before 3.274 start a pack of runtime python.
        ([sys.executable, "-u", "-m", "pulumi.policy", "127.0.0.1:1", "."], FOLDER),
    ],
)
def test_it_starts_from_anywhere_and_says_its_port(command, folder):
    variables = {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath])}
    started = subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.PIPE, text=True)
    try:
        assert started.stdout is not None
        assert started.stdout.readline().strip().isdigit()
    finally:
        started.kill()
        started.communicate()


@pytest.mark.stack
def test_the_engine_ends_a_preview_of_what_is_refused():
    settings = (
        "config:\n  database:target: local\n"
        "  database:buckets: [{id: avatars, allowedMimeTypes: [image/png, image/svg+xml]}, {id: audio, public: true}]\n"
        f"  guardrails:exceptions: [{{rule: bucket-public, resource: storage-audio, reason: a test, until: {SOON}}}]\n"
    )
    with Scratch() as scratch:
        (scratch.folder / "Pulumi.dev.yaml").write_text(settings)
        assert scratch.start("-m", "run", "stack", "init", "dev").wait().status == 0
        done = scratch.pulumi("preview", "--non-interactive", "--policy-pack", "guardrails/pulumi-analyzer-guardrails")
    assert done.status != 0
    assert "[mandatory] [severity: high]  bucket-public" in done.output
    assert "storage-avatars: bucket avatars is public and takes image/svg+xml: " in done.output
    assert "bucket audio is public" not in done.output
