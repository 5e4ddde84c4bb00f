"""What the user sees while the toolchain is made: one line per task, and that a long one is alive."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LIVE_SECONDS = 1.0
QUIET_SECONDS = 30.0


class Task:
    """What is under way; `note` is added to its last line."""

    note = ""


class Progress:
    """Lines for the user, on standard error unless a receiver is given."""

    def __init__(self, receiver: Callable[[str], None] | None = None) -> None:
        self._receiver = receiver
        self._live = receiver is None and sys.stderr.isatty()

    def say(self, line: str) -> None:
        """Gives one whole line to the user."""
        if self._receiver:
            self._receiver(line)
        else:
            print(f"\r\033[K{line}" if self._live else line, file=sys.stderr, flush=True)

    @contextmanager
    def task(self, subject: str, what: str) -> Iterator[Task]:
        """Says what begins, that it goes on, and how long it took; an error leaves without a last line."""
        task, began, over = Task(), time.monotonic(), threading.Event()
        self.say(f"{subject}: {what} ...")
        ticker = threading.Thread(target=self._tick, args=(subject, began, over), daemon=True)
        ticker.start()
        try:
            yield task
        finally:
            # Joined before the last line, so that no tick comes after it.
            over.set()
            ticker.join()
            if self._live:
                print("\r\033[K", end="", file=sys.stderr, flush=True)
        self.say(f"{subject}: done in {duration(time.monotonic() - began)}{task.note and f', {task.note}'}")

    def _tick(self, subject: str, began: float, over: threading.Event) -> None:
        while not over.wait(LIVE_SECONDS if self._live else QUIET_SECONDS):
            elapsed = duration(time.monotonic() - began)
            if self._live:
                print(f"\r\033[K{subject}: {elapsed}", end="", file=sys.stderr, flush=True)
            else:
                self.say(f"{subject}: still at it after {elapsed}")


def duration(seconds: float) -> str:
    """`44 s` or `5 min 12 s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size(number: int) -> str:
    """Bytes as `134 MB`; below ten, with one decimal."""
    megabytes = number / 1e6
    return f"{megabytes:.0f} MB" if megabytes >= 10 else f"{megabytes:.1f} MB"
