"""Seals every token with the present key: those of older keys, and those that were here before there was one.

Batches of a few accounts, a transaction each, beside running traffic. Killed, it begins again and passes over what is
done. Afterwards the older keys can be taken out of `database:encryptionKeys`.
"""

from collections.abc import Callable
from typing import Any

import psycopg

from declared import connectionurl
from declared.errors import UserError
from ops.database import Connection, connect
from ops.environment import Environment
from run import engine

BATCH = 200
FIRST = "00000000-0000-0000-0000-000000000000"
RESEAL = "select last, resealed from private.reseal_accounts(%s, %s)"
COUNT = "select key, tokens from private.tokens_by_key() order by key"
FORGET = "select private.forget_sealed(%s)"


class RekeyError(UserError):
    """Tokens can't be sealed again; the text is one line, which `./vpb` shows as it does the engine's."""


def session(stack: str, url: str | None = None, keyless: bool = False) -> Connection:
    """The login that provisions, with the stack's keys.

    Args:
        url: of that login; without it the one on the target's own server, or else the output `admin_url`.
        keyless: without the keys, for a stack whose state is lost.

    :raises CommandError: where there is no such stack, or nothing in it yet
    :raises RekeyError: where the URL is none
    :raises UnreachableError: where its server doesn't answer
    """
    url = url or _own(stack)
    environment = None if keyless and url else Environment.of(stack)
    keys = "" if keyless or not environment else connectionurl.parse(environment.output("auth_url"))["options"]
    try:
        where = connectionurl.parse(url or (environment.admin_url if environment else ""))
    except connectionurl.UrlError as error:
        raise RekeyError(f"--url must be {error}") from None
    where = connectionurl.with_options(connectionurl.with_options(where, keys), "-c lock_timeout=5s")
    return connect(connectionurl.compose(where), "vpb rekey")


def _own(stack: str) -> str | None:
    own = engine.own_parameters(stack)
    return connectionurl.compose(own) if own else None


def rekey(connection: Connection, progress: Callable[[str], None], batch: int = BATCH) -> dict[str, int]:
    """Seal everything with the present key; how many tokens each key seals then.

    :raises RekeyError: where a key is missing or wrong, or the server gave up
    """
    done = 0
    try:
        last = FIRST
        while last is not None:
            last, resealed = _row(connection, RESEAL, [last, batch])
            done += resealed
            if resealed:
                progress(f"{done} accounts sealed again")
        return {key or "none": tokens for key, tokens in connection.execute(COUNT)}
    except psycopg.Error as error:
        raise RekeyError(f"after {done} accounts: {_reason(error)}; run again, it goes on from there") from None


def forget(connection: Connection, key: str) -> int:
    """Empty what a lost key has sealed; in how many accounts.

    :raises RekeyError: where the server gave up
    """
    try:
        return int(_row(connection, FORGET, [key])[0])
    except psycopg.Error as error:
        raise RekeyError(_reason(error)) from None


def _row(connection: Connection, query: str, values: list[Any]) -> tuple[Any, ...]:
    found = connection.execute(query.encode(), values).fetchone()
    if found is None:
        raise RekeyError("the server gave no answer")
    return found


def _reason(error: psycopg.Error) -> str:
    # Never `str(error)`: it may repeat what was sent.
    return " ".join((error.diag.message_primary or "the server ended the connection").split())
