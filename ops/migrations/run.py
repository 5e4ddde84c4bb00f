"""Runs one of the migration commands on a stack's database, or on any other."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from declared import adopted, connectionurl
from declared.paths import CHECKOUT
from ops.migrations import job, trial
from ops.migrations.job import Job, Terminal
from ops.migrations.job import Options as Options
from provider.connection import ConnectionInfo, Connections
from provider.errors import Refused
from run import engine

Command = Callable[[Job], Awaitable[dict[str, Any]]]

COMMANDS: dict[str, Command] = {
    "up": job.up,
    "status": job.status,
    "down": job.down,
    "check": trial.check,
    "adopt": trial.adopt,
}


def run(command: str, stack: str, url: str | None, quiet: bool, options: Options) -> dict[str, Any]:
    """Run the command that has this name; its answer.

    :raises UserError: for what stands in its way
    """
    asked = job_of(stack, url, quiet, options)
    try:
        return asyncio.run(_awaited(COMMANDS[command], asked))
    except KeyboardInterrupt:
        raise Refused("interrupted; the migrations before this one are kept") from None


def job_of(stack: str, url: str | None, quiet: bool, options: Options) -> Job:
    """What a command is asked for, before anything is asked of the server.

    :raises UserError: where the server isn't known, or a folder isn't there
    """
    asked = Job(options, Connections(_connection_info(_url(url, stack))), Terminal(quiet), CHECKOUT)
    asked.refuse_missing_folders()
    return asked


def options_of(stack: str) -> Options:
    """All sets of migrations of a stack: the app's, or those of the adopted database that it is."""
    folder = engine.adopted(stack)
    own = adopted.migrations(folder)
    return Options(own.folder, own.history) if folder else Options()


def pending(stack: str, url: str | None, options: Options) -> list[Path]:
    """The scripts of the migrations that `up` would run, in its order.

    :raises UserError: for what stands in its way
    """
    found = run("status", stack, url, True, options)
    return [CHECKOUT / folder / f"{name}.up.sql" for folder, answer in found.items() for name in answer["pending"]]


async def _awaited(command: Command, asked: Job) -> dict[str, Any]:
    return await command(await asked.on_its_platform())


def _connection_info(url: str) -> ConnectionInfo:
    """
    :raises Refused: where it is no connection URL
    """
    try:
        return ConnectionInfo.of(url)
    except connectionurl.UrlError as error:
        raise Refused(f"--url must be {error}") from None


def _url(given: str | None, stack: str) -> str:
    if url := connectionurl.given(given, "DATABASE_URL"):
        return url
    engine.require(stack)
    own = engine.own_parameters(stack)
    if own is None:
        raise Refused(
            f"stack {stack} has no server of its own that runs here; give its address: "
            f'--url "$(./pulumiw stack output admin_url --show-secrets --stack {stack})"'
        )
    return connectionurl.compose(own)
