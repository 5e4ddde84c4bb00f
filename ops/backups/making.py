"""A whole backup: every part, then the manifest, then the summary, without which there is none."""

import os
import queue
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from visual_prompt_builder.signing import Store

from ops.backups import files, instants, programs, sealing, source
from ops.backups.manifest import FILES, ID, MANIFEST, ROLES, SCHEMA, SUMMARY, Manifest, Part, Summary, Table, new_id
from ops.backups.places import Place
from ops.backups.source import Found, Source
from ops.database import Connection

# Somebody else's backup may be under way; after so long it isn't.
LEFTOVER = timedelta(days=1)
# The login `backup` has five connections: these, the first, and pg_dump.
MOST_JOBS = 3
Progress = Callable[[str], None]


@dataclass
class Making:
    """What a backup is made with."""

    stack: str
    url: str
    place: Place
    recipients: Sequence[Any]
    store: Store | None = None
    """The object store; without one, which files there are isn't said."""
    jobs: int = field(default_factory=lambda: min(MOST_JOBS, max(2, os.cpu_count() or 1)))
    progress: Progress = lambda message: None
    keep_days: int | None = None
    """How long it is kept, where its place doesn't say."""
    of: datetime | None = None
    """The instant that the database is of, where a server was recovered to it; else it is that of the snapshot."""
    note_url: str = ""
    """Of the login `backup` where the instant is noted, where that is another database."""

    def run(self) -> Summary:
        """Make a backup.

        :raises BackupError: where not all of it can be; then there is none
        """
        remove_leftovers(self.place)
        with source.opened(self.url, self.jobs) as found:
            taken_at = (self.of or found.taken_at).astimezone(UTC)
            id = new_id(taken_at)
            days = self.place.days_kept(id) or self.keep_days or instants.DAYS
            try:
                with instants.kept(self.note_url or self.url, id, taken_at, days, self.place.label) as noted:
                    return self._write(id, found, noted)
            except BaseException:
                # What can't be removed now has no summary, and goes with the leftovers.
                with suppress(Exception):
                    self.place.remove(id)
                raise

    def _write(self, id: str, found: Source, noted: bool) -> Summary:
        manifest = self._structure(id, found)
        self._files(manifest, found)
        if manifest.files is not None and not noted:
            manifest.left_out.append("that the files are kept: this database has no function ops.keep_instant")
        manifest.tables = self._tables(id, found)
        own = self._seal(id, MANIFEST, [manifest.as_json()])
        summary = Summary.of(manifest, own)
        with self.place.create(f"{id}/{SUMMARY}") as out:
            out.write(summary.as_json())
        return summary

    def _seal(self, id: str, name: str, blocks: Any) -> Part:
        return sealing.seal(self.place, id, name, blocks, self.recipients)

    def _structure(self, id: str, found: Source) -> Manifest:
        self.progress("structure and roles")
        version = found.first.info.server_version
        folder = programs.found(version)
        manifest = Manifest(
            id=id,
            stack=self.stack,
            taken_at=(self.of or found.taken_at).astimezone(UTC).isoformat(),
            database=found.first.info.dbname,
            server_version=version,
            schema=self._seal(id, SCHEMA, programs.schema(folder, self.url, found.snapshot)),
            roles=self._seal(id, ROLES, programs.roles(folder, self.url)),
        )
        found.describe(manifest)
        return manifest

    def _files(self, manifest: Manifest, found: Source) -> None:
        if self.store is None or found.first.execute(files.STORED).fetchone() != (True,):
            manifest.left_out.append("which stored files rows name: there is no object store to ask")
            return
        self.progress("stored files")
        listed = files.Listed(found.first, self.store)
        manifest.files = self._seal(manifest.id, FILES, listed)
        manifest.file_count = listed.count

    def _tables(self, id: str, found: Source) -> list[Table]:
        copying = _Copying(self, id, found.tables)
        workers = [threading.Thread(target=copying.work, args=(session,)) for session in found.sessions[1:]]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if copying.failed:
            raise copying.failed[0]
        return [copying.table(number) for number in range(len(found.tables))]


class _Copying:
    """Parts of tables, which several sessions take one after the other, the largest tables first."""

    def __init__(self, making: Making, id: str, tables: Sequence[Found]) -> None:
        self._making, self._id, self._tables = making, id, tables
        self._todo: queue.SimpleQueue[tuple[int, int, str]] = queue.SimpleQueue()
        self._done: dict[tuple[int, int], tuple[Part, int, int]] = {}
        self.failed: list[BaseException] = []
        every = [(table, number) for table, each in enumerate(tables) for number in range(len(each.ranges))]
        for order, (table, number) in enumerate(every, start=1):
            self._todo.put((table, number, f"data-{order:06}.age"))

    def work(self, session: Connection) -> None:
        """Until nothing is left, or something has failed."""
        try:
            while not self.failed:
                table, number, name = self._todo.get_nowait()
                found = self._tables[table]
                self._making.progress(f"{found.schema}.{found.name}")
                count, total = source.checksum(session, found, number)
                part = self._making._seal(self._id, name, source.copied(session, found, number))
                self._done[table, number] = (part, count, total)
        except queue.Empty:
            return
        except BaseException as error:
            self.failed.append(error)

    def table(self, number: int) -> Table:
        """A table whose parts are all written."""
        found = self._tables[number]
        done = [self._done[number, part] for part in range(len(found.ranges))]
        rows, checksum = sum(count for _, count, _ in done), sum(total for _, _, total in done)
        return Table(found.schema, found.name, found.columns, rows, str(checksum), [part for part, _, _ in done])


def remove_leftovers(place: Place) -> list[str]:
    """What was begun a day ago or longer, and has no summary: a backup that was killed."""
    since = datetime.now(UTC) - LEFTOVER
    gone = []
    for id, changed in place.backups().items():
        if re.fullmatch(ID, id) and changed < since and not place.has(f"{id}/{SUMMARY}"):
            place.remove(id)
            gone.append(id)
    return gone
