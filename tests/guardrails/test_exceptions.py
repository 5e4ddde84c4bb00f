"""An exception names a rule, a resource, a reason and a last day; after it the rule holds again."""

from datetime import timedelta

import pytest

from declared.exceptions import MOST_DAYS, ExceptionError, exceptions
from declared.permissions import today
from guardrails.checking import check
from guardrails.environment import Environment
from guardrails.model import Plan, Resource, Status
from run import stackfile
from run.state import EngineError

SOON = f"{today() + timedelta(days=60):%Y-%m-%d}"
ONE = {"rule": "rds-multi-az", "resource": "server-rds-instance", "reason": "a trial", "until": SOON}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("rds-multi-az", "setting guardrails:exceptions is 'rds-multi-az'; allowed is a list of maps of rule"),
        ([{**ONE, "who": "me"}], "guardrails:exceptions[0] is "),
        ([{**ONE, "rule": "Not A Rule"}], "guardrails:exceptions[0].rule is 'Not A Rule'"),
        ([{**ONE, "resource": ""}], "guardrails:exceptions[0].resource is ''"),
        ([{**ONE, "reason": " "}], "guardrails:exceptions[0].reason is ' '; allowed is some words that say why"),
        ([{**ONE, "until": "soon"}], "guardrails:exceptions[0].until is 'soon'"),
        ([{**ONE, "until": f"{today() + timedelta(days=MOST_DAYS + 1):%Y-%m-%d}"}], "at most 366 days ahead"),
        ([ONE, ONE], "allowed is one entry for each rule and resource"),
    ],
)
def test_what_is_no_exception_is_refused_with_its_place(value, said):
    with pytest.raises(ExceptionError) as caught:
        exceptions(value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_excepted_breach_is_shown_with_its_reason_an_expired_one_is_refused_and_an_unused_one_named():
    server = Resource(
        "aws:rds/instance:Instance", "server-rds-instance", {"multiAz": False, "publiclyAccessible": True}
    )
    yesterday = f"{today() - timedelta(days=1):%Y-%m-%d} 00:00:00 +0000 UTC"
    given = exceptions(
        [
            ONE,
            {**ONE, "rule": "rds-private", "until": yesterday},
            {**ONE, "rule": "rds-port", "resource": "server-aurora-cluster"},
        ]
    )
    found = check(Plan((server,), "prod", True, True), given)
    (excepted,) = found.having(Status.excepted)
    assert excepted.rule.id == "rds-multi-az"
    assert excepted.evidence == f"multiAz is false; excepted until {SOON}: a trial"
    refused = {each.rule.id: each.evidence for each in found.refused}
    assert refused["rds-private"].startswith("publiclyAccessible is true; its exception ended on ")
    assert "rds-multi-az" not in refused
    assert [each.rule for each in found.expired] == ["rds-private"]
    assert [each.rule for each in found.unused] == ["rds-port"]


def test_an_exception_is_for_one_resource_alone():
    bare = [Resource("aws:rds/instance:Instance", name, {}) for name in ("server-rds-instance", "another")]
    found = check(Plan(tuple(bare), "prod", True, True), exceptions([ONE]))
    assert [each.resource.name for each in found.having(Status.excepted)] == ["server-rds-instance"]
    assert "another" in {each.resource.name for each in found.refused if each.rule.id == "rds-multi-az"}


@pytest.mark.parametrize(
    ("stack", "given", "kept", "production"),
    [
        ("dev", {}, False, False),
        ("dev", {"database:protectData": "true"}, True, False),
        ("dev", {"database:protectData": True}, True, False),
        ("staging", {"database:target": "supabase"}, True, False),
        (
            "trial",
            {"database:target": "aws", "database:offline": "true", "database:protectData": "false"},
            False,
            False,
        ),
        ("prod", {"database:target": "aws"}, True, True),
        ("prod-eu", {"database:target": "aws"}, True, True),
        ("product", {"database:target": "aws"}, True, False),
        ("live", {"database:target": "aws", "database:promotedFrom": "staging"}, True, True),
    ],
)
def test_what_sort_of_environment_a_stack_is(stack, given, kept, production):
    found = Environment.of(stack, given)
    assert (found.kept, found.production) == (kept, production)


def test_exceptions_come_as_a_list_or_as_its_text():
    for value in ([ONE], f'[{{"rule": "rds-multi-az", "resource": "a", "reason": "b", "until": "{SOON}"}}]'):
        assert Environment.of("dev", {"guardrails:exceptions": value}).exceptions[0].rule == "rds-multi-az"


def test_a_slip_in_the_namespace_is_no_exception_that_nobody_reads(tmp_path):
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text("config:\n  guardrail:exceptions: []\n")
    with pytest.raises(EngineError, match="guardrails:exceptions is perhaps meant"):
        stackfile.settings(path)
