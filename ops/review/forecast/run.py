"""The forecast of all statements of the pending migrations of a stack."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psycopg

from declared import sqlfiles
from ops.migrations import job
from ops.migrations.job import Job, Options
from ops.migrations.run import job_of, options_of
from ops.review import address
from ops.review.forecast import estimating, onacopy, rates, sizes
from ops.review.forecast.model import StatementForecast
from ops.review.forecast.observing import Seen, look
from ops.review.forecast.onacopy import Watched
from ops.review.forecast.rates import Rates
from ops.review.forecast.sizes import Size, Sizes
from ops.review.forecast.working import Work
from provider.connection import ConnectionInfo, Connections
from provider.errors import StatementFailed, one_line
from provider.steps import serverwide
from run import engine


def of(
    stack: str,
    url: str | None = None,
    options: Options | None = None,
    quiet: bool = True,
    elsewhere: Sizes | None = None,
) -> list[StatementForecast]:
    """
    Args:
        stack: whose budget counts, and whose server is asked.
        url: another server.
        options: another folder of migrations, and its history.
        elsewhere: the sizes that count, in the place of those of the stack's own tables.

    :raises UserError: where the server can't be reached or copied, or a statement fails on the copy
    """
    budget = engine.lock_budget(stack)
    asked = job_of(stack, address.of(stack, url), quiet, options or options_of(stack))
    program = engine.check_target("local").program("pg_dump")
    return asyncio.run(_of(asked, budget, [program] if program else [], elsewhere))


def sizes_of(stack: str, url: str | None = None) -> Sizes:
    """How large the tables of a stack, or of another server, are now.

    :raises UserError: where it can't be asked
    """
    return asyncio.run(_sizes_of(stack, Connections(ConnectionInfo.of(address.url(stack, url)))))


async def _sizes_of(stack: str, connections: Connections) -> Sizes:
    async with await connections.session() as session:
        return await sizes.now(session, stack)


async def _of(asked: Job, budget: float, programs: Sequence[Path], elsewhere: Sizes | None) -> list[StatementForecast]:
    asked = await asked.on_its_platform()
    status = await job.status(asked)
    pending = {folder: found for folder, found in status.items() if found["pending"]}
    # Before the first migration nothing is in use.
    if not pending or not any(found["applied"] for found in status.values()):
        return []
    folders = [folder for folder in asked.folders if folder.folder in pending]
    steps = {
        folder.folder: [step for step in asked.steps(folder) if step.name in pending[folder.folder]["pending"]]
        for folder in folders
    }
    await asked.reporter.status("copying the structure")
    async with onacopy.copy_of(asked.database, {folder.history for folder in folders}, programs) as copy:
        there = await _looked(copy.database)
        watched = await _watched(asked, copy, folders, steps, there)
        await asked.reporter.status("measuring how long a row takes here")
        measured = await _measured(copy.database)
    names = {there.names[oid] for each in watched for oid in each.touched if oid in there.names}
    known = elsewhere.tables if elsewhere else await _known(asked.database, names)
    return [*estimating.forecasts(watched, Work(there, known, measured), budget)]


async def _looked(copy: Connections) -> Seen:
    async with await copy.session() as session:
        return await look(session)


async def _measured(copy: Connections) -> Rates:
    async with await copy.session() as session:
        try:
            return await rates.measure(session)
        except psycopg.Error as error:
            raise one_line(error, "measuring the server") from None


async def _known(database: Connections, names: Iterable[str]) -> Mapping[str, Size]:
    async with await database.session() as session:
        return await sizes.of(session, names)


async def _watched(
    asked: Job,
    copy: onacopy.Copy,
    folders: Iterable[sqlfiles.StepFolder],
    steps: Mapping[str, Sequence[sqlfiles.Step]],
    there: Seen,
) -> list[Watched]:
    """What each statement does; from the first migration on that can't be tried, nothing is known.

    :raises StatementFailed: for a statement that fails on a whole copy
    """
    found: list[Watched] = []
    why = ""
    for folder in folders:
        for step in steps[folder.folder]:
            if not why:
                scripts = [(f"{folder.folder}/{step.name}.up.sql", step.up)]
                async with await asked.database.session() as session:
                    why = await serverwide.cannot_be_tried(session, f"migrations {folder.folder}", folder.role, scripts)
            if not why:
                await asked.reporter.status(f"trying {step.name}")
                try:
                    found += await onacopy.watch(copy.database, asked.order(folder, {}), step, there)
                    continue
                except StatementFailed as failure:
                    if not copy.missing:
                        raise
                    why = f"{step.name} failed on a copy that isn't whole ({copy.missing}): {failure}"
            found += onacopy.untried(step, folder.folder, why)
    return found
