"""`./vpb adopt` in a project like a hosted one of Supabase: what is the platform's isn't taken and stays as it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from components import inputs
from declared import adopted
from harness import program, stack
from harness.stack import Run, Stack
from ops.adopt import run
from tests.doubles import supabasecatalogue, supabaselike
from tests.doubles.supabasecatalogue import Lines
from tests.doubles.supabaselike import SupabaseLike

# One server, whose tests go on from each other.
pytestmark = pytest.mark.xdist_group("supabaselike")
APP = (Path(__file__).parent / "app.sql").read_text()
FOLDER = "adopted/app"


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
            known = supabasecatalogue.roles(connection)
        with psycopg.connect(double.url(), autocommit=True) as connection:
            connection.execute(APP.encode())
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
    assert world.said["left"] == []
    facts = adopted.read(FOLDER, world.root).facts
    assert {*facts.schemas} == {"public"}
    assert facts.extensions == {"pg_trgm": "extensions"}
    assert facts.watched == ("auth", "storage")
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
    assert "create role" not in baseline
    assert "CREATE POLICY" not in baseline


def test_nothing_was_changed_and_the_preview_is_empty(world):
    assert (world.lines() - world.before, world.before - world.lines()) == (frozenset(), frozenset())
    second = world.stack.preview()
    assert (second.changes, second.errors) == ({}, {})
    assert [line for line in second.messages if "row security left open" not in line] == []


def test_the_history_of_the_cli_has_its_own_rows_alone(world):
    found = world.sql("select version from supabase_migrations.schema_migrations order by 1")
    assert found == [("20240101000000",), ("20240301000000",)]


def test_what_is_changed_in_the_dashboard_is_named_and_put_back(world):
    world.sql('alter policy "Anyone can upload an avatar." on storage.objects with check (true)')
    world.sql("update storage.buckets set public = true where id = 'private files'")
    world.sql("alter publication supabase_realtime add table public.profiles")
    world.sql("grant truncate on public.countries to authenticator")
    seen = world.stack.preview()
    assert {*seen.changes} == {
        "adopted-storage.objects-Anyone can upload an avatar.",
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
        "create schema supabase_functions",
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
