"""A copy of PostgreSQL's programs in which some extensions are trusted, as a service that runs it may have them."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from local import postgres


def copied(folder: Path, trusted: Sequence[str]) -> Path:
    """The folder of the copied programs, with which a login that isn't superuser may make the extensions."""
    copy = folder / "installation"
    shutil.copytree(postgres.wheel_binaries().parent, copy, symlinks=True)
    for name in trusted:
        (control,) = copy.rglob(f"{name}.control")
        control.write_text(control.read_text() + "trusted = true\n")
    return copy / postgres.wheel_binaries().name
