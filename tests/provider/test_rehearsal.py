"""A preview is tried on a copy of the structure: it fails where `up` would, and leaves no trace."""

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from declared import sqlfiles
from declared.paths import CHECKOUT
from harness.engine import Refusal
from provider import scratchdatabase
from provider.steps.serverwide import beyond
from tests.provider.folders import TOKEN, Folder, one_line
from tests.provider.world import COPIES

TRIED = "(tried on a copy of the structure, nothing was changed)"
GRANTS, POLICY, ROWS, ROLE = (f"pg:index:{name}" for name in ("Grants", "Policy", "RowSecurity", "Role"))
READS = {"kind": "table", "name": "public.first", "grants": {"{reader}": ["select(id)"]}}
OWN = {
    "table": "public.first",
    "name": "first_own",
    "kind": "permissive",
    "command": "select",
    "roles": ["{reader}"],
    "using": "id = 1",
    "location": "sql/policies/public.first.sql:3",
}


@pytest.fixture
def applied(folder: Folder) -> Folder:
    folder.table("0001_first")
    folder.engine.create(TOKEN, folder.declared(role="app_owner"))
    return folder


def copies(folder: Folder) -> list[tuple[object, ...]]:
    return folder.world.sql(COPIES)


def preview(folder: Folder) -> None:
    """What the engine asks about the migrations in a preview, with those that the history has."""
    thing = folder.engine.bring_in(TOKEN, "sql/steps")
    assert thing is not None
    declared = folder.declared(role="app_owner")
    folder.engine.diff(thing, declared)
    folder.engine.update(thing, declared, preview=True)


@contextmanager
def red(folder: Folder, pattern: str) -> Iterator[None]:
    """A preview that fails; to a login that can't copy all of it, a line that says so."""
    if folder.world.superuser:
        with pytest.raises(Refusal, match=f"{pattern}.*tried on a copy of the structure, nothing was changed"):
            yield
    else:
        yield
        said = folder.engine.reported()[-1]
        assert re.search(pattern, said)
        assert said.startswith("failed on a copy that isn't whole (")


def test_a_migration_that_fails_fails_in_the_preview_with_file_and_line(applied):
    applied.write("0002_wrong", "alter table public.first add column x int;\nalter tabel public.first;")
    with pytest.raises(Refusal) as caught:
        preview(applied)
    said = one_line(caught)
    assert said.startswith("migration 0002_wrong: syntax error at or near")
    assert "sql/steps/0002_wrong.up.sql:5" in said
    assert said.endswith(TRIED)
    assert applied.recorded() == ["0001"]


def test_the_copy_is_gone_at_the_end_of_the_run_and_nobody_else_could_enter_it(applied):
    applied.table("0002_second")
    preview(applied)
    ((name,),) = copies(applied)
    public = f"select count(*) from pg_database, aclexplode(datacl) a where datname = '{name}' and a.grantee = 0"
    assert applied.world.sql(public) == [(0,)]
    assert applied.tables() == ["first"]
    applied.engine.run(applied.engine.plugin.leave())
    assert copies(applied) == []


SLOW_VACUUM = """
create table public.second (id integer) with (
    autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1
);
insert into public.second select generate_series(1, 50000);
delete from public.second where id % 2 = 0;
"""
VACUUMED = """
select count(*) from pg_stat_activity
where backend_type = 'autovacuum worker' and starts_with(datname, 'visual_prompt_builder_scratch_')"""


def test_the_copy_goes_while_autovacuum_is_in_it(applied):
    """It is a superuser's, and `drop database with (force)` refuses all others then."""
    applied.world.sql("alter system set autovacuum_naptime = 1")
    applied.world.sql("select pg_reload_conf()")
    try:
        applied.write("0002_second", SLOW_VACUUM)
        preview(applied)
        until = time.monotonic() + 30
        while applied.world.sql(VACUUMED) == [(0,)] and time.monotonic() < until:
            time.sleep(0.05)
        assert applied.world.sql(VACUUMED) == [(1,)]
        applied.engine.run(applied.engine.plugin.leave())
        assert copies(applied) == []
    finally:
        applied.world.sql("alter system reset autovacuum_naptime")
        applied.world.sql("select pg_reload_conf()")


def test_a_run_that_is_ended_meanwhile_blames_no_migration(applied):
    applied.write("0002_slow", "select pg_sleep(60);")
    engine = applied.engine
    thing = engine.bring_in(TOKEN, "sql/steps")
    declared = engine.check(TOKEN, applied.declared(role="app_owner"))
    asleep = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"

    async def leave() -> None:
        while applied.world.sql(asleep) == [(0,)]:
            await asyncio.sleep(0.05)
        await engine.plugin.leave()

    tried, left = engine.together(engine.updating(thing, declared, preview=True), leave())
    assert left is None
    assert str(tried) == "the run was ended while this was tried on a copy of the structure; nothing was changed"


def test_rows_stay_where_they_are(applied):
    applied.world.sql("insert into public.first values (7)")
    applied.write("0002_looks", "do $$ begin if exists (select from public.first) then raise 'a row'; end if; end $$;")
    preview(applied)


def test_a_privilege_on_a_column_that_a_migration_renames_is_red(applied):
    world, engine = applied.world, applied.engine
    thing = engine.create(GRANTS, world.named(READS))
    assert engine.diff(thing) == []
    applied.write("0002_rename", "alter table public.first rename column id to number;")
    preview(applied)
    # `up` would find another list after the migration, though neither state nor declaration has changed.
    assert engine.diff(thing) == world.named(['grants["{reader}"]'])
    with red(applied, r'column "id" of relation "first" does not exist \(42703\)'):
        engine.update(thing, world.named(READS), preview=True)


def test_a_policy_that_is_left_behind_by_a_rollback_is_red(applied):
    world, engine = applied.world, applied.engine
    switches = {"table": "public.first", "policies": ["first_own"], "enabled": True, "forced": True}
    engine.create(ROWS, switches)
    policy = engine.create(POLICY, world.named(OWN))
    applied.remove("0001_first")
    preview(applied)
    assert engine.diff(policy) != []
    with red(applied, r'"public.first" does not exist.*public\.first\.sql:3'):
        engine.update(policy, world.named(OWN), preview=True)
    assert applied.tables() == ["first"]


def test_what_a_migration_takes_along_is_put_back_in_the_same_run(applied):
    world, engine = applied.world, applied.engine
    thing = engine.create(GRANTS, world.named(READS))
    applied.write("0002_revokes", f"revoke select (id) on public.first from {world.names['reader']};")
    found = engine.bring_in(TOKEN, "sql/steps")
    engine.update(found, applied.declared(role="app_owner"))
    assert engine.diff(thing) == world.named(['grants["{reader}"]'])
    engine.update(thing, world.named(READS))
    assert engine.diff(thing) == []


def test_what_reaches_beyond_the_database_is_not_run_in_a_preview(applied):
    made = applied.world.names["made"]
    applied.write("0002_role", f"select 1;\ncreate role {made};", f"drop role {made};")
    preview(applied)
    assert applied.world.sql(f"select 1 from pg_roles where rolname = '{made}'") == []
    (said,) = [line for line in applied.engine.reported() if "tried" in line]
    assert said == (
        "nothing more is tried before `up`: sql/steps/0002_role.up.sql:5 says `create role`, which may reach beyond "
        "this database"
    )


def test_what_waits_for_a_role_of_this_run_is_not_tried(applied):
    world, engine = applied.world, applied.engine
    engine.create(ROLE, {"name": world.names["made"]}, preview=True)
    engine.create(GRANTS, world.named({**READS, "grants": {"{made}": ["select"]}}), preview=True)
    assert (
        engine.reported()[-1] == f"nothing more is tried before `up`: this run makes role {world.names['made']} first"
    )


def test_a_role_that_nothing_makes_is_red(applied):
    with red(applied, 'role "nobody_at_all" does not exist'):
        applied.engine.create(GRANTS, {**READS, "grants": {"nobody_at_all": ["select"]}}, preview=True)


def test_the_privileges_on_a_database_are_not_tried(applied):
    name = applied.world.database.name
    applied.engine.create(GRANTS, {"kind": "database", "name": name, "grants": {}}, preview=True)
    assert copies(applied) == []


def test_without_a_pg_dump_it_says_that_nothing_is_tried(applied, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    applied.write("0002_wrong", "alter tabel public.first;")
    preview(applied)
    assert "the search path has no pg_dump of PostgreSQL" in applied.engine.reported()[-1]


def test_a_login_that_may_make_no_database_says_that_nothing_is_tried(applied):
    if applied.world.superuser:
        pytest.skip("a superuser may")
    applied.world.sql(f"alter role {applied.world.names['master']} nocreatedb")
    try:
        applied.table("0002_second")
        preview(applied)
        assert "permission denied to create database" in applied.engine.reported()[-1]
    finally:
        applied.world.sql(f"alter role {applied.world.names['master']} createdb")


def test_a_copy_that_a_killed_run_has_left_is_dropped_by_the_next_one(applied):
    left = f"{scratchdatabase.PREFIX}{int(time.time()) - 700:08x}_00000000"
    young = f"{scratchdatabase.PREFIX}{int(time.time()):08x}_00000001"
    # Made by the same login.
    login = applied.engine.plugin._connections.info.url
    with psycopg.connect(login, autocommit=True) as connection:
        for name in (left, young):
            connection.execute(f"create database {name} template template0".encode())
    applied.table("0002_second")
    preview(applied)
    found = {name for (name,) in copies(applied)}
    assert left not in found
    assert young in found
    applied.world.sql(f"drop database {young}")
    applied.engine.run(applied.engine.plugin.leave())


@pytest.mark.parametrize(
    "text",
    [
        "alter role x set search_path = ''",
        "create user x",
        "grant x to y",
        "grant admin option for x to y",
        'revoke "x", y from z',
        "grant connect on database x to y",
        "comment on role x is 'y'",
        "alter system set x = 1",
        "drop owned by x",
        "copy x from program 'y'",
        "copy x to '/tmp/x'",
        "do $$ begin execute 'alter database x set y = z'; end $$",
        "select pg_terminate_backend(1)",
        "select pg_create_logical_replication_slot('x', 'pgoutput')",
        "create subscription x connection 'y' publication z",
        "select cron.schedule('x', '* * * * *', 'select 1')",
        "reset role",
        "set local role postgres",
        "do $$ begin execute format('grant %I to %I', a, b); end $$",
        "alter /* who */ role x login",
        "do $$ begin perform '--'; execute 'alter role x login'; end $$",
        "copy x to E'/tmp/x'",
        "select http_post('https://example.org', '')",
        "select aws_lambda.invoke('x')",
        "create extension x",
    ],
)
def test_beyond_the_database(text):
    line, words = beyond(f"select 1;\n-- alter role in a comment\n{text};") or (0, "")
    assert line == 3
    assert words


@pytest.mark.parametrize(
    "text",
    [
        "create user mapping for x server y",
        "alter default privileges for role x grant select on tables to y",
        "grant select on table x to y",
        "comment on column x.role is 'a role'",
        "copy x (a) from stdin",
        "create policy x on y to authenticated using (true)",
    ],
)
def test_within_the_database(text):
    assert beyond(text) is None


def test_most_migrations_of_this_project_can_be_tried():
    """The others act as the login that provisions, on tables of the platform, or name what ends another session."""
    found = sqlfiles.read(CHECKOUT).steps["sql/migrations"]
    left = {(beyond(step.up) or (0, ""))[1] for step in found}
    assert left == {"", "reset role", "pg_cancel_backend"}
    assert len([step for step in found if not beyond(step.up)]) > 25


def test_a_set_that_runs_as_who_may_change_the_server_is_not_tried(applied):
    for role in (None, applied.world.names["master"]):
        applied.table("0002_second")
        thing = applied.engine.bring_in(TOKEN, "sql/steps")
        applied.engine.update(thing, applied.declared(**({"role": role} if role else {})), preview=True)
        assert "which may change the whole server" in applied.engine.reported()[-1]
        assert copies(applied) == []
        applied.engine.run(applied.engine.plugin.leave())
