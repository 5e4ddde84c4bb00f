"""Signature version 4, as on the pages "Create a signed AWS API request" and "Authenticating requests: using query
parameters" of the Amazon S3 API reference; nothing here knows moto.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from local.moto.errors import Refused

ALGORITHM = "AWS4-HMAC-SHA256"
TIME_FORMAT = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Signed:
    """What a signature claims: by which key, over which headers, at what time."""

    scope: str
    headers: tuple[str, ...]
    signature: str
    time: str
    payload: str

    @property
    def access_key(self) -> str:
        return self.scope.split("/")[0]


@dataclass(frozen=True)
class Wire:
    """A request as it came over the wire."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


def from_header(wire: Wire) -> Signed:
    fields = dict(
        part.strip().partition("=")[::2] for part in wire.headers["Authorization"].removeprefix(ALGORITHM).split(",")
    )
    if not {"Credential", "SignedHeaders", "Signature"} <= fields.keys():
        raise Refused("AuthorizationHeaderMalformed", "The authorization header is malformed")
    return Signed(
        scope=fields["Credential"],
        headers=tuple(fields["SignedHeaders"].lower().split(";")),
        signature=fields["Signature"],
        time=wire.headers.get("x-amz-date", ""),
        payload=wire.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    )


def from_query(arguments: Mapping[str, str]) -> Signed:
    try:
        return Signed(
            scope=arguments["X-Amz-Credential"],
            headers=tuple(arguments["X-Amz-SignedHeaders"].lower().split(";")),
            signature=arguments["X-Amz-Signature"],
            time=arguments["X-Amz-Date"],
            payload="UNSIGNED-PAYLOAD",
        )
    except KeyError as error:
        raise Refused(
            "AuthorizationQueryParametersError",
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
            "X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        ) from error


def moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise Refused("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header") from error


def signing_key(secret: str, scope: str) -> bytes:
    """The key of one day, region and service; the scope begins with the access key."""
    key = b"AWS4" + secret.encode()
    for part in scope.split("/")[1:]:
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def verify(signed: Signed, wire: Wire, secret: str) -> None:
    request = _canonical_request(signed, wire)
    scope = signed.scope.partition("/")[2]
    text = "\n".join([ALGORITHM, signed.time, scope, hashlib.sha256(request.encode()).hexdigest()])
    check(text, signed.scope, signed.signature, secret)


def check(text: str, scope: str, signature: str, secret: str) -> None:
    good = hmac.new(signing_key(secret, scope), text.encode(), "sha256").hexdigest()
    if not hmac.compare_digest(good, signature):
        raise Refused(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        )


def _canonical_request(signed: Signed, wire: Wire) -> str:
    # Not parse_qsl, which would turn a plus sign into a space.
    pairs = [part.partition("=")[::2] for part in wire.query.split("&") if part]
    headers = [f"{name}:{' '.join(wire.headers.get(name, '').split())}\n" for name in signed.headers]
    return "\n".join(
        [
            wire.method,
            # Clients differ in what they leave unescaped; S3 escapes the path again, once.
            quote(unquote(wire.path), safe="/-_.~"),
            _canonical_query((name, value) for name, value in pairs if name != "X-Amz-Signature"),
            "".join(headers),
            ";".join(signed.headers),
            signed.payload,
        ]
    )


def _canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    coded = sorted((_code(name), _code(value)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in coded)


def _code(text: str) -> str:
    return quote(unquote(text), safe="-_.~")
