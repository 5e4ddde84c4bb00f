"""What a run leaves for the next one: the state, its passphrase, locks; and how the next one mends it after a crash.

All of it lies in `.local`. What a killed run left is cleared; a state that can't be read is set aside, not deleted.
"""

import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TextIO

from declared import naming
from declared.errors import UserError
from declared.folders import make_private, stack_folder
from declared.paths import CHECKOUT

# Carried by every process of one run, so that those of a killed one are distinguished from anybody else's.
RUN_MARK = "VPB_RUN"
ENGINE = "pulumi"
# Seconds. Who only asks whether a run is under way holds its lock for a moment.
GLANCE = 0.5


class EngineError(UserError):
    """Something in the way of a run of Pulumi."""


class UnderWay(EngineError):
    """Another run works on the stack."""

    def __init__(self, stack: str, holder: str = "") -> None:
        super().__init__(f"stack {stack}: another run is under way{holder and f' ({holder})'}; wait for it to end")


def say(message: str) -> None:
    """Tell of something that takes a moment, or that was mended."""
    print(f"{message} …", file=sys.stderr, flush=True)


def passphrase() -> Path:
    """The file with the passphrase of this checkout's own state, made if need be."""
    path = CHECKOUT / ".local" / "passphrase"
    if not path.exists():
        _give_up_unreadable()
        # Of two first runs at once, one's becomes both's; and a run that is killed leaves none that is empty.
        with NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.") as file:
            file.write(secrets.token_urlsafe(24))
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, path)
    return path


def _give_up_unreadable() -> None:
    """Without the passphrase no state can be read: it is set aside, and `up` adopts what is on the servers."""
    for path in checkpoints().glob("*.json"):
        settings = CHECKOUT / f"Pulumi.{path.stem}.yaml"
        if settings.exists() and b"secure:" in settings.read_bytes():
            raise EngineError(
                f".local/passphrase is gone, and {settings.name} has secrets encrypted with it: put the file back, "
                "or take the secrets and `encryptionsalt` out and set them again"
            )
        _set_aside(path, "can't be read, its passphrase is gone")


def _set_aside(path: Path, reason: str) -> None:
    path.replace(path.with_suffix(".unreadable"))
    path.with_name(f"{path.name}.bak").unlink(missing_ok=True)
    say(f"the state of stack {path.stem} {reason}: set aside, taking over what is on the servers")


@contextmanager
def alone(stack: str, mark: str, changes: bool) -> Iterator[None]:
    """Keep other runs away from the stack, and end what a killed one left; previews don't mind each other.

    :raises UnderWay: while another run is under way
    """
    folder = stack_folder(stack)
    make_private(folder)
    with (folder / "run.lock").open("a+") as handle:
        _lock(handle, fcntl.LOCK_EX if changes else fcntl.LOCK_SH, stack)
        # Of the run before this one, which may have begun since the file was opened.
        handle.seek(0)
        end_left_over(handle.read(), stack)
        if changes:
            handle.truncate(0)
            handle.write(mark)
            handle.flush()
        yield


def _lock(handle: TextIO, kind: int, stack: str) -> None:
    ends = time.monotonic() + GLANCE
    while True:
        try:
            return fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends:
                raise UnderWay(stack) from None
            time.sleep(GLANCE / 10)


def under_way(stack: str) -> datetime | None:
    """Since when a run that may change the stack is under way; None without one."""
    path = stack_folder(stack) / "run.lock"
    try:
        with path.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return None


def end_left_over(mark: str, stack: str = "") -> None:
    """End what is left of a run: the language host notices only after minutes that its engine is gone.

    Where there is no /proc, that is how it ends.

    :raises UnderWay: where the run itself was killed and its engine is still at work on `stack`
    """
    for pid, name in _of_run(mark):
        if stack and name == ENGINE:
            raise UnderWay(stack, f"process {pid}")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _of_run(mark: str) -> list[tuple[int, str]]:
    """Process id and name of every process of a run, its engine first."""
    wanted, found = f"{RUN_MARK}={mark}".encode(), []
    for path in Path("/proc").glob("[0-9]*") if mark else ():
        with suppress(OSError):
            if wanted in (path / "environ").read_bytes().split(b"\0"):
                found.append((int(path.name), _program(int(path.name))))
    return sorted(found, key=lambda process: process[1] != ENGINE)


def _program(pid: int) -> str:
    return Path(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0])).name


def checkpoints() -> Path:
    """Where Pulumi keeps the states of this project's stacks."""
    return CHECKOUT / ".local" / "state" / ".pulumi" / "stacks" / "database"


def checkpoint(stack: str) -> Path:
    """The state of one stack.

    :raises NameRefused: where the stack's name would lead elsewhere
    """
    return checkpoints() / f"{naming.stack(stack)}.json"


def resource(stack: str, token: str) -> dict[str, Any] | None:
    """The outputs of the stack's one resource of a type, as our own state has them; None where it has none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        for found in json.loads(checkpoint(stack).read_text())["checkpoint"]["latest"]["resources"]:
            if found["type"] == token:
                return dict(found.get("outputs") or {})
    return None


def restore(stack: str) -> None:
    """Where the machine died while the state was being written, go back to the copy that Pulumi keeps."""
    path = checkpoint(stack)
    backup = path.with_name(f"{path.name}.bak")
    if "PULUMI_BACKEND_URL" in os.environ or not path.exists() or _whole(path):
        return
    if _whole(backup):
        say(f"the state of stack {stack} was cut off while it was written: going on from the one before")
        shutil.copyfile(backup, path)
    else:
        _set_aside(path, "is damaged")


def _whole(path: Path) -> bool:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "checkpoint" in content


def release(stack: str) -> None:
    """Clear what a killed run left behind: its lock, and its note of operations that may or may not have happened.

    Every resource of this project is found again and adopted, so that note has nothing to add.

    :raises UnderWay: while the run that holds the lock is alive
    """
    folder = CHECKOUT / ".local" / "state" / ".pulumi" / "locks"
    for path in folder.glob(f"**/{stack}/*.json"):
        holder = _holder(path)
        if holder is None:
            path.unlink(missing_ok=True)
        else:
            raise UnderWay(stack, holder)
    restore(stack)
    _forget_pending(checkpoint(stack))


def _holder(path: Path) -> str | None:
    """The run that holds a lock of Pulumi's; None where it is over, or was cut off while it wrote the lock."""
    try:
        lock = json.loads(path.read_text())
        pid, host = int(lock["pid"]), lock["hostname"]
        if host == socket.gethostname() and not _alive(pid):
            return None
        return f"process {pid} on {host} since {lock['timestamp']}"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _alive(pid: int) -> bool:
    """Whether the process is there and an engine: after a restart of the machine the number may be anybody's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if Path("/proc/self").exists():
        # Empty for a zombie.
        with suppress(OSError):
            return _program(pid) == ENGINE
        return False
    return True


def _forget_pending(path: Path) -> None:
    with suppress(OSError):
        content = json.loads(path.read_text())
        latest = content["checkpoint"]["latest"]
        if latest and latest.get("pending_operations"):
            latest["pending_operations"] = []
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(content, indent=4))
            partial.replace(path)
