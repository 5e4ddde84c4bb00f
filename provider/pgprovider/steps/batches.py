"""A backfill: one statement, each time in a transaction of its own, until it finds no row any more."""

import asyncio
import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqldirectives
import sqlfiles
from pgprovider.connection import Connection
from pgprovider.errors import Refused
from pgprovider.steps import locks
from pgprovider.steps.history import History
from pgprovider.steps.locks import Tell, Watch
from pgprovider.steps.send import Piece, acting, send, settled
from sqltext import digest

if TYPE_CHECKING:
    from pgprovider.steps.runner import Work

SKIPS = re.compile(r"\bskip\s+locked\b", re.IGNORECASE)
# A row can come between a batch and the question whether any is left.
TRIES = 3


async def run(
    connection: Connection, history: History, work: "Work", role: str | None, watch: Watch, tell: Tell
) -> None:
    """Run the one statement of a half until no row is left; after a kill its `where` finds the rest."""
    (statement,) = sqlfiles.statements(work.text)
    piece = Piece(work.step, work.path, statement.text, statement.line, before=acting(connection, role, local=True))
    await connection.execute(settled(connection, locks.LIMITS.once).encode())
    await history.note(connection, work.step, work.half, digest(statement.text), False)
    rest = sqldirectives.rest(statement.text, work.way.size)
    await _Batches(connection, work, piece, replace(piece, text=rest) if rest else None, watch, tell).run()


@dataclass
class _Batches:
    """The statement, and the query that says whether it still finds a row."""

    connection: Connection
    work: "Work"
    piece: Piece
    rest: Piece | None
    watch: Watch
    tell: Tell
    rows: int = 0

    async def run(self) -> None:
        begun, tries = time.monotonic(), 0
        # Asked once before the first batch: what is wrong with the question shows before anything is changed.
        more = await self._finds()
        while more:
            if changed := await self._sent(self.piece):
                begun, tries = time.monotonic(), 0
                self.rows += changed
                await self.tell.status(self._doing)
                await asyncio.sleep(self.work.way.pause / 1000)
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

        return await locks.patiently(once, self._doing, self.watch, self.tell)

    def _refuse_standstill(self, tries: int, waited: float) -> None:
        over = waited > locks.LIMITS.step if SKIPS.search(self.piece.text) else tries >= TRIES
        if over:
            raise Refused(
                f"step {self.work.step}: the statement still finds rows and changes none of them, {self.piece.path}:"
                f"{self.piece.line}; a trigger, a rule or a conflict keeps them as they are, or another session holds "
                f"them; {self.rows:,} rows are done and kept, the step isn't recorded, the next run goes on with it"
            )
