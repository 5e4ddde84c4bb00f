"""A backup as the database knows it: its instant, for the cleaner leaves what was stored then, and its last drill."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import psycopg

from declared.errors import UserError
from declared.objectlayout import DAYS_OF_OLD_VERSIONS
from ops.backups.checking import Backup
from ops.backups.drill import Evidence
from ops.backups.errors import BackupError
from ops.database import connect
from ops.environment import Environment

APPLICATION = "vpb backup"
# Where nothing else says how long a backup is kept: as long as the object store has what was deleted.
DAYS = DAYS_OF_OLD_VERSIONS
KNOWN = """
select exists (
    select from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
     where n.nspname = 'ops' and p.proname = 'keep_instant')"""
WRITES = "set session characteristics as transaction read write"


@contextmanager
def kept(url: str, backup: str, taken_at: datetime, days: int, place: str) -> Iterator[bool]:
    """In the block the instant is noted, and afterwards too unless the block has failed; whether the database takes it.

    Args:
        url: of the login `backup`.
        days: how long the backup is kept.
        place: where it lies, as its label says.

    :raises BackupError: where the database refuses
    """
    noted = _call(url, "select ops.keep_instant(%s, %s, %s, %s)", backup, taken_at, days, place)
    try:
        yield noted is not None
    except BaseException:
        # It ends by itself in any case.
        with suppress(Exception):
            _call(url, "select ops.release_instant(%s)", backup)
        raise


def drilled(stack: str, backup: Backup, done: Evidence | None, environment: Environment | None = None) -> str:
    """Note in the stack's database how a drill ended, which `up` goes by; why it wasn't noted, or nothing.

    Args:
        done: what the drill has found; None where the backup couldn't be restored.
        environment: the stack's outputs, where they aren't those of its state.
    """
    try:
        return noted(str((environment or Environment.of(stack)).output("backup_url")), stack, backup, done)
    except UserError as error:
        return " ".join(str(error).split())


def noted(url: str, stack: str, backup: Backup, done: Evidence | None) -> str:
    """The same, of a database.

    :raises BackupError: where the database refuses
    """
    age = datetime.now(UTC) - datetime.fromisoformat(backup.summary.taken_at)
    took = None if done is None else timedelta(seconds=done.restore_seconds)
    lost = max(timedelta(), age if done is None else timedelta(seconds=done.age_seconds))
    statement = "select ops.note_drill(%s, %s, %s, %s, %s)"
    label = backup.place.label
    known = _call(url, statement, backup.id, done is not None and done.passed, lost, took, label)
    if known is None:
        return f"the database of stack {stack} has no function ops.note_drill"
    return "" if known else f"the database of stack {stack} knows no backup {backup.id} at {label}"


def _call(url: str, statement: str, *given: object) -> object:
    """What a function says; None where this database has none."""
    with connect(url, APPLICATION) as connection:
        if connection.execute(KNOWN).fetchone() != (True,):
            return None
        connection.execute(WRITES)
        try:
            answer = connection.execute(statement.encode(), given).fetchone()
        except psycopg.Error as error:
            raise BackupError(f"backup {given[0]} can't be noted: {error.diag.message_primary}") from None
    return answer and answer[0]
