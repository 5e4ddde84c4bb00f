"""Which account runs PostgreSQL, and where its files lie."""

import hashlib
import os
import pwd
from pathlib import Path


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


def enterable(folder: Path, account: pwd.struct_passwd) -> bool:
    """Whether an account gets into a folder, by the rights of owner, group and others."""

    def enters(found: os.stat_result) -> bool:
        if found.st_uid == account.pw_uid:
            return bool(found.st_mode & 0o100)
        return bool(found.st_mode & (0o010 if found.st_gid == account.pw_gid else 0o001))

    resolved = folder.resolve()
    return all(enters(each.stat()) for each in (resolved, *resolved.parents))
