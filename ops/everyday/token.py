"""A token for the API, as the app's sign-in gives one to a person: signed with the secret of the environment's API."""

import os
import re
from pathlib import Path
from uuid import UUID

from declared import connectionurl, tokens
from ops import outputs
from ops.database import connect
from ops.errors import CommandError
from run import engine

VARIABLE = "SUPABASE_JWT_SECRET"
TIME = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST = 365 * 86400
# Who has left is nobody, though a row may still be there.
PERSON = """
select u.id::text from public.users as u join next_auth.users as a on a.id = u.id
 where (u.id = %(id)s::uuid or a.email = lower(%(address)s collate "C"))
   and not exists (select from private.departures as d where d.user_id = u.id)"""


def seconds(text: str) -> int:
    """How long a token is good for.

    :raises CommandError: for what is no time, or more than a year
    """
    found = TIME.fullmatch(text)
    asked = int(found[1]) * SECONDS[found[2]] if found else 0
    if not 1 <= asked <= LONGEST:
        raise CommandError(f"--expires is {text!r}; allowed is a time such as 90s, 15m, 1h or 30d, at most 365d")
    return asked


def of_person(stack: str, person: str, lasting: int, file: Path | None) -> str:
    """A token of a person who is there, named by id or address.

    :raises CommandError: where there is no such person, or no secret
    """
    secret = _secret(stack, file)
    return tokens.of_person(secret, _found(stack, person), lasting)


def of_role(stack: str, role: str, lasting: int, file: Path | None) -> str:
    """A token of no person, with the rights of a role.

    :raises CommandError: where there is no secret
    """
    return tokens.of_role(_secret(stack, file), role, lasting)


def _found(stack: str, person: str) -> str:
    try:
        id = str(UUID(person))
    except ValueError:
        id = None
        # What a terminal can't show, or no text can hold, is in no address.
        if "@" not in person or not person.isprintable():
            raise CommandError(f"--as takes a person's id, which is a UUID, or address, not {person!a}") from None
    engine.require(stack)
    url = connectionurl.compose(_admin(stack))
    with connect(url, "vpb token") as connection:
        row = connection.execute(PERSON, {"id": id, "address": person}).fetchone()
    if row is None:
        raise CommandError(
            f"stack {stack}: there is no person {person}; sign in to the app once, or see docs/cookbook.md"
        )
    return str(row[0])


def _admin(stack: str) -> connectionurl.Parameters:
    if own := engine.own_parameters(stack):
        return own
    return outputs.parameters(stack, outputs.connectable(stack), outputs.ADMIN)


def _secret(stack: str, file: Path | None) -> str:
    """
    :raises CommandError: where none is given, and the stack has no API on this machine
    """
    engine.require(stack)
    where = engine.target(stack)
    own = where.api(stack) if where.can.serve_api else None
    if file is not None:
        secret, source = _read(file), str(file)
    elif own is not None:
        return own.secret
    else:
        secret, source = os.environ.get(VARIABLE, ""), VARIABLE
    if not secret:
        way = "set database:api and run up, or " if where.can.serve_api else ""
        raise CommandError(
            f"stack {stack} has no API on this machine: {way}give the secret of the project's tokens in the variable "
            f"{VARIABLE}, or its file by --jwt-secret-file"
        )
    if len(secret.encode()) < tokens.SHORTEST_SECRET:
        raise CommandError(f"the secret in {source} has fewer than {tokens.SHORTEST_SECRET} bytes, and signs nothing")
    return secret


def _read(file: Path) -> str:
    try:
        found = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise CommandError(
            f"{file}: there is no such file; --jwt-secret-file names one with the secret alone"
        ) from None
    except UnicodeDecodeError:
        raise CommandError(f"{file}: is no text; it has to hold the secret alone") from None
    except OSError as error:
        raise CommandError(f"{file}: can't be read ({error.strerror})") from None
    if not found:
        raise CommandError(f"{file}: is empty; it has to hold the secret alone")
    return found
