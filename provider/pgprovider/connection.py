"""The only place that connects: one pool, empty search path, timeouts, an application name."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import sql

from pgprovider.errors import Refused, Unreachable, one_line
from plugin.errors import PluginError

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

APPLICATION = "visual-prompt-builder/pg"
CONNECTIONS = 4

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True)
class Login:
    """Where the server is, who we are there, and how long we wait for a lock (PostgreSQL's notation)."""

    host: str
    port: int
    user: str
    password: str
    database: str
    sslmode: str = "prefer"
    lock_timeout: str = "5s"

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
            "sslmode": self.sslmode,
            "connect_timeout": 15,
            "application_name": APPLICATION,
        }


class Connections:
    """Transactions on one database, opened when the first is asked for."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._opening = asyncio.Lock()

    async def _prepare(self, connection: Connection) -> None:
        await self.settle(connection)
        await connection.commit()

    async def settle(self, connection: Connection) -> None:
        """The session's settings as they were at its start, whatever a file has set meanwhile."""
        await connection.execute(
            sql.SQL("reset all; set search_path = ''; set lock_timeout = {}; set client_min_messages = warning").format(
                sql.Literal(self.login.lock_timeout)
            )
        )

    async def session(self) -> Connection:
        """A session of its own outside the pool, without a transaction; whoever asks for it closes it.

        :raises Unreachable: where the server doesn't let us in
        """
        login = self.login
        try:
            return await psycopg.AsyncConnection.connect(**login.parameters, autocommit=True)
        except psycopg.Error as error:
            said = " ".join(str(error).split()).rsplit("failed: ", 1)[-1]
            raise Unreachable(
                f"database {login.database} on {login.host}:{login.port} as {login.user}: {said}; "
                "check that the server runs and that the login is right"
            ) from None

    async def _open(self) -> "AsyncConnectionPool[Connection]":
        async with self._opening:
            if self._pool is None:
                await self._probe()
                # Only who needs a pool loads it.
                from psycopg_pool import AsyncConnectionPool

                pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
                    kwargs=self.login.parameters, configure=self._prepare, min_size=0, max_size=CONNECTIONS, open=False
                )
                await pool.open()
                self._pool = pool
            return self._pool

    async def _probe(self) -> None:
        """One try outside the pool, which would go on trying with a wrong password and then tell of a timeout."""
        connection = await self.session()
        await connection.close()

    @asynccontextmanager
    async def transaction(self, label: str, place: str | None = None) -> AsyncIterator[Connection]:
        """One transaction; what PostgreSQL refuses in it is told as `label`'s failure."""
        pool = await self._open()
        try:
            async with pool.connection() as connection:
                with _listening(connection):
                    yield connection
        except PluginError:
            raise
        except psycopg.Error as error:
            raise one_line(error, label, place) from None

    async def close(self) -> None:
        """End all sessions; open transactions are rolled back."""
        if self._pool is not None:
            await self._pool.close(timeout=1)
            self._pool = None


_heard: WeakKeyDictionary[Connection, list[str]] = WeakKeyDictionary()


def warnings(connection: Connection) -> list[str]:
    """What the server has warned of in this transaction, each in one line."""
    return _heard.get(connection, [])


@contextmanager
def _listening(connection: Connection) -> Iterator[None]:
    heard = _heard[connection] = []

    def hear(diagnostic: psycopg.errors.Diagnostic) -> None:
        heard.append(" ".join((diagnostic.message_primary or "").split()))

    connection.add_notice_handler(hear)
    try:
        yield
    finally:
        connection.remove_notice_handler(hear)


# A change that a cut-off `up` made is told from one made by hand by its transaction (see snapshots.py).
NOTE = """do $$ begin
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended({}, 0));
    if pg_catalog.to_regclass('supabase_migrations.schema_snapshot_own') is not null
       and pg_catalog.has_table_privilege('supabase_migrations.schema_snapshot_own', 'insert') then
        insert into supabase_migrations.schema_snapshot_own (transaction, label)
        values (pg_catalog.pg_current_xact_id()::pg_catalog.xid::text::bigint, {}) on conflict do nothing;
    end if;
end $$"""


async def lock(connection: Connection, name: str) -> None:
    """Hold the project's advisory lock on `name` until the transaction ends, and note whose transaction this is."""
    lock_name = sql.Literal(f"visual-prompt-builder {name}")
    await connection.execute(sql.SQL(NOTE).format(lock_name, sql.Literal(name)))


# A statement that PostgreSQL runs in transactions of its own (an index build has three) has unforeseen numbers.
NOTE_FROM = """do $$ begin
    if pg_catalog.to_regclass('supabase_migrations.schema_snapshot_own') is not null
       and pg_catalog.has_table_privilege('supabase_migrations.schema_snapshot_own', 'insert, update') then
        insert into supabase_migrations.schema_snapshot_own (transaction, label, until)
        values (pg_catalog.pg_current_xact_id()::pg_catalog.xid::text::bigint, {label}, {never});
    end if;
end $$"""
NOTE_UNTIL = """do $$ begin
    if pg_catalog.to_regclass('supabase_migrations.schema_snapshot_own') is not null
       and pg_catalog.has_table_privilege('supabase_migrations.schema_snapshot_own', 'insert, update') then
        update supabase_migrations.schema_snapshot_own
           set until = pg_catalog.pg_current_xact_id()::pg_catalog.xid::text::bigint
         where label = {label} and until = {never};
    end if;
end $$"""
NEVER = 2**32


@asynccontextmanager
async def noted(connection: Connection, label: str) -> AsyncIterator[None]:
    """Note the transactions of a block as ours, without being in one; after a crash, those until it is run again."""
    values = {"label": sql.Literal(label), "never": sql.Literal(NEVER)}
    await connection.execute(sql.SQL(NOTE_FROM).format(**values))
    try:
        yield
    finally:
        if not connection.closed:
            await connection.execute(sql.SQL(NOTE_UNTIL).format(**values))


async def row(connection: Connection, query: str | sql.Composed, parameters: list[Any]) -> dict[str, Any] | None:
    """The first row of a query, by column name."""
    rows_found = await rows(connection, query, parameters)
    return rows_found[0] if rows_found else None


async def rows(
    connection: Connection, query: str | sql.Composed, parameters: list[Any] | dict[str, Any]
) -> list[dict[str, Any]]:
    """The rows of a query, by column name."""
    cursor = await connection.execute(query.encode() if isinstance(query, str) else query, parameters)
    names = [column.name for column in cursor.description or []]
    return [dict(zip(names, values, strict=True)) for values in await cursor.fetchall()]


def qualified(name: str) -> tuple[str, str]:
    """Schema and name of `schema.name`.

    :raises Refused: where there is no dot
    """
    schema, dot, rest = name.partition(".")
    if not dot or not schema or not rest:
        raise Refused(f"'{name}' must be written with its schema, as in public.{name}")
    return schema, rest
