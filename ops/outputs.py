"""The outputs of a stack, secrets too."""

import json
from collections.abc import Mapping
from typing import Any

from declared import connectionurl
from declared.errors import UserError
from ops.errors import CommandError
from provider import secretsmanager
from run import engine

ADMIN = "admin_url"
SECRET = "admin_secret"


def connectable(stack: str) -> dict[str, Any]:
    """All of them, for sessions that are opened here: the server is made reachable.

    :raises EngineError: where there is no such stack, or no way to its server
    :raises CommandError: where they can't be read
    """
    found = read(stack)
    engine.reach(stack)
    return found


def read(stack: str) -> dict[str, Any]:
    """All of them.

    :raises EngineError: where there is no such stack
    :raises CommandError: where they can't be read
    """
    engine.require(stack)
    answer = engine.capture(["stack", "output", "--json", "--show-secrets", "--stack", stack])
    if answer.returncode:
        raise CommandError(f"the outputs of stack {stack} can't be read: {' '.join(answer.stderr.split())}")
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def needed(stack: str, outputs: Mapping[str, Any], name: str) -> Any:
    """One of them; the URL of the login that provisions with its password, also where AWS keeps that.

    :raises CommandError: where the stack doesn't have it yet, or the password can't be read
    """
    if name not in outputs and ADMIN in outputs and (folder := engine.adopted(stack)):
        raise CommandError(
            f"stack {stack} has no output {name}: it is the adopted database of {folder}, whose logins are its own; "
            f"./vpb psql --stack {stack} connects as the login that provisions"
        )
    if name not in outputs and ADMIN in outputs and (where := engine.target(stack)).platform.name:
        raise CommandError(f"stack {stack} has no output {name}: on target {where.name} that is the platform's own")
    if name not in outputs:
        raise CommandError(f"stack {stack} has no output {name} yet; `make up STACK={stack}` provisions it")
    if name == ADMIN and SECRET in outputs:
        return _with_password(stack, outputs[ADMIN], outputs[SECRET])
    return outputs[name]


def _with_password(stack: str, url: str, secret: str) -> str:
    try:
        password = secretsmanager.read(secret, engine.target(stack).aws(stack).endpoint)
    except UserError as error:
        raise CommandError(f"stack {stack}: {error}") from None
    return connectionurl.compose({**connectionurl.parse(url), "password": password})


def parameters(stack: str, outputs: Mapping[str, Any], name: str) -> connectionurl.Parameters:
    """The connection of a login, where the server is now: an embedded one may have got another port since `up`.

    :raises CommandError: where the stack doesn't have it yet
    """
    found = connectionurl.parse(needed(stack, outputs, name))
    own = engine.own_parameters(stack)
    return {**found, "host": own["host"], "port": own["port"]} if own else found
