"""A server of its own that recovers from files and WAL of another one: for drills, and for an instant of the past.

Nothing reaches it over a network, and nothing of what the other one was set to do runs: its settings, its login rules,
its jobs and its subscriptions stay behind. It is reached by a socket in a folder that our account alone gets into.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from declared import connectionurl
from harness import runfolders
from local import postgres
from local.paths import data_folder, enterable, reachable_by_others, server_account
from local.ports import free_port

PORT = "5432"
DATA = "data"
PREFIX = "vpb-recovery-"
# Seconds between looks whether it is recovered.
LOOK = 0.1
SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "fsync": "off",
    "autovacuum": "off",
    "jit": "off",
    "archive_mode": "off",
    "wal_level": "replica",
    # It answers once it is recovered, so it needn't have room for what the other one had room for.
    "hot_standby": "off",
    "max_prepared_transactions": "100",
    # In files: what else a machine lets this account do isn't known.
    "dynamic_shared_memory_type": "mmap",
    "max_logical_replication_workers": "0",
    "shared_preload_libraries": "",
    "lc_messages": "C",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "recovery_target_action": "promote",
    "recovery_target_timeline": "latest",
}


class RecoveryFailed(Exception):
    """The server has ended before it was recovered; the text is what it has said last."""


@dataclass
class Room:
    """Folders for a server that is to be recovered."""

    folder: Path
    programs: Path

    @property
    def data(self) -> Path:
        """The data directory, which the caller fills."""
        return self.folder / DATA

    @property
    def wal(self) -> Path:
        """Where WAL is fetched from."""
        return self.folder / "wal"

    @property
    def version(self) -> int:
        """The server's major version, which the files have to be of."""
        said = subprocess.run([self.programs / "postgres", "-V"], capture_output=True, text=True, check=True).stdout
        return int(said.split()[2].partition(".")[0])

    def recover(self, superuser: str, at: datetime | None = None, timeline: int | None = None) -> None:
        """Recover to an instant, or to the end of the WAL, and open it for writing.

        Args:
            superuser: a role of the files, as which we connect.
            timeline: which to follow; None is the newest.

        :raises RecoveryFailed: where it can't be recovered so far
        """
        (self.data / "postgresql.auto.conf").write_text("")
        (self.data / "recovery.signal").touch()
        target = {} if at is None else {"recovery_target_time": at.isoformat()}
        target |= {} if timeline is None else {"recovery_target_timeline": str(timeline)}
        fetched = {"restore_command": f'cp "{self.wal}/%f" "%p"'}
        files = {name: str(self.folder / f"{name}.conf") for name in ("hba_file", "ident_file")}
        settings = {**SETTINGS, **target, **fetched, **files, "unix_socket_directories": str(self.folder)}
        lines = [f"{name} = '{escaped(value)}'\n" for name, value in settings.items()]
        (self.folder / "server.conf").write_text("".join(lines))
        (self.folder / "hba_file.conf").write_text("local all all peer map=here\n")
        quoted = superuser.replace('"', '""')
        (self.folder / "ident_file.conf").write_text(f'here "{pwd.getpwuid(os.geteuid()).pw_name}" "{quoted}"\n')
        given(self.folder)
        self._superuser = superuser
        options = f'-c config_file="{self.folder / "server.conf"}"'
        if self._run("-o", options, "-l", self.folder / "server.log", "-w", "start"):
            raise RecoveryFailed(self._last())
        # Without hot standby it counts as started when recovery begins, and says that it is ready when that has ended.
        while not postgres.ready(self.data, int(PORT)):
            if postgres.postmaster(self.data) is None:
                raise RecoveryFailed(self._last())
            time.sleep(LOOK)

    def url(self, database: str) -> str:
        """The URL of a database, as the superuser, once it is recovered."""
        login = {"user": self._superuser, "dbname": database}
        return connectionurl.compose({"host": str(self.folder), "port": PORT, **login})

    def stop(self) -> None:
        """End it, if it runs."""
        if (self.data / "postmaster.pid").exists():
            self._run("-m", "immediate", "-w", "stop")

    def _run(self, *words: object) -> int:
        command = [str(word) for word in (self.programs / "pg_ctl", "-D", self.data, *words)]
        account = server_account()
        identity: dict[str, Any] = {}
        if account is not None:
            identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        with (self.folder / "pg_ctl.log").open("w") as said:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd="/",
                start_new_session=True,
                check=False,
                **identity,
            )
        return done.returncode

    def _last(self) -> str:
        try:
            lines = (self.folder / "server.log").read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
        return (fatal[:1] or lines[-1:] or ["it has said nothing"])[0].strip()


@contextmanager
def room(programs: Path) -> Iterator[Room]:
    """Folders for one, gone afterwards with the server.

    Args:
        programs: of the version that the files are of.
    """
    with folder() as place:
        made = Room(place, postgres.usable(programs, place))
        made.data.mkdir(mode=0o700)
        made.wal.mkdir(mode=0o700)
        try:
            yield made
        finally:
            made.stop()


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that the account which runs servers reaches, gone afterwards."""
    with runfolders.own(PREFIX, _place(), _ended) as made:
        if account := server_account():
            os.chown(made, account.pw_uid, account.pw_gid)
        yield made


def given(folder: Path) -> None:
    """All of a folder to the account that runs servers."""
    if (account := server_account()) is not None:
        for path in (folder, *folder.rglob("*")):
            # Whose run it is says the lock.
            if path != folder / runfolders.LOCK:
                os.chown(path, account.pw_uid, account.pw_gid)


def kept_out(folder: Path) -> str | None:
    """The name of the account that runs servers, where it doesn't get into a folder."""
    account = server_account()
    return account.pw_name if account and not enterable(folder, account) else None


def start(programs: Path, folder: Path) -> list[str]:
    """The command that starts the server in `data` of a folder, on a port that is free now, as the folder's account.

    Root's own programs are none that another account may run: a copy of them is made beside the data.
    """
    account = server_account()
    if account and not reachable_by_others(programs / "postgres"):
        programs = shutil.copytree(programs.parent, folder / "programs", symlinks=True) / programs.name
    words = [programs / "pg_ctl", "-D", folder / DATA, "-l", folder / "server.log", "-o", f"-p {free_port()}", "start"]
    return [*(("runuser", "-u", account.pw_name, "--") if account else ()), *map(str, words)]


def sweep() -> None:
    """End and remove what killed runs have left here."""
    runfolders.sweep(PREFIX, _place(), _ended)


def _place() -> str:
    """Another account runs a server that root starts, and can't look into root's folders."""
    return os.environ.get("VPB_DATA", "/var/tmp") if server_account() else tempfile.gettempdir()


def _ended(folder: Path) -> None:
    """The server of a room, and where a copy of the programs may be, for the account that runs it."""
    runfolders.end_server(folder / DATA)
    if (data := data_folder(folder)) != folder:
        shutil.rmtree(data, ignore_errors=True)


def escaped(value: str) -> str:
    """A value as it stands between quotes in a file of settings."""
    return value.replace("'", "''")
