"""The command line: one tree, statuses that a script can trust, one line for what is wrong."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import typer

from declared.paths import CHECKOUT
from declared.version import VERSION
from guardrails.checking import check
from guardrails.model import Plan as Declared
from guardrails.model import Resource
from ops import __main__ as ops
from ops import progress
from ops.audit.model import Finding, Severity
from ops.audit.report import Report
from ops.backups.drill import Check, Evidence
from ops.branches.sweeping import Leftover
from ops.branches.testing import Attempt, Step
from ops.compliance.run import table
from ops.drift import Drift
from ops.everyday.overview import Overview
from ops.health.report import Health, Measured
from ops.review.access import AccessChange
from ops.review.forecast import StatementForecast
from ops.review.forecast.model import Lock
from ops.review.lint import Finding as Linted
from ops.review.lint import Outcome
from ops.review.manual import ManualChange
from ops.review.model import Plan
from run import engine
from run.events import Summary


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = ops.main(words)
    said = capsys.readouterr()
    return status, said.out, said.err


def commands() -> list[tuple[str, ...]]:
    """Every command that there is, by its words."""
    root = typer.main.get_command(ops.app)
    found = []
    for name, command in root.commands.items():
        found += [(name, each) for each in command.commands] if hasattr(command, "commands") else [(name,)]
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help_and_refuses_an_option_that_there_is_not(capsys, words):
    status, said, _ = run(capsys, *words, "--help")
    assert (status, f"Usage: ./vpb {' '.join(words)} [OPTIONS]" in said) == (0, True)
    assert f"Example: ./vpb {' '.join(words)}" in said
    status, said, error = run(capsys, *words, "--bogus")
    assert (status, said) == (1, "")
    assert error == f"error: No such option: --bogus See ./vpb {' '.join(words)} --help\n"


def test_no_help_breaks_in_the_middle_of_a_sentence():
    root = typer.main.get_command(ops.app)
    groups = [root, *(each for each in root.commands.values() if hasattr(each, "commands"))]
    texts = [each.help or "" for each in groups] + [each.help for group in groups for each in group.commands.values()]
    assert [text for text in texts if re.search(r"\S\n\S", text.strip())] == []


@pytest.mark.parametrize(
    "words", [("nonsense",), ("migrate",), ("audit", "--fail-on", "dreadful"), ("scan", "--once", "--watch")]
)
def test_wrong_usage_is_one_line_and_status_1(capsys, words):
    status, said, error = run(capsys, *words)
    assert (status, said, error.count("\n")) == (1, "", 1)
    assert error.startswith("error: ")


def _status(condition: bool) -> int:
    return 2 if condition else 0


LINTED = Linted("sql/a/0001_a.up.sql", 5, "drop table a", "ban-drop-table", "warning", "a", "b")
LOCK = Lock("public.a", "share", ("writes",), 1, 1, False, False, 1, 2.0)
FORECAST = StatementForecast(
    "0001_a", "sql/a/0001_a.up.sql", 5, "a", "transaction", (LOCK,), 2, False, "", 1, False, "b"
)
MANUAL = ManualChange("grants on table public.t", "[select to anon] was granted", None, None, True, [])
ANSWERS = {
    ("drift",): ("ops.drift.find", lambda bad: [Drift("pg:index:Role", "a", "a", True, ())] if bad else []),
    ("access",): (
        "ops.review.access.since",
        lambda bad: [AccessChange("more", "anon", "table public.t", "select")] if bad else [],
    ),
    ("plan",): (
        "ops.review.plan.of",
        lambda bad: Plan("dev", [], [], [], [], 0, 1) if not bad else Plan("dev", [MANUAL], [], [], [], 0, 1),
    ),
    ("preview",): (
        "ops.progress.run",
        lambda bad: progress.Report(summary=Summary(1, {"update": 1} if bad else {"same": 2})),
    ),
    ("audit",): (
        "ops.audit.run.audit",
        lambda bad: Report("server", 1, (Finding("a", Severity.high, "a", "a", "a", ()),) if bad else (), (), 0.0),
    ),
    ("guardrails",): (
        "ops.guardrails.planned.checked",
        lambda bad: check(Declared((Resource("pg:index:Role", "a", {"superuser": bad, "name": "a"}),))),
    ),
    ("compliance",): (
        "ops.compliance.run.made",
        lambda bad: table(
            "dev", check(Declared((Resource("aws:rds/proxy:Proxy", "a", {"requireTls": not bad}),))), None
        ),
    ),
    ("scan",): ("ops.storage.scan.run", _status),
    ("status",): (
        "ops.everyday.overview.of",
        lambda bad: Overview("dev", "local", [], {"sql/a": ["0001_a"] if bad else []}, None, None),
    ),
    ("health",): (
        "ops.health.report.of",
        lambda bad: Health("dev", [Measured("errors", "", 1, "count", "", "warning" if bad else "ok", 1, 2, "r")], []),
    ),
    ("migrate", "status"): (
        "ops.migrations.command._run",
        lambda bad: {"sql/a": {"pending": ["0001_a"] if bad else []}},
    ),
    ("migrate", "check"): ("ops.migrations.command._run", lambda bad: {"checked": {}, "found": ["a"] if bad else []}),
    ("migrate", "lint"): ("ops.migrations.command._linted", lambda bad: Outcome([LINTED] if bad else [], [])),
    ("migrate", "locks"): ("ops.review.forecast.of", lambda bad: [replace(FORECAST, over_budget=bad)]),
    ("backups", "verify"): (
        "ops.backups.command._verified",
        lambda bad: {"backup": "b", "parts": 1, "contents": True, "wrong": ["a"] if bad else []},
    ),
    ("wal", "archive"): ("ops.physical.command._archived", bool),
    ("wal", "verify"): (
        "ops.physical.command._verified",
        lambda bad: {"segments": 1, "contents": True, "server": True, "wrong": ["a"] if bad else []},
    ),
    ("restore-drill",): (
        "ops.backups.command._drilled",
        lambda bad: (
            Evidence("b", "dev", "now", 0, "now", checks=[Check("rows", "failed" if bad else "passed", "")]),
            None,
        ),
    ),
    ("restore", "project"): ("ops.backups.restorecommand._lost", lambda bad: ["audio/a"] if bad else []),
    ("restore", "person"): ("ops.backups.restorecommand._lost", lambda bad: ["audio/a"] if bad else []),
    ("restore", "environment"): ("ops.backups.wholecommand._lost", lambda bad: ["audio/a"] if bad else []),
    ("branch", "check"): (
        "ops.branches.trials.tried",
        lambda bad: [Check("access", "failed" if bad else "passed", "")],
    ),
    ("branch", "test"): (
        "ops.branches.testing.tested",
        lambda bad: Attempt("pr-12", "dev", "", (Step("audit", "", _status(bad), 1.0, "stack pr-12: 1 finding"),)),
    ),
    ("branch", "sweep"): (
        "ops.branches.sweeping.leftovers",
        lambda bad: [Leftover("stack", "pr-12", "is old")] if bad else [],
    ),
    ("migrate", "adopt"): ("ops.migrations.command._run", lambda bad: {"differences": ["a"] if bad else []}),
}
"""What finds something: the function that looks, and what it answers."""
NAMED = {
    **dict.fromkeys([("restore", "project"), ("restore", "person")], "00000000-0000-7000-8000-000000000000"),
    **dict.fromkeys([("branch", "check"), ("branch", "test")], "pr-12"),
}
"""What has to be named to these."""


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_what_finds_something_ends_with_2_and_says_so_in_its_help(capsys, monkeypatch, words):
    said = " ".join(run(capsys, *words, "--help")[1].split())
    assert ("the status is 2" in said.partition(" Options: ")[0]) == (words in ANSWERS)
    if words not in ANSWERS:
        return
    for name in ("require", "make_stack", "declared"):
        monkeypatch.setattr(engine, name, lambda stack: True)
    function, answer = ANSWERS[words]
    for bad in (True, False):
        answered = answer(bad)
        monkeypatch.setattr(function, lambda *_, found=answered, **__: found)
        assert run(capsys, *words, *([NAMED[words]] if words in NAMED else []))[0] == _status(bad)


def test_without_a_word_it_shows_all_commands(capsys):
    status, said, _ = run(capsys)
    assert status == 0
    assert [name for name in ("up", "drift", "migrate", "sign", "storage") if name not in said] == []


def test_a_failure_is_json_where_json_was_asked_for(capsys):
    status, said, error = run(capsys, "drift", "--stack", "No", "--json")
    assert (status, said) == (1, "")
    assert json.loads(error)["error"].startswith("stack 'No': a stack's name has")


def test_help_loads_nothing_that_it_can_do_without():
    asked = "import sys, ops.__main__ as ops; ops.main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert "typer" in loaded
    spared = {"rich", "psycopg", "yaml", "boto3", "pulumi", "provider", "run", "targets", "asyncio", "altair", "jinja2"}
    assert loaded & spared == set()


def test_the_version_is_shown(capsys):
    assert run(capsys, "--version") == (0, f"./vpb {VERSION}\n", "")


def test_a_shell_completes_a_word():
    done = subprocess.run(
        [CHECKOUT / "vpb"],
        cwd="/",
        env={**os.environ, "_VPB_COMPLETE": "complete_bash", "COMP_WORDS": "./vpb mi", "COMP_CWORD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split() == ["migrate"], done.stderr
    asked = ["bash", "-c", f"{CHECKOUT}/vpb --show-completion; true"]
    assert "_VPB_COMPLETE=complete_bash" in subprocess.run(asked, cwd="/", capture_output=True, text=True).stdout


@pytest.mark.parametrize("folder", ["declared", "targets", "ops/migrations", "local/standins/aws"])
def test_a_file_of_the_folder_that_it_is_called_from_is_no_module_of_ours(folder):
    run = subprocess.run([CHECKOUT / "vpb", "--version"], cwd=CHECKOUT / folder, capture_output=True, text=True)
    assert (run.returncode, run.stdout.startswith("./vpb "), run.stderr) == (0, True, "")
