"""What becomes of the snapshot's findings on their way to the user."""

import json
from types import SimpleNamespace

import pytest

from ops import drift
from provider.differences import ManualChange, changes, fingerprint
from provider.snapshots import Difference
from tests.provider.snapshots import URN

pytest_plugins = ["tests.provider.snapshot_fixtures"]

FOUND = {"table public.t: column a": {"was": "text not null", "now": "text"}, "index public.i": {"now": "CREATE INDEX"}}


SAID = ("table public.t: column a was changed manually from a to b", "index public.i was added manually: CREATE INDEX")


def report(monkeypatch, op, before, after, said=SAID):
    def state(found):
        return {"type": drift.SNAPSHOT, "id": "schema", "outputs": {"drift": found}}

    step = {"op": op, "urn": URN, "oldState": state(before), "newState": state(after)}
    diagnostics = [{"urn": URN, "severity": "info", "message": line} for line in said]
    answer = SimpleNamespace(stdout=json.dumps({"steps": [step], "diagnostics": diagnostics}), stderr="", returncode=0)
    monkeypatch.setattr(drift.engine, "capture", lambda *_: answer)
    monkeypatch.setattr(drift, "_database", lambda stack: ([], []))
    return drift.find("dev")


@pytest.mark.parametrize(("op", "before"), [("update", {}), ("refresh", FOUND), ("same", FOUND)])
def test_the_drift_report_has_a_row_for_each_object_also_where_it_was_known_before(monkeypatch, op, before):
    found = report(monkeypatch, op, before, FOUND)
    assert [(entry.property, entry.declared, entry.found) for entry in found[0].changes] == [
        ("index public.i", None, "CREATE INDEX"),
        ("table public.t: column a", "text not null", "text"),
    ]
    rows = drift.as_markdown("dev", found, {}).splitlines()
    assert "| `table public.t` | `column a was changed from a to b` | not recorded |" in rows
    assert "| `index public.i` | `was added: CREATE INDEX` | not recorded |" in rows


def test_of_a_long_definition_the_drift_report_has_both_texts_whole(monkeypatch):
    was, now = ("\n".join([f"line {number}" for number in range(40)] + [end]) for end in ("old end", "new end"))
    found = {"function private.f()": {"was": was, "now": now}}
    line = ManualChange("function private.f()", "", was, now).line
    (each,) = report(monkeypatch, "update", {}, found, said=[line])
    assert (each.manual[0].was, each.manual[0].now) == (was, now)
    text = drift.as_markdown("dev", [each], {})
    assert ("-old end" in text, "+new end" in text) == (True, True)


def test_what_was_undone_is_not_in_the_drift_report(monkeypatch):
    assert report(monkeypatch, "update", FOUND, {}, said=()) == []
    assert report(monkeypatch, "refresh", FOUND, FOUND, said=()) == [], "the engine shows what a refused run has left"


def test_of_what_a_refused_run_has_left_only_what_is_still_so_is_in_the_drift_report(monkeypatch):
    (found,) = report(monkeypatch, "refresh", FOUND, FOUND, said=SAID[:1])
    assert [entry.property for entry in found.changes] == ["table public.t: column a"]


def test_a_line_shows_of_two_long_definitions_the_place_where_they_differ():
    body = "x" * 400
    line = ManualChange("function f()", "", body + " old " + body, body + " new " + body).line
    assert " old " in line
    assert " new " in line
    assert len(line) < 600


def test_the_fingerprint_of_a_drift_tells_both_definitions_apart():
    was, now = ({"k": {"was": "a", "now": "b"}}, {"k": {"was": "a", "now": "c"}})
    assert fingerprint(was) != fingerprint(now)
    assert fingerprint({"k": {"was": None, "now": "b"}}) == fingerprint({"k": {"now": "b"}})


def test_a_member_that_an_extensions_update_changed_is_part_of_the_extensions_change():
    extension = Difference("extension e", "", "version 1", "version 2", None, None)
    member = Difference("function x.f()", "", "old", "new", "extension e", "x")
    (change,) = changes([extension, member])
    assert change.key == "extension e"
    assert change.rows == [extension, member]


def test_an_extension_of_another_version_speaks_for_its_members_and_is_no_other_extension():
    version = Difference("extension e", "version", "1", "2", None, None)
    member = Difference("function x.f()", "", "old", "new", "extension e", "x")
    (change,) = changes([version, member])
    assert change.key == "extension e: version"
    assert change.rows == [version, member]


def test_comments_and_grants_of_a_column_that_went_are_part_of_its_change():
    rows = [
        Difference("table public.t", facet, was, None, "schema public", "public")
        for facet, was in (("column a", "text"), ("comment on column a", "A."), ("grants on column a", "anon: select"))
    ]
    (change,) = changes(rows)
    assert change.key == "table public.t: column a"
    assert change.rows == rows


def test_a_state_that_lacks_the_snapshot_is_nothing_to_compare_with(monkeypatch):
    answer = SimpleNamespace(stdout=json.dumps({"steps": [], "diagnostics": []}), stderr="", returncode=0)
    monkeypatch.setattr(drift.engine, "capture", lambda *_: answer)
    with pytest.raises(drift.DriftError, match="the state of stack dev isn't whole"):
        drift.find("dev")


POLICY = "urn:pulumi:dev::database::vpb:index:Policies$pg:index:Policy::mine"


@pytest.mark.parametrize(
    ("op", "said", "gone"),
    [
        ("delete", "policy mine on public.t is gone from the server", [True]),
        ("delete", "policy mine on public.t was dropped by migration 0002_step", []),
        ("update", "policy mine on public.t: using was changed manually from 'a' to 'b'", [False]),
        ("update", "policy mine on public.t: using was changed by migration 0002_step from 'a' to 'b'", []),
        (
            "update",
            "grants on t: by migration 0002_step, [select] was revoked; manually, [insert] was granted",
            [False],
        ),
    ],
)
def test_what_a_failed_run_has_changed_itself_is_no_manual_change(monkeypatch, op, said, gone):
    state = {"type": "pg:index:Policy", "id": "mine", "inputs": {"using": "a"}, "outputs": {"using": "b"}}
    snapshot = {"type": drift.SNAPSHOT, "id": "schema", "outputs": {}}
    steps = [
        {"op": "same", "urn": URN, "oldState": snapshot, "newState": snapshot},
        {"op": op, "urn": POLICY, "oldState": state, "newState": state},
    ]
    diagnostics = [{"urn": POLICY, "severity": "info", "message": said}]
    answer = SimpleNamespace(stdout=json.dumps({"steps": steps, "diagnostics": diagnostics}), stderr="", returncode=0)
    monkeypatch.setattr(drift.engine, "capture", lambda *_: answer)
    monkeypatch.setattr(drift, "_database", lambda stack: ([], []))
    assert [found.gone for found in drift.find("dev")] == gone


def test_a_stack_without_resources_is_told_so(monkeypatch):
    answer = SimpleNamespace(stdout=json.dumps({"config": {}, "duration": 1}), stderr="", returncode=0)
    monkeypatch.setattr(drift.engine, "capture", lambda *_: answer)
    with pytest.raises(drift.DriftError, match="stack dev has no resources; `make up STACK=dev` provisions it"):
        drift.find("dev")


def test_a_run_of_a_part_of_the_program_leaves_what_is_recorded_of_all_of_it(world):
    world.engine.create("pg:index:SchemaSnapshot", {"name": "schema", "schemas": ["public"]})
    inputs = {"snapshot": "schema", "of": "1", "record": {"steps": {"0001_a": "x"}}, "resources": 3}
    begun = world.engine.create("pg:index:SchemaCheckpoint", inputs)
    assert [begun.state[name] for name in ("of", "record", "at", "by")] == ["", {}, "", ""]
    ended = world.engine.update(begun, {**inputs, "resources": 2})
    assert (ended.state["of"], ended.state["record"], bool(ended.state["at"])) == ("1", inputs["record"], True)
    other = {**inputs, "of": "2", "record": {"steps": {"0001_a": "y"}}}
    kept = world.engine.update(ended, other)
    for name in ("of", "record", "at", "by"):
        assert kept.state[name] == ended.state[name]
    assert "this run leaves out 1 of 3 resources (`--target`, `--exclude`)" in world.engine.reported()[-1]
    assert "of" in world.engine.diff(kept, other), "the next run of all of it records it"


def test_what_was_forced_keeps_its_reason_until_the_stack_before_has_had_it(world):
    world.engine.create("pg:index:SchemaSnapshot", {"name": "schema", "schemas": ["public"]})
    one, two = {"of": "1", "reason": "a leak"}, {"of": "2", "reason": "another leak"}
    inputs = {"snapshot": "schema", "of": "1", "unpromoted": {"migration 0001_a": one}}
    ended = world.engine.create("pg:index:SchemaCheckpoint", inputs)
    first = ended.state["forced"]["migration 0001_a"]
    assert (first["reason"], first["at"], first["by"]) == ("a leak", ended.state["at"], ended.state["by"])
    later = {"migration 0001_a": {**one, "reason": "another leak"}, "migration 0002_b": two}
    ended = world.engine.update(ended, {**inputs, "of": "2", "unpromoted": later})
    assert ended.state["forced"]["migration 0001_a"] == first
    assert ended.state["forced"]["migration 0002_b"]["reason"] == "another leak"
    other = {"migration 0001_a": {"of": "3", "reason": "edited"}}
    ended = world.engine.update(ended, {**inputs, "of": "3", "unpromoted": other})
    assert {what: forced["reason"] for what, forced in ended.state["forced"].items()} == {"migration 0001_a": "edited"}
    ended = world.engine.update(ended, {"snapshot": "schema", "of": "4"})
    assert ended.state["forced"] == {}
