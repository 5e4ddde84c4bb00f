"""What live databases have before us: row policies and tables as found, a history that another tool writes too."""

import pytest

from harness.engine import Refusal
from ops.migrations import run
from ops.migrations.job import Options
from tests.provider.folders import HISTORY, Folder
from tests.provider.world import World

POLICY = {
    "table": "public.notes",
    "name": 'Notes of "all"',
    "command": "all",
    "roles": ["public"],
    "using": "(title = 'a'::text)",
}
LEFT = {"table": "public.notes", "policies": [], "enabled": False, "forced": False, "left": "found so"}


def policy_oid(world: World) -> int:
    ((oid,),) = world.sql("select oid from pg_policy where polrelid = 'public.notes'::regclass")
    return int(oid)


def test_an_equal_policy_is_taken_over_and_not_made_again(plain_world):
    plain_world.sql("""create policy "Notes of ""all\""" on public.notes using (title = 'a')""")
    before = policy_oid(plain_world)
    thing = plain_world.engine.create("pg:index:Policy", POLICY)
    assert policy_oid(plain_world) == before
    assert plain_world.engine.diff(plain_world.engine.refresh(thing)) == []
    commented = plain_world.engine.create("pg:index:Policy", {**POLICY, "comment": "As found."})
    assert policy_oid(plain_world) == before
    assert plain_world.engine.diff(plain_world.engine.refresh(commented)) == []


def test_a_policy_without_an_expression_is_taken_over(plain_world):
    plain_world.sql("create policy nothing on public.notes for select to public")
    inputs = {"table": "public.notes", "name": "nothing", "command": "select", "roles": ["public"]}
    thing = plain_world.engine.create("pg:index:Policy", inputs)
    assert plain_world.engine.diff(plain_world.engine.refresh(thing)) == []


def test_a_table_without_row_security_is_named_at_every_preview(plain_world):
    plain_world.sql("alter table public.notes disable row level security, no force row level security")
    thing = plain_world.engine.create("pg:index:RowSecurity", LEFT)
    plain_world.engine.reported()
    thing = plain_world.engine.refresh(thing)
    (said,) = plain_world.engine.reported()
    assert said.startswith("row security left open: every row of public.notes is reached by each role")
    assert plain_world.engine.diff(thing) == []


def test_row_security_that_was_enabled_since_is_not_disabled(plain_world):
    plain_world.sql("alter table public.notes disable row level security, no force row level security")
    thing = plain_world.engine.create("pg:index:RowSecurity", LEFT)
    plain_world.sql("alter table public.notes enable row level security")
    seen = plain_world.engine.refresh(thing)
    assert plain_world.engine.diff(seen) == ["enabled"]
    with pytest.raises(Refusal, match="it was enabled since it was adopted, and isn't disabled"):
        plain_world.engine.update(seen, LEFT)


def of_the_cli(folder: Folder) -> list[str]:
    versions = ["20230101120000", "20240229235959"]
    folder.world.sql(
        "create schema supabase_migrations; create table supabase_migrations.schema_migrations "
        "(version text primary key, statements text[], name text, created_by text, idempotency_key text unique)"
    )
    for version, name in zip(versions, ("'remote_schema'", "null"), strict=True):
        folder.world.sql(f"insert into {HISTORY} (version, name) values ('{version}', {name})")
    return versions


def test_rows_of_another_tool_stand_beside_ours(plain_folder):
    theirs = of_the_cli(plain_folder)
    plain_folder.table("0001_first")
    thing = plain_folder.refreshed(plain_folder.up())
    assert plain_folder.engine.diff(thing, plain_folder.declared()) == []
    plain_folder.table("0002_second")
    thing = plain_folder.refreshed(plain_folder.engine.update(thing, plain_folder.declared()))
    plain_folder.remove("0002_second")
    thing = plain_folder.engine.update(thing, plain_folder.declared())
    assert plain_folder.recorded() == ["0001", *theirs]
    url = plain_folder.world.login["url"]
    (found,) = run.run("status", "dev", url, True, Options("sql/steps")).values()
    assert (found["applied"], found["unknown"], found["of other tools"]) == (["0001_first"], [], theirs)


def test_a_destroy_leaves_the_rows_of_another_tool(plain_folder):
    theirs = of_the_cli(plain_folder)
    plain_folder.table("0001_first")
    thing = plain_folder.up()
    plain_folder.engine.delete(thing)
    assert plain_folder.recorded() == theirs
