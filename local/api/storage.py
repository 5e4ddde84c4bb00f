"""What the Storage API does with rows and bytes together: upload, replace, copy, move, delete."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import psycopg

from local.api import errors
from local.api.callers import SERVICE, Caller
from local.api.files import Files
from local.api.rows import Object, Rows

# What the Storage API serves; the database has the rest of the rule (private.is_file_name).
NAME = re.compile(r"[A-Za-z0-9_/!.*'() &$@=;:+,?-]+")
# A request to sign an upload is tried as what it is itself: JSON of two bytes.
SIGNED = {"contentLength": 2, "mimetype": "application/json"}


@dataclass(frozen=True)
class Content:
    """A file as it is sent, whole."""

    body: BinaryIO
    size: int
    """Bytes."""
    mime: str
    cache: str
    user_metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Stored:
    """A file that was stored."""

    id: str
    key: str


class Storage:
    """Files in buckets: who may what is asked of the database, as the caller.

    :param largest: bytes of the largest file of any bucket
    """

    def __init__(self, rows: Rows, files: Files, largest: int) -> None:
        self.rows, self.files, self._largest = rows, files, largest

    def limit(self, bucket: str) -> int:
        """How many bytes a file of a bucket may have.

        :raises Refused: where there is no such bucket
        """
        return min(self.rows.bucket(bucket)["file_size_limit"] or self._largest, self._largest)

    def upload(self, caller: Caller, operation: str, at: tuple[str, str], content: Content, upsert: bool) -> Stored:
        """Store a file as the caller.

        :param at: bucket and name
        :raises Refused: for what a bucket doesn't take
        :raises psycopg.Error: for what row security refuses
        """
        self._check(at, content)
        metadata = {"contentLength": content.size, "mimetype": content.mime}
        new = _new(*at, caller.person, metadata, content.user_metadata)
        self.rows.attempt(caller, operation, new, upsert)
        return self._store(operation, new, content, upsert)

    def try_signed(self, caller: Caller, at: tuple[str, str], upsert: bool) -> None:
        """Whether an upload may be signed for the caller.

        :raises psycopg.Error: where row security refuses it
        """
        check_name(at[1])
        self.rows.attempt(caller, "object.sign_upload_url", _new(*at, caller.person, SIGNED), upsert)

    def upload_signed(self, owner: str | None, at: tuple[str, str], content: Content, upsert: bool) -> Stored:
        """Store a file that was signed for its owner, as the API itself."""
        operation = "object.upload_signed"
        self._check(at, content)
        metadata = {"contentLength": content.size, "mimetype": content.mime}
        new = _new(*at, owner, metadata, content.user_metadata)
        self.rows.attempt(SERVICE, operation, new, upsert)
        return self._store(operation, new, content, upsert)

    def copy(self, caller: Caller, here: tuple[str, str], there: tuple[str, str], upsert: bool) -> Stored:
        """Copy a file that the caller sees to where they may store one."""
        operation = "object.copy"
        check_name(there[1])
        old = self.rows.one(caller, operation, *here)
        metadata = old["metadata"] or {}
        new = _new(*there, caller.person, metadata, old["user_metadata"])
        self.rows.attempt(caller, operation, new, upsert)
        noted = self.files.copy((*here, old["version"]), (*there, new.version))
        return self._written(operation, replace(new, metadata=noted), upsert)

    def move(self, caller: Caller, here: tuple[str, str], there: tuple[str, str]) -> None:
        """Give a file that the caller may change another name, where they may store one."""
        operation = "object.move"
        check_name(there[1])
        new = _new(*there, caller.person, {})
        # As the caller first: what they don't see isn't there.
        old = self.rows.one(caller, operation, *here)
        self.rows.move(caller, operation, here, new, tried=True)
        self.files.copy((*here, old["version"]), (*there, new.version))
        try:
            self.rows.move(SERVICE, operation, here, new)
        except (psycopg.Error, errors.Refused):
            self.files.forget((*there, new.version))
            raise
        self.files.forget((*here, old["version"]))

    def remove(self, caller: Caller, bucket: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """Delete what the caller may delete of these; the rows that it had."""
        gone = self.rows.delete(caller, "object.delete_many", bucket, names)
        self.files.forget(*((bucket, row["name"], row["version"]) for row in gone))
        return [dict(row) for row in gone]

    def remove_one(self, caller: Caller, bucket: str, name: str) -> None:
        """Delete a file.

        :raises Refused: where the caller doesn't see it, or may not
        """
        self.rows.one(caller, "object.delete", bucket, name)
        gone = self.rows.delete(caller, "object.delete", bucket, [name])
        if not gone:
            raise errors.denied("Access denied")
        self.files.forget((bucket, name, gone[0]["version"]))

    def _check(self, at: tuple[str, str], content: Content) -> None:
        bucket = self.rows.bucket(at[0])
        check_name(at[1])
        types = bucket["allowed_mime_types"] or ()
        mime = content.mime.partition(";")[0].strip().lower()
        if types and not {mime, f"{mime.partition('/')[0]}/*", "*/*"} & set(types):
            raise errors.wrong_type(mime)
        if content.size > min(bucket["file_size_limit"] or self._largest, self._largest):
            raise errors.too_large()

    def _store(self, operation: str, new: Object, content: Content, upsert: bool) -> Stored:
        noted = self.files.store(new.bucket, new.name, new.version, content.body, content.mime, content.cache)
        return self._written(operation, replace(new, metadata=noted), upsert)

    def _written(self, operation: str, new: Object, upsert: bool) -> Stored:
        """Its row, when the bytes are there; without a row they go again."""
        try:
            id, old = self.rows.write(operation, new, upsert)
        except psycopg.Error:
            self.files.forget((new.bucket, new.name, new.version))
            raise
        if old:
            self.files.forget((new.bucket, new.name, old))
        return Stored(id, f"{new.bucket}/{new.name}")


def check_name(name: str) -> None:
    """
    :raises Refused: for a name with a character that the Storage API doesn't serve
    """
    if not NAME.fullmatch(name):
        raise errors.bad_key(name[:100])


def _new(
    bucket: str,
    name: str,
    owner: str | None,
    metadata: Mapping[str, Any],
    user_metadata: Mapping[str, Any] | None = None,
) -> Object:
    return Object(bucket, name, owner, str(uuid.uuid4()), metadata, user_metadata)
