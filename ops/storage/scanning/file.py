"""A file in the object store, as the scanner handles it: read, tagged, put into quarantine, deleted."""

import itertools
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError
from visual_prompt_builder.signing import Store

from declared import objectlayout

CHUNK = 65536
QUARANTINE = objectlayout.QUARANTINE + "/"
GONE = {"NoSuchKey", "NoSuchVersion", "404"}


class GoneError(Exception):
    """There is no such file."""


class File:
    """What lies under one key. Tags, bytes and copy are of one version: the one that was there when first asked.

    What reads raises GoneError where there is nothing; botocore's other errors pass.
    """

    def __init__(self, store: Store, key: str) -> None:
        self.key = key
        self._store = store
        self._where: dict[str, str] = {"Bucket": store.bucket, "Key": key}

    def __iter__(self) -> Iterator[bytes]:
        return itertools.chain([self.start], self._chunks)

    def tags(self) -> Mapping[str, str]:
        """What is tagged now, by us or by somebody else; a login that may not read the file may still ask."""
        return {tag["Key"]: tag["Value"] for tag in self._ask("get_object_tagging")["TagSet"]}

    @cached_property
    def start(self) -> bytes:
        """Its first bytes."""
        return next(self._chunks, b"")

    @property
    def content_type(self) -> str | None:
        """What the store would serve it as."""
        return self._opened.get("ContentType")

    @cached_property
    def _chunks(self) -> Iterator[bytes]:
        chunks: Iterator[bytes] = self._opened["Body"].iter_chunks(CHUNK)
        return chunks

    @cached_property
    def _opened(self) -> dict[str, Any]:
        return self._ask("get_object")

    def close(self) -> None:
        """Give the connection back, if it was read."""
        if "_opened" in self.__dict__:
            self._opened["Body"].close()

    def _ask(self, operation: str) -> dict[str, Any]:
        answer = self._call(operation, self._where)
        if answer.get("VersionId"):
            # A form may be sent again meanwhile: what is found out holds for these very bytes.
            self._where = {**self._where, "VersionId": answer["VersionId"]}
        return answer

    def _call(self, operation: str, where: Mapping[str, str]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._store.s3, operation)(**where)
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                raise GoneError(self.key) from None
            raise
        return answer

    def tag(self, name: str, value: str) -> None:
        """Set this tag, and no other."""
        self._store.s3.put_object_tagging(**self._where, Tagging={"TagSet": [{"Key": name, "Value": value}]})

    def quarantine(self, status: str, found: str) -> None:
        """Copy it out of reach, with what was found."""
        # What a browser would run, it now saves.
        self._store.s3.copy_object(
            Bucket=self._store.bucket,
            Key=QUARANTINE + self.key,
            CopySource=self._where,
            MetadataDirective="REPLACE",
            ContentType="application/octet-stream",
            Metadata={"status": status, "found": found.encode("ascii", "replace").decode()},
            TaggingDirective="REPLACE",
            Tagging=f"scan={status}",
        )

    def in_quarantine(self) -> tuple[str, str]:
        """Status and finding of a file that was copied there before."""
        head = self._call("head_object", {"Bucket": self._store.bucket, "Key": QUARANTINE + self.key})
        return head["Metadata"]["status"], head["Metadata"]["found"]

    def delete(self) -> None:
        """All versions of the key: a delete marker alone would leave the file within reach."""
        for version in self._versions():
            self._store.s3.delete_object(Bucket=self._store.bucket, Key=self.key, VersionId=version)

    def _versions(self) -> Iterator[str]:
        pages = self._store.s3.get_paginator("list_object_versions").paginate(
            Bucket=self._store.bucket, Prefix=self.key
        )
        for page in pages:
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                if entry["Key"] == self.key:
                    yield entry["VersionId"]
