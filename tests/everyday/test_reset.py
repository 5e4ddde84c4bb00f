"""What `reset` refuses, before anything is stopped."""

import io
import sys

import pytest

from ops import __main__ as ops
from run import engine


class Target:
    disposable = True

    def started(self, stack: str) -> bool:
        return True


@pytest.fixture
def done(monkeypatch):
    """What was done to the stack."""
    calls = []
    monkeypatch.setattr(engine, "target", lambda stack: Target())
    monkeypatch.setattr(engine, "_setting", lambda stack, key: {"protectData": False, "url": ""}[key])
    monkeypatch.setattr(ops, "down", lambda stack: calls.append("down"))
    monkeypatch.setattr(ops, "up", lambda stack: calls.append("up"))
    return calls


def test_with_yes_it_is_taken_away_and_provisioned(done):
    assert ops.main(["reset", "--yes"]) == 0
    assert done == ["down", "up"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "postgresql://…", "protectData": False}, "lives on a server of your own"),
        ({"url": "", "protectData": True}, "database:protectData is true, so nothing was destroyed"),
    ],
)
def test_a_server_of_your_own_and_protected_data_are_left_alone(capsys, done, monkeypatch, settings, said):
    monkeypatch.setattr(engine, "_setting", lambda stack, key: settings[key])
    assert ops.main(["reset", "--yes"]) == 1
    error = capsys.readouterr().err
    assert (said in error, error.count("\n"), done) == (True, 1, [])


@pytest.mark.parametrize(
    ("terminal", "answer", "calls"), [(False, "dev\n", []), (True, "\n", []), (True, "dev\n", ["down", "up"])]
)
def test_without_yes_the_stack_s_name_is_asked_for(done, monkeypatch, terminal, answer, calls):
    asked = io.StringIO(answer)
    monkeypatch.setattr(asked, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stdin", asked)
    assert ops.main(["reset"]) == (0 if calls else 1)
    assert done == calls
