"""A backup read again, without a server: whether it is the one that was written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ops.backups import sealing
from ops.backups.basemanifest import BaseManifest
from ops.backups.basemanifest import part as file_part
from ops.backups.errors import BackupError, BadBackup, blamed
from ops.backups.manifest import ID, LOGICAL, MANIFEST, PHYSICAL, SUMMARY, Manifest, Part, Summary
from ops.backups.places import Place

# Of a summary; one that is larger is none.
LONGEST = 64 << 20


@dataclass(frozen=True)
class Backup:
    """One backup that is complete, by its summary."""

    place: Place
    summary: Summary

    @property
    def id(self) -> str:
        return self.summary.id

    def manifest(self, identities: Sequence[Any]) -> Manifest:
        """That of a logical one.

        :raises BackupError: where it is a physical one
        :raises BadBackup: where it can't be opened, or isn't the one of this backup
        """
        of_kind(self, LOGICAL)
        with blamed(self.id):
            manifest = Manifest.read(self._opened(identities))
            self._compare(manifest.id, Summary.of(manifest, self._own))
        return manifest

    def base(self, identities: Sequence[Any]) -> BaseManifest:
        """That of a physical one.

        :raises BackupError: where it is a logical one
        :raises BadBackup: where it can't be opened, or isn't the one of this backup
        """
        of_kind(self, PHYSICAL)
        with blamed(self.id):
            manifest = BaseManifest.read(self._opened(identities))
            self._compare(manifest.id, manifest.summary(self._own))
        return manifest

    def part(self, part: Part, identities: Sequence[Any]) -> Iterator[bytes]:
        """
        :raises BadBackup: where it isn't the one that was written, or none of the identities opens it
        """
        with blamed(self.id):
            yield from sealing.unseal(self.place, self.id, part, identities)

    @property
    def _own(self) -> Part:
        size, sha256 = self.summary.parts[MANIFEST]
        return Part(MANIFEST, size, sha256, 0, "")

    def _opened(self, identities: Sequence[Any]) -> bytes:
        own = self._own
        return sealing.unsealed(self.place, self.id, MANIFEST, own.bytes, own.sha256, identities)

    def _compare(self, id: str, summary: Summary) -> None:
        if id != self.id:
            raise BadBackup(f"{MANIFEST}: is that of backup {id}")
        if summary != self.summary:
            raise BadBackup(f"{MANIFEST}: says something else than {SUMMARY}")


READERS = {
    LOGICAL: "./vpb restore-drill and ./vpb restore environment, project, person and table",
    PHYSICAL: "./vpb restore-drill --physical, ./vpb backups at and ./vpb restore server",
}


def of_kind(backup: Backup, kind: str) -> Backup:
    """
    :raises BackupError: where it is of the other one
    """
    if backup.summary.kind != kind:
        raise BackupError(
            f"backup {backup.id}: is a {backup.summary.kind} one, which is for {READERS[backup.summary.kind]}"
        )
    return backup


def listed(place: Place, kind: str | None = None) -> list[Backup]:
    """The backups that are complete, of a kind or of both, the newest first; a damaged summary is left out."""
    return [each for each in summaries(place)[0] if kind in (None, each.summary.kind)]


@dataclass(frozen=True)
class Unreadable:
    """A backup with a damaged summary."""

    id: str
    wrong: str
    """What is wrong with it, in a line."""
    physical: bool
    """Whether it has files of a server."""

    def as_dict(self) -> dict[str, str]:
        """As it stands among summaries."""
        return {"id": self.id, "state": "damaged", "wrong": self.wrong}


def summaries(place: Place) -> tuple[list[Backup], list[Unreadable]]:
    """What there is of both kinds, the newest first; those whose summary is damaged are named."""
    found, damaged = list[Backup](), list[Unreadable]()
    for id in sorted(filter(ID.fullmatch, place.backups()), reverse=True):
        if place.has(f"{id}/{SUMMARY}"):
            try:
                found.append(named(place, id, None))
            except BadBackup as error:
                damaged.append(Unreadable(id, str(error), place.has(f"{id}/{file_part(1)}")))
    return found, damaged


def newest(place: Place, kind: str | None = LOGICAL) -> Backup:
    """The newest of a kind, or of either.

    :raises BackupError: where there is none
    :raises BadBackup: where its summary is damaged, or that of a newer one
    """
    for id in sorted(filter(ID.fullmatch, place.backups()), reverse=True):
        if place.has(f"{id}/{SUMMARY}") and kind in (None, (found := named(place, id, None)).summary.kind):
            return found
    if kind != PHYSICAL:
        raise BackupError(f"{place.label}: there is no backup; `./vpb backup` makes one")
    raise BackupError(f"{place.label}: there is no physical backup; `./vpb backup --physical` makes one")


def named(place: Place, id: str | None, kind: str | None = LOGICAL) -> Backup:
    """One backup; without an id the newest.

    Args:
        kind: logical or physical; None is either.

    :raises BackupError: where there is none, or it is of the other kind
    :raises BadBackup: where its summary is damaged
    """
    if id is None:
        return newest(place, kind)
    if not ID.fullmatch(id) or not place.has(f"{id}/{SUMMARY}"):
        raise BackupError(f"backup {id}: there is no complete one of this name in {place.label}")
    with blamed(id), place.open(f"{id}/{SUMMARY}") as found:
        backup = Backup(place, Summary.read(found.read(LONGEST), id))
    return of_kind(backup, kind) if kind else backup


def verify(backup: Backup, identities: Sequence[Any] = ()) -> list[str]:
    """What is wrong with a backup, a line for each part; with identities what is encrypted is looked at too."""
    wrong = list[str]()
    manifest: Manifest | BaseManifest | None = None
    if identities:
        try:
            physical = backup.summary.kind == PHYSICAL
            manifest = backup.base(identities) if physical else backup.manifest(identities)
        except BadBackup as error:
            wrong.append(str(error))
    for part in manifest.parts if manifest else ():
        try:
            for _ in backup.part(part, identities):
                pass
        except BadBackup as error:
            wrong.append(str(error))
    if manifest is None:
        for name, (size, sha256) in backup.summary.parts.items():
            try:
                with blamed(backup.id):
                    sealing.stored(backup.place, backup.id, name, size, sha256)
            except BadBackup as error:
                wrong.append(str(error))
    return list(dict.fromkeys(wrong))
