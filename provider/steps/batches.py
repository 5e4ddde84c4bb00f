"""A backfill: one statement, each time in a transaction of its own, until it finds no row any more."""

import asyncio
import re
import time
from dataclasses import dataclass, replace

from declared import sqldirectives, sqlfiles
from declared.sqltext import Statement, digest
from provider.connection import Connection, row
from provider.errors import Refused
from provider.steps import locks
from provider.steps.history import History
from provider.steps.locks import Watch
from provider.steps.reporter import Reporter
from provider.steps.send import Piece, acting, send, session_reset
from provider.steps.work import Work

SKIPS = re.compile(r"\bskip\s+locked\b", re.IGNORECASE)
TARGET = """select c.relkind::text as kind, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name,
                   exists (select from pg_catalog.pg_rewrite r where r.ev_class = c.oid and r.ev_type <> '1') as rules
              from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where n.nspname = %s and c.relname = %s"""
TABLE_KINDS = ("r", "p")
# Where a count goes that a query in the middle of a message has found.
COUNTED = "provider.rows"
# A row can come between a batch and the question whether any is left.
TRIES = 3
# Other sessions may add rows meanwhile; many batches beyond what there was are another matter.
SPARE_BATCHES = 10


async def run(
    connection: Connection, history: History, work: Work, role: str | None, watch: Watch, reporter: Reporter
) -> None:
    """Run the one statement of a script until no row is left; after a kill its `where` finds the rest."""
    (statement,) = sqlfiles.statements(work.text)
    await _refuse_other_table(connection, work, statement)
    piece = Piece(work.step, work.path, statement.text, statement.line, before=acting(connection, role, local=True))
    await connection.execute(session_reset(connection, locks.LIMITS.once).encode())
    await history.note(connection, work.step, work.direction, digest(statement.text), False)
    rest = sqldirectives.rest(statement.text, work.run_mode.size)
    every = sqldirectives.everything(statement.text, work.run_mode.size)
    count = (
        f"select pg_catalog.set_config('{COUNTED}', (select pg_catalog.count(*) from ({every}) as rest)::text, true)"
    )
    await _Batches(
        connection,
        work,
        piece,
        replace(piece, text=rest) if rest else None,
        replace(piece, text=count) if every else None,
        watch,
        reporter,
    ).run()


async def _refuse_other_table(connection: Connection, work: Work, statement: Statement) -> None:
    """Refuse what isn't a table alone: of a view and of a rule, PostgreSQL's count isn't that of the changed rows.

    :raises Refused: with what it is
    """
    found = await row(connection, TARGET, list(sqldirectives.batched_table(statement.text) or ("", "")))
    if found is None or (found["kind"] in TABLE_KINDS and not found["rules"]):
        return
    what = "has rules that change what is written to it" if found["kind"] in TABLE_KINDS else "is no table"
    raise Refused(
        f"migration {work.step}: {found['name']} {what}, {work.path}:{statement.line}; how many rows a batch has "
        "changed can't be known of it: name the table itself, without such a rule"
    )


@dataclass
class _Batches:
    """The statement, and the query that says whether it still finds a row."""

    connection: Connection
    work: Work
    piece: Piece
    rest: Piece | None
    count: Piece | None
    """The query that says how many rows the statement would find without its limit."""
    watch: Watch
    reporter: Reporter
    rows: int = 0
    left: int = 0
    """How many it found when they were counted last."""
    since: int = 0
    """How many were changed since."""

    async def run(self) -> None:
        begun, tries = time.monotonic(), 0
        # Asked once before the first batch: what is wrong with the question shows before anything is changed.
        more = await self._finds()
        if more and self.count is not None:
            self.left = await self._counted(self.count)
        while more:
            if changed := await self._sent(self.piece):
                begun, tries = time.monotonic(), 0
                self.rows += changed
                self.since += changed
                await self.reporter.status(self._doing)
                await self._refuse_endless()
                await asyncio.sleep(self.work.run_mode.pause / 1000)
                continue
            more = self.rest is not None and await self._finds()
            if more:
                tries += 1
                self._refuse_standstill(tries, time.monotonic() - begun)
                await asyncio.sleep(locks.LIMITS.pause)

    @property
    def _doing(self) -> str:
        return f"{self.work.doing}: {self.rows:,} rows"

    async def _finds(self) -> bool:
        """Whether the statement finds a row; where it can't be asked, its own count has to say so."""
        return self.rest is None or bool(await self._sent(self.rest, undo=True))

    async def _sent(self, piece: Piece, undo: bool = False) -> int:
        async def once() -> int:
            # A transaction that is left by an exception is rolled back; what earlier ones did is kept.
            async with self.connection.transaction(force_rollback=undo):
                return await send(self.connection, piece, self.watch, self.work.doing)

        return await locks.patiently(once, self._doing, self.watch, self.reporter)

    async def _counted(self, count: Piece) -> int:
        async def once() -> int:
            async with self.connection.transaction(force_rollback=True):
                await send(self.connection, count, self.watch, self.work.doing)
                found = await row(self.connection, "select pg_catalog.current_setting(%s)::bigint as rows", [COUNTED])
                assert found is not None
                return int(found["rows"])

        return await locks.patiently(once, self._doing, self.watch, self.reporter)

    async def _refuse_endless(self) -> None:
        """Refuse to go on once twice as many rows were changed as there were, and there are no fewer."""
        if self.count is None or self.since <= self.left + max(self.left, SPARE_BATCHES * self.work.run_mode.size):
            return
        now = await self._counted(self.count)
        if now >= self.left:
            raise Refused(
                f"migration {self.work.step}: the statement never ends, {self.piece.path}:{self.piece.line}: it has "
                f"changed {self.since:,} rows and still finds {now:,}, of {self.left:,} at first; its `where` must "
                "leave out the rows that are done, and no trigger may put them back; what was changed is kept, the "
                "migration isn't recorded"
            )
        self.left, self.since = now, 0

    def _refuse_standstill(self, tries: int, waited: float) -> None:
        over = waited > locks.LIMITS.step if SKIPS.search(self.piece.text) else tries >= TRIES
        if over:
            raise Refused(
                f"migration {self.work.step}: the statement still finds rows and changes none of them, "
                f"{self.piece.path}:{self.piece.line}; a trigger, a rule or a conflict keeps them as they are, or "
                f"another session holds them; {self.rows:,} rows are done and kept, the migration isn't recorded, the "
                "next run goes on with it"
            )
