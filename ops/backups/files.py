"""Which version of which stored file rows name, as of the instant of a backup.

Rows and the object store's list are both in the order of keys, so that neither has to fit into memory.
"""

import json
from collections.abc import Iterator
from typing import Any

from visual_prompt_builder.names import ObjectError, key
from visual_prompt_builder.signing import Store

from ops.backups.errors import BackupError
from ops.database import Connection
from ops.storage.cleaning.files import Files, Version

ROWS = """
select o.bucket_id, o.name, o.version, o.metadata ->> 'size' from storage.objects as o
where o.version is not null
order by (o.bucket_id || '/' || o.name || '/' || o.version) collate "C\""""
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
        versions = _newest(self._store)
        stored = next(versions, None)
        with self._session.cursor(name="files") as cursor:
            cursor.execute(ROWS)
            for bucket, name, version, size in cursor:
                wanted = self._key(bucket, name, version)
                while stored and stored.key.encode() < wanted.encode():
                    stored = next(versions, None)
                found = stored if stored and stored.key == wanted else None
                entry: dict[str, Any] = {"bucket": bucket, "name": name, "version": version, "key": wanted}
                entry |= {"size": int(size) if size and size.isdecimal() else None}
                entry |= {"object_version": found.id, "bytes": found.bytes} if found else {"object_version": None}
                yield json.dumps(entry, separators=(",", ":")).encode() + b"\n"

    def _key(self, bucket: str, name: str, version: str) -> str:
        try:
            return key(self._store.tenant, bucket, name, version)
        except ObjectError:
            return f"{self._store.tenant}/{bucket}/{name}/{version}"


def _newest(store: Store) -> Iterator[Version]:
    """Of each key the newest version that isn't a delete marker: it may have been deleted since the snapshot."""
    for versions in Files(store).keys(store.tenant + "/"):
        if found := next((each for each in versions if not each.marker), None):
            yield found


def differences(lines: Iterator[bytes], store: Store) -> tuple[int, list[str]]:
    """How many files there are, and which of them aren't in the object store as the backup names them.

    :raises BackupError: where a line is none
    """
    count, wrong = 0, list[str]()
    for line in lines:
        entry = json.loads(line)
        count += 1
        label = f"{entry['bucket']}/{entry['name']}, version {entry['version']}"
        if entry["object_version"] is None:
            wrong.append(f"{label}: was not in the object store when the backup was made")
            continue
        if said := _differs(entry, store):
            wrong.append(f"{label}: {said}")
    return count, wrong


def _differs(entry: dict[str, Any], store: Store) -> str:
    from botocore.exceptions import ClientError

    given = {"Bucket": store.bucket, "Key": entry["key"], "VersionId": entry["object_version"]}
    if entry["object_version"] == "null":
        del given["VersionId"]
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
