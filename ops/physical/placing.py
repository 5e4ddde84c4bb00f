"""A data directory that a server starts from, as of an instant or of the end of the archive."""

import re
import shlex
import shutil
from datetime import datetime
from pathlib import Path

from declared.errors import printable
from harness import recovery
from harness.recovery import DATA, escaped
from ops.backups.errors import BackupError
from ops.physical import records, recovering, segments
from ops.physical.segments import Chain
from ops.physical.unpacking import Unpacking, exact

WAL, UNFINISHED = "wal", "data.unfinished"
TARGETS = ("recovery_target", "recovery_target_name", "recovery_target_lsn", "recovery_target_xid")
# What neither the shell nor PostgreSQL reads otherwise.
SAFE = re.compile(r"[A-Za-z0-9_./-]+")


def place(unpacking: Unpacking, folder: Path, at: datetime | None) -> Chain:
    """Files and WAL into a folder that is empty, or is made; as root they are the account's that runs servers.

    :raises BackupError: where something is in the folder, or WAL doesn't go as far as the instant
    :raises BadBackup: where files or WAL aren't as they were written, or a segment is missing
    """
    folder = checked(folder)
    made = not folder.exists()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    data, wal = folder / UNFINISHED, folder / WAL
    try:
        for each in (data, wal):
            each.mkdir(mode=0o700)
        chain = _fetched(unpacking, wal, at)
        unpacking.files(data)
        _configured(data, wal, chain, at)
        recovery.given(folder)
        # Started before that, it would come up as of the files alone.
        data.rename(folder / DATA)
    except BaseException:
        for each in (data, wal):
            shutil.rmtree(each, ignore_errors=True)
        if made:
            folder.rmdir()
        raise
    return chain


def _fetched(unpacking: Unpacking, wal: Path, at: datetime | None) -> Chain:
    """The WAL, where it goes as far as the instant."""
    chain = unpacking.chain()
    if chain.missing and at is None:
        raise segments.gap(chain)
    unpacking.wal(wal, chain)
    if at is not None:
        newest = records.newest(exact(unpacking.manifest.major), [wal / name for name in chain.names])
        if newest is None or newest <= at:
            raise segments.gap(chain) if chain.missing else recovering.too_late(chain, at, newest)
    return chain


def _configured(data: Path, wal: Path, chain: Chain, at: datetime | None) -> None:
    settings = {
        "restore_command": f'cp "{wal}/%f" "%p"',
        "recovery_target_timeline": str(chain.timeline),
        "recovery_target_action": "promote",
        # A server that was once restored has these in its files still, and would stop there again.
        **dict.fromkeys(TARGETS, ""),
        "recovery_target_time": "" if at is None else at.isoformat(),
    }
    with (data / "postgresql.auto.conf").open("a") as out:
        out.writelines(f"{name} = '{escaped(value)}'\n" for name, value in settings.items())
    (data / "recovery.signal").touch(mode=0o600)


def checked(folder: Path) -> Path:
    """The folder, where a server can be placed into it.

    :raises BackupError: where something is in it, its name can't stand in a command, or the server couldn't get there
    """
    folder = folder.absolute()
    if not SAFE.fullmatch(str(folder)):
        raise BackupError(
            f"{printable(str(folder))}: restore_command names it; letters, digits and _ . - / are allowed"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BackupError(f"{folder}: isn't empty; a server is placed into a folder of its own")
    above = next(each for each in folder.parents if each.exists())
    if account := recovery.kept_out(above):
        raise BackupError(f"{folder}: the account {account}, which runs the server, can't get to it in {above}")
    return folder


def start(unpacking: Unpacking, folder: Path) -> str:
    """The command that starts the server on a port that is free now, as the account that the folder belongs to."""
    return shlex.join(recovery.start(exact(unpacking.manifest.major), folder.absolute()))
