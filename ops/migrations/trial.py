"""Migrations tried on a scratch database of the same server: what a rollback leaves, what another tool has made.

The scratch database has the frame of the real one (schemas, extensions, default privileges): migrations stand on it.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from psycopg import sql

from declared import sqlfiles
from ops.migrations import catalogue
from ops.migrations.job import Job
from provider import scratchdatabase
from provider.connection import Connection, Connections, rows
from provider.steps import plan
from provider.steps.history import ADOPTED, History, Recorded
from provider.steps.runner import Runner, running

SCHEMAS = """
select n.nspname as name, pg_catalog.pg_get_userbyid(n.nspowner) as owner,
       array(select pg_catalog.format('grant %%s on schema %%I to %%s', a.privilege_type, n.nspname,
                    case a.grantee when 0 then 'public' else pg_catalog.quote_ident(pg_get_userbyid(a.grantee)) end)
               from pg_catalog.aclexplode(n.nspacl) a) as grants
  from pg_catalog.pg_namespace n
 where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname <> all(%s::text[])"""
EXTENSIONS = """select e.extname as name, e.extnamespace::pg_catalog.regnamespace::text as schema
                  from pg_catalog.pg_extension e where e.extname <> 'plpgsql'"""
# Functions that nobody may execute are the one default that migrations rely on.
DEFAULTS = """select pg_catalog.pg_get_userbyid(d.defaclrole) as role from pg_catalog.pg_default_acl d
               where d.defaclobjtype = 'f' and d.defaclnamespace = 0
                 and not exists (select 1 from pg_catalog.aclexplode(d.defaclacl) a where a.grantee = 0)"""


class Silent:
    """The result says what a trial did."""

    async def status(self, message: str) -> None:
        pass

    async def info(self, message: str) -> None:
        pass


def _histories() -> set[str]:
    return {folder.history.partition(".")[0] for folder in sqlfiles.STEP_FOLDERS} | {"history"}


@asynccontextmanager
async def scratch(database: Connections, without: Sequence[str]) -> AsyncIterator[Connections]:
    """An empty database with the frame of `database`, gone afterwards."""
    copy = await scratchdatabase.make(database)
    try:
        real, inside = await database.session(), await copy.session()
        try:
            await _frame(real, inside, without)
        finally:
            await inside.close()
            await real.close()
        yield copy
    finally:
        await scratchdatabase.drop(database, copy)


async def _frame(real: Connection, copy: Connection, without: Sequence[str]) -> None:
    for schema in await rows(real, SCHEMAS, [list(without)]):
        owner = sql.Identifier(schema["owner"])
        if schema["name"] != "public":
            make = sql.SQL("create schema {} authorization {}").format(sql.Identifier(schema["name"]), owner)
            await copy.execute(make)
        for grant in schema["grants"]:
            await copy.execute(grant.encode())
    for extension in await rows(real, EXTENSIONS, []):
        await copy.execute(
            sql.SQL("create extension {} with schema {}").format(
                sql.Identifier(extension["name"]), sql.Identifier(extension["schema"])
            )
        )
    for default in await rows(real, DEFAULTS, []):
        await copy.execute(
            sql.SQL("alter default privileges for role {} revoke execute on functions from public").format(
                sql.Identifier(default["role"])
            )
        )


class Trial:
    """One set of migrations on the scratch database, brought to any number of them."""

    def __init__(self, runner: Runner, order: plan.Order, without: Sequence[str]) -> None:
        self._runner, self._order, self._without = runner, order, without

    async def to(self, steps: Sequence[sqlfiles.Step], grants: bool = True) -> catalogue.Catalogue:
        """The catalogue with exactly these migrations applied."""
        wanted = {step.name: step.checksum for step in steps}
        self._runner.order = replace(self._order, steps=wanted)
        await self._runner.run(lambda recorded: {name: each or "" for name, each in recorded.steps.items()})
        return await catalogue.read(self._runner.connection, self._without, grants)


async def check(job: Job) -> dict[str, Any]:
    """Each migration up, down and up again; the first whose rollback leaves something or takes too much is named.

    :raises Refused: for a script that doesn't run
    """
    checked: dict[str, int] = {}
    without = sorted(_histories() | {job.options.history.partition(".")[0]})
    async with scratch(job.database, without) as copy:
        for folder in job.folders if job.options.folder else sqlfiles.STEP_FOLDERS:
            steps, order = job.steps(folder), plan.Order(folder.folder, folder.history, {}, folder.role, root=job.root)
            async with running(copy.session, Silent(), order) as runner:
                trial = Trial(runner, order, without)
                before = await trial.to([])
                for number, step in enumerate(steps, start=1):
                    await job.reporter.status(f"checking {step.name} ({number} of {len(steps)})")
                    after = await trial.to(steps[:number])
                    checked[folder.folder] = number
                    if found := _left(folder, step, "down", before, await trial.to(steps[: number - 1])):
                        return {"checked": checked, "found": [found]}
                    before = await trial.to(steps[:number])
                    if found := _left(folder, step, "up", after, before):
                        return {"checked": checked, "found": [found]}
    return {"checked": checked, "found": []}


def _left(
    folder: sqlfiles.StepFolder,
    step: sqlfiles.Step,
    direction: str,
    wanted: catalogue.Catalogue,
    found: catalogue.Catalogue,
) -> str:
    """What a script has made otherwise than it should, in one line; an empty text is nothing."""
    left = [f"leaves {name}" for name in sorted(found.keys() - wanted.keys())]
    missing = [f"takes away {name}" for name in sorted(wanted.keys() - found.keys())]
    other = [f"leaves {name} changed" for name in sorted(found.keys() & wanted.keys()) if found[name] != wanted[name]]
    if not (left or missing or other):
        return ""
    where = f"{folder.folder}/{step.name}.{direction}.sql:1"
    again = " when it runs again" if direction == "up" else ""
    return f"migration {step.name}: its {direction} script{again} {', '.join([*left, *missing, *other])}, {where}"


async def adopt(job: Job) -> dict[str, Any]:
    """Find the migrations whose objects are there already, as the migrations make them; with `--write`, record them.

    A migration counts as there when everything that the migrations up to it have made is in the database with the
    definition that the scratch database gives it. Grants aren't compared: the program closes them.
    """
    answer: dict[str, Any] = {"adopted" if job.options.write else "to adopt": {}, "differences": []}
    (adopted, problems) = answer.values()
    without = sorted(_histories() | {job.options.history.partition(".")[0]})
    async with scratch(job.database, without) as copy:
        real = await job.database.session()
        try:
            live = await catalogue.read(real, without, grants=False)
            for folder in job.folders:
                order = job.order(folder, {})
                recorded = await History(folder.history).read(real)
                async with running(copy.session, Silent(), order) as runner:
                    found, other = await _there(job, Trial(runner, order, without), folder, recorded, live)
                problems += other
                adopted[folder.folder] = [step.name for step in found]
                if job.options.write and found and not other:
                    await _record(job, folder, found)
        finally:
            await real.close()
    return answer


async def _there(
    job: Job, trial: Trial, folder: sqlfiles.StepFolder, recorded: Recorded, live: catalogue.Catalogue
) -> tuple[list[sqlfiles.Step], list[str]]:
    steps = job.steps(folder)
    before = await trial.to([], grants=False)
    touched: set[str] = set()
    there = [step for step in steps if step.name in recorded.steps]
    last, reasons = len(there), []
    through = job.options.through if job.options.through is not None and folder == job.folders[-1] else None
    for number, step in enumerate(steps, start=1):
        after = await trial.to(steps[:number], grants=False)
        touched |= set(catalogue.differences(before, after))
        before = after
        different = [name for name in sorted(touched) if live.get(name) != after.get(name)]
        if not different:
            last = max(last, number)
        if number == (through or 0) and different:
            reasons = [_reason(step, name, live.get(name), after.get(name)) for name in different]
    if through is not None:
        last = through
    await job.reporter.status(f"{folder.folder}: {last} of {len(steps)} migrations are there")
    return [step for step in steps[:last] if step.name not in recorded.steps], reasons


def _reason(step: sqlfiles.Step, name: str, found: str | None, wanted: str | None) -> str:
    if found is None:
        return f"{name} isn't there, which the migrations up to {step.name} make"
    if wanted is None:
        return f"{name} is there, which the migrations up to {step.name} remove"
    is_now, would_be = (" ".join(text.split()) for text in (found, wanted))
    return f"{name} is {is_now!r}, by the migrations up to {step.name} it would be {would_be!r}"


async def _record(job: Job, folder: sqlfiles.StepFolder, steps: Sequence[sqlfiles.Step]) -> None:
    async with running(job.database.session, job.reporter, job.order(folder, {})) as runner:
        await runner.history.make(runner.connection)
        async with runner.connection.transaction():
            await runner.history.record(runner.connection, steps, ADOPTED)
            await runner.history.renew(runner.connection)
