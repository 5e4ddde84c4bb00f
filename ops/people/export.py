"""All that concerns a person, in a ZIP: a JSON file for each table, the files, and a manifest.

Which tables and rows these are is said in the database, where a departure goes by the same list. Rows and files are
passed on piece by piece: neither a table nor a file has to fit into memory.
"""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any
from uuid import UUID, uuid4

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from visual_prompt_builder.names import ObjectError, key
from visual_prompt_builder.signing import Store

from ops.database import Connection, connect
from ops.environment import Environment
from ops.errors import CommandError, answered

BUCKET = "exports"
APPLICATION = "vpb export"
PIECE = 1 << 20
ACCOUNT = "select exists (select from ops.export_rows(%s, 'next_auth.users'))"
TABLES = "select t.name from ops.exported_tables() as t (name)"
ROWS = "select r.found::text from ops.export_rows(%s, %s) as r (found)"
FILES = "select bucket_id, name, version, harmful from ops.export_files(%s)"
# Nothing comes back to who has left meanwhile.
STORE = """insert into storage.objects (bucket_id, name, owner_id, version, metadata)
select %s, %s, u.id::text, %s, %s from next_auth.users as u where u.id = %s for key share"""


@dataclass
class Manifest:
    """What is in an export, and what isn't."""

    person: str
    made_at: str
    tables: dict[str, int] = field(default_factory=dict)
    """How many rows of each table."""
    files: list[dict[str, Any]] = field(default_factory=list)
    """Bucket, name and bytes of each file."""
    left_out: list[dict[str, str]] = field(default_factory=list)
    """Bucket, name and reason of each file that isn't here."""


def to_file(environment: Environment, person: UUID, path: Path) -> Manifest:
    """Write the export to a file that isn't there yet, for its owner's eyes only.

    :raises CommandError: where there is no such account, or the file can't be made
    """
    try:
        path.touch(mode=0o600, exist_ok=False)
    except OSError as error:
        raise CommandError(f"export {path} can't be made: {error.strerror}") from None
    try:
        with path.open("wb") as target:
            return _write(environment, person, target)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def to_bucket(environment: Environment, person: UUID) -> tuple[Manifest, str]:
    """Write the export into the person's own folder of the bucket of exports; its name there too.

    :raises CommandError: where there is no such account, or the bucket takes no file as large
    """
    limit = environment.bucket(BUCKET).file_size_limit
    name, version = f"{person}/export-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip", str(uuid4())
    with tempfile.TemporaryFile() as target:
        manifest = _write(environment, person, target)
        size = target.tell()
        if limit is not None and size > limit:
            raise CommandError(
                f"the export has {size} bytes, bucket {BUCKET} takes {limit}; "
                "write it to a file with --to, or raise its fileSizeLimit in database:buckets"
            )
        target.seek(0)
        store = environment.store
        object_key = key(store.tenant, BUCKET, name, version)
        with _as_failure("the export can't be stored"):
            store.s3.upload_fileobj(target, store.bucket, object_key, ExtraArgs={"ContentType": "application/zip"})
    metadata = json.dumps({"size": size, "mimetype": "application/zip", "contentLength": size})
    # As the app's servers do; until its row is there, the file has no owner and goes with the orphans.
    session = connect(environment.output("api_url"), APPLICATION, autocommit=False)
    with session as connection, _as_failure("the export's row can't be written"):
        connection.execute("set local role service_role")
        if not connection.execute(STORE, (BUCKET, name, version, metadata, person)).rowcount:
            store.s3.delete_object(Bucket=store.bucket, Key=object_key)
            raise CommandError(f"person {person}: the account was deleted while the export was made")
    return manifest, name


def _write(environment: Environment, person: UUID, target: IO[bytes]) -> Manifest:
    manifest = Manifest(str(person), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    with (
        connect(environment.admin_url, APPLICATION, autocommit=False) as connection,
        _as_failure("the export can't be made"),
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive,
    ):
        # All tables as of one moment.
        connection.execute("set transaction isolation level repeatable read")
        if connection.execute(ACCOUNT, (person,)).fetchone() != (True,):
            raise CommandError(f"person {person}: there is no such account, or it has been deleted")
        for (table,) in connection.execute(TABLES).fetchall():
            with archive.open(f"tables/{table}.json", "w", force_zip64=True) as out:
                manifest.tables[table] = _rows(connection, person, table, out)
        _files(connection, environment.store, person, archive, manifest)
        archive.writestr("manifest.json", json.dumps(asdict(manifest), indent=2))
    return manifest


def _rows(connection: Connection, person: UUID, table: str, out: IO[bytes]) -> int:
    count = 0
    with connection.cursor(name="export") as cursor:
        cursor.execute(ROWS, (person, table))
        for (found,) in cursor:
            out.write((",\n" if count else "[\n").encode() + found.encode())
            count += 1
    out.write(b"\n]\n" if count else b"[]\n")
    return count


def _files(connection: Connection, store: Store, person: UUID, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    with connection.cursor(name="export") as cursor:
        cursor.execute(FILES, (person,))
        for bucket, name, version, harmful in cursor:
            reason = "found harmful" if harmful else _file(store, archive, manifest, bucket, name, version)
            if reason:
                manifest.left_out.append({"bucket": bucket, "name": name, "reason": reason})


def _file(
    store: Store, archive: zipfile.ZipFile, manifest: Manifest, bucket: str, name: str, version: str
) -> str | None:
    """Copy one file; the reason where it can't be."""
    try:
        found = store.s3.get_object(Bucket=store.bucket, Key=key(store.tenant, bucket, name, version))
    except ObjectError as error:
        return str(error)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
        return "not in the object store"
    entry = zipfile.ZipInfo(f"files/{bucket}/{name}", datetime.now(UTC).timetuple()[:6])
    entry.external_attr = 0o600 << 16
    # Sounds and pictures are compressed already.
    with archive.open(entry, "w", force_zip64=True) as out:
        shutil.copyfileobj(found["Body"], out, PIECE)
    manifest.files.append({"bucket": bucket, "name": name, "bytes": found["ContentLength"]})
    return None


@contextmanager
def _as_failure(what: str) -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, BotoCoreError, ClientError) as error:
        raise CommandError(f"{what}: {answered(error)}") from None
