"""The services of one stack on this machine: PostgreSQL and moto, found, started, described, removed.

`services.json` in the stack's folder says where they are, for the program; it holds passwords and is its owner's alone.
"""

import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from declared import connectionurl
from declared.folders import is_own, make_private, read_private, stack_folder, write_private
from declared.paths import CHECKOUT
from local import apiservice, clones, postgres
from local.api.record import Record, Start
from local.paths import data_folder
from local.ports import HOST, free_port, port_is_free
from local.postgres import ServerError
from local.processes import process_ids

MOTO_START_SECONDS = 30
# By one of these, a folder in `.local` is a stack's.
RECORDS = ("services.json", "services.lock", "server.json", "moto.json", "api.json", "run.lock")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Moto:
    """moto's endpoint and the key it knows."""

    endpoint: str
    access_key: str
    secret_key: str


@dataclass(frozen=True)
class Services:
    """What runs for a stack; `postgres` is None where the stack names a server of its own."""

    postgres: postgres.RunningServer | None
    aws: Moto


def ensure(stack: str, embedded: bool = True, progress: Progress = lambda message: None) -> Services:
    """The services of `stack`, started if need be; `embedded`: whether a PostgreSQL is wanted too.

    :raises ServerError: with one line that says what to do
    """
    folder = stack_folder(stack)
    make_private(folder)
    with _locked(folder):
        clones.refuse_unfinished(folder)
        server = postgres.ensure(folder, progress=progress) if embedded else None
        services = Services(server, _ensure_moto(folder, progress))
        write_private(
            folder / "services.json", {"postgres": asdict(server) if server else None, "aws": asdict(services.aws)}
        )
    return services


def load(stack: str) -> Services:
    """The services of `stack` as they were last started.

    :raises ServerError: if they never were
    """
    described = read_private(stack_folder(stack) / "services.json", "postgres", "aws")
    if described is None:
        raise ServerError(f"the local services of stack {stack} were never started; run ./pulumiw instead of pulumi")
    server = described["postgres"]
    return Services(postgres.RunningServer(**server) if server else None, Moto(**described["aws"]))


def moto_endpoint(stack: str) -> str | None:
    """Where the stack's moto answers; None where it doesn't run."""
    folder = stack_folder(stack)
    record = read_private(folder / "moto.json", "port")
    return f"http://{HOST}:{record['port']}" if record and _moto_answers(folder, record["port"]) else None


def serve(stack: str, start: Start, progress: Progress = lambda message: None) -> Record:
    """The API in front of the services of `stack`, started if need be.

    :raises ServerError: with one line that says what to do
    """
    folder = stack_folder(stack)
    with _locked(folder):
        return apiservice.ensure(folder, start, progress)


def serve_again(stack: str, progress: Progress = lambda message: None) -> None:
    """The API of `stack`, where it was started and runs no longer, or its services have moved.

    :raises ServerError: with one line that says what to do
    """
    folder = stack_folder(stack)
    if apiservice.known(folder) is None:
        return
    services = load(stack)
    with _locked(folder):
        apiservice.again(folder, lambda start: _moved(start, services), progress)


def _moved(start: Start, services: Services) -> Start:
    """What the API is started with, where the services are now."""
    moto = services.aws
    start = replace(start, endpoint=moto.endpoint, access_key=moto.access_key, secret_key=moto.secret_key)
    if services.postgres is None:
        return start
    here = services.postgres.parameters()
    rest, storage = (
        connectionurl.compose({**connectionurl.parse(url), "host": here["host"], "port": here["port"]})
        for url in (start.rest_url, start.storage_url)
    )
    return replace(start, rest_url=rest, storage_url=storage)


def rotate_api(stack: str, finish: bool, progress: Progress = lambda message: None) -> bool:
    """A new secret for the API of `stack`, or the end of the old one.

    :returns: whether there was something to do
    :raises ServerError: where there never was an API, or it doesn't start
    """
    folder = stack_folder(stack)
    with _locked(folder):
        return apiservice.rotate(folder, finish, progress)


def stop(stack: str) -> None:
    """Stop the services of `stack`; their data stays."""
    folder = stack_folder(stack)
    apiservice.stop(folder)
    _stop_moto(folder)
    postgres.stop(folder)


def known(stack: str) -> bool:
    """Whether services of `stack` were ever started here, whatever became of its state."""
    folder = stack_folder(stack)
    return any((folder / name).exists() for name in RECORDS) or (data_folder(folder) / "postgres").exists()


def removable(stack: str) -> Path:
    """The folder of `stack`, of which everything may go.

    :raises ServerError: where it is a link, or not where it has to be
    """
    folder = stack_folder(stack)
    if not is_own(folder):
        raise ServerError(f"{folder} isn't a folder of its own in .local: nothing was removed; look where it leads")
    return folder


def remove(stack: str) -> None:
    """Stop the services of `stack` and delete everything they kept.

    :raises ServerError: where its folder isn't its own
    """
    folder = removable(stack)
    # It may have been deleted under services that run.
    make_private(folder)
    apiservice.stop(folder)
    _stop_moto(folder)
    postgres.remove(folder)
    shutil.rmtree(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "services.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _ensure_moto(folder: Path, progress: Progress) -> Moto:
    record = _moto_record(folder)
    if not _moto_answers(folder, record["port"]):
        progress("starting moto")
        record = _start_moto(folder, record)
    return Moto(f"http://{HOST}:{record['port']}", record["access_key"], record["secret_key"])


def _moto_record(folder: Path) -> dict[str, Any]:
    path = folder / "moto.json"
    record = read_private(path, "port", "access_key", "secret_key")
    if record is None:
        # A moto that still runs knows another key.
        _stop_moto(folder)
        key = "AKIA" + secrets.token_hex(8).upper()
        record = {"port": free_port(), "access_key": key, "secret_key": secrets.token_hex(20)}
        write_private(path, record)
    return record


def _start_moto(folder: Path, record: dict[str, Any]) -> dict[str, Any]:
    _stop_moto(folder)
    if not port_is_free(record["port"]):
        record = {**record, "port": free_port()}
        write_private(folder / "moto.json", record)
    environment = os.environ | {
        "MOTO_ACCESS_KEY_ID": record["access_key"],
        "MOTO_SECRET_ACCESS_KEY": record["secret_key"],
        "PYTHONPATH": str(CHECKOUT),
    }
    command = [sys.executable, "-m", "local.moto", "--host", HOST, "--port", str(record["port"])]
    with (folder / "moto.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--state", str(folder / "moto.state")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=CHECKOUT,
            env=environment,
            start_new_session=True,
        )
    (folder / "moto.pid").write_text(str(process.pid))
    deadline = time.monotonic() + MOTO_START_SECONDS
    while not _moto_answers(folder, record["port"]):
        if process.poll() is not None or time.monotonic() > deadline:
            said = (folder / "moto.log").read_text().strip().splitlines()
            raise ServerError(
                f"moto did not start: {said[-1] if said else 'no reason given'} (log: {folder / 'moto.log'})"
            )
        time.sleep(0.05)
    return record


def _moto_answers(folder: Path, port: int) -> bool:
    """Whether our moto answers there, and not another clone's that got the port."""
    return _is_ours(_health(port), folder)


def _is_ours(health: dict[str, Any], folder: Path) -> bool:
    return health.get("state") == str(folder / "moto.state")


def _health(port: int) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/_local/health", timeout=5) as answer:
            health = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return {}
    return health if isinstance(health, dict) else {}


def _stop_moto(folder: Path) -> None:
    for pid in _moto_pids(folder):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while _is_moto(pid, folder) and time.monotonic() < deadline:
            time.sleep(0.05)
        if _is_moto(pid, folder):
            os.kill(pid, signal.SIGKILL)
    (folder / "moto.pid").unlink(missing_ok=True)


def _moto_pids(folder: Path) -> list[int]:
    """By its note, else by its own answer, since we may have been killed before the note was written; else by its
    command, since the folder with both may have been deleted under it."""
    with suppress(OSError, ValueError):
        pid = int((folder / "moto.pid").read_text())
        if _is_moto(pid, folder):
            return [pid]
    record = read_private(folder / "moto.json", "port")
    health = _health(record["port"]) if record else {}
    if _is_ours(health, folder):
        return [int(health["pid"])]
    return [pid for pid in process_ids() if _is_moto(pid, folder)]


def _is_moto(pid: int, folder: Path) -> bool:
    """Whether the process is this folder's moto: the number may be another process's by now."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes() if Path("/proc").exists() else _ps(pid)
    except OSError:
        return False
    return b"local.moto" in command and os.fsencode(folder / "moto.state") in command


def _ps(pid: int) -> bytes:
    return subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, check=False).stdout
