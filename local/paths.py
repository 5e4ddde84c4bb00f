"""Where the local services of a stack keep what they need."""

import hashlib
import json
import os
import pwd
from pathlib import Path
from typing import Any

from declared import naming
from declared.paths import CHECKOUT


def stack_folder(stack: str, checkout: Path = CHECKOUT) -> Path:
    """The folder of one stack: endpoints, passwords, logs, moto's memory. Nothing is made by asking for it.

    :raises NameRefused: where the stack's name would lead elsewhere
    """
    return checkout / ".local" / naming.stack(stack)


def make_private(folder: Path) -> None:
    """Make a folder in `.local` that only its owner may look into."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in (folder.parent, folder):
        each.chmod(0o700)


def is_own(folder: Path, checkout: Path = CHECKOUT) -> bool:
    """Whether a folder lies directly in `.local`, and is what it seems: what is removed has to."""
    return not folder.is_symlink() and folder.resolve().parent == (checkout / ".local").resolve()


def server_account() -> pwd.struct_passwd | None:
    """The account that runs PostgreSQL when we are root, which the server refuses; None for an ordinary user."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LookupError("neither the account postgres nor nobody exists; PostgreSQL can't run as root")


def data_folder(folder: Path) -> Path:
    """Where the server's files lie: in `folder`, or where another account can reach them when we are root."""
    if server_account() is None:
        return folder
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    return Path(os.environ.get("VPB_DATA", "/var/tmp")) / f"visual-prompt-builder-{digest}"


def reachable_by_others(path: Path) -> bool:
    """Whether an account without rights of its own gets to `path` and may read it."""
    resolved = path.resolve()
    if not all(parent.stat().st_mode & 0o001 for parent in resolved.parents):
        return False
    return resolved.stat().st_mode & 0o005 == 0o005


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that only its owner may read, whole or not at all."""
    partial = path.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        json.dump(content, handle, indent=2)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)


def read_private(path: Path, *names: str) -> dict[str, Any] | None:
    """What `write_private` wrote; None where the file is gone, or is no map that has `names`."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.keys() >= set(names) else None
