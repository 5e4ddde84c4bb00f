"""What a file is, by its first bytes and not by its name, and whether that fits what it was declared to be.

Containers are detected, not what is in them: an MP4 or a WebM counts as sound where sound was declared.
"""

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
    if found is None and start[4:8] == b"ftyp" and start[8:12] in FRAGMENTS:
        return "video/mp4"
    return found


def mismatch(declared: str | None, start: bytes) -> str | None:
    """Why a file that begins so isn't what it was declared to be; None where it is, or may be."""
    wanted = (declared or "").partition(";")[0].strip().lower()
    if wanted in NOTHING:
        return None
    found = kind(start)
    if found is None:
        return f"declared as {wanted}, and is none" if wanted.split("/")[0] in FAMILIES else None
    return None if wanted == found or wanted in NAMES.get(found, ()) else f"declared as {wanted}, is {found}"
