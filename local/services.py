"""The services of one stack on this machine: PostgreSQL and moto, found, started, described, removed.

`services.json` in the stack's folder says where they are, for the program; it holds passwords and is its owner's alone.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from declared import connectionurl
from declared.folders import is_own, make_private, read_private, stack_folder, write_private
from local import apiservice, clones, postgres
from local.api.record import Record, Start
from local.daemon import Daemon
from local.paths import data_folder
from local.ports import HOST, free_port, port_is_free
from local.postgres import ServerError

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
    port = _moto_port(folder)
    return f"http://{HOST}:{port}" if _moto(folder).health(port) else None


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


def _moto(folder: Path) -> Daemon:
    return Daemon("moto", "local.moto", folder, name="moto", key="state", file="moto.state")


def _ensure_moto(folder: Path, progress: Progress) -> Moto:
    record = _moto_record(folder)
    if not _moto(folder).health(record["port"]):
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
    moto, port = _moto(folder), record["port"]
    keys = {"MOTO_ACCESS_KEY_ID": record["access_key"], "MOTO_SECRET_ACCESS_KEY": record["secret_key"]}
    arguments = ["--host", HOST, "--port", str(port), "--state", str(moto.path)]
    moto.start(arguments, os.environ | keys, lambda: bool(moto.health(port)))
    return record


def _moto_port(folder: Path) -> int | None:
    record = read_private(folder / "moto.json", "port")
    return record["port"] if record else None


def _stop_moto(folder: Path) -> None:
    _moto(folder).stop(_moto_port(folder))
