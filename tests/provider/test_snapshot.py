"""The snapshot: what was changed manually is named with old and new definition, and never swallowed."""

import asyncio
import dataclasses
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from provider import snapshots
from provider.errors import Refused
from tests.provider.snapshots import ODD_SETTINGS, SPELT, manual_changes

pytest_plugins = ["tests.provider.snapshot_fixtures"]

ACCEPT = "pulumi config set database:acceptDrift "


def wait_for(found: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not found():
        assert time.monotonic() < deadline, "it didn't come"
        time.sleep(0.01)


def fingerprint_in(error: pytest.ExceptionInfo[BaseException]) -> str:
    return str(error.value).split(ACCEPT)[1].split("`")[0]


def test_what_is_equal_is_known_by_the_gate_alone(small, monkeypatch):
    small.up()
    monkeypatch.setattr("provider.snapshots.touched", None)
    assert small.preview() == []
    small.run("comment on table public.t2 is 'Control.'")
    with pytest.raises(TypeError):
        small.preview()


def test_drift_is_refused_with_its_names_before_anything_is_written(small):
    small.up()
    small.run("alter table public.t1 alter column title drop not null")
    assert small.preview() == ['drift["table public.t1: column title"]']
    with pytest.raises(
        Refused, match=r"changed manually and declared nowhere: table public\.t1: column title; this run has changed"
    ):
        small.up("create table public.declared (id int)")
    assert small.ask("select to_regclass('public.declared')") == [(None,)]
    assert list(manual_changes(small)) == ["table public.t1: column title"]
    small.run("alter table public.t1 alter column title set not null")
    small.up("create table public.declared (id int)")
    assert small.preview() == []
    small.run("drop table public.declared")
    assert list(manual_changes(small)) == ["table public.declared"], "it had been taken into the snapshot"


def test_a_refusal_names_whole_objects_before_parts_of_others(small):
    small.up()
    small.run(
        *(f"comment on column public.t1.{name} is 'x'" for name in ("id", "title", "kind", "amount")),
        "comment on table public.t1 is 'x'",
        "create view public.whole with (security_invoker = true) as select 1 as one",
    )
    with pytest.raises(Refused, match=r"declared nowhere: view public\.whole, table public\.t1: comment,"):
        small.up()


def test_a_reindex_that_somebody_runs_is_no_change_and_what_an_ended_one_has_left_is(small):
    small.up()
    left = "select c.relname::text from pg_class c where c.relname ~ '_ccnew' and c.relkind = 'i' order by 1"
    # In this order: whatever fails, the writer ends first, which the reindex waits for.
    with ThreadPoolExecutor() as beside, psycopg.connect(small.url) as writer:
        writer.execute("insert into public.t1 (owner_id, kind) values (gen_random_uuid(), 'a')")
        reindex = beside.submit(small.run, "reindex table concurrently public.t1")
        wait_for(lambda: small.ask(left))
        assert small.preview() == []
        small.up()
        small.run("select pg_terminate_backend(pid) from pg_stat_activity where query like 'reindex table conc%'")
        with pytest.raises(psycopg.errors.AdminShutdown):
            reindex.result()
        writer.rollback()
    found = [f"table public.t1: index {name}" for (name,) in small.ask(left) if "toast" not in name]
    assert sorted(manual_changes(small)) == found != []
    assert all(
        line.endswith("(invalid); a `reindex concurrently` that was ended has left it and nobody works on it: drop it")
        for line in small.said
    )


def test_a_run_without_a_refresh_refuses_it_too(small):
    small.up()
    small.run("alter table public.t1 alter column title drop not null")
    with pytest.raises(Refused, match="column title"):
        small.begin()


@pytest.mark.parametrize(
    "statements",
    [
        ["drop table public.t3 cascade"],
        ["create table public.stray (id serial primary key)", "create index on public.stray (id)"],
        ["drop function vault.touch2() cascade"],
        # The same object under another name, which comes after the old one, or before it.
        ["alter table public.t3 rename to t3_renamed"],
        ["alter table public.t3 rename to a3"],
        # Names that go around.
        ["alter table public.t3 rename to a3", "alter table public.t2 rename to t3"],
    ],
)
def test_a_whole_object_that_went_or_came_stays_drift_until_it_is_accepted(small, statements):
    small.up()
    small.run(*statements)
    before = manual_changes(small)
    with pytest.raises(Refused) as refused:
        small.up()
    assert manual_changes(small) == before
    small.inputs["accept"] = "0123456789ab"
    with pytest.raises(Refused):
        small.up()
    small.inputs["accept"] = fingerprint_in(refused)
    small.up()
    assert small.preview() == []
    small.run("comment on table public.t1 is 'More.'")
    with pytest.raises(Refused, match=r"table public\.t1: comment"):
        small.up()


@pytest.mark.parametrize(
    ("manual", "step", "key"),
    [
        # The same object, another facet.
        (
            "alter table public.t1 alter column title set default 'x'",
            "comment on table public.t1 is 'Declared.'",
            "table public.t1: column title",
        ),
        # The same facet: what is there then is neither what was stored nor what was declared.
        (
            "alter table public.t1 alter column title set default 'x'",
            "alter table public.t1 alter column title set statistics 7",
            "table public.t1: column title",
        ),
        (
            "alter function vault.touch2() cost 4242",
            "alter function vault.touch2() volatile; grant execute on function vault.touch2() to drift_reader",
            "function vault.touch2()",
        ),
        # Another object.
        ("drop index public.t1_parent_id_idx", "create table public.declared (id int)", "index t1_parent_id_idx"),
        ("drop trigger _100_updated_at on public.t1", "alter table public.t1 add note text", "trigger _100_updated_at"),
        # Names that go around.
        (
            "alter table public.t3 rename to a3; alter table public.t2 rename to t3",
            "alter table public.t3 add note text",
            "table public.t2",
        ),
        # The migration touches the object under its new name.
        (
            "alter table public.t1 rename to t1_renamed",
            "alter table public.t1_renamed add note text",
            "table public.t1",
        ),
        ("alter table public.t1 rename to a1", "alter table public.a1 add note text", "table public.t1"),
    ],
)
def test_a_migration_that_runs_beside_a_manual_change_does_not_take_it_along(small, manual, step, key):
    """As `./vpb migrate` does, which asks nobody first; and a change in the middle of an `up`."""
    small.up()
    small.run(*manual.split("; "))
    before = manual_changes(small)
    assert [name for name in before if key in name]
    small.declare(*step.split("; "))
    found = manual_changes(small)
    assert before.keys() == found.keys(), "nothing of the step's, everything of the other's"
    with pytest.raises(Refused, match="changed while this run was under way"):
        small.end()
    assert manual_changes(small).keys() == before.keys()


@pytest.mark.parametrize(
    "manual",
    [
        "alter table public.t3 add column stray text; comment on table public.t3 is 'Stray.'",
        "drop index public.t3_parent_id_idx",
    ],
)
def test_what_a_migration_drops_takes_its_manual_changes_with_it(small, manual):
    small.up()
    small.run(*manual.split("; "))
    small.declare("drop table public.t3 cascade")
    assert [key for key in manual_changes(small) if "public.t3" in key] == []


def test_a_table_that_went_is_one_change_with_everything_that_was_part_of_it(small):
    small.run("create table public.stray (id serial primary key, name text)", "create index on public.stray (name)")
    small.up()
    small.run("drop table public.stray")
    found = manual_changes(small)
    assert list(found) == ["table public.stray"]
    assert "column name text" in (found["table public.stray"][0] or "")


def test_an_extension_speaks_for_its_members(small):
    small.run("create extension pg_trgm schema vault")
    small.up()
    small.run("alter function vault.similarity(text, text) cost 7")
    assert list(manual_changes(small)) == ["function vault.similarity(text,text)"]
    small.run("drop extension pg_trgm")
    assert list(manual_changes(small)) == ["extension pg_trgm"]


def test_what_becomes_a_member_of_an_extension_or_is_none_any_more_is_named(small):
    """A member is in no dump, and goes with its extension."""
    small.run(
        "create extension pg_trgm schema vault", "create function public.ours() returns int language sql return 1"
    )
    small.up()
    small.run("alter extension pg_trgm add table public.t1", "alter extension pg_trgm add function public.ours()")
    small.run("alter extension pg_trgm drop function vault.similarity(text, text)")
    assert manual_changes(small) == {
        "function public.ours(): extension": (None, "pg_trgm"),
        "function vault.similarity(text,text): extension": ("pg_trgm", None),
        "table public.t1: extension": (None, "pg_trgm"),
    }
    small.run("alter extension pg_trgm drop table public.t1", "alter extension pg_trgm drop function public.ours()")
    small.run("alter extension pg_trgm add function vault.similarity(text, text)")
    assert manual_changes(small) == {}


def test_an_extension_takes_in_any_kind_of_object(small):
    small.run(
        "create extension pg_trgm schema vault", "create schema other", "create type public.pair as (a int, b int)"
    )
    small.run("create type public.weather as enum ('good')", "create collation public.plain (locale = 'C')")
    small.up()
    kinds = ("schema other", "type public.pair", "type public.weather", "collation public.plain")
    kinds += ("operator class vault.gin_trgm_ops using gin", "operator vault.% (text, text)")
    for number, kind in enumerate(kinds):
        small.run(f"alter extension pg_trgm {'drop' if number > 3 else 'add'} {kind}")
        assert len(manual_changes(small)) == 1, kind
        (key,) = manual_changes(small)
        assert key.endswith(": extension"), key
        small.run(f"alter extension pg_trgm {'add' if number > 3 else 'drop'} {kind}")
        assert manual_changes(small) == {}, kind


def test_a_language_that_everybody_may_use_and_what_is_gathered_of_an_index_are_named(small):
    small.run("create index words on public.t1 ((id::text || 'x'))")
    small.up()
    small.run("update pg_language set lanpltrusted = true where lanname = 'c'")
    small.run("alter index public.words alter column 1 set statistics 300")
    found = manual_changes(small)
    assert list(found) == ["language c", "table public.t1: index words"]
    assert "(statistics 300 of its column 1)" in (found["table public.t1: index words"][1] or "")
    small.run("update pg_language set lanpltrusted = false where lanname = 'c'")
    small.run("alter index public.words alter column 1 set statistics -1")
    assert manual_changes(small) == {}


def test_a_right_that_was_given_and_taken_again_leaves_no_change(small):
    """What stands in the catalogue then is the default, written out."""
    small.up()
    small.run("grant usage on language plpgsql to drift_reader", "revoke usage on language plpgsql from drift_reader")
    assert manual_changes(small) == {}
    small.run("grant usage on language plpgsql to drift_reader")
    assert list(manual_changes(small)) == ["language plpgsql"]
    small.run("revoke usage on language plpgsql from drift_reader")


def test_what_other_resources_hold_is_theirs_to_name_and_to_repair(small):
    small.inputs["held"] = ["* public.t1: grants*"]
    small.up()
    small.run("grant delete on public.t1 to drift_reader", "grant delete on public.t2 to drift_reader")
    assert small.preview() == ['drift["table public.t2: grants"]']
    small.run("revoke delete on public.t2 from drift_reader")
    small.up(repair="revoke all on public.t1 from drift_reader; grant select on public.t1 to drift_reader")
    assert small.preview() == []
    small.inputs["held"] = []
    small.up()
    assert small.preview() == [], "what left the list is as it was when it was held"
    small.run("grant delete on public.t1 to drift_reader")
    assert small.preview() == ['drift["table public.t1: grants"]']


PLATFORMS = (
    "create function public.outside() returns trigger language plpgsql as 'begin return new; end'",
    "create table vault.theirs (id int, old int)",
    "create function vault.tell() returns int language sql as 'select 1'",
    "create function vault.watch() returns trigger language plpgsql as 'begin return new; end'",
    "create table vault.ours (id int, name text)",
    "alter table vault.ours enable row level security",
    "create policy mine on vault.ours for select to drift_reader using (id > 0)",
    "create trigger mine before insert on vault.ours for each row execute function vault.watch()",
    "comment on column vault.ours.id is 'ours'",
)


@pytest.fixture
def shared(small):
    """A schema that a platform shares with us: a table of ours stands in it."""
    small.run(*PLATFORMS)
    small.inputs |= {"open": ["vault"], "held": ["table vault.ours: row security"]}
    small.up()
    return small


ITS_OWN = (
    "create table vault.more (id int)",
    "alter table vault.theirs drop column old, add column new text",
    "create or replace function vault.tell() returns int language sql as 'select 2'",
    "comment on function vault.tell() is 'theirs'",
    "create trigger theirs before update on vault.theirs for each row execute function vault.watch()",
    "drop trigger theirs on vault.theirs",
    "create trigger theirs before update on vault.ours for each row execute function vault.watch()",
    "alter table vault.ours add column more text",
    "create index ours_name on vault.ours (name)",
    "comment on column vault.ours.id is 'theirs'",
    "drop function vault.tell()",
    "drop table vault.theirs",
)
REACHING = {
    "grant select on vault.theirs to drift_reader": "table vault.theirs: grants",
    "grant execute on function vault.tell() to drift_reader": "function vault.tell(): grants",
    "alter function vault.tell() owner to drift_reader": "function vault.tell(): owner",
    "alter function vault.tell() security definer": "function vault.tell()",
    "create function vault.more() returns int language sql security definer as 'select 1'": "function vault.more()",
    "alter table vault.theirs enable row level security": "table vault.theirs: row security",
    "create policy more on vault.theirs using (true)": "table vault.theirs: policy more",
    "alter policy mine on vault.ours using (true)": "table vault.ours: policy mine",
    "alter table vault.ours disable trigger mine": "table vault.ours: trigger mine",
    "create trigger more before insert on vault.ours for each row execute function public.outside()": (
        "table vault.ours: trigger more"
    ),
    "alter table vault.ours drop column name": "table vault.ours: column name",
    "alter default privileges for role drift_reader in schema vault grant select on tables to public": (
        "default privileges of drift_reader on tables in schema vault"
    ),
    "drop table vault.ours": "table vault.ours",
}


def test_what_a_platform_changes_of_its_own_is_no_drift(shared):
    for statement in ITS_OWN:
        shared.run(statement)
        assert manual_changes(shared) == {}, statement
    shared.up()
    assert shared.preview() == []


def test_who_reaches_what_is_named_in_a_platforms_schema_too(shared):
    seen = set[str]()
    for statement, named in REACHING.items():
        shared.run(statement)
        found = set(manual_changes(shared))
        assert found - seen == {named}, statement
        seen = found


@pytest.mark.parametrize(
    "statement",
    [
        "update supabase_migrations.schema_snapshot set definition = '{}' where object = 'table public.t1'",
        "update supabase_migrations.schema_snapshot set mark = 0 where object = 'table public.t1'",
        "delete from supabase_migrations.schema_snapshot where object = 'table public.t1'",
        'update supabase_migrations.schema_snapshot set definition = definition || \'{"fingerprint": "x"}\' '
        "where object = ''",
        "truncate supabase_migrations.schema_snapshot",
        "drop table supabase_migrations.schema_snapshot",
    ],
)
def test_a_stored_snapshot_that_was_changed_manually_is_noticed_and_not_trusted(small, statement):
    small.up()
    small.run(statement)
    key = "table supabase_migrations.schema_snapshot: content"
    assert key in manual_changes(small)
    with pytest.raises(Refused, match=key) as refused:
        small.up()
    small.inputs["accept"] = fingerprint_in(refused)
    small.up()
    assert small.preview() == []


def test_an_older_state_is_mended_as_a_lost_one_is(small):
    small.up()
    older = small.state
    small.up("create table public.declared (id int)")
    small.state = older
    small.up()
    assert small.preview() == []


def test_a_first_run_that_ended_before_the_engine_could_note_it_is_gone_on_with(small):
    small.begin()
    small.declare("create table public.declared (id int)")
    small.state = {}
    small.run("alter table public.t2 alter column title drop not null")
    with pytest.raises(Refused, match=r"declared nowhere: table public\.t2: column title;"):
        small.up()
    small.run("alter table public.t2 alter column title set not null")
    small.up()
    assert small.preview() == []


def build_outside(stack, killed: bool) -> None:
    """An index built as a migration outside a transaction builds it; killed, nobody takes it into the snapshot."""

    async def build() -> None:
        pattern = ["* public.t1: index t1_kind_idx"]
        statement = snapshots.PendingStatement("0001", "up", "0123", "supabase_migrations.schema_migrations")
        connection = await psycopg.AsyncConnection.connect(stack.url, autocommit=True)
        await connection.execute("set search_path = ''")
        async with connection.transaction():
            earlier = await snapshots.announce(connection, statement, pattern)
            before = await snapshots.differing(connection, but_for=earlier)
        await connection.execute("create index concurrently if not exists t1_kind_idx on public.t1 (kind)")
        if not killed:
            async with connection.transaction():
                await snapshots.absorb(connection, before, pattern)
                await snapshots.clear_pending(connection, [statement])
        await connection.close()

    asyncio.run(build())


@pytest.mark.parametrize("migrated", [False, True], ids=["at once", "after a migration"])
def test_what_somebody_else_announces_hides_nothing(small, migrated):
    small.up()
    small.run("insert into supabase_migrations.schema_snapshot_pending values ('*', 'stray')")
    small.run("drop index public.t1_parent_id_idx")
    if migrated:
        small.declare("create table public.declared (id int)")
        build_outside(small, killed=False)
    assert list(manual_changes(small)) == [
        "table public.t1: index t1_parent_id_idx",
        "table supabase_migrations.schema_snapshot: content",
    ]
    with pytest.raises(Refused, match="t1_parent_id_idx"):
        small.up()


def test_an_announcement_alone_is_a_difference(small):
    small.up()
    small.run("insert into supabase_migrations.schema_snapshot_pending values ('*', 'stray')")
    assert list(manual_changes(small)) == ["table supabase_migrations.schema_snapshot: content"]


def test_what_somebody_else_announces_hides_nothing_once_it_was_accepted(small):
    small.up()
    small.run("insert into supabase_migrations.schema_snapshot_pending values ('*', '0001 up 0 history.of')")
    with pytest.raises(Refused) as caught:
        small.up()
    small.inputs["accept"] = fingerprint_in(caught)
    small.up()
    small.run("drop index public.t1_parent_id_idx")
    assert list(manual_changes(small)) == ["table public.t1: index t1_parent_id_idx"]


def test_what_a_statement_outside_a_transaction_did_is_declared_whether_it_was_killed_or_not(small):
    small.up()
    build_outside(small, killed=True)
    small.run("create index t2_kind_idx on public.t2 (kind)", "create index t1_stray_idx on public.t1 (kind)")
    manual = ["table public.t1: index t1_stray_idx", "table public.t2: index t2_kind_idx"]
    assert list(manual_changes(small)) == manual
    build_outside(small, killed=False)
    assert list(manual_changes(small)) == manual
    assert small.ask("select * from supabase_migrations.schema_snapshot_pending") == []
    small.run("drop index public.t1_stray_idx, public.t2_kind_idx")
    small.up()
    small.run("drop index public.t1_kind_idx")
    assert list(manual_changes(small)) == ["table public.t1: index t1_kind_idx"], "it had been taken into the snapshot"


def test_with_the_state_lost_the_stored_snapshot_is_trusted_and_what_differs_is_refused(small):
    small.up()
    small.state = {}
    small.run("alter table public.t1 alter column title drop not null")
    with pytest.raises(Refused, match=r"table public\.t1: column title"):
        small.up()
    assert list(manual_changes(small)) == ["table public.t1: column title"]
    small.run("alter table public.t1 alter column title set not null")
    small.up()
    assert small.preview() == []


def test_it_is_imported_by_its_id_alone(small):
    small.up()
    small.run("comment on table public.t2 is 'More.'")
    found = small.call("read", "schema", {}, {})
    assert found.inputs == small.inputs | {"open": [], "held": [], "platform": []}
    assert list(found.state["drift"]) == ["table public.t2: comment"]
    assert small.call("read", "another", {}, {}) is None


def test_a_partition_that_stands_open_from_the_start_is_named_at_once_and_by_rule(small):
    small.run("alter table public.events_2026_01 disable row level security")
    with pytest.raises(Refused, match=r"partition public\.events_2026_01"):
        small.up()
    small.run("alter table public.events_2026_01 enable row level security")
    small.up()
    with pytest.raises(Refused, match=r"partition public\.events_2026_01"):
        small.up("alter table public.events_2026_01 disable row level security")
    assert list(manual_changes(small)) == ["table public.events: partition public.events_2026_01"]


def test_what_a_migration_makes_otherwise_on_a_partition_is_declared_unless_it_opens_it(small):
    key = "table public.events: partition public.events_2026_01"
    small.up()
    small.up("alter table public.events_2026_01 add constraint own check (id > 0)")
    assert manual_changes(small) == {}
    small.run("alter table public.events_2026_01 alter id set not null")
    assert list(manual_changes(small)) == [key]
    small.run("alter table public.events_2026_01 alter id drop not null")
    with pytest.raises(Refused, match=r"partition public\.events_2026_01"):
        small.up("grant select on public.events_2026_01 to public")
    assert list(manual_changes(small)) == [key]


def test_a_trigger_for_each_statement_that_partitions_repeat_has_to_be_on_each(small):
    guard = "create trigger guard before delete on public.{} for each statement execute function vault.touch1()"
    small.run(guard.format("events"))
    small.up()
    small.run(
        "create table public.events_2026_02 partition of public.events for values from ('2026-02-01') to ('2026-03-01')"
    )
    small.run("alter table public.events_2026_02 enable row level security")
    assert manual_changes(small) == {}, "none repeats it"
    small.run(guard.format("events_2026_01"))
    key = "table public.events: partition public.events_2026_0"
    assert manual_changes(small) == {f"{key}2": (None, "without trigger guard")}
    small.run(guard.format("events_2026_02"))
    assert manual_changes(small) == {}
    small.run("drop trigger guard on public.events_2026_01")
    small.run("alter table public.events_2026_02 disable trigger guard")
    assert manual_changes(small) == {
        f"{key}1": (None, "without trigger guard"),
        f"{key}2": (None, "trigger guard disabled"),
    }
    small.run("drop trigger guard on public.events_2026_02; alter table public.events_2026_01 enable trigger all")
    small.run(guard.format("events_2026_01").replace(" execute", " when (false) execute"))
    assert manual_changes(small) == {f"{key}1": (None, "trigger guard")}, "none repeats it, another one has its name"


def test_a_row_trigger_reaches_partitions_of_partitions(small):
    small.run(
        "create table public.events_2026_02 partition of public.events "
        "for values from ('2026-02-01') to ('2026-03-01') partition by range (at)",
        "alter table public.events_2026_02 enable row level security",
        "create table public.events_2026_02_a partition of public.events_2026_02 default",
        "alter table public.events_2026_02_a enable row level security",
        "create trigger guard before delete on public.events for each row execute function vault.touch1()",
    )
    small.up()
    assert manual_changes(small) == {}


def test_an_open_partition_is_named_also_where_its_table_was_renamed(small):
    small.up()
    small.run("alter table public.events rename to moved; grant select on public.events_2026_01 to public")
    assert sorted(manual_changes(small)) == [
        "table public.events",
        "table public.moved",
        "table public.moved: partition public.events_2026_01",
    ]


def test_a_trigger_that_is_disabled_on_a_partition_alone_is_named(small):
    small.run("create trigger guard before delete on public.events for each row execute function vault.touch1()")
    small.up()
    small.run("alter table public.events_2026_01 disable trigger guard")
    key = "table public.events: partition public.events_2026_01"
    assert manual_changes(small) == {key: (None, "trigger guard disabled")}


def test_what_leaves_the_list_of_others_is_compared_with_what_they_left(small):
    small.inputs["held"] = ["table public.t1: policy *"]
    small.up()
    small.run("create policy stray on public.t1 using (true)")
    assert small.preview() == [], "its resource names it"
    small.inputs["held"] = []
    with pytest.raises(Refused, match=r"table public\.t1: policy stray"):
        small.up()


def test_a_second_stack_on_the_same_database_is_refused_before_it_changes_anything(small):
    small.up()
    other = dataclasses.replace(small, state={}, urn=small.urn.replace(":dev::", ":other::"))
    with pytest.raises(Refused, match=r"stack dev holds this database; take that stack down, or use another database"):
        other.up()


def test_another_database_under_the_same_name_has_no_snapshot(small):
    small.up()
    small.state["database"] = "1/1"
    small.run("drop schema supabase_migrations cascade")
    assert small.call("read", "schema", small.state, small.inputs) is None


def test_another_name_of_its_resource_loses_nothing(small):
    small.up()
    old = small.state
    renamed = dataclasses.replace(small, state={}, urn=f"{small.urn}-renamed")
    renamed.up()
    small.state = old
    small.call("delete", "schema", small.state)
    renamed.run("alter table public.t1 alter column title drop not null")
    assert list(manual_changes(renamed)) == ["table public.t1: column title"]


def test_deleting_it_leaves_nothing_and_touches_nothing_else(small):
    before = small.ask("select count(*) from pg_class")
    small.up()
    small.call("delete", "schema", small.state)
    assert small.ask("select count(*) from pg_class") == before
    assert small.ask("select 1 from pg_namespace where nspname = 'supabase_migrations'") == []
    small.call("delete", "schema", small.state)


def test_a_preview_of_its_creation_needs_no_server(small):
    id, state = small.call("create", small.inputs, True)
    assert id == "schema"
    assert state["drift"] == {}
    assert small.ask("select 1 from pg_namespace where nspname = 'supabase_migrations'") == []


def test_nobody_is_granted_anything_on_its_tables(small):
    small.up()
    query = """select relname, relrowsecurity, relacl::text from pg_class
                where relnamespace = 'supabase_migrations'::regnamespace and relkind = 'r' order by 1"""
    assert small.ask(query) == [
        (table, True, None) for table in ("managed_objects", "schema_snapshot", "schema_snapshot_pending")
    ]


@pytest.mark.parametrize("setting", ODD_SETTINGS)
def test_the_settings_of_a_login_change_no_definition(small, setting):
    small.run(SPELT)
    small.up()
    small.info = dataclasses.replace(small.info, given={**small.info.given, "options": f"-c {setting}"})
    small.run("alter table public.spelt add column stray int", "alter view public.seen owner to drift_owner")
    assert list(manual_changes(small)) == ["table public.spelt: column stray", "view public.seen: owner"]


def test_a_login_that_is_no_superuser_finds_the_same(plain):
    plain.up()
    assert plain.preview() == []
    plain.run("alter table public.t1 alter column title drop not null", "create index stray on public.t2 (title)")
    assert list(manual_changes(plain)) == ["table public.t1: column title", "table public.t2: index stray"]
    with pytest.raises(Refused):
        plain.up()
