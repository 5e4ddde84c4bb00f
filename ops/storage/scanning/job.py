"""The scanner's job: take a file, look, put it into quarantine or tag it, settle.

It can be killed anywhere. The row is settled last, so a file whose scanner died is taken again after ten minutes; each
step leaves what is done already as it is. Nobody but the owner is served the file before.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from visual_prompt_builder import content
from visual_prompt_builder.signing import Store

from declared.objectlayout import CLEAN_TAGS, SCAN_TAG
from ops.errors import answered
from ops.storage.scanning.engines import Engine, EngineDownError, NotYetError, ScanError, UnscannableError
from ops.storage.scanning.file import File, GoneError
from ops.storage.scanning.queue import Queue, Scan

# What people must hear of: a file that is harmful, and one of which nobody will ever know.
ALARMING = {"infected", "failed"}


@dataclass(frozen=True)
class Verdict:
    """What a file turned out to be: clean, infected, refused or failed; or that it is due again: retried, waiting."""

    status: str
    found: str | None = None


@dataclass(frozen=True)
class Alarm:
    """The topic that hears of harmful files, and of those that were given up."""

    sns: Any
    topic: str

    def report(self, scan: Scan, verdict: Verdict, engine: str) -> None:
        message = {"bucket": scan.bucket_id, "name": scan.name, "version": scan.version, "found": verdict.found}
        message |= {"engine": engine}
        self.sns.publish(
            TopicArn=self.topic,
            Subject=f"Storage: {verdict.status} upload in {scan.bucket_id}"[:100],
            Message=json.dumps({"status": verdict.status, **message}),
        )


@dataclass
class Job:
    """One scanner."""

    queue: Queue
    store: Store
    engine: Engine
    alarm: Alarm | None = None
    report: Callable[[Scan, Verdict], None] = lambda scan, verdict: None
    types: Collection[str] = ()
    """What the buckets allow, and so what the engine is tried with; none is everything."""
    tally: dict[str, int] = field(default_factory=dict)
    decided_by: str = ""
    """The engine with its version and signatures, once it was asked."""
    blind: Mapping[str, str] = field(default_factory=dict)
    """Types in which it finds nothing, and why: no file of these is called clean."""

    def check(self) -> None:
        """Ask the engine what it is, and if that is news try what it looks into.

        :raises EngineDownError: where it doesn't answer, or can't be tried
        """
        engine = self.engine.check()
        if engine != self.decided_by:
            self.blind = self.engine.blind(self.types)
            self.decided_by = engine

    def run(self) -> None:
        """Scan until nothing is due.

        :raises EngineDownError: where the engine or the object store doesn't answer; then nothing was taken
        """
        self.check()
        self._check_store()
        while scans := self.queue.take():
            for scan in scans:
                self.scan(scan)

    def _check_store(self) -> None:
        """
        :raises EngineDownError: where the object store doesn't answer, or refuses whatever is asked
        """
        try:
            self.store.s3.list_objects_v2(Bucket=self.store.bucket, Prefix=f"{self.store.tenant}/", MaxKeys=1)
        except (BotoCoreError, ClientError) as error:
            raise EngineDownError(str(answered(error))) from None

    def scan(self, scan: Scan) -> None:
        """Scan one file to its verdict, or leave it for later.

        :raises EngineDownError: where none can be scanned now
        """
        try:
            verdict = self._verdict(scan)
            settled = self._settle(scan, verdict)
        except KeyboardInterrupt:
            self.queue.retry(scan, 0)
            raise
        except (ScanError, BotoCoreError, ClientError) as error:
            self._blame(scan, error)
            settled, verdict = self._later(scan, error)
            if isinstance(error, EngineDownError):
                raise
        if settled:
            self.tally[verdict.status] = self.tally.get(verdict.status, 0) + 1
            self.report(scan, verdict)

    def _blame(self, scan: Scan, error: Exception) -> None:
        """A store that is away says nothing of the file, whose attempt doesn't count then.

        :raises EngineDownError: where it is
        """
        if isinstance(error, ScanError):
            return
        try:
            self._check_store()
        except EngineDownError:
            self.queue.give_back(scan)
            raise

    def _settle(self, scan: Scan, verdict: Verdict) -> bool:
        # Before the row says so: a scanner that dies in between says it again, and nothing is kept quiet.
        if self.alarm and verdict.status in ALARMING:
            self.alarm.report(scan, verdict, self.decided_by)
        return self.queue.settle(scan, verdict.status, verdict.found, self.decided_by or None)

    @property
    def _attempts(self) -> int:
        return len(self.engine.waits) + 1

    def _later(self, scan: Scan, error: Exception) -> tuple[bool, Verdict]:
        reason = " ".join(str(error).split())
        if isinstance(error, UnscannableError) or scan.attempt >= self._attempts:
            gave_up = "" if isinstance(error, UnscannableError) else f"gave up after {self._attempts} attempts: "
            verdict = Verdict("failed", f"{gave_up}{reason}"[:500])
            try:
                return self._settle(scan, verdict), verdict
            except (BotoCoreError, ClientError) as silent:
                # The last attempt: there is no other one to tell it in.
                verdict = Verdict("failed", f"{verdict.found}; nor can the alarm topic be notified: {silent}"[:1000])
                return self.queue.settle(scan, verdict.status, verdict.found, self.decided_by or None), verdict
        status = "waiting" if isinstance(error, NotYetError) else "retried"
        return self.queue.retry(scan, self.engine.waits[scan.attempt - 1]), Verdict(status, reason)

    def _verdict(self, scan: Scan) -> Verdict:
        # The key as it is stored, whatever clients may name.
        file = File(self.store, "/".join((self.store.tenant, scan.bucket_id, scan.name, scan.version)))
        try:
            served = self._take_back(scan, file)
            if scan.attempt > self._attempts:
                # Each scanner that took it died over it, and was never there to say so.
                return Verdict("failed", f"gave up after {self._attempts} attempts: no scanner came to an end")
            verdict = self._look(scan, file)
        except GoneError:
            verdict, served = _moved(file), True
        else:
            self._mark(file, verdict)
        if verdict.status != "clean":
            file.delete()
            if served:
                self.queue.unserve(scan)
        return verdict

    def _take_back(self, scan: Scan, file: File) -> bool:
        """Whether the file is called clean already, so that the CDN may have it; it is served no longer, then.

        It was scanned before its type was changed, or is a copy, or its scanner died before the row said so. The tag
        that GuardDuty sets stays: nobody else may.
        """
        tags = file.tags()
        tagged = any(tags.get(name) == value for name, value in CLEAN_TAGS.values())
        if tagged and not self.engine.tags_files:
            self.queue.unserve(scan)
            file.tag(SCAN_TAG, "pending")
        return tagged

    def _look(self, scan: Scan, file: File) -> Verdict:
        with contextlib.closing(file):
            found = self.engine.scan(file)
            if found:
                return Verdict("infected", found)
            # Both count: the Storage API serves what the row says, the CDN what the store says.
            for declared in (scan.mime_type, file.content_type):
                reason = content.mismatch(declared, file.start[: content.START])
                if reason:
                    return Verdict("refused", reason)
            for type in (content.kind(file.start[: content.START]), content.plain(scan.mime_type)):
                if type and type in self.blind:
                    raise ScanError(f"the engine can't tell of {type}: {self.blind[type]}")
        return Verdict("clean")

    def _mark(self, file: File, verdict: Verdict) -> None:
        if verdict.status != "clean":
            file.quarantine(verdict.status, str(verdict.found))
        elif not self.engine.tags_files:
            file.tag(*CLEAN_TAGS["clamav"])


def _moved(file: File) -> Verdict:
    """The verdict of a scanner that died after it had moved the file."""
    try:
        return Verdict(*file.in_quarantine())
    except GoneError:
        raise ScanError("there is no such file in the object store") from None
