"""What `rotate` writes, runs and says; what it does on a server is in tests/sql/test_rotation.py."""

import json
import subprocess

import pytest

from ops import __main__ as ops
from ops import rotation
from ops.progress import Report
from run import engine
from run.events import Summary


class Stack:
    """The setting as a stack's file has it, and what was done in which order."""

    def __init__(self) -> None:
        self.file: object = [1]
        self.calls: list[object] = []
        self.fails = False

    def set_all(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        assert words[:3] == ["config", "set-all", "--json"]
        self.file = json.loads(words[3])["database:passwords"]["objectValue"]
        self.calls.append(self.file)
        return subprocess.CompletedProcess(words, 0, "", "")

    def up(self, words: list[str]) -> Report:
        self.calls.append(words[0])
        return Report(None, status=255 if self.fails else 0, errors=["no"], summary=Summary(3, {"update": 1}))


@pytest.fixture
def stack(monkeypatch) -> Stack:
    stack = Stack()
    monkeypatch.setattr(engine, "require", lambda name: None)
    monkeypatch.setattr(engine, "_setting", lambda name, key: stack.file if key == "passwords" else [])
    monkeypatch.setattr(engine, "capture", lambda words: stack.set_all(words))
    monkeypatch.setattr("ops.progress.run", lambda words, *_, **__: stack.up(words))
    monkeypatch.setattr(rotation, "using", lambda where, number, seconds=0: [])
    monkeypatch.setattr(rotation, "provisioning", lambda name: {})
    monkeypatch.setattr(rotation, "_unopened", lambda name, number: None)
    monkeypatch.setattr(rotation, "close", lambda name, progress, force: [])
    return stack


def test_a_rotation_is_a_setting_and_a_run_twice_over(stack, capsys):
    assert ops.main(["rotate"]) == 0
    said = capsys.readouterr()
    assert said.err == "Pulumi.dev.yaml: database:passwords is [2, 1]; commit it\n"
    assert "./vpb rotate --finish --stack dev" in said.out
    assert ops.main(["rotate", "--finish"]) == 0
    assert stack.calls == [[2, 1], "preview", "up", [2], "preview", "up"]
    assert "The old passwords log in no more." in capsys.readouterr().out


@pytest.mark.parametrize(("there", "words"), [([2, 1], ["rotate"]), ([2], ["rotate", "--finish"])])
def test_a_run_that_was_cut_off_goes_on_with_what_is_declared(stack, capsys, there, words):
    stack.file = there
    assert ops.main(words) == 0
    assert (stack.file, stack.calls) == (there, ["up"])
    assert capsys.readouterr().err == f"stack dev: database:passwords is {there} already; going on\n"


def test_where_no_rotation_was_begun_none_is_finished(stack, capsys):
    assert ops.main(["rotate", "--finish"]) == 1
    assert "no rotation is under way; `./vpb rotate --stack dev` begins one" in capsys.readouterr().err
    assert stack.calls == []


def test_sessions_of_the_old_logins_keep_it_open_unless_they_may_end(stack, capsys, monkeypatch):
    stack.file = [2, 1]
    monkeypatch.setattr(rotation, "using", lambda where, number, seconds=0: [rotation.Sessions("authjs", "site", 2)])
    assert ops.main(["rotate", "--finish"]) == 1
    error = capsys.readouterr().err
    assert ("the old logins have sessions: authjs 2 (site)" in error, error.count("\n"), stack.calls) == (True, 1, [])
    assert ops.main(["rotate", "--finish", "--force"]) == 0
    assert stack.calls == [[2], "preview", "up"]


def test_a_run_that_fails_closes_no_session_and_busy_ones_are_status_2(stack, capsys, monkeypatch):
    stack.file = [2, 1]
    monkeypatch.setattr(rotation, "close", lambda name, progress, force: [rotation.Sessions("backup", "pg_dump", 1)])
    stack.fails = True
    assert ops.main(["rotate", "--finish"]) == 1
    assert "pg_dump" not in capsys.readouterr().err
    stack.fails = False
    assert ops.main(["rotate", "--finish"]) == 2
    assert "still busy: backup 1 (pg_dump); run it again" in capsys.readouterr().err


def test_force_goes_with_finish_alone_and_a_bad_setting_is_one_line(stack, capsys):
    assert ops.main(["rotate", "--force"]) == 1
    assert capsys.readouterr().err.startswith("error: --force goes with --finish alone")
    stack.file = [4, 1]
    assert ops.main(["rotate"]) == 1
    assert capsys.readouterr().err.startswith("error: setting database:passwords is [4, 1]; allowed is ")
    assert stack.calls == []


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (engine.UnderWay("dev"), [1]),
        (engine.EngineError("no tunnel"), [1]),
        (engine.EngineEnded("pulumi was ended by signal 9"), [2, 1]),
    ],
    ids=str,
)
def test_where_the_engine_isn_t_begun_the_setting_is_what_it_was(stack, capsys, monkeypatch, error, kept):
    def stopped(words: list[str]) -> Report:
        raise error

    monkeypatch.setattr(stack, "up", stopped)
    assert ops.main(["rotate"]) == 1
    assert stack.file == kept
    assert f"error: {error}" in capsys.readouterr().err


@pytest.mark.parametrize(("there", "words"), [([1], ["rotate"]), ([2, 1], ["rotate", "--finish"])])
def test_where_up_is_not_begun_the_setting_is_what_it_was(stack, capsys, monkeypatch, there, words):
    stack.file, stack.fails = there, True
    monkeypatch.setattr(ops, "_pends", lambda brought_to: True)
    assert ops.main(words) == 1
    assert stack.file == there
    assert stack.calls[1] == "preview"
    assert f"database:passwords is {there} again" in capsys.readouterr().err


def test_the_secret_of_the_local_api_has_a_rotation_of_its_own(stack, capsys, monkeypatch):
    asked = []

    class Target:
        def rotate_api(self, name: str, finish: bool, progress: object) -> bool:
            asked.append((name, finish))
            return len(asked) < 3

    monkeypatch.setattr(engine, "target", lambda name: Target())
    for words in (["rotate", "--api"], ["rotate", "--api", "--finish"], ["rotate", "--api", "--finish"]):
        assert ops.main(words) == 0
    said = capsys.readouterr().out
    assert asked == [("dev", False), ("dev", True), ("dev", True)]
    assert said.index("./vpb rotate --api --finish --stack dev") < said.index("old secret are refused")
    assert said.endswith("one secret is accepted; there is no old one\n")
    assert (stack.calls, ops.main(["rotate", "--api", "--force"])) == ([], 1)
