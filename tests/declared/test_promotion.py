"""What one stack hasn't had of what another one is to get is named."""

import copy

from declared import promotion, sqlfiles
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


def test_steps_of_a_platform_are_called_by_their_folder():
    assert any(name.startswith("sql/platform/") for name in DECLARED["steps"])
