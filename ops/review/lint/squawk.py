"""squawk, by the settings in `sql/.squawk.toml`, as findings."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from declared import sqlgrammar
from declared.paths import CHECKOUT
from declared.sqlfiles import location
from ops.errors import CommandError
from ops.review import ways
from ops.review.lint import rules
from ops.review.lint.exceptions import IGNORE
from ops.review.lint.model import Change, Finding, Severity
from ops.review.lint.objects import Name, name

SETTINGS = CHECKOUT / "sql" / ".squawk.toml"
# What ours say with the structure and the app at hand.
ANSWERED = {
    "changing-column-type": rules.TYPE,
    "adding-not-nullable-field": rules.NOT_NULL,
    "adding-required-field": rules.REQUIRED,
    "adding-field-with-default": rules.DEFAULT,
    "ban-concurrent-index-creation-in-transaction": rules.CONCURRENT,
}
# The same fact twice, of squawk's own.
TWICE = {"constraint-missing-not-valid": "adding-foreign-key-constraint"}
# A table that has this constraint keeps its rows and its readers.
HARMLESS = {"ban-drop-not-null"}
# What a rollback is for.
ROLLBACKS = {"ban-drop-table", "ban-drop-function", "ban-drop-view", "ban-drop-constraint", "ban-drop-trigger"}
# What `used-by-the-app` says with the names of what uses it.
MAY_BREAK = {"ban-drop-column", "ban-drop-table", "ban-drop-view", "ban-drop-function"} | {
    *("renaming-column", "renaming-table", "renaming-view", "renaming-object"),
}
# Whether these are of harm depends on the rows that a table has.
LOCKS = {
    *("require-concurrent-index-creation", "constraint-missing-not-valid", "adding-foreign-key-constraint"),
    *("disallowed-unique-constraint", "adding-serial-primary-key-field", "require-concurrent-index-deletion"),
}
SYNTAX = "syntax-error"
# Where `concurrently` and `not valid` don't exist.
ON_PARTITIONED = {
    "require-concurrent-index-creation": ways.PARTITIONED_INDEX,
    "require-concurrent-index-deletion": ways.PARTITIONED_DROP,
    "adding-foreign-key-constraint": ways.PARTITIONED_KEY,
    "disallowed-unique-constraint": ways.PARTITIONED_UNIQUE,
}
WAYS = {
    **dict.fromkeys(("ban-drop-column", "ban-drop-table", "ban-drop-view", "ban-drop-function"), ways.LATER),
    "renaming-column": ways.RENAMED,
    "renaming-table": ways.VIEW,
    "require-concurrent-index-creation": ways.INDEX,
    "require-concurrent-index-deletion": "`drop index concurrently`, in a migration outside a transaction",
    "constraint-missing-not-valid": ways.CONSTRAINT,
    "adding-foreign-key-constraint": ways.CONSTRAINT,
    SYNTAX: "write what PostgreSQL can parse",
}


def found(
    files: Mapping[Path, Sequence[Change]], fresh: Mapping[Path, set[Any]], partitioned: Callable[[Name], bool]
) -> list[Finding]:
    """What squawk says, without what our own rules answer.

    Args:
        files: the statements of each, with those within them.
        fresh: for each file, the tables without rows, by schema and name.
        partitioned: whether something is a partitioned table, or an index of one.

    :raises CommandError: where squawk isn't there, or fails
    """
    made: list[Finding] = []
    wrong: list[Change] = []
    for each in _answer(files):
        path: Path = each["file"]
        # It counts lines from 0.
        line, rule = each["line"] + 1, each["rule_name"]
        if rule in ANSWERED or rule in HARMLESS or (rule in ROLLBACKS and path.name.endswith(".down.sql")):
            continue
        change = _statement(files[path], line)
        if rule in LOCKS and change and _table(change) in fresh[path]:
            continue
        # PostgreSQL's own parser knows better; and one error brings others.
        if rule == SYNTAX and change and (sqlgrammar.parsed(change.text) or change in wrong):
            continue
        wrong += [change] if rule == SYNTAX and change else []
        severity: Severity = "error" if rule == SYNTAX else "warning"
        what = " ".join(each["message"].replace("\n", " ").split()).rstrip(".")
        way = ON_PARTITIONED.get(rule) if change and _is_on(change, partitioned) else None
        instead = way or WAYS.get(rule) or (each["help"] or "see squawk's page on the rule").rstrip(".")
        made.append(Finding(location(path), line, change.beginning if change else "", rule, severity, what, instead))
    return list(_once(made))


def _once(made: Iterable[Finding]) -> Iterable[Finding]:
    said = {(each.file, each.line, each.rule) for each in made}
    return (each for each in made if (each.file, each.line, TWICE.get(each.rule)) not in said)


@lru_cache
def knows(rule: str) -> bool:
    """Whether squawk has a rule of this name."""
    return _run("--exclude", rule, "--version").returncode == 0


def _answer(files: Mapping[Path, Sequence[Change]]) -> list[dict[str, Any]]:
    """What squawk says of some files, whatever they except, and of the statements in their `do` blocks."""
    with tempfile.TemporaryDirectory() as folder:
        named: dict[str, Path] = {}
        for number, (path, changes) in enumerate(files.items()):
            text = path.read_bytes()
            without = Path(folder, f"{number}.sql") if IGNORE.encode() in text else path
            if without is not path:
                without.write_bytes(text.replace(IGNORE.encode(), IGNORE.replace("-", "_").encode()))
            named[str(without)] = path
            if blocks := [each for each in changes if each.is_in_block]:
                within = Path(folder, f"{number}.within.sql")
                within.write_text(_on_their_lines(blocks))
                named[str(within)] = path
        done = _run("--config", str(SETTINGS), "--reporter", "json", *named)
    try:
        answer: list[dict[str, Any]] = json.loads(done.stdout) if done.stdout.strip() else []
    except ValueError:
        answer = []
    if done.returncode not in (0, 1) or (done.returncode and not answer):
        raise CommandError(f"squawk: {' '.join(done.stderr.split()) or f'ended with status {done.returncode}'}")
    return [{**each, "file": named[each["file"]]} for each in answer]


def _on_their_lines(changes: Sequence[Change]) -> str:
    """A text in which each statement begins on the line that it has in its file."""
    text = ""
    for change in changes:
        text += "\n" * max(change.line - 1 - text.count("\n"), 0) + change.text.replace(IGNORE, "") + "; "
    return f"{text}\n"


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("squawk")
    try:
        return subprocess.run([program, *words], capture_output=True, text=True, check=False)
    except OSError as error:
        raise CommandError(
            f"squawk: {program} can't be run: {error}; `python3 -m toolchain ensure` makes it again"
        ) from None


def _statement(changes: Sequence[Change], line: int) -> Change | None:
    before = [each for each in changes if each.line <= line]
    return before[-1] if before else None


def _table(change: Change) -> Any:
    relation = getattr(change.node, "relation", None)
    return name(relation) if hasattr(relation, "relname") else None


def _is_on(change: Change, partitioned: Callable[[Name], bool]) -> bool:
    """Whether a statement is about a partitioned table or an index of one."""
    objects = getattr(change.node, "objects", None) or ()
    named = [name(each) for each in objects if isinstance(each, tuple)] or [_table(change)]
    return any(each and partitioned(each) for each in named)
