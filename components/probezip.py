"""The archive of the function that asks for the database's health: the same bytes wherever it is packed.

Its driver is what is installed here, so the version that `constraints.txt` pins. boto3 is in Lambda's runtime.
"""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from declared.errors import UserError
from declared.health import PARTS, Check
from declared.paths import CHECKOUT

HANDLER = CHECKOUT / "probe" / "handler.py"
# The driver with all that it needs, as PyPI calls them; none has a compiled part.
PACKAGES = ("pg8000", "scramp", "asn1crypto", "python-dateutil", "six")
# As early as a zip file can say.
WHEN = (1980, 1, 1, 0, 0, 0)
FOLDER = CHECKOUT / ".local" / "probe"


class CannotPack(UserError):
    """What isn't there; the text is one line."""


def content(checks: Mapping[str, Check], authorities: bytes) -> bytes:
    """The archive.

    Args:
        checks: the metrics that are sent.
        authorities: the certificates that the server's is checked by, PEM.

    :raises CannotPack: where the driver isn't installed
    """
    known = {
        "parts": PARTS,
        "checks": {name: {"unit": check.unit, "below": check.below} for name, check in checks.items()},
    }
    files = {
        "handler.py": HANDLER.read_bytes(),
        "checks.json": json.dumps(known, sort_keys=True).encode(),
        "authorities.pem": authorities,
    }
    for package in PACKAGES:
        files |= _installed(package)
    packed = io.BytesIO()
    # Not compressed: what a compressor makes of it depends on its version.
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, WHEN)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, data)
    return packed.getvalue()


def _installed(package: str) -> dict[str, bytes]:
    """Modules of an installed package, and its licence."""
    try:
        listed = metadata.files(package) or []
    except metadata.PackageNotFoundError:
        raise CannotPack(f"package {package} isn't installed: `make up` installs what requirements.txt names") from None
    found = {}
    for each in listed:
        # Not where a wheel's file list leads out of the folder of packages.
        if ".." in each.parts or "__pycache__" in each.parts:
            continue
        if each.suffix == ".py" or (".dist-info" in each.parts[0] and each.name.startswith("LICENSE")):
            found[each.as_posix()] = Path(str(each.locate())).read_bytes()
    return found


def written(checks: Mapping[str, Check], authorities: bytes) -> tuple[Path, str]:
    """The archive as a file that is named by what is in it, and its SHA-256 in hexadecimal digits.

    :raises CannotPack: where it can't be packed, or not be written
    """
    data = content(checks, authorities)
    digest = hashlib.sha256(data).hexdigest()
    path = FOLDER / f"{digest[:16]}.zip"
    begun = path.with_suffix(f".{os.getpid()}")
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        # One that is there may have been changed.
        begun.write_bytes(data)
        begun.replace(path)
    except OSError as error:
        raise CannotPack(f"{path}: {error.strerror}") from None
    return path, digest
