"""Migrates without Pulumi, with the same core: for emergencies, tests and databases that were here before us.

`python -m ops migrate up | status | down --to N | check | adopt`. Exit status 0 is done, 1 a failure told in one line;
`status` has 2 where a step is pending. `python -m ops.migrate` is the same and starts faster.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from declared import connectionurl, sqlfiles
from declared.errors import UserError
from declared.paths import CHECKOUT
from provider.connection import Connections, Login
from provider.errors import Refused
from provider.steps import plan
from provider.steps.history import History, Recorded
from provider.steps.runner import find_renames, running

PENDING = 2


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
    """What the command line asks for."""

    options: argparse.Namespace
    database: Connections
    tell: Terminal

    @property
    def folders(self) -> list[sqlfiles.StepFolder]:
        """All sets of steps in order, or the one folder that was named."""
        options = self.options
        if not options.folder:
            return list(sqlfiles.STEP_FOLDERS)
        for known in sqlfiles.STEP_FOLDERS:
            if known.folder == options.folder:
                return [known]
        return [sqlfiles.StepFolder(options.folder, options.history, options.role)]

    def order(self, folder: sqlfiles.StepFolder, steps: Mapping[str, str]) -> plan.Order:
        allow = frozenset(self.options.allow or ())
        protect = not self.options.lose
        return plan.Order(folder.folder, folder.history, steps, folder.role, protect, allow, leave="--allow {step}")

    def steps(self, folder: sqlfiles.StepFolder) -> list[sqlfiles.Step]:
        return sqlfiles.steps(CHECKOUT / folder.folder)


def _nothing_known(recorded: Recorded) -> Mapping[str, str]:
    return {}


def _as_recorded(recorded: Recorded) -> Mapping[str, str]:
    """To this command, what the history says is what was applied; it has no state beside it."""
    return {name: checksum or "" for name, checksum in recorded.steps.items()}


async def up(job: Job) -> dict[str, Any]:
    """Apply what is pending."""
    done: dict[str, list[str]] = {}
    for folder in job.folders:
        order = job.order(folder, {step.name: step.checksum for step in job.steps(folder)})
        async with running(job.database.session, job.tell, order) as runner:
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
            }
    finally:
        await connection.close()
    return found


def _strange(recorded: Recorded, wanted: Mapping[str, str]) -> dict[str, str]:
    return {name: checksum or "" for name, checksum in recorded.steps.items() if name not in wanted}


async def down(job: Job) -> dict[str, Any]:
    """Roll back the steps after `--to`, of the last folder alone or of the one that was named."""
    folder = job.folders[-1]
    async with running(job.database.session, job.tell, job.order(folder, {})) as runner:
        recorded = await runner.history.read(runner.connection)
        kept = {
            name: checksum or ""
            for name, checksum in recorded.steps.items()
            if int(name.partition("_")[0]) <= job.options.to
        }
        runner.order = job.order(folder, kept)
        await runner.run(_as_recorded)
    return {"rolled back": {folder.folder: sorted(recorded.steps.keys() - kept.keys(), reverse=True)}}


async def check(job: Job) -> dict[str, Any]:
    """Run each step up, down and up again on a scratch database."""
    from ops import rehearsal

    return await rehearsal.check(job)


async def adopt(job: Job) -> dict[str, Any]:
    """Record the steps that an earlier hand has made."""
    from ops import rehearsal

    return await rehearsal.adopt(job)


COMMANDS: dict[str, Callable[[Job], Any]] = {"up": up, "status": status, "down": down, "check": check, "adopt": adopt}


def login(url: str) -> Login:
    """Where a connection URL leads.

    :raises Refused: where it isn't one
    """
    try:
        return Login.of(url)
    except connectionurl.UrlError as error:
        raise Refused(f"--url must be {error}") from None


def _url(options: argparse.Namespace) -> str:
    if url := connectionurl.given(options.url, "DATABASE_URL"):
        return url
    from declared.folders import stack_folder
    from local import postgres
    from run import engine

    engine.require(options.stack)
    server = postgres.running(stack_folder(options.stack))
    if server is None:
        raise Refused(
            f"stack {options.stack} has no server of its own that runs here; give its address: "
            f'--url "$(./pulumiw stack output admin_url --show-secrets --stack {options.stack})"'
        )
    # It has no TLS, and is to be reached whatever PGSSLMODE says.
    return connectionurl.compose({**server.parameters(), "sslmode": "disable"})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops migrate", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--stack", "-s", default="dev", help="the environment, where it has a local server")
    parser.add_argument("--url", help="any other server; also from DATABASE_URL")
    parser.add_argument("--folder", help="one folder of steps instead of all")
    parser.add_argument("--history", default="supabase_migrations.schema_migrations", help="of a folder of one's own")
    parser.add_argument("--role", help="of a folder of one's own")
    parser.add_argument("--to", type=int, default=None, help="down: the last step that stays, 0 for none")
    parser.add_argument("--allow", action="append", help="down: a step that may lose its data")
    parser.add_argument("--lose", action="store_true", help="down: all steps may lose their data")
    parser.add_argument("--through", type=int, default=None, help="adopt: the last step that is there already")
    parser.add_argument("--write", action="store_true", help="adopt: record the steps, instead of a report only")
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress")
    parser.add_argument("--json", action="store_true", help="for a script, on standard output")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; whatever stands in its way is one line."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "down" and options.to is None:
        parser.error("down needs --to N")
    try:
        answer = asyncio.run(_run(options))
    except UserError as error:
        print(json.dumps({"error": str(error)}) if options.json else f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; the steps before this one are kept", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(answer, indent=2))
    elif not options.quiet or options.command == "status":
        _print(answer)
    if options.command == "status":
        return PENDING if any(found["pending"] for found in answer.values()) else 0
    return 1 if answer.get("differences") else 0


def _refuse_missing_folders(job: Job) -> None:
    """Refuse a folder that isn't there, before anything is asked of a server.

    :raises Refused: for an empty name
    :raises SqlFileError: for a folder that can't be read
    """
    if job.options.folder == "":
        raise Refused("--folder is empty; name a folder of steps, or leave the option out")
    for folder in job.folders:
        sqlfiles.sql_files(CHECKOUT / folder.folder)


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    job = Job(options, Connections(login(_url(options))), Terminal(options.quiet))
    _refuse_missing_folders(job)
    answer: dict[str, Any] = await COMMANDS[options.command](job)
    return answer


def _print(answer: Mapping[str, Any], indent: str = "") -> None:
    for name, value in answer.items():
        if isinstance(value, Mapping):
            print(f"{indent}{name}:")
            _print(value, indent + "  ")
        elif isinstance(value, list):
            print(f"{indent}{name}: " + (", ".join(value) if len(value) < 4 else "") + ("" if value else "none"))
            for item in value if len(value) > 3 else ():
                print(f"{indent}  {item}")
        else:
            print(f"{indent}{name}: {value}")


if __name__ == "__main__":
    sys.exit(main())
