"""What follows a signed upload: what was sent becomes a version of an object, and its row is written.

A form can be sent as often as somebody likes until it expires. A file that was scanned must not be replaced by the same
form afterwards: so the form reaches no object, and what it sends is copied. The same in TypeScript is
`clients/typescript/src/uploads.ts`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from visual_prompt_builder.names import CACHE_CONTROL, ObjectError, check_folder, form_mark, key, shown, upload_key
from visual_prompt_builder.signing import Store

# Amazon S3 copies no more in one request.
LARGEST_COPY = 5 * 2**30
# What was taken over has this beside it for as long as it is there, so that it is taken over once.
FINISHED = ".finished"
# A form can be sent for an hour after it was taken over, and the store keeps things for a day: so much of it is left in
# which what was taken over has its mark. What came in parts is dated by its beginning, and sent once.
GOOD_FOR = timedelta(hours=23)
# What the store answers where an object is there by now, or is just being made.
FASTER = {"PreconditionFailed", "ConditionalRequestConflict"}


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What the row of `storage.objects` says of a file; all of it as the store has it, nothing as a browser says it."""

    bucket: str
    name: str
    version: str
    size: int
    content_type: str
    etag: str

    @property
    def metadata(self) -> dict[str, object]:
        """The row's column `metadata`, by the Storage API's names."""
        return {
            "size": self.size,
            "mimetype": self.content_type,
            "cacheControl": CACHE_CONTROL,
            "eTag": self.etag,
            "contentLength": self.size,
        }


def finish_upload(store: Store, bucket: str, name: str, version: str, *, folder: str, person: str) -> Stored:
    """Make what was sent by the form with this version that version of the object.

    It deletes nothing, and can be called again for almost a day, after a failure or twice: what is an object already
    stays as it is, and what was one and isn't any more stays away. After that what was sent is gone.

    :param folder: as `sign_upload` was given it, and not as a browser says it
    :param person: who asks
    :raises ObjectError: where nothing was sent by such a form of this person, or the object was deleted since
    """
    check_folder(name, folder)
    final = key(store.tenant, bucket, name, version)
    sent, mark = upload_key(store.tenant, bucket, name, version), form_mark(version, person)
    head = _head(store, sent)
    place = f"object {shown(f'{bucket}/{name}')}"
    if head is None or head["Metadata"].get("form") != mark or _is_late(head):
        raise ObjectError(f"{place}: nothing was uploaded as version {version} by a form of this person")
    finished, there = _head(store, sent + FINISHED), _there(store, final)
    ended = ObjectError(f"{place}: version {version} was moved, deleted or found harmful since; upload the file again")
    if finished and not there:
        raise ended
    size, etag = there or _take_over(store, sent, final, head, ended)
    if not finished:
        # Before anybody can write the row, and so before anything can end the object.
        store.s3.put_object(Bucket=store.bucket, Key=sent + FINISHED, Body=b"")
    # The form has pinned the type.
    return Stored(bucket=bucket, name=name, version=version, size=size, content_type=head["ContentType"], etag=etag)


def _is_late(head: Mapping[str, Any]) -> bool:
    return "-" not in head["ETag"] and bool(head["LastModified"] < datetime.now(UTC) - GOOD_FOR)


def _take_over(store: Store, sent: str, final: str, head: Mapping[str, Any], ended: ObjectError) -> tuple[int, str]:
    """Size and ETag of the copy, or of what another one has taken over meanwhile: that stays.

    :raises ObjectError: `ended`, where what another one has taken over meanwhile is gone again
    """
    try:
        copied = _copy(store, sent, final, head)
    except ClientError as error:
        found = _there(store, final) if error.response["Error"]["Code"] in FASTER else None
        if found is None:
            raise
        return found
    # The mark without an object: this copy is one that nobody is to see, and the cleaner removes what has no row.
    if _head(store, sent + FINISHED):
        raise ended
    return head["ContentLength"], copied


def _head(store: Store, object_key: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = store.s3.head_object(Bucket=store.bucket, Key=object_key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        return None
    return found


def _there(store: Store, object_key: str) -> tuple[int, str] | None:
    """Size and ETag of what lies there; listed and not asked, since before its scan GuardDuty lets nobody ask."""
    listed = store.s3.list_objects_v2(Bucket=store.bucket, Prefix=object_key, MaxKeys=1).get("Contents", ())
    return next(((entry["Size"], entry["ETag"]) for entry in listed if entry["Key"] == object_key), None)


def _copy(store: Store, sent: str, final: str, head: Mapping[str, Any]) -> str:
    """Copy exactly what was looked at; the copy's ETag, since with a key of KMS it is another one."""
    source = {"Bucket": store.bucket, "Key": sent}
    if "VersionId" in head:
        source["VersionId"] = head["VersionId"]
    if head["ContentLength"] > LARGEST_COPY:
        return _copy_parts(store, source, final, head)
    # Copying tags takes a right of its own.
    copied = store.s3.copy_object(
        Bucket=store.bucket, Key=final, CopySource=source, TaggingDirective="REPLACE", IfNoneMatch="*"
    )
    return str(copied["CopyObjectResult"]["ETag"])


def _copy_parts(store: Store, source: Mapping[str, str], final: str, head: Mapping[str, Any]) -> str:
    target = {"Bucket": store.bucket, "Key": final}
    begun = store.s3.create_multipart_upload(
        **target, ContentType=head["ContentType"], CacheControl=CACHE_CONTROL, Metadata=head["Metadata"]
    )
    target["UploadId"] = begun["UploadId"]
    parts = []
    size = head["ContentLength"]
    try:
        for number, start in enumerate(range(0, size, LARGEST_COPY), start=1):
            span = f"bytes={start}-{min(start + LARGEST_COPY, size) - 1}"
            done = store.s3.upload_part_copy(**target, PartNumber=number, CopySource=source, CopySourceRange=span)
            parts.append({"PartNumber": number, "ETag": done["CopyPartResult"]["ETag"]})
        made = store.s3.complete_multipart_upload(**target, MultipartUpload={"Parts": parts}, IfNoneMatch="*")
    except ClientError:
        # Its parts would stay, and count, for a week.
        store.s3.abort_multipart_upload(**target)
        raise
    return str(made["ETag"])
