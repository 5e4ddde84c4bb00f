"""The log of an embedded server, from its end."""

import codecs
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ops.errors import CommandError
from run import engine

SECONDS = 0.2
"""Between two looks at a log that is followed."""
BLOCK = 65536


def of(stack: str) -> Path:
    """The log of a stack's server.

    :raises CommandError: where it lies elsewhere, or nothing was written yet
    """
    engine.require(stack)
    found = engine.target(stack).log(stack) if engine.embedded(stack) else None
    if found is None:
        raise CommandError(
            f"the server of stack {stack} isn't embedded; its log is where it says: "
            f"./vpb psql --stack {stack} -c 'show log_destination' -c 'show log_directory'"
        )
    if not found.exists():
        raise CommandError(f"the server of stack {stack} has no log yet; `make up STACK={stack}` starts it")
    return found


def of_api(stack: str) -> Path:
    """The log of a stack's API.

    :raises CommandError: where none was started
    """
    engine.require(stack)
    found = engine.target(stack).api_log(stack)
    if found is None or not found.exists():
        raise CommandError(
            f"stack {stack} has no API on this machine; database:api says so, `make up STACK={stack}` starts it"
        )
    return found


def last(path: Path, lines: int) -> tuple[str, int]:
    """The last lines of a file, and the position after them in bytes."""
    with path.open("rb") as file:
        end = start = file.seek(0, 2)
        found = b""
        while start and found.count(b"\n") <= lines:
            begin = max(0, start - BLOCK)
            file.seek(begin)
            found, start = file.read(start - begin) + found, begin
    return b"".join(found.splitlines(keepends=True)[-lines:] if lines else []).decode(errors="replace"), end


def follow(path: Path, position: int, wait: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """What is written after `position`, as it comes; from the beginning where the file was made again."""
    # A look may end within a character.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        size = path.stat().st_size if path.exists() else 0
        if size < position:
            position = 0
            decoder.reset()
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                content = file.read()
            position += len(content)
            yield decoder.decode(content)
        wait(SECONDS)
