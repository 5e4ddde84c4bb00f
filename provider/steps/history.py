"""Which migrations a database has: the Supabase CLI's table with four columns more, three small tables beside it."""

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from declared import sqlfiles
from declared.rowsecurity import hidden
from declared.schemas import HISTORY_SUFFIXES
from provider import snapshots
from provider.connection import Connection, drop_if_empty, lock, qualified, row, rows
from provider.errors import Refused, one_line
from provider.steps import oddities
from provider.steps.oddities import Shape

# The first three columns are the Supabase CLI's, so that `supabase migration list` shows our migrations. The
# holders are in `owners`.
TABLES = """
create schema if not exists {schema};
create table if not exists {table} (version text primary key, statements text[], name text);
alter table {table} add column if not exists statements text[], add column if not exists name text,
    add column if not exists checksum text, add column if not exists down text,
    add column if not exists applied_at timestamptz default pg_catalog.now(),
    add column if not exists owners text[];
alter table {table} enable row level security;
create table if not exists {rolled_back} (version text primary key, name text, at timestamptz default pg_catalog.now());
alter table {rolled_back} enable row level security;
create table if not exists {progress} (version text, half text, statement text, done boolean not null,
    at timestamptz default pg_catalog.now(), primary key (version, half, statement));
alter table {progress} enable row level security;
create table if not exists {incarnation} (id text primary key);
alter table {incarnation} enable row level security;
"""
# Beside the history: what was rolled back, since a row that is gone can also have been deleted manually; the statements
# of a migration that runs outside a transaction; and the incarnation, a random id that each transaction renews which
# writes to the history. A state that knows another id knows another course of events: an older state file, or a
# database that was restored to an earlier instant.
_, ROLLED_BACK, PROGRESS, INCARNATION = HISTORY_SUFFIXES
COLUMNS = {"version", "statements", "name", "checksum", "down", "applied_at", "owners"}
SHAPES = {
    "": Shape(
        dict.fromkeys(("version", "name", "checksum", "down"), "text")
        | dict.fromkeys(("statements", "owners"), "text[]"),
        key="version",
        added=frozenset(COLUMNS - {"version"}),
    ),
    ROLLED_BACK: Shape(dict.fromkeys(("version", "name"), "text"), key="version"),
    PROGRESS: Shape(
        dict.fromkeys(("version", "half", "statement"), "text") | {"done": "boolean", "at": "timestamp with time zone"},
        key="version, half, statement",
    ),
    INCARNATION: Shape({"id": "text"}),
}
THERE = """
select c.relname as table, c.relkind::text as kind,
       pg_catalog.jsonb_object_agg(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)) as columns,
       pg_catalog.array_agg(a.attname::text) filter (
           where a.attnotnull and not a.atthasdef and a.attidentity = '') as demanded,
       array(select (select pg_catalog.string_agg(k.attname, ', ' order by x.position)
                       from pg_catalog.unnest(i.indkey) with ordinality x (number, position)
                       join pg_catalog.pg_attribute k on k.attrelid = c.oid and k.attnum = x.number)
               from pg_catalog.pg_index i
              where i.indrelid = c.oid and i.indisunique and i.indimmediate and i.indpred is null) as keys
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where n.nspname = %s and c.relname = any(%s) group by c.oid, c.relname, c.relkind"""
# Whether row security hides rows from this login.
UNSEEN = f"""
select {hidden("c.oid")} as unseen
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = %s and c.relname = %s"""
# Tells a database from one that was made again under the same name.
IDENTITY = """select (select system_identifier from pg_catalog.pg_control_system()) || '/' || d.oid as identity
                from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()"""
RECORD = """insert into {} (version, name, statements, checksum, down, owners)
            select version, name, array[up], checksum, down, %s::text[]
              from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
                as step (version, name, up, checksum, down)
            on conflict (version) do update set checksum = excluded.checksum, down = excluded.down"""
RENAME = """update {} h set version = n.version, name = n.name, statements = array[n.up], checksum = n.checksum,
                          down = n.down
              from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
                as n (was, version, name, up, checksum, down) where h.version = n.was"""
CLAIM = """update {} set owners = coalesce(owners, array[%s::text]) || %s::text
            where version = any(%s) and not coalesce(owners, '{{}}') @> array[%s::text]"""
# The holder of what was in the database before this project: never rolled back.
ADOPTED = "adopted"
RELEASE = "update {} set owners = array_remove(owners, %s::text) where owners @> array[%s::text]"
RENEW = """with renewed as (update {table} set id = {id} returning 1)
           insert into {table} (id) select {id} where not exists (select from renewed)"""
TRIES = 8


@dataclass(frozen=True)
class Recorded:
    """What a database says of itself: which one it is, its migrations with their checksums, those rolled back."""

    identity: str
    steps: Mapping[str, str | None]
    rolled_back: frozenset[str]
    holders: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Migration to the resources (URNs) that have applied or adopted it."""
    incarnation: str = ""
    """Another one after each transaction that wrote to the history; empty where none did."""
    of_others: tuple[str, ...] = ()
    """The versions that another tool has recorded in the same table, for migrations of its own."""
    half_back: frozenset[str] = frozenset()
    """The recorded migrations whose rollback was begun, outside a transaction or in batches, and not ended."""

    def owned_by(self, holder: str | None) -> set[str]:
        """The migrations that `holder` has applied or adopted."""
        return {name for name, holders in self.holders.items() if holder in holders}


def split(step: str) -> tuple[str, str]:
    """Number and words of a migration's name."""
    version, _, words = step.partition("_")
    return version, words


def _columns(steps: Sequence[sqlfiles.Step]) -> list[list[str]]:
    """Number, words, up script, checksum and down script of migrations, a list each."""
    return [
        [step.version for step in steps],
        [split(step.name)[1] for step in steps],
        [step.up for step in steps],
        [step.checksum for step in steps],
        [step.down for step in steps],
    ]


async def identity(connection: Connection) -> str:
    """Which database this is, on which server."""
    found = await row(connection, IDENTITY, [])
    assert found is not None
    return str(found["identity"])


class History:
    """The history in one table."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.schema, table = qualified(name)
        self._names = tuple(table + suffix for suffix in SHAPES)
        self.table, self.rolled_back, self.progress, self.incarnation = (
            sql.Identifier(self.schema, each) for each in self._names
        )

    async def _there(self, connection: Connection) -> dict[str, set[str]]:
        found = await rows(connection, THERE, [self.schema, list(self._names)])
        for entry in found:
            name = f"{self.schema}.{entry['table']}"
            oddities.refuse_other_kind(name, entry["kind"])
            oddities.refuse_other_shape(name, SHAPES[entry["table"].removeprefix(self._names[0])], entry)
        return {entry["table"]: set(entry["columns"]) for entry in found}

    async def is_there(self, connection: Connection) -> bool:
        """Whether there is anything to read, no matter who made it."""
        return self._names[0] in await self._there(connection)

    async def make(self, connection: Connection) -> None:
        """Make what is missing, also with somebody else at it in the same moment. Nothing is locked if nothing is."""
        for attempt in range(1, TRIES + 1):
            there = await self._there(connection)
            if there.keys() == set(self._names) and there[self._names[0]] >= COLUMNS:
                return
            try:
                async with connection.transaction():
                    await lock(connection, f"history {self.schema}")
                    async with snapshots.tracked(connection):
                        await connection.execute(
                            sql.SQL(TABLES).format(
                                schema=sql.Identifier(self.schema),
                                table=self.table,
                                rolled_back=self.rolled_back,
                                progress=self.progress,
                                incarnation=self.incarnation,
                            )
                        )
            except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateSchema, psycopg.errors.DuplicateTable,
                    psycopg.errors.DuplicateColumn, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected,
                    psycopg.errors.InternalError_):  # fmt: skip
                # Another tool makes the same, and doesn't know our lock.
                if attempt == TRIES:
                    raise
                await asyncio.sleep(0.1 * attempt)

    async def read(self, connection: Connection) -> Recorded:
        """What the database says; nothing of it needs to be there.

        :raises Refused: where the rows don't say which migrations were applied
        """
        try:
            return await self._read(connection)
        except (UnicodeDecodeError, psycopg.errors.CharacterNotInRepertoire):
            raise oddities.not_utf8(self.name) from None
        except psycopg.Error as error:
            raise one_line(error, f"history {self.name}", closed=connection.closed) from None

    async def _read(self, connection: Connection) -> Recorded:
        there = await self._there(connection)
        found: Mapping[str, Mapping[str, Any]] = {}
        gone: Iterable[str] = ()
        others: Sequence[Mapping[str, Any]] = ()
        incarnation: Mapping[str, Any] | None = None
        columns = there.get(self._names[0], set())
        if columns and (await rows(connection, UNSEEN, [self.schema, self._names[0]]))[0]["unseen"]:
            raise Refused(
                f"{self.name}: row security hides its rows from this login, so which migrations were applied isn't "
                "known; use the login that owns it, or one that a row policy lets read them"
            )
        if "name" in columns:
            more = ", ".join(name if name in columns else f"null as {name}" for name in ("checksum", "owners"))
            query = sql.SQL(f"select version, name, {more} from {{}} order by version").format(self.table)
            every = await rows(connection, query, [])
            others = [each for each in every if oddities.is_of_another_tool(each)]
            found = oddities.steps(self.name, [each for each in every if not oddities.is_of_another_tool(each)])
        elif self._names[0] in there:
            query = sql.SQL("select from {} limit 1").format(self.table)
            oddities.refuse_unnamed(self.name, bool(await rows(connection, query, [])))
        if self._names[1] in there:
            query = sql.SQL("select version, name from {}").format(self.rolled_back)
            gone = oddities.steps(f"{self.schema}.{self._names[1]}", await rows(connection, query, []))
        half_back = await self._begun(connection, "down") if self._names[2] in there else set()
        if self._names[3] in there:
            incarnation = await row(connection, sql.SQL("select id from {}").format(self.incarnation), [])
        return Recorded(
            await identity(connection),
            {step: entry["checksum"] for step, entry in found.items()},
            frozenset(gone),
            {
                step: frozenset([ADOPTED] if entry["owners"] is None else entry["owners"])
                for step, entry in found.items()
            },
            str(incarnation["id"]) if incarnation else "",
            tuple(each["version"] for each in others),
            frozenset(step for step in found if split(step)[0] in half_back),
        )

    async def downs(self, connection: Connection, names: Iterable[str]) -> dict[str, str | None]:
        """The recorded down scripts of some migrations."""
        versions = [split(name)[0] for name in names]
        if "down" not in (await self._there(connection)).get(self._names[0], set()):
            return {}
        query = sql.SQL("select version || '_' || name as step, down from {} where version = any(%s)").format(
            self.table
        )
        return {entry["step"]: entry["down"] for entry in await rows(connection, query, [versions])}

    async def ups(self, connection: Connection, names: Iterable[str]) -> dict[str, str | None]:
        """The recorded up scripts of some migrations."""
        versions = [split(name)[0] for name in names]
        if "statements" not in (await self._there(connection)).get(self._names[0], set()):
            return {}
        query = sql.SQL("select version || '_' || name as step, statements[1] as up from {} where version = any(%s)")
        found = await rows(connection, query.format(self.table), [versions])
        return {entry["step"]: entry["up"] for entry in found}

    async def record(self, connection: Connection, steps: Sequence[sqlfiles.Step], holder: str | None) -> None:
        """Note migrations as applied: by the resource `holder`, by no resource (None), or found there (`ADOPTED`)."""
        versions = [step.version for step in steps]
        async with connection.pipeline():
            await connection.execute(sql.SQL(RECORD).format(self.table), [[holder] if holder else [], *_columns(steps)])
            for table in (self.rolled_back, self.progress):
                await connection.execute(sql.SQL("delete from {} where version = any(%s)").format(table), [versions])

    async def rename(self, connection: Connection, renamed: Mapping[str, sqlfiles.Step]) -> None:
        """Give recorded migrations their new names: old name to the files as they are now."""
        was = [split(name)[0] for name in renamed]
        await connection.execute(sql.SQL(RENAME).format(self.table), [was, *_columns(list(renamed.values()))])

    async def claim(self, connection: Connection, names: Iterable[str], holder: str) -> None:
        """Note that `holder` holds recorded migrations, beside those that hold them already."""
        versions = [split(name)[0] for name in names]
        await connection.execute(sql.SQL(CLAIM).format(self.table), [ADOPTED, holder, versions, holder])

    async def release(self, connection: Connection, holder: str) -> None:
        """Note that `holder` holds none any more."""
        await connection.execute(sql.SQL(RELEASE).format(self.table), [holder, holder])

    async def renew(self, connection: Connection) -> str:
        """Begin another incarnation, in the transaction that writes to the history; its id."""
        id = secrets.token_hex(8)
        query = sql.SQL(RENEW).format(table=self.incarnation, id=sql.Literal(id))
        await connection.execute(query)
        return id

    async def forget(self, connection: Connection, names: Sequence[str]) -> None:
        """Note migrations as rolled back."""
        versions, words = ([split(name)[part] for name in names] for part in (0, 1))
        async with connection.pipeline():
            for table in (self.table, self.progress):
                await connection.execute(sql.SQL("delete from {} where version = any(%s)").format(table), [versions])
            await connection.execute(
                sql.SQL(
                    "insert into {} (version, name) select * from unnest(%s::text[], %s::text[]) on conflict do nothing"
                ).format(self.rolled_back),
                [versions, words],
            )
        # A later one that was begun and left the folder may have lost what it had made until then.
        query = sql.SQL("update {} set done = false where half = 'up' and version > %s").format(self.progress)
        await connection.execute(query, [min(versions)])

    async def under_way(self, connection: Connection, step: str, direction: str) -> dict[str, bool]:
        """The statements of a script that were begun, by digest, and whether they were done."""
        query = sql.SQL("select statement, done from {} where version = %s and half = %s").format(self.progress)
        found = await rows(connection, query, [split(step)[0], direction])
        return {entry["statement"]: entry["done"] for entry in found}

    async def note(self, connection: Connection, step: str, direction: str, statement: str, done: bool) -> None:
        """Note how far a statement is."""
        await connection.execute(
            sql.SQL(
                "insert into {} (version, half, statement, done) values (%s, %s, %s, %s) "
                "on conflict (version, half, statement) do update set done = excluded.done, at = pg_catalog.now()"
            ).format(self.progress),
            [split(step)[0], direction, statement, done],
        )

    async def unnote(self, connection: Connection, step: str, direction: str, statement: str) -> None:
        """Note that a statement wasn't begun after all."""
        query = sql.SQL("delete from {} where version = %s and half = %s and statement = %s").format(self.progress)
        await connection.execute(query, [split(step)[0], direction, statement])

    async def begun(self, connection: Connection, direction: str) -> set[str]:
        """The numbers of the migrations that have statements of a script noted, so that it was begun and not ended."""
        return await self._begun(connection, direction) if self._names[2] in await self._there(connection) else set()

    async def _begun(self, connection: Connection, direction: str) -> set[str]:
        query = sql.SQL("select distinct version from {} where half = %s").format(self.progress)
        return {entry["version"] for entry in await rows(connection, query, [direction])}

    async def drop(self, connection: Connection) -> None:
        """Remove the tables, and the schema if nothing else is in it. A table with rows of another tool stays."""
        async with connection.transaction():
            others = await rows(connection, sql.SQL("select from {} limit 1").format(self.table), [])
            gone = [self.rolled_back, self.progress, self.incarnation, *([] if others else [self.table])]
            async with snapshots.tracked(connection):
                await connection.execute(sql.SQL("drop table if exists {}").format(sql.SQL(", ").join(gone)))
            await drop_if_empty(connection, self.schema)
