"""ops.audit.anchor: verification as data, and an anchor that is checked before it is compared."""

import pytest

from ops.audit import anchor as trail
from ops.audit.anchor import Finding, TrailError
from tests.sql.provision import acting_as, row
from tests.sql.trail import NEWEST, unguarded


def test_a_finding_names_what_it_is_about(people):
    assert trail.verify(people) == []
    lane, entry = row(people, NEWEST)
    with unguarded(people):
        people.execute("update audit.log set actor = 'nobody' where lane = %s and entry = %s", (lane, entry))
    (found,) = trail.verify(people)
    assert (found.kind, found.lane, found.entry) == ("edited", lane, entry)
    assert found.object == f"audit.log lane {lane}, entry {entry}"
    assert found.created_at is not None
    assert Finding("unguarded", None, None, None, "x").object == "audit trail"


def test_an_anchor_comes_back_as_it_was_taken(people):
    anchor = trail.take_anchor(people)
    assert trail.verify(people, anchor) == []
    people.execute("update public.projects set title = 'later'")
    assert trail.verify(people, anchor) == []
    with unguarded(people):
        people.execute("truncate audit.log")
        people.execute("update audit.heads set entries = 0, hash = ''")
    assert [found.kind for found in trail.verify(people, anchor)] == ["rewritten"]
    assert trail.verify(people) == []


@pytest.mark.parametrize("lanes", [None, {}, {"x": [1, ""]}, {"1": 5}, {"1": ["1", "aa"]}, {"1": [1, "aa"]}, []])
def test_a_damaged_anchor_is_refused_in_one_line(people, lanes):
    anchor = trail.take_anchor(people) | {"lanes": lanes}
    with pytest.raises(TrailError, match=r"^the anchor is damaged: .*$"):
        trail.verify(people, anchor)


def test_a_database_without_a_trail_and_a_login_without_the_right_are_reported(people, connection):
    with pytest.raises(TrailError, match="has no audit trail"):
        trail.verify(connection)
    with acting_as(people, "monitor"):
        with people.transaction(force_rollback=True), pytest.raises(TrailError, match="may not verify"):
            trail.take_anchor(people)
