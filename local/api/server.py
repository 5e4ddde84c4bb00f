"""The one address: who may come in, CORS as Supabase answers it, and what is behind each path."""

import hmac
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psycopg
from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler

from local.api import callers, errors, rest
from local.api.errors import Refused, as_json
from local.api.postgrest import PostgREST
from local.api.record import Record
from local.api.rest import Rest
from local.api.routes import Routes

OWN = "/_local/"
HEALTH, RELOAD = f"{OWN}health", f"{OWN}reload"
REST, STORAGE = "/rest/v1", "/storage/v1"
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
EXPOSED = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, ETag, Location, Range-Unit"
# What a project of Supabase has, and this machine hasn't.
ABSENT = {
    "/auth/v1": "sign-in is Auth.js' (docs/api.md); for a token of a person: ./vpb token --as PERSON",
    "/realtime/v1": "changes are published by PostgreSQL, to be read by a replication client (docs/realtime.md)",
    "/functions/v1": "there are no edge functions; call a function of the database by /rest/v1/rpc",
    "/graphql/v1": "there is no GraphQL; query by /rest/v1",
}
# Seconds that a client may be silent in the middle of a request.
SILENCE = 75
NO_KEY = {
    "message": "No API key found in request",
    "hint": "No `apikey` request header or url param was found.",
}
WRONG_KEY = {
    "message": "Invalid API key",
    "hint": "Take SUPABASE_ANON_KEY or SUPABASE_SERVICE_ROLE_KEY of ./vpb env --secrets.",
}


class Handler(WSGIRequestHandler):  # type: ignore[misc]
    """Notes no requests: their addresses may hold tokens."""

    timeout = SILENCE

    def log(self, type: str, message: str, *args: Any) -> None:
        """Nothing of a request is written down."""


class Application:
    """The WSGI application."""

    def __init__(self, path: Path, record: Record, postgrest: PostgREST, routes: Routes, started: str) -> None:
        self._path, self._postgrest, self._routes, self._started = path, postgrest, routes, started
        self._rest = Rest(postgrest.port)
        self._keys = [key for role in ("anon", "service_role") for key in record.keys(role)]
        self._reload: Callable[[], None] = routes.reload

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        response = self._answer(request)
        # What is for this machine's commands, no page of a browser reads.
        if not request.path.startswith(OWN):
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
        body: Iterable[bytes] = response(environ, start_response)
        return body

    def _answer(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return _preflight(request)
        try:
            return self._route(request)
        except Refused as error:
            return error.response()
        except psycopg.Error as error:
            return _refused_by_database(request, error)
        except (HTTPException, ConnectionError):
            # Of reading the request: chunks or a form that are none, or a client that has gone.
            return errors.invalid("the body can't be read").response()
        except Exception:
            print(f"{request.method} {request.path!a}: {traceback.format_exc()}", file=sys.stderr, flush=True)
            return Refused(500, "InternalError", "Internal server error").response()

    def _route(self, request: Request) -> Response:
        _refuse_unclear(request)
        path = request.path
        if path == HEALTH:
            return self._health()
        if path == RELOAD and request.method == "POST":
            self._reload()
            return as_json({"reloads": True})
        if path == REST or path.startswith(f"{REST}/"):
            return self._of_rest(request)
        if path.startswith(f"{STORAGE}/"):
            return self._routes.answer(request, path.removeprefix(STORAGE))
        for prefix, instead in ABSENT.items():
            if path == prefix or path.startswith(f"{prefix}/"):
                return as_json({"message": f"the local API has no {prefix}: {instead}"}, 501)
        return as_json({"message": "no Route matched with those values"}, 404)

    def _of_rest(self, request: Request) -> Response:
        key = request.headers.get("apikey") or request.args.get("apikey") or ""
        if not key:
            return as_json(NO_KEY, 401)
        if not any(hmac.compare_digest(key.encode(), each.encode()) for each in self._keys):
            return as_json(WRONG_KEY, 401)
        given = callers.token(request)
        # As it was sent: PostgREST undoes the escapes itself.
        raw = str(request.environ.get("RAW_URI", request.path)).partition("?")[0]
        return self._rest.answer(request, raw.removeprefix(REST).lstrip("/"), given or key)

    def _health(self) -> Response:
        facts = {"pid": os.getpid(), "record": str(self._path), "started": self._started}
        return as_json(facts | {"ready": rest.ready(self._postgrest.admin_port)})


def _refuse_unclear(request: Request) -> None:
    """Where a body ends has to be clear (RFC 9112, 6.3): else part of it is another request behind this server.

    :raises Refused: for two lengths, and for one that is no number
    """
    length, coding = request.headers.getlist("Content-Length"), request.headers.getlist("Transfer-Encoding")
    if coding and (length or [each.strip().lower() for each in coding] != ["chunked"]):
        raise errors.invalid("header content-length or transfer-encoding: chunked, not both, and no other coding")
    if len(length) > 1 or not all(each.isascii() and each.isdigit() for each in length):
        raise errors.invalid("header content-length must be a number of bytes")


def _preflight(request: Request) -> Response:
    asked = request.headers.get("Access-Control-Request-Headers", "*")
    headers = {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Max-Age": "3600",
    }
    return Response(b"", 200, headers)


def _refused_by_database(request: Request, error: psycopg.Error) -> Response:
    """For the client in the API's words, for the log in PostgreSQL's, which say what to do."""
    if error.sqlstate is None and isinstance(error, psycopg.DataError):
        return errors.of_database(error).response()
    said = {
        "error": type(error).__name__,
        "code": error.sqlstate,
        "message": error.diag.message_primary,
        "hint": error.diag.message_hint,
    }
    print(f"{request.method} {request.path!a}: database: {json.dumps(said)}", file=sys.stderr, flush=True)
    return errors.of_database(error).response()
