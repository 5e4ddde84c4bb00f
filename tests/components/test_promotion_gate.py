"""The gate between stacks, without an engine: what it refuses, and what it says of what it lets pass."""

from typing import Any

import pulumi
import pytest

from components.promotion import Promotion
from declared import promotion
from declared.permissions import Permission, today

DECLARED = {"of": "2", "steps": {"0001_a": "x"}, "policies": {"public.a": "y"}, "others": {}}


class Staging:
    """The stack before, which has had no migration."""

    def __init__(self, name: str, stack_name: str) -> None:
        pass

    def get_output(self, name: str) -> "Staging":
        return self

    def apply(self, ask: Any) -> Any:
        return ask({"of": "1", "policies": DECLARED["policies"]})


@pytest.fixture(autouse=True)
def stack(monkeypatch):
    monkeypatch.setattr(pulumi, "get_stack", lambda: "prod")
    monkeypatch.setattr(pulumi, "get_organization", lambda: "organization")
    monkeypatch.setattr(pulumi, "get_project", lambda: "database")
    monkeypatch.setattr(pulumi, "StackReference", Staging)
    monkeypatch.setattr(pulumi.log, "warn", lambda *_: None)
    monkeypatch.setattr(pulumi.runtime, "register_stack_transformation", lambda _: None)


def test_a_stack_promoted_from_itself_is_refused_in_one_line():
    with pytest.raises(pulumi.RunError) as caught:
        Promotion("prod", DECLARED, None)
    assert str(caught.value) == "setting database:promotedFrom is prod, this stack itself; name the one before"


def test_what_is_forced_past_it_is_named_with_its_digest_and_the_reason():
    with pytest.raises(pulumi.RunError, match="stack staging hasn't had migration 0001_a: run `up` there first"):
        Promotion("staging", DECLARED, None)
    gate: Any = Promotion("staging", DECLARED, Permission(promotion.UNPROMOTED, "a leak", today()))
    assert gate.forced == {"migration 0001_a": {"of": "x", "reason": "a leak"}}
