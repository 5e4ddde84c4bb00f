"""The API's tokens: JSON Web Tokens, signed with HMAC-SHA256, as Supabase's projects sign theirs (RFC 7515, 7519).

One algorithm, so that no token chooses how it is checked.
"""

import base64
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

ISSUER = "visual-prompt-builder"
AUDIENCE = "authenticated"
HEADER = {"alg": "HS256", "typ": "JWT"}
# Bytes. RFC 7518 asks for a key as long as the hash.
SHORTEST_SECRET = 32


class TokenRefused(ValueError):
    """A token that isn't to be believed; the text says why, in the words of Supabase's servers."""


def signed(secret: str, claims: Mapping[str, Any]) -> str:
    """A token with these claims, and no others."""
    parts = [_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (HEADER, claims)]
    return ".".join([*parts, _encoded(_signature(secret, ".".join(parts)))])


def of_person(secret: str, person: str, seconds: int, now: int | None = None) -> str:
    """What a signed-in person's requests carry: what row security reads (`sub`, `role`), and until when.

    :param person: a UUID
    """
    issued = int(time.time()) if now is None else now
    claims = {"aud": AUDIENCE, "sub": person, "role": AUDIENCE, "iat": issued, "exp": issued + seconds}
    return signed(secret, claims)


def of_role(secret: str, role: str, seconds: int, now: int | None = None) -> str:
    """A key of the API: of no person, with the rights of a role."""
    issued = int(time.time()) if now is None else now
    return signed(secret, {"iss": ISSUER, "role": role, "iat": issued, "exp": issued + seconds})


def key_set(secrets: Sequence[str]) -> str:
    """A JWK set (RFC 7517), for a server that checks tokens of each of these secrets, as PostgREST's `jwt-secret`."""
    keys = [{"kty": "oct", "alg": HEADER["alg"], "k": _encoded(secret.encode())} for secret in secrets]
    return json.dumps({"keys": keys}, separators=(",", ":"))


def claims(secrets: str | Sequence[str], token: str) -> dict[str, Any]:
    """The claims of a token that was signed with the secret, or one of several, and is in its time.

    :raises TokenRefused: for any other one
    """
    accepted = [secrets] if isinstance(secrets, str) else secrets
    parts = token.split(".")
    try:
        header, found, signature = json.loads(_decoded(parts[0])), json.loads(_decoded(parts[1])), _decoded(parts[2])
    except (ValueError, IndexError, RecursionError):
        raise TokenRefused("Invalid Compact JWS") from None
    if len(parts) != 3 or not isinstance(header, dict) or not isinstance(found, dict):
        raise TokenRefused("Invalid Compact JWS")
    if header.get("alg") != HEADER["alg"] or "crit" in header:
        raise TokenRefused('"alg" (Algorithm) Header Parameter value not allowed')
    text = f"{parts[0]}.{parts[1]}"
    if not any(hmac.compare_digest(signature, _signature(secret, text)) for secret in accepted):
        raise TokenRefused("signature verification failed")
    _check_time(found)
    return found


def _check_time(found: Mapping[str, Any]) -> None:
    now = time.time()
    for name in ("exp", "nbf"):
        if name not in found:
            continue
        at = found[name]
        if isinstance(at, bool) or not isinstance(at, int | float):
            raise TokenRefused(f'"{name}" claim must be a number')
        if at <= now if name == "exp" else at > now:
            raise TokenRefused(f'"{name}" claim timestamp check failed')


def _signature(secret: str, text: str) -> bytes:
    return hmac.digest(secret.encode(), text.encode(), sha256)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
