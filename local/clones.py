"""A server's files made from those of a stopped one, in a second or less: nothing is initialised, nothing restored."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from declared.folders import write_private
from local import postgres
from local.paths import data_folder
from local.ports import free_port
from local.postgres import SUPERUSER, ServerError

# Of the server that the files are of: what it said, and what only a running one has.
LEFT = ("server.log", "server.log.1", "postmaster.pid", "postmaster.opts", "pg_stat/pg_stat_statements.stat")


def clone(stopped: Path, folder: Path, statements: Sequence[str] = ()) -> None:
    """The files of a server in `folder`, like those of a stopped one, with a superuser's password of its own.

    Args:
        stopped: the folder of a server that doesn't run.
        statements: run in its database `postgres` before anybody can connect.

    :raises ServerError: where the one runs, the other is there, or a statement fails
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = data_folder(stopped) / "postgres"
    if postgres.postmaster(source) is not None:
        raise ServerError(f"{source}: its server runs; stop it, since files that change can't be copied")
    with postgres.locked(folder):
        data = data_folder(folder) / "postgres"
        if data.exists():
            raise ServerError(f"{data}: there is a server's data already; nothing was changed")
        made = data.with_name("postgres.partial")
        shutil.rmtree(made, ignore_errors=True)
        made.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _link_programs(data_folder(stopped) / "programs", data_folder(folder) / "programs")
        _copy(source, made)
        for name in LEFT:
            (made / name).unlink(missing_ok=True)
        password = secrets.token_urlsafe(24)
        programs = postgres.usable(postgres.wheel_binaries(), folder)
        own = f"alter role {SUPERUSER} password '{password}'"
        postgres.single_user(programs, made, [own, *statements], "preparing the copy of PostgreSQL's files")
        write_private(folder / "server.json", {"port": free_port(), "password": password, "data": str(data)})
        made.rename(data)


def finish(folder: Path) -> None:
    """Stop the server of `folder` for good, so that its files can be copied; nobody logs in there any more."""
    postgres.stop(folder)
    (folder / "server.json").unlink(missing_ok=True)
    # It ran without: what isn't on the disk would be missing after a power cut.
    os.sync()


def _link_programs(copy: Path, to: Path) -> None:
    """Where another account runs servers, the template has a copy of their programs; nobody writes to these."""
    if (copy / "complete").exists() and not to.exists():
        subprocess.run(["cp", "-al", copy, to], capture_output=True, check=False)


def _copy(source: Path, to: Path) -> None:
    """With owners and modes; blocks are shared where the file system can do that."""
    said = subprocess.run(["cp", "-a", "--reflink=auto", source, to], capture_output=True, check=False)
    if said.returncode:
        # Without GNU's option.
        shutil.rmtree(to, ignore_errors=True)
        said = subprocess.run(["cp", "-Rp", source, to], capture_output=True, check=False)
    if said.returncode:
        raise ServerError(f"{source} can't be copied: {' '.join(said.stderr.decode(errors='replace').split())[:300]}")
