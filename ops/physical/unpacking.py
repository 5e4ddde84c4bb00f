"""The files of a server and its WAL, back in folders."""

import os
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from ops.backups import checking, programs
from ops.backups.basemanifest import BaseManifest, Range
from ops.backups.checking import Backup
from ops.backups.errors import BackupError, BadBackup
from ops.backups.manifest import PHYSICAL
from ops.backups.places import Place
from ops.physical import segments
from ops.physical.archive import Archive
from ops.physical.segments import Chain

BLOCK = 1 << 18
NEEDED = ("postgres", "pg_ctl", "pg_verifybackup", "pg_amcheck")
# Where packages of Debian and of Red Hat install a server of one version.
INSTALLED = ("/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin")
Progress = Callable[[str], None]


class _Reading:
    """Blocks, as a file that tarfile reads."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, b""

    def read(self, size: int) -> bytes:
        """So many bytes; fewer at the end."""
        found, length = [self._rest], len(self._rest)
        while length < size and (block := next(self._blocks, b"")):
            found.append(block)
            length += len(block)
        whole = b"".join(found)
        self._rest = whole[size:]
        return whole[:size]

    def drain(self) -> None:
        """Read the rest: whether all is as it was written is known with the last block."""
        while self.read(BLOCK):
            pass


@dataclass
class Unpacking:
    """A physical backup, and the WAL that follows it."""

    backup: Backup
    identities: Sequence[Any]
    progress: Progress = lambda message: None
    timeline: int | None = None
    """Which to follow where the archive has several; None is the newest."""

    def __post_init__(self) -> None:
        self.manifest: BaseManifest = self.backup.base(self.identities)
        self.archive = Archive(self.backup.place, self.manifest.wal.system)

    def files(self, data: Path) -> None:
        """The files, into a folder that is there and empty, as PostgreSQL's own check finds them.

        :raises BadBackup: where they aren't as they were sent
        """
        self.progress("files of the server")
        reading = _Reading(self._blocks())
        try:
            with tarfile.open(fileobj=reading, mode="r|", bufsize=BLOCK) as archive:  # type: ignore[call-overload]
                for member in archive:
                    self._unpack(archive, member, data)
        except tarfile.TarError:
            # Where it was changed or cut off, reading the rest says so better.
            reading.drain()
            raise BadBackup("the files: are no tar file of a server") from None
        reading.drain()
        self.progress("checksums of the files")
        try:
            for _ in programs.output([exact(self.manifest.major) / "pg_verifybackup", "-q", data]):
                pass
        except BackupError as error:
            raise BadBackup(f"the files: {error}") from None

    def _blocks(self) -> Iterator[bytes]:
        for part in self.manifest.base:
            yield from self.backup.part(part, self.identities)

    def _unpack(self, archive: tarfile.TarFile, member: tarfile.TarInfo, data: Path) -> None:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isdir() or member.isreg()):
            raise BadBackup(f"the files: {member.name} is none of a server without tablespaces")
        target = data / path
        if member.isdir():
            target.mkdir(mode=0o700, exist_ok=True)
            return
        target.parent.mkdir(mode=0o700, exist_ok=True)
        source = archive.extractfile(member)
        assert source
        target.touch(mode=0o600)
        with target.open("wb") as out:
            while block := source.read(BLOCK):
                out.write(block)

    def chain(self) -> Chain:
        """The segments from where recovery begins; the files have the first ones in them."""
        return following(self.archive, self.manifest.wal, self.identities, self.timeline)

    def wal(self, folder: Path, chain: Chain) -> None:
        """The segments of a chain and all histories, into a folder.

        :raises BadBackup: where one isn't as it was written, or is another server's
        """
        wal = self.manifest.wal
        for name in chain.names:
            if name in self.archive.stored:
                self.progress(f"WAL {name}")
                data = self.archive.content(name, self.identities)
                segments.checked(name, data, wal.system, wal.segment)
                _written(folder / name, data)
        for name in self.archive.stored:
            if segments.HISTORY.fullmatch(name):
                _written(folder / name, self.archive.content(name, self.identities))


def following(archive: Archive, wal: Range, identities: Sequence[Any], timeline: int | None = None) -> Chain:
    """The segments from where the recovery of some files begins, which have the first ones in them.

    :raises BadBackup: where the archive goes on in two timelines, and none is named
    """
    inside = [segments.name(wal.timeline, number, wal.segment) for number in range(wal.first, wal.last + 1)]
    histories = archive.histories(identities)
    timelines = segments.path(wal.timeline, histories, wal.segment, wal.last, timeline)
    if timeline is None:
        segments.refuse_two_ends(archive.names, timelines, wal.segment)
    elif timelines[-1][0] != timeline:
        raise BadBackup(f"--timeline {timeline}: no history in {archive.label} leads from the backup to it")
    return segments.chain([*archive.names, *inside], wal.first, timelines, wal.segment)


@cache
def exact(major: int) -> Path:
    """The folder with the programs of a server of just this version.

    :raises BackupError: where they aren't there
    """
    places = [programs.of_embedded(), *map(Path, os.get_exec_path()), *(Path(each.format(major)) for each in INSTALLED)]
    for folder in filter(None, places):
        if all((folder / name).is_file() for name in NEEDED) and programs.major(folder) == major:
            return folder
    raise BackupError(
        f"a physical backup of PostgreSQL {major} is started by that version alone, and no server of it is on the "
        "search path; `./vpb backup` makes backups that a newer one takes"
    )


def chosen(place: Place, id: str | None, at: datetime | None) -> Backup:
    """The backup that is named, else the newest; with an instant the newest from before.

    :raises BackupError: where there is none
    """
    if id is None and at is not None:
        fits = (
            each for each in checking.listed(place, PHYSICAL) if datetime.fromisoformat(each.summary.taken_at) <= at
        )
        if not (found := next(fits, None)):
            raise BackupError(f"{place.label}: has no complete physical backup from before {at.isoformat()}")
        return found
    found = checking.named(place, id, PHYSICAL)
    if at is not None and at < (taken := datetime.fromisoformat(found.summary.taken_at)):
        raise BackupError(
            f"backup {found.id}: is whole from {taken.isoformat()} on, and --at names {at.isoformat()}; "
            "an older backup may go there"
        )
    return found


def _written(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)
