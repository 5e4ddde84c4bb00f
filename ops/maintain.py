"""Housekeeping in the database: partitions, what has expired and who has left, summaries, indexes that have grown.

The work is done by schema `ops`, which also notes each run; each task can be run again any time, and gives way to the
app: what waits for a lock too long, or isn't done when the window is over, is left to the next run.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial

import psycopg
from psycopg import sql
from rich.console import Console
from rich.table import Table

from declared.maintenance import INDEXES, INDEXES_TITLE, TASKS
from ops.database import Connection, connect
from ops.environment import Environment
from ops.status import FAILED
from run import engine

APPLICATION = "vpb maintain"
RUN = "call ops.run_task(%s, make_interval(months => %s), make_interval(months => %s))"
# As ops.run_task does for the others; it ends with the session.
ALONE = f"select pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('vpb maintenance {INDEXES}', 0))"
# The metric's object is a name and an oid.
BLOATED = r"""
select format('%%I.%%I', n.nspname, c.relname), pg_catalog.pg_has_role(c.relowner, 'usage')
  from ops.index_metrics() as m
  join pg_catalog.pg_class as c on c.oid = substring(m.object from ' (\d+)$')::oid and c.relkind = 'i'
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where m.metric = 'index_bloat' and m.value >= %s
 order by m.value desc, c.oid"""
# What a rebuild that was ended has left: PostgreSQL's manual, "Rebuilding Indexes Concurrently". Of our login's tables
# alone, and none that is being built.
LEFT = r"""
select format('%I.%I', n.nspname, c.relname)
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$' and n.nspname !~ '^pg_'
   and pg_catalog.pg_has_role(c.relowner, 'usage')
   and not exists (select from pg_catalog.pg_stat_progress_create_index as p where p.relid = i.indrelid)"""


@dataclass(frozen=True)
class Done:
    """One piece of housekeeping: what it was, what it did or why it failed, and its seconds."""

    task: str
    title: str
    result: str
    failed: bool
    seconds: float


@dataclass
class Housekeeping:
    """One run of all tasks.

    Args:
        connection: a session of the login that provisions, in autocommit mode.
        months: how many of analytics and of the audit trail are kept.
        window: seconds after which nothing of it is at work.
        bloat: from how many times its least size on an index is rebuilt; never where it is None.
        progress: is given the title of each task when it begins.
    """

    connection: Connection
    months: tuple[int, int]
    window: float
    bloat: float | None = None
    progress: Callable[[str], None] = lambda title: None
    _begun: float = field(default_factory=time.monotonic)

    def run(self) -> Iterator[Done]:
        """Do each task, also after one has failed."""
        for task, title in TASKS.items():
            yield self._one(task, title, partial(self._task, task))
        if self.bloat is not None:
            yield self._one(INDEXES, INDEXES_TITLE, self._indexes)

    def _one(self, task: str, title: str, work: Callable[[], tuple[bool, str]]) -> Done:
        self.progress(title)
        begun = time.monotonic()
        if self._left() < 1:
            return Done(task, title, "left to the next run: the window is over", True, 0)
        try:
            self._limit(self._left())
            failed, result = work()
        except psycopg.errors.QueryCanceled:
            failed, result = True, "ended with the window; the next run goes on"
            self._note(task, result)
        except psycopg.Error as error:
            failed, result = True, _reason(error)
            self._note(task, result)
        return Done(task, title, result, failed, round(time.monotonic() - begun, 3))

    def _task(self, task: str) -> tuple[bool, str]:
        failed, said = self.connection.execute(RUN, (task, *self.months)).fetchone() or (True, "no answer")
        return failed, said

    def _indexes(self) -> tuple[bool, str]:
        """Rebuild what has grown, one after the other, while the app goes on."""
        if self.connection.execute(ALONE).fetchone() != (True,):
            return False, "another run of it is at work"
        self.connection.execute("select ops.begin_run(%s)", (INDEXES,))
        self.connection.execute("set lock_timeout = '5s'")
        self._sweep()
        rebuilt, kept = list[str](), list[str]()
        for name, ours in self.connection.execute(BLOATED.encode(), (self.bloat,)).fetchall():
            why = self._not_rebuilt(name) if ours else "it is another owner's"
            rebuilt, kept = (rebuilt, [*kept, f"{name} ({why})"]) if why else ([*rebuilt, name], kept)
        said = "; ".join(f"{word}: {', '.join(some)}" for word, some in (("rebuilt", rebuilt), ("left", kept)) if some)
        self.connection.execute("select ops.end_run(%s, %s, %s)", (INDEXES, bool(kept), said or "none"))
        return bool(kept), said or "none"

    def _not_rebuilt(self, name: str) -> str:
        """Why one stays as it is, such as for a lock that isn't had in time; empty where it was rebuilt."""
        if self._left() < 1:
            return "the window is over"
        self._limit(self._left())
        try:
            self.connection.execute(f"reindex index concurrently {name}".encode())
        except psycopg.errors.QueryCanceled:
            raise
        except psycopg.Error as error:
            # Not for each kind of index, and a deadlock is its own affair: the others have their turn.
            self._sweep()
            return _reason(error)
        return ""

    def _sweep(self) -> None:
        for (name,) in self.connection.execute(LEFT.encode()).fetchall():
            with suppress(psycopg.errors.LockNotAvailable):
                self.connection.execute(f"drop index concurrently if exists {name}".encode())

    def _left(self) -> float:
        """Seconds of the window."""
        return self.window - (time.monotonic() - self._begun)

    def _limit(self, seconds: float) -> None:
        value = sql.Literal(f"{int(seconds * 1000)}ms")
        self.connection.execute(sql.SQL("set statement_timeout = {}").format(value))

    def _note(self, task: str, result: str) -> None:
        """The run that stayed open; where that can't be noted now, the next run of the task does it."""
        with suppress(psycopg.Error):
            self._limit(10)
            self.connection.execute("select ops.end_run(%s, true, %s)", (task, result))


def _reason(error: psycopg.Error) -> str:
    return error.diag.message_primary or type(error).__name__


def run(stack: str, as_json: bool, minutes: int | None = None) -> int:
    """Do all of it, also after one has failed; 0 where none has.

    :raises CommandError: where the stack can't be reached
    """
    settings, bloat = engine.maintenance(stack), engine.checks(stack)["index_bloat"].warning
    environment = Environment.of(stack)
    kept = environment.output("retention_months")
    window = (minutes or settings.window) * 60
    months = (kept["analytics"], kept["audit"])
    with Console(stderr=True).status("housekeeping") as status, connect(environment.admin_url, APPLICATION) as session:
        work = Housekeeping(session, months, window, bloat, lambda title: status.update(f"housekeeping: {title}"))
        results = list(work.run())
    _show(results, as_json)
    return FAILED if any(done.failed for done in results) else 0


def _show(results: Sequence[Done], as_json: bool) -> None:
    if as_json:
        json.dump([asdict(done) for done in results], sys.stdout, indent=2)
        print()
        return
    table = Table("task", "result", "seconds")
    for done in results:
        table.add_row(done.title, ("failed: " if done.failed else "") + done.result, f"{done.seconds:.2f}")
    Console().print(table)
