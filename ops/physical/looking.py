"""What is in the archive of WAL, and whether each physical backup can go on from it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ops.backups import checking
from ops.backups.basemanifest import Range
from ops.backups.errors import BackupError, BadBackup
from ops.backups.manifest import PHYSICAL
from ops.backups.places import Place
from ops.physical import archive, segments
from ops.physical.archive import Archive
from ops.physical.server import Followed
from ops.physical.unpacking import following

# Of a server, unless it was made with another size.
SEGMENT = 16 << 20
# Seconds until what the server has handed over is stored.
GRACE = 3.0


@dataclass(frozen=True)
class Kept:
    """The WAL of a server."""

    system: str
    """The system identifier."""
    segments: int
    first: str
    last: str
    backups: list[str]
    """The physical backups that it follows."""


def kept(place: Place) -> list[Kept]:
    """What there is, a line for each server."""
    bases = _bases(place)
    found = []
    for system in archive.systems(place):
        if names := Archive(place, system).names:
            follows = [id for id, wal in bases if wal.system == system]
            found.append(Kept(system, len(names), names[0], names[-1], follows))
    return found


def _bases(place: Place) -> list[tuple[str, Range]]:
    return [(each.id, Range.read(each.summary.wal)) for each in checking.listed(place, PHYSICAL)]


def verified(
    place: Place, identities: Sequence[Any], progress: Callable[[str], None], followed: Followed | None = None
) -> tuple[int, list[str]]:
    """How many segments there are, and what is wrong; with identities each is opened.

    Args:
        followed: how far the server has handed its WAL over: what is missing at the end shows by nothing else.

    :raises BackupError: where timelines can't be followed without a key
    """
    bases, count = _bases(place), 0
    wrong = [each.wrong for each in checking.summaries(place)[1] if each.physical]
    for system in archive.systems(place):
        found = Archive(place, system)
        ours = [(id, wal) for id, wal in bases if wal.system == system]
        count += len(found.names)
        if not ours:
            wrong.append(f"{found.label}: no physical backup is there that this WAL follows")
        if not identities and any(segments.HISTORY.fullmatch(name) for name in found.stored) and ours:
            raise BackupError(
                f"{found.label}: the server has changed its timeline; --identity must name a key, to follow it"
            )
        size = ours[0][1].segment if ours else SEGMENT
        wrong += _opened(found, size, identities, progress)
        try:
            wrong += [
                f"backup {id}: {segments.gap(each)}"
                for id, wal in ours
                if (each := following(found, wal, identities)).missing
            ]
        except BadBackup as error:
            wrong.append(str(error))
        wrong += _between(found, [wal for _, wal in ours], size)
    if followed and short(place, bases, followed):
        # What has come just now is being stored.
        time.sleep(GRACE)
        wrong += [line] if (line := short(place, bases, followed)) else []
    return count, list(dict.fromkeys(wrong))


def _between(found: Archive, bases: Sequence[Range], size: int) -> Iterator[str]:
    """What is missing between the WAL of one physical backup and the next one, which has its own.

    Each can be restored then, and no instant between the two.
    """
    there = {segments.numbered(name, size)[1] for name in found.names}
    ordered = sorted(bases, key=lambda wal: wal.start)
    for wal, after in pairwise(ordered):
        covered = there | {*range(wal.first, wal.last + 1)}
        missing = [number for number in range(wal.last + 1, after.first) if number not in covered]
        if missing:
            names = [segments.name(after.timeline, number, size) for number in missing]
            some = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}, {len(names)} segments,"
            yield (
                f"{found.label}: {some} of before the next physical backup isn't there: no instant from then to that "
                "backup can be recovered"
            )


def short(place: Place, bases: Sequence[tuple[str, Range]], followed: Followed) -> str:
    """What is missing behind the newest segment; nothing where all is there."""
    found = Archive(place, followed.system)
    there = [segments.numbered(name, followed.segment) for name in found.names]
    there += [(wal.timeline, wal.last) for _, wal in bases if wal.system == followed.system]
    if not there or (newest := max(number for _, number in there)) + 1 >= followed.number:
        return ""
    timeline = max(each for each, number in there if number == newest)
    ends, gone = (segments.name(timeline, each, followed.segment) for each in (newest, followed.number - 1))
    return (
        f"{found.label}: ends with {ends}, and the server has handed over its WAL up to {gone}: what is between "
        "is in an archiver's spool still, or it is lost: then make a new base backup, `./vpb backup --physical`"
    )


def _opened(found: Archive, size: int, identities: Sequence[Any], progress: Callable[[str], None]) -> list[str]:
    wrong = []
    for name in found.names if identities else ():
        progress(name)
        try:
            segments.checked(name, found.content(name, identities), found.system, size)
        except BadBackup as error:
            wrong.append(str(error))
    return wrong
