"""When `./vpb drift` last looked from this checkout, and since when it has seen what is still there.

A note in `.local`, so that `./vpb status` can say it without comparing anything. Who changed it isn't known here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from declared.folders import make_private, read_private, stack_folder, write_private
from ops.drift import Drift

FILE = "drift.json"
LOOKED, SINCE = "looked", "since"


@dataclass(frozen=True)
class Look:
    """What the last look has found; times are in ISO 8601, UTC."""

    looked: str
    since: dict[str, str]
    """Object that was changed manually → the first look that has seen it so."""


def note(stack: str, found: Sequence[Drift]) -> Mapping[str, str]:
    """Note a look. What an earlier one has seen and this one too keeps its time.

    Returns:
        object → the first look that has seen it so.
    """
    now, before = datetime.now(UTC).isoformat(timespec="seconds"), last(stack)
    known = before.since if before else {}
    since = {drift.label: known.get(drift.label, now) for drift in found}
    folder = stack_folder(stack)
    make_private(folder)
    write_private(folder / FILE, {LOOKED: now, SINCE: since})
    return since


def last(stack: str) -> Look | None:
    """The last look from this checkout; None before the first."""
    content = read_private(stack_folder(stack) / FILE, LOOKED, SINCE)
    return Look(content[LOOKED], content[SINCE]) if content else None
