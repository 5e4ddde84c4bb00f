"""A service of ours beside PostgreSQL, moto or the API: a process for a stack's folder, which outlives the command."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from declared.paths import CHECKOUT
from local.ports import HOST
from local.postgres import ServerError
from local.processes import command_line, is_zombie, process_ids

START_SECONDS = 30
STOP_SECONDS = 10
# Python would complain of each that has no name when it is collected.
_started: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class Daemon:
    """A module that is run for a folder.

    Its command and its answer to a question for its health name a file of that folder. So another clone's that got the
    port isn't taken for it, nor a process that got the number.
    """

    title: str
    module: str
    folder: Path
    name: str
    """Of its log and of the note of its number, without their endings."""
    key: str
    """Of its health, under which it names the file."""
    file: str

    @property
    def log(self) -> Path:
        """What it writes."""
        return self.folder / f"{self.name}.log"

    @property
    def _note(self) -> Path:
        return self.folder / f"{self.name}.pid"

    @property
    def path(self) -> Path:
        """The file that it names."""
        return self.folder / self.file

    def ask(self, port: int, path: str, method: str = "GET") -> dict[str, Any]:
        """What it answers to this; nothing where no one answers, or no JSON object."""
        request = urllib.request.Request(f"http://{HOST}:{port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                found = json.load(answer)
        except (OSError, ValueError, urllib.error.URLError):
            return {}
        return found if isinstance(found, dict) else {}

    def health(self, port: int | None) -> dict[str, Any]:
        """What it says of itself; nothing where no one answers there, or another."""
        found = self.ask(port, "/_local/health") if port else {}
        return found if found.get(self.key) == str(self.path) else {}

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], answers: Callable[[], bool]) -> None:
        """Start it, and wait until it answers.

        :raises ServerError: with the last line that it wrote, if it ends or doesn't answer in time; it is stopped then
        """
        with self.log.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", self.module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=CHECKOUT,
                env={**environment, "PYTHONPATH": str(CHECKOUT)},
                start_new_session=True,
            )
        _started.append(process)
        self._note.write_text(str(process.pid))
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace").strip().splitlines()
                self._end([process.pid])
                reason = said[-1] if said else "no reason given"
                raise ServerError(f"{self.title} did not start: {reason} (log: {self.log})")
            time.sleep(0.05)

    def stop(self, port: int | None) -> None:
        """Stop it, where it runs.

        Args:
            port: where it was last, if that is known.
        """
        self._end(self._ids(port))

    def _end(self, ids: Sequence[int]) -> None:
        for pid in ids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while self._is(pid) and time.monotonic() < deadline:
                time.sleep(0.02)
            if self._is(pid):
                os.kill(pid, signal.SIGKILL)
        for process in _started:
            process.wait() if process.pid in ids else process.poll()
        self._note.unlink(missing_ok=True)

    def _ids(self, port: int | None) -> list[int]:
        """By its note, else by its own answer, since we may have been killed before the note was written; else by its
        command, since the folder with both may have been deleted under it."""
        with suppress(OSError, ValueError):
            pid = int(self._note.read_text())
            if self._is(pid):
                return [pid]
        named = self.health(port).get("pid")
        if isinstance(named, int) and self._is(named):
            return [named]
        return [pid for pid in process_ids() if self._is(pid)]

    def _is(self, pid: int) -> bool:
        command = command_line(pid)
        return self.module.encode() in command and os.fsencode(self.path) in command and not is_zombie(pid)
