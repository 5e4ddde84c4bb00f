"""What the options of the commands name: where backups are, who opens them, the store of the files."""

import os
import sys
from pathlib import Path
from typing import Any

import pyrage

from declared.backups import BackupSettings
from declared.errors import UserError
from declared.folders import make_private
from declared.naming import stack as named
from declared.paths import CHECKOUT
from ops.backups import making, places, sealing
from ops.backups.declared import Declared
from ops.backups.errors import BackupError
from ops.backups.places import Place
from ops.environment import Environment
from run import engine

IDENTITY = "identity.txt"


def folder(stack: str) -> Path:
    """Where backups of a local stack lie, and the key that opens them; they survive `down`."""
    path = CHECKOUT / ".local" / "backups" / named(stack)
    make_private(path)
    return path


def place(stack: str, given: str | None, option: str, environment: Environment | None = None) -> Place:
    """Where an option says, else the declared bucket, else the folder of a local stack.

    :raises BackupError: where nothing says it
    """
    if given is not None:
        return places.named(given, lambda: (environment or Environment.of(stack)).store.s3)
    if declared := engine.backups(stack):
        return _bucket(environment or Environment.of(stack), declared)
    if not engine.target(stack).disposable:
        raise BackupError(
            f"stack {stack}: {option} must say where backups are, s3://bucket/prefix or a folder, or database:backups "
            "declares a bucket for them"
        )
    return places.Folder(folder(stack))


def _bucket(environment: Environment, declared: BackupSettings) -> Place:
    return Declared(environment.store.s3, environment.output("backup_bucket"), declared.retention)


def own_recipient(stack: str) -> str:
    """The public key of a local stack, made once; its private one lies beside the backups."""
    if not engine.target(stack).disposable:
        raise BackupError(
            f"stack {stack}: --recipient must name the public key of who can open it; age-keygen makes one"
        )
    path = folder(stack) / IDENTITY
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(f"{pyrage.x25519.Identity.generate()}\n")
        print(f"{path}: made the key that opens backups of stack {stack}; keep a copy elsewhere", file=sys.stderr)
    return str(sealing.identities(path)[0].to_public())


def identities(stack: str, given: Path | None, needed: bool) -> list[Any]:
    """The keys that open a backup: those of a file, else a local stack's own.

    :raises BackupError: where there is none and one is needed
    """
    own = folder(stack) / IDENTITY
    if given is None and not own.exists():
        if needed:
            raise BackupError("--identity must name the file with the key that opens the backup")
        return []
    return sealing.identities(given or own)


def kept(stack: str, where: str | None, keys: list[Any]) -> str:
    """A backup made now, for those whom the stack declares, else for the keys that open the one restored; its id."""
    environment = Environment.of(stack)
    declared = engine.backups(stack)
    names = list(declared.recipients) if declared else [str(key.to_public()) for key in keys]
    task = making.Making(
        stack,
        environment.output("backup_url"),
        place(stack, where, "--from"),
        sealing.recipients(names),
        store(environment),
    )
    return task.run().id


def store(environment: Environment) -> Any:
    """The object store, where the target has one."""
    return environment.store if engine.target(environment.stack).can.object_store else None


def reachable(stack: str) -> Any:
    """The object store, where the stack is there: a drill needs none."""
    try:
        return store(Environment.of(stack))
    except UserError:
        return None
