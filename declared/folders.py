"""`.local` in the checkout: a folder for each stack, and files that only their owner reads; files in one step."""

import json
import os
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


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that only its owner may read, whole or not at all."""
    partial = path.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        json.dump(content, handle, indent=2)
        handle.flush()
        os.fsync(handle.fileno())
    partial.replace(path)


def replace(path: Path, content: bytes) -> None:
    """Give a file that is there another content in one step: a run that is killed leaves one or the other."""
    if path.read_bytes() == content:
        return
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(content)
        new.chmod(path.stat().st_mode)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def read_private(path: Path, *names: str) -> dict[str, Any] | None:
    """What `write_private` wrote; None where the file is gone, or is no map that has `names`."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.keys() >= set(names) else None
