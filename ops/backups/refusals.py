"""What PostgreSQL refuses of rows, in one line without a value of them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ops.backups.errors import BackupError

# Classes of SQLSTATE whose messages name objects, and never values: connection, transaction, object and privilege,
# resources, limits, state, operator, system.
SAID = ("08", "25", "28", "40", "42", "53", "54", "55", "57", "58")


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """
    :raises BackupError: for each error of PostgreSQL, about the table `name`
    """
    try:
        yield
    except psycopg.Error as error:
        raise BackupError(f"table {name}: {_said(error)}; nothing was changed") from None


def _said(error: psycopg.Error) -> str:
    diag = error.diag
    if isinstance(error, psycopg.errors.ForeignKeyViolation) and diag.table_name:
        place = f"{diag.constraint_name} of {diag.schema_name}.{diag.table_name}"
        return f"its rows name others that aren't there ({place}); restore those first"
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
