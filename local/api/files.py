"""The bytes of stored files, in the one S3 bucket, under the keys that the Storage API uses."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from werkzeug import Request

from declared.objectlayout import prefix
from local.api.errors import Refused, no_key
from local.api.record import Start

# Bytes that are read at once; seconds.
CHUNK, CONNECT, READ = 1 << 16, 5, 120
PASSED_ON = {"Content-Type", "Content-Length", "Content-Range", "ETag", "Last-Modified", "Cache-Control"}


@dataclass(frozen=True)
class Download:
    """An answer of S3: 200, 206 for a part, or 304 without bytes."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]
    close: Callable[[], object]


class Files:
    """The S3 bucket."""

    def __init__(self, start: Start) -> None:
        self._bucket = start.bucket
        self._s3 = boto3.client(
            "s3",
            region_name=start.region,
            endpoint_url=start.endpoint,
            aws_access_key_id=start.access_key,
            aws_secret_access_key=start.secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                connect_timeout=CONNECT,
                read_timeout=READ,
                max_pool_connections=20,
            ),
        )

    def store(self, bucket: str, name: str, version: str, body: BinaryIO, mime: str, cache: str) -> dict[str, Any]:
        """Store a file; what the Storage API notes of it in its row."""
        at = self._at(bucket, name, version)
        self._s3.put_object(**at, Body=body, ContentType=mime, CacheControl=cache)
        return self._noted(at)

    def copy(self, old: tuple[str, str, str], new: tuple[str, str, str]) -> dict[str, Any]:
        """Copy a file with its type and its tags: bucket, name and version of both; what is noted of the copy."""
        at = self._at(*new)
        self._s3.copy_object(**at, CopySource=self._at(*old))
        return self._noted(at)

    def forget(self, *stored: tuple[str, str, str]) -> None:
        """Delete files; the S3 bucket keeps old versions for its own time."""
        keys = [{"Key": self._at(*each)["Key"]} for each in stored]
        if keys:
            self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})

    def fetch(self, bucket: str, name: str, version: str, request: Request) -> Download:
        """A file, or the part of it that a request asks for.

        :raises Refused: where it isn't there, or hasn't that part
        """
        wanted = conditions(request)
        try:
            found = self._s3.get_object(**self._at(bucket, name, version), **wanted)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "304":
                return Download(304, _headers(error.response), iter(()), lambda: None)
            if code == "InvalidRange":
                raise Refused(400, "InvalidRange", "invalid range provided", "invalid_range") from None
            if code == "NoSuchKey":
                raise no_key() from None
            raise
        status = 206 if found.get("ContentRange") else 200
        body = found["Body"]
        return Download(status, _headers(found), body.iter_chunks(CHUNK), body.close)

    def _at(self, bucket: str, name: str, version: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{prefix(bucket)}{name}/{version}"}

    def _noted(self, at: Mapping[str, str]) -> dict[str, Any]:
        head = self._s3.head_object(**at)
        return {
            "eTag": head["ETag"],
            "size": head["ContentLength"],
            "mimetype": head["ContentType"],
            "cacheControl": head.get("CacheControl", "no-cache"),
            "lastModified": head["LastModified"].isoformat(),
            "contentLength": head["ContentLength"],
            "httpStatusCode": 200,
        }


def conditions(request: Request) -> dict[str, Any]:
    """What S3 is asked for: part and version. What isn't understood doesn't count (RFC 9110, 13.1 and 14.2)."""
    found: dict[str, Any] = {}
    if request.range is not None and request.range.units == "bytes":
        found["Range"] = request.range.to_header()
    if request.if_none_match:
        found["IfNoneMatch"] = request.if_none_match.to_header()
    if request.if_modified_since is not None:
        found["IfModifiedSince"] = request.if_modified_since
    return found


def _headers(answer: Mapping[str, Any]) -> dict[str, str]:
    given = {name.title(): value for name, value in answer["ResponseMetadata"]["HTTPHeaders"].items()}
    return {name: given[name.title()] for name in PASSED_ON if name.title() in given}
