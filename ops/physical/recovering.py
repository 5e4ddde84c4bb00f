"""A server of its own, recovered from a physical backup and WAL to an instant, or to the end of the archive."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from harness import recovery
from ops.backups.errors import BackupError, BadBackup
from ops.database import connect
from ops.physical import segments, server
from ops.physical.segments import Chain
from ops.physical.unpacking import Progress, Unpacking, exact

APPLICATION = "vpb recovery"
# What PostgreSQL says where no commit came after the instant.
BEFORE = "recovery ended before configured recovery target was reached"
LAST = "select pg_last_xact_replay_timestamp(), pg_last_wal_replay_lsn()::text"
PREFIX = re.compile(r"^.*?\b(?:FATAL|PANIC):\s*")


@dataclass(frozen=True)
class Recovered:
    """A server that is recovered."""

    url: Callable[[str], str]
    """The URL of a database of it, as the superuser."""
    version: int
    chain: Chain
    reached: datetime | None
    """When the last transaction that is there was committed; None where WAL has none since the backup."""
    ended: int
    """The first transaction that isn't there."""
    seconds: float
    """From the first byte that was read until it answered."""


@contextmanager
def recovered(
    unpacking: Unpacking, at: datetime | None = None, progress: Progress = lambda message: None
) -> Iterator[Recovered]:
    """In the block there is a server; afterwards it is gone.

    :raises BackupError: where no program here can start it, or WAL doesn't go as far as the instant
    :raises BadBackup: where files or WAL aren't as they were written, or a segment is missing
    """
    programs = exact(unpacking.manifest.major)
    began = time.monotonic()
    chain = unpacking.chain()
    # To an instant PostgreSQL itself sees whether it was reached; to the end nobody would.
    if chain.missing and at is None:
        raise segments.gap(chain)
    with recovery.room(programs) as room:
        unpacking.wal(room.wal, chain)
        unpacking.files(room.data)
        progress("recovery")
        try:
            room.recover(unpacking.manifest.superuser, at, chain.timeline)
        except recovery.RecoveryFailed as error:
            raise _refused(str(error), chain, at) from None
        with connect(room.url("postgres"), APPLICATION) as session:
            found, ended = session.execute(LAST).fetchone(), server.ended(session)
        assert found
        if at is None:
            _refuse_early_end(found[1], chain, unpacking.manifest.wal.segment)
        seconds = round(time.monotonic() - began, 2)
        yield Recovered(room.url, room.version, chain, found[0], ended, seconds)


def _refuse_early_end(reached: str | None, chain: Chain, size: int) -> None:
    """PostgreSQL takes a record that it can't read for the end of the WAL, and opens the database.

    :raises BadBackup: where recovery ended before the last segment
    """
    if not chain.names or reached is None:
        return
    number, (_, last) = (segments.position(reached) - 1) // size, segments.numbered(chain.names[-1], size)
    if number < last:
        stopped = next(each for each in chain.names if segments.numbered(each, size)[1] >= number)
        raise BadBackup(
            f"WAL segment {stopped}: recovery ended in it, at {reached}, and not in {chain.names[-1]}, the last one: "
            "it is damaged, and what comes behind it can't be recovered: make a new base backup, "
            "`./vpb backup --physical`"
        )


def _refused(said: str, chain: Chain, at: datetime | None) -> BackupError:
    said = PREFIX.sub("", said)
    if BEFORE not in said or at is None:
        return BadBackup(f"recovery: {said}")
    if chain.missing:
        return segments.gap(chain)
    return too_late(chain, at)


def too_late(chain: Chain, at: datetime, last: datetime | None = None) -> BackupError:
    """What to say of an instant behind the end of the archive.

    Args:
        last: when the last commit in it was, where that is known.
    """
    newest = f"WAL {chain.newest}, the newest in the archive," if chain.newest else "the backup, without WAL,"
    ended = f" and the last one is of {last.isoformat()}" if last else ""
    return BackupError(
        f"--at {at.isoformat()}: {newest} has no commit from then on{ended}; nothing later was archived: "
        "take an earlier instant, or none for all that there is"
    )
