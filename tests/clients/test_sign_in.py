"""From a sign-in to a row: docs/auth.md's own code, Auth.js' core, both adapters, a provider, supabase-js."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg import sql

from declared.paths import CHECKOUT
from tests.clients import world
from tests.clients.localapi import LocalApi
from tests.clients.test_typed_app import examples
from tests.clients.typescript import App
from tests.clients.world import Complete, Programs
from tests.sql.provision import Connection, row

PAGE = CHECKOUT / "docs" / "auth.md"
STEPS = 9


@pytest.fixture(scope="module")
def complete(complete: Complete, cluster: Any, complete_template: str) -> Iterator[Complete]:
    """A database of its own, with the search path and the key of Auth.js' login."""
    name = f"sign_in_{os.getpid()}"
    made = replace(complete, database=cluster.create(name, complete_template))
    with (
        psycopg.connect(made.database.url, autocommit=True) as connection,
        psycopg.connect(complete.database.url) as other,
    ):
        connection.execute(f"alter role authjs in database {name} set search_path = authjs".encode())
        (key,) = row(other, "select public_key from private.sealing_keys where id = 'k1'")
        connection.execute("insert into private.sealing_keys values ('k1', 0, %s)", (key,))
    yield made
    cluster.drop(name)


@pytest.fixture(scope="module")
def built(app: App) -> App:
    """With the page's configuration and its client as programs, compiled in strict mode."""
    configuration, client = examples(PAGE, "ts")
    (app.folder / "client.ts").write_text(client)
    app.build("client.ts")
    (app.folder / "auth.ts").write_text(configuration)
    app.build("auth.ts")
    for name in ("signin.mjs", "websocket.mjs"):
        shutil.copy(world.HERE / name, app.folder)
    return app


def left(admin: Connection, person: str) -> dict[str, int]:
    """Rows that name a person, by column, of those that a departure deletes."""
    columns = admin.execute(
        "select relation, person_column from private.personal_columns() "
        "where person_column in ('id', 'userId', 'user_id', 'owner_id', 'created_by', 'owner') and fate <> 'stays'"
    ).fetchall()
    counts = {
        f"{relation}.{column}": row(
            admin,
            sql.SQL("select count(*) from {} where {}::text = %s")
            .format(sql.Identifier(*relation.split(".")), sql.Identifier(column))
            .as_string(),
            (person,),
        )[0]
        for relation, column in columns
    }
    assert len(counts) > 10
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("adapter", ["pg", "supabase"])
def test_a_person_signs_in_works_under_row_security_and_leaves(
    built: App, served: LocalApi, admin: Connection, adapter: str
) -> None:
    environment = {
        "AUTH_DATABASE_URL": served.complete.auth_url,
        "AUTH_SECRET": "only for this run",
        "SUPABASE_JWT_SECRET": served.secret,
    }
    note = built.folder / f"{adapter}.json"
    program = Programs(built.packages, built.folder)
    results = program.run("signin.mjs", **served.values(), adapter=adapter, environment=environment, note=str(note))
    assert len(results) == STEPS
    assert {name: verdict for name, verdict in results.items() if verdict != "ok"} == {}
    noted = json.loads(note.read_text())
    assert row(admin, "select count(*) from public.projects where id = %s", (noted["project"],)) == (0,)
    components = "select count(*) from public.project_components where project_id = %s"
    assert row(admin, components, (noted["project"],)) == (0,)
    assert row(admin, "select count(*) from private.departures where user_id = %s", (noted["person"],)) == (1,)
    assert left(admin, noted["person"]) == {}
