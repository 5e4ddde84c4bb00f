"""Which steps a database has: the Supabase CLI's table with three columns more, and two small tables beside it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

import sqlfiles
from pgprovider.connection import Connection, lock, qualified, row, rows
from pgprovider.errors import one_line
from pgprovider.steps import oddities

DEFAULT = "supabase_migrations.schema_migrations"
# The first three columns are the Supabase CLI's, so that `supabase migration list` shows our steps.
TABLES = """
create schema if not exists {schema};
create table if not exists {table} (version text primary key, statements text[], name text);
alter table {table} add column if not exists statements text[], add column if not exists name text,
    add column if not exists checksum text, add column if not exists down text,
    add column if not exists applied_at timestamptz default pg_catalog.now();
alter table {table} enable row level security;
create table if not exists {rolled_back} (version text primary key, name text, at timestamptz default pg_catalog.now());
alter table {rolled_back} enable row level security;
create table if not exists {progress} (version text, half text, statement text, done boolean not null,
    at timestamptz default pg_catalog.now(), primary key (version, half, statement));
alter table {progress} enable row level security;
"""
# Beside the history: what was rolled back, since a row that is gone can also have been deleted by hand; and the
# statements of a step that runs outside a transaction.
ROLLED_BACK, PROGRESS = "_rolled_back", "_progress"
COLUMNS = {"version", "statements", "name", "checksum", "down", "applied_at"}
THERE = """select c.relname as table, c.relkind::text as kind, pg_catalog.array_agg(a.attname::text) as columns
             from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            where n.nspname = %s and c.relname = any(%s) group by c.relname, c.relkind"""
TABLES_LEFT = """select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                  where n.nspname = %s"""
# Tells a database from one that was made anew under the same name.
IDENTITY = """select (select system_identifier from pg_catalog.pg_control_system()) || '/' || d.oid as identity
                from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()"""
RECORD = """insert into {} (version, name, statements, checksum, down)
            select version, name, array[up], checksum, down
              from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
                as step (version, name, up, checksum, down)
            on conflict (version) do update set checksum = excluded.checksum, down = excluded.down"""
TRIES = 8


@dataclass(frozen=True)
class Recorded:
    """What a database says of itself: which one it is, its steps with their checksums, those that were rolled back."""

    identity: str
    steps: Mapping[str, str | None]
    rolled_back: frozenset[str]


def split(step: str) -> tuple[str, str]:
    """Number and words of a step's name."""
    version, _, words = step.partition("_")
    return version, words


class History:
    """The history in one table."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.schema, table = qualified(name)
        self._names = (table, table + ROLLED_BACK, table + PROGRESS)
        self.table, self.rolled_back, self.progress = (sql.Identifier(self.schema, each) for each in self._names)

    async def _there(self, connection: Connection) -> dict[str, set[str]]:
        found = await rows(connection, THERE, [self.schema, list(self._names)])
        for entry in found:
            oddities.refuse_other_kind(f"{self.schema}.{entry['table']}", entry["kind"])
        return {entry["table"]: set(entry["columns"]) for entry in found}

    async def is_there(self, connection: Connection) -> bool:
        """Whether there is anything to read, whoever made it."""
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
                    await connection.execute(
                        sql.SQL(TABLES).format(
                            schema=sql.Identifier(self.schema),
                            table=self.table,
                            rolled_back=self.rolled_back,
                            progress=self.progress,
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

        :raises Refused: where the rows don't say which steps were applied
        """
        try:
            return await self._read(connection)
        except (UnicodeDecodeError, psycopg.errors.CharacterNotInRepertoire):
            raise oddities.not_utf8(self.name) from None
        except psycopg.Error as error:
            raise one_line(error, f"history {self.name}", closed=connection.closed) from None

    async def _read(self, connection: Connection) -> Recorded:
        identity = await row(connection, IDENTITY, [])
        assert identity is not None
        there = await self._there(connection)
        steps: dict[str, str | None] = {}
        gone: Iterable[str] = ()
        columns = there.get(self._names[0], set())
        if columns >= {"version", "name"}:
            checksum = "checksum" if "checksum" in columns else "null as checksum"
            query = sql.SQL(f"select version, name, {checksum} from {{}} order by version").format(self.table)
            found = oddities.steps(self.name, await rows(connection, query, []))
            steps = {step: entry["checksum"] for step, entry in found.items()}
        elif self._names[0] in there:
            query = sql.SQL("select from {} limit 1").format(self.table)
            oddities.refuse_missing_columns(self.name, columns, bool(await rows(connection, query, [])))
        if self._names[1] in there:
            query = sql.SQL("select version, name from {}").format(self.rolled_back)
            gone = oddities.steps(f"{self.schema}.{self._names[1]}", await rows(connection, query, []))
        return Recorded(str(identity["identity"]), steps, frozenset(gone))

    async def downs(self, connection: Connection, names: Iterable[str]) -> dict[str, str | None]:
        """The recorded down halves of some steps."""
        versions = [split(name)[0] for name in names]
        if "down" not in (await self._there(connection)).get(self._names[0], set()):
            return {}
        query = sql.SQL("select version || '_' || name as step, down from {} where version = any(%s)").format(
            self.table
        )
        return {entry["step"]: entry["down"] for entry in await rows(connection, query, [versions])}

    async def record(self, connection: Connection, steps: Sequence[sqlfiles.Step]) -> None:
        """Note steps as applied."""
        versions = [step.version for step in steps]
        columns = (
            versions,
            [split(step.name)[1] for step in steps],
            [step.up for step in steps],
            [step.checksum for step in steps],
            [step.down for step in steps],
        )
        async with connection.pipeline():
            await connection.execute(sql.SQL(RECORD).format(self.table), columns)
            for table in (self.rolled_back, self.progress):
                await connection.execute(sql.SQL("delete from {} where version = any(%s)").format(table), [versions])

    async def forget(self, connection: Connection, names: Sequence[str]) -> None:
        """Note steps as rolled back."""
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

    async def under_way(self, connection: Connection, step: str, half: str) -> dict[str, bool]:
        """The statements of a half that were begun, by digest, and whether they were done."""
        query = sql.SQL("select statement, done from {} where version = %s and half = %s").format(self.progress)
        found = await rows(connection, query, [split(step)[0], half])
        return {entry["statement"]: entry["done"] for entry in found}

    async def note(self, connection: Connection, step: str, half: str, statement: str, done: bool) -> None:
        """Note how far a statement is."""
        await connection.execute(
            sql.SQL(
                "insert into {} (version, half, statement, done) values (%s, %s, %s, %s) "
                "on conflict (version, half, statement) do update set done = excluded.done, at = pg_catalog.now()"
            ).format(self.progress),
            [split(step)[0], half, statement, done],
        )

    async def begun(self, connection: Connection) -> set[str]:
        """The numbers of the steps that have statements noted, so that they were begun and not ended."""
        query = sql.SQL("select distinct version from {} where half = 'up'").format(self.progress)
        return {entry["version"] for entry in await rows(connection, query, [])}

    async def drop(self, connection: Connection) -> None:
        """Remove the tables, and the schema if nothing else is in it."""
        async with connection.transaction():
            await connection.execute(
                sql.SQL("drop table if exists {}, {}, {}").format(self.table, self.rolled_back, self.progress)
            )
            if not await rows(connection, TABLES_LEFT, [self.schema]):
                await connection.execute(sql.SQL("drop schema if exists {}").format(sql.Identifier(self.schema)))
