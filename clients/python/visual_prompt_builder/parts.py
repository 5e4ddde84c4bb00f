"""Uploads in parts: for files above one form's size, and for lines that break: what was sent isn't sent again.

S3's multipart upload by signed addresses. The server begins it, signs the parts that are missing as often as it is
asked, and makes the whole an object, by the rules of `finish_upload`. The same in TypeScript is
`clients/typescript/src/parts.ts`.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from botocore.exceptions import ClientError

from visual_prompt_builder.names import (
    CACHE_CONTROL,
    UPLOAD_SECONDS,
    Bucket,
    ObjectError,
    check_folder,
    check_room,
    form_mark,
    shown,
    upload_key,
)
from visual_prompt_builder.signing import Store, check_seconds, expiry
from visual_prompt_builder.uploads import Stored, finish_upload

# Amazon S3's limits: 5 MiB to 5 GiB for a part, 10,000 parts, 5 TiB for an object.
PART_BYTES = 16 * 2**20
MOST_PARTS = 10_000
LARGEST_OBJECT = 5 * 2**40
MOST_SIGNED = 100
IN_PARTS = "in parts"


@dataclass(frozen=True, kw_only=True)
class Parts:
    """An upload in parts; the server that goes on with it has to know what is here, and who began it."""

    bucket: str
    name: str
    version: str
    upload_id: str
    size: int
    """How many bytes the file has."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Bytes `start` to `end`, which isn't among them, to send by PUT as they are."""

    number: int
    start: int
    end: int
    url: str
    expires_at: str


class _Sent(NamedTuple):
    size: int
    etag: str


def begin_parts(
    store: Store,
    bucket: Bucket,
    name: str,
    content_type: str,
    size: int,
    *,
    folder: str,
    person: str,
    room: int | None,
    version: str | None = None,
) -> Parts:
    """Begin an upload in parts. What isn't finished goes after 7 days.

    The parts come to `size` and no more: sent again, a part replaces what was sent.

    :param size: of the file, in bytes
    :param folder: the id of the project, or of the person, by the bucket's access; the name must begin with it
    :param person: whose upload it is
    :param room: how many bytes of the quota it was given, as `public.take_room` of the database answers; None: no limit
    :raises ObjectError: for a name, a type or a size that can't be used, and where there is no room
    """
    version = version or str(uuid.uuid4())
    object_key = upload_key(store.tenant, bucket.id, name, version)
    check_folder(name, folder)
    bucket.check_type(content_type)
    bucket.check_size(size, LARGEST_OBJECT, IN_PARTS)
    check_room(bucket.id, name, size, room)
    begun = store.s3.create_multipart_upload(
        Bucket=store.bucket,
        Key=object_key,
        ContentType=content_type,
        CacheControl=CACHE_CONTROL,
        Metadata={"form": form_mark(version, person)},
    )
    return Parts(bucket=bucket.id, name=name, version=version, upload_id=begun["UploadId"], size=size)


def sign_parts(
    store: Store,
    bucket: Bucket,
    upload: Parts,
    *,
    folder: str,
    room: int | None,
    seconds: int = UPLOAD_SECONDS,
    most: int = MOST_SIGNED,
) -> list[Part]:
    """Addresses for the next parts that are missing, each good for exactly as many bytes; none where all are there.

    :param folder: as `begin_parts` was given it, and not as a browser says it
    :param room: as `begin_parts` was given it: nothing is taken again
    :raises ObjectError: for a size or a time that can't be used, or an upload that isn't there
    """
    object_key = _object_key(store, upload, folder)
    bucket.check_size(upload.size, LARGEST_OBJECT, IN_PARTS)
    check_room(upload.bucket, upload.name, upload.size, room)
    check_seconds(seconds)
    sent = _sent(store, upload, object_key)
    if sent is None:
        raise ObjectError(f"{_object(upload)}: no such upload; it was finished, stopped, or begun more than 7 days ago")
    expires = expiry(seconds)
    sizes = {number: part.size for number, part in sent.items()}
    missing = [(number, start, end) for number, start, end in pieces(upload.size) if sizes.get(number) != end - start]
    return [
        Part(
            number=number,
            start=start,
            end=end,
            url=_part_url(store, upload, object_key, number, end - start, seconds),
            expires_at=expires,
        )
        for number, start, end in missing[:most]
    ]


def finish_parts(store: Store, bucket: Bucket, upload: Parts, *, folder: str, person: str) -> Stored:
    """Make the parts an object, as `finish_upload` does; like that it can be called again.

    :param folder: as `begin_parts` was given it, and not as a browser says it
    :param person: who asks
    :raises ObjectError: where parts are missing, or this person has begun no such upload
    """
    object_key = _object_key(store, upload, folder)
    bucket.check_size(upload.size, LARGEST_OBJECT, IN_PARTS)
    sent = _sent(store, upload, object_key)
    if sent is not None:
        _complete(store, upload, object_key, sent)
    return finish_upload(store, upload.bucket, upload.name, upload.version, folder=folder, person=person)


def stop_parts(store: Store, upload: Parts, *, folder: str) -> None:
    """Remove what was sent; nothing where nothing is there.

    :raises ObjectError: for an upload into another folder
    """
    object_key = _object_key(store, upload, folder)
    try:
        store.s3.abort_multipart_upload(Bucket=store.bucket, Key=object_key, UploadId=upload.upload_id)
    except ClientError as error:
        _unless_gone(error)


def pieces(size: int) -> Iterator[tuple[int, int, int]]:
    """Number, first byte and end of each part of a file of this size."""
    length = max(PART_BYTES, -(-size // MOST_PARTS))
    for number, start in enumerate(range(0, size, length), start=1):
        yield number, start, min(start + length, size)


def _complete(store: Store, upload: Parts, object_key: str, sent: dict[int, _Sent]) -> None:
    wanted = {number: end - start for number, start, end in pieces(upload.size)}
    sizes = {number: part.size for number, part in sent.items()}
    wrong = sorted(number for number in wanted.keys() | sizes.keys() if wanted.get(number) != sizes.get(number))
    if wrong:
        few = ", ".join(map(str, wrong[:5])) + (" and more" if len(wrong) > 5 else "")
        raise ObjectError(f"{_object(upload)}: parts are missing or of another size: {few}")
    parts = [{"PartNumber": number, "ETag": part.etag} for number, part in sorted(sent.items())]
    try:
        store.s3.complete_multipart_upload(
            Bucket=store.bucket, Key=object_key, UploadId=upload.upload_id, MultipartUpload={"Parts": parts}
        )
    except ClientError as error:
        # Somebody else was faster.
        _unless_gone(error)


def _sent(store: Store, upload: Parts, object_key: str) -> dict[int, _Sent] | None:
    """What was sent, by number; None where there is no such upload."""
    pages = store.s3.get_paginator("list_parts").paginate(
        Bucket=store.bucket, Key=object_key, UploadId=upload.upload_id
    )
    try:
        return {
            part["PartNumber"]: _Sent(part["Size"], part["ETag"]) for page in pages for part in page.get("Parts", ())
        }
    except ClientError as error:
        _unless_gone(error)
        return None


def _part_url(store: Store, upload: Parts, object_key: str, number: int, length: int, seconds: int) -> str:
    """The address that takes one part of so many bytes."""
    request = {
        "Bucket": store.bucket,
        "Key": object_key,
        "UploadId": upload.upload_id,
        "PartNumber": number,
        "ContentLength": length,
    }
    url: str = store.s3.generate_presigned_url("upload_part", request, ExpiresIn=seconds)
    return url


def _unless_gone(error: ClientError) -> None:
    if error.response["Error"]["Code"] != "NoSuchUpload":
        raise error


def _object_key(store: Store, upload: Parts, folder: str) -> str:
    check_folder(upload.name, folder)
    return upload_key(store.tenant, upload.bucket, upload.name, upload.version)


def _object(upload: Parts) -> str:
    return f"object {shown(f'{upload.bucket}/{upload.name}')}"
