"""The SQL put on a scratch database as the program declares it, without Pulumi: for generated pages, for tests.

Steps run through the migration engine's core. Roles have neither passwords nor settings here; stack tests hold those.
"""

import asyncio
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from psycopg import sql

import sqlfiles
from components.grants import DATABASE, GRANTS
from components.grants import SCHEMAS as SCHEMA_GRANTS
from components.rolespecs import OWNER, ROLES, RoleSpec
from components.structure import SCHEMAS
from local import postgres
from local.paths import CHECKOUT

sys.path.append(str(CHECKOUT / "provider"))

from pgprovider.connection import Connections
from pgprovider.errors import one_line
from pgprovider.steps import plan
from pgprovider.steps.runner import running

from ops.migrate import Terminal, login

SQL = CHECKOUT / "sql"
ENTRY = re.compile(r"(?P<privilege>\w+)(?:\((?P<columns>.+)\))?")

Connection = psycopg.Connection[tuple[Any, ...]]


@contextmanager
def scratch_server() -> Iterator[postgres.Server]:
    """A server of its own with nothing on it, gone afterwards."""
    programs = postgres.wheel_binaries()
    with TemporaryDirectory() as folder:
        server = postgres.ensure(Path(folder), programs, {"fsync": "off"})
        try:
            yield server
        finally:
            postgres.remove(Path(folder), programs)


def everything(url: str) -> None:
    """Roles, schemas, all steps, row policies and grants."""
    with psycopg.connect(url, autocommit=True) as connection:
        prepare(connection)
        asyncio.run(_steps(url))
        apply_policies(connection)
        grant(connection, GRANTS)


def prepare(connection: Connection) -> None:
    """What is there before the first step: roles, which all databases of a server share, and schemas."""
    connection.execute("set search_path = ''")
    there = {name for (name,) in connection.execute("select rolname from pg_roles")}
    for role, spec in ROLES.items():
        if role not in there:
            connection.execute(sql.SQL("create role {} {}").format(sql.Identifier(role), sql.SQL(_attributes(spec))))
    for role, spec in ROLES.items():
        for group in spec.member_of:
            connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(group), sql.Identifier(role)))
    for schema, owner in SCHEMAS.items():
        connection.execute(f"create schema if not exists {schema} authorization {owner}")
    # A step calls it, where pages and tests do without the other extensions.
    connection.execute("create extension if not exists pgcrypto schema extensions")
    grant(connection, {"database": {connection.info.dbname: DATABASE}, "schema": SCHEMA_GRANTS})
    connection.execute(f"alter default privileges for role {OWNER} revoke execute on functions from public")


def _attributes(spec: RoleSpec) -> Any:
    wanted = {"login": spec.login, "inherit": spec.inherit, "bypassrls": spec.bypassrls}
    return " ".join(name if there else f"no{name}" for name, there in wanted.items())


async def _steps(url: str) -> None:
    database = Connections(login(url))
    for folder in sqlfiles.STEP_FOLDERS:
        steps = {step.name: step.checksum for step in sqlfiles.steps(CHECKOUT / folder.folder)}
        order = plan.Order(folder.folder, folder.history, steps, folder.role)
        async with running(database.session, Terminal(quiet=True), order) as runner:
            await runner.run(lambda recorded: {})


def apply_policies(connection: Connection) -> None:
    """Every row policy, with its sentence as its comment; one that a step has brought along is taken over.

    :raises StatementFailed: with the policy, file and line
    """
    for policy in sqlfiles.row_policies(SQL / "policies"):
        words = f"create policy {policy.name} on {policy.table} as {policy.kind} for {policy.command}"
        clauses = {"using": policy.using, "with check": policy.check}
        given = " ".join(f"{word} ({text})" for word, text in clauses.items() if text)
        named = (sql.Identifier(policy.name), sql.Identifier(*policy.table.split(".")))
        comment = sql.SQL("comment on policy {} on {} is {}").format(*named, sql.Literal(policy.comment))
        with _told(f"policy {policy.name} on {policy.table}", policy.place):
            connection.execute(sql.SQL("drop policy if exists {} on {}").format(*named))
            connection.execute(f"{words} to {', '.join(policy.roles)} {given}".encode())
            connection.execute(comment)


def grant(connection: Connection, declared: Mapping[str, Mapping[str, Mapping[str, list[str]]]]) -> None:
    """Exactly the declared privileges on each object, as the closed lists mean it: all others are revoked first.

    :raises StatementFailed: with the object
    """
    others = sql.SQL(", ").join([sql.SQL("public"), *map(sql.Identifier, ROLES.keys() - {*SCHEMAS.values()})])
    for kind, objects in declared.items():
        for target, grants in objects.items():
            thing = sql.SQL(f"{kind} {target}")
            with _told(f"grants on {kind} {target}", "components/grants.py"):
                connection.execute(sql.SQL("revoke all on {} from {}").format(thing, others))
                for role, entries in grants.items():
                    for entry in entries:
                        connection.execute(
                            sql.SQL("grant {} on {} to {}").format(privilege(entry), thing, sql.Identifier(role))
                        )


@contextmanager
def _told(label: str, where: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise one_line(error, label, where) from None


def privilege(entry: str) -> sql.Composable:
    """`insert(title, body)` as SQL."""
    match = ENTRY.fullmatch(entry)
    assert match, f"no privilege: {entry}"
    name = sql.SQL(match["privilege"])
    if not match["columns"]:
        return name
    columns = sql.SQL(", ").join(sql.Identifier(column.strip()) for column in match["columns"].split(","))
    return name + sql.SQL(" ({})").format(columns)
