"""What one stack hasn't had of what another one is to get is named."""

import copy
from dataclasses import replace

import pytest

from declared import promotion, roles, sqlfiles
from declared.schemas import PUBLISHED

DECLARED = promotion.record(sqlfiles.read(), PUBLISHED)


def passed(**changes):
    """A record of another stack that differs in some entries; None takes one away."""
    found = copy.deepcopy(DECLARED) | {"of": "another"}
    for part, entries in changes.items():
        for name, value in entries.items():
            found[part].pop(name, None)
            if value is not None:
                found[part][name] = value
    return found


def test_what_is_the_same_lacks_nothing_and_an_empty_record_lacks_all():
    assert promotion.lacking(DECLARED, DECLARED) == {}
    found = promotion.lacking({}, DECLARED)
    assert "migration 0001_private_helpers" in found
    assert len(found) == sum(len(DECLARED[part]) for part in promotion.PARTS)


def test_each_difference_is_named_with_what_it_is():
    last = max(name for name in DECLARED["steps"] if "/" not in name)
    other = passed(steps={last: None, "9999_attic": "x"}, policies={"public.users": "x"}, others={"privileges": "x"})
    assert promotion.lacking(other, DECLARED) == {
        f"migration {last}": DECLARED["steps"][last],
        "the end of migration 9999_attic": "",
        "row policies of public.users": DECLARED["policies"]["public.users"],
        "privileges": DECLARED["others"]["privileges"],
    }


def test_what_is_no_record_has_had_nothing():
    nothing = promotion.lacking({}, DECLARED)
    for passed in ("text", ["of"], 7, None, {"steps": "text"}, {"steps": ["0001"], "policies": 3, "others": None}):
        assert promotion.lacking(passed, DECLARED) == nothing


@pytest.mark.parametrize("change", [{"bypassrls": True}, {"member_of": ("service_role",)}, {"settings": {"a": "b"}}])
def test_a_role_that_may_more_has_to_pass_too(change, monkeypatch):
    monkeypatch.setitem(roles.ROLES, "anon", replace(roles.ROLES["anon"], **change))
    changed = promotion.record(sqlfiles.read(), PUBLISHED)
    assert list(promotion.lacking(DECLARED, changed)) == ["schemas, extensions, roles or the publication"]


def test_steps_of_a_platform_are_called_by_their_folder():
    assert any(name.startswith("sql/platform/") for name in DECLARED["steps"])
