"""Never in front of live traffic: short waits for a lock, more tries, who holds it; and one run at a time."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import psycopg

from provider.connection import Connection, row, rows
from provider.errors import LockRefused, Refused
from provider.steps.notices import Notices
from provider.steps.reporter import Reporter

Result = TypeVar("Result")


@dataclass(frozen=True)
class Limits:
    """How long a run waits, in seconds."""

    once: float = 0.5
    """For a lock, at a time. Sessions that come after us wait behind us for as long."""
    step: float = 120
    """For the locks of one migration, all tries together; and for a lock that nobody waits behind us for."""
    pause: float = 0.2
    """Between the first and the second try; each one after that twice as long, up to `longest_pause`."""
    longest_pause: float = 10
    run: float = 600
    """For another run to end."""
    look: float = 0.2
    """After how long somebody looks whom a statement waits for."""
    report: float = 2
    """After how long a statement is reported."""


LIMITS = Limits()
HOLDERS = """
select l.locktype, n.nspname || '.' || c.relname as relation, b.pid, a.application_name as application
  from pg_catalog.pg_locks l
  left join pg_catalog.pg_class c on c.oid = l.relation
  left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 cross join lateral pg_catalog.unnest(pg_catalog.pg_blocking_pids(l.pid)) as b (pid)
  left join pg_catalog.pg_stat_activity a on a.pid = b.pid
 where l.pid = %s and not l.granted limit 1"""
OTHER_RUN = """
select a.pid, a.application_name as application
  from pg_catalog.pg_locks l join pg_catalog.pg_stat_activity a on a.pid = l.pid
 where l.locktype = 'advisory' and l.granted and l.objsubid = 1
   and l.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
   and (l.classid::bigint << 32) | l.objid::bigint = pg_catalog.hashtextextended(%s, 0) limit 1"""


class Watch:
    """A second session that looks, while the first one's statement takes long, whom it waits for."""

    def __init__(
        self, session: Callable[[], Awaitable[Connection]], pid: int, reporter: Reporter, notices: Notices
    ) -> None:
        self._session, self._pid, self._reporter = session, pid, reporter
        self.notices = notices
        self._end = asyncio.Event()
        self._since: float | None = None
        self.doing = ""
        self.statement = 1
        """Which one of its message the server is at."""
        self.holder = ""
        """Who was last seen in the way."""

    @asynccontextmanager
    async def watching(self) -> AsyncIterator["Watch"]:
        """As long as a run lasts."""
        task = asyncio.create_task(self._look())
        try:
            yield self
        finally:
            self._end.set()
            await task

    def begin(self, doing: str) -> None:
        """Something is sent to the server that may take long."""
        self.doing, self.statement, self._since = doing, 1, time.monotonic()

    def end(self) -> None:
        """It has answered."""
        self._since = None

    async def _look(self) -> None:
        connection: Connection | None = None
        reported = 0.0
        while not self._end.is_set():
            pause = LIMITS.look / 2
            busy = time.monotonic() - self._since if self._since is not None else 0
            if busy > LIMITS.look:
                try:
                    connection = connection or await self._session()
                    holder = await self._holder(connection)
                except Exception:
                    return
                self.holder = holder or self.holder
                message = f"{self.doing}, statement {self.statement}" + (f", waiting for {holder}" if holder else "")
                if self._since is not None and busy > LIMITS.report and time.monotonic() - reported > 1:
                    reported = time.monotonic()
                    await self._reporter.status(f"{message}, {busy:.0f} s")
            await _at_most(self._end, pause)
        if connection is not None:
            await connection.close()

    async def _holder(self, connection: Connection) -> str:
        found = await row(connection, HOLDERS, [self._pid])
        if not found:
            return ""
        who = f"pid {found['pid']}" + (f", application {found['application']}" if found["application"] else "")
        if found["locktype"] in ("virtualxid", "transactionid"):
            return f"the end of the transaction of {who}"
        return f"a lock on {found['relation'] or found['locktype']} held by {who}"


async def _at_most(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


async def patiently(attempt: Callable[[], Awaitable[Result]], doing: str, watch: Watch, reporter: Reporter) -> Result:
    """Try until the locks are there, giving way in between.

    :raises LockRefused: when all tries together took too long
    """
    begun, tries, pause = time.monotonic(), 1, LIMITS.pause
    watch.holder = ""
    while True:
        try:
            return await attempt()
        except LockRefused as error:
            waited = time.monotonic() - begun
            if waited + pause > LIMITS.step:
                last = f", last {watch.holder}" if watch.holder else ""
                raise LockRefused(f"{error}; gave way {tries} times in {waited:.0f} s{last}") from None
            tries += 1
            await reporter.status(f"{doing}: waiting for {watch.holder or 'a lock'}, try {tries}")
            # Two that wait for each other must not come back in step.
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, LIMITS.longest_pause)


@asynccontextmanager
async def alone(connection: Connection, name: str, reporter: Reporter) -> AsyncIterator[None]:
    """The only run of `name` in this database; another one is waited for, with its process id in the status.

    The lock is asked for again and again: a statement that waits for it would hold a snapshot, and a concurrent index
    build of the other run would wait for that one's end.

    :raises Refused: when the other run takes longer than `LIMITS.run`
    """
    key = f"visual-prompt-builder {name}"
    take = "select pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(%s, 0)) as taken"
    begun, pause = time.monotonic(), 0.05
    while not (await rows(connection, take, [key]))[0]["taken"]:
        other = await row(connection, OTHER_RUN, [key])
        who = f"pid {other['pid']}, application {other['application']}" if other else "another session"
        waited = time.monotonic() - begun
        if waited > LIMITS.run:
            raise Refused(f"{name}: another run ({who}) isn't done after {waited:.0f} s; run again when it is")
        await reporter.status(f"{name}: waiting for another run ({who}), {waited:.0f} s")
        await asyncio.sleep(pause)
        pause = min(2 * pause, 1)
    try:
        yield
    finally:
        if not connection.closed and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            await connection.execute("select pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended(%s, 0))", [key])
