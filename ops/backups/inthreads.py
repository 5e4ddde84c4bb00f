"""Work that several threads share, and that nobody waits for who was interrupted."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
# So many items of each thread are under way.
AHEAD = 4
# Seconds.
TICK = 0.2


def results(work: Callable[[Item], Result], items: Iterator[Item], threads: int) -> Iterator[Result]:
    """What comes of each item, in the order in which they end.

    Where the caller leaves the loop, as after Ctrl-C, nothing new is begun, and what is under way is waited for by
    nobody: it ends with the process.

    :raises BaseException: the first that `work` raises
    """
    todo: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
    done: queue.SimpleQueue[Result | _Failed] = queue.SimpleQueue()
    stop = threading.Event()

    def loop() -> None:
        while (item := todo.get()) is not None and not stop.is_set():
            try:
                done.put(work(item))
            except BaseException as error:
                done.put(_Failed(error))

    for _ in range(threads):
        threading.Thread(target=loop, daemon=True).start()
    try:
        waiting = 0
        for item in items:
            todo.put(item)
            waiting += 1
            if waiting == threads * AHEAD:
                yield _taken(done)
                waiting -= 1
        for _ in range(waiting):
            yield _taken(done)
    finally:
        stop.set()
        for _ in range(threads):
            todo.put(None)


@dataclass
class _Failed:
    error: BaseException


def _taken(done: "queue.SimpleQueue[Result | _Failed]") -> Result:
    # One wait without an end isn't broken off by a signal that comes just before it begins.
    while True:
        with contextlib.suppress(queue.Empty):
            result = done.get(timeout=TICK)
            break
    if isinstance(result, _Failed):
        raise result.error
    return result
