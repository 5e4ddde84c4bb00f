"""A database beside the real one, on the same server, that is gone again after its use.

Nobody but superusers and the login that made it may connect to it. One that a killed run has left is dropped by the
next run that makes one.
"""

import re
import secrets
import time

from psycopg import sql

from provider.connection import Connection, Connections, rows

PREFIX = "visual_prompt_builder_scratch_"
# When it was made, in seconds since 1970, is in the name.
NAME = re.compile(rf"{PREFIX}(?P<made>[0-9a-f]{{8}})_[0-9a-f]{{8}}")
# Older than this, without a session: nobody makes one for so long before its first session.
ABANDONED_SECONDS = 60
LIKE = """select pg_catalog.pg_encoding_to_char(encoding) as encoding, datcollate as collate, datctype as ctype,
                 datlocprovider = 'c' as libc
            from pg_catalog.pg_database where datname = pg_catalog.current_database()"""
UNUSED = """select d.datname::text as name from pg_catalog.pg_database d
             where pg_catalog.starts_with(d.datname::text, %s) and pg_catalog.pg_has_role(d.datdba, 'member')
               and not exists (select from pg_catalog.pg_stat_activity a where a.datid = d.oid)"""

END = """select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity as a
          where a.datname = %s and a.backend_type = 'client backend'"""


async def make(database: Connections) -> Connections:
    """A new, empty database; the caller drops it."""
    name = f"{PREFIX}{int(time.time()):08x}_{secrets.token_hex(4)}"
    async with await database.session() as session:
        await _drop_abandoned(session)
        await session.execute(await _statement(session, name))
        await session.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(name)))
    return Connections(database.info.on(name))


async def drop(database: Connections, scratch: Connections) -> None:
    """End its sessions and drop it; not an error where it's gone."""
    await scratch.close()
    async with await database.session() as session:
        await _drop(session, scratch.info.database)


async def tidy(database: Connections) -> None:
    """Drop what killed runs have left: its privileges would keep roles from being dropped."""
    async with await database.session() as session:
        await _drop_abandoned(session)


async def _statement(session: Connection, name: str) -> sql.Composed:
    """With the encoding and the collation of the database that we are in, where they are the C library's."""
    (like,) = await rows(session, LIKE, [])
    made = sql.SQL("create database {} template template0").format(sql.Identifier(name))
    if not like["libc"]:
        return made
    words = sql.SQL(" encoding {} lc_collate {} lc_ctype {}")
    return made + words.format(*(sql.Literal(like[each]) for each in ("encoding", "collate", "ctype")))


async def _drop_abandoned(session: Connection) -> None:
    for found in await rows(session, UNUSED, [PREFIX]):
        match = NAME.fullmatch(found["name"])
        if match and time.time() - int(match["made"], 16) > ABANDONED_SECONDS:
            await _drop(session, found["name"])


async def _drop(session: Connection, name: str) -> None:
    """Not `with (force)`, which refuses all but superusers while autovacuum is in there; this ends it and waits."""
    await session.execute(END, [name])
    await session.execute(sql.SQL("drop database if exists {}").format(sql.Identifier(name)))
