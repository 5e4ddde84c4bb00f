"""The SQL put on a database by plain psycopg: what the program and the provider do, without Pulumi.

The grants are the program's own; roles and schemas are the least that the SQL needs, stack tests hold the real ones.
"""

import contextlib
import json
import re
import runpy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import sqlfiles

SQL = Path(sqlfiles.CHECKOUT) / "sql"

ROLES = {
    "anon": "nologin",
    "authenticated": "nologin",
    "service_role": "nologin bypassrls",
    "app_owner": "nologin",
    "authenticator": "login noinherit",
    "supabase_storage_admin": "login noinherit",
    "authjs": "login",
    "scanner": "login",
    "monitor": "login",
}
MEMBERS = {
    "authenticator": ("anon", "authenticated", "service_role"),
    "supabase_storage_admin": ("anon", "authenticated", "service_role"),
}
SCHEMAS = {
    "extensions": "app_owner",
    "auth": "app_owner",
    "storage": "supabase_storage_admin",
    "next_auth": "app_owner",
    "authjs": "app_owner",
    "analytics": "app_owner",
    "audit": "app_owner",
    "private": "app_owner",
    "ops": "app_owner",
}
OURS = ("public", "next_auth", "authjs", "analytics", "audit", "private", "ops")

ADA = "00000000-0000-7000-8000-00000000000a"
BOB = "00000000-0000-7000-8000-00000000000b"

# What the program declares. Read as a file: importing the package would bring Pulumi along.
DECLARED = runpy.run_path(str(sqlfiles.CHECKOUT / "components" / "grants.py"))
ENTRY = re.compile(r"(?P<privilege>\w+)(?:\((?P<columns>.+)\))?")

Connection = psycopg.Connection[tuple[Any, ...]]


def steps(kind: str) -> list[sqlfiles.Step]:
    """The steps of sql/<kind>, in order, read as the program reads them."""
    return sqlfiles.steps(SQL / kind)


def run_half(connection: Connection, text: str, owner: str | None = None) -> None:
    """One half of a step, as the provider runs it: a transaction, an empty search path, the owner's role."""
    with connection.transaction():
        connection.execute("set local search_path = ''")
        if owner:
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(owner)))
        connection.execute("set local row_security = off")
        connection.execute(text.encode())


def row(connection: Connection, query: str, values: Sequence[Any] | dict[str, Any] | None = None) -> tuple[Any, ...]:
    """The first row, which has to be there."""
    found = connection.execute(query.encode(), values).fetchone()
    assert found, f"no row from: {query}"
    return found


def make_roles(connection: Connection) -> None:
    """The roles, which all databases of a server share."""
    there = {name for (name,) in connection.execute("select rolname from pg_roles")}
    for role, attributes in ROLES.items():
        if role not in there:
            connection.execute(f"create role {role} {attributes}")
    for member, roles in MEMBERS.items():
        for role in roles:
            connection.execute(f"grant {role} to {member}")


def make_schemas(connection: Connection) -> None:
    """The schemas with their owners."""
    for schema, owner in SCHEMAS.items():
        connection.execute(f"create schema if not exists {schema} authorization {owner}")
    grant(connection, {"schema": DECLARED["SCHEMAS"]})


def prepare(connection: Connection) -> None:
    """What is there before the first step."""
    connection.execute("set search_path = ''")
    make_roles(connection)
    make_schemas(connection)


def migrate_up(connection: Connection) -> None:
    """The platform layer, then our migrations."""
    for step in steps("platform"):
        run_half(connection, step.up)
    for step in steps("migrations"):
        run_half(connection, step.up, owner="app_owner")


def migrate_down(connection: Connection) -> None:
    """All of it back, newest first."""
    for step in reversed(steps("migrations")):
        run_half(connection, step.down, owner="app_owner")
    for step in reversed(steps("platform")):
        run_half(connection, step.down)


def apply_policies(connection: Connection) -> None:
    """Every row policy, with its sentence as its comment."""
    for path in sorted((SQL / "policies").glob("*.sql")):
        connection.execute(path.read_bytes())
    for policy in sqlfiles.row_policies(SQL / "policies"):
        connection.execute(
            sql.SQL("comment on policy {} on {} is {}").format(
                sql.Identifier(policy.name), sql.Identifier(*policy.table.split(".")), sql.Literal(policy.comment)
            )
        )


def drop_policies(connection: Connection) -> None:
    """Every row policy gone again."""
    for policy in sqlfiles.row_policies(SQL / "policies"):
        connection.execute(
            sql.SQL("drop policy {} on {}").format(
                sql.Identifier(policy.name), sql.Identifier(*policy.table.split("."))
            )
        )


def apply_grants(connection: Connection) -> None:
    """The declared grants on tables and functions."""
    grant(connection, DECLARED["GRANTS"])


def grant(connection: Connection, declared: Mapping[str, Mapping[str, Mapping[str, list[str]]]]) -> None:
    """Exactly the declared privileges on each object, as the closed lists mean it: all others are revoked first."""
    others = sql.SQL(", ").join([sql.SQL("public"), *map(sql.Identifier, ROLES.keys() - {*SCHEMAS.values()})])
    for kind, objects in declared.items():
        for target, grants in objects.items():
            thing = sql.SQL(f"{kind} {target}")
            connection.execute(sql.SQL("revoke all on {} from {}").format(thing, others))
            for role, entries in grants.items():
                for entry in entries:
                    connection.execute(
                        sql.SQL("grant {} on {} to {}").format(privilege(entry), thing, sql.Identifier(role))
                    )


def privilege(entry: str) -> sql.Composable:
    """`insert(title, body)` as SQL."""
    match = ENTRY.fullmatch(entry)
    assert match, f"no privilege: {entry}"
    if not match["columns"]:
        return sql.SQL(match["privilege"])
    columns = sql.SQL(", ").join(sql.Identifier(column.strip()) for column in match["columns"].split(","))
    return sql.SQL(match["privilege"]) + sql.SQL(" ({})").format(columns)


@contextlib.contextmanager
def acting_as(connection: Connection, role: str, claims: dict[str, Any] | str | None = None) -> Iterator[Connection]:
    """A transaction as PostgREST makes it, with role and claims, or raw text as claims; always rolled back."""
    with connection.transaction(force_rollback=True):
        if claims is not None:
            text = claims if isinstance(claims, str) else json.dumps(claims)
            connection.execute("select set_config('request.jwt.claims', %s, true)", (text,))
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        yield connection


def refused(connection: Connection, error: type[psycopg.Error], statement: str, *values: Any) -> str:
    """Run what must fail with this error, without spoiling the transaction; the message comes back."""
    with pytest.raises(error) as caught, connection.transaction():
        connection.execute(statement.encode(), values or None)
    return str(caught.value)


def add_people(connection: Connection) -> None:
    """Ada and Bob, each with a private, a public and an archived public project."""
    for person, name in ((ADA, "Ada"), (BOB, "Bob")):
        connection.execute(
            "insert into next_auth.users (id, name, email) values (%s, %s, %s)",
            (person, name, f"{name.lower()}@example.org"),
        )
        connection.execute(
            "insert into public.projects (owner_id, title, visibility, archived_at) "
            "values (%(id)s, 'private', 'private', null), (%(id)s, 'public', 'public', null), "
            "(%(id)s, 'archived', 'public', now())",
            {"id": person},
        )
