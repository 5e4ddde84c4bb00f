"""Who makes a request, and whether they can prove it.

With an access key and its secret the server checks every S3 signature, as on the pages "Authenticating Requests (AWS
Signature Version 4)" and "Error responses" of the Amazon S3 API reference; keys that moto's IAM and STS have issued
are known as well. Without them nobody is checked, as in plain moto, and every signed request is the account's owner.
Expiry is checked in both cases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from local.moto import postform, sigv4
from local.moto.errors import Refused
from local.moto.policy import ANONYMOUS, Principal
from local.moto.sigv4 import Wire

SKEW = timedelta(minutes=15)
LONGEST_EXPIRY = 7 * 24 * 3600
# Signature version 2 has ended for buckets made after June 2020 ("AWS Signature Version 2 turned off").
VERSION_2 = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."


@dataclass(frozen=True)
class Credentials:
    """The key that the server was given; empty where it wasn't."""

    access_key: str = ""
    secret_key: str = ""


@dataclass(frozen=True)
class _Known:
    principal: Principal
    secret: str
    token: str = ""


def owner(account: str) -> Principal:
    return Principal(arn=f"arn:aws:iam::{account}:root", account=account)


class Identities:
    """Finds out who signed a request."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def of(self, wire: Wire, arguments: Mapping[str, str], form: Mapping[str, str], account: str) -> Principal:
        signed = self._claim(wire, arguments, form)
        if signed is None:
            return ANONYMOUS
        known = self._known(signed.access_key, account)
        if self._credentials.access_key:
            if known is None:
                raise Refused("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
            self._prove(signed, wire, arguments, form, known)
        return known.principal if known else owner(account)

    def _claim(self, wire: Wire, arguments: Mapping[str, str], form: Mapping[str, str]) -> sigv4.Signed | None:
        header = wire.headers.get("Authorization", "")
        if header.startswith(sigv4.ALGORITHM):
            return self._in_time(sigv4.from_header(wire))
        if "X-Amz-Signature" in arguments or "X-Amz-Algorithm" in arguments:
            return _not_expired(sigv4.from_query(arguments), arguments)
        if "policy" in form and "x-amz-credential" in form:
            return postform.claim(form)
        if header or "Signature" in arguments or "policy" in form:
            return self._version_2(arguments, form)
        return None

    def _in_time(self, signed: sigv4.Signed) -> sigv4.Signed:
        if self._credentials.access_key and abs(datetime.now(UTC) - sigv4.moment(signed.time)) > SKEW:
            raise Refused(
                "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
            )
        return signed

    def _version_2(self, arguments: Mapping[str, str], form: Mapping[str, str]) -> sigv4.Signed:
        if self._credentials.access_key:
            raise Refused("InvalidRequest", VERSION_2)
        key = arguments.get("AWSAccessKeyId") or form.get("awsaccesskeyid", "")
        return sigv4.Signed(scope=key, headers=(), signature="", time="", payload="")

    def _prove(
        self, signed: sigv4.Signed, wire: Wire, arguments: Mapping[str, str], form: Mapping[str, str], known: _Known
    ) -> None:
        token = (
            wire.headers.get("x-amz-security-token")
            or arguments.get("X-Amz-Security-Token")
            or form.get("x-amz-security-token", "")
        )
        if token != known.token:
            raise Refused("InvalidToken", "The provided token is malformed or otherwise invalid.")
        # A form: its policy is what is signed.
        if not signed.headers:
            sigv4.check(form["policy"], signed.scope, signed.signature, known.secret)
            return
        sigv4.verify(signed, wire, known.secret)
        # Or a presigned upload could be given another ACL or key by its sender.
        unsigned = [name for name in wire.headers if name.lower().startswith("x-amz-")]
        if any(name.lower() not in (*signed.headers, "x-amz-content-sha256") for name in unsigned):
            raise Refused("AccessDenied", "There were headers present in the request which were not signed")

    def _known(self, access_key: str, account: str) -> _Known | None:
        if access_key and access_key == self._credentials.access_key:
            return _Known(owner(account), self._credentials.secret_key)
        return _issued_by_sts(access_key) or _issued_by_iam(access_key)


def issued(access_key: str) -> Principal | None:
    """Who got a key from moto's IAM or STS; None for any other key.

    :raises Refused: for one that has expired
    """
    known = _issued_by_sts(access_key) or _issued_by_iam(access_key)
    return known.principal if known else None


def _not_expired(signed: sigv4.Signed, arguments: Mapping[str, str]) -> sigv4.Signed:
    seconds = arguments.get("X-Amz-Expires", "")
    if not seconds.isdigit() or int(seconds) > LONGEST_EXPIRY:
        raise Refused("AuthorizationQueryParametersError", "X-Amz-Expires must be less than a week (in seconds)")
    start = sigv4.moment(signed.time)
    if datetime.now(UTC) > start + timedelta(seconds=int(seconds)):
        raise Refused("AccessDenied", "Request has expired")
    if start > datetime.now(UTC) + SKEW:
        raise Refused("AccessDenied", "Request is not yet valid")
    return signed


def _issued_by_iam(access_key: str) -> _Known | None:
    for account, regions in list(iam_backends.items()):
        for user in list(regions["aws"].users.values()):
            for key in user.access_keys:
                if key.access_key_id == access_key and key.status == "Active":
                    return _Known(Principal(arn=user.arn, account=account), key.secret_access_key)
    return None


def _issued_by_sts(access_key: str) -> _Known | None:
    for account, regions in list(sts_backends.items()):
        session: Any = regions["aws"].get_assumed_role_from_access_key(access_key)
        if session is None:
            continue
        if session.expiration < datetime.now(UTC).replace(tzinfo=None):
            raise Refused("ExpiredToken", "The provided token has expired.")
        principal = Principal(arn=session.arn, account=account, role=session.role_arn)
        return _Known(principal, session.secret_access_key, session.session_token)
    return None
