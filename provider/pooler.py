"""Tells a pooler that lends a session for one transaction from one that keeps it, and from no pooler at all.

What we set in a lent session would stay for the pooler's next client, and session locks would be lost.
"""

import asyncio
from typing import Any

import psycopg

from declared import connectionurl
from provider.errors import Refused

Session = psycopg.AsyncConnection[tuple[Any, ...]]

ROUNDS = 25
WAIT_SECONDS = 5
LENT = (
    "behind this address is a pooler in transaction mode, which would hand our settings on to its other clients; use "
    "{direct}, or a pooler in session mode"
)
# It has one session only, which our first client keeps, or others keep all of them. A migration needs two sessions.
WAITS = (
    "behind this address is a pooler that gave no second session within "
    f"{WAIT_SECONDS} seconds, so whether it is in transaction mode isn't known; use "
    "{direct}, or raise the pooler's limit of sessions (default_pool_size of PgBouncer)"
)


async def refuse_lent(url: str) -> None:
    """Ask which process of the server answers, before anything is set.

    A server sends the number of a session's process when it begins, a pooler one of its own making: so a direct
    connection is known by one question. Behind a pooler a second client asks too, in a transaction that stays open.
    That it gets the first client's process, or the first one another than before, happens only where sessions are lent.

    :raises Refused: behind such a pooler, or one that keeps the second client waiting, with the server's own port
    :raises psycopg.Error: where there is no connection
    """
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as first:
        seen = {await _process(first)}
        if first.info.backend_pid in seen:
            return
        for _ in range(ROUNDS):
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    lent = await _second(url, first, seen)
            except TimeoutError:
                raise Refused(await _explanation(url, first, WAITS)) from None
            if lent:
                raise Refused(await _explanation(url, first, LENT))


async def _second(url: str, first: Session, seen: set[int]) -> bool:
    async with await psycopg.AsyncConnection.connect(url) as second:
        if await _process(second) in seen:
            return True
        seen.add(await _process(first))
        return len(seen) > 1


async def _process(session: Session) -> int:
    return int((await _row(session, "select pg_catalog.pg_backend_pid()"))[0])


async def _row(session: Session, query: str) -> tuple[Any, ...]:
    # A prepared statement would stay in the lent session.
    found = await (await session.execute(query.encode(), prepare=False)).fetchone()
    assert found is not None
    return found


async def _explanation(url: str, session: Session, why: str) -> str:
    parameters = connectionurl.parse(url)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            (port,) = await _row(session, "select pg_catalog.current_setting('port')")
        direct = f"the server itself, which listens on port {port}, instead of port {parameters['port']}"
    except TimeoutError:
        direct = f"the server itself, on its own port instead of port {parameters['port']}"
    return f"{connectionurl.describe(parameters)}: {why.format(direct=direct)}"
