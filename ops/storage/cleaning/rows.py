"""What the database knows of the files, as the login `cleaner`.

It reads some columns of storage.objects and deletes rows there; all else it reaches by functions of schema ops.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from ops.database import Connection, connect
from ops.storage.cleaning.kept import KeyParts

# The Storage API says so before it deletes; without it a trigger refuses, lest a file be orphaned.
ALLOW = "set storage.allow_delete_query = 'true'"
# A row says its size itself: what isn't a number is none. As private.object_bytes, which the cleaner may not ask.
BYTES = """coalesce(
    case when o.metadata ->> 'size' ~ '^[0-9]{1,15}$' then (o.metadata ->> 'size')::bigint end,
    case when o.metadata ->> 'contentLength' ~ '^[0-9]{1,15}$' then (o.metadata ->> 'contentLength')::bigint end,
    0
)"""
KNOWN = f"""
select o.version, {BYTES} from storage.objects as o where o.version is not null and (o.bucket_id, o.name, o.version) in
    (select * from unnest(%s::text[], %s::text[], %s::text[]))"""
ROW = f"select o.id, o.bucket_id, o.name, o.version, {BYTES} as bytes from storage.objects as o"
STALE = f"{ROW} where o.version is not null and greatest(o.created_at, o.updated_at) < now() - %s"
EXPIRED = """
select o.id, o.bucket_id, o.name, now() - %s as before from storage.objects as o
where o.bucket_id = %s and o.created_at < now() - %s"""
LARGER = f"""
select found.id, found.bucket_id, found.name, now() as before from ({ROW}) as found
where found.bucket_id = %s and found.bytes > %s"""
DELETE_ROWS = """
delete from storage.objects as o using unnest(%s::uuid[], %s::text[]) as gone (id, version)
where o.id = gone.id and o.version is not distinct from gone.version"""
AT = f"{ROW} join unnest(%s::text[], %s::text[]) as asked (bucket_id, name) using (bucket_id, name)"
RECORDED = "select bucket_id, name from ops.recorded_objects(%s, %s)"
WAITING = "select id, bucket_id, object_path as name, queued_at as before from ops.waiting_deletions()"
TAKE = "select id, bucket_id, object_path as name, queued_at as before from ops.take_deletions(%s)"
UNSERVE = "select bucket_id, object_path, version from ops.unserve(%s, %s, %s)"
UNSERVED = "select id, bucket_id, object_path, version from ops.unserved_files(10000)"
ABANDONED = "select id, bucket_id, name, now() as before from ops.abandoned_files(%s, 1000)"
ABANDONED_TOTAL = "select ops.count_abandoned(%s)"
KEPT_INSTANTS = "select taken_at from ops.kept_instants()"
QUARANTINE = "select bucket_id, name, version, abandoned from ops.quarantine()"


@dataclass(frozen=True)
class Row:
    """A row of storage.objects."""

    id: UUID
    bucket_id: str
    name: str
    version: str | None
    bytes: int


@dataclass(frozen=True)
class Doomed:
    """An object that is to go, with all that was stored of it before a moment: what came later is another's."""

    id: UUID
    bucket_id: str
    name: str
    before: datetime


@dataclass(frozen=True)
class Rows:
    """Each call is a transaction of its own, so that a cleaner that is killed has done what it has done."""

    connection: Connection

    @classmethod
    def of(cls, url: str) -> "Rows":
        connection = connect(url, "vpb clean")
        connection.execute(ALLOW)
        return cls(connection)

    def known(self, parts: Iterable[tuple[str, str, str]]) -> dict[str, int]:
        """Which of these objects, by bucket, name and version, have a row; how many bytes it says, by version."""
        return {str(row[0]): int(row[1]) for row in self.connection.execute(KNOWN.encode(), _columns(parts))}

    def count(self) -> int:
        row = self.connection.execute("select count(*) from storage.objects").fetchone()
        return int(row[0]) if row else 0

    def stale(self, grace: timedelta) -> Iterator[Row]:
        """Rows that have had time enough to get a file; in pages, since there may be millions."""
        with self.connection.transaction(), self.connection.cursor("stale", row_factory=class_row(Row)) as cursor:
            yield from cursor.execute(STALE.encode(), (grace,))

    def expired(self, bucket: str, age: timedelta) -> list[Doomed]:
        return self._all(Doomed, EXPIRED, age, bucket, age)

    def larger(self, bucket: str, limit: int) -> list[Doomed]:
        return self._all(Doomed, LARGER, bucket, limit)

    def delete(self, rows: Iterable[Row]) -> int:
        """Delete the rows, except for those that are of another version by now."""
        given = list(rows)
        columns = ([row.id for row in given], [row.version for row in given])
        return self.connection.execute(DELETE_ROWS, columns).rowcount

    def at(self, objects: Iterable[Doomed]) -> list[Row]:
        """The rows of these objects, where there are any."""
        return self._all(Row, AT, *_places(objects))

    def recorded(self, objects: Iterable[Doomed]) -> set[tuple[str, str]]:
        """Which of these objects a recording is of, again."""
        return {(str(row[0]), str(row[1])) for row in self.connection.execute(RECORDED, _places(objects))}

    def waiting(self) -> list[Doomed]:
        return self._all(Doomed, WAITING)

    def abandoned(self, grace: timedelta) -> list[Doomed]:
        """What lies in the folder of nobody; a thousand at a time."""
        return self._all(Doomed, ABANDONED, grace)

    def count_abandoned(self, grace: timedelta) -> int:
        """How many lie in the folder of nobody, in all."""
        row = self.connection.execute(ABANDONED_TOTAL, (grace,)).fetchone()
        return int(row[0]) if row else 0

    def take(self, count: int) -> list[Doomed]:
        return self._all(Doomed, TAKE, count)

    def finish(self, done: Iterable[Doomed]) -> None:
        self.connection.execute("select ops.finish_deletions(%s)", ([entry.id for entry in done],))

    def unserve(self, versions: Iterable[KeyParts]) -> set[KeyParts]:
        """Note that these are to be invalidated at the CDN, which no row's end says; those whose bucket it serves."""
        return {KeyParts(*row) for row in self.connection.execute(UNSERVE, _columns(versions))}

    def unserved(self) -> dict[UUID, KeyParts]:
        """What is to be invalidated at the CDN, ten thousand at a time; without name and version all of a bucket."""
        found = self.connection.execute(UNSERVED)
        return {id: KeyParts(str(bucket), str(name), str(version)) for id, bucket, name, version in found}

    def finish_unserved(self, done: Iterable[UUID]) -> None:
        self.connection.execute("select ops.finish_unserved(%s)", (list(done),))

    def finish_gone(self, done: Iterable[KeyParts]) -> None:
        """These have neither a row nor a file any more, and were invalidated since."""
        self.connection.execute("select ops.finish_gone(%s, %s, %s)", _columns(done))

    def quarantine(self) -> dict[tuple[str, str, str], bool]:
        """What lies in quarantine, by bucket, name and version; and whether its person is gone."""
        found = self.connection.execute(QUARANTINE)
        return {(str(bucket), str(name), str(version)): bool(gone) for bucket, name, version, gone in found}

    def kept_instants(self) -> list[datetime]:
        """The instants of which there are backups that are kept, the oldest first."""
        return [row[0] for row in self.connection.execute(KEPT_INSTANTS)]

    def forget(self, bucket: str, name: str, version: str) -> None:
        self.connection.execute("select ops.forget_quarantined(%s, %s, %s)", (bucket, name, version))

    def note_kept(self, kept: Mapping[tuple[str, str], int]) -> None:
        """Bytes in the store that no row shows, by the first part of their names and the bucket; replaces all noted."""
        folders, buckets = [folder for folder, _ in kept], [bucket for _, bucket in kept]
        self.connection.execute("select ops.note_kept(%s, %s, %s)", (folders, buckets, list(kept.values())))

    def forget_nobody(self) -> None:
        """People who store nothing any more are counted no longer."""
        self.connection.execute("select ops.forget_empty_usage()")

    def _all(self, kind: type[Any], statement: str, *given: Any) -> list[Any]:
        with self.connection.cursor(row_factory=class_row(kind)) as cursor:
            return cursor.execute(statement.encode(), given or None).fetchall()


def _places(objects: Iterable[Doomed]) -> tuple[list[str], list[str]]:
    given = list(objects)
    return [each.bucket_id for each in given], [each.name for each in given]


def _columns(parts: Iterable[tuple[str, str, str]]) -> list[list[str]]:
    return [list(column) for column in zip(*parts, strict=True)] or [[], [], []]
