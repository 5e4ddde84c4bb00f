"""The only place that connects: one session per call, with an empty search path, a lock timeout and a name.

Sessions aren't kept: an idle one would hold up the drop of its database and the cloning of a template.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from local.standins.postgresql.errors import connection_failed, statement_failed
from plugin.server import PluginError
from plugin.wire import has_unknown

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

LOCK_TIMEOUT = "10s"
# Any constant does, as long as every session that writes privileges takes the same one.
WRITE_LOCK = 4_207_317_618


@dataclass(frozen=True)
class Settings:
    """Where the server is and who logs in."""

    host: str
    port: int
    username: str
    password: str
    database: str
    sslmode: str
    superuser: bool
    connect_timeout: int
    max_connections: int

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> "Settings | None":
        """The provider's arguments with the official defaults; None where one of them isn't known yet."""
        if has_unknown(inputs):
            return None

        def get(name: str, variable: str, default: Any) -> Any:
            value = inputs.get(name)
            return os.environ.get(variable, default) if value in (None, "") else value

        return cls(
            host=str(get("host", "PGHOST", "")),
            port=int(get("port", "PGPORT", 5432)),
            username=str(get("username", "PGUSER", "postgres")),
            password=str(get("password", "PGPASSWORD", "")),
            database=str(get("database", "PGDATABASE", "postgres")),
            # As the official plugin's driver: no word about TLS means that it is required.
            sslmode=str(inputs.get("sslmode") or get("sslMode", "PGSSLMODE", "require")),
            # Arguments arrive as JSON text from programs and as they are from tests.
            superuser=str(inputs.get("superuser", True)).lower() != "false",
            connect_timeout=int(inputs.get("connectTimeout", 180)),
            max_connections=int(inputs.get("maxConnections", 20)),
        )


class Server:
    """The configured server; unconnected until `settings` is there."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self._slots = asyncio.Semaphore(1)

    def configure(self, inputs: Mapping[str, Any]) -> None:
        """Take the provider's arguments."""
        self.settings = Settings.of(inputs)
        if self.settings is not None:
            self._slots = asyncio.Semaphore(max(1, self.settings.max_connections))

    @property
    def database(self) -> str:
        """The database that resources belong to when they don't say."""
        return self._known().database

    def _known(self) -> Settings:
        if self.settings is None:
            raise PluginError("the provider isn't configured: its arguments aren't known yet")
        if not self.settings.host:
            raise PluginError("the postgresql provider has no host: set postgresql:host, or hand a provider over")
        return self.settings

    @asynccontextmanager
    async def session(
        self, label: str, database: str | None = None, *, writes: bool = False, autocommit: bool = False
    ) -> AsyncIterator[Connection]:
        """One transaction (or none, with `autocommit`); what PostgreSQL refuses leaves as one line about `label`."""
        async with self._slots:
            connection = await self._connect(database or self.database)
            try:
                async with connection:
                    await connection.set_autocommit(autocommit)
                    if writes and not autocommit:
                        # Two sessions that change one row of the catalogue fail with "tuple concurrently updated".
                        await connection.execute("select pg_advisory_xact_lock(%s)", [WRITE_LOCK])
                    yield connection
            except psycopg.Error as error:
                raise statement_failed(label, error) from None

    async def _connect(self, database: str) -> Connection:
        known = self._known()
        where = f"postgresql at {known.host} port {known.port} as {known.username}, database {database}"
        try:
            connection = await psycopg.AsyncConnection.connect(
                host=known.host,
                port=known.port,
                user=known.username,
                password=known.password,
                dbname=database,
                sslmode=known.sslmode,
                connect_timeout=known.connect_timeout,
                application_name="pulumi-resource-postgresql",
                autocommit=True,
            )
            # After the start, since connection poolers refuse settings among the start-up options.
            await connection.execute(
                sql.SQL("set search_path = ''; set lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT))
            )
        except psycopg.Error as error:
            raise connection_failed(where, error) from None
        return connection

    async def has_database(self, name: str) -> bool:
        """Whether the server has a database of that name."""
        if name == self.database:
            return True
        async with self.session(f"database {name}") as connection:
            return await one(connection, "select true from pg_catalog.pg_database where datname = %s", name) is not None


async def rows(connection: Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows of a catalogue query; its values one by one (`%s`) or as one mapping (`%(name)s`)."""
    given: Any = values[0] if len(values) == 1 and isinstance(values[0], Mapping) else values
    return await (await connection.execute(query.encode(), given)).fetchall()


async def one(connection: Connection, query: str, *values: Any) -> tuple[Any, ...] | None:
    """The first row of a catalogue query."""
    found = await rows(connection, query, *values)
    return found[0] if found else None


async def run(connection: Connection, text: str, *parts: sql.Composable, **named: sql.Composable) -> None:
    """Run a statement whose `{}` are identifiers and literals."""
    # The text is a constant at every call; values enter only as composed parts.
    await connection.execute(sql.SQL(text).format(*parts, **named))
