"""The paths below `/storage/v1`, as supabase-js calls them."""

import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from werkzeug import Request, Response

from declared import tokens
from local.api import asked, errors, uploads
from local.api.asked import At
from local.api.callers import SERVICE, Caller, of_storage
from local.api.errors import as_json
from local.api.rest import closed_after
from local.api.rows import COLUMNS, Page
from local.api.storage import Storage

# Seconds that a signed upload is good for, as the Storage API has it.
UPLOAD_SECONDS = 7200
# Entries of one request.
MOST_LISTED, MOST_REMOVED, MOST_SIGNED = 1000, 1000, 1000
HIDDEN = "Either the object does not exist or you do not have access to it"
DECLARED = "buckets are declared in database:buckets"
MISSING = {
    "upload": ("resumable uploads", "send the file in one request; what is larger goes by docs/objects.md"),
    "s3": ("S3 protocol", "use AWS_ENDPOINT_URL_S3 of ./vpb env"),
    "render": ("image transformation", "an image is served as it was stored"),
    "vector": ("vector buckets", "there is nothing in their place"),
    "iceberg": ("analytics buckets", "there is nothing in their place"),
    "cdn": ("cache", "nothing is kept between here and the store"),
}


class Routes:
    """The Storage API over HTTP.

    :param secrets: what tokens may be signed with, the newest first
    """

    def __init__(self, storage: Storage, secrets: Sequence[str]) -> None:
        self._storage, self._secrets = storage, secrets
        self._object: dict[tuple[str, str], Callable[[Request, list[str]], Response]] = {
            ("GET", "public"): self._public,
            ("GET", "sign"): self._signed,
            ("POST", "sign"): self._sign,
            ("POST", "upload"): self._sign_upload,
            ("PUT", "upload"): self._upload_signed,
            ("GET", "authenticated"): lambda request, rest: self._download(request, rest),
            ("GET", "info"): self._info,
            ("POST", "list"): self._list,
            ("POST", "list-v2"): _list_v2,
            ("POST", "copy"): self._copy,
            ("POST", "move"): self._move,
        }

    def answer(self, request: Request, path: str) -> Response:
        """The answer to a path below the prefix.

        :raises Refused: for what isn't carried out
        :raises psycopg.Error: for what the database refuses
        """
        first, *rest = path.strip("/").split("/")
        if first in MISSING:
            raise errors.missing(*MISSING[first])
        if first == "bucket":
            return self._bucket(request, rest)
        if first != "object" or not rest:
            raise errors.Refused(404, "NotFound", f"Route {request.method}:/{path.strip('/')} not found", "Not Found")
        method = "GET" if request.method == "HEAD" else request.method
        if (method, rest[0]) in self._object:
            return self._object[method, rest[0]](request, rest[1:])
        if method == "GET":
            return self._download(request, rest)
        if method in ("POST", "PUT"):
            return self._upload(request, rest)
        if method == "DELETE":
            return self._remove(request, rest)
        raise errors.Refused(404, "NotFound", f"Route {method}:/object not found", "Not Found")

    def reload(self) -> None:
        """Have PostgREST read the structure again."""
        self._storage.rows.reload()

    def _caller(self, request: Request) -> Caller:
        return of_storage(self._secrets, request)

    def _bucket(self, request: Request, rest: list[str]) -> Response:
        if request.method != "GET":
            raise errors.missing("way to change buckets", DECLARED)
        caller = self._caller(request)
        found = self._storage.rows.buckets(caller, "bucket.get" if rest else "bucket.list")
        if not rest:
            return as_json(found)
        named = [each for each in found if each["id"] == rest[0]]
        if not named:
            raise errors.no_bucket()
        return as_json(named[0])

    def _upload(self, request: Request, rest: list[str]) -> Response:
        at = _at(rest)
        try:
            caller = self._caller(request)
        except errors.Refused:
            uploads.drain(request)
            raise
        replaces = request.method == "PUT"
        operation = "object.upload_update" if replaces else "object.upload"
        upsert = replaces or request.headers.get("x-upsert") == "true"
        with uploads.content(request, lambda: self._storage.limit(at[0])) as content:
            stored = self._storage.upload(caller, operation, at, content, upsert)
        return as_json({"Id": stored.id, "Key": stored.key})

    def _sign_upload(self, request: Request, rest: list[str]) -> Response:
        at = _at(_behind(rest, "sign"))
        caller, upsert = self._caller(request), request.headers.get("x-upsert") == "true"
        self._storage.try_signed(caller, at, upsert)
        claims = {"owner": caller.person, "upsert": upsert}
        token = self._token("upload", at, UPLOAD_SECONDS, claims)
        return as_json({"url": _signed_path("upload/sign", at, token), "token": token})

    def _upload_signed(self, request: Request, rest: list[str]) -> Response:
        at = _at(_behind(rest, "sign"))
        try:
            claims = self._claims("upload", at, request)
        except errors.Refused:
            uploads.drain(request)
            raise
        with uploads.content(request, lambda: self._storage.limit(at[0])) as content:
            stored = self._storage.upload_signed(claims["owner"], at, content, bool(claims["upsert"]))
        return as_json({"Key": stored.key})

    def _download(self, request: Request, rest: list[str]) -> Response:
        at = _at(rest)
        caller = self._caller(request)
        # Of a public bucket it isn't asked who reads.
        public = self._storage.rows.bucket(at[0])["public"]
        return self._bytes(request, SERVICE if public else caller, "object.get_authenticated", at)

    def _public(self, request: Request, rest: list[str]) -> Response:
        at = _at(rest)
        if not self._storage.rows.bucket(at[0])["public"]:
            raise errors.no_bucket()
        return self._bytes(request, SERVICE, "object.get_public", at)

    def _sign(self, request: Request, rest: list[str]) -> Response:
        caller, given = self._caller(request), asked.body(request)
        seconds = given.get("expiresIn")
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 1:
            raise errors.invalid("body/expiresIn must be >= 1")
        if given.get("transform"):
            raise errors.missing(*MISSING["render"])
        if len(rest) > 1:
            at = _at(rest)
            self._storage.rows.one(caller, "object.sign", *at)
            return as_json({"signedURL": _signed_path("sign", at, self._token("download", at, seconds))})
        names = asked.names(given, "paths")
        if len(names) > MOST_SIGNED:
            raise errors.invalid(f"body/paths must have at most {MOST_SIGNED} items")
        return as_json([self._signed_one(caller, (_bucket(rest), name), seconds) for name in names])

    def _signed_one(self, caller: Caller, at: At, seconds: int) -> dict[str, Any]:
        try:
            self._storage.rows.one(caller, "object.sign_many", at[0], asked.usable(at[1]))
        except errors.Refused:
            return {"error": HIDDEN, "path": at[1], "signedURL": None}
        token = self._token("download", at, seconds)
        return {"error": None, "path": at[1], "signedURL": _signed_path("sign", at, token)}

    def _signed(self, request: Request, rest: list[str]) -> Response:
        at = _at(rest)
        self._claims("download", at, request)
        return self._bytes(request, SERVICE, "object.get_signed", at)

    def _info(self, request: Request, rest: list[str]) -> Response:
        at = _at(rest[1:] if rest[:1] in (["authenticated"], ["public"]) and len(rest) > 2 else rest)
        caller = self._caller(request)
        bucket = self._storage.rows.bucket(at[0])
        reader = SERVICE if bucket["public"] else caller
        row = self._storage.rows.one(reader, "object.info_authenticated", *at)
        noted = row["metadata"] or {}
        return as_json(
            {
                **{name: row[name] for name in ("id", "name", "version", "bucket_id", "created_at", "updated_at")},
                "size": noted.get("size"),
                "content_type": noted.get("mimetype"),
                "cache_control": noted.get("cacheControl"),
                "etag": noted.get("eTag"),
                "last_modified": noted.get("lastModified"),
                "metadata": row["user_metadata"],
            }
        )

    def _list(self, request: Request, rest: list[str]) -> Response:
        caller, given, bucket = self._caller(request), asked.body(request), _bucket(rest)
        prefix, order = asked.text(given, "prefix"), asked.sorting(given, COLUMNS)
        page = Page(
            folder=f"{prefix.rstrip('/')}/" if prefix.strip("/") else "",
            search=asked.text(given, "search"),
            column=order.get("column") or COLUMNS[0],
            descending=order.get("order") == "desc",
            limit=max(asked.number(given, "limit", 100, MOST_LISTED), 1),
            offset=asked.number(given, "offset", 0),
        )
        self._storage.rows.bucket(bucket)
        return as_json([dict(row) for row in self._storage.rows.listed(caller, bucket, page)])

    def _remove(self, request: Request, rest: list[str]) -> Response:
        caller = self._caller(request)
        if len(rest) > 1:
            self._storage.remove_one(caller, *_at(rest))
            return as_json({"message": "Successfully deleted"})
        names = [*map(asked.usable, asked.names(asked.body(request), "prefixes"))]
        if not 1 <= len(names) <= MOST_REMOVED:
            raise errors.invalid(f"body/prefixes must have 1 to {MOST_REMOVED} items")
        return as_json(self._storage.remove(caller, _bucket(rest), names))

    def _copy(self, request: Request, rest: list[str]) -> Response:
        caller, (here, there) = self._caller(request), asked.both(request)
        stored = self._storage.copy(caller, here, there, request.headers.get("x-upsert") == "true")
        return as_json({"Id": stored.id, "Key": stored.key})

    def _move(self, request: Request, rest: list[str]) -> Response:
        caller, (here, there) = self._caller(request), asked.both(request)
        self._storage.move(caller, here, there)
        return as_json({"message": "Successfully moved"})

    def _bytes(self, request: Request, reader: Caller, operation: str, at: At) -> Response:
        row = self._storage.rows.one(reader, operation, *at)
        found = self._storage.files.fetch(*at, row["version"], request)
        answer = Response(found.chunks, found.status, dict(found.headers))
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Accept-Ranges"] = "bytes"
        if (name := request.args.get("download")) is not None:
            answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name or at[1], safe='')}"
        return closed_after(answer, request, found.close)

    def _token(self, purpose: str, at: At, seconds: int, more: dict[str, Any] | None = None) -> str:
        now = int(time.time())
        claims = {"url": "/".join(at), "iat": now, "exp": now + seconds, **(more or {})}
        return tokens.signed(self._keys(purpose)[0], claims)

    def _claims(self, purpose: str, at: At, request: Request) -> dict[str, Any]:
        token = request.args.get("token")
        if not token:
            raise errors.invalid("querystring must have required property 'token'")
        try:
            found = tokens.claims(self._keys(purpose), token)
        except tokens.TokenRefused as error:
            raise errors.bad_token(str(error)) from None
        if found.get("url") != "/".join(at):
            raise errors.Refused(400, "InvalidSignature", "Invalid signature")
        return found

    def _keys(self, purpose: str) -> list[str]:
        """What addresses are signed with: no token of a person is one, nor is one address another kind's."""
        return [sha256(f"{purpose} {secret}".encode()).hexdigest() for secret in self._secrets]


def _at(rest: list[str]) -> At:
    """Bucket and name."""
    if len(rest) < 2 or not rest[0] or not "".join(rest[1:]):
        raise errors.bad_key("/".join(rest)[:100])
    return rest[0], "/".join(rest[1:])


def _bucket(rest: list[str]) -> str:
    if len(rest) != 1 or not rest[0]:
        raise errors.no_bucket()
    return rest[0]


def _behind(rest: list[str], word: str) -> list[str]:
    if rest[:1] != [word]:
        raise errors.missing(*MISSING["upload"])
    return rest[1:]


def _list_v2(request: Request, rest: list[str]) -> Response:
    raise errors.missing("listV2", "use list, one folder at a time")


def _signed_path(kind: str, at: At, token: str) -> str:
    return f"/object/{kind}/{at[0]}/{at[1]}?token={token}"
