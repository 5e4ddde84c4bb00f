"""The cleaner's job: find what nobody needs, then remove it, the file always before what says that it must go.

It can be killed anywhere and run beside itself: files are deleted by version, rows by version too, and what was deleted
already is nothing to either.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from uuid import UUID

from visual_prompt_builder.uploads import FINISHED

from declared import objectlayout
from declared.errors import UserError
from ops.storage.cleaning.edge import MANY, Edge
from ops.storage.cleaning.files import PAGE, Files, Version, batched
from ops.storage.cleaning.instants import Instants
from ops.storage.cleaning.kept import Kept, KeyParts, key_parts
from ops.storage.cleaning.rows import Doomed, Row, Rows
from ops.storage.scanning.file import QUARANTINE

# How much of the CDN is in the tally: paths, and files that wait for it.
INVALIDATED, WAITING = "invalidated at the CDN", "waiting for the CDN"
# What would go and is named by a backup.
HELD = "kept for backups"
# How long to wait for the CDN, which takes so much at a time.
PATIENCE_SECONDS, PAUSE_SECONDS = 45.0, 3.0
# More than half of everything, and more than this, is rather the wrong bucket or the wrong database.
UNSUSPICIOUS = 100


class CleanError(UserError):
    """What was found can't be right; the text is one line."""


@dataclass(frozen=True)
class Ages:
    """How old something must be to go."""

    grace: timedelta = timedelta(hours=24)
    """Of a file without row, or a row without file: it may only just be on its way."""
    versions: timedelta = timedelta(days=30)
    uploads: timedelta = timedelta(days=7)

    def of(self, version: Version) -> timedelta:
        """Of a file without row: what came in parts is dated by its beginning, and may have just ended."""
        return self.grace + (self.uploads if version.parts else timedelta())


@dataclass
class Found:
    """How much of one kind there is, or was."""

    objects: int = 0
    bytes: int = 0


@dataclass
class Job:
    """One cleaner; dry, it only counts."""

    rows: Rows
    files: Files
    ages: Ages = Ages()
    dry: bool = False
    force: bool = False
    retention: Mapping[str, timedelta] = field(default_factory=dict)
    """How long a bucket keeps what was last written; one that isn't here keeps it until it is deleted."""
    edge: Edge | None = None
    """The CDN that may remember what is deleted."""
    tally: dict[str, Found] = field(default_factory=dict)
    _for_good: bool = False
    """Whether what backups name goes too."""

    @property
    def tenant(self) -> str:
        return self.files.store.tenant + "/"

    @property
    def uploads(self) -> str:
        """Below it lies what forms and parts send, until it is taken over."""
        return f"{objectlayout.UPLOADS}/{self.tenant}"

    def run(self) -> dict[str, Found]:
        """All of it; then what is left and counts beside the rows is noted. What backups name stays.

        :raises CleanError: where more would go than can be right
        """
        self._deleted()
        self._abandoned()
        self._expired()
        self._quarantine()
        kept = Kept()
        for prefix in (self.tenant, self.uploads):
            self._unfinished(prefix, self.ages.uploads, kept)
        self._sent(kept)
        self._quarantined(self._orphans(kept), kept)
        self.forget()
        if not self.dry:
            self.rows.note_kept(kept.bytes)
            self.rows.forget_nobody()
        return self.tally

    def _instants(self) -> Instants:
        """Asked before each batch: a backup may begin meanwhile."""
        return Instants() if self._for_good else Instants(self.rows.kept_instants())

    def _delete(self, versions: Iterable[Version]) -> None:
        self.files.delete(versions, lambda: self._instants().hold)

    def forget(self) -> None:
        """Invalidate at the CDN what is served no longer, also what went by the Storage API, a move or an upsert.

        CloudFront takes so much at a time; what is left after a while stays queued.
        """
        self._note(INVALIDATED)
        until = time.monotonic() + PATIENCE_SECONDS
        while not self.dry and self.edge is not None and (ended := self.rows.unserved()):
            paths, sent = self.edge.forget(set(ended.values()))
            self._note(INVALIDATED, paths)
            self.rows.finish_unserved([id for id, version in ended.items() if version in sent])
            left = sum(version not in sent for version in ended.values())
            if left and time.monotonic() >= until:
                self._note(WAITING, left)
                return
            if left:
                time.sleep(PAUSE_SECONDS)

    def empty(self, bucket: str) -> dict[str, Found]:
        """All files of a bucket with their versions, those too that backups name, then their rows.

        What is stored meanwhile stays.
        """
        self._for_good = True
        self._note("emptied")
        for batch in batched(self.rows.expired(bucket, timedelta())):
            self._remove("emptied", batch)
        prefix = f"{self.tenant}{bucket}/"
        for begun in (prefix, f"{self.uploads}{bucket}/"):
            self._unfinished(begun, timedelta())
        self._note("orphaned files")
        for found in batched(self.files.keys(prefix)):
            by_key = {each[0].key: where for each in found if (where := key_parts(each[0].key, self.tenant))}
            known = self.rows.known(by_key.values())
            placed = [each for versions in found for each in versions if each.key in by_key]
            orphans = [each for each in placed if by_key[each.key].version not in known]
            self._note("orphaned files", len({each.key for each in orphans}), _bytes(orphans))
            if not self.dry:
                self._delete_orphans(orphans)
        self.forget()
        return self.tally

    def remove_larger(self, bucket: str, limit: int) -> dict[str, Found]:
        """The files of a bucket that have more bytes than a limit, with their versions, then their rows."""
        self._note("too large")
        for batch in batched(self.rows.larger(bucket, limit)):
            self._remove("too large", batch)
        self.forget()
        return self.tally

    def _deleted(self) -> None:
        """What the queue says: recordings that were deleted, with their project or alone, and what people left."""
        self._note("deleted")
        if self.dry:
            for batch in batched(self.rows.waiting()):
                self._remove("deleted", self._unrecorded(batch))
            return
        while batch := self.rows.take(PAGE):
            self._remove("deleted", self._unrecorded(batch))
            self.rows.finish(batch)

    def _unrecorded(self, batch: Iterable[Doomed]) -> Iterator[Doomed]:
        """Without what was queued with a recording and is another one's by now."""
        recorded = self.rows.recorded(batch)
        return (each for each in batch if (each.bucket_id, each.name) not in recorded)

    def _abandoned(self) -> None:
        """What nobody has queued: it was stored for who had left by then, or for who never was there."""
        self._note("in nobody's folder")
        # After a bucket's access has changed, folders of projects are people's who aren't there.
        self._suspect("files in nobody's folder", self.rows.count_abandoned(self.ages.grace), self.rows.count())
        if self.dry:
            waiting = {(each.bucket_id, each.name) for each in self.rows.waiting()}
            found = self.rows.abandoned(self.ages.grace)
            self._remove("in nobody's folder", [each for each in found if (each.bucket_id, each.name) not in waiting])
            return
        done = set[UUID]()
        # What comes again can't be deleted now; another night.
        while batch := [each for each in self.rows.abandoned(self.ages.grace) if each.id not in done]:
            self._remove("in nobody's folder", batch)
            done |= {each.id for each in batch}

    def _expired(self) -> None:
        self._note("expired")
        for bucket, age in self.retention.items():
            for batch in batched(self.rows.expired(bucket, age)):
                self._remove("expired", batch)

    def _remove(self, kind: str, batch: Iterable[Doomed]) -> None:
        """Objects with all their versions, then their rows; what was stored again since they were doomed stays."""
        doomed = {(each.bucket_id, each.name): each for each in sorted(batch, key=lambda each: each.before)}
        gone, kept, is_held = list[Version](), set[str](), self._instants().hold
        for version in self._stored(doomed.values()):
            bucket, name, stored = key_parts(version.key, self.tenant) or ("", "", "")
            if (bucket, name) not in doomed:
                continue
            if version.changed <= doomed[bucket, name].before:
                gone.append(version)
            else:
                kept.add(stored)
        self._note(kind, len(doomed), _bytes(each for each in gone if not is_held(each)))
        self._note_held([each for each in gone if is_held(each)])
        if not self.dry:
            versions = self._deleted_files(gone)
            self.rows.delete(row for row in self.rows.at(doomed.values()) if row.version not in kept)
            self._invalidate(versions)

    def _deleted_files(self, gone: list[Version]) -> set[KeyParts]:
        """Delete these; which of them the CDN serves, which may have fetched them again since their rows ended."""
        # Queued before: nothing else names them to the next cleaner, should this one be killed.
        served = self.rows.unserve({parts for version in gone if (parts := key_parts(version.key, self.tenant))})
        self._delete(gone)
        return served

    def _invalidate(self, gone: set[KeyParts]) -> None:
        """At once, since their files are gone; what doesn't fit now stays queued."""
        if self.edge and gone:
            paths, sent = self.edge.forget(gone)
            self._note(INVALIDATED, paths)
            self.rows.finish_gone(sent)

    def _stored(self, doomed: Iterable[Doomed]) -> Iterator[Version]:
        folders = sorted(doomed, key=_folder)
        for folder, group in groupby(folders, key=_folder):
            members = list(group)
            names = [f"{each.bucket_id}/{each.name}/" for each in members]
            # Listed once instead of each of them.
            for prefix in [folder] if len(members) > MANY else names:
                for versions in self.files.keys(self.tenant + prefix):
                    yield from versions

    def _quarantine(self) -> None:
        """What was found harmful is kept while its person or project is there to ask."""
        self._note("quarantine")
        for where in (where for where, abandoned in self.rows.quarantine().items() if abandoned):
            key = QUARANTINE + self.tenant + "/".join(where)
            self._forget(where, [each for found in self.files.keys(key) for each in found if each.key == key])

    def _forget(self, where: tuple[str, str, str], versions: list[Version]) -> None:
        self._note("quarantine", 1, _bytes(versions))
        if not self.dry:
            self.files.delete(versions)
            self.rows.forget(*where)

    def _unfinished(self, prefix: str, age: timedelta, kept: Kept | None = None) -> None:
        self._note("unfinished uploads")
        for key, upload, begun in self.files.unfinished(prefix):
            if begun < datetime.now(UTC) - age:
                self._note("unfinished uploads", 1)
                if not self.dry:
                    self.files.abort(key, upload)
            elif kept:
                kept.add(key_parts(key, prefix), self.files.sent(key, upload))

    def _sent(self, kept: Kept) -> None:
        """What was sent by forms and in parts, taken over or not: of what was taken over there is a copy."""
        self._note("sent by forms")
        for batch in batched(self.files.keys(self.uploads)):
            gone = list[Version]()
            for versions in batch:
                if versions[0].changed < datetime.now(UTC) - self._sent_age(versions[0]):
                    gone += versions
                else:
                    kept.add(key_parts(versions[0].key, self.uploads), _bytes(versions))
            self._note("sent by forms", len({version.key for version in gone}), _bytes(gone))
            if not self.dry:
                self.files.delete(gone)

    def _sent_age(self, version: Version) -> timedelta:
        """The mark that something was taken over stays at least as long as that."""
        return self.ages.of(replace(version, parts=True) if version.key.endswith(FINISHED) else version)

    def _quarantined(self, seen: set[str], kept: Kept) -> None:
        """What is left in quarantine; its row counts it, where there is one and no file in its place.

        What has no row any more is kept as long as other deleted files are, and then goes with its verdict.
        """
        prefix = QUARANTINE + self.tenant
        for batch in batched(self.files.keys(prefix)):
            by_key = {found[0].key: where for found in batch if (where := key_parts(found[0].key, prefix))}
            known = self.rows.known(by_key.values())
            for versions in batch:
                if not (where := by_key.get(versions[0].key)):
                    continue
                if where.version not in known and versions[0].changed < datetime.now(UTC) - self.ages.versions:
                    self._forget(where, versions)
                    continue
                counts = where.version in known and where.version not in seen and not versions[0].marker
                kept.add(where, _bytes(versions) - (known[where.version] if counts else 0))

    def _orphans(self, kept: Kept) -> set[str]:
        """Files without a row, rows without a file, and replaced versions: all of the bucket is read.

        The versions of rows whose file is there.
        """
        orphans, old = list[Version](), list[Version]()
        # By folder: all keys, and those whose file is the one of a row.
        seen, keys, shown_in = set[str](), Counter[str](), Counter[str]()
        for batch in batched(self.files.keys(self.tenant)):
            by_key = {found[0].key: where for found in batch if (where := key_parts(found[0].key, self.tenant))}
            known, instants = self.rows.known(by_key.values()), self._instants()
            for versions in batch:
                keys[self._folder(versions[0])] += 1
                if not (where := by_key.get(versions[0].key)):
                    continue
                shown = where.version in known and not versions[0].marker
                seen |= {where.version} if shown else set()
                shown_in[self._folder(versions[0])] += shown
                said = known[where.version] if shown else 0
                if where.version in known:
                    old += self._going(gone := list(self._old(versions)), instants)
                else:
                    orphans += self._going(gone := self._orphaned(versions), instants)
                # What only a backup holds counts for no one.
                kept.add(where, _bytes(versions) - said - _bytes(gone))
        self._remove_orphans(self._trusted(orphans, keys, shown_in, kept), old, self._lost(seen))
        return seen

    def _remove_orphans(self, orphans: list[Version], old: list[Version], lost: list[Row]) -> None:
        self._suspect("rows without a file", len(lost), self.rows.count())
        self._note("orphaned files", len({version.key for version in orphans}), _bytes(orphans))
        self._note("old versions", len(old), _bytes(old))
        self._note("orphaned rows", len(lost), sum(row.bytes for row in lost))
        if not self.dry:
            self._delete_orphans(orphans)
            self._delete(old)
            self._delete_lost(lost)

    def _trusted(self, orphans: list[Version], keys: Counter[str], shown: Counter[str], kept: Kept) -> list[Version]:
        """What of the files without a row may go: not those of one folder that are most of all files.

        Somebody's refused uploads are in one folder, and the other folders show that bucket and database belong
        together. Then the other ones go, and these stay and count for who pays.
        """
        found = Counter(self._folder(version) for version in {version.key: version for version in orphans}.values())
        if not found or not self._is_suspicious(found.total(), keys.total()):
            return orphans
        ((folder, most),) = found.most_common(1)
        if shown.total() == shown[folder]:
            self._suspect("files without a row", found.total(), keys.total())
        self._suspect("files without a row", found.total() - most, keys.total() - keys[folder])
        left = [version for version in orphans if self._folder(version) == folder]
        for version in left:
            kept.add(key_parts(version.key, self.tenant), version.bytes)
        self._note("left without --force", most, _bytes(left))
        return [version for version in orphans if self._folder(version) != folder]

    def _folder(self, version: Version) -> str:
        return "/".join(version.key.removeprefix(self.tenant).split("/")[:2])

    def _lost(self, seen: set[str]) -> list[Row]:
        """Rows of no version that was seen. What is in quarantine has none, and is its owner's to delete."""
        rows = [row for row in self.rows.stale(self.ages.grace) if row.version not in seen]
        quarantined = self.rows.quarantine()
        return [row for row in rows if (row.bucket_id, row.name, row.version) not in quarantined]

    def _cutoff(self, newest: Version) -> datetime:
        # Deleted in the store alone, which somebody may want to undo.
        return datetime.now(UTC) - (self.ages.versions if newest.marker else self.ages.of(newest))

    def _orphaned(self, versions: list[Version]) -> list[Version]:
        return versions if versions[0].changed < self._cutoff(versions[0]) else []

    def _going(self, versions: list[Version], instants: Instants) -> list[Version]:
        """Those of them that go, or that a delete marker is to hide first."""
        self._note_held([each for each in versions if instants.hold(each)])
        return [each for each in versions if not instants.leave(each)]

    def _note_held(self, versions: list[Version]) -> None:
        self._note(HELD, len({each.key for each in versions}), _bytes(versions))

    def _old(self, versions: list[Version]) -> Iterator[Version]:
        for newer, version in pairwise(versions):
            if newer.changed < datetime.now(UTC) - self.ages.versions:
                yield version

    def _delete_orphans(self, orphans: list[Version]) -> None:
        for batch in batched(orphans):
            # Reading the bucket takes a while: somebody may have written the row since.
            by_key = {version.key: where for version in batch if (where := key_parts(version.key, self.tenant))}
            known = self.rows.known(by_key.values())
            self._invalidate(self._deleted_files([each for each in batch if by_key[each.key].version not in known]))

    def _delete_lost(self, lost: list[Row]) -> None:
        for batch in batched(lost):
            self.rows.delete(
                row
                for row in batch
                if not any(
                    not versions[0].marker
                    for versions in self.files.keys(f"{self.tenant}{row.bucket_id}/{row.name}/{row.version}")
                )
            )

    def _suspect(self, what: str, found: int, all: int) -> None:
        if self._is_suspicious(found, all):
            raise CleanError(
                f"{found} of {all} are {what}: is this the right object bucket and the right database? "
                "nothing of it was removed; --force removes it"
            )

    def _is_suspicious(self, found: int, all: int) -> bool:
        return found > UNSUSPICIOUS and found * 2 > all and not (self.force or self.dry)

    def _note(self, kind: str, objects: int = 0, bytes: int = 0) -> None:
        found = self.tally.setdefault(kind, Found())
        found.objects += objects
        found.bytes += bytes


def _folder(each: Doomed) -> str:
    return f"{each.bucket_id}/{each.name.partition('/')[0]}/"


def _bytes(versions: Iterable[Version]) -> int:
    return sum(version.bytes for version in versions)
