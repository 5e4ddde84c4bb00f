"""Names of segments of WAL, and whether they follow each other. Pure: nothing is read here."""

import itertools
import re
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ops.backups.errors import BadBackup

SEGMENT = re.compile(r"(?P<timeline>[0-9A-F]{8})(?P<high>[0-9A-F]{8})(?P<low>[0-9A-F]{8})")
HISTORY = re.compile(r"(?P<timeline>[0-9A-F]{8})\.history")
# The header of a segment's first page: magic, flags, timeline, address, rest; identifier, sizes of segment and page.
HEADER = struct.Struct("=HHIQI4xQII")
LONG = 2
# A line of a history: the timeline that ended, and where.
ENDED = re.compile(r"\s*(\d+)\s+([0-9A-F]+)/([0-9A-F]+)")


@dataclass(frozen=True)
class Header:
    """What a segment says of itself."""

    system: str
    address: int
    segment: int

    @classmethod
    def of(cls, data: bytes) -> "Header | None":
        """None where the bytes are no beginning of a segment."""
        if len(data) < HEADER.size:
            return None
        _, flags, _, address, _, system, segment, _ = HEADER.unpack_from(data)
        return cls(str(system), address, segment) if flags & LONG else None


def position(text: str) -> int:
    """A position as PostgreSQL writes it, such as 0/3000028, in bytes.

    :raises ValueError: where it is none
    """
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def name(timeline: int, number: int, size: int) -> str:
    """The name of a segment.

    Args:
        size: of a segment, in bytes.
    """
    each = (1 << 32) // size
    return f"{timeline:08X}{number // each:08X}{number % each:08X}"


def numbered(text: str, size: int) -> tuple[int, int]:
    """Timeline and number of a segment.

    :raises ValueError: where it is no name of one
    """
    if not (match := SEGMENT.fullmatch(text)):
        raise ValueError(text)
    return int(match["timeline"], 16), int(match["high"], 16) * ((1 << 32) // size) + int(match["low"], 16)


def path(
    timeline: int, histories: Mapping[int, str], size: int, last: int = 0, wanted: int | None = None
) -> list[tuple[int, int]]:
    """The timelines from a base backup's on to the newest that comes from it, each with the segment it begins in.

    Args:
        timeline: of the base backup.
        histories: the texts of the archive's history files.
        last: the segment in which the base backup ends: a timeline that left its own before that isn't followed.
        wanted: the timeline to end in, in place of the newest.
    """
    for newest in sorted(histories, reverse=True):
        if wanted is not None and newest != wanted:
            continue
        ends = [(int(tl), position(f"{high}/{low}")) for tl, high, low in ENDED.findall(histories[newest])]
        before = [tl for tl, _ in ends]
        if timeline in before:
            begun = dict(zip([*before[1:], newest], (end // size for _, end in ends), strict=True))
            if dict(zip(before, begun.values(), strict=True))[timeline] < last:
                continue
            return [(timeline, 0), *((tl, begun[tl]) for tl in begun if tl > timeline)]
    return [(timeline, 0)]


def refuse_two_ends(has: Collection[str], timelines: list[tuple[int, int]], size: int) -> None:
    """Where two timelines go on, a server's own and that of one restored from it, nobody knows which is meant.

    :raises BadBackup: where a timeline goes on behind the point where the next one left it
    """
    there = [numbered(each, size) for each in has if SEGMENT.fullmatch(each)]
    for (old, _), (new, begins) in itertools.pairwise(timelines):
        if behind := [number for timeline, number in there if timeline == old and number > begins]:
            raise BadBackup(
                f"WAL goes on in timeline {old} up to {name(old, max(behind), size)}, and in timeline {new}, which "
                f"left it at {name(old, begins, size)}: `--timeline {old}` or `--timeline {new}` says which is meant"
            )


@dataclass(frozen=True)
class Chain:
    """Segments that follow each other from a base backup on."""

    names: list[str]
    missing: str
    """The first that isn't there though later ones are; empty where none is missing."""
    newest: str
    """The last one that there is, behind what is missing too; empty where there is none."""
    timeline: int = 1
    """In which it ends."""


def chain(has: Collection[str], first: int, timelines: list[tuple[int, int]], size: int) -> Chain:
    """What follows the segment `first` without a gap.

    Args:
        timelines: as `path` gives them.
    """

    def wanted(number: int) -> str:
        # A new timeline begins with a copy of the segment that the old one ended in.
        return name(max(tl for tl, begins in timelines if begins <= number), number, size)

    there = {each: numbered(each, size)[1] for each in has if SEGMENT.fullmatch(each)}
    belonging = sorted(number for each, number in there.items() if number >= first and wanted(number) == each)
    newest = wanted(belonging[-1]) if belonging else ""
    found = list[str]()
    for number in range(first, belonging[-1] + 1 if belonging else first):
        if wanted(number) not in there:
            return Chain(found, wanted(number), newest, timelines[-1][0])
        found.append(wanted(number))
    return Chain(found, "", newest, timelines[-1][0])


def gap(chain: Chain) -> BadBackup:
    """What to say where one is missing."""
    after = f"after {chain.names[-1]}" if chain.names else "where recovery begins"
    return BadBackup(
        f"WAL segment {chain.missing}: is missing {after}, and {chain.newest} is there; what comes behind it can't be "
        "recovered: make a new base backup, `./vpb backup --physical`"
    )


def checked(text: str, data: bytes, system: str, size: int) -> None:
    """A segment is the one of its name, of this server, and whole.

    :raises BadBackup: where it isn't
    """
    header = Header.of(data)
    if header is None or len(data) != header.segment or header.segment != size:
        raise BadBackup(f"WAL segment {text}: is no whole segment of {size} bytes")
    if header.system != system:
        raise BadBackup(f"WAL segment {text}: is of another server, system identifier {header.system} and not {system}")
    if header.address != numbered(text, size)[1] * size:
        raise BadBackup(f"WAL segment {text}: holds what belongs into another segment")
