"""pg_receivewal, which takes WAL from a replication slot into a folder, segment by segment, and flushes each."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ops.backups import programs
from ops.physical import segments
from ops.physical.segments import HISTORY, SEGMENT

# Seconds between the reports to the server of what is on the disk.
REPORT = 1
# Seconds that it gets to end by itself.
PATIENCE = 10
PARTIAL = re.compile(rf"(?P<name>{SEGMENT.pattern})\.partial")
# prctl's number for: the signal that we get when who started us has ended.
PARENT_DEATH = 1


class Receiver:
    """One run of it. It ends with us, also where we are killed, so that nothing else holds the slot afterwards."""

    def __init__(self, folder: Path, url: str, slot: str, spool: Path) -> None:
        command = [folder / "pg_receivewal", "-D", spool, "-S", slot, "--no-loop", f"--status-interval={REPORT}", "-w"]
        words, variables = programs.login(command, url)
        self._said = b""
        self._process = subprocess.Popen(
            words,
            env={**variables, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            # It says a line as it ends. A file for it would be as full as the disk that it may complain of.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C is ours to pass on, when what has come is stored.
            start_new_session=True,
            preexec_fn=_ended_with_parent(),
        )

    def ended(self) -> str | None:
        """Why it has ended, in one line; None while it is at work."""
        if self._process.poll() is None:
            return None
        self._drain()
        return programs.line(self._said)

    def stop(self) -> None:
        """End it; what it has of a segment that isn't whole stays, and is received again."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._drain()

    def _drain(self) -> None:
        """What it has said, once it has ended."""
        assert self._process.stdout
        if not self._process.stdout.closed:
            with self._process.stdout:
                self._said = self._process.stdout.read()


def _ended_with_parent() -> Callable[[], None] | None:
    """What a child runs before the program, where the system has it: Linux."""
    if sys.platform != "linux":
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(PARENT_DEATH, signal.SIGTERM)
        # It may have ended before.
        if os.getppid() != parent:
            os._exit(1)

    return ask


def whole(spool: Path) -> list[Path]:
    """The files that are complete and on the disk: histories first, then segments in their order."""
    found = [path for path in spool.iterdir() if SEGMENT.fullmatch(path.name) or HISTORY.fullmatch(path.name)]
    return sorted(found, key=lambda path: (len(path.name) == 24, path.name))


def tidied(spool: Path, size: int, restart: int | None) -> list[str]:
    """Remove begun segments with which pg_receivewal would never begin; the names of those that are lost.

    One of a wrong size, such as after a full disk, is received from its beginning. One from before the position that
    the slot keeps is lost: the server has it no more.

    Args:
        size: of a segment, in bytes.
        restart: of the slot; None where it isn't known now.
    """
    lost = []
    for path in sorted(spool.iterdir()):
        if not (match := PARTIAL.fullmatch(path.name)):
            continue
        number = segments.numbered(match["name"], size)[1]
        old = restart is not None and number < restart // size
        if old or path.stat().st_size not in (0, size):
            path.unlink()
        if old:
            lost.append(match["name"])
    return lost
