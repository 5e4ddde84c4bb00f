"""Statements that PostgreSQL doesn't run in a transaction: one by one, each noted, each fit to be met half done."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from declared import sqldirectives, sqlfiles
from declared.sqldirectives import Build, Detach
from declared.sqltext import Statement, digest
from provider import snapshots
from provider.connection import Connection, row, rows
from provider.errors import Refused
from provider.steps import locks, touches
from provider.steps.history import History, split
from provider.steps.locks import Watch
from provider.steps.reporter import Reporter
from provider.steps.send import Failed, Piece, acting, reworded, send, session_reset
from provider.steps.work import Work

INDEX = """select i.indisvalid and i.indisready as valid, i.indisunique as unique,
                  pg_catalog.pg_get_indexdef(i.indexrelid) as definition,
                  pg_catalog.format('%%I ON %%I.%%I', c.relname, tn.nspname, t.relname) as named,
                  tn.nspname as schema, t.relname as table
             from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
             join pg_catalog.pg_class t on t.oid = i.indrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
            where n.nspname = %s and c.relname = %s"""
# What a killed `reindex concurrently` leaves beside an index; valid ones are what it replaced.
REINDEXED = """select n.nspname as schema, c.relname as name
                 from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
                 join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'"""
PARTITION = """select inhdetachpending as pending from pg_catalog.pg_inherits
                where inhrelid = pg_catalog.to_regclass(%s) and inhparent = pg_catalog.to_regclass(%s)"""
REINDEX = re.compile(r"reindex\b", re.IGNORECASE)
LEAVES_INDEX = re.compile(r"(?:reindex|create)\b", re.IGNORECASE)
# Every code but those of a session or server that was ended.
REFUSED = re.compile(r"(?!57|08|58|XX)\w{5}")
# By code, what a statement says that was done before and not noted.
DONE_BEFORE = {"42704": r"drop\s+index", "42710": r"alter\s+type"}
PROBED = """select pg_catalog.pg_get_indexdef(i.indexrelid) as definition,
                   pg_catalog.format('%%I ON pg_temp.%%I', c.relname, t.relname) as named
              from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
              join pg_catalog.pg_class t on t.oid = i.indrelid
             where i.indrelid = %s::pg_catalog.regclass"""


async def run(
    connection: Connection, history: History, work: Work, role: str | None, watch: Watch, reporter: Reporter
) -> None:
    """Run the statements of a script that aren't noted as done."""
    found = sqlfiles.statements(work.text)
    known = await history.under_way(connection, work.step, work.direction)
    for number, statement in enumerate(found, start=1):
        key = digest(f"{[each.text for each in found[:number]].count(statement.text)} {statement.text}")
        if known.get(key):
            continue
        doing = f"{work.doing}: statement {number} of {len(found)}"
        if len(found) > 1:
            await reporter.status(doing)
        await history.note(connection, work.step, work.direction, key, False)
        one = _One(connection, work, statement, role, watch, reporter, doing, begun=key in known)
        changing = _Changing(
            connection, snapshots.PendingStatement(split(work.step)[0], work.direction, key, history.name)
        )
        await changing.begin(statement.text)
        try:
            await locks.patiently(one.run, doing, watch, reporter)
        except (Failed, Refused) as failure:
            # What the server refused wasn't done: the next run must not take it for that. Some of it leaves an index.
            refused = not isinstance(failure, Failed) or REFUSED.match(failure.code)
            if refused and not (isinstance(failure, Failed) and LEAVES_INDEX.match(statement.text)):
                async with connection.transaction():
                    await changing.end()
                    await history.unnote(connection, work.step, work.direction, key)
            raise
        async with connection.transaction():
            await changing.end()
            await history.note(connection, work.step, work.direction, key, True)


@dataclass
class _Changing:
    """What one statement changes of the stored snapshots; announced as long as it is noted as begun and not done."""

    connection: Connection
    statement: snapshots.PendingStatement
    only: list[str] | None = None
    """Patterns of what it may change; None where nobody knows."""
    before: snapshots.Found = field(default_factory=dict)

    async def begin(self, text: str) -> None:
        """Announce it; what a run that was killed has changed isn't a manual change."""
        targets = await touches.of(self.connection, text)
        async with self.connection.transaction():
            earlier = await snapshots.announce(self.connection, self.statement, targets or [])
            self.only = None if targets is None else targets + earlier
            self.before = await snapshots.differing(self.connection, but_for=earlier)

    async def end(self) -> None:
        """Take in what it has changed, also where it failed; a part of a transaction."""
        await snapshots.absorb(self.connection, self.before, self.only)
        await snapshots.clear_pending(self.connection, [self.statement])


@dataclass(frozen=True)
class _One:
    """One statement, which may have been begun before."""

    connection: Connection
    work: Work
    statement: Statement
    role: str | None
    watch: Watch
    reporter: Reporter
    doing: str
    begun: bool

    async def run(self) -> None:
        # None of these statements stands in front of traffic while it waits, so it may wait long.
        await self._reset_session(locks.LIMITS.step)
        try:
            build, detach = sqldirectives.build(self.statement.text), sqldirectives.detach(self.statement.text)
            if build and await self._is_built(build):
                return
            if detach and await self._is_detached(detach):
                return
            if REINDEX.match(self.statement.text) and self.begun:
                await self._drop_reindexed()
            await self._send(self.statement.text)
        finally:
            if not self.connection.closed:
                await self._reset_session(locks.LIMITS.once)

    async def _reset_session(self, seconds: float) -> None:
        await self.connection.execute(session_reset(self.connection, seconds).encode())

    async def _send(self, text: str) -> None:
        work = self.work
        await self.connection.execute(acting(self.connection, self.role, local=False).encode())
        try:
            piece = Piece(work.step, work.path, text, self.statement.line)
            await send(self.connection, piece, self.watch, self.doing)
        except Failed as failure:
            before = DONE_BEFORE.get(failure.code)
            if self.begun and before and re.match(before, text, re.IGNORECASE):
                return
            build = sqldirectives.build(text)
            invalid = (
                f"index {build.schema}.{build.name} stays invalid until the next run builds it again, " if build else ""
            )
            kept = "the statements before it are kept, the next run goes on with it"
            raise reworded(failure, invalid + kept) from None

    async def _is_built(self, build: Build) -> bool:
        """Whether the index is there as it is to be; an invalid one is what a failed build has left, and is dropped."""
        found = await row(self.connection, INDEX, [build.schema, build.name])
        if found is None:
            return False
        name = f"{build.schema}.{build.name}"
        where = f"migration {self.work.step}: index {name} is there already"
        wanted = await self._definition(build)
        same = _essence(found) == wanted if wanted else self.begun
        if (found["unique"], found["schema"], found["table"]) != (build.unique, build.schema, build.table) or not same:
            raise Refused(
                f"{where} with another definition, {self.work.path}:{self.statement.line}; drop it or name this one "
                "differently"
            )
        if found["valid"]:
            return True
        await self.reporter.info(f"{where} and invalid, left by a build that failed; it is dropped and built again")
        await self._drop(build.schema, build.name)
        return False

    async def _is_detached(self, detach: Detach) -> bool:
        """Whether the partition is detached; one that a killed run has left in between is detached to the end."""
        table, partition = sql.Identifier(*detach.table), sql.Identifier(*detach.partition)
        found = await row(self.connection, PARTITION, [each.as_string(self.connection) for each in (partition, table)])
        if found is None:
            return self.begun
        if detach.finalize or not found["pending"]:
            return False
        where = f"migration {self.work.step}: partition {'.'.join(detach.partition)}"
        await self.reporter.info(f"{where} was left half detached by a run that was killed; it is detached to the end")
        statement = sql.SQL("alter table {} detach partition {} finalize").format(table, partition)
        await self._send(statement.as_string(self.connection))
        return True

    async def _drop_reindexed(self) -> None:
        for entry in await rows(self.connection, REINDEXED, []):
            await self._drop(entry["schema"], entry["name"])

    async def _drop(self, schema: str, name: str) -> None:
        statement = sql.SQL("drop index concurrently if exists {}").format(sql.Identifier(schema, name))
        await self._send(statement.as_string(self.connection))
        await self._reset_session(locks.LIMITS.step)

    async def _definition(self, build: Build) -> str | None:
        """How PostgreSQL would spell the index: it is made on an empty table of the same name, and taken back.

        None where it can't be made there: the statement names the table's schema or needs its row type. Then an index
        of that name on that table is taken for the statement's own if it was begun before.
        """
        copy = sql.Identifier("pg_temp", build.table)
        make = sql.SQL("create temporary table {} (like {})").format(copy, sql.Identifier(build.schema, build.table))
        text = f"create {'unique ' if build.unique else ''}index " + (
            sql.SQL("{} on {} ").format(sql.Identifier(build.name), copy).as_string(self.connection)
        )
        try:
            async with self.connection.transaction(force_rollback=True):
                await self.connection.execute(make)
                await self.connection.execute((text + build.rest).encode())
                found = await row(self.connection, PROBED, [copy.as_string(self.connection)])
                assert found is not None
                return _essence(found)
        except psycopg.errors.ProgrammingError:
            return None


def _essence(found: Mapping[str, Any]) -> str:
    """What stays of an index's definition without its name and its table."""
    return str(found["definition"]).partition(f"INDEX {found['named']} ")[2]
