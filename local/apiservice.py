"""The API of one stack on this machine: started, found, stopped; its code is in `local/api`."""

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from declared.folders import read_private
from local.api import record
from local.api.record import Record, Start
from local.daemon import Daemon
from local.paths import data_folder, reachable_by_others
from local.ports import HOST, port_is_free
from local.postgres import ServerError

ELSEWHERE = re.compile(r"PG|AWS_|.*_proxy$", re.IGNORECASE)


def log(folder: Path) -> Path:
    """What PostgREST and the gateway write."""
    return _api(folder).log


def known(folder: Path) -> Record | None:
    """What is kept of the API of a stack's folder; None where there never was one."""
    return record.read(folder / record.NAME)


def address(folder: Path) -> str | None:
    """Where the API answers; None where it doesn't run."""
    kept = known(folder)
    return f"http://{HOST}:{kept.port}" if kept and _api(folder).health(kept.port).get("ready") else None


def ensure(folder: Path, start: Start, progress: Callable[[str], None]) -> Record:
    """The API, started with this; where it already is, its structure is read again.

    :raises ServerError: with one line that says what to do
    """
    path = folder / record.NAME
    start = replace(start, program=str(_usable(Path(start.program), folder)))
    kept = record.write(path, replace(known(folder) or record.new(), start=start))
    health = _api(folder).health(kept.port)
    if health.get("started") == kept.fingerprint and health.get("ready"):
        _reload(folder, kept.port)
        return kept
    progress("starting the API")
    return _start(folder, kept, progress)


def again(folder: Path, changed: Callable[[Start], Start], progress: Callable[[str], None]) -> None:
    """Start the API as it was last started, with what has changed since, where it was and doesn't run any more.

    :raises ServerError: as for `ensure`
    """
    kept = known(folder)
    if kept is None or kept.start is None:
        return
    start = changed(kept.start)
    wanted = replace(kept, start=start)
    if _api(folder).health(kept.port).get("started") != wanted.fingerprint and Path(start.program).exists():
        progress("starting the API")
        _start(folder, record.write(folder / record.NAME, wanted), progress)


def rotate(folder: Path, finish: bool, progress: Callable[[str], None]) -> bool:
    """Give the API a new secret beside its own, or, to finish, take the old one out; started again where it ran.

    :returns: whether there was something to do
    :raises ServerError: where there never was an API, or it doesn't start
    """
    kept = known(folder)
    if kept is None:
        raise ServerError("there is no API on this machine whose secret could change: set database:api, then run up")
    wanted = replace(kept, old=None) if finish else record.rotated(kept)
    runs = bool(_api(folder).health(kept.port))
    record.write(folder / record.NAME, wanted)
    if runs and wanted.start and _api(folder).health(kept.port).get("started") != wanted.fingerprint:
        progress("starting the API again")
        _start(folder, wanted, progress)
    return wanted != kept


def reload(folder: Path) -> None:
    """Have the API read the structure again, where it runs."""
    kept = known(folder)
    if kept and _api(folder).health(kept.port):
        _reload(folder, kept.port)


def withdraw(folder: Path) -> None:
    """Stop the API, not to be started again; its secret stays."""
    kept = known(folder)
    if kept and kept.start:
        stop(folder)
        record.write(folder / record.NAME, replace(kept, start=None))


def stop(folder: Path) -> None:
    """Stop the API, where it runs."""
    kept = read_private(folder / record.NAME, "port")
    _api(folder).stop(kept["port"] if kept else None)


def _api(folder: Path) -> Daemon:
    return Daemon("the API", "local.api", folder, name="api", key="record", file=record.NAME)


def _start(folder: Path, kept: Record, progress: Callable[[str], None]) -> Record:
    stop(folder)
    if not port_is_free(kept.port):
        taken, kept = kept.port, record.moved(folder / record.NAME, kept)
        progress(f"port {taken} is taken, so the API's address is http://{HOST}:{kept.port} now; ./vpb env has it")
    api = _api(folder)
    api.start([str(api.path)], _environment(), lambda: bool(api.health(kept.port).get("ready")))
    return kept


def _environment() -> dict[str, str]:
    """Ours, without what would lead libpq or AWS' library elsewhere than the record does."""
    return {name: value for name, value in os.environ.items() if not ELSEWHERE.match(name)}


def _usable(program: Path, folder: Path) -> Path:
    """PostgREST, or a copy of it that the account which runs it can reach."""
    if os.geteuid() != 0 or reachable_by_others(program):
        return program
    # Another version lies elsewhere in the cache.
    copy = data_folder(folder) / f"postgrest-{hashlib.sha256(bytes(program)).hexdigest()[:12]}"
    if not copy.exists():
        copy.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        partial = copy.with_suffix(".partial")
        shutil.copyfile(program, partial)
        partial.chmod(0o755)
        partial.replace(copy)
    return copy


def _reload(folder: Path, port: int) -> None:
    """
    :raises ServerError: where PostgREST wasn't asked to read the structure again
    """
    if _api(folder).ask(port, "/_local/reload", "POST").get("reloads") is not True:
        raise ServerError(
            "the API wasn't asked to read the structure again; ./vpb logs --api says why, and up tries it again"
        )
