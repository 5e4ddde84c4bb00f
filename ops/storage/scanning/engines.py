"""What says whether a file is harmful: ClamAV's daemon, GuardDuty, or on local our own few signatures for tests."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Protocol

from declared.errors import UserError
from declared.objectlayout import GUARDDUTY_CLEAN, GUARDDUTY_TAG, GUARDDUTY_THREAT
from ops.storage.scanning.signatures import TEST_SIGNATURES

# Four times as long after each attempt that failed.
WAITS = tuple(30.0 * 4**number for number in range(4))


class ScanError(UserError):
    """This file could not be scanned this time; the text is one line."""


class NotYetError(ScanError):
    """The scanner hasn't come to this file yet."""


class UnscannableError(ScanError):
    """This file can't be scanned, however often it is tried."""


class EngineDownError(ScanError):
    """No file can be scanned now; the text says what doesn't answer."""


class Scannable(Protocol):
    """A file as an engine sees it: its bytes, and what others have tagged it with."""

    def __iter__(self) -> Iterator[bytes]: ...

    def tags(self) -> Mapping[str, str]:
        """Asked for without reading the file, which may be forbidden yet."""


class Engine(Protocol):
    """Whatever can say what is in a file."""

    @property
    def waits(self) -> tuple[float, ...]:
        """Seconds after each attempt but the last."""

    @property
    def tags_files(self) -> bool:
        """Whether it tags the files itself, and nobody else may."""

    def check(self) -> str:
        """What it is, with its version.

        :raises EngineDownError: where it doesn't answer
        """

    def blind(self, types: Collection[str]) -> Mapping[str, str]:
        """Of the types that buckets allow, those in whose files it finds nothing, and why.

        :raises EngineDownError: where it can't be tried
        """

    def scan(self, file: Scannable, /) -> str | None:
        """The name of what was found in the file, None if nothing was.

        :raises ScanError: where it can't tell
        """


class TestSignatures:
    """Finds EICAR's test file and our own, and nothing else: for tests and local stacks, never for real files."""

    waits = WAITS
    tags_files = False

    def check(self) -> str:
        return "test signatures only, which find no real virus"

    def blind(self, types: Collection[str]) -> Mapping[str, str]:
        return {}

    def scan(self, chunks: Iterable[bytes]) -> str | None:
        found, kept = None, b""
        overlap = max(map(len, TEST_SIGNATURES.values())) - 1
        for chunk in chunks:
            window = kept + chunk
            found = found or next((name for name, text in TEST_SIGNATURES.items() if text in window), None)
            kept = window[-overlap:]
        return found


class GuardDuty:
    """GuardDuty Malware Protection for S3, which scans by itself and tags each version with what came of it.

    The values are those of the Amazon GuardDuty guide, "Monitoring S3 object scans in Malware Protection for S3".
    """

    # Mostly it takes seconds; what isn't tagged within a day was never sent to it.
    waits = tuple(10.0 * 2**number for number in range(13))
    tags_files = True

    def check(self) -> str:
        return "GuardDuty, by the tags that it sets"

    def blind(self, types: Collection[str]) -> Mapping[str, str]:
        """Nothing can be sent to it; what it can't look into it tags so."""
        return {}

    def scan(self, file: Scannable) -> str | None:
        status = file.tags().get(GUARDDUTY_TAG)
        if status is None:
            raise NotYetError("GuardDuty has not tagged it yet")
        if status == "UNSUPPORTED":
            raise UnscannableError("GuardDuty does not scan it: locked with a password, too large or packed too deep")
        if status == "ACCESS_DENIED":
            raise ScanError("GuardDuty may not read it: its role lacks a permission")
        if status not in (GUARDDUTY_CLEAN, GUARDDUTY_THREAT):
            raise ScanError(f"GuardDuty can't tell: {status[:100]}")
        return None if status == GUARDDUTY_CLEAN else f"GuardDuty: {status}"
