"""Who asks: the key of the API that a request brings, and the token whose role and person it is of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug import Request

from declared import tokens
from declared.roles import API, STORAGE_SERVICE
from local.api.errors import Refused, denied, invalid

ANON = "anon"


@dataclass(frozen=True)
class Caller:
    """A role with the claims of a token."""

    role: str
    claims: Mapping[str, Any] = field(default_factory=dict)

    @property
    def person(self) -> str | None:
        """Whose token it is, as it says; None for a role's key."""
        subject = self.claims.get("sub")
        return None if subject is None else str(subject)

    def settings(self, operation: str) -> dict[str, str]:
        """What a transaction is run with, as the Storage API sets it."""
        return {
            "role": self.role,
            "request.jwt.claim.role": self.role,
            "request.jwt.claim.sub": self.person or "",
            "request.jwt.claims": json.dumps(dict(self.claims)) if self.claims else "",
            "storage.operation": f"storage.{operation}" if operation else "",
            "storage.allow_delete_query": "true",
        }


# Asks for limits, serves public and signed addresses, and writes rows whose files are stored.
SERVICE = Caller(STORAGE_SERVICE)


def token(request: Request) -> str | None:
    """The token of a request; None where its key of the API alone says who asks.

    :raises Refused: for another header of that name: what isn't understood must not get the rights of the key
    """
    given: str | None = request.headers.get("Authorization")
    if given is None:
        return None
    scheme, _, found = given.strip().partition(" ")
    if scheme.lower() != "bearer" or not found.strip():
        raise Refused(401, "InvalidRequest", "header authorization must be `Bearer` and a token", "Unauthorized")
    return found.strip()


def of_storage(secrets: Sequence[str], request: Request) -> Caller:
    """Whose request to the Storage API it is; without a token, the key of the API stands for one.

    :raises Refused: without either, and for a token that isn't to be believed
    """
    given = token(request) or request.headers.get("apikey") or request.args.get("apikey")
    if not given:
        raise invalid("headers must have required property 'authorization'")
    try:
        claims = tokens.claims(secrets, given)
    except tokens.TokenRefused as error:
        raise denied(str(error)) from None
    role = claims.get("role", ANON)
    if role not in API:
        # The login could become its own role too, which sees what nobody else does.
        raise Refused(403, "AccessDenied", f"the token's role is none of {', '.join(API)}", "Unauthorized")
    return Caller(role, claims)
