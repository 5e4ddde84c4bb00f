"""The alarm topic as the program declares it, and what its policies say, word for word, to an evaluator of policies.

moto keeps the policies of topics and keys and doesn't ask them; `local/moto/policy.py` reads them as AWS would.
"""

import json
from typing import Any

import pulumi
import pytest

from declared.awsnames import AwsNames, asked_tag
from generate.files import TREE
from harness.program import Program, run
from local.moto.policy import ANONYMOUS, Principal, Request, Verdict, evaluate
from targets.found import Found

ACCOUNT, STRANGER = "123456789012", "999999999999"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms-topic"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:alarms-key"
# As it is called at AWS, where mocks have made up another name.
NAMED = f"arn:aws:sns:us-east-1:{ACCOUNT}:visual-prompt-builder-dev-alarms"
OURS = Principal(arn=f"arn:aws:iam::{ACCOUNT}:user/ops", account=ACCOUNT)
THEIRS = Principal(arn=f"arn:aws:iam::{STRANGER}:user/ops", account=STRANGER)
ALARMS, RULES, OTHER = (Principal(service=f"{name}.amazonaws.com") for name in ("cloudwatch", "events", "s3"))


@pytest.fixture(scope="module")
def program() -> Program:
    return run(alarmEmails=["ops@example.org", "on-call@example.org"])


def document(value: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return parsed


def asked(program: Program, principal: Principal, action: str = "Publish", **context: str) -> Verdict:
    policy = document(program.resources["alarms-policy"].inputs["policy"])
    given = {"aws:securetransport": "true"} | {name.replace("_", ":", 1): value for name, value in context.items()}
    return evaluate(policy, Request(f"sns:{action}", TOPIC, principal, given))


def test_the_topic_has_a_name_that_a_lost_state_finds_again_and_a_key_that_rotates(program):
    topic = program.resources["alarms-topic"].inputs
    assert (topic["name"], topic["kmsMasterKeyId"]) == ("visual-prompt-builder-dev-alarms", KEY)
    assert program.resources["alarms-key"].inputs["enableKeyRotation"] is True
    assert program.resources["alarms-policy"].inputs["arn"] == TOPIC


def test_each_address_has_a_subscription_and_without_any_there_is_none(program):
    kind = "aws:sns/topicSubscription:TopicSubscription"
    assert {each.name: each.inputs for each in program.of_type(kind)} == {
        f"alarms-{address}": {"topic": TOPIC, "protocol": "email", "endpoint": address}
        for address in ("ops@example.org", "on-call@example.org")
    }
    assert kind not in TREE.read_text(), "by default there is none"


def test_an_address_that_was_asked_and_hears_nothing_is_reported_and_not_asked_again(monkeypatch):
    """Or each preview would have a change, and each `up` send another mail."""
    said = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    addresses = ["ops@example.org", "on-call@example.org", "new@example.org"]
    asked = frozenset(map(asked_tag, addresses[:2]))
    known = Found(AwsNames("dev", ACCOUNT), {}, asked, frozenset(["ops@example.org"]))
    program = run(access=False, there=known, alarmEmails=addresses)
    kind = "aws:sns/topicSubscription:TopicSubscription"
    assert {each.inputs["endpoint"] for each in program.of_type(kind)} == {"ops@example.org", "new@example.org"}
    assert program.resources["alarms-topic"].inputs["tags"] == dict.fromkeys(map(asked_tag, addresses), "yes")
    (line,) = said
    assert line.startswith("alarmEmails: on-call@example.org hears of no alarm: ")


@pytest.mark.parametrize(
    ("who", "context", "verdict"),
    [
        (OURS, {}, Verdict.ALLOW),
        (ALARMS, {"aws_sourceaccount": ACCOUNT}, Verdict.ALLOW),
        (RULES, {"aws_sourceaccount": ACCOUNT}, Verdict.ALLOW),
        (ALARMS, {"aws_sourceaccount": STRANGER}, Verdict.SILENT),
        (RULES, {"aws_sourceaccount": STRANGER}, Verdict.SILENT),
        (ALARMS, {}, Verdict.SILENT),
        (OTHER, {"aws_sourceaccount": ACCOUNT}, Verdict.SILENT),
        (THEIRS, {}, Verdict.SILENT),
        (ANONYMOUS, {}, Verdict.SILENT),
    ],
    ids=[
        "own principal",
        "own alarm",
        "own rule",
        "another account's alarm",
        "another account's rule",
        "an alarm of no account",
        "another service",
        "another account",
        "anybody",
    ],
)
def test_this_account_and_its_alarms_publish_and_nobody_else(program, who, context, verdict):
    assert asked(program, who, **context) is verdict
    assert asked(program, who, **context, aws_securetransport="false") is Verdict.DENY, "nor anybody without TLS"


@pytest.mark.parametrize("action", ["Subscribe", "SetTopicAttributes", "AddPermission", "DeleteTopic"])
def test_the_policy_gives_nobody_more_than_publishing_and_nothing_without_tls(program, action):
    for who in (OURS, ALARMS, RULES, THEIRS, ANONYMOUS):
        assert asked(program, who, action, aws_sourceaccount=ACCOUNT) is Verdict.SILENT
        assert asked(program, who, action, aws_sourceaccount=ACCOUNT, aws_securetransport="false") is Verdict.DENY


def uses(program: Program, principal: Principal, action: str, **context: str) -> bool:
    given = {
        "aws:sourceaccount": context.get("account", ""),
        "kms:encryptioncontext:aws:sns:topicarn": context["topic"],
    }
    policy = document(program.resources["alarms-key"].inputs["policy"])
    return evaluate(policy, Request(f"kms:{action}", KEY, principal, given)) is Verdict.ALLOW


@pytest.mark.parametrize("action", ["GenerateDataKey", "Decrypt"])
def test_the_key_is_for_the_messages_of_this_topic(program, action):
    assert uses(program, ALARMS, action, topic=NAMED, account=ACCOUNT)
    assert not uses(program, ALARMS, action, topic=NAMED, account=STRANGER)
    assert not uses(program, ALARMS, action, topic=NAMED.replace(ACCOUNT, STRANGER), account=ACCOUNT)
    # AWS doesn't say for which account a rule asks: the topic's policy lets no other account's rules in.
    assert uses(program, RULES, action, topic=NAMED)
    assert not uses(program, RULES, action, topic=f"{NAMED}2")
    assert not uses(program, OTHER, action, topic=NAMED, account=ACCOUNT)
    assert not uses(program, THEIRS, action, topic=NAMED, account=ACCOUNT)


def test_services_can_do_nothing_else_with_the_key_and_the_account_keeps_it(program):
    for action in ("PutKeyPolicy", "ScheduleKeyDeletion", "CreateGrant", "Encrypt"):
        assert not uses(program, ALARMS, action, topic=NAMED, account=ACCOUNT)
        assert not uses(program, RULES, action, topic=NAMED, account=ACCOUNT)
        assert uses(program, OURS, action, topic=NAMED)
