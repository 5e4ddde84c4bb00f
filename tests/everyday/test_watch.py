"""What `./vpb watch` declares of the files, and what it says of a program that can't be run."""

from contextlib import contextmanager

import pytest

from declared import sqlfiles
from declared.paths import CHECKOUT
from ops.errors import CommandError
from ops.everyday import watch
from run.state import UnderWay


def test_what_is_read_of_the_files_is_what_the_program_declares():
    recorder = watch.Recorder("dev", "app")
    read = recorder.declared(sqlfiles.read(), python=True)
    recorded = recorder.recorded
    assert {each.token for each in recorded.values()} == watch.TYPES
    assert len(recorded) > 200
    differing = [name for name in recorded if read[name] != recorded[name]]
    assert differing == [watch.CHECKPOINT]


def test_it_is_recorded_again_only_where_the_text_of_sql_files_does_not_say_all(monkeypatch):
    recorder = watch.Recorder("dev", "app")
    sql = sqlfiles.read()
    recorder.declared(sql, python=False)
    recorded = recorder.recorded
    monkeypatch.setattr(recorder, "_record", lambda: dict(recorded) | {"again": recorded[watch.CHECKPOINT]})
    assert "again" not in recorder.declared(sql, python=False)
    assert "again" in recorder.declared(sql, python=True)
    recorder.recorded = recorded
    fewer = sqlfiles.SqlFiles(sql.steps, sql.policies[1:])
    assert "again" in recorder.declared(fewer, python=False)


def test_an_error_of_python_names_the_line_of_ours():
    inside = CHECKOUT / "declared" / "grants.py"
    for text, said in (
        (
            f'File "{inside}", line 7\n  x = = 3\nSyntaxError: invalid syntax\n',
            "declared/grants.py:7: SyntaxError: invalid syntax",
        ),
        (
            f'File "{inside}", line 7, in <module>\nFile "/usr/lib/json.py", line 1\nKeyError: 1',
            "declared/grants.py:7: KeyError: 1",
        ),
        ("killed", "killed"),
        ("", "the program can't be run"),
    ):
        assert watch._cause(text) == said


def test_only_an_embedded_database_is_watched(monkeypatch):
    monkeypatch.setattr(watch.engine, "require", lambda stack: None)
    monkeypatch.setattr(watch.engine, "own_parameters", lambda stack: None)
    with pytest.raises(CommandError, match="stack dev: only an embedded database is watched"):
        watch.run("dev", None)


def test_an_adopted_database_is_not_watched(monkeypatch):
    monkeypatch.setattr(watch.engine, "require", lambda stack: None)
    monkeypatch.setattr(watch.engine, "adopted", lambda stack: "adopted/shop")
    with pytest.raises(CommandError, match="it is the adopted database of adopted/shop, and only the app's files"):
        watch.run("dev", None)


def test_a_save_during_another_run_waits_for_its_end(monkeypatch, capsys):
    looks = iter([True, True, False])

    @contextmanager
    def alone(stack):
        if next(looks):
            raise UnderWay(stack)
        yield

    monkeypatch.setattr(watch.engine, "alone", alone)
    monkeypatch.setattr(watch, "POLL", 0)
    with watch._alone("dev"):
        said = capsys.readouterr().out
    assert said == "stack dev: another run is under way; what was saved follows when it ends\n"
    assert next(looks, None) is None
