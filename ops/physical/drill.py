"""A physical backup and its WAL, proven: recovered into a server of its own, and looked through."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from visual_prompt_builder.signing import Store

from declared.backups import BackupSettings
from ops.backups import files, source
from ops.backups.basemanifest import Range
from ops.backups.checking import Backup
from ops.backups.drill import FAILED, MOST, PASSED, SKIPPED, Check, Evidence, compared_as, kept, trail
from ops.backups.manifest import PHYSICAL
from ops.database import Connection, connect
from ops.physical import looking
from ops.physical.recovering import APPLICATION, Recovered, recovered
from ops.physical.server import Followed
from ops.physical.unpacking import Progress, Unpacking, exact

# As pg_amcheck ends where it has found damage.
DAMAGED = 2


@dataclass
class PhysicalDrill:
    """A physical backup, and what it can be compared with."""

    backup: Backup
    identities: Sequence[Any]
    store: Store | None = None
    promised: BackupSettings | None = None
    newest: bool = False
    """Whether it is the newest one, and all its WAL: what is missing then would be lost."""
    at: datetime | None = None
    timeline: int | None = None
    followed: Followed | None = None
    """How far the server has handed its WAL over; None where it wasn't asked."""
    progress: Progress = lambda message: None

    def run(self, meddle: Callable[[Recovered], None] = lambda server: None) -> Evidence:
        """Recover into a server of its own, look through it, and remove the server.

        Args:
            meddle: gets the recovered server before anything is looked at; for tests of the checks.

        :raises BackupError: where it can't be tried
        :raises BadBackup: where files or WAL aren't as they were written, or a segment is missing
        """
        summary, began = self.backup.summary, time.monotonic()
        now = datetime.now(UTC)
        evidence = Evidence(
            self.backup.id, summary.stack, summary.taken_at, 0, now.isoformat(timespec="seconds"), kind=PHYSICAL
        )
        unpacking = Unpacking(self.backup, self.identities, self.progress, self.timeline)
        with recovered(unpacking, self.at, self.progress) as server:
            evidence.server_version, evidence.restore_seconds = server.version, server.seconds
            reached = server.reached or datetime.fromisoformat(summary.taken_at)
            evidence.reached = reached.isoformat()
            self._quiet = self._all_there(server)
            evidence.age_seconds = 0 if self._quiet else max(0, int((now - reached).total_seconds()))
            meddle(server)
            evidence.checks += self._checks(unpacking, server)
        evidence.checks += kept(evidence, self.promised, self.newest and self.at is None)
        evidence.seconds = round(time.monotonic() - began, 2)
        return evidence

    def _all_there(self, server: Recovered) -> bool:
        """Whether all has come back that was written when the drill began: on a quiet server that is long ago."""
        found = self.followed
        if found is None or self.at or self.backup.summary.wal["system"] != found.system:
            return False
        return server.ended >= found.ended

    def _checks(self, unpacking: Unpacking, server: Recovered) -> Iterator[Check]:
        manifest = unpacking.manifest
        yield Check("files", PASSED, "each by its SHA-256 (pg_verifybackup)")
        yield self._wal(server)
        if self.followed is None and self.at is None:
            said = "the server wasn't asked how far it has handed over its WAL: what is lost at the end isn't seen"
            yield Check("end of the WAL", SKIPPED, said)
        until = f"up to {self.at.isoformat()}" if self.at else "up to the end of the archive"
        last = f"the last commit is of {server.reached.isoformat()}" if server.reached else "no commit after the backup"
        since = "; nothing was written since" if self._quiet else ""
        yield Check("recovery", PASSED, f"{until}; {last}{since}")
        self.progress("heaps and indexes")
        yield _amcheck(manifest.major, server)
        with connect(server.url(manifest.database), APPLICATION) as session:
            source.prepare(session)
            self.progress("audit trail")
            yield trail(session, manifest.anchor)
            self.progress("stored files")
            yield self._files(session)
        yield Check("rows", SKIPPED, "there is no list of them to compare with; a logical backup has one")
        yield Check("sealed tokens", SKIPPED, "the keys that open them are in the stack's state, and not in the backup")

    def _wal(self, server: Recovered) -> Check:
        found, range = server.chain, Range.read(self.backup.summary.wal)
        # Looked at now, so that what was handed over as the drill began is stored.
        if self.followed and (short := looking.short(self.backup.place, [(self.backup.id, range)], self.followed)):
            return Check("WAL", FAILED, short)
        if not found.names:
            return Check("WAL", SKIPPED, "none is archived: this restores to the end of the backup alone")
        if found.missing:
            return Check("WAL", FAILED, f"{found.missing} is missing, behind the instant; {found.newest} is there")
        return Check("WAL", PASSED, f"{len(found.names)} segments without a gap, {found.names[0]} to {found.names[-1]}")

    def _files(self, session: Connection) -> Check:
        if self.store is None:
            return Check("stored files", SKIPPED, "no access to the object store")
        if session.execute(files.STORED).fetchone() != (True,):
            return Check("stored files", SKIPPED, "the database has none")
        with session.transaction():
            named = files.lines(chain(files.Listed(session, self.store)))
            count, without, wrong = files.differences(named, self.store)
        wrong += [f"{without} rows name one that the object store doesn't have"] if without else []
        return compared_as("stored files", wrong, f"{count} are there in their versions")


def _amcheck(major: int, server: Recovered) -> Check:
    """What PostgreSQL's own program says of every table and index of all databases."""
    command: list[object] = [exact(major) / "pg_amcheck", "--all", "--install-missing", "--jobs=2"]
    command += [f"--maintenance-db={server.url('postgres')}"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    if done.returncode == 0:
        return Check("heaps and indexes", PASSED, "of all databases (pg_amcheck)")
    if done.returncode == DAMAGED:
        return compared_as("heaps and indexes", said[: MOST + 1] or ["damaged"], "")
    return Check("heaps and indexes", FAILED, f"pg_amcheck: {(said or ['no reason given'])[0]}")
