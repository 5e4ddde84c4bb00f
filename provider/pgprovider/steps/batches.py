"""A backfill: one statement, each time in a transaction of its own, until it changes no row any more."""

import asyncio
from typing import TYPE_CHECKING

import sqlfiles
from pgprovider.connection import Connection
from pgprovider.steps import locks
from pgprovider.steps.history import History
from pgprovider.steps.locks import Tell, Watch
from pgprovider.steps.send import Piece, acting, send, settled

if TYPE_CHECKING:
    from pgprovider.steps.runner import Work


async def run(
    connection: Connection, history: History, work: "Work", role: str | None, watch: Watch, tell: Tell
) -> None:
    """Run the one statement of a half until no row is left; after a kill its `where` finds the rest."""
    (statement,) = sqlfiles.statements(work.text)
    pause = work.way.pause / 1000
    piece = Piece(
        work.step,
        work.path,
        statement.text,
        statement.line,
        before=acting(connection, role, local=True),
    )
    await connection.execute(settled(connection, locks.LIMITS.once).encode())
    rows = 0

    async def batch() -> int:
        # A transaction that is left by an exception is rolled back; what earlier ones did is kept.
        async with connection.transaction():
            return await send(connection, piece, watch, work.doing)

    while changed := await locks.patiently(batch, f"{work.doing}: {rows:,} rows", watch, tell):
        rows += changed
        await tell.status(f"{work.doing}: {rows:,} rows")
        await asyncio.sleep(pause)
