"""The rows of `storage.objects` and `storage.buckets`; each transaction is the caller's, as the Storage API has it.

What a person stores is tried as the person and taken back, and written as the API's own role when the file is there
(docs/decisions/0031-project-files.md); what they delete is deleted as the person.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from local.api.callers import SERVICE, Caller
from local.api.errors import no_bucket, no_key

Session = psycopg.Connection[DictRow]
# Sessions at a time; seconds that a request waits for one.
MOST_SESSIONS, WAIT = 4, 10
SHOWN = "id, name, bucket_id, owner_id, version, created_at, updated_at, last_accessed_at, metadata, user_metadata"
INSERT = """
    insert into storage.objects (bucket_id, name, owner_id, version, metadata, user_metadata)
    values (%(bucket)s, %(name)s, %(owner)s, %(version)s, %(metadata)s, %(user_metadata)s)"""
REPLACE = """
    on conflict (name, bucket_id) do update
    set owner_id = excluded.owner_id, version = excluded.version, metadata = excluded.metadata,
        user_metadata = excluded.user_metadata"""
ONE = f"select {SHOWN} from storage.objects where bucket_id = %s and name = %s limit 1"
MOVE = """
    update storage.objects set bucket_id = %s, name = %s, owner_id = %s, version = %s
     where bucket_id = %s and name = %s returning id"""
# What lies directly in a folder: its files, and the first part of what lies deeper.
LIST = """
    with found as (
        select substr(o.name, length(%(folder)s) + 1) as name, o.id, o.updated_at, o.created_at, o.last_accessed_at,
            o.metadata
        from storage.objects as o
        where o.bucket_id = %(bucket)s and o.name collate "C" >= %(start)s and starts_with(o.name, %(start)s)
    ), listed as (
        select distinct split_part(f.name, '/', 1) as name, null::uuid as id, null::timestamptz as updated_at,
            null::timestamptz as created_at, null::timestamptz as last_accessed_at, null::jsonb as metadata
        from found as f where strpos(f.name, '/') > 0
        union all
        select * from found as f where strpos(f.name, '/') = 0
    )
    select * from listed as l order by l.id is not null, l.{column} {order}, l.name collate "C"
    limit %(limit)s offset %(offset)s"""
COLUMNS = ("name", "updated_at", "created_at", "last_accessed_at")


@dataclass(frozen=True)
class Object:
    """What is said of a file that is to be stored."""

    bucket: str
    name: str
    owner: str | None
    version: str
    metadata: Mapping[str, Any]
    user_metadata: Mapping[str, Any] | None = None

    @property
    def values(self) -> dict[str, Any]:
        given = Jsonb(dict(self.user_metadata)) if self.user_metadata is not None else None
        return {**self.__dict__, "metadata": Jsonb(dict(self.metadata)), "user_metadata": given}


@dataclass(frozen=True)
class Page:
    """A part of the list of a folder."""

    folder: str
    """Empty, or with a slash at its end."""
    search: str
    """What the names begin with."""
    column: str
    """What it is ordered by, one of `COLUMNS`."""
    descending: bool
    limit: int
    offset: int


class Rows:
    """The database, as the Storage API's login."""

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool(
            url,
            connection_class=Session,
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "prepare_threshold": None,
                "connect_timeout": WAIT,
                "application_name": "vpb api",
            },
            min_size=0,
            max_size=MOST_SESSIONS,
            timeout=WAIT,
            check=ConnectionPool.check_connection,
            open=True,
        )

    @contextmanager
    def as_(self, caller: Caller, operation: str, *, tried: bool = False) -> Iterator[Session]:
        """A transaction of the caller's; one that is only tried is taken back."""
        given = caller.settings(operation)
        calls = ", ".join(["set_config(%s, %s, true)"] * len(given))
        with self._pool.connection() as session, session.transaction(force_rollback=tried):
            session.execute(f"select {calls}".encode(), [word for pair in given.items() for word in pair])
            yield session

    def bucket(self, id: str) -> DictRow:
        """What is declared of a bucket.

        :raises Refused: where there is none
        """
        query = "select id, public, file_size_limit, allowed_mime_types from storage.buckets where id = %s"
        with self.as_(SERVICE, "") as session:
            return session.execute(query, (id,)).fetchone() or _refuse(no_bucket())

    def buckets(self, caller: Caller, operation: str) -> list[DictRow]:
        """Those that row security shows the caller."""
        query = """
            select id, name, owner_id as owner, public, file_size_limit, allowed_mime_types, created_at, updated_at
              from storage.buckets order by id"""
        with self.as_(caller, operation) as session:
            return session.execute(query).fetchall()

    def one(self, caller: Caller, operation: str, bucket: str, name: str) -> DictRow:
        """The row of a file that the caller sees.

        :raises Refused: where there is none
        """
        with self.as_(caller, operation) as session:
            return session.execute(ONE.encode(), (bucket, name)).fetchone() or _refuse(no_key())

    def attempt(self, caller: Caller, operation: str, new: Object, replaces: bool) -> None:
        """Whether the caller may store it, by a row that isn't kept.

        :raises psycopg.Error: where not
        """
        with self.as_(caller, operation, tried=True) as session:
            session.execute((INSERT + (REPLACE if replaces else "")).encode(), new.values)

    def write(self, operation: str, new: Object, replaces: bool) -> tuple[str, str | None]:
        """The row of a file that is stored: its id, and the version that it replaces."""
        with self.as_(SERVICE, operation) as session:
            query = "select version from storage.objects where bucket_id = %s and name = %s for update"
            old = session.execute(query, (new.bucket, new.name)).fetchone() if replaces else None
            statement = f"{INSERT}{REPLACE if replaces else ''} returning id"
            made = session.execute(statement.encode(), new.values).fetchone()
        return str(made["id"] if made else ""), old["version"] if old else None

    def move(self, caller: Caller, operation: str, here: tuple[str, str], new: Object, *, tried: bool = False) -> None:
        """Give a file another name.

        :param here: bucket and name that it has
        :raises Refused: where the caller doesn't see it
        """
        values = (new.bucket, new.name, new.owner, new.version, *here)
        with self.as_(caller, operation, tried=tried) as session:
            if session.execute(MOVE.encode(), values).fetchone() is None:
                raise no_key()

    def delete(self, caller: Caller, operation: str, bucket: str, names: Sequence[str]) -> list[DictRow]:
        """The rows that the caller could delete, and has."""
        statement = f"delete from storage.objects where bucket_id = %s and name = any(%s) returning {SHOWN}"
        with self.as_(caller, operation) as session:
            return session.execute(statement.encode(), (bucket, list(names))).fetchall()

    def listed(self, caller: Caller, bucket: str, page: Page) -> list[DictRow]:
        """What the caller sees of what lies directly in a folder."""
        order = sql.SQL("desc" if page.descending else "asc")
        query = sql.SQL(LIST).format(column=sql.Identifier(page.column), order=order)
        values = {"bucket": bucket, "folder": page.folder, "start": page.folder + page.search}
        with self.as_(caller, "object.list") as session:
            return session.execute(query, values | {"limit": page.limit, "offset": page.offset}).fetchall()

    def reload(self) -> None:
        """Have PostgREST read the structure again."""
        with self._pool.connection() as session:
            session.execute("notify pgrst, 'reload schema'")


def _refuse(error: Exception) -> Any:
    raise error
