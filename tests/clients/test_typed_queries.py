"""Each query pattern as a function of the Python client, once as its role: it runs, and its rows are of their types."""

import ast
import dataclasses
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from visual_prompt_builder import queries as client
from visual_prompt_builder import running

from declared.paths import CHECKOUT
from generate.clients import facts, files, pages, patterns
from harness import queries as catalogue
from tests.clients.world import Complete
from tests.sql.provision import row

pytestmark = pytest.mark.xdist_group("typed")
QUERIES = [query for query in catalogue.QUERIES if query.role != patterns.OWNER]
# What the app's tokens can't become: logins of their own.
LOGINS = ("authjs", "scanner")
EMPTY = {"list_my_invitations", "list_recent_errors"}


@pytest.fixture(scope="module")
def connection(product: Complete) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(product.database.url, autocommit=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def person(connection: psycopg.Connection[Any]) -> str:
    return str(row(connection, "select id from next_auth.users where email = 'person7@example.org'")[0])


def arguments(connection: psycopg.Connection[Any], query: catalogue.Query, person: str) -> dict[str, Any]:
    """Values for the arguments of a function, as its types have them."""
    found = catalogue.values(connection, person)
    if query.name == "list_collaborators":
        found["project"] = found["team_project"]
    made = {facts.PARAMETERS.get(name, name): (found[name], type) for name, type in query.parameters.items()}
    return {name: _typed(value, type) for name, (value, type) in made.items()}


def _typed(value: Any, type: str) -> Any:
    if value is None:
        return None
    if type == "jsonb":
        return json.loads(value)
    convert: dict[str, Any] = {"uuid": lambda value: UUID(str(value)), "numeric": Decimal}
    convert["uuid[]"] = lambda values: [UUID(str(each)) for each in values]
    convert["timestamptz"] = datetime.fromisoformat
    return convert.get(type, lambda same: same)(value)


def fits(value: Any, wanted: Any) -> bool:
    """Whether a value is of an annotated type."""
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted in (Any, None, types.NoneType):
        return (wanted is Any and value is not None) or value is None
    if origin is types.UnionType:
        return any(fits(value, each) for each in inner)
    if origin is typing.Literal:
        return value in inner
    if origin in (list, Sequence):
        return isinstance(value, list) and all(fits(each, inner[0]) for each in value)
    if dataclasses.is_dataclass(wanted):
        hints = typing.get_type_hints(wanted)
        return type(value) is wanted and all(fits(getattr(value, name), each) for name, each in hints.items())
    return type(value) is wanted


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_each_function_answers_in_its_types_as_its_role(connection, person, query):
    function = getattr(client, query.name)
    wanted = typing.get_type_hints(function)["return"]
    given = arguments(connection, query, person)
    hints = typing.get_type_hints(function)
    assert [name for name, value in given.items() if not fits(value, hints[name])] == []
    with psycopg.connect(connection.info.dsn, password=connection.info.password) as session:
        if query.role in LOGINS:
            session.execute(f"set role {query.role}".encode())
            answer = function(session, **given)
            session.rollback()
        else:
            claims = {"role": query.role} | ({"sub": person} if query.role == "authenticated" else {})
            with running.as_person(session, claims):
                answer = function(session, **given)
                raise psycopg.Rollback
    assert fits(answer, wanted), answer
    assert answer or wanted is types.NoneType or query.name in EMPTY, "it found nothing, so this says nothing"


def test_pages_by_key_have_every_row_once_in_order(connection, person):
    with psycopg.connect(connection.info.dsn, password=connection.info.password) as session:
        with running.as_person(session, {"role": "anon"}):
            found = [each for page in client.list_public_projects_pages(session) for each in page]
            once = session.execute("select id from public.projects order by updated_at desc, id desc").fetchall()
    assert [each.id for each in found] == [id for (id,) in once]
    assert len(found) > 40


def test_claims_end_with_the_block_and_never_outlive_it(connection, person):
    claims = {"sub": person, "role": "authenticated"}
    who = "select current_user, current_setting('request.jwt.claims', true)"
    with psycopg.connect(connection.info.dsn, password=connection.info.password) as session:
        before = row(session, "select current_user")
        with pytest.raises(running.QueryError, match="is in a transaction"), running.as_person(session, claims):
            pass
        session.commit()
        with running.as_person(session, claims):
            assert row(session, who) == ("authenticated", json.dumps(claims))
        assert row(session, who) == (*before, "")
        session.commit()
        for _ in range(10):
            with running.as_person(session, claims):
                client.list_public_projects(session)
        # A pooler in transaction mode may hand the next transaction to a server that has none of them.
        assert row(session, "select count(*) from pg_prepared_statements where statement ~* 'claims|projects'") == (0,)
        session.commit()
        with pytest.raises(running.QueryError, match="everything was taken back"):
            with running.as_person(session, claims), suppress(psycopg.Error):
                session.execute("select 1 / 0")
        assert session.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with pytest.raises(running.QueryError, match="nobody becomes app_owner"):
            with running.as_person(session, {"role": "app_owner"}):
                pass


def test_the_files_are_those_of_the_database(product: Complete):
    stale = [path for path, text in files.made(product.database.url).items() if path.read_text() != text]
    if stale:
        pytest.fail("\n".join(f"{path} is out of date: run make types" for path in stale), pytrace=False)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_the_example_of_its_page_calls_it_as_it_is(query):
    (text,) = re.findall(r"```python\n(.*?)```", (pages.FOLDER / f"{query.name}.md").read_text(), re.DOTALL)
    calls = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    called = [call for call in calls if call.func.id.removesuffix("_pages") == query.name]
    assert len(called) == 1
    (call,) = called
    given = {word.arg: None for word in call.keywords}
    inspect.signature(getattr(client, call.func.id)).bind(*call.args, **given)
    assert f"import {call.func.id}\n" in text


def test_the_example_of_the_page_about_clients_makes_a_project(connection, person, product: Complete, monkeypatch):
    (text,) = re.findall(r"```python\n(.*?)```", (CHECKOUT / "docs" / "clients.md").read_text(), re.DOTALL)
    monkeypatch.setenv("DATABASE_URL", product.url("authenticator"))
    names: dict[str, Any] = {"person": person}
    exec(compile(text, "clients.md", "exec"), names)
    assert [each.kind for each in names["found"]] == ["text"]


def test_what_is_declared_of_patterns_is_of_one_that_there_is():
    parameters = {f"{query.name}.{facts.PARAMETERS.get(name, name)}" for query in QUERIES for name in query.parameters}
    assert parameters >= facts.NULLABLE_PARAMETERS | facts.PARAMETER_VALUES.keys()
    assert {name for query in QUERIES for name in query.parameters} >= facts.PARAMETERS.keys()
    assert {query.name for query in QUERIES} >= {name.partition(".")[0] for name in facts.EXPRESSIONS}
