"""A file out of a request: raw, or as the last field of a form, as Supabase's clients send it."""

import base64
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from werkzeug import Request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from local.api import errors
from local.api.storage import Content

# Bytes: what a form has beside its file; what is kept in memory; what is read at once.
FORM, MEMORY, CHUNK = 1 << 20, 8 << 20, 1 << 16
PLAIN = "application/octet-stream"


@contextmanager
def content(request: Request, limit: Callable[[], int]) -> Iterator[Content]:
    """The file that a request sends. What isn't taken is read all the same: a client that sends hears no answer before.

    :param limit: bytes that its bucket takes; raises `Refused` where there is no such bucket
    :raises Refused: for more bytes than that, for a form without a file, and for what no header can hold
    """
    with tempfile.SpooledTemporaryFile(MEMORY) as body:
        try:
            most = limit()
            _refuse_over(most + FORM, request.content_length or 0)
            form = request.mimetype == "multipart/form-data"
            request.max_content_length = most + FORM
            found = _form(request) if form else _raw(request, cast(BinaryIO, body), most)
        except RequestEntityTooLarge:
            drain(request)
            raise errors.too_large() from None
        except HTTPException:
            # Nothing of it can be read any more.
            raise
        except Exception:
            drain(request)
            raise
        _refuse_unfit(found)
        yield found


def _form(request: Request) -> Content:
    files = list(request.files.values())
    if not files:
        raise errors.invalid("No content provided")
    file = files[0]
    body = cast(BinaryIO, file.stream)
    size = body.seek(0, 2)
    body.seek(0)
    kept = request.form.get("cacheControl")
    cache = f"max-age={kept}" if kept else "no-cache"
    return Content(body, size, file.content_type or PLAIN, cache, _metadata(request.form.get("metadata")))


def _raw(request: Request, body: BinaryIO, most: int) -> Content:
    size = 0
    while chunk := request.stream.read(CHUNK):
        size += len(chunk)
        _refuse_over(most, size)
        body.write(chunk)
    body.seek(0)
    given = request.headers.get("x-metadata")
    cache = request.headers.get("Cache-Control", "no-cache")
    return Content(body, size, request.content_type or PLAIN, cache, _metadata(given, encoded=True))


def _refuse_unfit(content: Content) -> None:
    """What is kept beside a file is sent as headers to the store, and to who downloads it."""
    for name, value in (("content-type", content.mime), ("cache-control", content.cache)):
        if not (value.isascii() and value.isprintable()):
            raise errors.invalid(f"{name} must be printable ASCII")


def _refuse_over(most: int, size: int) -> None:
    if size > most:
        raise errors.too_large()


def _metadata(given: str | None, encoded: bool = False) -> dict[str, Any] | None:
    if not given:
        return None
    try:
        found = json.loads(base64.b64decode(given) if encoded else given)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise errors.invalid("the metadata of the file must be a JSON object")
    return found


def drain(request: Request) -> None:
    """Read what is left of a request."""
    try:
        while request.stream.read(CHUNK):
            pass
    except (OSError, HTTPException):
        return
