"""Files that come back: what the scanner took away wrongly, and what somebody deleted.

Both are done by a person for a reason, which the audit log keeps; see docs/storage-cleanup.md. They go by the
privileges of the caller: no role of ours may write a file and read old versions.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from psycopg.rows import dict_row
from visual_prompt_builder.names import check_name, key
from visual_prompt_builder.signing import Store
from visual_prompt_builder.uploads import Stored

from declared.buckets import INBOX, PEOPLE
from declared.objectlayout import CLEAN_TAGS, DAYS_OF_OLD_VERSIONS, GUARDDUTY
from ops.database import Connection, connect
from ops.environment import Environment
from ops.errors import CommandError, answered
from ops.storage.cleaning.files import Files, Version
from ops.storage.scanning.file import GONE, QUARANTINE

ROW = """
select o.version, o.metadata, s.status
from storage.objects as o left join private.object_scans as s using (bucket_id, name, version)
where o.bucket_id = %s and o.name = %s"""
RELEASE = "select ops.release_file(%s, %s, %s, %s, %s, %s)"
NOTE = "select ops.note_restored(%s, %s, %s, %s, %s, %s)"
ACCESS = "select private.bucket_access(%s)"
# Nothing comes back to who has left. What is in a project, or the servers', nobody is named for: who stored it may be
# gone from there.
STORE = """
insert into storage.objects (bucket_id, name, owner_id, version, metadata)
select %(bucket)s, %(name)s, u.id::text, %(version)s, %(metadata)s
from (select split_part(%(name)s, '/', 1) as folder) as f
left join public.users as u on %(personal)s and u.id::text = f.folder
where not %(personal)s or u.id is not null"""

Row = dict[str, Any]


@dataclass(frozen=True)
class Why:
    """Who does it, and what for."""

    reason: str
    person: str


@dataclass(frozen=True)
class Deleted:
    """A file that can be had back."""

    version: str
    """What the row called it."""
    key: str
    id: str
    """Its version in S3."""
    bytes: int
    stored: datetime
    deleted: datetime
    until: datetime
    """When the store removes it for good."""


def release(
    environment: Environment, bucket: str, name: str, version: str | None, why: Why, even_infected: bool
) -> dict[str, Any]:
    """Put a file back that the scanner moved or gave up, as clean; it can be repeated.

    :raises CommandError: where there is no such verdict, or it can't be done
    """
    if environment.output("scanning") == GUARDDUTY:
        raise CommandError(
            f"object {bucket}/{name}: GuardDuty's tag alone says here what is clean, and no person sets it; "
            "upload the file again as what it is"
        )
    label = f"object {bucket}/{name}"
    with _refusals(label), _connected(environment.admin_url) as connection:
        row = _row(connection, bucket, name)
        if row is None or version not in (None, row["version"]):
            raise CommandError(f"{label}: was deleted or replaced by now, nothing to release")
        store, given = environment.store, row["version"]
        found = key(store.tenant, bucket, name, given)
        connection.execute(RELEASE, (bucket, name, given, why.reason, why.person, even_infected))
        _put_back(store, found, row["metadata"] or {})
    # Tagged when the row says so, and not before: the CDN goes by the tag alone.
    with _refusals(label):
        tag, value = CLEAN_TAGS["clamav"]
        tags = {"TagSet": [{"Key": tag, "Value": value}]}
        store.s3.put_object_tagging(Bucket=store.bucket, Key=found, Tagging=tags)
        _forget(store, QUARANTINE + found)
    return {"bucket": bucket, "name": name, "version": given, "was": row["status"]}


def _put_back(store: Store, found: str, metadata: Row) -> None:
    """Out of quarantine, with what its row says of it; what was given up never left."""
    about = {"ContentType": metadata.get("mimetype"), "CacheControl": metadata.get("cacheControl")}
    try:
        store.s3.copy_object(
            Bucket=store.bucket,
            Key=found,
            CopySource={"Bucket": store.bucket, "Key": QUARANTINE + found},
            MetadataDirective="REPLACE",
            TaggingDirective="REPLACE",
            **{name: value for name, value in about.items() if value},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in GONE:
            raise
        store.s3.head_object(Bucket=store.bucket, Key=found)


def _forget(store: Store, found: str) -> None:
    files = Files(store)
    for versions in files.keys(found):
        files.delete(each for each in versions if each.key == found)


def deleted(environment: Environment, bucket: str, name: str) -> list[Deleted]:
    """What can be had back under this name, the last one deleted first.

    :raises CommandError: where it can't be asked
    """
    check_name(name)
    with _refusals(f"object {bucket}/{name}"):
        with _connected(environment.admin_url) as connection:
            row = _row(connection, bucket, name)
        prefix = f"{environment.store.tenant}/{bucket}/{name}/"
        # A bucket that forgets has its own rule: what has expired goes a day later.
        kept = timedelta(days=1 if bucket in environment.retention else DAYS_OF_OLD_VERSIONS)
        found = [
            _deleted(versions, prefix, kept)
            for versions in Files(environment.store).keys(prefix)
            if "/" not in versions[0].key.removeprefix(prefix)
        ]
    present = row["version"] if row else None
    return sorted(
        (each for each in found if each and each.version != present), key=lambda each: each.deleted, reverse=True
    )


def _deleted(versions: list[Version], prefix: str, kept: timedelta) -> Deleted | None:
    marker, file = versions[0], next((each for each in versions if not each.marker), None)
    # What has no marker was never deleted: an upload that nobody has finished, or an orphan of another kind.
    if file is None or not marker.marker:
        return None
    return Deleted(
        file.key.removeprefix(prefix),
        file.key,
        file.id,
        file.bytes,
        file.changed,
        marker.changed,
        marker.changed + kept,
    )


@dataclass(frozen=True)
class Returning:
    """A version at S3 that becomes a new version of the file of a name, with a row of its own."""

    bucket: str
    name: str
    former: str
    """What its row called it."""
    key: str
    id: str
    """Its version in S3."""
    version: str
    """What the new row calls it."""
    bytes: int
    metadata: dict[str, Any]
    personal: bool
    """Whether its folder is a person's."""


def returning(store: Store, access: str | None, bucket: str, name: str, found: tuple[str, str, str]) -> Returning:
    """What is there of a deleted file.

    Args:
        access: how the bucket is declared.
        found: what its row called it, its key and its version in S3.
    """
    former, former_key, id = found
    head = store.s3.head_object(Bucket=store.bucket, Key=former_key, **version_of(id))
    version = str(uuid4())
    stored = Stored(
        bucket=bucket,
        name=name,
        version=version,
        size=head["ContentLength"],
        content_type=head["ContentType"],
        etag=head["ETag"],
    )
    metadata = stored.metadata | ({"cacheControl": head["CacheControl"]} if "CacheControl" in head else {})
    personal = access in (PEOPLE, INBOX)
    return Returning(bucket, name, former, former_key, id, version, stored.size, metadata, personal)


def declared_access(session: Connection, bucket: str) -> str | None:
    """How a bucket is declared; None where it isn't."""
    found = session.execute(ACCESS, (bucket,)).fetchone()
    return found[0] if found else None


def write_row(session: Connection, file: Returning, why: Why) -> None:
    """The row of a file that comes back, by a session that is the app's servers, and an entry of the audit log.

    :raises CommandError: where its person is gone, or the log can't be written
    """
    given: Row = {"bucket": file.bucket, "name": file.name, "version": file.version, "personal": file.personal}
    label = f"object {file.bucket}/{file.name}"
    if not session.execute(STORE, given | {"metadata": json.dumps(file.metadata)}).rowcount:
        raise CommandError(f"{label}: its person is gone")
    noted = session.execute(NOTE, (file.bucket, file.name, file.version, file.former, why.reason, why.person))
    if noted.fetchone() != (True,):
        raise CommandError(f"{label}: the audit log can't be written; nothing was restored")


def copy(store: Store, file: Returning) -> None:
    """Its bytes, under the key of the new version."""
    store.s3.copy_object(
        Bucket=store.bucket,
        Key=key(store.tenant, file.bucket, file.name, file.version),
        CopySource={"Bucket": store.bucket, "Key": file.key, **version_of(file.id)},
        TaggingDirective="REPLACE",
    )


def version_of(id: str) -> dict[str, str]:
    """A version in S3 as a request names it; objects of a bucket that isn't versioned have none."""
    return {} if id == "null" else {"VersionId": id}


def restore(environment: Environment, bucket: str, name: str, version: str | None, why: Why) -> dict[str, Any]:
    """Have a deleted file back under its name, as a new version that is scanned again.

    :raises CommandError: where there is none, something is there, or it can't be done
    """
    label = f"object {bucket}/{name}"
    if not why.reason.strip() or not why.person.strip():
        raise CommandError(f"{label}: is restored for a reason, by somebody")
    choice = [each for each in deleted(environment, bucket, name) if version in (None, each.version)]
    if not choice:
        which = f" as version {version}" if version else ""
        raise CommandError(f"{label}: nothing deleted can be had back{which}; a backup of the bucket may have it")
    former, store = choice[0], environment.store
    with _refusals(label):
        with _connected(environment.admin_url) as admin:
            if _row(admin, bucket, name):
                raise CommandError(f"{label}: there is a file of this name; delete or move it first")
            access = declared_access(admin, bucket)
        file = returning(store, access, bucket, name, (former.version, former.key, former.id))
        # As the app's servers write it; the row first, since it may be refused. Without it the file is an orphan.
        with _connected(str(environment.output("api_url"))) as api:
            api.execute("set local role service_role")
            write_row(api, file, why)
            copy(store, file)
    done = {"bucket": bucket, "name": name, "version": file.version}
    return done | {"restored_version": file.former, "bytes": file.bytes}


def _row(connection: Connection, bucket: str, name: str) -> Row | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(ROW, (bucket, name)).fetchone()


def _connected(url: str) -> Connection:
    """A transaction of the login."""
    return connect(url, "vpb storage", autocommit=False)


@contextmanager
def _refusals(label: str) -> Iterator[None]:
    """What the database or the store says no to, in one line."""
    try:
        yield
    except psycopg.Error as error:
        said = [error.diag.message_primary or type(error).__name__, error.diag.message_hint]
        line = ". ".join(each for each in said if each)
        raise CommandError(line if line.startswith(label) else f"{label}: {line}") from None
    except ClientError as error:
        if error.response["Error"]["Code"] in GONE:
            raise CommandError(f"{label}: there is no such file in the object store") from None
        raise CommandError(f"{label}: {answered(error)}") from None
    except BotoCoreError as error:
        raise CommandError(f"{label}: {answered(error)}") from None
