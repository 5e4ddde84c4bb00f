"""What says whether a file is harmful: ClamAV's daemon, GuardDuty, or on local our own few signatures for tests."""

import re
import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from declared.errors import UserError
from declared.objectlayout import GUARDDUTY_CLEAN, GUARDDUTY_TAG, GUARDDUTY_THREAT

SECONDS = 120
# What EICAR's test file and our own say of themselves; put together, so that no scanner takes this file for one.
TEST_SIGNATURES = {
    "Eicar-Test-Signature": rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    "Vpb-Test-Signature": b"VISUAL-PROMPT-BUILDER" + b"-SCANNER-TEST-FILE",
}
# Four times as long after each attempt that failed.
WAITS = tuple(30.0 * 4**number for number in range(4))
TCP = re.compile(r"tcp://(?P<host>[^/:]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]{1,5})")


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

    def scan(self, file: Scannable) -> str | None:
        status = file.tags().get(GUARDDUTY_TAG)
        if status is None:
            raise NotYetError("GuardDuty has not tagged it yet")
        if status == "UNSUPPORTED":
            raise UnscannableError("GuardDuty does not scan it: locked with a password, too large or packed too deep")
        if status == "ACCESS_DENIED":
            raise ScanError("GuardDuty may not read it: its role lacks a right")
        if status not in (GUARDDUTY_CLEAN, GUARDDUTY_THREAT):
            raise ScanError(f"GuardDuty can't tell: {status[:100]}")
        return None if status == GUARDDUTY_CLEAN else f"GuardDuty: {status}"


@dataclass(frozen=True)
class Clamd:
    """ClamAV's daemon, spoken to as its manual says (clamd(8), command INSTREAM)."""

    address: str
    """`tcp://host:port` or `unix:/path/of/the/socket`."""

    waits = WAITS
    tags_files = False

    def check(self) -> str:
        if self._ask(b"zPING\0") != "PONG":
            raise EngineDownError(f"clamd at {self.address} answers, and isn't clamd")
        return self._ask(b"zVERSION\0")

    def scan(self, chunks: Iterable[bytes]) -> str | None:
        hung_up: OSError | None = None
        with self._connect() as connection:
            try:
                connection.sendall(b"zINSTREAM\0")
                for chunk in filter(None, chunks):
                    connection.sendall(struct.pack("!L", len(chunk)) + chunk)
                connection.sendall(struct.pack("!L", 0))
            except (BrokenPipeError, ConnectionResetError) as error:
                # It hangs up on what is too long, and has said so before.
                hung_up = error
            except TimeoutError:
                raise ScanError(f"clamd at {self.address} took nothing for {SECONDS} s") from None
            return _verdict(self._answer(connection, hung_up))

    def _ask(self, command: bytes) -> str:
        with self._connect() as connection:
            connection.sendall(command)
            return self._answer(connection)

    def _connect(self) -> socket.socket:
        try:
            if self.address.startswith("unix:"):
                return _local(self.address.removeprefix("unix:"))
            match = TCP.fullmatch(self.address)
            if not match:
                raise EngineDownError(f"clamd's address is {self.address}; it must be tcp://host:port or unix:/path")
            return socket.create_connection((match["host"].strip("[]"), int(match["port"])), SECONDS)
        except (OSError, OverflowError) as error:
            raise EngineDownError(f"clamd at {self.address} doesn't answer: {error}") from None

    def _answer(self, connection: socket.socket, hung_up: OSError | None = None) -> str:
        said = b""
        try:
            while not said.endswith(b"\0") and len(said) < 4096:
                part = connection.recv(4096)
                if not part:
                    break
                said += part
        except OSError as error:
            hung_up = hung_up or error
        if not said.endswith(b"\0"):
            raise ScanError(f"clamd at {self.address} hung up: {hung_up or 'no reason given'}")
        return said.rstrip(b"\0\n").decode(errors="replace")


def _local(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(SECONDS)
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _verdict(said: str) -> str | None:
    match = re.fullmatch(r"stream: (?:(?P<name>.+) FOUND|OK)", said)
    # A file that it didn't look at to the end is neither clean nor known to be harmful.
    if not match or (match["name"] or "").startswith("Heuristics.Limits.Exceeded"):
        raise ScanError(f"clamd can't tell: {said[:200]}")
    return match["name"]
