"""Stored files that come back with the rows of a project or a person, in the versions that a backup names."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from visual_prompt_builder.names import key
from visual_prompt_builder.signing import Store

from declared.buckets import PEOPLE, PROJECTS
from ops.backups.errors import BackupError
from ops.database import Connection
from ops.errors import answered
from ops.storage import restoring
from ops.storage.restoring import Returning, Why
from ops.storage.scanning.file import GONE, QUARANTINE

THERE = "select from storage.objects as o where (o.bucket_id, o.name) = (%s, %s)"
# What is queued under a name that comes back would delete it again.
TAKEN = """
select count(*) from private.deletion_queue as q
where q.taken_at > now() - interval '10 minutes' and split_part(q.object_path, '/', 1) = any(%s)"""
# Held until the transaction ends, so that nobody deletes them meanwhile.
PRESENT = """
select count(*) from (
    select from storage.objects as o join unnest(%s::text[], %s::text[]) as f (bucket_id, name) using (bucket_id, name)
    for key share of o) as held"""
# What a person may store, has stored, and of folders that nobody pays for now would pay for when these are there again.
QUOTA = """
select private.quota_of(%(person)s), coalesce(sum(u.bytes) filter (where u.bucket_id = ''), 0)::bigint,
    coalesce(sum(u.kept_bytes) filter (where u.bucket_id = ''), 0)::bigint,
    coalesce(sum(u.bytes) filter (where u.bucket_id <> ''), 0)::bigint
from private.storage_usage as u
where (u.folder_id, u.bucket_id) = (%(person)s, '')
    or u.folder_id = any(%(folders)s::uuid[]) and u.bucket_id <> ''
        and private.payer(u.folder_id, u.bucket_id) is null"""
UNQUEUED = """
delete from private.deletion_queue as q using unnest(%s::text[], %s::text[]) as f (bucket_id, name)
where (q.bucket_id, q.object_path) = (f.bucket_id, f.name)"""


@dataclass
class StoredFiles:
    """What becomes of the files in some folders."""

    folders: list[str]
    returning: list[Returning] = field(default_factory=list)
    present: list[tuple[str, str]] = field(default_factory=list)
    """Bucket and name of those with a file now, which stays."""
    lost: list[str] = field(default_factory=list)
    """Names whose version the object store has no more."""
    harmful: int = 0
    """Files that a scan had found harmful; they stay away."""

    @property
    def there(self) -> int:
        """How many have a file now."""
        return len(self.present)

    @property
    def bytes(self) -> int:
        """Of what comes back."""
        return sum(file.bytes for file in self.returning)


def look(
    session: Connection, store: Store, lines: Iterator[bytes], projects: Sequence[str], people: Sequence[str]
) -> StoredFiles:
    """What there is to do for the folders of projects and of people.

    Args:
        lines: the files that the backup names.

    :raises BackupError: where the object store can't be asked
    """
    folders = {PROJECTS: {*projects}, PEOPLE: {*people}}
    found = StoredFiles([*projects, *people])
    for entry in _within(session, lines, folders):
        name = f"{entry['bucket']}/{entry['name']}"
        if session.execute(THERE, (entry["bucket"], entry["name"])).fetchone() is not None:
            found.present.append((entry["bucket"], entry["name"]))
        elif entry["object_version"] is None:
            found.lost.append(name)
        elif entry["key"].startswith(QUARANTINE):
            found.harmful += 1
        elif file := _version(store, entry):
            found.returning.append(file)
        else:
            found.lost.append(name)
    return found


def _within(session: Connection, lines: Iterator[bytes], folders: dict[str, set[str]]) -> Iterator[dict[str, Any]]:
    access = dict[str, str | None]()
    for line in lines:
        entry = json.loads(line)
        bucket = entry["bucket"]
        if bucket not in access:
            access[bucket] = restoring.declared_access(session, bucket)
        if entry["name"].partition("/")[0] in folders.get(access[bucket] or "", ()):
            yield entry | {"access": access[bucket]}


def _version(store: Store, entry: dict[str, Any]) -> Returning | None:
    found = entry["version"], entry["key"], entry["object_version"]
    try:
        return restoring.returning(store, entry["access"], entry["bucket"], entry["name"], found)
    except ClientError as error:
        if error.response["Error"]["Code"] in (*GONE, "405", "400"):
            return None
        raise BackupError(f"object store: {answered(error)}") from None
    except BotoCoreError as error:
        raise BackupError(f"object store: {answered(error)}") from None


def copy(store: Store, found: StoredFiles, progress: Callable[[str], None]) -> None:
    """Copy what comes back, under the keys of its new versions.

    :raises BackupError: where the object store refuses; what was copied is removed
    """
    number = 0
    try:
        for number, file in enumerate(found.returning, start=1):  # noqa: B007
            restoring.copy(store, file)
            progress(f"{file.bucket}/{file.name}")
    except BaseException as error:
        # The last one too: a caller that was interrupted doesn't know whether it is there.
        remove(store, found.returning[:number])
        if isinstance(error, ClientError | BotoCoreError):
            raise BackupError(f"object store: {answered(error)}; nothing was changed") from None
        raise


def remove(store: Store, files: Sequence[Returning]) -> None:
    """Copies that no row names. Where one can't be removed, the cleaner does it."""
    for file in files:
        try:
            store.s3.delete_object(Bucket=store.bucket, Key=key(store.tenant, file.bucket, file.name, file.version))
        except (ClientError, BotoCoreError):
            return


def write(session: Connection, found: StoredFiles, why: Why) -> None:
    """The rows of what comes back; and what comes back or is there isn't to be deleted any more.

    :raises BackupError: where the files of these folders are being deleted just now, or one that was there is there no
        more
    """
    if session.execute(TAKEN, (found.folders,)).fetchone() != (0,):
        raise BackupError("its files are being deleted just now; nothing was changed, run again in ten minutes")
    if session.execute(PRESENT, _columns(found.present)).fetchone() != (found.there,):
        raise BackupError("a file that was there is gone by now; nothing was changed, run again")
    coming = [(file.bucket, file.name) for file in found.returning]
    session.execute(UNQUEUED, _columns([*found.present, *coming]))
    session.execute("set local role service_role")
    for file in found.returning:
        restoring.write_row(session, file, why)
    session.execute("reset role")


def room(session: Connection, person: str, folders: Sequence[str], coming: int) -> str:
    """Why the files don't fit in, when the database has refused them.

    Args:
        person: who pays for them.
        coming: the bytes that are to be stored.
    """
    found = session.execute(QUOTA, {"person": person, "folders": [*folders]}).fetchone()
    assert found
    quota, used, kept, there = found
    needed = coming + there
    beside = f", {kept} more are kept of deleted files, which may be as much again" if used + needed <= quota else ""
    return (
        f"storage quota of person {person}: the files need {needed} bytes, and {used} of {quota} are used{beside}; "
        "raise it in private.storage_quotas or delete files, and run again; nothing was changed"
    )


def _columns(names: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [bucket for bucket, _ in names], [name for _, name in names]
