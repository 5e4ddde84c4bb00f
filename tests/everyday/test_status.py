"""What `status` says, and its status."""

import json
from datetime import datetime

import pytest

from ops import __main__ as ops
from ops import driftnotes
from ops.drift import Drift
from ops.everyday import overview
from ops.everyday.overview import Archived, Drill, LastUp, Overlap, Overview
from ops.rotation import Sessions
from run import engine, state

UP = LastUp("2026-11-27T08:14:36+00:00", 24, "succeeded", {"create": 2, "update": 1, "same": 315})
SERVICES = [engine.Service("PostgreSQL", "17.10", "127.0.0.1:5432"), engine.Service("moto", "5.1", None)]


def found(**changes) -> Overview:
    return Overview(
        **{"stack": "dev", "target": "local", "services": SERVICES, "last_up": UP, "problem": None, **changes}
    )


@pytest.mark.parametrize(
    ("said", "status", "line"),
    [
        (found(pending={"sql/migrations": []}), 0, "migrations        none pending"),
        (found(pending={"sql/platform": [], "sql/migrations": ["0099_tags"]}), 2, "1 pending: 0099_tags"),
        (found(pending=None), 1, "unknown while the server doesn't run; `make up STACK=dev` starts it"),
        (found(pending=None, problem="it doesn't answer"), 1, "migrations        it doesn't answer"),
    ],
)
def test_pending_migrations_are_status_2_and_what_cannot_be_read_is_1(capsys, monkeypatch, said, status, line):
    monkeypatch.setattr(overview, "of", lambda stack: said)
    assert ops.main(["status"]) == status
    text = capsys.readouterr().out
    assert line in text
    assert "moto 5.1          doesn't answer" in text
    assert "last up           2026-11-27 08:14 UTC, succeeded in 24 s: 2 created, 1 updated" in text
    assert ops.main(["status", "--json"]) == status
    assert json.loads(capsys.readouterr().out)["pending"] == said.pending


def test_what_is_left_to_be_done_with_a_service_is_beside_its_address():
    api = engine.Service("PostgREST", "14.1", "http://127.0.0.1:3000", "its old secret is accepted too")
    said = overview.as_text(found(pending={}, services=[api]))
    assert "PostgREST 14.1  http://127.0.0.1:3000; its old secret is accepted too\n" in said


GOOD = {"backup": "20261120T050000Z-00000001", "drilled_at": "2026-11-20T05:10:00+00:00"}
MEASURED = {"recovery_point_seconds": 600.4, "recovery_time_seconds": 12.0}
PASSED = "passed 2026-11-20 05:10 UTC: backup 20261120T050000Z-00000001, 0:10:00 old, restored in 0:00:12"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({**GOOD, **MEASURED}, PASSED),
        (
            {**GOOD, **MEASURED, "late": True},
            f"{PASSED}, and database:backups wants one in 8 days; ./vpb restore-drill",
        ),
        (
            {**GOOD, **MEASURED, "failed": "b"},
            f"{PASSED}; that of backup b has failed since; ./vpb restore-drill --stack",
        ),
        ({"within_days": None}, "none has passed yet; ./vpb restore-drill --stack dev"),
    ],
)
def test_the_last_drill_is_shown(capsys, monkeypatch, changes, line):
    none = dict.fromkeys(("backup", "drilled_at", "failed", *MEASURED))
    last = Drill(**{**none, "within_days": 8, "late": False, **changes})
    monkeypatch.setattr(overview, "of", lambda stack: found(pending={"sql/migrations": []}, drill=last))
    assert ops.main(["status"]) == 0
    text = capsys.readouterr().out
    assert f"drill             {line}" in text
    assert ops.main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["drill"]["backup"] == last.backup


@pytest.mark.parametrize(
    ("late", "line"),
    [
        (False, "archived; not read by anybody"),
        (True, "not archived for 0:12:00: not read by anybody; ./vpb wal archive --stack dev"),
    ],
)
def test_an_archive_that_is_behind_is_shown(capsys, monkeypatch, late, line):
    wal = Archived(720.3, late, "not read by anybody")
    monkeypatch.setattr(overview, "of", lambda stack: found(pending={"sql/migrations": []}, wal=wal))
    assert ops.main(["status"]) == 0
    assert f"wal               {line}\n" in capsys.readouterr().out
    assert ops.main(["status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["wal"]["late"] == late


@pytest.mark.parametrize(
    ("sessions", "line"),
    [
        ([], "2 and 1 are open, sessions of the old one: none; ./vpb rotate --finish --stack dev closes 1"),
        (
            [Sessions("authjs", "site", 3), Sessions("monitor", "no name", 1)],
            "2 and 1 are open, sessions of the old one: authjs 3 (site), monitor 1 (no name); ./vpb rotate --finish",
        ),
        (None, "2 and 1 are open, who uses the old one isn't known; ./vpb rotate --finish --stack dev closes 1"),
    ],
)
def test_a_rotation_that_is_under_way_is_shown(capsys, monkeypatch, sessions, line):
    shown = found(pending={"sql/migrations": []}, overlap=Overlap(2, 1, True, sessions))
    monkeypatch.setattr(overview, "of", lambda stack: shown)
    assert ops.main(["status"]) == 0
    assert f"passwords         {line}" in capsys.readouterr().out
    assert ops.main(["status", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["overlap"]
    unopened = found(pending={"sql/migrations": []}, overlap=Overlap(2, 1, False, sessions))
    assert "2 isn't open yet beside 1; ./vpb rotate --stack dev goes on" in overview.as_text(unopened)
    assert (said["new"], said["old"], said["sessions"] is None) == (2, 1, sessions is None)


def test_what_drift_has_seen_is_shown_with_its_first_time(capsys, monkeypatch, tmp_path):
    times = iter(("2026-11-27T08:00:00+00:00", "2026-11-28T09:30:00+00:00", "2026-11-28T10:00:00+00:00"))

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromisoformat(next(times))

    monkeypatch.setattr(driftnotes, "datetime", Clock)
    monkeypatch.setattr(driftnotes, "stack_folder", lambda stack: tmp_path / ".local" / stack)
    policy, grant = (
        Drift(f"pg:index:{kind}", name, "", False, ()) for kind, name in (("Policy", "p"), ("Grants", "g"))
    )
    shown = []
    assert driftnotes.last("dev") is None
    for seen in ([], [policy], [policy, grant]):
        driftnotes.note("dev", seen)
        monkeypatch.setattr(overview, "of", lambda stack: found(pending={}, drift=driftnotes.last("dev")))
        assert ops.main(["status"]) == 0
        shown += [line[18:] for line in capsys.readouterr().out.splitlines() if line.startswith("drift")]
    again = "; ./vpb drift --stack dev looks again"
    assert shown == [
        f"none, looked for 2026-11-27 08:00 UTC, before the last up{again}",
        f"Policy p changed manually, first seen 2026-11-28 09:30 UTC; looked for 2026-11-28 09:30 UTC{again}",
        f"2 objects changed manually, first seen 2026-11-28 09:30 UTC; looked for 2026-11-28 10:00 UTC{again}",
    ]
    assert driftnotes.last("dev").since == {
        "Policy p": "2026-11-28T09:30:00+00:00",
        "Grants g": "2026-11-28T10:00:00+00:00",
    }


def test_a_run_that_is_under_way_is_shown(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(state, "stack_folder", lambda stack: tmp_path)
    assert engine.under_way("dev") is None
    with state.alone("dev", "", changes=False):
        assert engine.under_way("dev") is None
    with state.alone("dev", "", changes=True):
        since = engine.under_way("dev")
    assert engine.under_way("dev") is None
    shown = found(pending={"sql/migrations": []}, under_way=since.isoformat())
    monkeypatch.setattr(overview, "of", lambda stack: shown)
    assert ops.main(["status"]) == 0
    assert f"now               a run is under way since {since:%H:%M:%S} UTC" in capsys.readouterr().out
