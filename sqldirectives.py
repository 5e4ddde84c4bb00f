"""How a half of a step runs, as its header says: in one transaction, outside of one, or in batches.

The fourth line of the header, if there is one, is `-- Run: outside a transaction.` or
`-- Run: in batches of 1000, pause 50ms.`; each half has its own.
"""

import re
from dataclasses import dataclass
from typing import Literal

from sqldrops import drops as drops
from sqltext import Statement

WAYS = "`-- Run: outside a transaction.` or `-- Run: in batches of N, pause Nms.`"
FORM = re.compile(
    r"-- Run: (?:(?P<outside>outside a transaction)|in batches of (?P<size>\d+), pause (?P<pause>\d+)ms)\."
)
LARGEST_BATCH = 100_000
LONGEST_PAUSE = 60_000
# What PostgreSQL doesn't run in a transaction, and what may stand beside it since it can be repeated as it is.
OUTSIDE = re.compile(
    r"(create\s+(unique\s+)?index\s+concurrently|drop\s+index\s+concurrently|reindex\s+(\([^)]*\)\s*)?\w+\s+concurrently"
    r"|alter\s+type\s+\S+\s+add\s+value|vacuum|analyze|comment\s+on|alter\s+table\s+\S+\s+validate\s+constraint)\b",
    re.IGNORECASE,
)
OUTSIDE_FORMS = (
    "create, drop and reindex … concurrently, alter type … add value, vacuum, analyze, validate constraint, comment on"
)
NAME = r'(?:[a-z_][a-z0-9_$]*|"[^"]+")'
BUILD = re.compile(
    rf"create\s+(?P<unique>unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?(?P<name>{NAME})\s+"
    rf"on\s+(?:only\s+)?(?P<schema>{NAME})\.(?P<table>{NAME})\s*(?P<rest>(?:using\b|\().*)",
    re.IGNORECASE | re.DOTALL,
)
CHANGES_ROWS = re.compile(r"(update|delete|insert|with)\b", re.IGNORECASE)
LOSSLESS = re.compile(r"-- Down: (loses )?(nothing|no data)\b")


class DirectiveError(Exception):
    """A header line that can't be followed; with the line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True)
class Way:
    """How a half runs; size and pause (milliseconds) are those of batches."""

    kind: Literal["transaction", "outside", "batches"] = "transaction"
    size: int = 0
    pause: int = 0


def way(text: str) -> Way:
    """What the header of a half says.

    :raises DirectiveError: for a fourth line that begins as a directive and isn't one
    """
    lines = text.split("\n", 4)
    line = lines[3] if len(lines) > 3 else ""
    if not re.match(r"--\s*run\b", line, re.IGNORECASE):
        return Way()
    match = FORM.fullmatch(line.rstrip())
    if not match:
        raise DirectiveError(4, f"the header's line 4 must be empty or read {WAYS}")
    if match["outside"]:
        return Way("outside")
    size, pause = int(match["size"]), int(match["pause"])
    if not 0 < size <= LARGEST_BATCH or pause > LONGEST_PAUSE:
        raise DirectiveError(4, f"a batch has 1 to {LARGEST_BATCH} rows, a pause at most {LONGEST_PAUSE}ms")
    return Way("batches", size, pause)


def refuse_unfit(text: str, found: list[Statement]) -> None:
    """Refuse what can't run as the header says.

    :raises DirectiveError: with the line of the statement
    """
    how = way(text)
    if how.kind == "outside":
        _refuse_unfit_outside(found)
    if how.kind == "batches":
        _refuse_unfit_batches(found, how.size)


def _refuse_unfit_outside(found: list[Statement]) -> None:
    if not found:
        raise DirectiveError(4, "nothing stands below that would run outside a transaction")
    for statement in found:
        if not OUTSIDE.match(statement.text):
            raise DirectiveError(
                statement.line, f"only this runs outside a transaction, the rest is a step of its own: {OUTSIDE_FORMS}"
            )
        concurrent = re.match(r"create\s+(unique\s+)?index\b", statement.text, re.IGNORECASE)
        if concurrent and not BUILD.fullmatch(statement.text):
            raise DirectiveError(
                statement.line,
                "write it as create [unique] index concurrently name on schema.table …, without comments",
            )


def _refuse_unfit_batches(found: list[Statement], size: int) -> None:
    if len(found) != 1 or not CHANGES_ROWS.match(found[0].text):
        line = found[1].line if len(found) > 1 else found[0].line if found else 4
        raise DirectiveError(line, "a half in batches is one statement: update, delete or insert, perhaps after with")
    (statement,) = found
    # The file stays what psql can run; the header only repeats what the statement says.
    if not re.search(rf"\blimit\s+{size}\b", statement.text, re.IGNORECASE):
        raise DirectiveError(
            statement.line, f"the header says batches of {size}, so the statement needs `limit {size}`"
        )
    if not re.search(r"\bwhere\b", statement.text, re.IGNORECASE):
        raise DirectiveError(
            statement.line, "a statement in batches needs a `where` that leaves out the rows that are done"
        )


def loss(text: str) -> str | None:
    """What a half loses, as the third line of its header says; None for nothing."""
    lines = text.split("\n", 3)
    line = lines[2] if len(lines) > 2 else ""
    if LOSSLESS.match(line):
        return None
    return line.removeprefix("-- Down: ").strip() or "what it loses isn't written in its header"
