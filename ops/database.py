"""How commands connect to a database."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from declared import connectionurl, tunnel
from ops.errors import CommandError

TIMEOUT = 10
"""Seconds until a server that doesn't answer is given up."""

# What it meets while it puts a session away isn't what a command has to say.
logging.getLogger("psycopg").addHandler(logging.NullHandler())
# Of a role, of a database, of the server; see InitializeSessionUserId, CheckMyDatabase and InitProcess in its source.
FULL = re.compile(r"too many (connections|clients)|remaining connection slots")

Connection = psycopg.Connection[tuple[Any, ...]]


class UnreachableError(CommandError):
    """The server doesn't answer, or refuses the login; the text is one line, without the password."""


class ServerFullError(UnreachableError):
    """All connections of the server are in use."""


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
        said, where = connectionurl.failure(error), connectionurl.describe(parameters)
        if not FULL.search(said):
            raise UnreachableError(f"{where}: {said}; check that it runs and that the login is right") from None
        kind = UnreachableError if "connections for" in said else ServerFullError
        raise kind(f"{where}: {said}; another session has to end first") from None
