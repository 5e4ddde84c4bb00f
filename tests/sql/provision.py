"""What the SQL tests need beside the program's own SQL: steps one by one, and back; acting as somebody; people."""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from declared import sqldirectives, sqlfiles
from declared.paths import CHECKOUT
from declared.schemas import OF_SUPABASE, WITH_OBJECTS
from harness import scratch, stack
from local import postgres
from ops.migrations.trial import Silent
from provider.connection import ConnectionInfo, Connections
from provider.steps import plan
from provider.steps.runner import running
from provider.steps.send import acting

Connection = psycopg.Connection[tuple[Any, ...]]
SQL = CHECKOUT / "sql"
OURS = tuple(schema for schema in WITH_OBJECTS if schema not in OF_SUPABASE)

ADA = "00000000-0000-7000-8000-00000000000a"
BOB = "00000000-0000-7000-8000-00000000000b"


def steps(kind: str) -> list[sqlfiles.Step]:
    """The steps of sql/<kind>, in order, read as the program reads them."""
    return sqlfiles.steps(SQL / kind)


def run_script(connection: Connection, text: str, owner: str | None = None) -> None:
    """One script of a migration on its own, with the role and the settings that the provider gives it; no history."""
    assert sqldirectives.run_mode(text).kind == "transaction", "the provider alone runs it, by `migrate`"
    with connection.transaction():
        connection.execute((acting(connection, owner, local=True) + text).encode())


def row(connection: Connection, query: str, values: Sequence[Any] | dict[str, Any] | None = None) -> tuple[Any, ...]:
    """The first row, which has to be there."""
    found = connection.execute(query.encode(), values).fetchone()
    assert found, f"no row from: {query}"
    return found


def migrate_up(connection: Connection) -> None:
    """The platform layer, then our migrations."""
    for folder in sqlfiles.STEP_FOLDERS:
        migrate(connection, folder.folder)


def migrate_down(connection: Connection) -> None:
    """All of it back, newest first."""
    for folder in reversed(sqlfiles.STEP_FOLDERS):
        migrate(connection, folder.folder, none=True)


def migrate(connection: Connection, folder: str, *, root: Path = CHECKOUT, none: bool = False) -> None:
    """All migrations of a folder applied, and no others, or none: by the provider, on another session of the login.

    :raises PluginError: for a migration that fails or is refused
    """
    (of,) = (each for each in sqlfiles.STEP_FOLDERS if each.folder == folder)
    wanted = {step.name: step.checksum for step in sqlfiles.steps(root / folder) if not none}
    order = plan.Order(folder, of.history, wanted, of.role, root=root)
    asyncio.run(_run(Connections(ConnectionInfo(_server(connection).parameters(connection.info.dbname))), order))


async def _run(database: Connections, order: plan.Order) -> None:
    async with running(database.session, Silent(), order) as runner:
        await runner.run(lambda recorded: {name: each or "" for name, each in recorded.steps.items()})


def apply_policies(connection: Connection) -> None:
    """Row security and every row policy, as the program declares them; what a migration brought is taken over."""
    _declare(connection, "pg:index:RowSecurity", "pg:index:Policy")


def apply_grants(connection: Connection) -> None:
    """The declared privileges on tables and functions."""
    _declare(connection, "pg:index:Grants", "pg:index:FunctionGrants")


def _declare(connection: Connection, *types: str) -> None:
    """The program's resources of some types on what migrations have made, written by the login of a connection."""
    database = connection.info.dbname
    declared = scratch.only(stack.declaration(database), *types)
    declared = {name: each for name, each in declared.items() if name.startswith("access-")}
    run = stack.Stack(_server(connection).url(database), declared).up()
    assert not run.errors, run.errors


def _server(connection: Connection) -> postgres.RunningServer:
    """The server of a connection, with its login."""
    info = connection.info
    return postgres.RunningServer(info.host, info.port, info.user, info.password, info.server_version)


def drop_policies(connection: Connection) -> None:
    """Every row policy gone again."""
    for policy in sqlfiles.row_policies(SQL / "policies"):
        connection.execute(
            sql.SQL("drop policy {} on {}").format(
                sql.Identifier(policy.name), sql.Identifier(*policy.table.split("."))
            )
        )


@contextlib.contextmanager
def acting_as(
    connection: Connection, role: str, claims: dict[str, Any] | str | None = None, *, keep: bool = False
) -> Iterator[Connection]:
    """A transaction as PostgREST makes it, with role and claims, or raw text as claims; rolled back but for `keep`."""
    with connection.transaction(force_rollback=not keep):
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


def code(connection: Connection, statement: str, *values: Any) -> str | None:
    """The SQLSTATE of what must fail: psycopg has no classes for those that are PostgREST's."""
    with pytest.raises(psycopg.Error) as caught, connection.transaction():
        connection.execute(statement.encode(), values)
    return caught.value.sqlstate


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


def add_file(
    connection: Connection, name: str, bucket: str = "audio", *, version: str = "v", owner: str | None = None
) -> str:
    """The row of a stored file, of 3 bytes, with its bucket where that isn't there; the name comes back."""
    made = "insert into storage.buckets (id, name) values (%s, %s) on conflict do nothing"
    connection.execute(made.encode(), (bucket, bucket))
    connection.execute(
        "insert into storage.objects (bucket_id, name, version, owner_id, metadata) "
        """values (%s, %s, %s, %s, '{"mimetype": "audio/ogg", "size": 3}')""",
        (bucket, name, version, owner),
    )
    return name


def add_recording(
    connection: Connection, project: str, name: str = "a.ogg", *, transcript: str = "", person: str | None = None
) -> str:
    """A recording of a file that is stored for it; the file comes back."""
    path = add_file(connection, f"{project}/{name}")
    connection.execute(
        "insert into public.audio_recordings (project_id, object_path, transcript, created_by) values (%s, %s, %s, %s)",
        (project, path, transcript, person),
    )
    return path
