"""A backup read again, without a server: whether it is the one that was written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ops.backups import sealing
from ops.backups.errors import BackupError, BadBackup
from ops.backups.manifest import ID, MANIFEST, SUMMARY, Manifest, Part, Summary
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
        """
        :raises BadBackup: where it can't be opened, or isn't the one of this backup
        """
        size, sha256 = self.summary.parts[MANIFEST]
        manifest = Manifest.read(sealing.unsealed(self.place, self.id, MANIFEST, size, sha256, identities))
        if manifest.id != self.id:
            raise BadBackup(f"{MANIFEST}: is that of backup {manifest.id}")
        if Summary.of(manifest, Part(MANIFEST, size, sha256, 0, "")) != self.summary:
            raise BadBackup(f"{MANIFEST}: says something else than {SUMMARY}")
        return manifest


def listed(place: Place) -> list[Backup]:
    """The backups that are complete, the newest first; a damaged summary is left out."""
    found = []
    for id in sorted(filter(ID.fullmatch, place.backups()), reverse=True):
        if place.has(f"{id}/{SUMMARY}"):
            try:
                found.append(named(place, id))
            except BadBackup:
                continue
    return found


def named(place: Place, id: str | None) -> Backup:
    """One backup; without an id the newest.

    :raises BackupError: where there is none
    :raises BadBackup: where its summary is damaged
    """
    if id is None:
        newest = max(
            (each for each in place.backups() if ID.fullmatch(each) and place.has(f"{each}/{SUMMARY}")), default=None
        )
        if newest is None:
            raise BackupError(f"{place.label}: there is no backup; `./vpb backup` makes one")
        id = newest
    if not ID.fullmatch(id) or not place.has(f"{id}/{SUMMARY}"):
        raise BackupError(f"backup {id}: there is no complete one of this name in {place.label}")
    with place.open(f"{id}/{SUMMARY}") as found:
        return Backup(place, Summary.read(found.read(LONGEST), id))


def verify(backup: Backup, identities: Sequence[Any] = ()) -> list[str]:
    """What is wrong with a backup, a line for each part; with identities what is encrypted is looked at too."""
    wrong, manifest = list[str](), None
    if identities:
        try:
            manifest = backup.manifest(identities)
        except BadBackup as error:
            wrong.append(str(error))
    for part in manifest.parts if manifest else ():
        try:
            for _ in sealing.unseal(backup.place, backup.id, part, identities):
                pass
        except BadBackup as error:
            wrong.append(str(error))
    if manifest is None:
        for name, (size, sha256) in backup.summary.parts.items():
            try:
                sealing.stored(backup.place, backup.id, name, size, sha256)
            except BadBackup as error:
                wrong.append(str(error))
    return list(dict.fromkeys(wrong))
