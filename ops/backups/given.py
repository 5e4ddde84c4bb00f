"""What the commands need of a stack without its state, which has every password in it: variables of the environment."""

import os
import re
from collections.abc import Iterator

from declared import connectionurl
from ops.backups.errors import BackupError
from ops.environment import Environment
from run import engine

DATABASE, BACKUPS, OBJECTS = "BACKUP_DATABASE_URL", "BACKUP_BUCKET", "OBJECT_BUCKET"
REPLICATION = "REPLICATION_DATABASE_URL"
# As S3 takes it, so that it is nothing else in an address.
BUCKET = re.compile(r"(?!xn--|sthree-)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")


def instead_of_state(
    without_state: bool,
    stack: str,
    elsewhere: bool,
    database: bool = True,
    replication: bool = False,
    objects: bool = True,
) -> Environment | None:
    """The outputs as variables say them, where the state isn't to be asked for them; else None."""
    return environment(stack, elsewhere, database, replication, objects) if without_state else None


def environment(
    stack: str, elsewhere: bool, database: bool = True, replication: bool = False, objects: bool = True
) -> Environment:
    """The outputs that the commands need, as variables say them; region and settings are those of the stack's file.

    Args:
        elsewhere: whether backups are at a place of their own, so that no declared bucket is needed.
        database: whether the database is needed.
        replication: whether a login that reads WAL is needed, which stands for the one that provisions.
        objects: whether the bucket of stored files is needed.

    :raises BackupError: for the first variable that is missing or can't be used, and for a stack without a file
    """
    if not engine.declared(stack):
        raise BackupError(f"stack {stack}: has no file Pulumi.{stack}.yaml here, which --without-state goes by")
    return Environment(stack, dict(_outputs(stack, elsewhere, database, replication, objects)))


def _outputs(
    stack: str, elsewhere: bool, database: bool, replication: bool, objects: bool
) -> Iterator[tuple[str, str]]:
    if database:
        yield "backup_url", _url(stack, DATABASE, "the URL of the login backup")
    if replication:
        yield "admin_url", _url(stack, REPLICATION, "the URL of a login with REPLICATION")
    if not elsewhere and engine.backups(stack):
        yield "backup_bucket", _bucket(stack, BACKUPS)
    if objects and engine.target(stack).can.object_store:
        yield "object_bucket", _bucket(stack, OBJECTS)


def _url(stack: str, name: str, what: str) -> str:
    try:
        return connectionurl.compose(connectionurl.parse(_needed(stack, name, what)))
    except connectionurl.UrlError as error:
        raise BackupError(f"{name} must be {error}") from None


def _bucket(stack: str, name: str) -> str:
    value = _needed(stack, name, f"the name of a bucket, output {name.lower()} of the stack")
    if not BUCKET.fullmatch(value):
        raise BackupError(f"{name} must be the name of a bucket, of 3 to 63 of a-z, 0-9, . and -")
    return value


def _needed(stack: str, name: str, what: str) -> str:
    if not (value := os.environ.get(name, "").strip()):
        raise BackupError(f"stack {stack}: with --without-state, variable {name} must be {what}")
    return value
