"""What the functions of the query patterns run on: a psycopg connection, as whom, and how rows are read.

Needs psycopg 3.2 or newer: `pip install "./clients/python[queries]"`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import args_row

Connection = psycopg.Connection[Any]
Row = TypeVar("Row")

ROLES = ("anon", "authenticated", "service_role")
BECOME = "select set_config('request.jwt.claims', %s, true), set_config('role', %s, true)"
# Before everything, where a page by key begins.
LATEST = datetime.max.replace(tzinfo=UTC)
LAST_ID = UUID(int=2**128 - 1)


class QueryError(Exception):
    """A query pattern can't be run here, or returned another number of rows than it can; one line."""


@contextmanager
def as_person(connection: Connection, claims: Mapping[str, Any]) -> Iterator[Connection]:
    """One transaction under the row policies of somebody; role and claims end with it.

    :param connection: of a login that may become the role of the claims: `api_url` of the stack's outputs
    :param claims: `sub` is the person, `role` one of anon, authenticated and service_role
    :raises QueryError: for another role; within a transaction that is there already, since claims would outlive the
        block; where the block has caught a failed statement, which has taken everything back
    """
    role = claims.get("role")
    if role not in ROLES:
        raise QueryError(f"claims: nobody becomes {role} by a token")
    if _status(connection) != TransactionStatus.IDLE:
        raise QueryError("as_person: the connection is in a transaction; commit it, or take another connection")
    with connection.transaction():
        # Never prepared, as psycopg does by itself at the sixth time: a pooler in transaction mode may not know it.
        connection.execute(BECOME, (json.dumps(claims, default=str), role), prepare=False)
        yield connection
        if _status(connection) == TransactionStatus.INERROR:
            # The server would answer the commit with a rollback, which psycopg takes for success.
            raise QueryError("as_person: a statement had failed, so everything was taken back")


def _status(connection: Connection) -> TransactionStatus:
    return connection.info.transaction_status


def many(connection: Connection, row: Callable[..., Row], text: str, values: Sequence[Any], prepare: bool) -> list[Row]:
    """The rows of a query pattern."""
    with psycopg.RawCursor(connection, row_factory=args_row(row)) as cursor:
        return cursor.execute(text.encode(), values, prepare=prepare).fetchall()


def at_most_one(
    connection: Connection, row: Callable[..., Row], text: str, values: Sequence[Any], prepare: bool
) -> Row | None:
    """Its row, or None.

    :raises QueryError: for more rows
    """
    rows = many(connection, row, text, values, prepare)
    if len(rows) > 1:
        raise QueryError(f"{len(rows)} rows where one is the most: {' '.join(text.split())[:100]}")
    return rows[0] if rows else None


def one(connection: Connection, row: Callable[..., Row], text: str, values: Sequence[Any], prepare: bool) -> Row:
    """Its one row.

    :raises QueryError: for another number of rows
    """
    found = at_most_one(connection, row, text, values, prepare)
    if found is None:
        raise QueryError(f"no row where there is always one: {' '.join(text.split())[:100]}")
    return found


def value(connection: Connection, text: str, values: Sequence[Any], prepare: bool) -> Any:
    """The one value of its one row.

    :raises QueryError: for another number of rows
    """
    (found,) = one(connection, lambda *row: row, text, values, prepare)
    return found


def written(connection: Connection, text: str, values: Sequence[Any], prepare: bool) -> int:
    """How many rows it wrote."""
    with psycopg.RawCursor(connection) as cursor:
        return cursor.execute(text.encode(), values, prepare=prepare).rowcount


def pages(
    page: Callable[[datetime, UUID], list[Row]], key: Callable[[Row], tuple[datetime, UUID]], limit: int
) -> Iterator[list[Row]]:
    """The pages of a list, one after the other, as long as they are full; no page is empty."""
    last = LATEST, LAST_ID
    while rows := page(*last):
        yield rows
        if len(rows) < limit:
            return
        last = key(rows[-1])
