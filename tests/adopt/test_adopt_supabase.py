"""`./vpb adopt` in a project like a hosted one of Supabase: what is the platform's isn't taken and stays as it is."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from components import inputs
from declared import adopted, sqlfiles
from declared.paths import CHECKOUT
from declared.sqlfiles import STANDIN
from harness import program, scratch, stack
from harness.stack import Run, Stack
from ops.adopt import run
from ops.adopt.found import LEFT
from tests.doubles import supabasecatalogue, supabaselike
from tests.doubles.supabasecatalogue import Lines
from tests.doubles.supabaselike import SupabaseLike

# One server, whose tests go on from each other.
pytestmark = pytest.mark.xdist_group("supabaselike")
APP = (Path(__file__).parent / "app.sql").read_text()
FOLDER = "adopted/app"
# What the platform makes from the start, and when the first webhook is made.
WEBHOOKS = """
create extension "uuid-ossp" schema extensions; create extension supabase_vault schema vault;
create schema supabase_functions; grant usage on schema supabase_functions to postgres;
create function supabase_functions.http_request() returns trigger language plpgsql as $$ begin return new; end $$;
"""
STATES = """
alter table auth.users enable always trigger call_out_always;
alter table auth.users disable trigger call_out;
comment on trigger call_out on auth.users is 'off for now';
"""
STANDS_IN = ("auth", "storage", "realtime")
# Of the double's platform, what baselines don't refer to.
BESIDE = ("realtime.subscription", "realtime.schema_migrations")
SHAPE = """
select 'column', c.oid::regclass || '.' || a.attname, concat(format_type(a.atttypid, a.atttypmod), a.attnotnull,
    a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
from pg_class as c join pg_attribute as a on a.attrelid = c.oid left join pg_attrdef as d
    on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace::regnamespace::text = any (%(schemas)s) and c.relkind in ('r', 'p') and a.attnum > 0
    and not c.oid::regclass::text = any (%(beside)s)
union all
select 'row security', c.oid::regclass::text, concat(c.relrowsecurity, c.relowner::regrole) from pg_class as c
where c.relnamespace::regnamespace::text = any (%(schemas)s) and c.relkind in ('r', 'p')
    and not c.oid::regclass::text = any (%(beside)s)
union all
select 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) from pg_constraint
where connamespace::regnamespace::text = any (%(schemas)s) and not conrelid::regclass::text = any (%(beside)s)
union all
select 'function', oid::regprocedure::text, concat(prosrc, prosecdef, provolatile, prorettype::regtype) from pg_proc
where pronamespace::regnamespace::text = any (%(schemas)s)
union all
select 'type', t.oid::regtype::text, string_agg(e.enumlabel, ', ' order by e.enumsortorder) from pg_type as t
join pg_enum as e on e.enumtypid = t.oid where t.typnamespace::regnamespace::text = any (%(schemas)s) group by t.oid
union all
select 'role', rolname, rolbypassrls::text from pg_roles where rolname in ('anon', 'authenticated', 'service_role')"""


def shape(connection: psycopg.Connection) -> set[tuple[Any, ...]]:
    """What an app may refer to: tables, columns, keys, functions, types and the roles of the API."""
    given = {"schemas": list(STANDS_IN), "beside": list(BESIDE)}
    connection.execute("set search_path = ''")
    return {*connection.execute(SHAPE.encode(), given).fetchall()}


@dataclass
class World:
    """The double, an app in it, what adoption said of it, and the stack that has taken it over."""

    double: SupabaseLike
    root: Path
    said: dict[str, Any]
    known: list[str]
    before: Lines
    stack: Stack
    first: Run

    def lines(self) -> Lines:
        with psycopg.connect(self.double.platform()) as connection:
            return supabasecatalogue.lines(connection, self.known)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.double.url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("adopted")
    patch = pytest.MonkeyPatch()
    patch.setattr(inputs, "CHECKOUT", root)
    with supabaselike.server() as double:
        with psycopg.connect(double.platform()) as connection:
            connection.execute(WEBHOOKS.encode())
            known = supabasecatalogue.roles(connection)
        with psycopg.connect(double.url(), autocommit=True) as connection:
            connection.execute(APP.encode())
        with psycopg.connect(double.platform()) as connection:
            connection.execute(STATES.encode())
        said = run.adopt(double.url(), FOLDER, root)
        declared = stack.resources(program.run(adopted=FOLDER, target="supabase", url=stack.ELSEWHERE))
        made = Stack(double.url(), declared, root)
        found = World(double, root, said, known, frozenset(), made, made.preview())
        found.before = found.lines()
        assert found.first.errors == {}
        assert made.up().errors == {}
        yield found
    patch.undo()


def test_the_app_is_taken_and_the_platform_is_not(world):
    assert world.said["left"] == [
        f"{name}: {LEFT}"
        for name in (
            "default privileges of role postgres in schema api",
            "membership of role api_reader in authenticated",
            "revoke of delete on table public.countries from its owner postgres",
            "setting work_mem of the database",
        )
    ]
    facts = adopted.read(FOLDER, world.root).facts
    assert {*facts.schemas} == {"api", "public"}
    assert facts.extensions == {"pg_cron": "pg_catalog", "pg_trgm": "extensions"}
    assert facts.watched == ("auth", "realtime", "storage")
    assert facts.row_security["public.countries"] == "left open"
    assert facts.buckets["avatars"] == {
        "public": True,
        "fileSizeLimit": 1048576,
        "allowedMimeTypes": ["image/png", "image/jpeg"],
    }
    assert {name: each["tables"] for name, each in facts.publications.items()} == {
        "supabase_realtime": ["public.posts"]
    }
    baseline = (world.root / FOLDER / "sql/migrations/0001_baseline.up.sql").read_text()
    assert "CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users" in baseline
    assert "alter table auth.users enable always trigger call_out_always;" in baseline
    assert "alter table auth.users disable trigger call_out;" in baseline
    assert world.said["taken"]["triggers on tables of others"] == 3
    assert re.findall("create role (.*?);", baseline) == ["api_reader nologin"]
    assert "CREATE POLICY" not in baseline


def test_nothing_was_changed_and_the_preview_is_empty(world):
    assert (world.lines() - world.before, world.before - world.lines()) == (frozenset(), frozenset())
    second = world.stack.preview()
    assert (second.changes, second.errors) == ({}, {})
    assert [line for line in second.messages if "row security left open" not in line] == []


def test_the_history_of_the_cli_has_its_own_rows_alone(world):
    found = world.sql("select version from supabase_migrations.schema_migrations order by 1")
    assert found == [("20240101000000",), ("20240301000000",)]


@pytest.fixture(scope="module")
def local(world: World) -> Iterator[tuple[Stack, psycopg.Connection, Run]]:
    """The same app on a server that has no platform, as the target `local` brings it up."""
    shutil.copytree(CHECKOUT / STANDIN.folder, world.root / STANDIN.folder)
    with scratch.server() as made:
        with psycopg.connect(made.url(), autocommit=True) as connection:
            connection.execute("create database app")
        found = Stack(made.url("app"), stack.resources(program.run(adopted=FOLDER, url=stack.ELSEWHERE)), world.root)
        first = found.up()
        assert first.errors == {}
        with psycopg.connect(found.url, autocommit=True) as connection:
            yield found, connection, first


def test_the_app_comes_up_where_there_is_no_platform(local):
    found, connection, _ = local
    assert found.preview().changes == {}
    connection.execute("insert into auth.users (id) values ('00000000-0000-4000-8000-000000000001')")
    assert connection.execute("select count(*) from public.profiles").fetchone() == (1,)
    assert {name for (name,) in connection.execute("select id from storage.buckets").fetchall()} == {
        "avatars",
        "private files",
    }


def test_what_stands_in_for_the_platform_is_what_the_platform_has(world, local):
    with psycopg.connect(world.double.platform()) as connection:
        wanted = shape(connection)
    assert wanted == shape(local[1])
    assert {kind for kind, *_ in wanted} == {"column", "constraint", "function", "role", "row security", "type"}


def test_nothing_that_stands_in_is_open_to_the_roles_of_an_api(local):
    reached = """
        select c.oid::regclass::text from pg_class as c, unnest(array['anon', 'authenticated', 'service_role']) as r
        where c.relnamespace::regnamespace::text = any (%s) and c.relkind in ('r', 'p') and not c.relrowsecurity
            and has_table_privilege(r, c.oid, 'select, insert, update, delete, truncate, references, trigger')"""
    assert local[1].execute(reached, [list(STANDS_IN)]).fetchall() == []
    logins = "select rolname from pg_roles where rolname <> 'postgres' and (rolcanlogin or rolsuper)"
    assert local[1].execute(logins).fetchall() == []


def test_what_the_server_lacks_of_the_platform_is_left_out_and_named(local):
    _, connection, first = local
    assert [line.partition("warning: ")[2] for line in first.messages if "left out" in line] == [
        f"left out, the server lacks its extension: {what}" for what in ("extension pg_cron", "cron job tidy")
    ]
    connection.execute("insert into public.tags default values")
    assert connection.execute("select pg_typeof(id)::text from public.tags").fetchall() == [("uuid",)]


def test_it_refuses_on_the_platform_itself(world):
    declared = stack.resources(program.run(adopted=FOLDER, url=stack.ELSEWHERE))
    refused = Stack(world.double.url(), declared, world.root).up().errors
    assert "set the stack's database:target to supabase" in str(refused)


def test_what_is_changed_in_the_dashboard_is_named_and_put_back(world):
    world.sql('alter policy "Anyone can upload an avatar." on storage.objects with check (true)')
    world.sql("update storage.buckets set public = true where id = 'private files'")
    world.sql("alter publication supabase_realtime add table public.profiles")
    world.sql("grant truncate on public.countries to authenticator")
    seen = world.stack.preview()
    assert {*seen.changes} == {
        "adopted-storage.objects/Anyone can upload an avatar.",
        "adopted-bucket-private files",
        "adopted-publication-supabase_realtime",
        "adopted-table-grants-public.countries",
    }
    assert world.stack.up().errors == {}
    assert world.stack.preview().changes == {}


def test_a_trigger_on_a_table_of_the_platform_that_is_gone_stops_up(world):
    ((definition,),) = world.sql("select pg_get_triggerdef(oid) from pg_trigger where tgname = 'on_auth_user_created'")
    world.sql("drop trigger on_auth_user_created on auth.users")
    assert "table auth.users: trigger on_auth_user_created" in str(world.stack.up().errors)
    world.sql(definition)
    assert world.stack.preview().changes == {}


def test_a_release_of_the_platform_leaves_the_preview_empty(world):
    world.double.release(
        "alter table auth.users add column nickname text",
        "create table auth.passkeys (id uuid primary key)",
        "create schema supabase_more",
        "create publication supabase_more",
        "create event trigger more on ddl_command_end execute function extensions.pgrst_ddl_watch()",
        "alter default privileges for role supabase_admin in schema storage grant select on tables to anon",
        "alter database postgres set statement_timeout = '3min'",
        "grant truncate on table storage.objects to supabase_etl_admin",
    )
    assert world.stack.preview().changes == {}


def test_a_destroy_takes_nothing(world):
    before = world.lines()
    assert world.stack.down().errors == {}
    assert world.lines() == before
    assert world.sql("select count(*) from pg_policies where schemaname in ('public', 'storage')") == [(5,)]


def test_what_stands_in_goes_again(local):
    found, connection, _ = local
    connection.execute("create database again")
    url = found.url.removesuffix("/app") + "/again"
    steps = sqlfiles.steps(found.checkout / STANDIN.folder)
    with psycopg.connect(url, autocommit=True) as again:
        for script in [*(step.up for step in steps), *(step.down for step in reversed(steps))]:
            with again.transaction():
                again.execute(script.encode())
        left = "select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'"
        assert again.execute(left).fetchall() == [("public",)]
