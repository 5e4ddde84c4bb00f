"""How long a statement may wait for a lock, as PostgreSQL writes a time."""

import re

DEFAULT = "5s"
TIME = re.compile(r"(?P<number>[0-9]+) ?(?P<unit>us|ms|s|min|h)?")
MILLISECONDS = {"us": 0.001, None: 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000}
# PostgreSQL counts in milliseconds, in 32 bits.
LONGEST = 2**31 - 1
AT_MOST = f"at most {LONGEST // 60_000}min"


def fits(text: str) -> bool:
    """Whether PostgreSQL takes it."""
    match = TIME.fullmatch(text)
    return match is not None and int(match["number"]) * MILLISECONDS[match["unit"]] <= LONGEST


def seconds(text: str) -> float:
    """A time that fits, in seconds."""
    match = TIME.fullmatch(text)
    assert match is not None
    return int(match["number"]) * MILLISECONDS[match["unit"]] / 1000
