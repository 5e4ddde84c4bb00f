"""What a file is, by its first bytes and not by its name, and whether that fits what it was declared to be.

Containers are detected, not what is in them: an MP4 or a WebM counts as sound where sound was declared.
"""

from collections.abc import Callable

import filetype

# As much as any of the types needs, and no more than one chunk of a stream.
START = 8192
# Fragments of MP4, as browsers record them; the library knows whole files only.
FRAGMENTS = {b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"dash", b"msdh"}
# What it is → the other names under which it may be declared.
NAMES = {
    "audio/mpeg": {"audio/mp3"},
    "audio/x-wav": {"audio/wav", "audio/wave", "audio/vnd.wave"},
    "audio/ogg": {"audio/opus", "application/ogg"},
    "audio/aac": {"audio/aacp"},
    "audio/x-flac": {"audio/flac"},
    "audio/mp4": {"audio/x-m4a", "audio/m4a"},
    "video/mp4": {"audio/mp4", "audio/x-m4a", "audio/m4a"},
    # What QuickTime and older iPhones call an M4A inside.
    "video/quicktime": {"audio/mp4", "audio/x-m4a", "audio/m4a"},
    "video/webm": {"audio/webm"},
    "video/x-matroska": {"audio/x-matroska", "audio/matroska", "video/matroska"},
    "application/zip": {"application/x-zip-compressed"},
}
# Of these every type has a beginning of its own: what has none of them is something else.
FAMILIES = {"audio", "image", "video"}
# What says nothing, as stores put it where nothing was said.
NOTHING = {"", "application/octet-stream", "binary/octet-stream"}


def kind(start: bytes) -> str | None:
    """The type of a file that begins so, None where no type is known by it."""
    found: str | None = filetype.guess_mime(start)
    if found in STRICTER and not STRICTER[found](start):
        return None
    if found is None and start[4:8] == b"ftyp" and start[8:12] in FRAGMENTS:
        return "video/mp4"
    if found is None and start[:4] == b"RF64" and start[8:12] == b"WAVE":
        return "audio/x-wav"
    # The library knows neither frames with a checksum nor MPEG 2.5.
    if found is None and _frame(start):
        return "audio/mpeg"
    return found


def _frame(start: bytes) -> bool:
    """Whether it is a frame of MPEG audio, layer III, of versions 1, 2 or 2.5 and rates that there are."""
    return (
        len(start) >= 4
        and start[0] == 0xFF
        and start[1] & 0xE6 == 0xE2
        and start[1] & 0x18 != 0x08
        and start[2] & 0xF0 != 0xF0
        and start[2] & 0x0C != 0x0C
    )


def _tagged_or_frame(start: bytes) -> bool:
    """Whether it is a frame, or an ID3 tag as there are, behind which a sound follows as far as can be seen."""
    if not start.startswith(b"ID3"):
        return _frame(start)
    if len(start) < 10 or start[3] not in (2, 3, 4) or start[4] == 0xFF or any(byte & 0x80 for byte in start[6:10]):
        return False
    length = 10 + (start[6] << 21 | start[7] << 14 | start[8] << 7 | start[9])
    # Padding, a second tag, any layer of MPEG audio or AAC, or FLAC with a tag that it shouldn't have.
    follows = start[length:].lstrip(b"\0")[:4]
    return not follows or follows[0] == 0xFF or follows.startswith((b"ID3", b"fLaC"))


# What the library knows by less than a type's beginning is: a few letters, that a page can begin with too.
STRICTER: dict[str, Callable[[bytes], bool]] = {
    "audio/mpeg": _tagged_or_frame,
    "image/jpeg": lambda start: start[3:4] >= b"\xc0",
}


def plain(declared: str | None) -> str:
    """A declared type without its parameters; empty where nothing is declared."""
    return (declared or "").partition(";")[0].strip().lower()


def mismatch(declared: str | None, start: bytes) -> str | None:
    """Why a file that begins so isn't what it was declared to be; None where it is, or may be."""
    wanted = plain(declared)
    if wanted in NOTHING:
        return None
    found = kind(start)
    if found is None:
        return f"declared as {wanted}, and is none" if wanted.split("/")[0] in FAMILIES else None
    return None if wanted == found or wanted in NAMES.get(found, ()) else f"declared as {wanted}, is {found}"
