"""What was restored, compared with what the backup says; each check passed, failed or was skipped, with the reason."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg
from psycopg import sql
from visual_prompt_builder.signing import Store

from declared.backups import BackupSettings
from harness import schemadump, scratch
from ops.backups import catalogue, files, golden, restorable, smoke, source
from ops.backups.checking import Backup
from ops.backups.errors import BackupError
from ops.backups.manifest import LOGICAL, Manifest
from ops.backups.restoring import Restoring
from ops.database import Connection, connect

APPLICATION = "vpb restore-drill"
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
# Of what is wrong a check names so much.
MOST = 10
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Check:
    """One comparison."""

    name: str
    result: str
    detail: str


@dataclass
class Evidence:
    """What a drill has found."""

    backup: str
    stack: str
    taken_at: str
    age_seconds: int
    """How old the backup was when the drill began: what would have been lost."""
    drilled_at: str
    restore_seconds: float = 0.0
    """From the empty server to the last index: how long it takes to have the rows back."""
    seconds: float = 0.0
    server_version: int = 0
    kind: str = LOGICAL
    reached: str = ""
    """Of a physical backup: when the last transaction that came back was committed; empty where none is known."""
    checks: list[Check] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and something was compared."""
        return bool(self.checks) and all(check.result != FAILED for check in self.checks)

    def as_json(self) -> str:
        return json.dumps({"passed": self.passed, **asdict(self)}, indent=2)

    def as_markdown(self) -> str:
        """A page for people."""
        counts = {each: sum(check.result == each for check in self.checks) for each in (PASSED, FAILED, SKIPPED)}
        tally = ", ".join(f"{number} {result}" for result, number in counts.items())
        rows = [f"| {check.name} | {check.result} | {check.detail.replace('|', '/')} |" for check in self.checks]
        return "\n".join(
            [
                f"# Restore drill of {self.stack}, {self.drilled_at}",
                "",
                f"Backup {self.backup}, taken at {self.taken_at}"
                + (f", with WAL up to {self.reached}" if self.reached else "")
                + f", {self.age_seconds} s before.",
                f"Restored in {self.restore_seconds:.1f} s into PostgreSQL {self.server_version}, "
                f"all done in {self.seconds:.1f} s.",
                "",
                f"**{'Passed' if self.passed else 'Failed'}**: {tally}.",
                "",
                "| check | result | |",
                "|---|---|---|",
                *rows,
                "",
            ]
        )


@dataclass
class Drill:
    """A backup, and what it can be compared with."""

    backup: Backup
    identities: Sequence[Any]
    store: Store | None = None
    promised: BackupSettings | None = None
    newest: bool = False
    """Whether it is the newest one, whose age is what would be lost."""
    jobs: int = 2
    progress: Progress = lambda message: None

    def run(self, meddle: Callable[[str], None] = lambda url: None) -> Evidence:
        """Restore into a server of its own, compare, and remove the server.

        Args:
            meddle: gets the restored database's URL before anything is compared; for tests of the checks.

        :raises BackupError: where it can't be tried
        :raises BadBackup: where the backup isn't the one that was written
        """
        summary, began = self.backup.summary, time.monotonic()
        now = datetime.now(UTC)
        age = int((now - datetime.fromisoformat(summary.taken_at)).total_seconds())
        evidence = Evidence(self.backup.id, summary.stack, summary.taken_at, age, now.isoformat(timespec="seconds"))
        manifest = self.backup.manifest(self.identities)
        with scratch.server() as server:
            evidence.server_version, started = server.version, time.monotonic()
            restoring = Restoring(
                self.backup, manifest, self.identities, server.url, server.version, self.jobs, self.progress
            )
            restoring.run()
            evidence.restore_seconds = round(time.monotonic() - started, 2)
            meddle(restoring.target)
            with connect(restoring.target, APPLICATION) as session:
                source.prepare(session)
                evidence.checks += compared(session, manifest, self.progress)
                dump = partial(schemadump.of_scratch, server, manifest.database, golden.OURS)
                evidence.checks += used(session, dump, self.progress)
        evidence.checks += self._beside(manifest)
        evidence.checks += kept(evidence, self.promised, self.newest)
        evidence.seconds = round(time.monotonic() - began, 2)
        return evidence

    def _beside(self, manifest: Manifest) -> Iterator[Check]:
        yield Check("sealed tokens", SKIPPED, "the keys that open them are in the stack's state, and not in the backup")
        yield self._files(manifest)
        for reason in manifest.left_out:
            yield Check("left out", SKIPPED, reason)

    def _files(self, manifest: Manifest) -> Check:
        if manifest.files is None or self.store is None:
            missing = "the backup names none" if manifest.files is None else "no access to the object store"
            return Check("stored files", SKIPPED, missing)
        self.progress("stored files")
        blocks = self.backup.part(manifest.files, self.identities)
        count, without, wrong = files.differences(files.lines(blocks), self.store)
        more = f"; {without} rows had no file when the backup was made" if without else ""
        return compared_as("stored files", wrong, f"{count} are there in their versions and sizes{more}")


def kept(evidence: Evidence, promised: BackupSettings | None, newest: bool) -> Iterator[Check]:
    """What database:backups promises, and whether it is so."""
    if promised is None:
        return
    measured = {"recovery time": (evidence.restore_seconds / 3600, promised.recovery_time)}
    if newest:
        measured["recovery point"] = (evidence.age_seconds / 3600, promised.recovery_point)
    for name, (hours, most) in measured.items():
        yield Check(name, PASSED if hours <= most else FAILED, f"{hours:.2f} hours of {most} promised")


def compared(session: Connection, manifest: Manifest, progress: Progress = lambda message: None) -> Iterator[Check]:
    """What a restored database shows, compared with the manifest."""
    progress("rows and checksums")
    rows = sum(table.rows for table in manifest.tables)
    yield compared_as(
        "rows", list(_rows(session, manifest)), f"{rows} rows of {len(manifest.tables)} tables, by checksum"
    )
    yield compared_as(
        "sequences", list(_sequences(session, manifest)), f"{len(manifest.sequences)} stand where they stood"
    )
    progress("definitions and privileges")
    now = catalogue.read(session)
    now["privileges"] = catalogue.as_before(now["privileges"], manifest.server_version)
    for kind, was in manifest.catalogue.items():
        yield compared_as(kind, catalogue.differences(kind, was, now.get(kind, {})), f"{len(was)} are as they were")
    progress("audit trail")
    yield trail(session, manifest.anchor)


def used(session: Connection, dump: golden.Dump, progress: Progress = lambda message: None) -> Iterator[Check]:
    """Whether the app of this checkout works on a restored database; skipped where it is another one's.

    Args:
        dump: its structure, in the files of `sql/schema`.

    :raises BackupError: where its structure can't be read
    """
    progress("access and sign-in")
    reason = "the database isn't the app's"
    trials = {
        "trial of access": (restorable.APP, smoke.access),
        "trial of Auth.js": ("select to_regclass('authjs.users') is not null", smoke.sign_in),
    }
    for name, (there, trial) in trials.items():
        if session.execute(there.encode()).fetchone() != (True,):
            yield Check(name, SKIPPED, reason if trial is smoke.access else "the database has no schema authjs")
            continue
        try:
            good, wrong = trial(session)
        except psycopg.Error as error:
            good, wrong = "", [str(error.diag.message_primary)]
        yield compared_as(name, wrong, good)
    progress("golden schema")
    if unlike := golden.unlike(session):
        yield Check("golden schema", SKIPPED, unlike)
        return
    try:
        count, wrong = golden.differences(dump)
    except subprocess.CalledProcessError as error:
        raise BackupError(f"pg_dump: {' '.join(str(error.stderr).split())}") from None
    yield compared_as("golden schema", wrong, f"{count} objects are as sql/schema has them")


def _rows(session: Connection, manifest: Manifest) -> Iterator[str]:
    for table in manifest.tables:
        found = source.Found(table.schema, table.name, table.columns, [(0, None)])
        try:
            count, total = source.checksum(session, found, 0)
        except psycopg.Error as error:
            yield f"{table.label}: {error.diag.message_primary}"
            continue
        if count != table.rows:
            yield f"{table.label} has {count} rows and not {table.rows}"
        elif str(total) != table.checksum:
            yield f"{table.label} has as many rows, of other contents"


def _sequences(session: Connection, manifest: Manifest) -> Iterator[str]:
    for head in manifest.sequences:
        query = sql.SQL("select last_value, is_called from {}").format(sql.Identifier(head.schema, head.name))
        try:
            found = session.execute(query).fetchone()
        except psycopg.Error as error:
            yield f"{head.schema}.{head.name}: {error.diag.message_primary}"
            continue
        if found != (head.last_value, head.is_called):
            yield f"{head.schema}.{head.name} stands elsewhere"


def trail(session: Connection, anchor: dict[str, Any] | None) -> Check:
    """Whether the audit trail is whole, up to where it ended."""
    if anchor is None:
        return Check("audit trail", SKIPPED, "the database has none")
    try:
        # It is the owner's function, whose policies show all of it.
        session.execute("set row_security = on")
        query = "select kind, detail from audit.verify(%s::jsonb)"
        found = session.execute(query, (json.dumps(anchor),)).fetchall()
    except psycopg.Error as error:
        return Check("audit trail", FAILED, str(error.diag.message_primary))
    return compared_as("audit trail", [f"{kind}: {detail}" for kind, detail in found], "whole, up to where it ended")


def compared_as(name: str, wrong: Sequence[str], good: str) -> Check:
    """A check that found what is wrong, or nothing."""
    if not wrong:
        return Check(name, PASSED, good)
    more = f"; and {len(wrong) - MOST} more" if len(wrong) > MOST else ""
    return Check(name, FAILED, "; ".join(wrong[:MOST]) + more)
