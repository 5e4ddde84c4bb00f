"""Which version of which stored file rows name, as of the instant of a backup.

Rows and the object store's list are both in the order of keys, so that neither has to fit into memory.
"""

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError
from visual_prompt_builder.names import ObjectError, key
from visual_prompt_builder.signing import Store

from ops.backups.errors import BackupError
from ops.database import Connection
from ops.storage.cleaning.files import Files, Version
from ops.storage.restoring import version_of
from ops.storage.scanning.file import QUARANTINE

ROWS = """
select o.bucket_id, o.name, o.version, o.metadata ->> 'size' from storage.objects as o
where o.version is not null
order by (o.bucket_id || '/' || o.name || '/' || o.version) collate "C"
"""
STORED = "select to_regclass('storage.objects') is not null"


class Listed:
    """The files of a backup, line by line as JSON; counts them."""

    def __init__(self, session: Connection, store: Store) -> None:
        self._session, self._store = session, store
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        waiting = list[bytes]()
        for line in self._lines():
            self.count += 1
            waiting.append(line)
            if len(waiting) >= 500:
                yield b"".join(waiting)
                waiting = []
        yield b"".join(waiting)

    def _lines(self) -> Iterator[bytes]:
        versions = _newest(self._store, self._store.tenant + "/")
        stored = next(versions, None)
        with self._session.cursor(name="files") as cursor:
            cursor.execute(ROWS)
            for bucket, name, version, size in cursor:
                wanted = self._key(bucket, name, version)
                while stored and stored.key.encode() < wanted.encode():
                    stored = next(versions, None)
                found = stored if stored and stored.key == wanted else self._quarantined(wanted)
                entry: dict[str, Any] = {"bucket": bucket, "name": name, "version": version}
                entry |= {"size": int(size) if size and size.isdecimal() else None}
                entry |= (
                    {"key": found.key, "object_version": found.id, "bytes": found.bytes}
                    if found
                    else {"object_version": None}
                )
                yield json.dumps(entry, separators=(",", ":")).encode() + b"\n"

    def _quarantined(self, wanted: str) -> Version | None:
        """What was found harmful lies elsewhere; it is little."""
        found = _newest(self._store, QUARANTINE + wanted)
        return next((each for each in found if each.key == QUARANTINE + wanted), None)

    def _key(self, bucket: str, name: str, version: str) -> str:
        try:
            return key(self._store.tenant, bucket, name, version)
        except ObjectError:
            return f"{self._store.tenant}/{bucket}/{name}/{version}"


def _newest(store: Store, prefix: str) -> Iterator[Version]:
    """Of each key below a prefix the newest version with bytes: it may have been deleted since the snapshot."""
    for versions in Files(store).keys(prefix):
        if found := next((each for each in versions if not each.marker), None):
            yield found


def differences(lines: Iterator[bytes], store: Store) -> tuple[int, int, list[str]]:
    """How many files there are, how many rows had none when the backup was made, and what isn't as it was.

    :raises BackupError: where the object store can't be asked
    """
    count, without, wrong = 0, 0, list[str]()
    for line in lines:
        entry = json.loads(line)
        if entry["object_version"] is None:
            without += 1
            continue
        count += 1
        if said := _differs(entry, store):
            wrong.append(f"{entry['bucket']}/{entry['name']}, version {entry['version']}: {said}")
    return count, without, wrong


def _differs(entry: dict[str, Any], store: Store) -> str:
    given = {"Bucket": store.bucket, "Key": entry["key"], **version_of(entry["object_version"])}
    try:
        head = store.s3.head_object(**given)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NoSuchVersion", "405", "400"):
            raise BackupError(f"object store: {error}") from None
        return "is in the object store no more"
    if head["ContentLength"] != entry["bytes"]:
        return f"has {head['ContentLength']} bytes and not {entry['bytes']}"
    return ""


def lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks, as lines."""
    rest = b""
    for block in blocks:
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
