"""What verification of the audit trail finds: whatever was changed, taken away or put in, by anyone who can."""

import hashlib
import json

import pytest

from tests.sql.provision import row
from tests.sql.trail import NEWEST, chain_again, findings, unguarded


def test_a_trail_that_nobody_touched_has_no_findings(people):
    assert row(people, "select count(*) from audit.log")[0] > 5
    anchor = row(people, "select audit.anchor()")[0]
    assert findings(people) == findings(people, anchor) == []
    assert people.execute("select * from audit.verify()").fetchall() == []
    people.execute("update public.projects set title = 'later'")
    assert findings(people, anchor) == []


def test_since_a_moment_its_entries_are_verified_and_no_earlier_ones(people):
    """Each lane is walked from the last entry before it."""
    (moment,) = row(people, "select clock_timestamp()")
    for title in "xyz":
        people.execute("update public.projects set title = %s", (title,))
    since = "select kind, entry from audit.verify(since => %s) where kind <> 'unguarded'"
    (newest,) = row(people, "select max(entry) from audit.log")
    (lane,) = row(people, "select distinct lane from audit.log where entry = %s", (newest,))
    assert people.execute(since, (moment,)).fetchall() == []
    with unguarded(people):
        edit = "update audit.log set role = 'x' where lane = %s and entry = %s"
        people.execute(edit, (lane, 1))
        assert people.execute(since, (moment,)).fetchall() == []
        assert [entry for kind, _, entry in findings(people) if kind != "unguarded"] == [1]
        people.execute(edit, (lane, newest))
        assert people.execute(since, (moment,)).fetchall() == [("edited", newest)]
        people.execute("delete from audit.log where lane = %s and entry = %s", (lane, newest - 1))
        assert people.execute(since, (moment,)).fetchall()[0] == ("missing", newest - 1)


EDITS = {
    "created_at": "created_at - interval '1 second'",
    "transaction": "transaction + 1",
    "actor": "'somebody else'",
    "login": "'app'",
    "role": "'anon'",
    "super_admin": "not super_admin",
    "application": "'psql'",
    "address": "'10.0.0.1'",
    "relation": "'public.users'",
    "operation": "'insert'",
    "row_id": "'x'",
    "old": '\'{"title": "y"}\'',
    "new": 'new || \'{"title": "y"}\'',
    "withheld": "'title'",
    "hash": "sha256('')",
}


@pytest.mark.parametrize("column", EDITS)
def test_an_edited_entry_is_named_whichever_column_it_is(people, column):
    people.execute("update public.projects set title = 'x'")
    lane, entry = row(people, "select lane, entry from audit.log where operation = 'update' order by entry limit 1")
    with unguarded(people):
        change = f"update audit.log set {column} = {EDITS[column]} where lane = %s and entry = %s"
        assert people.execute(change.encode(), (lane, entry)).rowcount == 1
    found = findings(people)
    # With another hash the next entry doesn't follow any more either.
    assert found[0] == ("edited", lane, entry)
    assert found[1:] == ([("edited", lane, entry + 1)] if column == "hash" else [])


def test_the_edits_are_of_every_column(people):
    query = "select attname::text from pg_attribute where attrelid = 'audit.log'::regclass and attnum > 0"
    assert {name for (name,) in people.execute(query)} == {*EDITS, "lane", "entry"}


def test_entries_that_were_taken_away_are_named(people):
    lane, newest = row(people, NEWEST)
    with unguarded(people):
        people.execute("delete from audit.log where lane = %s and entry in (1, 3, 4, %s)", (lane, newest))
    assert findings(people) == [("missing", lane, 1), ("missing", lane, 3), ("missing", lane, newest)]
    said = [detail for (detail,) in people.execute("select detail from audit.verify()")]
    assert "entries 3 to 4 are not there" in said[1]
    with unguarded(people):
        people.execute("truncate audit.log")
    assert findings(people) == [("missing", lane, 1)]


def test_an_entry_that_was_put_in_is_named(people):
    lane, newest = row(people, NEWEST)
    copy = (
        "insert into audit.log select lane, %s, created_at + interval '1 us', transaction, actor, login, role, "
        "super_admin, application, address, relation, operation, row_id, old, new, withheld, hash from audit.log "
        "where lane = %s and entry = 2"
    )
    with unguarded(people):
        people.execute(copy.encode(), (2, lane))
    assert ("added", lane, 2) in findings(people)
    with unguarded(people):
        people.execute(
            "delete from audit.log where (entry, created_at) = "
            "(select entry, max(created_at) from audit.log where entry = 2 group by entry)"
        )
        assert findings(people) == []
        people.execute(copy.encode(), (newest + 1, lane))
    assert ("head", lane, newest + 1) in findings(people)


@pytest.mark.parametrize(
    ("change", "kind", "shift"),
    [
        ("update audit.heads set entries = entries - 1 where lane = %s", "head", 0),
        ("update audit.heads set entries = entries + 1 where lane = %s", "missing", 1),
        ("update audit.heads set hash = sha256('') where lane = %s", "head", 0),
        ("delete from audit.heads where lane = %s", "head", 0),
    ],
)
def test_a_head_that_was_changed_is_named(people, change, kind, shift):
    lane, newest = row(people, NEWEST)
    with unguarded(people):
        people.execute(change.encode(), (lane,))
    assert findings(people) == [(kind, lane, newest + shift)]


def test_the_head_of_an_empty_lane_is_watched_too(people):
    (lane,) = row(people, "select min(lane) from audit.heads where entries = 0")
    with unguarded(people):
        people.execute("delete from audit.heads where lane = %s", (lane,))
    assert findings(people) == [("head", lane, 0)]


def test_only_an_anchor_shows_a_trail_that_was_chained_again(people):
    people.execute("update public.projects set title = 'x'")
    anchor = row(people, "select audit.anchor()")[0]
    lane, newest = row(people, NEWEST)
    with people.transaction(force_rollback=True), unguarded(people):
        people.execute("update audit.log set actor = 'somebody else' where lane = %s and entry = 2", (lane,))
        chain_again(people)
        assert findings(people) == []
        assert findings(people, anchor) == [("rewritten", lane, newest)]
    with people.transaction(force_rollback=True), unguarded(people):
        people.execute("delete from audit.log where lane = %s and entry > 2", (lane,))
        chain_again(people)
        assert findings(people) == []
        assert findings(people, anchor) == [("rewritten", lane, newest)]


def test_an_anchor_has_a_digest_that_anybody_can_compute(people):
    anchor = row(people, "select audit.anchor()")[0]
    lanes = dict(sorted(anchor["lanes"].items(), key=lambda lane: (len(lane[0]), lane[0])))
    assert hashlib.sha256(json.dumps(lanes).encode()).hexdigest() == anchor["digest"]
    people.execute("update public.projects set title = 'later'")
    assert row(people, "select audit.anchor()")[0]["digest"] != anchor["digest"]


@pytest.mark.parametrize(
    "table", ["audit.log", "audit.log_default", "audit.heads", "public.projects", "storage.buckets"]
)
def test_a_trigger_that_was_switched_off_is_named(people, table):
    trigger = "_100_append_only" if table.startswith("audit.") else "_900_audit_update"
    for switch in ("disable trigger", "enable trigger"):
        people.execute(f"alter table only {table} {switch} {trigger}".encode())
        query = "select detail from audit.verify() where kind = 'unguarded'"
        assert people.execute(query).fetchall() == [(f"{table} has no trigger {trigger} that always fires",)]
