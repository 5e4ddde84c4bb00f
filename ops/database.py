"""How commands connect to a database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from declared import connectionurl, tunnel
from ops.errors import CommandError

TIMEOUT = 10
"""Seconds until a server that doesn't answer is given up."""

Connection = psycopg.Connection[tuple[Any, ...]]


class UnreachableError(CommandError):
    """The server doesn't answer, or refuses the login; the text is one line, without the password."""


def connect(url: str, application: str, autocommit: bool = True) -> Connection:
    """A session of a command, which shows in `pg_stat_activity` as `application`.

    :raises UnreachableError: where the server doesn't answer, or refuses the login
    """
    parameters = connectionurl.parse(url)
    with reaching(parameters):
        # No prepared statements of the server's: a pooler in transaction mode may be between.
        return psycopg.connect(
            connectionurl.compose(tunnel.through(parameters)),
            autocommit=autocommit,
            connect_timeout=TIMEOUT,
            application_name=application,
            prepare_threshold=None,
        )


@contextmanager
def reaching(parameters: connectionurl.Parameters) -> Iterator[None]:
    """A failed attempt to connect becomes the one line that says where to, why not, and what to do."""
    try:
        yield
    except psycopg.Error as error:
        raise UnreachableError(
            f"{connectionurl.describe(parameters)}: {connectionurl.failure(error)}; "
            "check that it runs and that the login is right"
        ) from None
