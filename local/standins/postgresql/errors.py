"""Failures as one line each: the object, what PostgreSQL said, its code, what to do."""

import re

import psycopg

from plugin.server import PluginError

ADVICE = {
    "22023": "correct the value in the program",
    "28000": "use a login that may do this",
    "2BP01": "remove what depends on it first; where the type has dropCascade, that does it",
    "3D000": "create the database first",
    "3F000": "create the schema first",
    "0A000": "change the program to what this server can do",
    "42501": "use a login that may do this: its owner, a member of the owner, or a superuser",
    "42601": "correct the value in the program",
    "42703": "create the column first",
    "42704": "create it first, and let this resource depend on it",
    "42710": "adopt it with `pulumi import`, or choose another name",
    "42883": "create the function first",
    "42P01": "create the table first",
    "42P04": "adopt it with `pulumi import`, or choose another name",
    "42P06": "adopt it with `pulumi import` or ifNotExists, or choose another name",
    "55006": "close the sessions that use it, then run again",
    "55P03": "another session holds the lock for more than 10 s: end it or wait, then run again",
}

# libpq gives no code for a failed connection, only text: what is looked for in it, and what to say instead.
CONNECTION_FAILURES = (
    ("does not support SSL", "the server offers no TLS", "set sslmode to disable if the network is trusted"),
    ("password authentication failed", "the password is wrong", "check username and password"),
    ("no password supplied", "the server wants a password", "set password"),
    ("Connection refused", "nothing listens there", "start the server, or correct host and port"),
    ("could not translate host name", "the name has no address", "correct host"),
    ("failed to resolve host", "the name has no address", "correct host"),
    ("timeout", "no answer in time", "check firewall and route, or raise connectTimeout"),
    ("certificate", "the server's certificate isn't trusted", "check host and sslmode"),
)


class ConnectionFailed(PluginError):
    """The server can't be reached, or lets this login in nowhere."""


def statement_failed(label: str, error: psycopg.Error) -> PluginError:
    """The line for a statement that PostgreSQL refused; `str(error)` could repeat the statement, so it isn't used."""
    if error.sqlstate is None:
        return PluginError(f"{label}: the connection broke ({type(error).__name__}); run again")
    said = " ".join((error.diag.message_primary or type(error).__name__).split())
    advice = ADVICE.get(error.sqlstate, "see the server's log for the statement")
    return PluginError(f"{label}: {said} ({error.sqlstate}); {advice}")


def connection_failed(where: str, error: psycopg.Error) -> ConnectionFailed:
    """The line for a connection that didn't come about."""
    text = str(error)
    for needle, reason, advice in CONNECTION_FAILURES:
        if needle in text:
            return ConnectionFailed(f"can't connect to {where}: {reason}; {advice}")
    fatal = re.search(r"FATAL:\s+([^\n]*)", text)
    reason = fatal.group(1).strip() if fatal else type(error).__name__
    return ConnectionFailed(
        f"can't connect to {where}: {reason}; check the provider's host, port, username and database"
    )
