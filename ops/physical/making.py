"""The files of a whole server, as pg_basebackup sends them: sealed on the way, and kept nowhere else."""

import re
import secrets
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ops.backups import basemanifest, checking, instants, programs, sealing
from ops.backups.basemanifest import BaseManifest, Range
from ops.backups.errors import BackupError
from ops.backups.making import remove_leftovers
from ops.backups.manifest import MANIFEST, PHYSICAL, SUMMARY, Part, Summary, new_id
from ops.backups.places import Place
from ops.database import Connection
from ops.physical import segments, server
from ops.physical.archive import Archive

# An object at S3 has 10,000 parts of 16 MiB at most; a file of tar may be longer.
PART_BYTES = 64 << 30
# What pg_basebackup says of where it begins and ends.
STARTS = re.compile(rb"write-ahead log start point: ([0-9A-F]+/[0-9A-F]+) on timeline (\d+)")
ENDS = re.compile(rb"write-ahead log end point: ([0-9A-F]+/[0-9A-F]+)")
COMMAND = (
    "-D",
    "-",
    "-Ft",
    "-X",
    "fetch",
    "-c",
    "fast",
    "--manifest-checksums=SHA256",
    "--no-estimate-size",
    "-v",
    "-w",
)
Progress = Callable[[str], None]


@dataclass
class Basing:
    """What a physical backup is made with."""

    stack: str
    url: str
    """Of a login that may read WAL."""
    place: Place
    recipients: Sequence[Any]
    note_url: str | None = None
    """Of the login `backup`, where the instant is noted; None notes it nowhere."""
    keep_days: int | None = None
    progress: Progress = lambda message: None

    def run(self) -> Summary:
        """Make one.

        :raises BackupError: where it can't be made; then there is none
        """
        remove_leftovers(self.place)
        with ExitStack() as stack:
            session = stack.enter_context(server.opened(self.url))
            facts = server.facts(session)
            if spaces := server.tablespaces(session):
                raise BackupError(
                    f"tablespace {spaces[0]}: lies outside the data directory, which a physical backup doesn't take; "
                    "`./vpb backup` takes its rows"
                )
            # Until the session ends: what the files need at their end has to be there still.
            server.keep_for_now(session, f"vpb_base_{secrets.token_hex(4)}")
            began = server.now(session)
            id = new_id(began)
            try:
                return self._write(id, session, facts, began)
            except BaseException:
                with suppress(Exception):
                    self.place.remove(id)
                raise

    def _write(self, id: str, session: Connection, facts: server.Facts, began: datetime) -> Summary:
        anchor = server.anchor(session)
        self.progress("files of the server")
        running = _Running(programs.found(facts.version), self.url)
        parts = list(self._parts(id, running.blocks()))
        taken = server.now(session)
        manifest = BaseManifest(
            id=id,
            stack=self.stack,
            taken_at=taken.isoformat(),
            began_at=began.isoformat(),
            server_version=facts.version,
            wal=running.range(facts),
            superuser=facts.superuser,
            database=facts.database,
            base=parts,
            anchor=anchor,
        )
        days = self.place.days_kept(id) or self.keep_days or instants.DAYS
        with ExitStack() as stack:
            if self.note_url:
                stack.enter_context(instants.kept(self.note_url, id, taken, days, self.place.label))
            own = sealing.seal(self.place, id, MANIFEST, [manifest.as_json()], self.recipients)
            summary = manifest.summary(own)
            with self.place.create(f"{id}/{SUMMARY}") as out:
                out.write(summary.as_json())
        return summary

    def _parts(self, id: str, blocks: Iterator[bytes]) -> Iterator[Part]:
        """The stream, in parts that an object can hold."""
        ahead = next(blocks, b"")
        number, ended = 0, False

        def some() -> Iterator[bytes]:
            nonlocal ahead, ended
            size = 0
            while size < PART_BYTES:
                yield ahead
                size += len(ahead)
                if not (block := next(blocks, b"")):
                    ended = True
                    return
                ahead = block

        while not ended:
            number += 1
            yield sealing.seal(self.place, id, basemanifest.part(number), some(), self.recipients)


class _Running:
    """One run of pg_basebackup."""

    def __init__(self, folder: Path, url: str) -> None:
        self._words, self._variables = programs.login([folder / "pg_basebackup", *COMMAND], url)
        self._said = b""

    def blocks(self) -> Iterator[bytes]:
        """The tar file.

        :raises BackupError: with what it says, where it fails
        """
        with tempfile.TemporaryFile() as said:
            variables = {**self._variables, "LC_ALL": "C"}
            process = subprocess.Popen(self._words, env=variables, stdout=subprocess.PIPE, stderr=said)
            yield from programs.read(process)
            said.seek(0)
            self._said = said.read()
        if process.returncode:
            raise BackupError(f"pg_basebackup: {programs.line(self._said)}")

    def range(self, facts: server.Facts) -> Range:
        """Which WAL it needs.

        :raises BackupError: where it hasn't said so
        """
        starts, ends = STARTS.search(self._said), ENDS.search(self._said)
        if not starts or not ends:
            raise BackupError("pg_basebackup: hasn't said where its WAL begins and ends")
        return Range(
            facts.system,
            int(starts[2]),
            segments.position(starts[1].decode()),
            segments.position(ends[1].decode()),
            facts.segment,
        )


def discard_old_wal(place: Place, system: str) -> int:
    """Remove WAL from before the oldest complete physical backup of a server, where the place lets it; how many.

    :raises BackupError: where a physical backup can't say which WAL it needs; then nothing is removed
    """
    found, damaged = checking.summaries(place)
    if bad := [each for each in damaged if each.physical]:
        raise BackupError(f"{bad[-1].wrong}, so which WAL it needs isn't known")
    ranges = [Range.read(each.summary.wal) for each in found if each.summary.kind == PHYSICAL]
    ours = [each for each in ranges if each.system == system]
    if not ours:
        return 0
    oldest = min(ours, key=lambda each: each.first)
    return Archive(place, system).discard_before(oldest.first, oldest.segment)
