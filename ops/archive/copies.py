"""What lies in the object bucket of an archived month: its rows as compressed CSV, and a manifest.

A manifest is written last, so a month without one is no archive.
"""

import csv
import gzip
import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any

from botocore.exceptions import ClientError
from visual_prompt_builder.signing import Store

from declared.objectlayout import ARCHIVES
from ops.errors import CommandError

NAME = re.compile(r"(analytics|audit)\.[a-z_]+_[0-9]{4}_[0-9]{2}")
PIECE = 1 << 20
GONE = ("NoSuchKey", "404")


@dataclass(frozen=True)
class Manifest:
    """What an archive holds."""

    name: str
    """The month's table, with its schema."""
    made_at: str
    columns: list[list[str]]
    """Name and type of each column, in order."""
    rows: int
    digest: str
    """Over what each row says, in whatever order they are; PostgreSQL makes it."""
    bytes: int
    sha256: str
    """Of the compressed rows."""


@dataclass(frozen=True)
class Copies:
    """The archives of a store."""

    store: Store

    def names(self) -> list[str]:
        """The months that there is a manifest of."""
        pages = self.store.s3.get_paginator("list_objects_v2").paginate(Bucket=self.store.bucket, Prefix=f"{ARCHIVES}/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return [key.split("/")[1] for key in keys if key.endswith("/manifest.json")]

    def manifest(self, name: str) -> Manifest | None:
        """
        :raises CommandError: for a manifest that isn't one of this month
        """
        try:
            answer = self.store.s3.get_object(Bucket=self.store.bucket, Key=_manifest_key(name))
        except ClientError as error:
            if error.response["Error"]["Code"] not in GONE:
                raise
            return None
        try:
            found = Manifest(**json.loads(answer["Body"].read()))
            if found.name == name and all(len(column) == 2 for column in found.columns):
                return found
        except (ValueError, TypeError):
            pass
        raise CommandError(f"archive {name}: {_manifest_key(name)} is no manifest of it; restore an earlier version")

    def put_rows(self, name: str, rows: IO[bytes]) -> None:
        self.store.s3.upload_fileobj(rows, self.store.bucket, _rows_key(name))

    def put_manifest(self, manifest: Manifest) -> None:
        text = json.dumps(asdict(manifest), indent=2).encode()
        self.store.s3.put_object(Bucket=self.store.bucket, Key=_manifest_key(manifest.name), Body=text)

    @contextmanager
    def rows(self, manifest: Manifest) -> Iterator[gzip.GzipFile]:
        """The rows as CSV, read from the bucket and found to be those of the manifest.

        :raises CommandError: where they are missing or others
        """
        with tempfile.TemporaryFile() as found:
            self._download(manifest, found)
            with gzip.open(found) as text:
                yield text

    def check(self, manifest: Manifest) -> None:
        """Read the archive from end to end.

        :raises CommandError: where its bytes or the number of its rows are others than the manifest's
        """
        with self.rows(manifest) as rows:
            found = records(rows)
        if found != manifest.rows:
            raise _damaged(manifest, f"has {found} rows, its manifest says {manifest.rows}")

    def _download(self, manifest: Manifest, found: IO[bytes]) -> None:
        try:
            answer: Any = self.store.s3.get_object(Bucket=self.store.bucket, Key=_rows_key(manifest.name))
        except ClientError as error:
            if error.response["Error"]["Code"] not in GONE:
                raise
            raise _damaged(manifest, "is missing") from None
        digest = hashlib.sha256()
        for block in answer["Body"].iter_chunks(PIECE):
            digest.update(block)
            found.write(block)
        if (found.tell(), digest.hexdigest()) != (manifest.bytes, manifest.sha256):
            raise _damaged(manifest, "isn't what was written")
        found.seek(0)


def records(rows: gzip.GzipFile) -> int:
    """How many rows a CSV text has beside its header."""
    csv.field_size_limit(2**31 - 1)
    with io.TextIOWrapper(rows, encoding="utf-8", newline="") as text:
        return sum(1 for _ in csv.reader(text)) - 1


def _rows_key(name: str) -> str:
    return f"{ARCHIVES}/{name}/rows.csv.gz"


def _manifest_key(name: str) -> str:
    return f"{ARCHIVES}/{name}/manifest.json"


def _damaged(manifest: Manifest, how: str) -> CommandError:
    return CommandError(
        f"archive {manifest.name}: {_rows_key(manifest.name)} {how}; restore an earlier version of the object"
    )
