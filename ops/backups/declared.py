"""The declared bucket for backups, whose writer adds and lists and can neither read nor delete."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, Any

from declared.backups import CLASSES, WAL
from ops.backups.errors import BadBackup
from ops.backups.manifest import BASE, ID, SUMMARY
from ops.backups.places import Bucket, Writer

# The same in an id: when the backup was taken.
MOMENT = "%Y%m%dT%H%M%SZ"


@dataclass
class Declared:
    """A prefix for each class of backups; a class is kept as long as its lifecycle rule says.

    A backup is of the class with the longest period in which there is no complete one yet: so the first of a month
    stays as long as a monthly one, also where another day's is the first.
    """

    s3: Any
    bucket: str
    retention: Mapping[str, int]
    """Class → days; of these is what is made."""
    _of: dict[str, str] = field(default_factory=dict)
    """Backup → its class."""

    @property
    def label(self) -> str:
        return f"s3://{self.bucket}/"

    @contextmanager
    def create(self, name: str) -> Iterator[Writer]:
        with self._where(name).create(name) as out:
            yield out

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        id = name.partition("/")[0]
        if id == WAL:
            with self._all.open(name) as found:
                yield found
            return
        if id not in self._of:
            self.backups()
        if id not in self._of:
            raise BadBackup(f"{name.rpartition('/')[2]}: isn't there")
        with self._at(self._of[id]).open(name) as found:
            yield found

    def backups(self) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        # A class that isn't declared any more has backups until its rule ends them.
        for kind in CLASSES:
            of_kind = self._at(kind).backups()
            self._of |= dict.fromkeys(of_kind, kind)
            found |= of_kind
        return found

    def has(self, name: str) -> bool:
        if name.startswith(f"{WAL}/"):
            return any(entry["Key"] == name for entry in self._all.entries(name))
        # Who may not read an object isn't told about it, but in a list.
        return any(
            entry["Key"] == f"{kind}/{name}" for kind in CLASSES for entry in self._at(kind).entries(f"{kind}/{name}")
        )

    def remove(self, backup: str) -> None:
        """Nothing: what never ended goes with its class, when the lock has ended."""

    def days_kept(self, backup: str) -> int:
        return self.retention[self._class(backup)]

    def names(self, folder: str) -> Iterator[str]:
        return self._all.names(folder)

    def discard(self, name: str) -> None:
        """Nothing: WAL goes by its lifecycle rule."""

    def newest(self) -> datetime | None:
        """When the newest complete backup was taken."""
        return max((_moment(id) for kind in CLASSES for id in self._complete(kind)), default=None)

    @property
    def _all(self) -> Bucket:
        return Bucket(self.s3, self.bucket)

    def _where(self, name: str) -> Bucket:
        id, _, part = name.partition("/")
        return self._all if id == WAL else self._at(self._class(id, part.startswith(BASE)))

    def _class(self, id: str, physical: bool = False) -> str:
        """The class of a backup that is under way, which is settled before its sessions share its parts."""
        if id not in self._of:
            self._of[id] = self._next(_moment(id), physical)
        return self._of[id]

    def _next(self, now: datetime, physical: bool) -> str:
        *longer, shortest = sorted(self.retention, key=lambda kind: CLASSES[kind], reverse=True)
        for kind in longer:
            if not any(_period(kind, _moment(id)) == _period(kind, now) for id in self._complete(kind, physical)):
                return kind
        return shortest

    def _complete(self, kind: str, physical: bool | None = None) -> Iterator[str]:
        """Those of a class; of logical and physical ones each has a newest of its own."""
        based = set()
        for entry in self._at(kind).entries(f"{kind}/"):
            id, _, name = entry["Key"].removeprefix(f"{kind}/").partition("/")
            # A summary comes after the parts, in the order of keys too.
            if name.startswith(BASE):
                based.add(id)
            if name == SUMMARY and ID.fullmatch(id) and physical in (None, id in based):
                yield id

    def _at(self, kind: str) -> Bucket:
        return Bucket(self.s3, self.bucket, f"{kind}/")


def _moment(id: str) -> datetime:
    return datetime.strptime(id.partition("-")[0], MOMENT).replace(tzinfo=UTC)


def _period(kind: str, moment: datetime) -> tuple[int, int]:
    """The week, by ISO 8601, or the month that a moment is in."""
    year, week, _ = moment.isocalendar()
    return (year, week) if kind == "weekly" else (moment.year, moment.month)
