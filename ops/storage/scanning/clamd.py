"""ClamAV's daemon, spoken to as its manual says (clamd(8), command INSTREAM), and what it looks into."""

import re
import socket
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import pack

from ops.storage.scanning import samples
from ops.storage.scanning.engines import WAITS, EngineDownError, ScanError, UnscannableError
from ops.storage.scanning.signatures import OURS

SECONDS = 120
PIECE = 65536
# ClamAV doesn't look into what it takes for sound of these two types, nor at the bytes of a page: behind the beginning
# of a WAV it looks at each byte of anything.
MASK = samples.WAV[:12]
# "ClamAV 1.4.6/27832/Thu Nov 26 09:24:04 2026": program, number and date of the signatures that come daily.
VERSION = re.compile(r"ClamAV [^/]+/(?P<number>[0-9]+)/(?P<date>.+)")
PACKED = {"application/zip", "application/pdf"}
# What it says of a file that it couldn't look at to the end, and of one that is locked with a password.
LIMITS, LOCKED = "Heuristics.Limits.Exceeded", "Heuristics.Encrypted"
TCP = re.compile(r"tcp://(?P<host>[^/:]+|\[[0-9a-fA-F:]+\]):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True)
class Clamd:
    """The daemon at one address."""

    address: str
    """`tcp://host:port` or `unix:/path/of/the/socket`."""

    waits = WAITS
    tags_files = False

    def check(self) -> str:
        if self._ask(b"zPING\0") != "PONG":
            raise EngineDownError(f"clamd at {self.address} answers, and isn't clamd")
        return self._ask(b"zVERSION\0")

    def blind(self, types: Collection[str]) -> Mapping[str, str]:
        if not self._finds(OURS):
            raise EngineDownError(
                f"clamd at {self.address} doesn't know our test signature, so nobody can say what it looks into: write "
                "`./vpb scan --signature` into visual-prompt-builder.ndb in its DatabaseDirectory and restart it"
            )
        found: dict[str, str] = {}
        probed = set[str]()
        for type, content in samples.samples(types):
            probed.add(type)
            if not self._finds(content):
                found[type] = "it doesn't find our test signature in a small file of this type"
        packed = probed & PACKED
        if packed and not self._finds(samples.locked()):
            found |= dict.fromkeys(packed, "it calls clean what is locked with a password: set AlertEncrypted yes")
        if packed and not self._finds(samples.bomb()):
            why = "it calls clean what it unpacked in part: set MaxFileSize above MaxScanSize, and AlertExceedsMax yes"
            found |= dict.fromkeys(packed, why)
        return found

    def _finds(self, content: bytes) -> bool:
        """Whether it doesn't call this clean; that it can't tell is as good."""
        try:
            return self.scan(content[start : start + PIECE] for start in range(0, len(content), PIECE)) is not None
        except EngineDownError:
            raise
        except UnscannableError:
            return True
        except ScanError as error:
            return LIMITS in str(error)

    def scan(self, chunks: Iterable[bytes]) -> str | None:
        """Each file twice at once: as it is, to be unpacked, and behind MASK, to have each byte looked at."""
        with ExitStack() as connections:
            streams = [_Stream(self.address, connections.enter_context(self._connect())) for _ in range(2)]
            streams[1].send(MASK)
            for chunk in filter(None, chunks):
                for stream in streams:
                    stream.send(chunk)
            answers = [stream.end() for stream in streams]
        for said in answers:
            if name := _found(said):
                return name
        for said in answers:
            if said.startswith(f"stream: {LOCKED}"):
                raise UnscannableError("it is locked with a password, so that ClamAV can't look into it")
            if said != "stream: OK":
                raise ScanError(f"clamd can't tell: {said[:200]}")
        return None

    def _ask(self, command: bytes) -> str:
        with self._connect() as connection:
            connection.sendall(command)
            return _answer(self.address, connection)

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


class _Stream:
    """One file on its way to the daemon, which hangs up on what is too long, having said so."""

    def __init__(self, address: str, connection: socket.socket) -> None:
        self._address, self._connection = address, connection
        self._hung_up: OSError | None = None
        self._send(b"zINSTREAM\0")

    def send(self, chunk: bytes) -> None:
        self._send(pack("!L", len(chunk)) + chunk)

    def end(self) -> str:
        """What the daemon says of it."""
        self._send(pack("!L", 0))
        return _answer(self._address, self._connection, self._hung_up)

    def _send(self, content: bytes) -> None:
        if self._hung_up:
            return
        try:
            self._connection.sendall(content)
        except (BrokenPipeError, ConnectionResetError) as error:
            self._hung_up = error
        except TimeoutError:
            raise ScanError(f"clamd at {self._address} took nothing for {SECONDS} s") from None


def _answer(address: str, connection: socket.socket, hung_up: OSError | None = None) -> str:
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
        raise ScanError(f"clamd at {address} hung up: {hung_up or 'no reason given'}")
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


def _found(said: str) -> str | None:
    match = re.fullmatch(r"stream: (?P<name>.+) FOUND", said)
    # A file that it didn't look at to the end is not known to be harmful.
    return match["name"] if match and not match["name"].startswith((LIMITS, LOCKED)) else None


def dated(engine: str) -> datetime | None:
    """Of when the signatures are that ClamAV's daemon goes by; None where it doesn't say."""
    match = VERSION.fullmatch(engine)
    try:
        return datetime.strptime(match["date"], "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC) if match else None
    except ValueError:
        return None
