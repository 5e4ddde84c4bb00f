"""Housekeeping in the database: partitions, what has expired and who has left, summaries.

The work is done by schema `ops`; each piece is a transaction of its own, each month too, and can be run again any time.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from ops.database import connect
from ops.environment import Environment
from ops.status import FAILED

MONTHS_AHEAD = 3


@dataclass(frozen=True)
class Done:
    """One piece of housekeeping: what it was, what it did or why it failed, and its seconds."""

    task: str
    result: str
    failed: bool
    seconds: float


def tasks(retention: dict[str, int]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The statements in their order, by what they do; retention is in months."""
    kept = (retention["analytics"], retention["audit"])
    return {
        "partitions created and dropped": (
            "call ops.keep_partitions(%s, make_interval(months => %s), make_interval(months => %s))",
            (MONTHS_AHEAD, *kept),
        ),
        "expired sign-ins deleted": ("select ops.forget_expired()", ()),
        "expired invitations deleted": ("select ops.forget_invitations()", ()),
        "old reservations and calls deleted": ("select ops.forget_calls()", ()),
        "old file events deleted": ("select ops.forget_file_events()", ()),
        "projects dated that were held": ("select ops.date_undated()", ()),
        "what is stored noted": ("select ops.note_storage()", ()),
        "old generations deleted": ("call ops.forget_generations()", ()),
        "rows of people who have left deleted": ("call ops.erase_departed()", ()),
        "summaries refreshed": ("select ops.refresh_summaries()", ()),
    }


def run(stack: str, as_json: bool) -> int:
    """Do all of it, also after one has failed; 0 where none has.

    :raises CommandError: where the stack can't be reached
    """
    environment = Environment.of(stack)
    statements = tasks(environment.output("retention_months"))
    console = Console(stderr=True)
    with console.status("housekeeping"):
        results = list(_all(environment.admin_url, statements))
    if as_json:
        json.dump([asdict(done) for done in results], sys.stdout, indent=2)
        print()
    else:
        table = Table("task", "result", "seconds")
        for done in results:
            table.add_row(done.task, ("failed: " if done.failed else "") + done.result, f"{done.seconds:.2f}")
        Console().print(table)
    return FAILED if any(done.failed for done in results) else 0


def _all(url: str, statements: dict[str, tuple[str, tuple[int, ...]]]) -> Iterator[Done]:
    with connect(url, "vpb maintain") as connection:
        for task, (statement, values) in statements.items():
            begun = time.monotonic()
            try:
                row = connection.execute(statement.encode(), values).fetchone() or (None,)
                result, failed = _months(*row) if len(row) > 1 else (_summary(row[0]), False)
            except psycopg.Error as error:
                result, failed = error.diag.message_primary or type(error).__name__, True
            yield Done(task, result, failed, round(time.monotonic() - begun, 3))


def _months(made: list[str], retired: list[str], waiting: list[str]) -> tuple[str, bool]:
    """What became of the months, and whether one of them is left to the next run."""
    words = {"made": made, "retired": retired, "locked by others, left to the next run": waiting}
    return "; ".join(f"{word}: {', '.join(names)}" for word, names in words.items() if names) or "none", bool(waiting)


def _summary(value: Any) -> str:
    return "done" if value in (None, "") else str(value)
