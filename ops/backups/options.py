"""What the options of the commands name: where backups are, who opens them, the store of the files."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pyrage

from declared.backups import BackupSettings
from declared.errors import UserError
from declared.folders import make_private
from declared.naming import stack as named
from declared.paths import CHECKOUT
from ops.backups import making, places, sealing
from ops.backups.checking import Backup
from ops.backups.declared import Declared
from ops.backups.errors import BackupError
from ops.backups.manifest import ID
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
        return places.named(given, lambda: (environment or Environment.of(stack)).s3)
    if declared := engine.backups(stack):
        return _bucket(environment or Environment.of(stack), declared)
    if not engine.target(stack).disposable:
        raise BackupError(
            f"stack {stack}: {option} must say where backups are, s3://bucket/prefix or a folder, or database:backups "
            "declares a bucket for them"
        )
    return places.Folder(folder(stack))


def of_stack(found: Backup, stack: str) -> Backup:
    """A backup, where it is of this stack.

    :raises BackupError: where it is of another one, whose people and rows would come into this one
    """
    if found.summary.stack != stack:
        raise BackupError(
            f"backup {found.id}: is of stack {found.summary.stack}, not {stack}; --of says which is meant, or --stack "
            "where there is no such option"
        )
    return found


def _bucket(environment: Environment, declared: BackupSettings) -> Place:
    return Declared(environment.s3, environment.output("backup_bucket"), declared.retention)


def instant(text: str, option: str = "--at") -> datetime:
    """An instant that an option names, in UTC where it names no zone.

    :raises BackupError: where it is none
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BackupError(f"{option} {text}: must be an instant such as 2026-11-28T05:00Z") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def recipients(stack: str, given: list[str] | None) -> list[Any]:
    """Who can open what is written: those of the option, else those that are declared, else a local stack's own key.

    :raises BackupError: where there is none
    """
    declared = engine.backups(stack)
    return sealing.recipients(given or (declared and list(declared.recipients)) or [own_recipient(stack)])


def recipients_beside(stack: str, keys: list[Any], given: list[str] | None = None) -> list[Any]:
    """Who can open what is made of another backup: as above, else the keys that open that one."""
    declared = engine.backups(stack)
    own = [str(key.to_public()) for key in keys]
    return sealing.recipients(given or (declared and list(declared.recipients)) or own)


def own_recipient(stack: str) -> str:
    """The public key of a local stack, made once; its private one lies beside the backups."""
    if not engine.target(stack).disposable:
        raise BackupError(
            f"stack {stack}: --recipient must name the public key of who can open it; age-keygen makes one"
        )
    path = folder(stack) / IDENTITY
    if not path.exists():
        if kept := [*filter(ID.fullmatch, places.Folder(folder(stack)).backups())]:
            raise BackupError(
                f"{path}: the key is gone, and {len(kept)} backups open with it alone; put it back, or move them "
                "elsewhere, then the next backup makes a new key"
            )
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


def followed(stack: str, environment: Environment | None) -> Any:
    """How far the stack's server has handed its WAL over; None where it has no archive or doesn't say."""
    from ops.physical import server

    try:
        found = environment or Environment.of(stack)
        return server.followed(found.admin_url, stack) if "admin_url" in found.outputs else None
    except (UserError, psycopg.Error):
        return None


def kept(stack: str, where: str | None, keys: list[Any]) -> str:
    """A backup made now, for those whom the stack declares, else for the keys that open the one restored; its id."""
    environment = Environment.of(stack)
    task = making.Making(
        stack,
        environment.output("backup_url"),
        place(stack, where, "--from"),
        recipients_beside(stack, keys),
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
