"""What an app has of the TypeScript package: types that hold in strict mode, and functions that answer in them."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from declared.paths import CHECKOUT
from generate.clients import catalogue, patterns
from generate.clients import typescript as generator
from tests.clients import world
from tests.clients.test_typed_queries import EMPTY, LOGINS, arguments
from tests.clients.typescript import App
from tests.clients.world import Complete
from tests.sql.provision import row

pytestmark = pytest.mark.xdist_group("typed")
# What the program around an example has.
HEAD = """import type { Pool } from "pg";
import type { Json } from "visual-prompt-builder/database";
declare const pool: Pool;
declare function show(page: unknown): void;
"""
EXAMPLE = world.HERE / "typed_example.ts"


def examples(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def test_an_app_compiles_with_the_types_and_what_is_wrong_does_not(app: App):
    shutil.copy(EXAMPLE, app.folder)
    assert app.compile() == ""


def test_the_example_would_notice_other_types(app: App):
    (app.folder / EXAMPLE.name).unlink(missing_ok=True)
    changes = {
        "nullable": ("same<Same<typeof room, number | null>>", "same<Same<typeof room, number>>"),
        "union": ('"owner" | "viewer" | "editor" | "admin"', "string"),
        "refused": ("// @ts-expect-error no such visibility", ""),
    }
    text = EXAMPLE.read_text()
    for name, (right, wrong) in changes.items():
        assert right in text
        (app.folder / f"{name}.ts").write_text(text.replace(right, wrong))
    said = app.compile()
    assert {name for name in changes if f"{name}.ts(" in said} == changes.keys()


def test_the_examples_of_the_pages_compile(app: App, product: Complete):
    for program in app.folder.glob("*.ts"):
        program.unlink()
    with psycopg.connect(product.database.url, autocommit=True) as connection:
        found = patterns.described(connection, catalogue.read(connection))
    pages = {each.query.name: {value.name: generator.typed(value) for value in each.parameters} for each in found}
    for name, given in pages.items():
        (text,) = examples(CHECKOUT / "docs" / "queries" / f"{name}.md", "ts")
        declared = {"person": "string", **given}
        program = "".join(f"declare const {each}: {type};\n" for each, type in declared.items())
        (app.folder / f"{name}.ts").write_text(f"{HEAD}{program}{text}export {{}};\n")
    for number, text in enumerate(examples(CHECKOUT / "docs" / "clients.md", "ts")):
        declared = {"person": "string", "url": "string", "key": "string"}
        program = "".join(f"declare const {each}: {type};\n" for each, type in declared.items())
        (app.folder / f"clients{number}.ts").write_text(f"{program}{text}export {{}};\n")
    assert app.compile() == ""


def cases(connection: psycopg.Connection[Any], person: str) -> list[dict[str, Any]]:
    """Each pattern with arguments, and how its answer has to look."""
    found = patterns.described(connection, catalogue.read(connection))
    return [
        {
            "name": generator.function_name(each.query.name),
            "role": each.query.role,
            "login": each.query.role in LOGINS,
            "given": arguments(connection, each.query, person) or None,
            "rows": each.rows,
            "columns": [vars(column) for column in each.columns],
        }
        for each in found
    ]


@pytest.fixture
def port(product: Complete) -> Iterator[int]:
    """Of PgBouncer in transaction mode, where the machine has one; else the server's own."""
    if not (program := shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")):
        yield product.database.port
        return
    with world.pgbouncer(Path(program), product, 2) as found:
        yield found


def test_each_function_answers_in_its_types_through_a_pooler(app: App, product: Complete, port: int):
    shutil.copy(world.HERE / "typed_queries.mjs", app.folder)
    with psycopg.connect(product.database.url, autocommit=True) as connection:
        person = str(row(connection, "select id from next_auth.users where email = 'person7@example.org'")[0])
        asked = cases(connection, person)
        public = "select id::text from public.projects where visibility = 'public' and archived_at is null"
        projects = connection.execute(f"{public} order by updated_at desc, id desc".encode()).fetchall()
    urls = {"url": product.url("authenticator", port), "direct": product.database.url}
    given = json.dumps({**urls, "person": person, "cases": asked}, default=str)
    done = app.run("typed_queries.mjs", given=given)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout)
    empty = {generator.function_name(name) for name in EMPTY}
    assert {name: said for name, said in answer["results"].items() if said != "ok" and name not in empty} == {}
    assert len(answer["results"]) == len(asked) > 50
    assert answer["ids"] == [id for (id,) in projects]
    assert len(projects) > 40
    assert (answer["lost"] != "", answer["then"]) == (True, "goes on")
    assert answer["swallowed"] == "a statement had failed, so everything was taken back"
    assert answer["thrown"] == "division by zero"
    assert answer["owner"] == "claims: nobody becomes app_owner by a token"
    assert answer["after"] == {"current_user": "authenticator", "claims": ""}
    assert answer["names"] == ["vpb_open_project"]
