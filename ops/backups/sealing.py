"""One part of a backup: hashed, compressed (zstd), encrypted (age) and written, or all of it back, in constant memory.

The key that opens it isn't needed to write it. Encryption by age finds every changed bit, and where a file was cut off;
that a part is the one that belongs there is said by the SHA-256 in the manifest, and its own in the summary.
"""

import hashlib
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyrage
from backports import zstd

from ops.backups.errors import BackupError, BadBackup, NotOpened
from ops.backups.manifest import Part
from ops.backups.places import Place, Writer

LEVEL = 3
BLOCK = 1 << 18
# Blocks of a part that wait to be read by who asks for them.
AHEAD = 8
# What age says of a file for another key, and of one that ends in the middle of its header.
FOREIGN = ("No matching keys",)
SHORT = ("Incomplete header", "failed to fill whole buffer")


class Sealed:
    """What is read by the encryption: blocks, compressed as they are asked for."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._compressor: Any = zstd.ZstdCompressor(LEVEL)
        self._ready, self._at = b"", 0
        self._ended = False
        self.sha256, self.bytes = hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes; none at the end."""
        while self._at >= len(self._ready) and not self._ended:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
                self._ready, self._at = self._compressor.flush(), 0
            else:
                self.sha256.update(block)
                self.bytes += len(block)
                self._ready, self._at = self._compressor.compress(block), 0
        end = len(self._ready) if size < 0 else self._at + size
        found = self._ready[self._at : end]
        self._at += len(found)
        return found


class Counted:
    """What is written, hashed on its way."""

    def __init__(self, out: Writer, failed: list[Exception]) -> None:
        self._out, self._failed = out, failed
        self.sha256, self.bytes = hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.bytes += len(data)
        try:
            self._out.write(data)
        except Exception as error:
            self._failed.append(error)
            raise
        return len(data)

    def flush(self) -> None:
        """What is under it decides when."""


def seal(place: Place, backup: str, name: str, blocks: Iterable[bytes], recipients: Sequence[Any]) -> Part:
    """Write one part."""
    # What goes wrong while it is read or written comes out of the encryption as a text alone.
    failed: list[Exception] = []

    def passed_on() -> Iterator[bytes]:
        try:
            yield from blocks
        except Exception as error:
            failed.append(error)
            raise

    with place.create(f"{backup}/{name}") as out:
        source, counted = Sealed(passed_on()), Counted(out, failed)
        try:
            pyrage.encrypt_io(source, counted, list(recipients))
        except Exception:
            if not failed:
                raise
        # It passes over an error of the last write.
        if failed:
            raise failed[0]
    return Part(name, counted.bytes, counted.sha256.hexdigest(), source.bytes, source.sha256.hexdigest())


class _Stored:
    """A part as it lies there, hashed as it is read."""

    def __init__(self, found: Any) -> None:
        self._found = found
        self.sha256, self.bytes = hashlib.sha256(), 0
        self.failed: Exception | None = None
        """Why it can't be read, which the decryption has no words for."""

    def read(self, size: int = -1) -> bytes:
        try:
            data: bytes = self._found.read(size)
        except Exception as error:
            self.failed = error
            raise
        self.sha256.update(data)
        self.bytes += len(data)
        return data

    def drain(self) -> None:
        """Read the rest."""
        while self.read(BLOCK):
            pass


class _Opened:
    """What the decryption writes, in a queue to who reads it."""

    def __init__(self) -> None:
        self.blocks: queue.Queue[bytes | Exception | None] = queue.Queue(AHEAD)
        self.abandoned = False

    def write(self, data: bytes) -> int:
        self.put(data)
        if self.abandoned:
            raise OSError("nobody reads on")
        return len(data)

    def put(self, data: bytes | Exception | None) -> None:
        while not self.abandoned:
            with suppress(queue.Full):
                self.blocks.put(data, timeout=0.2)
                return

    def flush(self) -> None:
        """The queue holds nothing back."""


def stored(place: Place, backup: str, name: str, size: int, sha256: str) -> None:
    """Read a part as it lies there, without opening it.

    :raises BadBackup: where it isn't the one that was written
    """
    with place.open(f"{backup}/{name}") as found:
        source = _Stored(found)
        source.drain()
    _check(name, source, size, sha256)


def unseal(place: Place, backup: str, part: Part, identities: Sequence[Any]) -> Iterator[bytes]:
    """What is in a part, block by block; whether it is whole is known with the last one.

    :raises BadBackup: where it isn't the one that was written, or none of the identities opens it
    """
    sha256, size = hashlib.sha256(), 0
    for block in _decompressed(part.name, _decrypted(place, backup, part.name, part.bytes, part.sha256, identities)):
        sha256.update(block)
        size += len(block)
        yield block
    if (size, sha256.hexdigest()) != (part.contents_bytes, part.contents_sha256):
        raise BadBackup(f"{part.name}: holds something else than the manifest says")


def unsealed(place: Place, backup: str, name: str, size: int, sha256: str, identities: Sequence[Any]) -> bytes:
    """What is in a part of which the summary alone is known.

    :raises BadBackup: where it isn't the one that was written, or none of the identities opens it
    """
    return b"".join(_decompressed(name, _decrypted(place, backup, name, size, sha256, identities)))


def opened(place: Place, folder: str, name: str, identities: Sequence[Any]) -> Iterator[bytes]:
    """What is in an object that no summary names.

    :raises BadBackup: where it was changed or cut off, or none of the identities opens it
    """
    return _decompressed(name, _decrypted(place, folder, name, None, "", identities))


def _decrypted(
    place: Place, backup: str, name: str, size: int | None, sha256: str, identities: Sequence[Any]
) -> Iterator[bytes]:
    opened = _Opened()
    reader = threading.Thread(target=_decrypt, args=(place, f"{backup}/{name}", size, sha256, identities, opened))
    reader.start()
    try:
        while (block := opened.blocks.get()) is not None:
            if isinstance(block, Exception):
                raise block
            yield block
    finally:
        opened.abandoned = True
        reader.join()


def _decrypt(
    place: Place, path: str, size: int | None, sha256: str, identities: Sequence[Any], opened: _Opened
) -> None:
    """In a thread of its own: what goes wrong is passed on too."""
    name = path.rpartition("/")[2]
    try:
        with place.open(path) as found:
            source = _Stored(found)
            refused = _refused(source, opened, identities)
            if opened.abandoned:
                return
            source.drain()
        # Another file than the one that was written says more than that it can't be opened.
        if size is not None:
            _check(name, source, size, sha256)
    except Exception as error:
        if isinstance(error, OSError):
            error.filename = error.filename or path
        opened.put(error)
        return
    opened.put(_unopened(name, refused) if refused else None)


def _unopened(name: str, refused: Exception) -> BadBackup:
    """What age has said, as what is wrong with the file."""
    said = str(refused).partition("\n")[0]
    if any(each in said for each in FOREIGN):
        return NotOpened(f"{name}: none of the identities opens it ({said})")
    return BadBackup(f"{name}: is damaged: {'it is cut off' if any(each in said for each in SHORT) else said}")


def _refused(source: _Stored, opened: _Opened, identities: Sequence[Any]) -> Exception | None:
    """Why age doesn't open it; None where it does."""
    refused: Exception | None
    try:
        pyrage.decrypt_io(source, opened, list(identities))
    except Exception as error:
        refused = error
    else:
        refused = None
    if source.failed:
        raise source.failed
    return refused


def _check(name: str, source: _Stored, size: int, sha256: str) -> None:
    if source.bytes != size:
        raise BadBackup(f"{name}: has {source.bytes} bytes and not the {size} that were written")
    if source.sha256.hexdigest() != sha256:
        raise BadBackup(f"{name}: its SHA-256 is another one than when it was written")


def _decompressed(name: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
    decompressor: Any = zstd.ZstdDecompressor()
    try:
        for block in blocks:
            if decompressor.eof:
                raise BadBackup(f"{name}: something follows its end")
            if found := decompressor.decompress(block):
                yield found
    except zstd.ZstdError:
        raise BadBackup(f"{name}: what is encrypted in it isn't compressed as a backup is") from None
    if not decompressor.eof:
        raise BadBackup(f"{name}: ends too early")


def recipients(given: Sequence[str]) -> list[Any]:
    """Who can open what is written.

    :raises BackupError: for one that is no recipient of age
    """
    found = []
    for text in given:
        try:
            found.append(pyrage.x25519.Recipient.from_str(text.strip()))
        except pyrage.RecipientError:
            raise BackupError(f"--recipient {text[:12]}…: must be a public key of age, age1…") from None
    return found


def identities(path: Path) -> list[Any]:
    """The keys in a file as age-keygen writes it.

    :raises BackupError: where there is none
    """
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except OSError as error:
        raise BackupError(f"identity {path}: can't be read: {error.strerror}") from None
    except (pyrage.IdentityError, UnicodeDecodeError):
        found = []
    if not found:
        raise BackupError(f"identity {path}: holds no key of age, AGE-SECRET-KEY-1…")
    return found
