"""Where backups lie: a folder, or a bucket at S3. An object is there as a whole, or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Protocol

from botocore.exceptions import ClientError

from declared.backups import WAL
from declared.errors import file_refused
from ops.backups.errors import BackupError, BadBackup

PARTIAL = ".partial"
# Amazon S3 takes 10,000 parts of at least 5 MiB: so one object may have 160 GB.
PIECE = 16 << 20
MISSING = {"NoSuchKey", "404", "NotFound"}


class Writer(Protocol):
    """Where the bytes of one object go."""

    def write(self, data: bytes, /) -> Any: ...


class Place(Protocol):
    """Somewhere that backups are written to and read from; a name is `<backup>/<part>`."""

    @property
    def label(self) -> str: ...

    @contextmanager
    def create(self, name: str) -> Iterator[Writer]:
        """A new object, there once the block has ended without an error."""
        ...

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """
        :raises BadBackup: where there is no such object
        """
        ...

    def backups(self) -> dict[str, datetime]:
        """What there is, also of backups that weren't finished: id to when something of it was last written."""
        ...

    def has(self, name: str) -> bool: ...

    def remove(self, backup: str) -> None:
        """All of one backup."""
        ...

    def days_kept(self, backup: str) -> int | None:
        """How many days a backup that is begun now is kept there; None where nothing ends it."""
        ...

    def names(self, folder: str) -> Iterator[str]:
        """What lies in a folder such as `wal/<system>`, or below it, without the folder's name."""
        ...

    def discard(self, name: str) -> None:
        """One object, where the place lets its writer remove one."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder that its owner alone may look into."""

    path: Path

    @property
    def label(self) -> str:
        return str(self.path)

    @contextmanager
    def create(self, name: str) -> Iterator[Writer]:
        path = self.path / name
        try:
            self._folders(path.parent)
        except (FileExistsError, FileNotFoundError) as error:
            raise BackupError(f"{self.path}: can't be made, as a folder: {error.strerror}") from None
        partial = path.with_name(path.name + PARTIAL)
        try:
            out = _Partial(partial)
            with out.file:
                yield out
                out.finish(path)
        except BaseException:
            # What stands in its way may be what stood in the way of the rest, and that is reported.
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with (self.path / name).open("rb") as found:
                yield found
        except FileNotFoundError:
            raise BadBackup(f"{name.rpartition('/')[2]}: isn't there") from None

    def backups(self) -> dict[str, datetime]:
        found = {}
        for folder in self.path.iterdir() if self.path.is_dir() else ():
            if folder.is_dir() and not folder.is_symlink():
                newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
                found[folder.name] = datetime.fromtimestamp(newest, UTC)
        return found

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def remove(self, backup: str) -> None:
        shutil.rmtree(self.path / backup)

    def days_kept(self, backup: str) -> int | None:
        return None

    def names(self, folder: str) -> Iterator[str]:
        path = self.path / folder
        return (str(each.relative_to(path)) for each in path.rglob("*") if each.is_file())

    def discard(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def _folders(self, folder: Path) -> None:
        """Make a folder and those above it; what is made of them is its owner's alone."""
        if not folder.is_dir():
            self._folders(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            _sync(folder.parent)


@dataclass(frozen=True)
class Bucket:
    """A prefix in a bucket."""

    s3: Any
    bucket: str
    prefix: str = ""

    @property
    def label(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    @contextmanager
    def create(self, name: str) -> Iterator[Writer]:
        upload = _Upload(self.s3, {"Bucket": self.bucket, "Key": self.prefix + name})
        try:
            yield upload
            upload.finish()
        except BaseException:
            upload.abort()
            raise

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        try:
            found = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in MISSING:
                raise
            raise BadBackup(f"{name.rpartition('/')[2]}: isn't there") from None
        with found["Body"] as body:
            yield body

    def backups(self) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        for entry in self.entries(self.prefix):
            id, slash, _ = entry["Key"].removeprefix(self.prefix).partition("/")
            # Keys come in their order, and the id of a backup begins with a digit: the archive's are many.
            if id == WAL:
                break
            if slash:
                found[id] = max(entry["LastModified"], found.get(id, entry["LastModified"]))
        return found

    def has(self, name: str) -> bool:
        try:
            self.s3.head_object(Bucket=self.bucket, Key=self.prefix + name)
        except ClientError as error:
            if error.response["Error"]["Code"] not in MISSING:
                raise
            return False
        return True

    def remove(self, backup: str) -> None:
        for entry in list(self.entries(f"{self.prefix}{backup}/")):
            self.s3.delete_object(Bucket=self.bucket, Key=entry["Key"])

    def days_kept(self, backup: str) -> int | None:
        return None

    def names(self, folder: str) -> Iterator[str]:
        start = f"{self.prefix}{folder}/"
        return (entry["Key"].removeprefix(start) for entry in self.entries(start))

    def discard(self, name: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=self.prefix + name)

    def entries(self, prefix: str) -> Iterator[dict[str, Any]]:
        """What S3 lists of the objects whose keys begin so."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
            yield from page.get("Contents", ())


class _Partial:
    """A file that is written, and has its name once it is whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _named(path):
            self.file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=0)

    def write(self, data: bytes) -> int:
        """All of it."""
        rest = memoryview(data)
        with _named(self._path):
            while rest:
                rest = rest[self.file.write(rest) or 0 :]
        return len(data)

    def finish(self, path: Path) -> None:
        with _named(self._path):
            os.fsync(self.file.fileno())
            self._path.replace(path)
            _sync(path.parent)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What a file system says no with, of the file.

    :raises BackupError: where it isn't worth another try
    """
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        if file_refused(error):
            raise
        raise BackupError(f"{path}: {error.strerror or error}") from None


class _Upload:
    """An upload in parts, begun with the second part: what is small is sent at once."""

    def __init__(self, s3: Any, where: dict[str, str]) -> None:
        self._s3, self._where = s3, where
        self._waiting = bytearray()
        self._id = ""
        self._sent: list[dict[str, Any]] = []

    def write(self, data: bytes) -> int:
        self._waiting += data
        if len(self._waiting) >= PIECE:
            self._send()
        return len(data)

    def _send(self) -> None:
        self._id = self._id or self._s3.create_multipart_upload(**self._where)["UploadId"]
        number = len(self._sent) + 1
        part = {"UploadId": self._id, "PartNumber": number, "Body": bytes(self._waiting)}
        self._sent.append({"PartNumber": number, "ETag": self._s3.upload_part(**self._where, **part)["ETag"]})
        self._waiting.clear()

    def finish(self) -> None:
        if not self._id:
            self._s3.put_object(**self._where, Body=bytes(self._waiting))
            return
        if self._waiting:
            self._send()
        self._s3.complete_multipart_upload(**self._where, UploadId=self._id, MultipartUpload={"Parts": self._sent})

    def abort(self) -> None:
        # What stands in its way stood in the way of the upload, and that is reported.
        with suppress(Exception):
            if self._id:
                self._s3.abort_multipart_upload(**self._where, UploadId=self._id)


def _sync(folder: Path) -> None:
    """A new name is on the disk only with its folder."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def named(text: str, s3: Any) -> Place:
    """The place that `--to` or `--from` names.

    Args:
        s3: makes the client, where it is a bucket.

    :raises BackupError: where it names none
    """
    if not text.startswith("s3://"):
        if "://" in text:
            raise BackupError(f"{text}: must be s3://bucket/prefix or a folder")
        path = Path(text).absolute()
        if os.path.lexists(path) and not path.is_dir():
            raise BackupError(f"{text}: is no folder; backups lie in one, or in s3://bucket/prefix")
        return Folder(path)
    bucket, _, prefix = text.removeprefix("s3://").partition("/")
    if not bucket:
        raise BackupError(f"{text}: names no bucket; s3://bucket/prefix does")
    return Bucket(s3(), bucket, prefix.rstrip("/") + "/" if prefix.strip("/") else "")
