"""The scanner's job: take a file, look, put it into quarantine or tag it, settle.

It can be killed anywhere. The row is settled last, so a file whose scanner died is taken again after ten minutes; each
step leaves what is done already as it is. Nobody but the owner is served the file before.
"""

import contextlib
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

import objectlayout
from objects import content
from objects.names import ObjectError, key
from objects.signing import Store
from ops.scanning.engines import Engine, EngineDownError, ScanError
from ops.scanning.queue import Queue, Scan

ATTEMPTS = 5
FIRST_WAIT_SECONDS = 30
CHUNK = 65536
QUARANTINE = objectlayout.QUARANTINE + "/"
GONE = {"NoSuchKey", "NoSuchVersion", "404"}


@dataclass(frozen=True)
class Verdict:
    """What a file turned out to be: clean, infected, refused or failed, and why."""

    status: str
    found: str | None = None


@dataclass(frozen=True)
class Alarm:
    """The topic that hears of harmful files."""

    sns: Any
    topic: str

    def tell(self, scan: Scan, verdict: Verdict) -> None:
        message = {"bucket": scan.bucket_id, "name": scan.name, "version": scan.version, "found": verdict.found}
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
    tell: Callable[[Scan, Verdict], None] = lambda scan, verdict: None
    tally: dict[str, int] = field(default_factory=dict)

    def run(self) -> None:
        """Scan until nothing is due.

        :raises EngineDownError: where the engine doesn't answer; then nothing was taken
        """
        self.engine.check()
        while scans := self.queue.take():
            for scan in scans:
                self.scan(scan)

    def scan(self, scan: Scan) -> None:
        """Scan one file to its verdict, or leave it for later."""
        try:
            verdict = self._verdict(scan)
            settled = self.queue.settle(scan, verdict.status, verdict.found)
        except KeyboardInterrupt:
            self.queue.retry(scan, 0)
            raise
        except (ScanError, ObjectError, BotoCoreError, ClientError) as error:
            reason = " ".join(str(error).split())
            settled, verdict = self._later(scan, reason)
            if isinstance(error, EngineDownError):
                raise
        if settled:
            self.tally[verdict.status] = self.tally.get(verdict.status, 0) + 1
            self.tell(scan, verdict)

    def _later(self, scan: Scan, reason: str) -> tuple[bool, Verdict]:
        if scan.attempt >= ATTEMPTS:
            verdict = Verdict("failed", f"gave up after {ATTEMPTS} attempts: {reason}"[:500])
            return self.queue.settle(scan, verdict.status, verdict.found), verdict
        return self.queue.retry(scan, FIRST_WAIT_SECONDS * 4 ** (scan.attempt - 1)), Verdict("retried", reason)

    def _verdict(self, scan: Scan) -> Verdict:
        if scan.attempt > ATTEMPTS:
            # Whoever took it died over it each time, and was never there to say so.
            return Verdict("failed", f"gave up after {ATTEMPTS} attempts: no scanner came to an end")
        place = key(self.store.tenant, scan.bucket_id, scan.name, scan.version)
        stored = self._open(place)
        verdict = self._look(scan, stored) if stored else self._in_quarantine(place)
        if verdict.status == "clean":
            self._tag(place, stored)
        else:
            if stored:
                self._copy(place, stored, verdict)
            self._delete(place)
            if self.alarm and verdict.status == "infected":
                self.alarm.tell(scan, verdict)
        return verdict

    def _open(self, place: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = self.store.s3.get_object(Bucket=self.store.bucket, Key=place)
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return {}
            raise
        return found

    def _look(self, scan: Scan, stored: dict[str, Any]) -> Verdict:
        with contextlib.closing(stored["Body"]) as body:
            chunks = body.iter_chunks(CHUNK)
            first = next(chunks, b"")
            found = self.engine.scan(itertools.chain([first], chunks))
        if found:
            return Verdict("infected", found)
        # Both count: the Storage API serves what the row says, the CDN what the store says.
        for declared in (scan.mime_type, stored.get("ContentType")):
            reason = content.mismatch(declared, first[: content.START])
            if reason:
                return Verdict("refused", reason)
        return Verdict("clean")

    def _in_quarantine(self, place: str) -> Verdict:
        """The verdict of a scanner that died after it had moved the file."""
        try:
            head = self.store.s3.head_object(Bucket=self.store.bucket, Key=QUARANTINE + place)
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                raise ScanError("there is no such file in the object store") from None
            raise
        return Verdict(head["Metadata"]["status"], head["Metadata"]["found"])

    def _tag(self, place: str, stored: dict[str, Any]) -> None:
        # Of the very bytes that were scanned: a form may have been sent again meanwhile.
        self.store.s3.put_object_tagging(
            Bucket=self.store.bucket,
            Key=place,
            Tagging={"TagSet": [{"Key": "scan", "Value": "clean"}]},
            **_version(stored),
        )

    def _copy(self, place: str, stored: dict[str, Any], verdict: Verdict) -> None:
        # What a browser would run, it now saves.
        self.store.s3.copy_object(
            Bucket=self.store.bucket,
            Key=QUARANTINE + place,
            CopySource={"Bucket": self.store.bucket, "Key": place, **_version(stored)},
            MetadataDirective="REPLACE",
            ContentType="application/octet-stream",
            Metadata={"status": verdict.status, "found": str(verdict.found).encode("ascii", "replace").decode()},
            TaggingDirective="REPLACE",
            Tagging=f"scan={verdict.status}",
        )

    def _delete(self, place: str) -> None:
        """All versions of the key: a delete marker alone would leave the file within reach."""
        for version in self._versions(place):
            self.store.s3.delete_object(Bucket=self.store.bucket, Key=place, VersionId=version)

    def _versions(self, place: str) -> Iterator[str]:
        pages = self.store.s3.get_paginator("list_object_versions").paginate(Bucket=self.store.bucket, Prefix=place)
        for page in pages:
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                if entry["Key"] == place:
                    yield entry["VersionId"]


def _version(stored: dict[str, Any]) -> dict[str, str]:
    return {"VersionId": stored["VersionId"]} if stored.get("VersionId") else {}
