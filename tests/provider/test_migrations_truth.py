"""MigrationSet against a database that isn't what the state says: restored, older, renamed, held by others too."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from harness.engine import Engine, Refusal
from provider.steps import losses
from tests.provider.folders import HISTORY, TOKEN, Folder, one_line


@pytest.fixture
def two(plain_folder: Folder) -> Folder:
    for name in ("0001_first", "0002_second"):
        plain_folder.table(name)
    return plain_folder


@contextlib.contextmanager
def another(folder: Folder, name: str) -> Iterator[Engine]:
    """A plugin process for a resource of another name in the same stack."""
    engine = folder.world.second_engine()
    engine.name = name
    try:
        yield engine
    finally:
        engine.close()


def copied(folder: Folder) -> None:
    """What a backup of the history has; `restored` brings it back."""
    tables = ("", "_rolled_back", "_progress", "_incarnation")
    for table in tables:
        folder.world.sql(f"create table extra.kept{table} as table {HISTORY}{table}")


def restored(folder: Folder, *gone: str) -> None:
    """The database as it was at the copy: later tables are gone, the history is the old one."""
    for table in ("", "_rolled_back", "_progress", "_incarnation"):
        folder.world.sql(
            f"delete from {HISTORY}{table}; insert into {HISTORY}{table} select * from extra.kept{table}; "
            f"drop table extra.kept{table}"
        )
    for table in gone:
        folder.world.sql(f"drop table {table}")


# A database that was restored to an earlier instant.


def test_a_step_that_a_restored_database_does_not_have_runs_again(two):
    thing = two.up()
    copied(two)
    two.table("0003_third")
    thing = two.engine.update(thing, two.declared())
    restored(two, "public.third")
    found = two.refreshed(thing)
    said = two.engine.reported()
    assert len(said) == 1
    assert "the database was restored to an earlier instant" in said[0]
    assert "0003_third isn't applied" in said[0]
    assert two.engine.diff(found, two.declared()) == ['steps["0003_third"]']
    assert two.engine.reported() == ["apply 0003_third"]
    updated = two.engine.update(found, two.declared())
    assert two.tables() == ["first", "second", "third"], "recorded only, it would be missing for ever"
    assert two.engine.diff(two.refreshed(updated), two.declared()) == []


def test_without_a_refresh_too(two):
    thing = two.up()
    copied(two)
    two.table("0003_third")
    thing = two.engine.update(thing, two.declared())
    restored(two, "public.third")
    two.engine.update(thing, two.declared())
    assert two.tables() == ["first", "second", "third"]


def test_a_database_restored_to_before_a_rollback_is_rolled_back_again(two):
    thing = two.up()
    copied(two)
    two.remove("0002_second")
    thing = two.engine.update(thing, two.declared())
    restored(two)
    two.world.sql("create table public.second (id int primary key)")
    updated = two.engine.update(two.refreshed(thing), two.declared())
    assert two.tables() == ["first"]
    assert two.recorded() == ["0001"]
    assert two.engine.diff(two.refreshed(updated), two.declared()) == []


def test_an_older_state_file_is_mended_as_a_lost_one_is(two):
    old = two.up()
    two.table("0003_third")
    two.engine.update(old, two.declared())
    two.world.sql("insert into public.third values (1)")
    found = two.refreshed(old)
    updated = two.engine.update(found, two.declared())
    assert two.world.sql("select id from public.third") == [(1,)]
    assert two.engine.diff(two.refreshed(updated), two.declared()) == []


# What a failed run has committed.


def test_the_steps_of_a_failed_run_are_rolled_back_once_their_files_are_gone(two):
    thing = two.up()
    two.table("0003_third")
    two.write("0004_fails", "select 1 / 0;")
    with pytest.raises(Refusal, match="division by zero"):
        two.engine.update(thing, two.declared())
    assert two.tables() == ["first", "second", "third"]
    two.remove("0003_third")
    two.remove("0004_fails")
    found = two.refreshed(thing)
    assert two.engine.diff(found, two.declared()) == ['steps["0003_third"]']
    two.engine.update(found, two.declared())
    assert two.tables() == ["first", "second"]


def test_the_steps_of_a_failed_first_run_too(two):
    two.write("0003_fails", "select 1 / 0;")
    with pytest.raises(Refusal, match="division by zero"):
        two.up()
    two.remove("0003_fails")
    two.remove("0002_second")
    two.up()
    assert two.tables() == ["first"]


# Renamed files.


def test_a_step_whose_files_are_renamed_keeps_its_tables_and_its_rows(two):
    thing = two.up()
    two.world.sql("insert into public.second values (1)")
    for script in ("up", "down"):
        two.path.joinpath(f"0002_second.{script}.sql").rename(two.path / f"0002_other.{script}.sql")
    found = two.refreshed(thing)
    two.engine.diff(found, two.declared())
    assert two.engine.reported() == ["rename 0002_second to 0002_other: the text is the same, it doesn't run again"]
    updated = two.engine.update(found, two.declared(protect=True))
    assert two.world.sql("select id from public.second") == [(1,)]
    assert two.world.sql(f"select version, name from {HISTORY}") == [("0001", "first"), ("0002", "other")]
    assert two.engine.diff(two.refreshed(updated), two.declared(protect=True)) == []
    two.remove("0002_other")
    two.engine.update(updated, two.declared())
    assert two.tables() == ["first"]


def test_a_step_that_gets_another_number_keeps_its_rows_and_its_place(two):
    thing = two.up()
    two.world.sql("insert into public.second values (1)")
    two.remove("0002_second")
    two.table("0002_between")
    two.write("0003_second", "create table public.second (id int primary key);", "drop table public.second;")
    with pytest.raises(Refusal, match=r"0002_between\.up\.sql:1: is new but comes before 0003_second"):
        two.engine.update(two.refreshed(thing), two.declared())
    assert two.world.sql("select id from public.second") == [(1,)]


# The name of the resource, other stacks.


def test_another_name_of_the_resource_drops_nothing(two):
    old = two.up()
    two.world.sql("insert into public.first values (1)")
    with another(two, "renamed") as engine:
        thing = engine.create(TOKEN, two.declared())
        two.engine.delete(old)
        assert two.engine.reported() == [
            "migrations sql/steps: 2 migrations stay with their tables and rows, since "
            "urn:pulumi:dev::vpb::vpb:index:Access$pg:index:MigrationSet::renamed holds them"
        ]
        assert two.world.sql("select id from public.first") == [(1,)]
        assert two.recorded() == ["0001", "0002"]
        assert engine.diff(engine.refresh(thing), two.declared()) == []
        two.remove("0002_second")
        engine.update(thing, two.declared())
        assert two.tables() == ["first"], "the new resource alone holds them now"


def test_what_another_stack_holds_too_is_not_rolled_back(two):
    thing = two.up()
    with another(two, "elsewhere") as engine:
        other = engine.create(TOKEN, two.declared())
        two.remove("0002_second")
        with pytest.raises(Refusal) as caught:
            two.engine.update(thing, two.declared())
        assert one_line(caught).startswith(
            "migration 0002_second: urn:pulumi:dev::vpb::vpb:index:Access$pg:index:MigrationSet::elsewhere holds it too"
        )
        assert two.tables() == ["first", "second"]
        engine.delete(other)
        two.engine.update(thing, two.declared())
        assert two.tables() == ["first"]


def test_what_holds_rows_is_deleted_by_a_destroy_of_its_own_stack_alone(two, monkeypatch):
    thing = two.up()
    two.world.sql("insert into public.first values (1), (2)")
    for stack in ("", "other"):
        monkeypatch.setenv("VPB_DESTROY", stack)
        with pytest.raises(Refusal) as caught:
            two.engine.delete(thing)
        assert one_line(caught) == (
            "migrations sql/steps: deleting it rolls back 2 migrations: this drops 2 tables with 2 rows "
            "(public.first: 2, public.second: 0); only a destroy of the stack does that. Put the resource back, or, if "
            "you mean it, run `./pulumiw destroy`"
        )
    monkeypatch.setenv("VPB_DESTROY", "dev")
    two.engine.delete(thing)
    assert two.tables() == []


@pytest.mark.parametrize("kind", ["partitioned", "uncountable"])
def test_what_cannot_be_counted_is_not_taken_for_empty(two, monkeypatch, kind):
    if kind == "partitioned":
        two.write(
            "0002_second",
            "create table public.second (id int) partition by range (id);"
            "create table public.second_1 partition of public.second for values from (0) to (9);",
            "drop table public.second;",
        )
    thing = two.up()
    two.world.sql("insert into public.second values (1)")
    monkeypatch.setattr(losses, "COUNT_MILLISECONDS", 1)
    blocking = psycopg.connect(two.world.database.url)
    blocking.execute("lock table public.second in access exclusive mode")
    try:
        with pytest.raises(Refusal, match=r"drops 2 tables with about 1 row .* only a destroy"):
            two.engine.delete(thing)
    finally:
        blocking.close()


def test_a_table_without_its_schema_counts_as_something_that_is_lost(two):
    two.write("0003_third", "create table public.third (id int);", "set search_path = public; drop table third;")
    thing = two.up()
    with pytest.raises(Refusal, match="runs code that drops or deletes; only a destroy"):
        two.engine.delete(thing)


def test_a_rollback_says_in_words_what_it_destroys(two):
    thing = two.up()
    two.world.sql("insert into public.second select generate_series(1, 1200)")
    two.remove("0002_second")
    two.engine.diff(thing, two.declared())
    assert two.engine.reported() == ["roll back 0002_second: this drops 1 table with 1,200 rows (public.second: 1,200)"]


LOST_UNDER_ANOTHER_NAME = {
    "alter table public.second rename to s_old; drop table public.s_old;": (
        "drops 1 table with 1,200 rows (public.second: 1,200)"
    ),
    "create schema x; alter table public.second set schema x; drop schema x cascade;": (
        "drops 1 table with 1,200 rows (public.second: 1,200)"
    ),
    "do $$ begin alter table public.second rename to made; end $$; drop table public.made;": (
        "runs code that drops or deletes"
    ),
    "alter table public.second alter id type text using null;": (
        "overwrites or converts 1 column with 1,200 rows (public.second.id: 1,200)"
    ),
    "drop sequence public.numbers;": "runs code that drops or deletes",
}


@pytest.mark.parametrize("down", list(LOST_UNDER_ANOTHER_NAME))
def test_a_rollback_says_what_it_destroys_under_another_name(two, down):
    two.write("0002_second", "create table public.second (id int); create sequence public.numbers;", down)
    thing = two.up()
    two.world.sql("insert into public.second select generate_series(1, 1200)")
    two.remove("0002_second")
    two.engine.diff(thing, two.declared())
    assert two.engine.reported() == [f"roll back 0002_second: this {LOST_UNDER_ANOTHER_NAME[down]}"]


def test_what_one_way_back_renames_the_next_one_destroys(two):
    two.write("0003_third", "select 1;", "alter table public.second rename to first_of_all;")
    two.write("0002_second", "create table public.second (id int);", "drop table public.first_of_all;")
    thing = two.up()
    two.world.sql("insert into public.second select generate_series(1, 7)")
    two.remove("0003_third")
    two.remove("0002_second")
    two.engine.diff(thing, two.declared())
    assert "roll back 0002_second: this drops 1 table with 7 rows (public.second: 7)" in two.engine.reported()


AHEAD = {
    "drop table public.second;": "drops 1 table with 1,200 rows (public.second: 1,200)",
    "truncate public.second;": "deletes from 1 table with 1,200 rows (public.second: 1,200)",
    "alter table public.second rename to s_old; alter table public.s_old drop column id;": (
        "drops 1 column with 1,200 rows (public.second.id: 1,200)"
    ),
    "do $$ begin delete from public.second; end $$;": "runs code that drops or deletes",
    "do $$ begin execute 'trunc' || 'ate public.second'; end $$;": "runs code that drops or deletes",
    "do $$ begin execute 'comment on table public.second is null'; end $$;": "",
    "set search_path = public; drop table second;": "runs code that drops or deletes",
    "create table public.third (); drop table public.third; drop table if exists public.never;": "",
    "alter table public.second add column more text;": "",
}


@pytest.mark.parametrize("up", list(AHEAD))
def test_a_migration_says_in_words_what_applying_it_destroys(two, up):
    thing = two.up()
    two.world.sql("insert into public.second select generate_series(1, 1200)")
    two.write("0003_third", up, "select 1;")
    two.engine.diff(thing, two.declared())
    assert two.engine.reported() == [f"apply 0003_third{f': this {AHEAD[up]}' if AHEAD[up] else ''}"]


def test_with_the_state_lost_the_preview_says_what_is_left_to_do(two):
    two.up()
    two.table("0003_third")
    two.engine.create(TOKEN, two.declared(), preview=True)
    assert two.engine.reported()[0] == "apply 0003_third"


def test_the_state_of_another_incarnation_has_no_say(two):
    thing = two.up()
    lying = replace(thing, state={**thing.state, "incarnation": "another"})
    two.world.sql(f"delete from {HISTORY} where version = '0002'")
    with pytest.raises(Refusal, match=r'0002_second: relation "second" already exists'):
        two.engine.update(two.refreshed(lying), two.declared())
    assert two.recorded() == ["0001"]
