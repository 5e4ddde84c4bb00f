"""New passwords for all logins, while the old ones stay open until every client has its new URL.

`declared/roles.py` says which login has which password. What is open is a setting, so a run that was cut off goes on
when it is run again, and so does one of Pulumi alone.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from declared import connectionurl
from declared.naming import NAMESPACE
from declared.roles import SECOND, URLS, login_name
from ops import outputs
from ops.database import Connection, connect
from ops.errors import CommandError
from run import engine

APPLICATION = "vpb rotate"
FIRST = 1
# Seconds in which a closed login's sessions get to the end of what they do.
PATIENCE = 30
PAUSE = 0.5
# Whose a session is, and its application, everybody sees; its kind and its state are hidden from most logins.
SESSIONS = """
select a.usename::text, coalesce(nullif(a.application_name, ''), 'no name'), count(*)
  from pg_catalog.pg_stat_activity as a
 where a.usename = any (%s)
 group by 1, 2 order by 1, 2"""
# Who may not read a session's state can't tell an idle one.
MAY_END = """
select pg_catalog.bool_and(pg_catalog.pg_has_role(name, 'usage'))
  from pg_catalog.unnest(array['pg_signal_backend', 'pg_read_all_stats']::name[]) as name"""
END = """
select pg_catalog.pg_terminate_backend(a.pid)
  from pg_catalog.pg_stat_activity as a where a.usename = any (%s) and (a.state = 'idle' or %s)"""


@dataclass(frozen=True)
class Sessions:
    """Sessions of one login and one application."""

    login: str
    application: str
    number: int

    def __str__(self) -> str:
        return f"{self.login} {self.number} ({self.application})"


def begin(stack: str) -> bool:
    """Declare the next password as the current one, beside the one of now; False where that is declared already.

    :raises SettingError: where the setting is no such list
    :raises CommandError: where it can't be written
    """
    now = engine.passwords(stack)
    if len(now) > 1:
        return False
    _write(stack, (now[0] + 1, now[0]))
    return True


def finish(stack: str, force: bool) -> bool:
    """Declare the current password as the only one; False where it is already.

    Args:
        force: also where sessions of the logins that close are open.

    :raises CommandError: where they are; where the new passwords aren't on the server yet; and where there never was
        a rotation
    :raises UnreachableError: where the server doesn't answer
    """
    now = engine.passwords(stack)
    if now == (FIRST,):
        raise CommandError(f"stack {stack}: no rotation is under way; `./vpb rotate --stack {stack}` begins one")
    if len(now) == 1:
        return False
    _refuse_unfinished(stack, now[0])
    if not force and (found := using(provisioning(stack), now[1])):
        raise CommandError(
            f"stack {stack}: the old logins have sessions: {listed(found)}; give their clients the new URLs first, or "
            "end them with --force"
        )
    _write(stack, now[:1])
    return True


def close(
    stack: str, progress: Callable[[str], None], force: bool = False, patience: float = PATIENCE
) -> list[Sessions]:
    """End the sessions of closed logins until there are none; those that are left after `patience` seconds.

    Args:
        force: also those at work, and not the idle ones alone: who knows a leaked password can stay at work for ever.

    :raises CommandError: where the login that provisions may not end them
    """
    closed = _logins(min(engine.passwords(stack)) + 1)
    ends, announced = time.monotonic() + patience, False
    with _connected(provisioning(stack)) as connection:
        while found := _sessions(connection, closed):
            if announced and time.monotonic() > ends:
                return found
            if connection.execute(MAY_END).fetchone() != (True,):
                raise CommandError(
                    f"stack {stack}: the old logins are closed, but to end their sessions the login that provisions "
                    f"must be a member of pg_signal_backend and pg_read_all_stats: {listed(found)}"
                )
            connection.execute(END, [closed, force])
            if not announced:
                progress(f"ending sessions of the old logins{'' if force else ' when they are idle'}: {listed(found)}")
                announced = True
            time.sleep(PAUSE)
    return []


def using(where: connectionurl.Parameters, number: int) -> list[Sessions]:
    """The sessions of the logins that have the passwords of a number.

    Args:
        where: the login that provisions.

    :raises UnreachableError: where the server doesn't answer
    """
    with _connected(where) as connection:
        return _sessions(connection, _logins(number))


def provisioning(stack: str) -> connectionurl.Parameters:
    """The login that provisions.

    :raises CommandError: where there is nothing of the stack yet
    """
    return engine.own_parameters(stack) or outputs.parameters(stack, outputs.connectable(stack), outputs.ADMIN)


def listed(found: Sequence[Sessions]) -> str:
    """`authenticator 2 (api), authjs 1 (no name)`."""
    return ", ".join(map(str, found))


def _sessions(connection: Connection, logins: list[str]) -> list[Sessions]:
    return [Sessions(*row) for row in connection.execute(SESSIONS, [logins])]


def _logins(number: int) -> list[str]:
    return [login_name(role, number) for role in SECOND]


def _connected(where: connectionurl.Parameters) -> Connection:
    return connect(connectionurl.compose(where), APPLICATION)


def _refuse_unfinished(stack: str, number: int) -> None:
    """
    :raises CommandError: where an output still has the URL of another login
    """
    found = outputs.connectable(stack)
    for output, role in URLS.items():
        if connectionurl.parse(outputs.needed(stack, found, output))["user"] != login_name(role, number):
            raise CommandError(
                f"stack {stack}: {output} hasn't the new login yet; run `./vpb rotate --stack {stack}` to its end first"
            )


def _write(stack: str, numbers: tuple[int, ...]) -> None:
    """Put the list into the stack's file in one step."""
    value = {"value": json.dumps(numbers), "objectValue": numbers, "secret": False}
    content = json.dumps({f"{NAMESPACE}:passwords": value})
    done = engine.capture(["config", "set-all", "--json", content, "--stack", stack])
    if done.returncode:
        raise CommandError(f"stack {stack}: {NAMESPACE}:passwords can't be set: {' '.join(done.stderr.split())}")
