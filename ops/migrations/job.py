"""What a migration command is asked for, and the commands themselves."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from declared import sqlfiles
from declared.adopted import HISTORY as ADOPTED
from declared.platform import NOTHING, RECOGNISED, Platform, recognised
from declared.schemas import HISTORY_TABLE
from provider.connection import Connections, rows
from provider.errors import Refused
from provider.manualchanges import refuse_drift
from provider.steps import plan
from provider.steps.history import History, Recorded
from provider.steps.runner import find_renames, running


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    folder: str | None = None
    history: str = HISTORY_TABLE
    role: str | None = None
    to: int = 0
    allow_loss: tuple[str, ...] = ()
    lose: bool = False
    despite_drift: bool = False
    through: int | None = None
    write: bool = False


class Terminal:
    """Progress on standard error, so that standard output is the answer alone."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    async def status(self, message: str) -> None:
        await self.info(message)

    async def info(self, message: str) -> None:
        if not self._quiet:
            print(message, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Job:
    """A command on one database."""

    options: Options
    database: Connections
    reporter: Terminal
    root: Path
    """The folder that the folders of migrations lie in."""
    platform: Platform = NOTHING
    """Who has made before us what the first folder makes elsewhere."""

    @property
    def folders(self) -> list[sqlfiles.StepFolder]:
        """All sets of migrations in order, or the one folder that was named."""
        options = self.options
        if not options.folder:
            return self._known
        for known in self._known:
            if known.folder == options.folder:
                return [known]
        return [sqlfiles.StepFolder(options.folder, options.history, options.role)]

    @property
    def _known(self) -> list[sqlfiles.StepFolder]:
        return [sqlfiles.platform_folder(self.platform), sqlfiles.MIGRATIONS]

    async def on_its_platform(self) -> "Job":
        """The same, knowing whose server it is.

        :raises Refused: for the app's migrations on a database that was adopted
        """
        async with await self.database.session() as session:
            found = await rows(session, RECOGNISED, [])
            (there,) = await rows(session, "select pg_catalog.to_regclass(%s) is not null as adopted", [ADOPTED])
        if there["adopted"] and not self.options.folder:
            raise Refused(
                "this database was adopted, and its migrations aren't the app's: name its folder, as in "
                f"--folder adopted/shop/sql/migrations --history {ADOPTED}"
            )
        return replace(self, platform=recognised(each["rolname"] for each in found))

    def order(self, folder: sqlfiles.StepFolder, steps: Mapping[str, str]) -> plan.Order:
        allow = frozenset(self.options.allow_loss)
        protect = not self.options.lose
        return plan.Order(
            folder.folder,
            folder.history,
            steps,
            folder.role,
            protect,
            allow,
            allow_hint=lambda step: f"--allow {step}",
            root=self.root,
        )

    def steps(self, folder: sqlfiles.StepFolder) -> list[sqlfiles.Step]:
        return sqlfiles.steps(self.root / folder.folder)

    def refuse_missing_folders(self) -> None:
        """Refuse a folder that isn't there, before anything is asked of a server.

        :raises Refused: for an empty name
        :raises SqlFileError: for a folder that can't be read
        """
        if self.options.folder == "":
            raise Refused("--folder is empty; name a folder of migrations, or leave the option out")
        for folder in self.folders:
            sqlfiles.sql_files(self.root / folder.folder)


def _nothing_known(recorded: Recorded) -> Mapping[str, str]:
    return {}


def _as_recorded(recorded: Recorded) -> Mapping[str, str]:
    """To this command, what the history says is what was applied; it has no state beside it."""
    return {name: checksum or "" for name, checksum in recorded.steps.items()}


async def _refuse_drift(job: Job) -> None:
    """
    :raises Refused: for manual changes, unless the command line says to go on all the same
    """
    if not job.options.despite_drift:
        async with job.database.transaction("manual changes") as connection:
            await refuse_drift(connection)


async def up(job: Job) -> dict[str, Any]:
    """Apply what is pending."""
    await _refuse_drift(job)
    done: dict[str, list[str]] = {}
    for folder in job.folders:
        order = job.order(folder, {step.name: step.checksum for step in job.steps(folder)})
        async with running(job.database.session, job.reporter, order) as runner:
            recorded = await runner.run(_nothing_known)
        done[folder.folder] = sorted(order.steps.keys() - (recorded.steps.keys() - recorded.half_back))
    return {"applied": done}


async def status(job: Job) -> dict[str, Any]:
    """What is recorded, what `up` renames there since its files have another name, and what is pending."""
    found = {}
    connection = await job.database.session()
    try:
        for folder in job.folders:
            history, files = History(folder.history), {step.name: step for step in job.steps(folder)}
            wanted = {name: step.checksum for name, step in files.items()}
            recorded = await history.read(connection)
            moved = await find_renames(connection, history, job.order(folder, wanted), recorded, files)
            recorded = plan.renamed(recorded, moved)
            plan.make(job.order(folder, wanted | _strange(recorded, wanted)), recorded, {})
            found[folder.folder] = {
                "applied": sorted((recorded.steps.keys() - recorded.half_back) & wanted.keys()),
                "renamed": [f"{step.name} from {name}" for name, step in moved.items()],
                "pending": sorted(wanted.keys() - (recorded.steps.keys() - recorded.half_back)),
                "unknown": sorted(recorded.steps.keys() - wanted.keys()),
                "of other tools": list(recorded.of_others),
            }
    finally:
        await connection.close()
    return found


def _strange(recorded: Recorded, wanted: Mapping[str, str]) -> dict[str, str]:
    return {name: checksum or "" for name, checksum in recorded.steps.items() if name not in wanted}


async def down(job: Job) -> dict[str, Any]:
    """Roll back the migrations after `--to`, of the last folder alone or of the one that was named."""
    folder = job.folders[-1]
    await _refuse_drift(job)
    async with running(job.database.session, job.reporter, job.order(folder, {})) as runner:
        recorded = await runner.history.read(runner.connection)
        newest = max((int(name.partition("_")[0]) for name in recorded.steps), default=0)
        if job.options.to > newest:
            raise Refused(
                f"--to {job.options.to}: the newest migration that is applied is {newest}; nothing was changed"
            )
        kept = {
            name: checksum or ""
            for name, checksum in recorded.steps.items()
            if int(name.partition("_")[0]) <= job.options.to
        }
        runner.order = job.order(folder, kept)
        await runner.run(_as_recorded)
    return {"rolled back": {folder.folder: sorted(recorded.steps.keys() - kept.keys(), reverse=True)}}
