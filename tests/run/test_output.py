"""What people see of a run: the engine's events, as its event log has them, and our lines of them."""

import inspect
import json
import time
from collections.abc import Sequence
from threading import Event as Signal
from threading import Thread

import pytest

from declared import prices
from ops import progress
from ops.progress import Progress, Report
from provider import rehearsal
from run import events

URN = "urn:pulumi:dev::database::vpb:index:Structure${type}::{name}"
SNAPSHOT, MIGRATIONS = "pg:index:SchemaSnapshot", "pg:index:MigrationSet"
CAUSE = 'migration 0037_try: column "nowhere" does not exist (42703), sql/migrations/0037_try.up.sql:7'


def said(text: str, severity: str = "info", type: str = MIGRATIONS, name: str = "", **more: bool) -> str:
    urn = {"urn": URN.format(type=type, name=name)} if name else {}
    return json.dumps({"diagnosticEvent": {"message": f"{text}\n", "severity": severity, **urn, **more}})


def outcome(
    op: str, type: str, name: str, paths: Sequence[str] = (), event: str = "resOutputsEvent", **states: object
) -> str:
    diff = {path: {"diffKind": "update"} for path in paths} or None
    urn = URN.format(type=type, name=name)
    return json.dumps({event: {"metadata": {"op": op, "urn": urn, "type": type, "detailedDiff": diff, **states}}})


def ended(counts: dict[str, int], seconds: int = 8) -> str:
    return json.dumps({"summaryEvent": {"durationSeconds": seconds, "resourceChanges": counts}})


def ran(*lines: str, status: int = 0, text: str = "") -> Report:
    report = Report(Progress(terminal=False), status=status, text=text)
    for line in lines:
        report.add(line)
    return report


def conclusion(capsys, report: Report, verb: str = "up") -> tuple[list[str], list[str]]:
    progress.conclude(verb, "dev", report, "\nnext")
    found = capsys.readouterr()
    return found.out.splitlines(), found.err.splitlines()


def test_nothing_to_do_is_one_line(capsys):
    report = ran(
        said("using pulumi-resource-aws from $PATH at /a", "warning"),
        said("registering resource", "debug"),
        outcome("refresh", "pg:index:Role", "anon"),
        outcome("same", "pg:index:Role", "anon"),
        ended({"same": 453}),
    )
    assert list(report.lines()) == []
    assert conclusion(capsys, report) == (["stack dev: up to date, nothing to do (8 s)"], [])


def test_what_changes_is_shown_with_what_it_says_of_itself(capsys):
    report = ran(
        said("apply 0037_try", name="migrations"),
        outcome("update", MIGRATIONS, "migrations", ['steps["0037_try"]']),
        outcome("update", "pg:index:Role", "anon", ["a", "b", "c", "d", "e"]),
        outcome("create-replacement", "pg:index:Key", "key"),
        outcome("replace", "pg:index:Key", "key"),
        outcome("update", "pg:index:SchemaCheckpoint", "checkpoint", ["of"]),
        said("unknown setting", "warning", name="stack"),
        ended({"same": 450, "update": 3, "replace": 1}, 65),
    )
    assert list(report.lines()) == [
        " ~ MigrationSet migrations",
        "     apply 0037_try",
        " ~ Role anon",
        *(f"     {path}" for path in ("a", "b", "c", "d", "and 1 more")),
        " ± Key key",
        "   warning: unknown setting",
    ]
    assert conclusion(capsys, report) == (["stack dev: 2 updated, 1 replaced in 1 min 5 s", "next"], [])
    assert conclusion(capsys, report, "preview")[0][0] == "stack dev: 2 to update, 1 to replace (1 min 5 s); "


@pytest.mark.parametrize(
    ("ops", "warned"),
    [(["create", "create"], False), (["delete"], False), (["create", "delete"], True), (["replace"], True)],
)
def test_a_run_that_closes_logins_and_opens_others_says_so(ops, warned):
    """`./vpb rotate` opens in one run and closes in another."""
    report = ran(*(outcome(op, progress.PASSWORD, f"password-{number}") for number, op in enumerate(ops)))
    assert ("`./vpb rotate` holds both" in " ".join(report.lines())) == warned


def test_a_change_that_costs_more_says_how_much():
    small = {"instanceClass": "db.t4g.small", "multiAz": False, "allocatedStorage": 20.0}
    larger = outcome(
        "update", prices.INSTANCE, "server", old={"inputs": small}, new={"inputs": {**small, "multiAz": True}}
    )
    key = outcome("create", prices.KEY, "key", new={"inputs": {"description": "files"}})
    report = ran(larger, key)
    assert "costs" not in " ".join(report.lines())
    report.billed = True
    assert list(report.lines())[-1] == "costs 26.66 $ more a month, before use; `./vpb cost` has each part"
    gone = outcome("delete", prices.KEY, "other", old={"inputs": {"description": "logs"}})
    same = ran(key, gone)
    same.billed = True
    assert "costs" not in " ".join(same.lines())


@pytest.mark.parametrize(
    ("path", "old", "new", "shown"),
    [
        ("a", {"a": 1}, {"a": 2}, "a: 1 → 2"),
        ('v["b c"].d[1]', {"v": {"b c": {"d": [0, "x"]}}}, {"v": {"b c": {"d": [0, "y"]}}}, 'v["b c"].d[1]: "x" → "y"'),
        ("a", {"a": True}, {}, "a: true → nothing"),
        ("a[3]", {"a": [1]}, {"a": [2]}, "a[3]"),
        ("a", {"a": "x" * 60}, {"a": "y"}, "a"),
        ("a", {"a": {"4dabf18193072939515e22adb298388d": "1b", "ciphertext": "[secret]"}}, {"a": "y"}, "a"),
    ],
)
def test_a_short_value_is_shown_before_and_after(path, old, new, shown):
    line = outcome("update", "pg:index:Role", "anon", [path], old={"outputs": old}, new={"inputs": new})
    assert list(ran(line).lines()) == [" ~ Role anon", f"     {shown}"]


def test_many_are_counted_in_lines_of_80_columns_but_not_those_that_say_something():
    kinds = [f"pg:index:Kind{number:02}" for number in range(progress.FEW)]
    report = ran(
        said("0002 holds data", name="first"),
        *(outcome("create", kind, f"{kind}-{number}") for kind in kinds for number in range(2)),
        outcome("create", kinds[0], "first"),
    )
    lines = list(report.lines())
    assert lines[0].startswith(" + 2 Kind00, 2 Kind01, ")
    assert max(map(len, lines)) <= 80
    assert lines[-2:] == [" + Kind00 first", "     0002 holds data"]


def test_a_failure_ends_with_its_cause_once(capsys):
    report = ran(
        said("applying 0037_try (37 of 37)", name="migrations", ephemeral=True),
        said(CAUSE, "error", name="migrations"),
        said(CAUSE, "error", name="migrations"),
        outcome("update", MIGRATIONS, "migrations", event="resOpFailedEvent"),
        said("update failed", "error"),
        ended({"same": 116}),
        status=1,
    )
    assert list(report.lines()) == []
    assert conclusion(capsys, report) == (
        [],
        ["stack dev: up failed after 8 s: no resource was finished", f"error: {CAUSE}"],
    )


def test_what_is_kept_after_a_failure_is_said(capsys):
    report = ran(outcome("create", "pg:index:Role", "anon"), said(CAUSE, "error"), ended({"create": 1}), status=1)
    assert "1 created, which stays" in conclusion(capsys, report)[1][0]


@pytest.mark.parametrize(
    ("cause", "shown"),
    [
        (
            "take it: `pulumi config set database:acceptDrift f`",
            "`./pulumiw config set --stack pr-1 database:acceptDrift f`",
        ),
        ("or `pulumi import pg:index:Role NAME 'anon'`", "`./pulumiw import --stack pr-1 pg:index:Role NAME 'anon'`"),
        ("run `./vpb rekey` first", "run `./vpb rekey --stack pr-1` first"),
        ("run `./vpb up --stack other`", "run `./vpb up --stack other`"),
    ],
)
def test_what_a_failure_advises_can_be_typed_as_it_is(capsys, cause, shown):
    progress.conclude("up", "pr-1", ran(said(cause, "error"), ended({}), status=1), "")
    assert shown in capsys.readouterr().err


def test_an_interrupted_run_says_so_and_ends_as_ctrl_c_does(capsys):
    report = ran(said("update canceled", "error"), ended({"create": 2}), status=1)
    assert conclusion(capsys, report) == ([], ["stack dev: up failed after 8 s: no resource was finished"])
    assert progress.conclude("up", "dev", report, "") == 130


@pytest.mark.parametrize("word", ["update canceled", "update cancelled"])
def test_a_second_ctrl_c_is_no_failure_either(capsys, word):
    report = ran(said(word, "error"), ended({}), status=1)
    assert progress.conclude("up", "dev", report, "") == 130
    assert "error:" not in capsys.readouterr().err


def test_what_a_check_refuses_is_said_without_the_engine_s_words(capsys):
    cause = "pg:index:MigrationSet resource 'structure-migrations' has a problem: steps: 0037_x.up.sql was edited"
    assert conclusion(capsys, ran(said(cause, "error"), status=1))[1][1:] == ["error: 0037_x.up.sql was edited"]


def test_a_setting_of_another_type_is_named_with_its_file_and_what_it_must_be(capsys):
    said = "Stack 'zz' with configuration key 'accountIds' must be of type 'array<string>'"
    _, shown = conclusion(capsys, ran(status=255, text=f"error: validating stack config: {said}"))
    assert shown[1:] == ['error: Pulumi.zz.yaml: the setting accountIds must be a list, of one value too: ["a"]']


def test_what_a_preview_cannot_try_is_told_apart():
    line = f"{progress.UNTRIED}: 0037_x may reach beyond its database"
    assert ran(said(line, name="steps"), said("else", name="steps")).untried == [line]
    assert f'"{progress.UNTRIED}: ' in inspect.getsource(rehearsal)


def test_a_run_took_as_long_as_its_command(capsys):
    progress.conclude("up", "dev", ran(ended({"same": 1}, seconds=3)), "", began=time.monotonic() - 70)
    assert "(1 min 10 s)" in capsys.readouterr().out


def test_a_failure_is_json_where_json_was_asked_for(capsys):
    report = ran(said(CAUSE, "error"), ended({}), status=1)
    assert progress.conclude("up", "dev", report, "", as_json=True) == 1
    captured = capsys.readouterr()
    assert (captured.out, json.loads(captured.err)) == ("", {"error": CAUSE})
    assert progress.conclude("up", "dev", ran(ended({"same": 1})), "", as_json=True) == 0
    assert capsys.readouterr().out == ""


def test_a_plugin_that_died_is_one_line(capsys):
    report = ran(
        said("error reading from server: EOF", "error", name="migrations"),
        said("Detected that /a b/pulumi-resource-pg exited prematurely. \n   This is *always* a bug\n", "error"),
        status=1,
    )
    assert conclusion(capsys, report)[1][1:] == [
        "error: pulumi-resource-pg ended in the middle of the run; what is done stays done, run it again for the rest"
    ]


def test_what_a_rollback_loses_is_never_among_the_lines_that_are_cut(capsys):
    quiet = [f"roll back 00{number}_step" for number in range(40, 30, -1)]
    loses = "roll back 0030_notes: this drops 1 table with 3 rows (public.notes)"
    report = ran(
        said("\n".join([*quiet, loses]), "info", name="steps"), outcome("update", "pg:index:MigrationSet", "steps")
    )
    assert [line.strip() for line in report.lines()][1:] == [*quiet[:8], loses, "… 2 more lines; --verbose shows them"]


def test_a_long_cause_is_cut_and_one_that_is_no_event_is_taken_from_the_text(capsys):
    long = ran(said("\n".join(map(str, range(30))), "error"), status=1)
    errors = conclusion(capsys, long)[1]
    assert len(errors) <= 10
    assert errors[-1] == "error: … 22 more lines; --verbose shows them"
    many = conclusion(capsys, ran(*(said(f"policy {number}: fails", "error") for number in range(30)), status=1))[1]
    assert (len(many), many[-1]) == (10, "error: … 22 more lines; --verbose shows them")
    early = ran(status=255, text="Updating\nwarning: a\nerror: the stack is locked by 1 lock\n")
    assert conclusion(capsys, early)[1][-1] == "error: the stack is locked by 1 lock"
    silent = ran(status=255)
    assert "--verbose" in conclusion(capsys, silent)[1][-1]


@pytest.mark.parametrize(("passed", "shown"), [(0.5, ""), (1.5, "applying 0037_try\n")])
def test_a_log_tells_of_what_takes_long_once(capsys, monkeypatch, passed, shown):
    now = iter((0.0, *(passed for _ in range(9))))
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    report = ran(said("applying 0037_try", name="migrations", ephemeral=True))
    for _ in range(3):
        report.add(None)
    assert capsys.readouterr().err == shown


def test_a_terminal_has_one_line_that_is_written_over_and_gone_at_the_end(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    shown = Progress(terminal=True)
    report = Report(shown)
    for line in (
        None,
        outcome("same", "pg:index:Role", "a"),
        said("applying " + "x" * 90, name="m", ephemeral=True),
        None,
    ):
        report.add(line)
    shown.end()
    written = capsys.readouterr().err.split("\r\x1b[K")[1:]
    assert written == ["looking  ", "1 resource  applying xxxxxxxx", ""]


def test_a_log_is_followed_to_its_last_line_also_when_lines_come_in_parts(tmp_path):
    log, signal = tmp_path / "events", Signal()
    log.touch()
    found: list[str | None] = []
    follower = Thread(target=events.follow, args=(log, signal, found.append))
    follower.start()
    with log.open("ab") as file:
        for part in (b'{"\xc3', b'\xa4": 1}\n{', b"}\n"):
            file.write(part)
            file.flush()
            time.sleep(0.1)
    signal.set()
    follower.join(5)
    assert [line for line in found if line] == ['{"ä": 1}\n', "{}\n"]
