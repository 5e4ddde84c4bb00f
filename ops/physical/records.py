"""Whether what a segment of WAL holds is whole: its pages by their headers, its records by their checksums.

pg_waldump reads the records and takes 0.03 seconds of CPU for 16 MB. Not looked at is the checksum of a record that
begins or ends in another segment.
"""

import os
import re
import struct
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ops.backups import programs
from ops.backups.errors import BackupError, BadBackup
from ops.physical import segments

# The header of each page: magic, flags, timeline, address, and how much of the record before goes on in it.
PAGE = struct.Struct("=HHIQI")
# Its bytes, but on the first page of a segment; records begin at multiples of ALIGNED, with their length.
SHORT, ALIGNED, LENGTH = 24, 8, struct.Struct("=I")
READER = "pg_waldump"
# A flag of the page behind a record that was never written to its end.
CUT_OFF = 8
# How pg_waldump shows the end of a transaction.
ENDED = re.compile(r"desc: (?:COMMIT|ABORT)(?:_PREPARED)? .*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+) UTC")


def reader(version: int, folders: Iterable[Path]) -> Path | None:
    """The pg_waldump that reads the WAL of a server; None where none of the folders has one of its version.

    Args:
        version: of the server, as PostgreSQL numbers it.
    """
    for folder in folders:
        if (folder / READER).is_file() and programs.major(folder, READER) == version // 10_000:
            return folder / READER
    return None


def newest(programs_folder: Path, paths: Sequence[Path]) -> datetime | None:
    """When the last transaction in some segments ended; None where none did.

    Args:
        programs_folder: with pg_waldump of the server's version.
        paths: of the segments, in their order; one that isn't there is passed over.
    """
    command = [str(programs_folder / READER), "-r", "Transaction"]
    for path in filter(Path.is_file, reversed(paths)):
        # It ends with an error where a segment's last record goes on in another one.
        variables = {**os.environ, "TZ": "UTC", "LC_ALL": "C"}
        said = subprocess.run([*command, str(path)], env=variables, capture_output=True, text=True, check=False).stdout
        if found := ENDED.findall(said):
            return max(datetime.fromisoformat(each).replace(tzinfo=UTC) for each in found)
    return None


def checked(path: Path, data: bytes, program: Path | None) -> None:
    """A segment, named as PostgreSQL names it, is undamaged.

    Args:
        data: what is in it, whose beginning was checked (`segments.checked`).
        program: as `reader` finds it; without one only pages are looked at.

    :raises BadBackup: where it is damaged
    """
    flags = _pages(path.name, data)
    # What a server has cut off as it crashed, pg_waldump may not get over.
    if program is None or flags & CUT_OFF or not _record_ends(data):
        return
    try:
        for _ in programs.output([program, "-q", path]):
            pass
    except BackupError as error:
        raise BadBackup(f"WAL segment {path.name}: is damaged: {error}") from None


def _pages(name: str, data: bytes) -> int:
    """The flags that any of the pages has."""
    magic, _, _, address, _ = PAGE.unpack_from(data)
    size = segments.HEADER.unpack_from(data)[-1]
    if not size or len(data) % size:
        raise BadBackup(f"WAL segment {name}: is damaged: has pages of {size} bytes")
    ended, flags = False, 0
    for at in range(0, len(data), size):
        found = PAGE.unpack_from(data, at)
        # Behind where a segment was ended before it was full.
        empty = not any(found)
        if not empty and (ended or (found[0], found[3]) != (magic, address + at)):
            raise BadBackup(f"WAL segment {name}: is damaged: what is at byte {at} isn't the page that belongs there")
        ended, flags = ended or empty, flags | found[1]
    return flags


def _record_ends(data: bytes) -> bool:
    """Whether a record begins and ends in a segment: not in the middle of a long one, where pg_waldump finds none."""
    size = segments.HEADER.unpack_from(data)[-1]
    at, left = _behind(data, 0, PAGE.unpack_from(data)[-1], len(data))
    at, _ = _behind(data, -(-at // ALIGNED) * ALIGNED, 0, len(data))
    if left or at >= len(data):
        return False
    (length,) = LENGTH.unpack_from(data, at)
    if not _behind(data, at, length, len(data))[1]:
        return True
    # A length that is damaged isn't what the last page says.
    last = len(data) - size
    said: int = PAGE.unpack_from(data, last)[-1]
    return at < last and _behind(data, at, length, last)[1] != said


def _behind(data: bytes, at: int, length: int, limit: int) -> tuple[int, int]:
    """The position so many bytes of records behind another one, and how many are left at the limit."""
    size = segments.HEADER.unpack_from(data)[-1]
    while at < limit:
        if at % size == 0:
            at += SHORT if at else segments.HEADER.size
        room = size - at % size
        if length < room:
            return at + length, 0
        at, length = at + room, length - room
    return at, length
