"""The migrations of a folder, run on a session of their own: in transactions, outside of them, in batches.

A migration and its history row are one transaction. Where nothing of the set is in use yet or any more (an empty
history, or all of it going), many quick migrations share one: `docs/decisions/0008-how-steps-run.md`.
"""

import itertools
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial

import psycopg
from psycopg import sql

from declared import sqlfiles
from plugin.errors import PluginError
from provider import snapshots
from provider.connection import Connection, lock, spelt
from provider.errors import CUT_OFF, LockRefused, StatementFailed, one_line
from provider.migrationchanges import MigrationChanges
from provider.steps import batches, locks, named, outside, plan
from provider.steps.adoption import adopted
from provider.steps.carried import Carried, PolicyKey, policies
from provider.steps.history import ADOPTED, History, Recorded, split
from provider.steps.locks import Watch
from provider.steps.notices import Notices
from provider.steps.reporter import Reporter
from provider.steps.send import Failed, Piece, acting, reworded, send, session_reset, session_settings
from provider.steps.work import Work

Session = Callable[[], Awaitable[Connection]]
TOGETHER = 100
TOGETHER_SECONDS = 0.5
MESSAGE = 20
# Of the scripts in a message. Each table that is made is a lock until the transaction ends, and there is room for some
# thousands; what each statement takes grows with them.
MESSAGE_CHARACTERS = 300_000
STATUS_SECONDS = 0.1
# Up to so many migrations each has its own status line and its own transaction.
STATUS_STEPS = 20


class Runner:
    """One run: a session, its watch, the history."""

    def __init__(self, connection: Connection, watch: Watch, reporter: Reporter, order: plan.Order) -> None:
        self.connection, self.watch, self.reporter, self.order = connection, watch, reporter, order
        self.history = History(order.history)
        self.incarnation = ""
        self.adopted: set[str] = set()
        """The migrations that describe this very database as it was found: recorded, and not run."""
        self.changes = MigrationChanges()
        self.ran = False
        """Whether a script was begun."""
        self._begun: set[snapshots.PendingStatement] = set()
        """What an earlier run has announced to the snapshot and not ended."""
        self._reported_at = 0.0
        self._quiet = False

    async def run(self, known: Callable[[Recorded], Mapping[str, str]]) -> Recorded:
        """Bring the database to the order; what it said of itself before, with the incarnation that it has now.

        Args:
            known: says what this stack has applied in the database that was found.
        """
        recorded = await self.history.read(self.connection)
        mine = known(recorded)
        files = plan.read_steps(self.order) if self.order.steps.keys() - recorded.steps.keys() else {}
        moved = await find_renames(self.connection, self.history, self.order, recorded, files)
        recorded = plan.renamed(recorded, moved)
        mine = {name: each for name, each in mine.items() if name not in moved}
        todo = plan.make(self.order, recorded, mine)
        downs: dict[str, str] = {}
        if todo.back:
            found = await self.history.downs(self.connection, todo.back)
            downs = plan.refuse_changed_downs(self.order, todo, found, mine)
            plan.refuse_losses(self.order, downs, recorded.half_back)
        files = files or (plan.read_steps(self.order) if todo.forward else {})
        forward = plan.refuse_changed_files(self.order, todo, files)
        self.adopted = await adopted(self.connection, forward)
        await self.history.make(self.connection)
        await self._tell_begun(todo)
        await self._disown(todo)
        await self._reset_session()
        self.incarnation = recorded.incarnation
        if moved:
            await self._rename(moved)
        back = self._backward(todo, downs)
        await self._all(back, together=len(todo.back) == len(recorded.steps))
        await self._all(self._forward(todo, forward), together=not recorded.steps)
        await self._claim(recorded)
        return replace(recorded, incarnation=self.incarnation)

    async def _rename(self, moved: Mapping[str, sqlfiles.Step]) -> None:
        async with self.connection.transaction():
            await self.history.rename(self.connection, moved)
            self.incarnation = await self.history.renew(self.connection)

    async def _claim(self, recorded: Recorded) -> None:
        """Hold what is recorded and declared; it was applied by another resource or without one."""
        holder = self.order.holder
        if holder is None:
            return
        there = recorded.steps.keys() & self.order.steps.keys()
        if there - recorded.owned_by(holder):
            await self.history.claim(self.connection, there, holder)

    async def _tell_begun(self, todo: plan.Plan) -> None:
        numbers = {name.partition("_")[0] for name in todo.forward}
        for version in sorted(await self.history.begun(self.connection, "up") - numbers):
            await self.reporter.info(
                f"{self.order.label}: migration {version} was begun outside a transaction or in batches and then left "
                "the checkout; what it made until then is still there"
            )

    async def _disown(self, todo: plan.Plan) -> None:
        """What was begun, isn't done and won't be by this run is no migration's any more: it is a manual change."""
        directions = {
            (split(name)[0], direction)
            for names, direction in ((todo.forward, "up"), (todo.back, "down"))
            for name in names
        }
        async with self.connection.transaction():
            found = await snapshots.pending_statements(self.connection, self.history.name)
            self._begun = {each for each in found if (each.version, each.direction) in directions}
            await snapshots.clear_pending(self.connection, found - self._begun)

    def _backward(self, todo: plan.Plan, downs: Mapping[str, str]) -> list[Work]:
        return [
            Work(
                name,
                "down",
                downs[name],
                f"{self.order.folder}/{name}.down.sql",
                f"rolling back {name} ({number} of {len(todo.back)})",
            )
            for number, name in enumerate(todo.back, start=1)
        ]

    def _forward(self, todo: plan.Plan, steps: Sequence[sqlfiles.Step]) -> list[Work]:
        numbers = {name: number for number, name in enumerate(sorted(self.order.steps), start=1)}
        noted = todo.noted | self.adopted
        return [
            Work(
                step.name,
                "up",
                "" if step.name in noted else step.up,
                f"{self.order.folder}/{step.name}.up.sql",
                f"{_verb(step.name in noted)} {step.name} ({numbers[step.name]} of {len(numbers)})",
                step,
            )
            for step in steps
        ]

    async def _all(self, work: Sequence[Work], together: bool) -> None:
        self._quiet = len(work) > STATUS_STEPS
        self.ran = self.ran or bool(work)
        together = together and self._quiet
        position = 0
        try:
            while position < len(work):
                first = work[position]
                most = _transactions(work[position:]) if together else 1
                if first.run_mode.kind == "transaction":
                    few = partial(self._few, work[position : position + most])
                    position += await locks.patiently(few, first.doing, self.watch, self.reporter)
                else:
                    await self._in_parts(first)
                    position += 1
        except PluginError:
            if position:
                await self.reporter.info(f"{self.order.label}: {_stays(work[:position])}")
            raise

    async def _few(self, work: Sequence[Work], one_message: bool = True, without: tuple[PolicyKey, ...] = ()) -> int:
        """Run migrations in one transaction for a moment, `without` some row policies; how many are done, one at
        least."""
        begun, done = time.monotonic(), 0
        at_once = MESSAGE if one_message and len(work) > 1 else 1
        try:
            await self.connection.execute("begin")
            await lock(self.connection, self.order.label)
            carried = self._carried(work)
            async with spelt(self.connection):
                before = await snapshots.differing(self.connection)
                await carried.begin(without)
            while done < len(work) and time.monotonic() - begun < TOGETHER_SECONDS:
                items = work[done : done + _fitting(work[done:], at_once)]
                await self._scripts(items)
                done += len(items)
            async with spelt(self.connection):
                await carried.end()
                await self._note(work[:done])
                await snapshots.absorb(self.connection, before)
                await snapshots.note_changes(self.connection, carried.changes)
            await self.connection.execute("commit")
            await self._tell_carried(carried)
            return done
        except (psycopg.Error, StatementFailed) as error:
            await self._undo()
            if not self.connection.closed and at_once > 1:
                return await self._few(work, one_message=False)
            if self.connection.closed or len(work) == 1 or done == 0:
                more = _in_the_way(error, without)
                if more:
                    _refuse_named(error, more, work[0])
                    return await self._few(work[:1], one_message=False, without=without + more)
                raise self._one_line(error, work[min(done, len(work) - 1)]) from None
        # Those before it are run again and kept; what failed is met alone, and says why. All passed but the end: one.
        return await self._few(work[: done if done < len(work) else 1], one_message=False)

    async def try_out(self, work: Sequence[Work]) -> None:
        """Run scripts in one transaction that is undone; none where one of them can't run in it, or a lock is taken.

        Row policies are no obstacle: `_few` drops those and makes them again.

        :raises StatementFailed: with file and line
        """
        if any(each.run_mode.kind != "transaction" for each in work):
            return
        try:
            await self.connection.execute("begin")
            for policy in await policies(self.connection):
                await self.connection.execute(sql.SQL("drop policy ") + policy.target)
            for each in work:
                await self._scripts([each])
        except (psycopg.errors.LockNotAvailable, LockRefused):
            return
        except psycopg.Error as error:
            raise self._one_line(error, work[0]) from None
        finally:
            await self._undo()

    def _carried(self, work: Sequence[Work]) -> Carried:
        # Migrations share a transaction only where nothing of the set is in use yet or any more.
        text = work[0].text if len(work) == 1 else ""
        superuser = self.connection.info.parameter_status("is_superuser") == "on"
        role = None if superuser else self.order.role
        return Carried(self.connection, work[0].step, work[0].path, text, role, alone=len(work) == 1)

    async def _tell_carried(self, carried: Carried) -> None:
        self.changes.update(carried.changes)
        for line in carried.lines:
            await self.reporter.info(line)

    async def _scripts(self, work: Sequence[Work]) -> None:
        """Send some scripts in one message; if one fails, which one isn't known."""
        await self._status(work[0])
        pieces = [self._piece(item) for item in work if item.text]
        if not pieces:
            return
        piece = pieces[0]
        if len(pieces) > 1:
            piece = replace(piece, text=";".join(each.message for each in pieces), joined=tuple(pieces))
        try:
            await send(self.connection, piece, self.watch, work[0].doing)
        except StatementFailed:
            if len(pieces) > 1 and self.connection.closed:
                raise StatementFailed(f"migrations {work[0].step} to {work[-1].step}: {CUT_OFF}") from None
            raise
        if self.connection.info.transaction_status != psycopg.pq.TransactionStatus.INTRANS:
            raise StatementFailed(
                f"migration {piece.step}: {piece.path} ended the transaction it runs in; leave out commit and rollback"
            )

    def _piece(self, work: Work) -> Piece:
        before = acting(self.connection, self.order.role, local=True)
        return Piece(
            work.step, work.path, work.text, before=before, after=session_reset(self.connection, locks.LIMITS.once)
        )

    async def _in_parts(self, work: Work) -> None:
        await self._status(work)
        try:
            how = batches.run if work.run_mode.kind == "batches" else outside.run
            await how(self.connection, self.history, work, self.order.role, self.watch, self.reporter)
            await self._reset_session()
            async with self.connection.transaction():
                await self._note([work])
        except psycopg.Error as error:
            raise self._one_line(error, work) from None
        finally:
            if not self.connection.closed:
                await self._undo()

    async def _note(self, work: Sequence[Work]) -> None:
        applied = [item.files for item in work if item.files]
        gone = [item.step for item in work if not item.files]
        for holder, theirs in ((self.order.holder, False), (ADOPTED, True)):
            if steps := [step for step in applied if (step.name in self.adopted) is theirs]:
                await self.history.record(self.connection, steps, holder)
        if gone:
            await self.history.forget(self.connection, gone)
        if self._begun:
            versions = {split(item.step)[0] for item in work}
            await snapshots.clear_pending(self.connection, {each for each in self._begun if each.version in versions})
        self.incarnation = await self.history.renew(self.connection)

    async def _undo(self) -> None:
        with suppress(psycopg.Error):
            if self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                await self.connection.execute("rollback")
            await self._reset_session()

    def _one_line(self, error: Exception, work: Work) -> Exception:
        if isinstance(error, psycopg.Error):
            return one_line(error, f"migration {work.step}", work.path, closed=self.connection.closed)
        return error

    async def _reset_session(self) -> None:
        await self.connection.execute(session_reset(self.connection, locks.LIMITS.once).encode())

    async def _status(self, work: Work) -> None:
        if not self._quiet or time.monotonic() - self._reported_at > STATUS_SECONDS:
            self._reported_at = time.monotonic()
            await self.reporter.status(work.doing)


def _stays(done: Sequence[Work]) -> str:
    """What a run has done before it failed, in words."""
    names = done[0].step if len(done) == 1 else f"{done[0].step} to {done[-1].step}"
    how = "applied" if done[0].direction == "up" else "rolled back"
    return f"{names} {'was' if len(done) == 1 else 'were'} {how} before one failed, and that stays"


def _verb(noted: bool) -> str:
    return "writing the row, without running it, of" if noted else "applying"


async def find_renames(
    connection: Connection,
    history: History,
    order: plan.Order,
    recorded: Recorded,
    files: Mapping[str, sqlfiles.Step],
) -> dict[str, sqlfiles.Step]:
    """The migrations whose files have another name and the same text, by their recorded names."""
    left = recorded.steps.keys() - order.steps.keys() - recorded.half_back
    new = {name: step for name, step in files.items() if name in order.steps and name not in recorded.steps}
    if not left or not new:
        return {}
    return plan.renames(order, await history.ups(connection, left), new)


def _fitting(work: Sequence[Work], most: int) -> int:
    """How many scripts from the first on share a message."""
    sizes = itertools.accumulate(len(each.text) for each in work[:most])
    return max(sum(size <= MESSAGE_CHARACTERS for size in sizes), 1)


def _transactions(work: Sequence[Work]) -> int:
    """How many migrations from the first on run in a transaction, as far as one may hold."""
    count = 0
    for item in work[:TOGETHER]:
        if item.run_mode.kind != "transaction":
            break
        count += 1
    return max(count, 1)


def _in_the_way(error: Exception, without: Sequence[PolicyKey]) -> tuple[PolicyKey, ...]:
    """The row policies that keep a migration from what it does, if nothing else does; `alter … type` names one of
    them."""
    return tuple(policy for policy in error.policies if policy not in without) if isinstance(error, Failed) else ()


def _refuse_named(error: Exception, policies: Sequence[PolicyKey], work: Work) -> None:
    """Leave to the migration the policies which it names itself: they have to be there when it does."""
    uses = [use for use in named.policies(work.text) if use.needs_it] if isinstance(error, Failed) else []
    for table, name in policies:
        for use in uses:
            if use.means(*named.parts(table), name):
                place = re.search(re.escape(work.path) + r":(\d+)", str(error))
                raise reworded(
                    error,  # type: ignore[arg-type]
                    f"row policy {name} on {table} is in its way, and the migration itself names it in line "
                    f"{use.line}: drop it before {f'line {place[1]}' if place else 'the statement'} and create it "
                    "again after that",
                )


@asynccontextmanager
async def running(session: Session, reporter: Reporter, order: plan.Order) -> AsyncIterator[Runner]:
    """A runner for one order, alone in its database as long as it lasts."""
    connection = await session()
    # Each migration begins without prepared statements; psycopg must not count on its own.
    connection.prepare_threshold = None
    try:
        await connection.execute(session_settings(connection).encode())
        notices = Notices(order.label, reporter)
        async with locks.alone(connection, order.label, reporter):
            async with Watch(session, connection.info.backend_pid, reporter, notices).watching() as watch:
                yield Runner(connection, watch, reporter, order)
    except psycopg.Error as error:
        raise one_line(error, order.label, closed=connection.closed) from None
    finally:
        await connection.close()
