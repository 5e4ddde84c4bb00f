"""What PostgreSQL refuses of rows, in one line without a value of them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ops.backups.errors import BackupError

# Classes of SQLSTATE whose messages name objects, and never values: connection, transaction, object and privilege,
# resources, limits, state, operator, system.
SAID = ("08", "25", "28", "40", "42", "53", "54", "55", "57", "58")

# As private.charge refuses what a quota has no room for.
FULL = re.compile(r"storage of (?P<person>[0-9a-f-]{36}) is full")


class NoRoomError(BackupError):
    """A person's quota has no room for what would be theirs."""

    def __init__(self, text: str, person: str) -> None:
        super().__init__(text)
        self.person = person


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """
    :raises BackupError: for each error of PostgreSQL, about the table `name`
    """
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        full = FULL.match(error.diag.message_primary or "")
        if full is None:
            raise BackupError(f"table {name}: {said(error)}; nothing was changed") from None
        text = f"table {name}: {full[0]}: the quota in private.storage_quotas has no room; nothing was changed"
        raise NoRoomError(text, full["person"]) from None
    except psycopg.Error as error:
        raise BackupError(f"table {name}: {said(error)}; nothing was changed") from None


def said(error: psycopg.Error) -> str:
    """What PostgreSQL has said no with, without a value of a row."""
    diag = error.diag
    if isinstance(error, psycopg.errors.ForeignKeyViolation) and diag.table_name:
        place = f"{diag.constraint_name} of {diag.schema_name}.{diag.table_name}"
        return f"its rows name others that aren't there ({place}); restore those first"
    if isinstance(error, psycopg.errors.DiskFull):
        return "the disk of the server is full"
    # In a function or a line of `copy` there is a context, and any message may have a value in it.
    if error.sqlstate is None or (error.sqlstate[:2] in SAID and not diag.context):
        return (diag.message_primary or str(error)).strip().splitlines()[0]
    named = [
        f"{kind} {name}" for kind, name in (("constraint", diag.constraint_name), ("column", diag.column_name)) if name
    ]
    return f"PostgreSQL refuses its rows: {_condition(error)}" + f" ({', '.join(named)})" * bool(named)


def _condition(error: psycopg.Error) -> str:
    """The condition's name in PostgreSQL's manual, else its SQLSTATE."""
    try:
        found = psycopg.errors.lookup(error.sqlstate or "")
    except KeyError:
        return f"SQLSTATE {error.sqlstate}"
    return re.sub(r"(?<!^)(?=[A-Z])", "_", found.__name__).lower().rstrip("_")
