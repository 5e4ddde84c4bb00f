"""Small files of every type that has a beginning of its own, with our test signature inside: what an engine must find.

A type that an engine recognises and doesn't look into is found out so: ClamAV passes whatever begins with `ID3` or
`OggS`. EICAR's test file is no use here, since by its rules nothing may come before it.
"""

import zlib
from collections.abc import Collection, Iterator
from struct import pack

from visual_prompt_builder import content

from ops.storage.scanning.signatures import OURS

# Above any limit of a daemon's, which takes 2 GiB for one file at most.
ENDLESS = 2**31 + 2**20
MIB = 2**20
TEXTS = ("application/json", "text/csv", "text/plain")


def _box(brand: bytes) -> bytes:
    return pack(">I4s4sI4s", 20, b"ftyp", brand, 0, b"isom") + pack(">I4s", 8 + len(OURS), b"mdat")


def _ebml(name: bytes) -> bytes:
    return b"\x1a\x45\xdf\xa3" + bytes([0x83 + len(name)]) + b"\x42\x82" + bytes([0x80 | len(name)]) + name


WAV = b"RIFF\x00\x10\x00\x00WAVEfmt " + pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16) + b"data\0\1\0\0"
# What a file of the type begins with; its canonical name is what `content.kind` says of it.
BEGINNINGS = (
    b"ID3\x04\0\0\0\0\0\0\xff\xfb\x90\x00",
    b"\xff\xfb\x90\x00" + bytes(413),
    b"\xff\xe3\x18\xc4" + bytes(200),
    b"OggS\0\x02" + bytes(20) + b"\x01\x13OpusHead\1\1",
    WAV,
    b"RF64\xff\xff\xff\xff" + WAV[8:],
    _box(b"M4A "),
    _box(b"isom"),
    _box(b"iso5"),
    _box(b"qt  "),
    _box(b"avif"),
    _ebml(b"webm"),
    _ebml(b"matroska"),
    b"fLaC\0\0\0\x22" + bytes(34),
    b"\xff\xf1\x50\x80" + bytes(50),
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(20),
    b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(20),
    b"RIFF\x24\0\0\0WEBPVP8 " + bytes(20),
    b"GIF89a" + bytes(20),
    b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\n",
)
# Of text a page is as good as a table: an engine that takes it for one looks at something else than its bytes.
TEXT = (b'{"a": "', b"a,b\n1,<html><script>\n")


def samples(declared: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Type and content of each sample for these types, as buckets allow them: also `audio/*`, and none for all."""
    for start in BEGINNINGS:
        found = str(content.kind(start))
        if _wanted(found, declared):
            yield found, start + OURS
    for text in TEXTS:
        if _wanted(text, declared):
            yield from ((text, start + OURS) for start in TEXT)
    if _wanted("application/zip", declared):
        yield "application/zip", zipped(OURS)


def _wanted(found: str, declared: Collection[str]) -> bool:
    names = {found, *content.NAMES.get(found, ())}
    return not declared or any(
        each in names or each == "*/*" or (each.endswith("/*") and any(name.startswith(each[:-1]) for name in names))
        for each in declared
    )


def zipped(member: bytes) -> bytes:
    """A ZIP of one file."""
    return _zip(zlib.compress(member, wbits=-15), zlib.crc32(member), len(member))


def locked() -> bytes:
    """A ZIP whose file says that it is locked with a password: what is in it nobody sees without."""
    member = bytes(range(64))
    return _zip(member, zlib.crc32(member), len(member), flags=1)


def bomb() -> bytes:
    """A ZIP of 2 MB in which our test signature comes after more zeros than a daemon unpacks."""
    packer = zlib.compressobj(9, wbits=-15)
    # Flushed, a piece of the stream depends on nothing before it, so it can be repeated.
    piece = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.compress(OURS) + packer.flush()
    # The checksum is left out: unpacking 2 GiB to know it would take seconds, and no engine gets as far.
    return _zip(piece * (ENDLESS // MIB) + end, 0, ENDLESS + len(OURS))


def _zip(packed: bytes, checksum: int, size: int, flags: int = 0) -> bytes:
    name = b"a"
    about = pack("<HHHHHIIIHH", 20, flags, 8, 0, 0x21, checksum, len(packed), size, len(name), 0)
    local = b"PK\3\4" + about + name
    central = b"PK\1\2" + pack("<H", 20) + about + pack("<HHHII", 0, 0, 0, 0, 0) + name
    end = b"PK\5\6" + pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    return local + packed + central + end
