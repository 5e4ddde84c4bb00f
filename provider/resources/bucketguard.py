"""What a changed declaration of buckets would disclose or destroy, found before a run has changed anything."""

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from declared import permissions
from plugin.server import Context, Diff, Resource
from provider.connection import Connection, row, rows
from provider.errors import Refused
from provider.resources.base import Field, ObjectKind
from provider.resources.bucket import FILES, below_files, how_to_empty

THERE = "select pg_catalog.to_regclass('storage.objects') is not null as there"
STORED = "select id, public from storage.buckets"
# What the database goes by, also where the stack's state is lost.
SETTINGS = "select pg_catalog.has_table_privilege(pg_catalog.to_regclass('private.settings'), 'select') as there"
ACCESS = "select value from private.settings where name = 'bucketAccess'"
# By when a retention goes: the moment in which the file was stored.
OLDER = r"""
    select pg_catalog.count(*) as files, pg_catalog.min(created_at)::date as oldest,
           coalesce(pg_catalog.sum((metadata ->> 'size')::numeric)
               filter (where metadata ->> 'size' ~ '^[0-9]{1,18}$'), 0) as bytes
      from storage.objects
     where bucket_id = %s and created_at < pg_catalog.now() - pg_catalog.make_interval(days => %s)"""
DeclaredBuckets = Mapping[str, Mapping[str, Any]]


class BucketGuard(ObjectKind):
    """Refuses, already in the preview, a change of buckets that reaches the files in them.

    A bucket with files in it that isn't declared any more, is made public or given to others; a retention that files
    are older than; a limit that files are larger than. Everything that has to do with buckets, at the database and
    beside it, has to depend on it.
    """

    token = "pg:index:BucketGuard"
    fields = {
        "buckets": Field(
            dict,
            "bucket to what is declared of it: `access`, `public`, `fileSizeLimit`, `retentionDays`",
            True,
            items=dict,
        ),
        "allow": Field(
            list,
            "what may be done all the same, such as `audio public`, `audio access people`, `audio retentionDays 7`",
            compared=False,
        ),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return "buckets"

    def id(self, inputs: Mapping[str, Any]) -> str:
        return "buckets"

    async def diff(self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any]) -> Diff:
        diff = await super().diff(context, id, state, new)
        if self.is_declared(context, new):
            await self._check(state["buckets"], new)
        return diff

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        await self._check(None, inputs)
        return self.id(inputs), dict(inputs)

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        await self._check(state["buckets"], new)
        return dict(new)

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        if not state:
            raise Refused("the guard of buckets can't be imported; it exists in the state only")
        return Resource(id, state, inputs)

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        """Nothing: it is a look at what others make."""

    async def _check(self, before: DeclaredBuckets | None, new: Mapping[str, Any]) -> None:
        """
        :raises Refused: for what would reach files and isn't allowed
        """
        if self.connections is None:
            return
        async with self.database.transaction(self.label(new)) as connection:
            there = await row(connection, THERE, [])
            if not there or not there["there"]:
                return
            access = await _access(connection)
            stored = {
                entry["id"]: {**entry, "access": access.get(entry["id"])}
                for entry in await rows(connection, STORED, [])
            }
            found = [
                reason
                for bucket in sorted(stored)
                async for reason in _reasons(connection, bucket, stored[bucket], before, new)
            ]
        if found:
            raise Refused("; ".join(found))


async def _access(connection: Connection) -> Mapping[str, str]:
    """Whose the folders of each bucket are, as the database has it; empty where it has none yet."""
    there = await row(connection, SETTINGS, [])
    found = await row(connection, ACCESS, []) if there and there["there"] else None
    return found["value"] if found else {}


async def _reasons(
    connection: Connection,
    bucket: str,
    stored: Mapping[str, Any],
    before: DeclaredBuckets | None,
    new: Mapping[str, Any],
) -> AsyncIterator[str]:
    """What of the files in one bucket a change would reach, each in one line."""
    was = (before or {}).get(bucket) or {}
    wanted, allowed = new["buckets"].get(bucket), new.get("allow") or ()
    if wanted is None:
        files = await row(connection, FILES, [bucket, 0]) if was else None
        if files and files["files"]:
            yield (
                f"bucket {bucket} isn't declared any more and holds {files['files']} files, {files['bytes']} "
                f"bytes; declare it again, or {how_to_empty(bucket)}, and run again"
            )
        return
    limit = wanted.get("fileSizeLimit")
    files = await row(connection, FILES, [bucket, limit])
    if files is None or not files["files"]:
        return
    if limit is not None and files["larger"]:
        yield below_files(bucket, limit, files)
    for change, reason in _opened(bucket, stored, was, wanted, files):
        if change not in allowed:
            yield f"{reason}; {_way(change)}"
    days, change = wanted.get("retentionDays"), f"{bucket} retentionDays {wanted.get('retentionDays')}"
    sooner = days is not None and days < (was.get("retentionDays") or days + 1)
    if before is not None and sooner and change not in allowed:
        older = await row(connection, OLDER, [bucket, days])
        if older and older["files"]:
            yield (
                f"bucket {bucket}: retentionDays {days} deletes {older['files']} of its {files['files']} files, "
                f"{older['bytes']} bytes, the oldest of {older['oldest']}; " + _way(change)
            )


def _opened(
    bucket: str, stored: Mapping[str, Any], was: Mapping[str, Any], wanted: Mapping[str, Any], files: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """What lets others read the files that are there: the change, as `allow` names it, and what it does."""
    there = f"{files['files']} files, {files['bytes']} bytes"
    if wanted.get("public") and not stored["public"] and not was.get("public"):
        yield f"{bucket} public", f"bucket {bucket}: public makes {there}, readable by everybody"
    access, former = wanted.get("access"), was.get("access") or stored["access"]
    if former and access != former:
        yield (
            f"{bucket} access {access}",
            f"bucket {bucket}: access {access} in place of {former} gives {there}, to others",
        )


def _way(change: str) -> str:
    return f"if it is meant: {permissions.way(change)}"
