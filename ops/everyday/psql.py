"""psql as one of a stack's logins, or as a person, with the password in its environment alone."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from uuid import UUID

from declared import connectionurl
from declared.clientlogin import HIDDEN, NotHidden, client_login
from declared.roles import URLS
from ops import outputs
from ops.errors import CommandError
from ops.status import FAILED
from run import engine

# Without the connection or without psql, see its manual under "Exit Status".
DISCONNECTED = 2
ANON = "anon"


def run(stack: str, role: str | None, person: str | None, arguments: Sequence[str]) -> int:
    """Run psql in the foreground; 0, or 1 where it failed.

    Args:
        role: a login, by the name of its output or its own; without one who provisions, or the API's for a person.
        person: a person's id, or `anon`: the session is theirs as it is in a request.

    :raises CommandError: where there is no such login or person, or psql doesn't reach the server
    """
    output = _output(role or ("api" if person else "admin"))
    claims = _claims(person) if person else ""
    engine.require(stack)
    where = _connection(stack, output)
    words, hidden = command(connectionurl.with_options(where, claims), _program(stack), arguments)
    # Ctrl-C is psql's to deal with; a handler, unlike SIG_IGN, isn't inherited.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        status = subprocess.call(words, env={**os.environ, **hidden})
    finally:
        signal.signal(signal.SIGINT, before)
    if status == DISCONNECTED:
        raise CommandError(
            f"no session in {connectionurl.describe(where)}; ./vpb status --stack {stack} shows what runs"
        )
    return FAILED if status else 0


def command(
    where: connectionurl.Parameters, program: str, arguments: Sequence[str]
) -> tuple[list[str], Mapping[str, str]]:
    """The command line, and what its environment has beside ours.

    :raises CommandError: for a secret that psql reads nowhere but on its command line
    """
    try:
        shown, secret = client_login(where)
    except NotHidden:
        raise CommandError(
            "the URL has sslpassword, which psql takes on its command line alone; use a key without one"
        ) from None
    # Another login's in the caller's environment isn't this one's.
    return [program, "--dbname", shown, *arguments], dict.fromkeys(HIDDEN.values(), "") | secret


def _output(role: str) -> str:
    """
    :raises CommandError: with the logins that there are
    """
    logins = {outputs.ADMIN: "", **URLS}
    for output, login in logins.items():
        if role in (output.removesuffix("_url"), login):
            return output
    there = ", ".join(sorted(output.removesuffix("_url") for output in logins))
    raise CommandError(f"there is no login {role!r}; there are {there}")


def _claims(person: str) -> str:
    """The options of a session that is a person's.

    :raises CommandError: where it is neither an id nor `anon`
    """
    if person == ANON:
        return _as_request({"role": ANON})
    try:
        id = UUID(person)
    except ValueError:
        raise CommandError(f"--as takes a person's id, which is a UUID, or {ANON}, not {person!r}") from None
    return _as_request({"sub": str(id), "role": "authenticated"})


def _as_request(claims: Mapping[str, str]) -> str:
    # A space would end the option.
    return f"-c role={claims['role']} -c request.jwt.claims={json.dumps(claims, separators=(',', ':'))}"


def _connection(stack: str, output: str) -> connectionurl.Parameters:
    own = engine.own_parameters(stack)
    # That login alone is known without Pulumi, which takes a second.
    if own and output == outputs.ADMIN:
        return own
    found = outputs.parameters(stack, outputs.connectable(stack), output)
    return {**found, **engine.target(stack).provisioning} if own else found


def _program(stack: str) -> str:
    own = engine.target(stack).program("psql")
    found = str(own) if own and own.exists() else shutil.which("psql")
    if found is None:
        raise CommandError("psql isn't installed here (Debian: postgresql-client)")
    return found
