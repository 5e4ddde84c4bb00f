"""The API of one stack on this machine: started, found, stopped; its code is in `local/api`."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from declared.folders import read_private
from declared.paths import CHECKOUT
from local.api import record
from local.api.record import Record, Start
from local.paths import data_folder, reachable_by_others
from local.ports import HOST, port_is_free
from local.postgres import ServerError
from local.processes import is_zombie, process_ids

START_SECONDS = 30
LOG = "api.log"
ELSEWHERE = re.compile(r"PG|AWS_|.*_proxy$", re.IGNORECASE)
# They outlive what has started them; without a name, Python would complain of each.
_started: list[subprocess.Popen[bytes]] = []


def known(folder: Path) -> Record | None:
    """What is kept of the API of a stack's folder; None where there never was one."""
    return record.read(folder / record.NAME)


def address(folder: Path) -> str | None:
    """Where the API answers; None where it doesn't run."""
    kept = known(folder)
    return f"http://{HOST}:{kept.port}" if kept and _health(folder, kept.port).get("ready") else None


def ensure(folder: Path, start: Start, progress: Callable[[str], None]) -> Record:
    """The API, started with this; where it already is, its structure is read again.

    :raises ServerError: with one line that says what to do
    """
    path = folder / record.NAME
    start = replace(start, program=str(_usable(Path(start.program), folder)))
    kept = record.write(path, replace(known(folder) or record.new(), start=start))
    health = _health(folder, kept.port)
    if health.get("started") == kept.fingerprint and health.get("ready"):
        _reload(kept.port)
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
    if _health(folder, kept.port).get("started") != wanted.fingerprint and Path(start.program).exists():
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
    runs = bool(_health(folder, kept.port))
    record.write(folder / record.NAME, wanted)
    if runs and wanted.start and _health(folder, kept.port).get("started") != wanted.fingerprint:
        progress("starting the API again")
        _start(folder, wanted, progress)
    return wanted != kept


def reload(folder: Path) -> None:
    """Have the API read the structure again, where it runs."""
    kept = known(folder)
    if kept and _health(folder, kept.port):
        _reload(kept.port)


def withdraw(folder: Path) -> None:
    """Stop the API, not to be started again; its secret stays."""
    kept = known(folder)
    if kept and kept.start:
        stop(folder)
        record.write(folder / record.NAME, replace(kept, start=None))


def stop(folder: Path) -> None:
    """Stop the API, where it runs."""
    pids = _pids(folder)
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 10
        while _is_api(pid, folder) and time.monotonic() < deadline:
            time.sleep(0.02)
        if _is_api(pid, folder):
            os.kill(pid, signal.SIGKILL)
    for process in _started:
        process.wait() if process.pid in pids else process.poll()
    (folder / "api.pid").unlink(missing_ok=True)


def _start(folder: Path, kept: Record, progress: Callable[[str], None]) -> Record:
    stop(folder)
    if not port_is_free(kept.port):
        taken, kept = kept.port, record.moved(folder / record.NAME, kept)
        progress(f"port {taken} is taken, so the API's address is http://{HOST}:{kept.port} now; ./vpb env has it")
    with (folder / LOG).open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local.api", str(folder / record.NAME)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=CHECKOUT,
            env=_environment(),
            start_new_session=True,
        )
    _started.append(process)
    (folder / "api.pid").write_text(str(process.pid))
    deadline = time.monotonic() + START_SECONDS
    while not _health(folder, kept.port).get("ready"):
        if process.poll() is not None or time.monotonic() > deadline:
            said = (folder / LOG).read_text(errors="replace").strip().splitlines()
            stop(folder)
            raise ServerError(f"the API did not start: {said[-1] if said else 'no reason given'} (log: {folder / LOG})")
        time.sleep(0.05)
    return kept


def _environment() -> dict[str, str]:
    """Ours, without what would lead libpq or AWS' library elsewhere than the record does."""
    kept = {name: value for name, value in os.environ.items() if not ELSEWHERE.match(name)}
    return kept | {"PYTHONPATH": str(CHECKOUT)}


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


def _health(folder: Path, port: int) -> dict[str, Any]:
    """What our API says of itself, and not another clone's that got the port."""
    found = _call(port, "/_local/health", "GET")
    return found if found.get("record") == str(folder / record.NAME) else {}


def _call(port: int, path: str, method: str) -> dict[str, Any]:
    request = urllib.request.Request(f"http://{HOST}:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            found = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return {}
    return found if isinstance(found, dict) else {}


def _reload(port: int) -> None:
    """
    :raises ServerError: where PostgREST wasn't asked to read the structure again
    """
    if _call(port, "/_local/reload", "POST").get("reloads") is not True:
        raise ServerError(
            "the API wasn't asked to read the structure again; ./vpb logs --api says why, and up tries it again"
        )


def _pids(folder: Path) -> list[int]:
    with suppress(OSError, ValueError):
        pid = int((folder / "api.pid").read_text())
        if _is_api(pid, folder):
            return [pid]
    kept = read_private(folder / record.NAME, "port")
    health = _health(folder, kept["port"]) if kept else {}
    if isinstance(named := health.get("pid"), int) and _is_api(named, folder):
        return [named]
    # The folder may have been deleted under it.
    return [pid for pid in process_ids() if _is_api(pid, folder)]


def _is_api(pid: int, folder: Path) -> bool:
    """Whether the process is this folder's API: the number may be another process's by now."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"local.api" in command and os.fsencode(folder / record.NAME) in command and not is_zombie(pid)
