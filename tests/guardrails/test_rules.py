"""Each rule, called on what the program declares and on the same with one input changed."""

import pytest

from guardrails.checking import check
from guardrails.model import Plan, Resource, Result, Severity, Status, Where
from guardrails.rules import BY_ID, RULES, SUBJECTS
from guardrails.values import SECRET, UNKNOWN, UNKNOWNS, cleaned
from tests.guardrails.breaks import BREAKS
from tests.guardrails.conftest import plan_of

ADVISED = {id for id, each in BREAKS.items() if each.mends} | {"s3-access-log"}
"""What the program itself doesn't keep, and none of which ends a run."""


def said(rule: str, name: str, plan: Plan) -> Result:
    """What a rule says of one resource."""
    (resource,) = (each for each in plan.resources if each.name == name)
    result = BY_ID[rule](resource, plan)
    assert result is not None, f"{rule} isn't about {name}"
    return result


@pytest.mark.parametrize("rule", BY_ID)
def test_a_rule_is_kept_by_the_program_and_broken_by_one_input(rule):
    change = BREAKS[rule]
    plan = plan_of(change.plan)
    good, bad = (change.on(plan), plan) if change.mends else (plan, change.on(plan))
    assert said(rule, change.looked, good).status is Status.passed
    broken = said(rule, change.looked, bad)
    assert broken.status is Status.failed
    assert broken.evidence
    assert "geheim" not in broken.line, "no secret is evidence"


def test_there_is_a_change_for_each_rule():
    assert BREAKS.keys() == BY_ID.keys()
    assert len(BY_ID) == len(RULES)


@pytest.mark.parametrize("which", ["dev", "prod", "aurora", "hosted"])
def test_nothing_of_the_program_is_refused_and_what_is_advised_is_known(which):
    found = check(plan_of(which))
    assert [each.line for each in found.refused] == []
    assert {each.rule.id for each in found.having(Status.failed)} <= ADVISED
    assert found.having(Status.unknown) == []


def test_every_rule_says_something_of_some_environment():
    spoken = {each.rule.id for which in ("prod", "hosted", "aurora") for each in check(plan_of(which)).results}
    assert spoken == BY_ID.keys()


def test_an_aurora_is_in_two_zones_or_refused():
    plan = plan_of("aurora")
    assert said("rds-multi-az", "server-aurora-cluster", plan).status is Status.passed
    alone = tuple(each for each in plan.resources if each.name != "server-aurora-server-2")
    assert said("rds-multi-az", "server-aurora-cluster", Plan(alone, "prod", True, True)).status is Status.failed


def test_a_rule_for_production_says_nothing_elsewhere(prod):
    instance = next(each for each in prod.resources if each.name == "server-rds-instance")
    small = Resource(instance.type, instance.name, {**instance.inputs, "multiAz": False, "deletionProtection": False})
    for rule, where in (("rds-multi-az", Where.production), ("rds-deletion-protection", Where.kept)):
        assert BY_ID[rule].where is where
        assert BY_ID[rule](small, Plan((small,))) is None
    assert BY_ID["rds-multi-az"](small, Plan((small,), kept=True)) is None


def test_a_value_that_is_not_known_before_up_is_not_passed():
    for value in UNKNOWNS:
        assert cleaned({"a": [value]}) == {"a": [UNKNOWN]}
    policy = Resource.of("aws:sns/topicPolicy:TopicPolicy", "p", {"policy": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"})
    found = BY_ID["topic-tls"](policy, Plan((policy,)))
    assert found is not None
    assert (found.status, found.evidence) == (Status.unknown, "policy isn't known before up")


@pytest.mark.parametrize("depends", [{"bucket": ("made",)}, {}])
def test_the_settings_of_a_bucket_whose_id_is_not_known_are_found(depends):
    bucket = Resource("aws:s3/bucket:Bucket", "made", {"bucket": "b"}, "private")
    block = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    switches = dict.fromkeys(
        ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
    )
    own = Resource(block, "own", {**switches, "bucket": UNKNOWN}, "private", depends=depends)
    other = Resource(block, "other", {"bucket": UNKNOWN}, "elsewhere", depends={"bucket": ("x",)} if depends else {})
    assert said("s3-public-access-block", "made", Plan((bucket, other, own))).status is Status.passed
    assert said("s3-public-access-block", "made", Plan((bucket, other))).status is Status.failed


@pytest.mark.parametrize(
    ("inputs", "plain"),
    [
        ({"password": "x"}, True),
        ({"password": {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "x"}}, False),
        ({"password": "[secret]"}, False),
        ({"url": "postgresql://app:x@db.example.org/app"}, True),
        ({"text": "-----BEGIN RSA PRIVATE KEY-----"}, True),
        ({"secretArn": "arn:aws:secretsmanager:us-east-1:1:secret:a"}, False),
        ({"environment": {"variables": {"SECRET": "arn:aws:secretsmanager:us-east-1:1:secret:a"}}}, False),
        ({"passwordEncryption": "scram-sha-256", "tokens": 5}, False),
        ({"list": [{"apiKey": "x"}]}, True),
    ],
)
def test_what_is_a_secret_in_clear_text(inputs, plain):
    resource = Resource.of("aws:any/thing:Thing", "thing", inputs)
    found = BY_ID["secret-plain"](resource, Plan((resource,)))
    assert found is not None
    assert (found.status is Status.failed) == plain
    assert cleaned({"a": "[secret]"})["a"] is SECRET


@pytest.mark.parametrize(
    "inputs", [{}, {"policy": "no JSON", "rules": "none", "table": 5, "roles": 1, "parameters": [1]}]
)
def test_inputs_of_another_form_end_no_run_and_are_not_passed(inputs):
    for rule in RULES:
        for type in rule.types:
            resource = Resource.of(type, "odd", inputs)
            result = rule(resource, Plan((resource,), "prod", True, True))
            assert result is None or result.evidence
    odd = Resource.of("aws:sns/topicPolicy:TopicPolicy", "odd", {"policy": "no JSON"})
    found = BY_ID["policy-open"](odd, Plan((odd,)))
    assert found is not None
    assert found.status is Status.unknown


def test_rules_are_written_in_full():
    for rule in RULES:
        for text in (rule.title, rule.reason, rule.repair):
            assert text
            assert not text.endswith(".")
        assert rule.sources
        assert rule.types
        assert rule.severity in Severity
    assert [rule.id for rules in SUBJECTS.values() for rule in rules] == [*BY_ID]
