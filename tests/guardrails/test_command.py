"""`./vpb guardrails`: the plan as the engine's events have it, and the report of what the rules say."""

import io
import json
from contextlib import nullcontext

import pytest
from rich.console import Console

from guardrails.checking import check
from guardrails.model import Plan, Resource, Status
from guardrails.values import SECRET, UNKNOWN
from ops.errors import CommandError
from ops.guardrails import planned, report
from run import engine, events
from tests.guardrails.breaks import BREAKS
from tests.guardrails.conftest import plan_of

URN = "urn:pulumi:dev::database::vpb:index:Alarms$aws:sns/topicPolicy:TopicPolicy::alarms-policy"


def step(op: str, parent: str, **inputs: object) -> str:
    new = {"inputs": inputs, "parent": parent}
    return json.dumps({"resOutputsEvent": {"metadata": {"op": op, "urn": URN, "type": "aws:a/b:C", "new": new}}})


def test_a_plan_is_read_from_the_events_of_a_preview():
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
    above = "urn:pulumi:dev::database::vpb:index:Alarms::alarms"
    found = events.planned(step("create", above, policy="04da6b54-80e4-46f7-96ec-b56ff0331ba9", key=secret, days=7.0))
    assert found is not None
    assert (found.type, found.name, found.parent) == ("aws:a/b:C", "alarms-policy", "alarms")
    resource = Resource.of(found.type, found.name, found.inputs, parent=found.parent)
    assert resource.inputs == {"policy": UNKNOWN, "key": SECRET, "days": 7}
    stack = "urn:pulumi:dev::database::pulumi:pulumi:Stack::database-dev"
    top = events.planned(step("same", stack))
    assert top is not None
    assert top.parent == ""
    for op in ("delete", "refresh", "read"):
        assert events.planned(step(op, above)) is None
    assert events.planned(json.dumps({"summaryEvent": {}})) is None


@pytest.mark.parametrize("there", [True, False])
def test_a_stack_is_asked_by_a_preview_alone_and_one_that_was_not_there_goes_again(monkeypatch, there):
    called = []

    def watch(arguments, stack, add, verbose):
        called.append((*arguments, stack))
        add(step("create", "", superuser=True, name="evil").replace("aws:a/b:C", "pg:index:Role"))
        return 0, ""

    for name, answer in {"declared": True, "exists": there, "make_stack": None, "forget": None}.items():
        monkeypatch.setattr(engine, name, lambda stack, name=name, answer=answer: called.append(name) or answer)
    monkeypatch.setattr(engine, "watch", watch)
    monkeypatch.setattr(engine, "configuration", lambda stack: {"database:protectData": "true"})
    found = planned.checked("dev")
    assert called == ["declared", "exists", "make_stack", ("preview", "dev"), *([] if there else ["forget"])]
    assert found.plan.kept
    assert [each.rule.id for each in found.refused] == ["role-attribute"]


def test_a_preview_that_fails_is_one_line_with_its_cause(monkeypatch):
    def watch(arguments, stack, add, verbose):
        said = {"message": "error: roles: no such server", "severity": "error", "urn": ""}
        add(json.dumps({"diagnosticEvent": said}))
        return 255, ""

    monkeypatch.setattr(engine, "watch", watch)
    monkeypatch.setattr(engine, "asked", lambda stack: nullcontext())
    with pytest.raises(CommandError, match=r"stack dev: what is declared can't be read: .*no such server"):
        planned.checked("dev")


def test_the_report_for_scripts_names_what_is_refused_with_reason_and_source():
    found = check(BREAKS["rds-private"].on(plan_of("prod")))
    said = json.loads(report.as_json(found))
    assert said.keys() == {"stack", "clean", "rules", "passed", "failed", "unknown", "excepted", "exceptions"}
    assert (said["stack"], said["clean"]) == ("prod", False)
    assert said["failed"][0] == {
        "rule": "rds-private",
        "severity": "critical",
        "mandatory": True,
        "resource": "server-rds-instance",
        "type": "aws:rds/instance:Instance",
        "evidence": "publiclyAccessible is true",
        "reason": "anybody on the internet may try a password",
        "repair": "set publiclyAccessible to false",
        "sources": ["AWS RDS.2", "CIS PostgreSQL 5.2"],
    }
    assert said["passed"] == len(found.having(Status.passed)) > 500
    assert json.loads(report.as_json(check(Plan(()))))["clean"] is True


def test_the_report_for_people_shows_names_as_they_are():
    resource = Resource("pg:index:Role", "[red]evil", {"name": "[red]evil", "superuser": True})
    text = io.StringIO()
    report.as_table(check(Plan((resource,))), Console(file=text, width=120, highlight=False))
    assert "[red]evil" in text.getvalue()
    assert "1 to mend" in text.getvalue()
