"""What becomes of the snapshot's findings on their way to the user: the drift report, and an update that is refused."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from pgprovider.differences import Change, changes, fingerprint
from pgprovider.snapshots import Difference

from ops import drift
from plugin.proto import provider_pb2, status_pb2
from plugin.server import Kind, Plugin, Servicer, Unfinished
from plugin.wire import decode, encode
from tests.provider.snapshots import URN

pytest_plugins = ["tests.provider.snapshot_fixtures"]

FOUND = {"table public.t: column a": {"was": "text not null", "now": "text"}, "index public.i": {"now": "CREATE INDEX"}}


def report(monkeypatch, op, before, after):
    def state(found):
        return {"type": drift.SNAPSHOT, "id": "schema", "outputs": {"drift": found}}

    step = {"op": op, "urn": URN, "oldState": state(before), "newState": state(after)}
    answer = SimpleNamespace(stdout=json.dumps({"steps": [step]}), stderr="", returncode=0)
    monkeypatch.setattr(drift.engine, "capture", lambda *_: answer)
    return drift.find("dev")


@pytest.mark.parametrize(("op", "before"), [("update", {}), ("refresh", FOUND), ("same", FOUND)])
def test_the_drift_report_has_a_row_for_each_object_also_where_it_was_known_before(monkeypatch, op, before):
    found = report(monkeypatch, op, before, FOUND)
    assert [(entry.property, entry.declared, entry.found) for entry in found[0].changes] == [
        ("index public.i", None, "CREATE INDEX"),
        ("table public.t: column a", "text not null", "text"),
    ]
    assert "| table public.t: column a | `text not null` | `text` |" in drift.as_markdown("dev", found)


def test_what_was_undone_is_not_in_the_drift_report(monkeypatch):
    assert report(monkeypatch, "update", FOUND, {}) == []


def test_an_unfinished_update_hands_its_state_to_the_engine_with_the_error():
    class Halfway(Kind):
        token = "pg:index:SchemaSnapshot"

        async def update(self, context, id, state, new, preview):
            raise Unfinished("so far and no further", id, {"name": "schema", "drift": FOUND})

    class Aborted(Exception):
        pass

    said = {}

    async def abort(code, message, metadata):
        said.update(message=message, metadata=dict(metadata))
        raise Aborted

    plugin = Plugin([Halfway()])
    request = provider_pb2.UpdateRequest(id="schema", urn=URN, olds=encode({}), news=encode({"name": "schema"}))
    with pytest.raises(Exception):  # noqa: B017, PT011 (grpc's own abort raises, ours as well)
        asyncio.run(Servicer(plugin, None).Update(request, SimpleNamespace(abort=abort)))
    status = status_pb2.Status.FromString(said["metadata"]["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert said["message"] == "so far and no further"
    assert list(detail.reasons) == ["so far and no further"]
    assert decode(detail.properties).values["drift"] == FOUND


def test_a_line_shows_of_two_long_definitions_the_place_where_they_differ():
    body = "x" * 400
    line = Change("function f()", "", body + " old " + body, body + " new " + body).line
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


def test_comments_and_grants_of_a_column_that_went_are_part_of_its_change():
    rows = [
        Difference("table public.t", facet, was, None, "schema public", "public")
        for facet, was in (("column a", "text"), ("comment on column a", "A."), ("grants on column a", "anon: select"))
    ]
    (change,) = changes(rows)
    assert change.key == "table public.t: column a"
    assert change.rows == rows
