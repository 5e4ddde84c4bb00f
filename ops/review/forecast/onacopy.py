"""The pending migrations, run one statement after the other on a copy of the structure, and watched there."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from declared import sqldirectives, sqlfiles, sqlgrammar
from declared.sqldirectives import RunMode
from declared.sqltext import Statement, statements
from ops.errors import CommandError
from ops.migrations.trial import Silent
from ops.review.forecast.observing import Done, Index, Seen, done, look
from provider import scratchdatabase
from provider.connection import Connection, Connections, rows
from provider.rehearsal import NoCopy, structure_of
from provider.steps import locks, plan
from provider.steps.carried import Saved, policies
from provider.steps.runner import Runner, running
from provider.steps.send import Failed, Piece, acting, send, session_reset

CONCURRENT = "share update exclusive"
COPY = "tried on a copy of the structure, nothing was changed"


@dataclass(frozen=True)
class Watched:
    """A statement, how it runs, and what it has done; `unknown` says why that can't be known."""

    step: str
    path: str
    statement: Statement
    run_mode: RunMode
    done: Done
    unknown: str = ""
    took: float = 0
    """Seconds that it took on the copy, which has no rows."""

    @property
    def touched(self) -> set[int]:
        """The tables whose size counts."""
        done = self.done
        tables = {*done.locks, *done.rewritten, *done.scanned, *(index.table for index in done.built)}
        written = {oid for each in done.writes for oid in each.into.union(*each.sources)}
        return tables | written | {oid for pair in done.joined for oid in pair}


def untried(step: sqlfiles.Step, folder: str, why: str) -> list[Watched]:
    """The statements of a migration that can't be run on a copy."""
    how = sqldirectives.run_mode(step.up)
    return [Watched(step.name, f"{folder}/{step.name}.up.sql", each, how, Done(), why) for each in statements(step.up)]


@dataclass(frozen=True)
class Copy:
    """A copy of the structure, and what the login couldn't copy; empty where it is whole."""

    database: Connections
    missing: str


@asynccontextmanager
async def copy_of(real: Connections, histories: set[str], programs: Sequence[Path]) -> AsyncIterator[Copy]:
    """A copy of the structure, gone afterwards.

    :raises CommandError: where it can't be copied
    """
    try:
        copy, missing = await structure_of(real, histories, programs)
    except NoCopy as error:
        raise CommandError(f"locks are looked at on a copy of the structure, which can't be made: {error}") from None
    try:
        async with await copy.session() as session:
            await _drop_event_triggers(session)
        yield Copy(copy, missing)
    finally:
        await scratchdatabase.drop(real, copy)


async def _drop_event_triggers(session: Connection) -> None:
    """What they write about each statement isn't the statement's own."""
    for found in await rows(session, "select evtname::text as name from pg_catalog.pg_event_trigger", []):
        with suppress(psycopg.errors.InsufficientPrivilege):
            await session.execute(sql.SQL("drop event trigger {}").format(sql.Identifier(found["name"])))


async def watch(copy: Connections, order: plan.Order, step: sqlfiles.Step, there: Seen) -> list[Watched]:
    """Run the up script of a migration on the copy, and say what each statement has done.

    Args:
        there: what the copy had before the first migration.

    :raises StatementFailed: for a statement that fails, with file and line
    """
    async with running(copy.session, Silent(), order) as runner:
        script = _Script(runner, step, f"{order.folder}/{step.name}.up.sql", order.role, there)
        try:
            return await script.run()
        except Failed as failure:
            raise type(failure)(f"{failure} ({COPY})") from None


@dataclass
class _Script:
    runner: Runner
    step: sqlfiles.Step
    path: str
    role: str | None
    there: Seen
    last: Seen | None = None
    """What there was after the statement before, in the same transaction."""
    dropped: list[Saved] = field(default_factory=list)
    """The row policies that stood in its way."""

    @property
    def connection(self) -> Connection:
        return self.runner.connection

    async def run(self) -> list[Watched]:
        how = sqldirectives.run_mode(self.step.up)
        every = statements(self.step.up)
        await self._reset()
        try:
            if how.kind == "transaction":
                async with self.connection.transaction():
                    await self._act(local=True)
                    found = [await self._one(each, how) for each in every]
                    await self._put_back()
                    return found
            return [await self._apart(each, how) for each in every]
        finally:
            if not self.connection.closed:
                await self._reset()

    async def _act(self, local: bool) -> None:
        self.last = None
        await self.connection.execute(acting(self.connection, self.role, local).encode())

    async def _reset(self) -> None:
        await self.connection.execute(session_reset(self.connection, locks.LIMITS.once).encode())

    async def _apart(self, statement: Statement, how: RunMode) -> Watched:
        """In a transaction of its own, where it can run in one."""
        node: Any = sqlgrammar.parsed(statement.text)
        if how.kind == "batches" or _may_be_in_one(node):
            async with self.connection.transaction():
                await self._act(local=True)
                return await self._one(statement, how)
        before = await look(self.connection)
        await self._act(local=False)
        took = await self._timed(statement)
        await self._reset()
        after = await look(self.connection)
        tables = _tables(node, before)
        found = done(self.there, before, after, node)
        scanned = frozenset(tables) if type(node).__name__ == "VacuumStmt" else frozenset[int]()
        built = found.built or _reindexed(node, before)
        return Watched(
            *(self.step.name, self.path, statement, how),
            Done(dict.fromkeys(tables & self.there.names.keys(), CONCURRENT), scanned=scanned, built=built),
            took=took,
        )

    async def _one(self, statement: Statement, how: RunMode) -> Watched:
        """In the transaction that is open."""
        before = self.last or await look(self.connection)
        took = 0.0
        try:
            async with self.connection.transaction():
                took = await self._timed(statement)
        except Failed as failure:
            if not failure.policies:
                raise
            await self._without(failure, statement)
        self.last = after = await look(self.connection)
        found = done(self.there, before, after, sqlgrammar.parsed(statement.text))
        return Watched(*(self.step.name, self.path, statement, how), found, took=took)

    async def _without(self, failure: Failed, statement: Statement) -> None:
        """Once more without the row policies in its way, which `up` drops before and makes again after it."""
        there = {saved.key: saved for saved in await policies(self.connection)}
        while more := [there.pop(key) for key in failure.policies if key in there]:
            for policy in more:
                await self.connection.execute(sql.SQL("drop policy ") + policy.target)
            self.dropped += more
            try:
                async with self.connection.transaction():
                    return await self._send(statement)
            except Failed as again:
                failure = again
        raise failure

    async def _put_back(self) -> None:
        """Make the row policies again that stood in the way, as far as their expressions still work."""
        for policy in self.dropped:
            with suppress(psycopg.Error):
                async with self.connection.transaction():
                    await self.connection.execute(policy.definition)

    async def _timed(self, statement: Statement) -> float:
        begun = time.perf_counter()
        await self._send(statement)
        return time.perf_counter() - begun

    async def _send(self, statement: Statement) -> None:
        piece = Piece(self.step.name, self.path, statement.text, statement.line)
        await send(self.connection, piece, self.runner.watch)


def _may_be_in_one(node: Any) -> bool:
    """Whether PostgreSQL runs it in a transaction too."""
    match type(node).__name__:
        case "AlterTableStmt":
            return sqldirectives.detach_of(node) is None
        case "VacuumStmt":
            return not node.is_vacuumcmd
        case name:
            return name in ("CommentStmt", "AlterEnumStmt")


def _tables(node: Any, seen: Seen) -> set[int]:
    """The tables that a statement outside a transaction is about."""
    numbers = {name: oid for oid, name in seen.names.items()}
    found = {numbers[name] for name in _named(node) if name in numbers}
    return {seen.indexes[oid].table if oid in seen.indexes else oid for oid in found}


def _named(node: Any) -> list[str]:
    match type(node).__name__:
        case "IndexStmt" | "AlterTableStmt":
            named = [node.relation]
        case "ReindexStmt":
            named = [node.relation] if node.relation else []
        case "VacuumStmt":
            named = [each.relation for each in node.rels or () if each.relation]
        case "DropStmt":
            return [".".join(part.sval for part in each) for each in node.objects]
        case _:
            named = []
    return [f"{each.schemaname}.{each.relname}" for each in named if each.schemaname]


def _reindexed(node: Any, seen: Seen) -> tuple[Index, ...]:
    if type(node).__name__ != "ReindexStmt":
        return ()
    numbers = {name: oid for oid, name in seen.names.items()}
    found = {numbers[name] for name in _named(node) if name in numbers}
    return tuple(index for oid, index in seen.indexes.items() if oid in found or index.table in found)
