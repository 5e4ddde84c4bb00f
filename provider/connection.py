"""The only place that connects: one pool, empty search path, timeouts, an application name."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

import psycopg
from psycopg import sql

from declared import connectionurl, locktimeout, tunnel
from plugin.errors import PluginError
from provider.errors import Refused, Unreachable, one_line
from provider.migrationchanges import MigrationChanges
from provider.pooler import refuse_lent

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

# By these PostgreSQL spells constants and names in a definition. A login's or a database's own settings must not change
# the text of what nobody has changed.
SPELLING = {
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    "standard_conforming_strings": "on",
}
AS_SPELT = """with was as materialized (
                  select name, pg_catalog.current_setting(name) as value, ours
                    from unnest(%s::text[], %s::text[]) s (name, ours))
              select name, value, pg_catalog.set_config(name, ours, true) from was"""
AS_IT_WAS = "select pg_catalog.set_config(name, value, true) from unnest(%s::text[], %s::text[]) s (name, value)"
APPLICATION = "visual-prompt-builder/pg"
CONNECTIONS = 4

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True)
class ConnectionInfo:
    """Where the server is and who we are there, in libpq's keywords, and how long we wait for a lock."""

    given: connectionurl.Parameters = field(repr=False)
    lock_timeout: str = locktimeout.DEFAULT

    @classmethod
    def of(cls, url: str, lock_timeout: str = locktimeout.DEFAULT) -> "ConnectionInfo":
        """
        :raises connectionurl.UrlError: where it isn't one
        """
        return cls(connectionurl.parse(url), lock_timeout)

    @property
    def user(self) -> str:
        return self.given["user"]

    @property
    def database(self) -> str:
        return self.given["dbname"]

    def on(self, database: str) -> "ConnectionInfo":
        """The same login on another database of the server."""
        return replace(self, given={**self.given, "dbname": database})

    @property
    def url(self) -> str:
        """What libpq is given; ours give way to what the URL says."""
        # Whatever the server's own encoding is; one without an encoding would answer in bytes.
        ours = {"connect_timeout": "15", "application_name": APPLICATION, "client_encoding": "utf8"}
        return connectionurl.compose({**ours, **tunnel.through(self.given)})


class Connections:
    """Transactions on one database, opened when the first is asked for."""

    def __init__(self, info: ConnectionInfo) -> None:
        self.info = info
        self.changes = MigrationChanges()
        """What migrations have changed of other resources since the last run that ended well."""
        self.looked = False
        """Whether this run has looked for manual changes, and gone on."""
        self.declared: set[str] = set()
        """The URNs of what this run brings: the engine asks for nothing that `--target` or `--exclude` leaves out."""
        self.migrated = False
        """Whether a migration has run in this run: what is there isn't what the state knows any more."""
        self._pool: AsyncConnectionPool[Connection] | None = None
        self.deleting = asyncio.Lock()
        """Held for each deletion: what one takes out of the snapshot the next would wait for in the database, where
        such a wait ends with `lock_timeout`."""
        self._opening = asyncio.Lock()
        self._direct = False

    async def _prepare(self, connection: Connection) -> None:
        await self.reset_session(connection)
        await connection.commit()

    async def reset_session(self, connection: Connection) -> None:
        """The session's settings as they were at its start, whatever a file has set meanwhile."""
        ours = {
            **SPELLING,
            "search_path": "",
            "lock_timeout": self.info.lock_timeout,
            # A platform may end every login's statements after a while, whatever they are.
            "statement_timeout": "0",
            "client_min_messages": "warning",
        }
        settings = [sql.SQL("set {} to {}").format(sql.Identifier(name), sql.Literal(ours[name])) for name in ours]
        await connection.execute(sql.SQL("; ").join([sql.SQL("reset all"), *settings]))
        _spelt.add(connection)

    async def session(self) -> Connection:
        """A session of its own outside the pool, without a transaction; the caller closes it.

        :raises Unreachable: where the server doesn't let us in
        :raises Refused: where a pooler would lend what we set to others
        """
        try:
            if not self._direct:
                await refuse_lent(self.info.url)
                self._direct = True
            return await psycopg.AsyncConnection.connect(self.info.url, autocommit=True)
        except psycopg.Error as error:
            raise Unreachable(
                f"{connectionurl.describe(self.info.given)}: {connectionurl.failure(error)}; "
                "check that the server runs and that the login is right"
            ) from None

    async def _open(self) -> "AsyncConnectionPool[Connection]":
        async with self._opening:
            if self._pool is None:
                await self._probe()
                # Only who needs a pool loads it.
                from psycopg_pool import AsyncConnectionPool

                pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
                    self.info.url, configure=self._prepare, min_size=0, max_size=CONNECTIONS, open=False
                )
                await pool.open()
                self._pool = pool
            return self._pool

    async def _probe(self) -> None:
        """One try outside the pool, which would try a wrong password or setting again and then tell of a timeout."""
        connection = await self.session()
        try:
            await self.reset_session(connection)
        except psycopg.Error as error:
            raise one_line(error, "provider pg") from None
        finally:
            await connection.close()

    @asynccontextmanager
    async def transaction(self, label: str, location: str | None = None) -> AsyncIterator[Connection]:
        """One transaction; what PostgreSQL refuses in it is reported as `label`'s failure."""
        pool = await self._open()
        connection: Connection | None = None
        try:
            async with pool.connection() as connection:
                with _listening(connection):
                    yield connection
        except PluginError:
            raise
        except psycopg.Error as error:
            raise one_line(error, label, location, closed=connection is not None and connection.closed) from None

    async def close(self) -> None:
        """End all sessions; open transactions are rolled back."""
        if self._pool is not None:
            await self._pool.close(timeout=1)
            self._pool = None


_spelt: WeakSet[Connection] = WeakSet()
"""Sessions that have our spelling all the time; in those of migrations a file's own text means what psql says."""


@asynccontextmanager
async def spelt(connection: Connection) -> AsyncIterator[None]:
    """A block of a transaction in which definitions are spelt the same whatever settings the session has."""
    if connection in _spelt:
        yield
        return
    was = await rows(connection, AS_SPELT, [list(SPELLING), list(SPELLING.values())])
    _spelt.add(connection)
    try:
        yield
    finally:
        _spelt.discard(connection)
    await rows(connection, AS_IT_WAS, [[each["name"] for each in was], [each["value"] for each in was]])


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


async def lock(connection: Connection, name: str) -> None:
    """Hold the project's advisory lock on `name` until the transaction ends."""
    query = "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended({}, 0))"
    await connection.execute(sql.SQL(query).format(sql.Literal(f"visual-prompt-builder {name}")))


async def drop_if_empty(connection: Connection, schema: str) -> None:
    """Drop a schema unless something is in it; not an error where it's gone."""
    query = """select 1 from pg_catalog.pg_depend d join pg_catalog.pg_namespace n on n.oid = d.refobjid
                where d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and d.deptype = 'n'
                  and n.nspname = %s limit 1"""
    if not await rows(connection, query, [schema]):
        await connection.execute(sql.SQL("drop schema if exists {}").format(sql.Identifier(schema)))


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
