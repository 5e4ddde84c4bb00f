"""The file that keeps moto's state: one line of JSON, then a pickle.

A pickle runs code when it is loaded. So the file is only read when it belongs to this user and nobody else can write
it, and only by the version of moto that has written it. Whatever is refused stays where it is.
"""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from local.moto.errors import StartError

REFUSED = 3
MARK = "moto state"


def read(path: Path, version: str) -> tuple[dict[str, Any], bytes] | None:
    """Header and pickle; None where there is no file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refusal(path, f"can't be read: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        # Asked of the open file: the path could be exchanged between the question and the reading.
        _check_owner(path, os.fstat(file.fileno()))
        first, _, content = file.read().partition(b"\n")
    header = _header(path, first)
    if header["moto"] != version:
        raise _refusal(path, f"was written by moto {header['moto']}, this is {version}; move it away to start empty")
    if hashlib.sha256(content).hexdigest() != header.get("sha256"):
        raise _refusal(path, "is damaged; move it away to start empty")
    return header, content


def _refusal(path: Path, reason: str) -> StartError:
    return StartError(f"state file {path} {reason}", REFUSED)


def _check_owner(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise _refusal(path, "is no regular file")
    if status.st_uid != os.getuid():
        raise _refusal(path, f"belongs to user {status.st_uid}, not to {os.getuid()}, and loading runs code")
    if status.st_mode & 0o022:
        raise _refusal(path, f"can be written by others (mode {status.st_mode & 0o777:o}); chmod 600 if you trust it")


def _header(path: Path, line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("format") != MARK or "moto" not in header:
        raise _refusal(path, "is damaged; move it away to start empty")
    return header


def write(path: Path, version: str, content: bytes, *, empty: bool) -> None:
    """Replaces the file at once or not at all."""
    header = {"format": MARK, "moto": version, "sha256": hashlib.sha256(content).hexdigest(), "empty": empty}
    # Always the same name: what a killed server has left half-written is overwritten, not gathered.
    fresh = path.with_name(f".{path.name}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, 0o600)
        file.write(json.dumps(header).encode() + b"\n" + content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    # Without this a power cut can bring the old file back.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
