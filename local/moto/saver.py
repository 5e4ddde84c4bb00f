"""Saves moto's state soon after it has changed, between two requests.

Requests share a lock that the saver takes alone while it pickles, which takes tens of milliseconds; the file is written
with the lock free. A request that holds the lock for long (a nested call into this server, say) can't stop the saver:
after a while it pickles beside the request, and begins again should the two meet.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.moto import pickling, statefile

PATIENCE = 0.3
ATTEMPTS = 5


class SharedLock:
    """Held by many at a time, or by one alone, who gives up waiting after a while."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holders = 0
        self._alone = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._holders += 1
        try:
            yield
        finally:
            with self._changed:
                self._holders -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self, timeout: float) -> Iterator[bool]:
        with self._changed:
            self._alone = True
            got = self._changed.wait_for(lambda: not self._holders, timeout)
            if not got:
                # Requests that were kept waiting go on, or a nested one would wait for its own caller.
                self._alone = False
                self._changed.notify_all()
        try:
            yield got
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()


class Saver:
    """Knows whether there is something to save, and saves it."""

    def __init__(self, path: Path, version: str, *, loaded: bool, empty: bool) -> None:
        self.path = path
        self.loaded = loaded
        self.empty = empty
        self.lock = SharedLock()
        self._version = version
        self._dirty = threading.Event()
        self._saving = threading.Lock()
        self._told: set[str] = set()
        self._pause = 0.2

    def changed(self, *, empty: bool = False) -> None:
        self.empty = empty
        self._dirty.set()

    def run(self) -> None:
        """Saves for ever; one save covers everything that has changed since the last."""
        while True:
            self._dirty.wait()
            # Several changes in a row become one save.
            time.sleep(self._pause)
            started = time.monotonic()
            try:
                self.save()
            except Exception as error:
                self._dirty.set()
                self._tell(f"state file {self.path} not written: {error}")
            self._pause = min(max(0.2, 2 * (time.monotonic() - started)), 0.5)

    def save(self) -> None:
        with self._saving:
            # Before pickling: a change during the save asks for another one.
            self._dirty.clear()
            empty = self.empty
            content, lost = self._dump()
            for service, reason in lost.items():
                self._tell(f"state of {service} not saved: {reason}")
            statefile.write(self.path, self._version, content, empty=empty)

    def save_changes(self) -> None:
        """The last save of a server that stops."""
        if self._dirty.is_set() or self._saving.locked():
            self.save()

    def _dump(self) -> tuple[bytes, dict[str, str]]:
        for attempt in range(ATTEMPTS):
            try:
                with self.lock.alone(PATIENCE):
                    return pickling.dump(pickling.collect())
            except RuntimeError as error:
                if attempt == ATTEMPTS - 1 or not pickling.met_a_change(error):
                    raise
                # A request has changed a dictionary under the pickler.
                time.sleep(0.05)
        raise AssertionError

    def _tell(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            print(f"moto: {line}", file=sys.stderr, flush=True)
