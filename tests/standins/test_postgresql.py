"""The stand-in for the official postgresql provider, against real servers: one contract for every type, then each.

What the types are compared with is a copy of the official schema, `postgresql_schema.json`.
"""

import asyncio
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.standins.postgresql import verifier
from local.standins.postgresql.grant import hashed
from local.standins.postgresql.provider import ARGUMENTS, REFUSED_ARGUMENTS, TYPES, PostgresqlPlugin
from plugin.proto import provider_pb2, provider_pb2_grpc
from plugin.server import Context, Diff, PluginError, Resource
from plugin.wire import UNKNOWN, decode, encode

ROOT = Path(__file__).resolve().parents[2]
OFFICIAL = json.loads(Path(__file__).with_name("postgresql_schema.json").read_text())
# Never a literal: what must not come out of an error is looked for in every error.
SECRET = "-".join(["open", "sesame", "4711"])
_numbers = itertools.count()


def unique(stem: str) -> str:
    """A role name of its own: roles belong to the whole server."""
    return f"{stem}_{os.getpid()}_{next(_numbers)}"


def arguments(database: Any) -> dict[str, Any]:
    return {
        "host": database.host,
        "port": str(database.port),
        "username": database.user,
        "password": database.password,
        "database": database.name,
        "sslmode": "disable",
    }


async def _silent(urn: str, message: str, ephemeral: bool) -> None:
    pass


@dataclass
class Stack:
    """The plugin as the engine uses it, and the server behind it for changes by hand."""

    database: Any
    plugin: PostgresqlPlugin
    roles: list[str] = field(default_factory=list)

    def urn(self, token: str, name: str = "thing") -> str:
        return f"urn:pulumi:dev::vpb::{token}::{name}"

    def context(self, token: str, name: str = "thing") -> Context:
        return Context(self.urn(token, name), _silent)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def role(self, stem: str = "role") -> str:
        name = unique(stem)
        self.sql(f"create role {name}")
        self.roles.append(name)
        return name

    def check(self, token: str, inputs: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Any]:
        checked, failures = self.failures(token, inputs, old)
        assert failures == [], "the inputs of this test are meant to be right"
        return dict(checked)

    def failures(self, token: str, inputs: dict[str, Any], old: dict[str, Any] | None = None) -> tuple[Any, list[str]]:
        kind = self.plugin.kinds[token]
        checked, failures = asyncio.run(kind.check(self.context(token), old or {}, inputs))
        return checked, [f"{failure.property} {failure.reason}".strip() for failure in failures]

    def create(self, token: str, inputs: dict[str, Any], preview: bool = False) -> tuple[str, dict[str, Any]]:
        return asyncio.run(self.plugin.kinds[token].create(self.context(token), self.check(token, inputs), preview))

    def diff(self, token: str, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Diff:
        news = self.check(token, inputs, state)
        return asyncio.run(self.plugin.kinds[token].diff(self.context(token), id, state, news))

    def update(
        self, token: str, id: str, state: dict[str, Any], inputs: dict[str, Any], preview: bool = False
    ) -> dict[str, Any]:
        news = self.check(token, inputs, state)
        return asyncio.run(self.plugin.kinds[token].update(self.context(token), id, state, news, preview))

    def read(
        self, token: str, id: str, state: dict[str, Any] | None = None, inputs: dict[str, Any] | None = None
    ) -> Resource | None:
        return asyncio.run(self.plugin.kinds[token].read(self.context(token), id, state or {}, inputs or {}))

    def found(self, token: str, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource:
        found = self.read(token, id, state, self.check(token, inputs, state))
        assert found is not None, f"{id} is there and isn't found"
        return found

    def delete(self, token: str, id: str, state: dict[str, Any]) -> None:
        asyncio.run(self.plugin.kinds[token].delete(self.context(token), id, state))


def configured(to: Any, **changes: Any) -> PostgresqlPlugin:
    plugin = PostgresqlPlugin()
    asyncio.run(plugin.configure({**arguments(to), **changes}))
    return plugin


@pytest.fixture
def stack(database):
    made = Stack(database, configured(database))
    yield made
    for name in made.roles:
        if made.sql(f"select 1 from pg_roles where rolname = '{name}'"):
            made.sql(f"drop owned by {name}; drop role {name}")


@pytest.fixture
def unconnected():
    """For what is decided before anything is asked: no server, no database to clone."""
    return Stack(None, PostgresqlPlugin())


def token(name: str) -> str:
    return f"postgresql:index/{name[0].lower()}{name[1:]}:{name}"


ROLE, MEMBERSHIP, GRANT, DEFAULTS = token("Role"), token("GrantRole"), token("Grant"), token("DefaultPrivileges")
EXTENSION, SCHEMA, PUBLICATION, DATABASE = (
    token("Extension"), token("Schema"), token("Publication"), token("Database")
)  # fmt: skip


@dataclass
class Case:
    """What the contract needs to know of a type."""

    inputs: dict[str, Any]
    id: str
    by_hand: str
    drifts: str


def role_case(stack: Stack) -> Case:
    name, group = unique("app"), stack.role("group")
    stack.roles.append(name)
    inputs = {"name": name, "login": True, "password": SECRET, "roles": [group], "searchPaths": ["$user", "My App"]}
    inputs |= {"statementTimeout": 30_000, "connectionLimit": 7, "validUntil": "2044-01-01", "assumeRole": group}
    return Case(inputs, name, f"alter role {name} connection limit 9", "connectionLimit")


def membership_case(stack: Stack) -> Case:
    role, group = stack.role("member"), stack.role("group")
    by_hand = f"grant {group} to {role} with admin option"
    return Case({"role": role, "grantRole": group}, f"{role}_{group}_false", by_hand, "withAdminOption")


def table_case(stack: Stack) -> Case:
    stack.sql("create table public.first_one (id int, body text); create table public.second (id int)")
    role, database = stack.role(), stack.database.name
    objects = hashed(["first_one", "second"])
    inputs = {"role": role, "database": database, "schema": "public", "objectType": "table"}
    inputs |= {"objects": ["second", "first_one"], "privileges": ["UPDATE", "SELECT"]}
    id = f"{role}_{database}_public_table_{'_'.join(objects)}"
    return Case(inputs, id, f"grant delete on public.second to {role}", "privileges")


def column_case(stack: Stack) -> Case:
    stack.sql("create table public.notes (id int, body text, kind text); ")
    role, database = stack.role(), stack.database.name
    stack.sql(f"grant select (id) on public.notes to {role}")
    columns = "_".join(hashed(["body", "kind"]))
    inputs = {"role": role, "database": database, "schema": "public", "objectType": "column"}
    inputs |= {"objects": ["notes"], "columns": ["body", "kind"], "privileges": ["UPDATE"]}
    id = f"{role}_{database}_public_column_notes_{columns}"
    return Case(inputs, id, f"revoke update (body) on public.notes from {role}", "privileges")


def schema_grant_case(stack: Stack) -> Case:
    stack.sql("create schema app_data")
    role, database = stack.role(), stack.database.name
    inputs = {"role": role, "database": database, "schema": "app_data", "objectType": "schema", "privileges": ["USAGE"]}
    by_hand = f"grant create on schema app_data to {role}"
    return Case(inputs, f"{role}_{database}_app_data_schema", by_hand, "privileges")


def database_grant_case(stack: Stack) -> Case:
    role, database = stack.role(), stack.database.name
    inputs = {"role": role, "database": database, "objectType": "database", "privileges": ["ALL"]}
    by_hand = f"revoke create on database {database} from {role}"
    return Case(inputs, f"{role}_{database}_database", by_hand, "privileges")


def function_grant_case(stack: Stack) -> Case:
    stack.sql("create function public.twice(int) returns int language sql return $1 * 2")
    role, database = stack.role(), stack.database.name
    inputs = {"role": role, "database": database, "schema": "public", "objectType": "function"}
    inputs |= {"objects": ["twice"], "privileges": ["EXECUTE"]}
    by_hand = f"grant execute on function public.twice to {role} with grant option"
    return Case(inputs, f"{role}_{database}_public_function_twice", by_hand, "withGrantOption")


def defaults_case(stack: Stack) -> Case:
    role, owner, database = stack.role(), stack.role("owner"), stack.database.name
    inputs = {"role": role, "owner": owner, "database": database, "schema": "public", "objectType": "table"}
    inputs |= {"privileges": ["SELECT", "INSERT"]}
    by_hand = f"alter default privileges for role {owner} in schema public revoke insert on tables from {role}"
    return Case(inputs, f"{role}_{database}_public_{owner}_table", by_hand, "privileges")


def extension_case(stack: Stack) -> Case:
    stack.sql("create schema extensions; create schema elsewhere")
    inputs = {"name": "pg_trgm", "schema": "extensions", "database": stack.database.name}
    return Case(inputs, f"{stack.database.name}.pg_trgm", "alter extension pg_trgm set schema elsewhere", "schema")


def schema_case(stack: Stack) -> Case:
    owner, other = stack.role("owner"), stack.role("other")
    by_hand = f"alter schema app owner to {other}"
    return Case({"name": "app", "owner": owner}, f"{stack.database.name}.app", by_hand, "owner")


def publication_case(stack: Stack) -> Case:
    stack.sql("create table public.a (id int primary key); create table public.b (id int primary key)")
    inputs = {"name": "live", "tables": ["public.b", "public.a"], "publishParams": ["update", "insert"]}
    return Case(inputs, f"{stack.database.name}.live", "alter publication live drop table public.a", "tables")


def database_case(stack: Stack) -> Case:
    name, owner = unique("shop"), stack.role("owner")
    inputs = {"name": name, "owner": owner, "connectionLimit": 5}
    return Case(inputs, name, f"alter database {name} connection limit 6", "connectionLimit")


CASES: dict[str, tuple[str, Callable[[Stack], Case]]] = {
    "role": (ROLE, role_case),
    "membership": (MEMBERSHIP, membership_case),
    "grant on tables": (GRANT, table_case),
    "grant on columns": (GRANT, column_case),
    "grant on a schema": (GRANT, schema_grant_case),
    "grant on a database": (GRANT, database_grant_case),
    "grant on a function": (GRANT, function_grant_case),
    "default privileges": (DEFAULTS, defaults_case),
    "extension": (EXTENSION, extension_case),
    "schema": (SCHEMA, schema_case),
    "publication": (PUBLICATION, publication_case),
    "database": (DATABASE, database_case),
}


@pytest.mark.parametrize("name", CASES)
def test_every_type_keeps_the_contract_from_create_to_gone(stack, name):
    kind, make = CASES[name]
    case = make(stack)
    id, state = stack.create(kind, case.inputs)
    assert id == case.id, "the id is the official provider's"
    assert stack.diff(kind, id, state, case.inputs).changes == {}, "after create nothing differs"
    found = stack.found(kind, id, state, case.inputs)
    assert (found.id, found.state) == (id, state), "what a read finds is what create said"
    assert stack.diff(kind, id, found.state, case.inputs).changes == {}
    assert found.inputs.items() >= case.inputs.items(), "undrifted inputs come back as they were written"

    stack.sql(case.by_hand)
    drifted = stack.found(kind, id, state, case.inputs)
    diff = stack.diff(kind, id, drifted.state, case.inputs)
    assert list(diff.changes) == [case.drifts], "the change by hand is seen, and nothing else"
    if diff.replaces:
        assert diff.delete_before_replace, "a grant that is created first would be taken along by the delete"
        stack.delete(kind, drifted.id, drifted.state)
        _, repaired = stack.create(kind, case.inputs)
    else:
        repaired = stack.update(kind, id, drifted.state, case.inputs)
    assert stack.diff(kind, id, stack.found(kind, id, repaired, case.inputs).state, case.inputs).changes == {}

    imported = stack.read(kind, id)
    assert imported is not None, "the id alone finds the object"
    assert imported.id == id
    assert stack.diff(kind, id, imported.state, imported.inputs).changes == {}
    without = {name: value for name, value in case.inputs.items() if name != "password"}
    with_password = {**without, **({"password": imported.inputs["password"]} if "password" in case.inputs else {})}
    changes = stack.diff(kind, id, imported.state, with_password).changes
    assert set(changes) <= {"validUntil"}, "an import fits the program that made the object"

    stack.delete(kind, id, repaired)
    assert stack.read(kind, id, repaired, case.inputs) is None
    stack.delete(kind, id, repaired)


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.__name__)
def test_declared_and_refused_properties_are_those_of_the_official_schema(type_):
    official = OFFICIAL["resources"][type_.token]
    inputs = official["inputs"]
    assert set(type_.properties) | type_.refused == set(inputs)
    assert not set(type_.properties) & type_.refused
    for name, declared in type_.properties.items():
        spelled = ["array", "string"] if declared.type == "strings" else declared.type
        assert spelled == inputs[name]["type"], name
        assert declared.replaces == inputs[name].get("replaceOnChanges", False), name
        assert declared.secret == inputs[name].get("secret", False), name
    assert {name for name, declared in type_.properties.items() if declared.required} == set(official["requiredInputs"])


@pytest.mark.parametrize("name", CASES)
def test_every_output_that_the_official_schema_promises_is_there(stack, name):
    kind, make = CASES[name]
    case = make(stack)
    id, state = stack.create(kind, case.inputs)
    official = OFFICIAL["resources"][kind]
    assert set(official["requiredOutputs"]) <= set(state) <= set(official["outputs"])
    stack.delete(kind, id, state)


def test_arguments_of_the_provider_are_those_of_the_official_schema():
    assert set(OFFICIAL["config"]) == ARGUMENTS | REFUSED_ARGUMENTS
    assert not ARGUMENTS & REFUSED_ARGUMENTS


def test_an_argument_that_is_not_supported_is_refused_by_name():
    failures = asyncio.run(PostgresqlPlugin().check_config({"host": "h", "awsRdsIamAuth": "true", "colour": "red"}))
    assert [f"{failure.property} {failure.reason}".strip() for failure in failures] == [
        "provider: awsRdsIamAuth is not supported by the offline stand-in",
        "colour the official postgresql provider has no such argument",
    ]


@pytest.mark.parametrize("type_", TYPES, ids=lambda type_: type_.__name__)
def test_a_property_that_is_unknown_or_refused_is_an_error_that_names_it(unconnected, type_):
    _, failures = unconnected.failures(type_.token, {"colour": "red", **dict.fromkeys(type_.refused, SECRET)})
    assert f"colour the official provider's {type_.what} has no such property" in failures
    for name in type_.refused:
        assert f"{type_.what}: {name} is not supported by the offline stand-in" in failures
    assert SECRET not in str(failures)


@pytest.mark.parametrize(
    ("kind", "inputs", "complaint"),
    [
        (GRANT, {"objectType": "table", "privileges": ["SELEC"]}, "privileges SELEC is no privilege of a table"),
        (GRANT, {"objectType": "tables", "privileges": []}, "objectType tables is none of"),
        (GRANT, {"objectType": "column", "privileges": ["SELECT"], "objects": ["a"]}, "columns is required"),
        (GRANT, {"objectType": "schema", "privileges": [], "objects": ["a"]}, "objects can't be given"),
        (GRANT, {"objectType": "schema", "privileges": []}, ""),
        (GRANT, {"objectType": "schema", "privileges": "USAGE"}, "privileges must be a list of texts: privileges"),
        (DEFAULTS, {"objectType": "schema", "privileges": ["USAGE"], "owner": "o"}, "schema can't be given"),
        (ROLE, {"name": "r", "encryptedPassword": False}, "encryptedPassword must be true"),
        (ROLE, {"name": "r", "connectionLimit": -2}, "connectionLimit must be -1 or more"),
        (PUBLICATION, {"name": "p", "publishParams": ["upsert"]}, "publishParams upsert is none of"),
        (PUBLICATION, {"name": "p", "allTables": True, "tables": ["a"]}, "tables can't be given together"),
        (MEMBERSHIP, {"role": "r"}, "grantRole is required"),
    ],
)
def test_inputs_that_cannot_be_meant_are_refused_before_anything_is_touched(unconnected, kind, inputs, complaint):
    place = {"role": "r", "database": "d", "schema": "s"} if kind in (GRANT, DEFAULTS) else {}
    _, failures = unconnected.failures(kind, {**place, **inputs})
    assert bool(failures) == bool(complaint)
    assert "".join(failures).startswith(complaint)


def test_a_resource_without_a_name_is_named_after_the_program_and_keeps_that_name(unconnected):
    first = unconnected.check(SCHEMA, {})
    assert first["name"].startswith("thing-")
    assert len(first["name"]) == len("thing-") + 7
    assert unconnected.check(SCHEMA, {}, first)["name"] == first["name"]


def test_a_preview_touches_nothing_and_knows_what_the_inputs_say(stack):
    id, state = stack.create(SCHEMA, {"name": "later"}, preview=True)
    assert (id, state["name"], state["owner"]) == ("", "later", UNKNOWN)
    assert stack.sql("select 1 from pg_namespace where nspname = 'later'") == []


def test_a_host_that_is_not_known_yet_leaves_the_provider_unconnected(unconnected):
    stack = unconnected
    asyncio.run(stack.plugin.configure({"host": UNKNOWN, "port": "5432", "database": "d"}))
    assert stack.create(SCHEMA, {"name": "later"}, preview=True)[1]["name"] == "later"
    state = {"name": "app", "database": "d", "owner": "o"}
    assert stack.update(SCHEMA, "d.app", state, {"name": "web"}, preview=True)["name"] == "web"
    kept = stack.read(SCHEMA, "d.app", state, {"name": "app"})
    assert kept is not None
    assert kept.state == state
    with pytest.raises(PluginError, match="the provider isn't configured"):
        stack.create(SCHEMA, {"name": "later"})


def test_a_property_that_is_not_known_yet_counts_as_a_change(unconnected):
    state = {"name": "app", "database": "d", "owner": "o", "dropCascade": False, "ifNotExists": True}
    diff = unconnected.diff(SCHEMA, "d.app", state, {"name": "app", "owner": UNKNOWN})
    assert diff.changes == {"owner": "update"}


def one_line(failure: pytest.ExceptionInfo[PluginError]) -> str:
    text = str(failure.value)
    assert "\n" not in text
    assert SECRET not in text
    return text


def test_a_role_that_exists_is_refused_with_what_to_do(stack):
    name = stack.role()
    with pytest.raises(PluginError) as failure:
        stack.create(ROLE, {"name": name, "password": SECRET})
    assert one_line(failure) == (
        f'role {name}: role "{name}" already exists (42710); adopt it with `pulumi import`, or choose another name'
    )


def test_a_publication_that_exists_is_refused(stack):
    stack.sql("create publication live")
    with pytest.raises(PluginError) as failure:
        stack.create(PUBLICATION, {"name": "live"})
    assert 'publication "live" already exists (42710)' in one_line(failure)


def test_a_schema_that_exists_is_adopted_unless_the_program_says_otherwise(stack):
    owner = stack.role("owner")
    stack.sql("create schema app")
    _, state = stack.create(SCHEMA, {"name": "app", "owner": owner})
    assert state["owner"] == owner
    with pytest.raises(PluginError) as failure:
        stack.create(SCHEMA, {"name": "app", "ifNotExists": False})
    assert "(42P06)" in one_line(failure)


def test_an_extension_that_exists_is_adopted_and_moved_to_where_it_is_declared(stack):
    stack.sql("create schema extensions; create extension pg_trgm with schema public")
    _, state = stack.create(EXTENSION, {"name": "pg_trgm", "schema": "extensions"})
    assert state["schema"] == "extensions"


def test_an_extension_without_a_schema_goes_to_public(stack):
    assert stack.create(EXTENSION, {"name": "pg_trgm"})[1]["schema"] == "public"


def test_a_schema_with_contents_goes_only_with_drop_cascade(stack):
    id, state = stack.create(SCHEMA, {"name": "app"})
    stack.sql("create table app.notes (id int)")
    with pytest.raises(PluginError) as failure:
        stack.delete(SCHEMA, id, state)
    assert "(2BP01)" in one_line(failure)
    stack.delete(SCHEMA, id, stack.update(SCHEMA, id, state, {"name": "app", "dropCascade": True}))
    assert stack.sql("select 1 from pg_namespace where nspname = 'app'") == []


@pytest.mark.parametrize(
    ("kind", "inputs", "attribute"),
    [
        (ROLE, {"login": True}, "name"),
        (SCHEMA, {}, "name"),
        (PUBLICATION, {}, "name"),
        (DATABASE, {}, "name"),
    ],
)
def test_a_new_name_is_an_update_and_the_object_stays(stack, kind, inputs, attribute):
    old, new = unique("before"), unique("after")
    id, state = stack.create(kind, {**inputs, attribute: old})
    diff = stack.diff(kind, id, state, {**inputs, attribute: new})
    assert diff.changes == {attribute: "update"}
    renamed = stack.update(kind, id, state, {**inputs, attribute: new})
    assert stack.found(kind, id, renamed, {**inputs, attribute: new}).state == renamed
    stack.delete(kind, id, renamed)
    assert stack.read(kind, id, renamed, {**inputs, attribute: new}) is None


def test_a_password_is_stored_as_a_verifier_and_a_change_by_hand_is_drift(stack):
    name = unique("login")
    stack.roles.append(name)
    inputs = {"name": name, "login": True, "password": SECRET}
    id, state = stack.create(ROLE, inputs)
    stored = stack.sql(f"select rolpassword from pg_authid where rolname = '{name}'")[0][0]
    assert stored.startswith("SCRAM-SHA-256$")
    assert state["password"] == SECRET, "as the official provider, the state keeps what was declared, as a secret"
    stack.sql(f"alter role {name} password 'another'")
    drifted = stack.found(ROLE, id, state, inputs)
    assert list(stack.diff(ROLE, id, drifted.state, inputs).changes) == ["password"]
    assert drifted.state["password"].startswith("SCRAM-SHA-256$")
    repaired = stack.update(ROLE, id, drifted.state, inputs)
    assert repaired["password"] == SECRET
    assert stack.diff(ROLE, id, repaired, {"name": name, "login": True}).changes == {"password": "delete"}
    bare = stack.update(ROLE, id, repaired, {"name": name, "login": True})
    assert "password" not in bare
    assert stack.sql(f"select rolpassword from pg_authid where rolname = '{name}'") == [(None,)]


@pytest.mark.parametrize("password", [SECRET, "pä\u00adss\u1680wört ⅷ", "x" * 200], ids=["ascii", "prepared", "long"])
def test_the_check_of_a_password_agrees_with_the_server(stack, password):
    name = stack.role("login")
    with psycopg.connect(stack.database.url, autocommit=True) as connection:
        made = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    assert verifier.matches(made, password, name)
    assert not verifier.matches(made, password + "x", name)
    assert verifier.matches(made, made, name)


def test_a_verifier_is_sent_as_it_is(stack):
    name = unique("login")
    stack.roles.append(name)
    with psycopg.connect(stack.database.url) as connection:
        made = connection.pgconn.encrypt_password(SECRET.encode(), name.encode(), b"scram-sha-256").decode()
    inputs = {"name": name, "login": True, "password": made}
    id, state = stack.create(ROLE, inputs)
    assert stack.sql(f"select rolpassword from pg_authid where rolname = '{name}'") == [(made,)]
    assert stack.diff(ROLE, id, stack.found(ROLE, id, state, inputs).state, inputs).changes == {}


def test_no_statement_and_no_error_carries_the_password(stack, monkeypatch):
    seen: list[str] = []
    execute = psycopg.AsyncConnection.execute

    async def spying(self: Any, query: Any, *rest: Any, **named: Any) -> Any:
        seen.append(query.as_string(self) if hasattr(query, "as_string") else str(query))
        return await execute(self, query, *rest, **named)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", spying)
    name = unique("login")
    stack.roles.append(name)
    id, state = stack.create(ROLE, {"name": name, "password": SECRET, "login": True})
    stack.update(ROLE, id, state, {"name": name, "password": SECRET + "2", "login": True})
    for wrong in ({"validUntil": "yesteryear"}, {"roles": ["nobody at all"]}, {"name": name}, {"name": "pg_reserved"}):
        with pytest.raises(PluginError) as failure:
            stack.create(ROLE, {"name": unique("login"), "password": SECRET, **wrong})
        one_line(failure)
    assert any("password 'SCRAM-SHA-256$" in statement for statement in seen), "the spy sees the statements"
    assert SECRET not in "".join(seen)


def test_an_update_says_only_what_changed_so_that_a_login_without_superuser_may_do_it(stack):
    admin, name = stack.role("admin"), unique("app")
    stack.sql(f"alter role {admin} login createrole password '{SECRET}'")
    stack.sql(f'grant create, connect on database "{stack.database.name}" to {admin}')
    humble = Stack(stack.database, configured(stack.database, username=admin, password=SECRET, superuser="false"))
    id, state = humble.create(ROLE, {"name": name, "login": True, "password": SECRET})
    assert state["password"] == SECRET, "without a right to see the stored verifier the recorded password stands"
    state = humble.update(ROLE, id, state, {"name": name, "login": False, "connectionLimit": 3})
    assert (state["login"], state["connectionLimit"]) == (False, 3)
    schema_id, schema = humble.create(SCHEMA, {"name": "theirs", "owner": name})
    assert schema["owner"] == name, "the login acts for the owner while it hands the schema over"
    humble.delete(SCHEMA, schema_id, schema)
    lent = f"select 1 from pg_auth_members where member = '{admin}'::regrole and grantor = '{admin}'::regrole"
    assert stack.sql(lent) == [], "what the login lent itself is given back"
    with pytest.raises(PluginError) as failure:
        humble.update(ROLE, id, state, {"name": name, "superuser": True, "connectionLimit": 3})
    assert "(42501); use a login that may do this" in one_line(failure)
    humble.delete(ROLE, id, state)
    assert humble.read(ROLE, id, state, {"name": name}) is None


def test_roles_that_another_resource_granted_show_as_drift_as_the_official_provider_has_it(stack):
    name, group = unique("app"), stack.role("group")
    stack.roles.append(name)
    id, state = stack.create(ROLE, {"name": name})
    stack.sql(f"grant {group} to {name}")
    found = stack.found(ROLE, id, state, {"name": name})
    assert stack.diff(ROLE, id, found.state, {"name": name}).changes == {"roles": "delete"}
    assert found.inputs["roles"] == [group], "what ignoreChanges puts back is what is there"


def test_all_privileges_stay_equal_after_create_and_read(stack):
    stack.sql("create table public.notes (id int)")
    role = stack.role()
    inputs = {"role": role, "database": stack.database.name, "schema": "public", "objectType": "table"}
    inputs |= {"privileges": ["ALL"]}
    id, state = stack.create(GRANT, inputs)
    assert state["privileges"] == ["ALL"]
    spelled = {**inputs, "privileges": ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]}
    spelled["privileges"] += ["MAINTAIN"] if stack.database.server_version >= 170000 else []
    assert stack.diff(GRANT, id, state, spelled).changes == {}
    stack.sql("create table public.later (id int)")
    drifted = stack.found(GRANT, id, state, inputs)
    assert drifted.state["privileges"] == [], "a table that came later has none of them"
    repaired = stack.update(GRANT, id, drifted.state, inputs)
    assert stack.found(GRANT, id, repaired, inputs).state["privileges"] == ["ALL"]


def test_a_grant_on_all_tables_of_an_empty_schema_is_there(stack):
    role = stack.role()
    inputs = {"role": role, "database": stack.database.name, "schema": "public", "objectType": "table"}
    inputs |= {"privileges": ["SELECT"]}
    id, state = stack.create(GRANT, inputs)
    assert stack.diff(GRANT, id, stack.found(GRANT, id, state, inputs).state, inputs).changes == {}


def test_an_empty_list_takes_the_built_in_privileges_of_public(stack):
    stack.sql("create function public.f() returns int language sql return 1")
    inputs = {"role": "public", "database": stack.database.name, "schema": "public", "objectType": "function"}
    inputs |= {"objects": ["f()"], "privileges": []}
    id, state = stack.create(GRANT, inputs)
    assert stack.sql("select has_function_privilege('pg_monitor', 'public.f()', 'execute')") == [(False,)]
    stack.sql("grant execute on function public.f() to public")
    drifted = stack.found(GRANT, id, state, inputs)
    assert drifted.state["privileges"] == ["EXECUTE"]
    stack.update(GRANT, id, drifted.state, inputs)
    assert stack.sql("select has_function_privilege('pg_monitor', 'public.f()', 'execute')") == [(False,)]


def test_a_default_that_is_built_in_is_seen_before_it_is_taken_away(stack):
    owner = stack.role("owner")
    inputs = {"role": "public", "owner": owner, "database": stack.database.name, "objectType": "function"}
    inputs |= {"privileges": []}
    id, state = stack.create(DEFAULTS, inputs)
    assert stack.diff(DEFAULTS, id, stack.found(DEFAULTS, id, state, inputs).state, inputs).changes == {}
    stack.sql(f"alter default privileges for role {owner} grant execute on functions to public")
    assert stack.found(DEFAULTS, id, state, inputs).state["privileges"] == ["EXECUTE"]


def test_an_overloaded_function_is_granted_by_its_argument_types(stack):
    stack.sql("create function public.f(text, char) returns int language sql return 1")
    stack.sql("create function public.f(int) returns int language sql return 1")
    role = stack.role()
    inputs = {"role": role, "database": stack.database.name, "schema": "public", "objectType": "function"}
    inputs |= {"objects": ["f(text, char)"], "privileges": ["EXECUTE"]}
    stack.sql("revoke execute on all functions in schema public from public")
    id, state = stack.create(GRANT, inputs)
    check = f"select has_function_privilege('{role}', 'public.f({{}})', 'execute')"
    assert stack.sql(check.format("text, char")) == [(True,)]
    assert stack.sql(check.format("int")) == [(False,)]
    assert stack.diff(GRANT, id, stack.found(GRANT, id, state, inputs).state, inputs).changes == {}


def test_a_grant_on_a_table_that_was_dropped_is_gone_and_its_delete_is_no_error(stack):
    stack.sql("create table public.a (id int); create table public.b (id int)")
    role = stack.role()
    inputs = {"role": role, "database": stack.database.name, "schema": "public", "objectType": "table"}
    inputs |= {"objects": ["a"], "privileges": ["SELECT"]}
    id, state = stack.create(GRANT, inputs)
    stack.sql(f"grant select on public.b to {role}; drop table public.a")
    assert stack.read(GRANT, id, state, inputs) is None
    stack.delete(GRANT, id, state)
    assert stack.sql(f"select has_table_privilege('{role}', 'public.b', 'select')") == [(True,)]


def test_twelve_plugins_can_grant_on_one_table_at_once(stack):
    stack.sql("create table public.notes (id int)")
    plugins = [configured(stack.database) for _ in range(12)]
    roles = [stack.role() for _ in plugins]

    async def grant(plugin: PostgresqlPlugin, role: str) -> Any:
        kind, database = plugin.kinds[GRANT], stack.database.name
        inputs = {"role": role, "database": database, "schema": "public", "objectType": "table"}
        inputs |= {"objects": ["notes"], "privileges": ["SELECT"]}
        return await kind.create(stack.context(GRANT), inputs, False)

    async def all_at_once() -> list[Any]:
        pairs: list[Awaitable[Any]] = [grant(*pair) for pair in zip(plugins, roles, strict=True)]
        return await asyncio.gather(*pairs, return_exceptions=True)

    results = asyncio.run(all_at_once())
    assert [result for result in results if isinstance(result, Exception)] == []
    for role in roles:
        assert stack.sql(f"select has_table_privilege('{role}', 'public.notes', 'select')") == [(True,)]


def test_every_session_is_named_has_an_empty_search_path_and_waits_ten_seconds_for_a_lock(stack):
    async def session() -> Any:
        async with stack.plugin.server.session("test") as connection:
            cursor = await connection.execute(
                "select current_setting('search_path'), current_setting('lock_timeout'),"
                " current_setting('application_name')"
            )
            return await cursor.fetchone()

    assert asyncio.run(session()) == ('""', "10s", "pulumi-resource-postgresql")


def test_an_error_does_not_repeat_the_statement(stack):
    async def fail() -> None:
        async with stack.plugin.server.session("table nowhere") as connection:
            await connection.execute(f"select '{SECRET}' from nowhere".encode())

    with pytest.raises(PluginError) as failure:
        asyncio.run(fail())
    assert one_line(failure) == 'table nowhere: relation "nowhere" does not exist (42P01); create the table first'


def test_a_failed_call_leaves_nothing_behind(stack):
    name = unique("app")
    with pytest.raises(PluginError):
        stack.create(ROLE, {"name": name, "roles": ["nobody_at_all"]})
    assert stack.sql(f"select 1 from pg_roles where rolname = '{name}'") == []


def test_a_server_that_is_not_there_is_named_with_login_and_advice(database):
    stack = Stack(database, configured(database, host="127.0.0.1", port="1", username="somebody", password=SECRET))
    with pytest.raises(PluginError) as failure:
        stack.create(SCHEMA, {"name": "app"})
    assert one_line(failure) == (
        f"can't connect to postgresql at 127.0.0.1 port 1 as somebody, database {database.name}: "
        "nothing listens there; start the server, or correct host and port"
    )


def test_a_wrong_database_is_one_line_that_says_so(database):
    stack = Stack(database, configured(database, database="no_such_place", password=database.password))
    with pytest.raises(PluginError) as failure:
        stack.create(SCHEMA, {"name": "app"})
    assert 'database "no_such_place" does not exist; check the provider\'s host' in one_line(failure)


def test_objects_of_a_database_that_is_gone_are_gone_too(stack):
    state = {"name": "app", "database": "no_such_place", "owner": "o"}
    assert stack.read(SCHEMA, "no_such_place.app", state, {"name": "app", "database": "no_such_place"}) is None
    stack.delete(SCHEMA, "no_such_place.app", state)


@pytest.mark.parametrize("kind", [SCHEMA, EXTENSION, PUBLICATION])
def test_an_id_of_another_form_is_refused(stack, kind):
    with pytest.raises(PluginError, match="noseparator is not the id of a"):
        stack.read(kind, "noseparator")


def test_the_executable_answers_the_engine_from_a_folder_whose_path_has_blanks(database, tmp_path):
    import grpc

    checkout = tmp_path / "a checkout"
    checkout.symlink_to(ROOT, target_is_directory=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [str(checkout / "local/standins/bin/pulumi-resource-postgresql")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PATH": path}, cwd=tmp_path) as process:
        assert process.stdout is not None
        channel = grpc.insecure_channel(f"127.0.0.1:{process.stdout.readline().decode().strip()}")
        try:
            _talk(provider_pb2_grpc.ResourceProviderStub(channel), database)
        finally:
            channel.close()
            process.kill()


def _talk(engine: Any, database: Any) -> None:
    engine.Configure(provider_pb2.ConfigureRequest(args=encode(arguments(database), ["password"])))
    urn, name = f"urn:pulumi:dev::vpb::vpb:index:Access${ROLE}::app", unique("wire")
    news = encode({"name": name, "login": True, "password": SECRET}, ["password"])
    checked = engine.Check(provider_pb2.CheckRequest(urn=urn, news=news))
    assert not checked.failures
    created = engine.Create(provider_pb2.CreateRequest(urn=urn, properties=checked.inputs))
    assert created.id == name
    assert "password" in decode(created.properties).secrets, "a password leaves as a secret"
    request = provider_pb2.DiffRequest(urn=urn, id=name, olds=created.properties, news=checked.inputs)
    assert engine.Diff(request).changes == provider_pb2.DiffResponse.DIFF_NONE
    request = provider_pb2.ReadRequest(urn=urn, id=name, properties=created.properties, inputs=checked.inputs)
    assert decode(engine.Read(request).properties) == decode(created.properties)
    engine.Delete(provider_pb2.DeleteRequest(urn=urn, id=name, properties=created.properties))
    assert engine.Read(request).id == ""
