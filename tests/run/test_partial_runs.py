"""A run of a part goes around the gate of drills, so the wrapper refuses it where data might go."""

from datetime import timedelta

import pytest

from declared.backups import BackupSettings
from declared.permissions import Permission, today
from run import engine, state
from targets.aws import Aws

UP = ["up", "--yes", "--stack", "prod"]


@pytest.fixture(autouse=True)
def stack(monkeypatch):
    """One that keeps its data, declares backups and allows two things, of which one is over."""
    allowed = [Permission("0007_projects", "x", today()), Permission("rows", "x", today() - timedelta(days=1))]
    given = {
        "require": None,
        "environment": {},
        "target": Aws(),
        "keeps": True,
        "adopted": "",
        "backups": BackupSettings({"daily": 7}, 24, 4, 1, ("age1",)),
        "permissions": [*allowed, Permission("audio public", "x", today())],
        "_refuse_moved": None,
    }
    for name, value in given.items():
        monkeypatch.setattr(engine, name, lambda *_, value=value: value)
    monkeypatch.setattr(engine, "_plugins", lambda *_: pytest.fail("it goes on"))


@pytest.mark.parametrize("part", [["--target", "urn"], ["-ft", "urn"], ["--exclude=urn"], ["--target-replace", "urn"]])
def test_a_run_of_a_part_is_refused_where_what_is_allowed_may_destroy_data(part):
    said = r"^stack prod: \S+ runs a part, .* database:allow names 0007_projects, which may destroy data: run all"
    with pytest.raises(state.EngineError, match=said):
        engine.run([*UP, *part])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, UP),
        ({}, [*UP, "--", "--target"]),
        ({}, ["preview", *UP[1:], "--target", "urn"]),
        ({"keeps": False}, [*UP, "--target", "urn"]),
        ({"adopted": "sql/adopted"}, [*UP, "--target", "urn"]),
        ({"backups": None}, [*UP, "--target", "urn"]),
        ({"permissions": []}, [*UP, "--target", "urn"]),
    ],
)
def test_all_else_goes_on(given, words, monkeypatch):
    for name, value in given.items():
        monkeypatch.setattr(engine, name, lambda *_, value=value: value)
    with pytest.raises(pytest.fail.Exception, match="it goes on"):
        engine.run(words)
