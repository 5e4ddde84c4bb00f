"""Folders that a run needs for itself: gone with it, or, where it was killed, with the next run of its kind.

A run holds a lock in its folder, which ends with its process, however that ends. Only folders of our own account are
looked at, and only where nobody holds the lock.
"""

import fcntl
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from declared.errors import UserError
from local import postgres
from local.processes import serves

LOCK = "run.lock"
# Seconds that a server gets to end.
PATIENCE = 10.0
LOOK = 0.05


def _nothing(folder: Path) -> None:
    """Where a folder has nothing but files."""


@contextmanager
def own(prefix: str, place: str | None = None, end: Callable[[Path], None] = _nothing) -> Iterator[Path]:
    """A folder, gone afterwards; those that killed runs have left go first.

    Args:
        prefix: of its name, by which the next run finds it.
        place: the folder that it is made in; None is the system's for temporary files.
        end: what has to be done before the files go, such as to stop a server.
    """
    place = place or tempfile.gettempdir()
    sweep(prefix, place, end)
    folder, lock = _made(prefix, place)
    with lock:
        try:
            yield folder
        finally:
            end(folder)
            shutil.rmtree(folder, ignore_errors=True)


def sweep(prefix: str, place: str, end: Callable[[Path], None] = _nothing) -> None:
    """Remove what killed runs have left; the arguments are those of `own`."""
    for left in Path(place).glob(f"{prefix}*"):
        with suppress(OSError, UserError):
            _removed(left, end)


def end_server(data: Path) -> None:
    """End what serves a data directory at once; nothing of it is needed any more.

    :raises TimeoutError: where it goes on
    """
    if (process := postgres.postmaster(data)) is None or not serves(process, data):
        return
    os.kill(process, signal.SIGQUIT)
    until = time.monotonic() + PATIENCE
    # A server removes its file a moment before it is gone.
    while serves(process, data):
        if time.monotonic() > until:
            raise TimeoutError(f"{data}: its server goes on")
        time.sleep(LOOK)


def _made(prefix: str, place: str) -> tuple[Path, IO[bytes]]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        lock = _locked(folder, os.O_CREAT | os.O_EXCL)
        # Between the two another run may have taken it for one that was left.
        if lock and (folder / LOCK).exists():
            return folder, lock
        if lock:
            lock.close()


def _removed(folder: Path, end: Callable[[Path], None]) -> None:
    """One that nobody is at; another one stays."""
    if not stat.S_ISDIR(folder.lstat().st_mode):
        return
    if lock := _locked(folder):
        with lock:
            end(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _locked(folder: Path, flags: int = 0) -> IO[bytes] | None:
    """The lock of a folder, held until it is closed; None where it is another account's, or somebody holds it.

    :raises OSError: where there is none
    """
    lock = os.fdopen(os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | flags, 0o600), "r+b")
    with suppress(BlockingIOError):
        if os.fstat(lock.fileno()).st_uid == os.geteuid():
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
    lock.close()
    return None
