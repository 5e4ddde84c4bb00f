"""Supabase's management API, as far as the settings of a project need it: documented calls, and what they answer.

Source: the OpenAPI document of the API (`https://api.supabase.com/api/v1-json`) and its page on rate limits.
"""

import asyncio
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, TypeVar

from declared.hostedproject import OPEN
from plugin.errors import PluginError
from provider.errors import few, flat

ADDRESS = "https://api.supabase.com"
VARIABLE = "SUPABASE_ACCESS_TOKEN"
TIMEOUT_SECONDS = 30
TRIES = 4
BACKOFF_SECONDS = 1.0
# The limit is by the minute.
LONGEST_WAIT_SECONDS = 60
LARGEST_ANSWER = 1_000_000
LIMITED, MISSING, FORBIDDEN = 429, 404, 403
Method = Literal["GET", "POST", "PUT", "PATCH"]
Part = TypeVar("Part")


class ApiError(PluginError):
    """The API refused a call, or didn't answer as it is documented; the text is one line without the token."""


@dataclass(frozen=True)
class Networks:
    """Who may connect."""

    allowed: tuple[str, ...]
    """The networks that are in force."""
    pending: bool
    """Whether others are asked for and not in force yet."""
    available: bool
    """Whether the project may restrict them."""


@dataclass(frozen=True)
class Encryption:
    """Whether connections without TLS are refused."""

    enforced: bool
    applied: bool
    """Whether that is in force."""


@dataclass(frozen=True)
class Pooler:
    """The pooler of the project's primary database."""

    size: int | None
    """None where it follows the size of the server."""
    mode: str


@dataclass(frozen=True)
class Backups:
    """What the platform keeps of the database."""

    recovery: bool | None
    """Whether the database can be restored to any instant; None where the token may not ask."""
    newest: datetime | None


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Python's own would send the token on to wherever the answer leads."""

    def redirect_request(self, *_: Any) -> None:
        return None


class ManagementApi:
    """The calls about one project, each with what it answers.

    A read is tried again where no answer came, and for 429 and 5xx; a write for these, where the answer says when.

    :raises ApiError: by each call, where it is refused or its answer isn't as documented
    """

    def __init__(self, reference: str, address: str | None = None) -> None:
        """
        :raises ApiError: where there is no token
        """
        self.reference = reference
        self._root = f"{address or ADDRESS}/v1/projects/{reference}"
        self._token = os.environ.get(VARIABLE, "")
        if not self._token:
            raise ApiError(
                f"project {reference}: the variable {VARIABLE} isn't set, and the management API asks for it: make a "
                "token for this project in the dashboard under Account, Access Tokens, and export it"
            )
        if not self._token.isascii() or not self._token.isprintable() or " " in self._token:
            raise ApiError(
                f"project {reference}: the variable {VARIABLE} holds no token: it has a blank or a line break"
            )
        self._opener = urllib.request.build_opener(_NoRedirect)

    async def status(self) -> str | None:
        """How the project is, such as ACTIVE_HEALTHY; None where there is none that the token sees."""
        found = await self._call("GET", "", MISSING)
        return None if found is None else str(self._part("GET", "", lambda: found["status"]))

    async def networks(self) -> Networks:
        path = "/network-restrictions"
        found = await self._call("GET", path)

        def read() -> Networks:
            applied = {"applied": True, "stored": False}[found["status"]]
            # What is stored isn't in force yet: what was before is, and at first everybody may connect.
            asked, before = _both(found["config"]), _both(found.get("old_config") or {})
            allowed = asked if applied else before or OPEN
            return Networks(allowed, bool(asked) and not applied, found["entitlement"] == "allowed")

        return self._part("GET", path, read)

    async def in_force(self) -> tuple[str, ...]:
        """The networks that may connect."""
        return (await self.networks()).allowed

    async def allow(self, networks: Sequence[str]) -> None:
        """Let these networks connect, and no others."""
        of_six = [network for network in networks if ":" in network]
        of_four = [network for network in networks if ":" not in network]
        body = {"dbAllowedCidrs": of_four, "dbAllowedCidrsV6": of_six}
        await self._call("POST", "/network-restrictions/apply", body=body)

    async def encryption(self) -> Encryption:
        path = "/ssl-enforcement"
        found = await self._call("GET", path)
        return self._part(
            "GET",
            path,
            lambda: Encryption(_flag(found["currentConfig"]["database"]), _flag(found["appliedSuccessfully"])),
        )

    async def enforced(self) -> bool | None:
        """Whether connections without TLS are refused; None while the last change of that isn't in force."""
        found = await self.encryption()
        return found.enforced if found.applied else None

    async def enforce_encryption(self, enforced: bool) -> None:
        await self._call("PUT", "/ssl-enforcement", body={"requestedConfig": {"database": enforced}})

    async def pooler(self) -> Pooler:
        path = "/config/database/pooler"
        found = await self._call("GET", path)

        def read() -> Pooler:
            (primary,) = (each for each in found if each["database_type"] == "PRIMARY")
            return Pooler(primary["default_pool_size"], str(primary["pool_mode"]))

        return self._part("GET", path, read)

    async def set_pooler(self, size: int | None, mode: str | None) -> None:
        """None leaves it as it is."""
        body = {"default_pool_size": size, "pool_mode": mode}
        given = {name: value for name, value in body.items() if value is not None}
        await self._call("PATCH", "/config/database/pooler", body=given)

    async def backups(self) -> Backups:
        path = "/database/backups"
        found = await self._call("GET", path, FORBIDDEN)
        if found is None:
            return Backups(None, None)

        def read() -> Backups:
            made = [_moment(each["inserted_at"]) for each in found["backups"] if each["status"] == "COMPLETED"]
            if physical := found["physical_backup_data"].get("latest_physical_backup_date_unix"):
                made.append(datetime.fromtimestamp(physical, UTC))
            return Backups(_flag(found["pitr_enabled"]), max(filter(None, made), default=None))

        return self._part("GET", path, read)

    async def legacy_keys(self) -> bool | None:
        """Whether the API's legacy keys work; None where Supabase has them no more or the token may not ask.

        No key is read.
        """
        path = "/api-keys/legacy"
        found = await self._call("GET", path, MISSING, FORBIDDEN)
        return None if found is None else self._part("GET", path, lambda: _flag(found["enabled"]))

    def _part(self, method: Method, path: str, read: Callable[[], Part]) -> Part:
        """A part of an answer, which has to be there.

        :raises ApiError: where it isn't
        """
        try:
            return read()
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise self._error(method, path, "it answered what its documentation doesn't have") from None

    async def _call(self, method: Method, path: str, *unless: int, body: Any = None) -> Any:
        """The answer, out of JSON; None for an answer of the statuses `unless`."""
        for attempt in range(1, TRIES + 1):
            try:
                answer = await asyncio.to_thread(self._send, method, path, body)
            except (OSError, http.client.HTTPException) as error:
                if method == "GET" and attempt < TRIES:
                    await asyncio.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1))
                    continue
                raise self._unanswered(method, path, error) from None
            if answer.status in (200, 201):
                return self._part(method, path, partial(json.loads, answer.body))
            if answer.status in unless:
                return None
            wait = _until_again(answer, method, attempt) if attempt < TRIES else None
            if wait is None:
                raise self._error(method, path, f"it answered {answer.status}{_said(answer)}")
            await asyncio.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _send(self, method: Method, path: str, body: Any) -> _Answer:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self._root + path, data, headers, method=method)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as got:
                return _Answer(got.status, _lowered(got.headers), got.read(LARGEST_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                return _Answer(error.code, _lowered(error.headers), error.read(LARGEST_ANSWER))

    def _unanswered(self, method: Method, path: str, error: Exception) -> ApiError:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        done = "" if method == "GET" else "; it isn't known whether it was done: run again"
        return self._error(method, path, f"no answer: {flat(str(reason) or type(error).__name__)}{done}")

    def _error(self, method: Method, path: str, said: str) -> ApiError:
        text = f"project {self.reference}: management API, {method} {path or '/'}: {said}"
        return ApiError(text.replace(self._token, "[secret]"))


def _lowered(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _both(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The networks of both families."""
    found = (*(config.get("dbAllowedCidrs") or ()), *(config.get("dbAllowedCidrsV6") or ()))
    if not all(isinstance(each, str) for each in found):
        raise TypeError
    return found


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _moment(text: Any) -> datetime | None:
    """A time of the API, whose form isn't documented; None for one that isn't ISO 8601."""
    with suppress(ValueError):
        found = datetime.fromisoformat(str(text))
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def _until_again(answer: _Answer, method: Method, attempt: int) -> float | None:
    """Seconds until the next try; None where there is none."""
    if answer.status != LIMITED and answer.status < 500:
        return None
    named = ("retry-after", "x-ratelimit-reset") if answer.status == LIMITED else ("retry-after",)
    for name in named:
        text = answer.headers.get(name) or ""
        if text.isdecimal():
            return float(text) if float(text) <= LONGEST_WAIT_SECONDS else None
    return BACKOFF_SECONDS * 2 ** (attempt - 1) if method == "GET" else None


def _said(answer: _Answer) -> str:
    """What an answer says of itself, and what to do."""
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    parts = []
    if isinstance(found, dict) and isinstance(found.get("message"), str):
        parts.append(flat(found["message"]))
    if isinstance(found, dict) and isinstance(lacking := found.get("missing_permissions"), list) and lacking:
        parts.append(f"the token lacks {few([flat(str(each)) for each in lacking])}")
    if answer.status == 401:
        parts.append(f"give {VARIABLE} a token that is valid")
    if answer.status == LIMITED:
        parts.append("the API's limit of calls is reached, run again in a minute")
    return "".join(f"; {part}" for part in parts)
