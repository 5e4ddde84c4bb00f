"""What looks for harm in a stream of bytes: ClamAV's daemon, or on local our own few signatures for tests."""

import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

SECONDS = 120
# What EICAR's test file and our own say of themselves; put together, so that no scanner takes this file for one.
TEST_SIGNATURES = {
    "Eicar-Test-Signature": rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    "Vpb-Test-Signature": b"VISUAL-PROMPT-BUILDER" + b"-SCANNER-TEST-FILE",
}
TCP = re.compile(r"tcp://(?P<host>[^/:]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]{1,5})")


class ScanError(Exception):
    """This file could not be scanned this time; the text is one line."""


class EngineDownError(ScanError):
    """No file can be scanned now; the text says what doesn't answer."""


class Engine(Protocol):
    """Whatever can say what is in a stream."""

    def check(self) -> str:
        """What it is, with its version.

        :raises EngineDownError: where it doesn't answer
        """

    def scan(self, chunks: Iterator[bytes]) -> str | None:
        """The name of what was found in the stream, None if nothing was.

        :raises ScanError: where it can't tell
        """


class TestSignatures:
    """Finds EICAR's test file and our own, and nothing else: for tests and local stacks, never for real files."""

    def check(self) -> str:
        return "test signatures only, which find no real virus"

    def scan(self, chunks: Iterator[bytes]) -> str | None:
        found, kept = None, b""
        overlap = max(map(len, TEST_SIGNATURES.values())) - 1
        for chunk in chunks:
            window = kept + chunk
            found = found or next((name for name, text in TEST_SIGNATURES.items() if text in window), None)
            kept = window[-overlap:]
        return found


@dataclass(frozen=True)
class Clamd:
    """ClamAV's daemon, spoken to as its manual says (clamd(8), command INSTREAM)."""

    address: str
    """`tcp://host:port` or `unix:/path/of/the/socket`."""

    def check(self) -> str:
        if self._ask(b"zPING\0") != "PONG":
            raise EngineDownError(f"clamd at {self.address} answers, and isn't clamd")
        return self._ask(b"zVERSION\0")

    def scan(self, chunks: Iterator[bytes]) -> str | None:
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
