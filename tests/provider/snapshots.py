"""What the tests of the snapshot share: the resource type on a database, without the engine."""

import asyncio
import os
import secrets
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from bench import world
from plugin.server import Context
from plugin.wire import decode, encode
from provider import snapshots
from provider.connection import ConnectionInfo, Connections
from provider.resources.snapshot import SchemaCheckpoint, SchemaSnapshot
from tests.provider.world import login_of

URN = "urn:pulumi:dev::database::vpb:index:Snapshot$pg:index:SchemaSnapshot::snapshot"


# What PostgreSQL spells by a session's settings, and such settings.
SPELT = r"""
create table public.spelt (id int, at timestamptz default '2020-01-01 00:00+00', "for" interval default '1 day 02:00',
    bytes bytea default '\x0102', factor float8 default '0.1'::float8 / 3, price money default '5'::money,
    words text default 'a\b', check (at > '2019-01-01 00:00+00'));
create view public.seen with (security_invoker = true) as
    select id, at > '2020-01-01 00:00+00' as late, '0.1234567890123'::float8 as factor, words <> 'a\b' as other
      from public.spelt;
"""
ODD_SETTINGS = [
    "timezone=Asia/Tokyo",
    "datestyle=German",
    "intervalstyle=sql_standard",
    "bytea_output=escape",
    "extra_float_digits=-5",
    "quote_all_identifiers=on",
    "standard_conforming_strings=off",
]


@dataclass
class Stack:
    """One snapshot resource with its state, as the engine keeps it."""

    url: str
    info: ConnectionInfo
    inputs: dict[str, Any]
    state: dict[str, Any] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    urn: str = URN

    def run(self, *statements: str) -> None:
        """Something manually."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def call(self, method: str, *arguments: Any) -> Any:
        """One call of the engine's, in a plugin of its own."""
        return asyncio.run(self._call(method, arguments))

    async def _call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        return await self._on(SchemaSnapshot(), method, arguments)

    async def _on(self, kind: SchemaSnapshot | SchemaCheckpoint, method: str, arguments: tuple[Any, ...]) -> Any:
        kind.connections = Connections(self.info)

        async def log(urn: str, message: str, ephemeral: bool) -> None:
            self.said.append(message)

        try:
            call: Coroutine[Any, Any, Any] = getattr(kind, method)(Context(self.urn, log), *arguments)
            return await call
        finally:
            await kind.connections.close()

    async def _declare(self, statements: tuple[str, ...]) -> None:
        connections = Connections(self.info)
        try:
            async with connections.transaction("step") as connection:
                async with snapshots.tracked(connection):
                    for statement in statements:
                        await connection.execute(statement.encode())
        finally:
            await connections.close()

    @property
    def id(self) -> str:
        return str(self.inputs["name"])

    def refresh(self) -> dict[str, Any]:
        """Read, and take over what was read; the drift."""
        self.said.clear()
        found = self.call("read", self.id, self.state, self.inputs)
        if found is None:
            self.state = {}
            return {}
        self.state = _through_the_wire(found.state)
        drift: dict[str, Any] = self.state.get("drift", {})
        return drift

    def preview(self) -> list[str]:
        """The property paths that an update would change."""
        self.refresh()
        return sorted(self.call("diff", self.id, self.state, self.inputs).changes)

    def begin(self) -> None:
        """The part of an `up` before anything is written: create or update, where the diff says so."""
        if not self.state:
            _, state = self.call("create", self.inputs, False)
        elif self.call("diff", self.id, self.state, self.inputs).changes:
            state = self.call("update", self.id, self.state, self.inputs, False)
        else:
            return
        self.state = _through_the_wire(state)

    def declare(self, *statements: str) -> None:
        """What a migration does, in one transaction."""
        asyncio.run(self._declare(statements))

    def end(self) -> None:
        """The part of an `up` after everything is written."""
        asyncio.run(self._on(SchemaCheckpoint(), "create", ({"snapshot": self.id, "of": ""}, False)))

    def up(self, *declared: str, repair: str = "") -> None:
        """A whole run.

        Args:
            declared: what its migrations do.
            repair: what resources of their own do, without taking it into the snapshot.
        """
        if self.state:
            self.refresh()
        self.begin()
        if declared:
            self.declare(*declared)
        if repair:
            self.run(repair)
        self.end()


class Server:
    """A test server with a template of each size; every test gets a database of its own."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.password = secrets.token_urlsafe(12)
        self.master = f"drift_master_{os.getpid()}"
        self.templates: dict[int, Any] = {}
        self.number = 0

    def __enter__(self) -> "Server":
        with psycopg.connect(self.cluster.server.url(), autocommit=True) as connection:
            connection.execute(world.roles().encode())
            connection.execute(
                f"create role {self.master} login in role drift_owner password '{self.password}'".encode()
            )
        return self

    def __exit__(self, *error: object) -> None:
        for database in self.templates.values():
            self.cluster.drop(database.name)
        with psycopg.connect(self.cluster.server.url(), autocommit=True) as connection:
            connection.execute(f"drop role {self.master}".encode())

    def stack(self, tables: int, superuser: bool = True) -> Iterator[Stack]:
        """A stack on a database with so many tables, which goes with the test."""
        if tables not in self.templates:
            template = self.cluster.create(f"drift_{os.getpid()}_{tables}", "template0")
            with psycopg.connect(template.url, autocommit=True) as connection:
                connection.execute((world.COMMON + world.tables(1, tables)).encode())
            self.templates[tables] = template
        self.number += 1
        name = f"drift_{os.getpid()}_of_{self.number}"
        database = self.cluster.create(name, self.templates[tables].name)
        user, password = (database.user, database.password) if superuser else (self.master, self.password)
        if not superuser:
            self.cluster.execute(
                sql.SQL("alter database {} owner to {}").format(sql.Identifier(name), sql.Identifier(user))
            )
        info = ConnectionInfo.of(login_of(database, user, password)["url"])
        schemas = sorted([*world.SCHEMAS, "supabase_migrations"])
        yield Stack(database.url, info, {"name": "schema", "schemas": schemas})
        self.cluster.drop(name)


def manual_changes(stack: Stack) -> dict[str, tuple[str | None, str | None]]:
    """What a refresh says was changed manually: object to what was and what is."""
    return {key: (entry.get("was"), entry.get("now")) for key, entry in stack.refresh().items()}


def _through_the_wire(state: dict[str, Any]) -> dict[str, Any]:
    return decode(encode(state)).values
