"""The object bucket as the cleaner sees it: every version of every key, listed by page and deleted by the thousand."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby, islice
from typing import Any, TypeVar

from visual_prompt_builder.signing import Store

from declared.errors import UserError

PAGE = 1000
T = TypeVar("T")


@dataclass(frozen=True)
class Version:
    """One version of a key, or one delete marker, which has no bytes."""

    key: str
    id: str
    bytes: int
    latest: bool
    marker: bool
    changed: datetime
    """When it was stored; of what came in parts, when that was begun."""
    parts: bool = False
    """Whether it came in parts."""
    until: datetime | None = None
    """When another one took its place; None of the newest."""
    below: "Version | None" = field(default=None, compare=False, repr=False)
    """The one of the same key that it took the place of."""


@dataclass(frozen=True)
class Files:
    """What lies under the tenant of a store, and in its quarantine."""

    store: Store

    def keys(self, prefix: str) -> Iterator[list[Version]]:
        """The versions of each key that begins so, in the order of keys; the newest first."""
        for _, versions in groupby(self._versions(prefix), key=lambda found: found.key):
            found = list[Version]()
            for version in reversed(list(versions)):
                below = found[-1] if found else None
                if below:
                    found[-1] = below = replace(below, until=version.changed)
                found.append(replace(version, below=below))
            yield found[::-1]

    def _versions(self, prefix: str) -> Iterator[Version]:
        pages = self.store.s3.get_paginator("list_object_versions").paginate(Bucket=self.store.bucket, Prefix=prefix)
        for page in pages:
            # Two lists in a page, each in order; a key never ends in one page with the other list in the next.
            found = [
                *(_version(entry, marker=False) for entry in page.get("Versions", ())),
                *(_version(entry, marker=True) for entry in page.get("DeleteMarkers", ())),
            ]
            yield from sorted(found, key=lambda found: (found.key, not found.latest, -found.changed.timestamp()))

    def unfinished(self, prefix: str) -> Iterator[tuple[str, str, datetime]]:
        """Key, number and beginning of each upload in parts that has not ended."""
        pages = self.store.s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.store.bucket, Prefix=prefix)
        for page in pages:
            for entry in page.get("Uploads", ()):
                yield entry["Key"], entry["UploadId"], entry["Initiated"]

    def sent(self, key: str, upload: str) -> int:
        """How many bytes have arrived of an upload in parts."""
        pages = self.store.s3.get_paginator("list_parts").paginate(Bucket=self.store.bucket, Key=key, UploadId=upload)
        with contextlib.suppress(self.store.s3.exceptions.NoSuchUpload):
            return sum(part["Size"] for page in pages for part in page.get("Parts", ()))
        return 0

    def abort(self, key: str, upload: str) -> None:
        with contextlib.suppress(self.store.s3.exceptions.NoSuchUpload):
            self.store.s3.abort_multipart_upload(Bucket=self.store.bucket, Key=key, UploadId=upload)

    def delete(
        self,
        versions: Iterable[Version],
        ask: Callable[[], Callable[[Version], bool]] = lambda: lambda version: False,
    ) -> None:
        """Delete exactly these, for good; what another cleaner has deleted already is none the worse for it.

        Args:
            ask: asked before each batch for what says of a version whether it is held: a delete marker hides that.
        """
        for batch in batched(versions):
            is_held, named = ask(), list[dict[str, str]]()
            for version in batch:
                if not is_held(version):
                    named.append({"Key": version.key, "VersionId": version.id})
                elif version.latest and not version.marker:
                    self.store.s3.delete_object(Bucket=self.store.bucket, Key=version.key)
            if not named:
                continue
            answer = self.store.s3.delete_objects(Bucket=self.store.bucket, Delete={"Objects": named, "Quiet": True})
            for error in answer.get("Errors", ()):
                raise FilesError(f"{error.get('Key')}: can't be deleted: {error.get('Code')}: {error.get('Message')}")


def batched(many: Iterable[T], size: int = PAGE) -> Iterator[list[T]]:
    """Parts of a list that may be long, each no longer than this."""
    rest = iter(many)
    while batch := list(islice(rest, size)):
        yield batch


class FilesError(UserError):
    """The object store refused; the text is one line."""


def _version(entry: dict[str, Any], marker: bool) -> Version:
    return Version(
        entry["Key"],
        entry["VersionId"],
        entry.get("Size", 0),
        entry["IsLatest"],
        marker,
        entry["LastModified"],
        "-" in entry.get("ETag", ""),
    )
