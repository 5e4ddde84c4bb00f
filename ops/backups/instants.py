"""The instant of a backup, as the database knows it: the cleaner leaves where it is what was stored then."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import psycopg

from declared.objectlayout import DAYS_OF_OLD_VERSIONS
from ops.backups.errors import BackupError
from ops.database import connect

APPLICATION = "vpb backup"
# Where nothing else says how long a backup is kept: as long as the object store has what was deleted.
DAYS = DAYS_OF_OLD_VERSIONS
KNOWN = """
select exists (
    select from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
     where n.nspname = 'ops' and p.proname = 'keep_instant')"""
WRITES = "set session characteristics as transaction read write"


@contextmanager
def kept(url: str, backup: str, taken_at: datetime, days: int) -> Iterator[bool]:
    """In the block the instant is noted, and afterwards too unless the block has failed; whether the database takes it.

    Args:
        url: of the login `backup`.
        days: how long the backup is kept.

    :raises BackupError: where the database refuses
    """
    noted = _call(url, "select ops.keep_instant(%s, %s, %s)", backup, taken_at, days)
    try:
        yield noted
    except BaseException:
        # It ends by itself in any case.
        with suppress(Exception):
            _call(url, "select ops.release_instant(%s)", backup)
        raise


def _call(url: str, statement: str, *given: object) -> bool:
    with connect(url, APPLICATION) as connection:
        if connection.execute(KNOWN).fetchone() != (True,):
            return False
        connection.execute(WRITES)
        try:
            connection.execute(statement.encode(), given)
        except psycopg.Error as error:
            raise BackupError(f"the instant of the backup can't be noted: {error.diag.message_primary}") from None
    return True
