"""What can go wrong in a way that the user can act on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ToolchainError(Exception):
    """A part of the toolchain failed; the text is the line for the user: what failed, where the log is, what to do."""


class BuildFailed(Exception):
    """A command failed; the text is what it said last."""


@contextmanager
def one_line_errors(cache: Path) -> Iterator[None]:
    """Turns what the system refuses (no room, no permission) into a line that names the file and the way out."""
    try:
        yield
    except OSError as error:
        where = Path(error.filename or cache)
        line = f"{where}: {error.strerror or error}"
        if where.is_relative_to(cache) or cache.is_relative_to(where):
            line = f"cache folder {line}; free what it needs, or set VPB_CACHE to a folder that can be written"
        raise ToolchainError(line) from None
