"""Where an object lies: `<tenant>/<bucket>/<folder>/…/<version>`, as the Storage API has it, which serves it too.

Rules and messages are those of `clients/typescript/src/names.ts`; a test sends both the same names.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

# What the Storage API calls itself where it serves one tenant only (its setting TENANT_ID).
TENANT = "storage-single-tenant"
# What is sent by a signed form lies below this until it is taken over; neither the Storage API nor the CDN reaches it.
UPLOADS = "uploads"
# What is under a version never changes. It is on the object, since what a CDN adds it adds to its errors too; private:
# browsers keep it, nobody between them and the CDN does.
CACHE_CONTROL = "private, max-age=31536000, immutable"
# Amazon S3's limit for a whole key is 1024; so much is left in the longest, which is that of quarantine.
LONGEST_NAME = 850
# As long as it takes to upload the largest recording, and to listen to one; nothing is signed for longer than an hour.
UPLOAD_SECONDS = 300
DOWNLOAD_SECONDS = 900
LONGEST_SECONDS = 3600
# The Storage API serves no object whose name has another character.
ALLOWED = re.compile(r"[A-Za-z0-9_/!.*'() &$@=;:+,?-]")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+_-]*")


class ObjectError(ValueError):
    """A name, a type or a time that can't be used; the text is one line for the caller."""


@dataclass(frozen=True)
class Bucket:
    """What is declared of a storage bucket; no limit is None, no types means any."""

    id: str
    file_size_limit: int | None = None
    allowed_mime_types: tuple[str, ...] = ()

    @classmethod
    def declared(cls, buckets: Mapping[str, Mapping[str, Any]], id: str) -> "Bucket":
        """The bucket `id` out of the stack output `storage_buckets`, or of rows of `storage.buckets` by id."""
        if id not in buckets:
            raise ObjectError(f"bucket {shown(id)}: no such bucket; there are {', '.join(sorted(buckets)) or 'none'}")
        limit = buckets[id].get("file_size_limit")
        return cls(id, None if limit is None else int(limit), tuple(buckets[id].get("allowed_mime_types") or ()))

    def check_type(self, content_type: str) -> None:
        """Refuses a type that may not lie in this bucket."""
        if not TYPE.fullmatch(content_type):
            raise ObjectError(f"type {shown(content_type)}: must be type/subtype in lower case, without parameters")
        family = content_type.split("/")[0] + "/*"
        if self.allowed_mime_types and not {content_type, family, "*/*"} & set(self.allowed_mime_types):
            allowed = ", ".join(self.allowed_mime_types)
            raise ObjectError(f"type {shown(content_type)}: bucket {self.id} takes {allowed}")

    def check_size(self, size: int, most: int, way: str) -> None:
        """Refuses bytes that this bucket doesn't take, or Amazon S3 not that way, which is at most `most`."""
        largest = self.largest(most)
        if not 1 <= size <= largest:
            raise ObjectError(f"size {size}: bucket {self.id} takes 1 to {largest} bytes {way}")

    def largest(self, most: int) -> int:
        """How many bytes a file may have that is sent in a way which takes no more than `most`."""
        return min(self.file_size_limit or most, most)


def check_name(name: str) -> str:
    """The name of an object, if it is one by the database's rule (`private.is_file_name`); else refuses it.

    :raises ObjectError: with what is wrong and what is allowed
    """
    if not name:
        raise ObjectError("object name: is empty")
    for character in name:
        if not ALLOWED.fullmatch(character):
            raise ObjectError(
                f"object name: has the character {shown(character)}; "
                "allowed are A-Z, a-z, 0-9, space and _ / ! - . * ' ( ) & $ @ = ; : + , ?"
            )
    if len(name) > LONGEST_NAME:
        raise ObjectError(f"object name: has {len(name)} bytes, at most {LONGEST_NAME} are allowed")
    parts = name.split("/")
    if "" in parts:
        raise ObjectError(f"object name {shown(name)}: has an empty part; no slash may stand first, last or twice")
    if {".", ".."} & set(parts):
        raise ObjectError(f"object name {shown(name)}: has a part . or ..")
    return name


def key(tenant: str, bucket: str, name: str, version: str) -> str:
    """The key in the object bucket of one version of an object.

    :raises ObjectError: where a part of it can't be used
    """
    for what, id in (("tenant", tenant), ("bucket", bucket)):
        if not ID.fullmatch(id):
            raise ObjectError(f"{what} {shown(id)}: must be A-Z, a-z, 0-9, _ . and -, up to 100")
    if not UUID.fullmatch(version):
        raise ObjectError(f"version {shown(version)}: must be a uuid in lower case")
    return f"{tenant}/{bucket}/{check_name(name)}/{version}"


def upload_key(tenant: str, bucket: str, name: str, version: str) -> str:
    """The key of what a signed form sends, until it is taken over as this version of the object.

    :raises ObjectError: where a part of it can't be used
    """
    return f"{UPLOADS}/{key(tenant, bucket, name, version)}"


def check_folder(name: str, folder: str) -> None:
    """
    :raises ObjectError: where the object isn't in that folder, or it is no person's and no project's
    """
    if not UUID.fullmatch(name.partition("/")[0]):
        raise ObjectError(
            f"object name {shown(name)}: must be <project or user id>/<file>, the id a uuid in lower case"
        )
    if not name.startswith(f"{folder}/"):
        raise ObjectError(f"object name {shown(name)}: is not in the folder {shown(folder)}")


def check_room(bucket: str, name: str, size: int, room: int | None) -> None:
    """
    :param size: at least so many bytes
    :param room: what `public.take_room` of the database answers; None where no quota counts it
    :raises ObjectError: where the quota has no room for it
    """
    if room is not None and size > room:
        raise ObjectError(
            f"object {shown(f'{bucket}/{name}')}: was given room for {room} bytes of the quota that it counts for, "
            f"not for {size}; delete files, or raise it"
        )


def form_mark(version: str, person: str) -> str:
    """What a form writes into what it sends: by whom and as which version it may be taken over.

    :raises ObjectError: for a person that is no uuid
    """
    if not UUID.fullmatch(person):
        raise ObjectError(f"person {shown(person)}: must be a uuid in lower case")
    return hashlib.sha256(f"{version}/{person}".encode()).hexdigest()


def cdn_path(bucket: str, name: str, version: str) -> str:
    """The path at the CDN of one version of an object: in the one spelling in which it is signed.

    :raises ObjectError: where a part of it can't be used
    """
    return "/" + spelled(key(TENANT, bucket, name, version).removeprefix(f"{TENANT}/"))


def spelled(path: str) -> str:
    """A path as CloudFront's signer for JavaScript spells it: one spelling, one signature."""
    return "/".join(quote(part, safe="!~*'()") for part in path.split("/"))


def shown(text: str) -> str:
    """The text in quotes, on one line, in ASCII, and not too much of it."""
    return json.dumps(text[:100]).replace("\x7f", "\\u007f")
