"""What the Storage API refuses, in its statuses and words: clients go by `statusCode` and `code` of the body.

The status of HTTP is 400 for all that the body tells apart, as the Storage API 1.11 answers.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
from werkzeug import Response


class Refused(Exception):
    """A request that isn't carried out."""

    def __init__(self, status: int, code: str, message: str, error: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.error = status, code, message, error or code

    def response(self) -> Response:
        """As the client gets it."""
        body = {"statusCode": str(self.status), "code": self.code, "error": self.error, "message": self.message}
        return as_json(body, self.status if self.status >= 500 else 400)


def as_json(body: Any, status: int = 200) -> Response:
    """An answer in JSON, with times as JavaScript writes them."""
    return Response(json.dumps(body, default=_plain), status, content_type="application/json; charset=utf-8")


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value)


def no_bucket() -> Refused:
    return Refused(404, "NoSuchBucket", "Bucket not found", "Bucket not found")


def no_key() -> Refused:
    return Refused(404, "NoSuchKey", "Object not found", "not_found")


def denied(message: str = "new row violates row-level security policy") -> Refused:
    return Refused(403, "AccessDenied", message, "Unauthorized")


def exists() -> Refused:
    return Refused(409, "ResourceAlreadyExists", "The resource already exists", "Duplicate")


def too_large() -> Refused:
    return Refused(413, "EntityTooLarge", "The object exceeded the maximum allowed size", "Payload too large")


def wrong_type(mime: str) -> Refused:
    return Refused(415, "InvalidMimeType", f"mime type {mime} is not supported", "invalid_mime_type")


def bad_key(name: str) -> Refused:
    return Refused(400, "InvalidKey", f"Invalid key: {name}")


def bad_token(message: str) -> Refused:
    return Refused(400, "InvalidJWT", message)


def invalid(message: str) -> Refused:
    return Refused(400, "InvalidRequest", message)


def missing(what: str, instead: str) -> Refused:
    """What the real Storage API does and this one doesn't."""
    return Refused(501, "NotSupported", f"the local API has no {what}: {instead}")


def _unrelated() -> Refused:
    return Refused(404, "InvalidRequest", "The related resource does not exist")


def _timed_out() -> Refused:
    return Refused(544, "DatabaseTimeout", "The connection to the database timed out")


# What PostgreSQL says no with → what the client is answered.
DATABASE: dict[str, Callable[[], Refused]] = {
    "42501": denied,
    "23505": exists,
    "23503": _unrelated,
    "57014": _timed_out,
}


def of_database(error: psycopg.Error) -> Refused:
    """What PostgreSQL refused; the text of what it has no word for is PostgreSQL's own."""
    if error.sqlstate in DATABASE:
        return DATABASE[error.sqlstate]()
    if error.sqlstate is None and isinstance(error, psycopg.DataError):
        # Before it was sent, such as a text with a zero in it.
        return invalid(str(error))
    if error.sqlstate == "23514" or (error.sqlstate or "").startswith("22"):
        return invalid(error.diag.message_primary or "a value that can't be")
    if error.sqlstate is None:
        return Refused(500, "DatabaseError", "the database doesn't answer; ./vpb status shows what runs")
    return Refused(500, "DatabaseError", error.diag.message_primary or error.sqlstate)
