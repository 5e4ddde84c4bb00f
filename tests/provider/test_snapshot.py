"""The snapshot: what was changed by hand is named with old and new definition, and never swallowed."""

import asyncio

import psycopg
import pytest
from pgprovider.connection import noted
from pgprovider.errors import Refused

from plugin.server import Unfinished
from tests.provider.snapshots import by_hand

pytest_plugins = ["tests.provider.snapshot_fixtures"]

ACCEPT = "pulumi config set database:acceptDrift "


def fingerprint_in(error: pytest.ExceptionInfo[BaseException]) -> str:
    return str(error.value).split(ACCEPT)[1].split("`")[0]


def test_what_is_equal_is_known_by_the_gate_alone(small, monkeypatch):
    small.up()
    monkeypatch.setattr("pgprovider.snapshots.touched", None)
    assert small.preview() == []
    small.run("comment on table public.t2 is 'Control.'")
    with pytest.raises(TypeError):
        small.preview()


def test_drift_is_refused_with_its_names_and_survives_a_new_step(small):
    small.up()
    small.run("alter table public.t1 alter column title drop not null")
    with pytest.raises(
        Unfinished, match=r"changed by hand and declared nowhere: table public\.t1: column title; undo it"
    ):
        small.up("create table public.declared (id int)", of="2")
    assert list(by_hand(small)) == ["table public.t1: column title"], (
        "the step's table is in the snapshot, the drift isn't"
    )
    with pytest.raises(Unfinished, match="column title"):
        small.up()
    small.run("alter table public.t1 alter column title set not null")
    small.up()
    assert small.preview() == []
    small.run("drop table public.declared")
    assert list(by_hand(small)) == ["table public.declared"], "it had been taken into the snapshot"


@pytest.mark.parametrize(
    "statements",
    [
        ["drop table public.t3 cascade"],
        ["create table public.stray (id serial primary key)", "create index on public.stray (id)"],
        ["drop function vault.touch2() cascade"],
    ],
)
def test_a_whole_object_that_went_or_came_stays_drift_until_it_is_accepted(small, statements):
    small.up()
    small.run(*statements)
    before = by_hand(small)
    with pytest.raises(Unfinished):
        small.up()
    assert by_hand(small) == before
    with pytest.raises(Unfinished) as refused:
        small.up(of="2")
    assert by_hand(small) == before
    small.inputs["accept"] = "0123456789ab"
    with pytest.raises(Unfinished):
        small.up()
    small.inputs["accept"] = fingerprint_in(refused)
    small.up()
    assert small.preview() == []
    small.run("comment on table public.t2 is 'More.'")
    with pytest.raises(Unfinished, match=r"table public\.t2: comment"):
        small.up()


def test_a_table_that_went_is_one_change_with_everything_that_was_part_of_it(small):
    small.run("create table public.stray (id serial primary key, name text)", "create index on public.stray (name)")
    small.up()
    small.run("drop table public.stray")
    found = by_hand(small)
    assert list(found) == ["table public.stray"]
    assert "column name text" in (found["table public.stray"][0] or "")


def test_an_extension_speaks_for_its_members(small):
    small.run("create extension pg_trgm schema vault")
    small.up()
    small.run("alter function vault.similarity(text, text) cost 7")
    assert list(by_hand(small)) == ["function vault.similarity(text,text)"]
    small.run("drop extension pg_trgm")
    assert list(by_hand(small)) == ["extension pg_trgm"]


def test_what_other_resources_repair_is_no_drift_any_more(small):
    small.up()
    small.run("grant delete on public.t1 to drift_reader")
    assert small.preview() == ['drift["table public.t1: grants"]']
    small.up("revoke delete on public.t1 from drift_reader")
    assert small.preview() == []


def test_a_platform_may_add_to_its_own_schema_but_open_nothing(small):
    small.inputs["open"] = ["vault"]
    small.up()
    small.run("create table vault.theirs (id int)", "create table vault.more (id int)")
    assert small.preview() == []
    small.up(of="2")
    small.run("alter table vault.theirs add column name text", "grant select on vault.theirs to drift_reader")
    assert list(by_hand(small)) == ["table vault.theirs: grants"]


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
def test_a_stored_snapshot_that_was_changed_by_hand_is_noticed_and_not_trusted(small, statement):
    small.up()
    small.run(statement)
    key = "table supabase_migrations.schema_snapshot: content"
    assert key in by_hand(small)
    with pytest.raises(Refused, match=key) as refused:
        small.up(of="2")
    small.inputs["accept"] = fingerprint_in(refused)
    small.up()
    assert small.preview() == []


def test_a_run_that_ended_before_the_engine_could_note_the_snapshot_is_gone_on_with(small):
    small.up()
    noted = small.state
    small.up("create table public.declared (id int)", of="2")
    small.state = noted
    small.up()
    assert small.preview() == []


def test_a_first_run_that_ended_before_the_engine_could_note_it_is_gone_on_with(small):
    small.up()
    small.state = {}
    small.up()
    assert small.preview() == []


def test_what_a_run_of_ours_did_before_it_was_cut_off_is_not_taken_for_a_change_by_hand(small):
    small.up()
    small.run(
        # As `lock` notes it in the transaction of each resource.
        """begin; insert into supabase_migrations.schema_snapshot_own
             values (pg_current_xact_id()::xid::text::bigint, 'policy t1_update_own on public.t1');
           alter policy t1_update_own on public.t1 using (kind = 'b');
           commit""",
        "alter policy t2_update_own on public.t2 using (kind = 'b')",
    )
    assert list(by_hand(small)) == ["table public.t2: policy t2_update_own"]
    assert small.state["pending"] == ["table public.t1: policy t1_update_own"]
    with pytest.raises(Unfinished, match="t2_update_own"):
        small.up()
    assert list(by_hand(small)) == ["table public.t2: policy t2_update_own"]
    assert small.state["pending"] == []


def build_outside(stack, killed: bool) -> None:
    """An index built as a step outside a transaction builds it; killed, nobody notes its end."""

    async def build() -> None:
        connection = await psycopg.AsyncConnection.connect(stack.url, autocommit=True)
        async with noted(connection, "migrations 0001_index"):
            await connection.execute("create index concurrently t1_kind_idx on public.t1 (kind)")
            if killed:
                await connection.close()
        await connection.close()

    asyncio.run(build())


def test_what_a_step_outside_a_transaction_did_before_the_run_was_cut_off_is_ours(small):
    small.up()
    build_outside(small, killed=False)
    small.run("create index t2_kind_idx on public.t2 (kind)")
    assert list(by_hand(small)) == ["table public.t2: index t2_kind_idx"]
    assert small.state["pending"] == ["table public.t1: index t1_kind_idx"]


def test_what_a_step_outside_a_transaction_did_before_it_was_killed_is_ours(small):
    small.up()
    build_outside(small, killed=True)
    assert list(by_hand(small)) == []
    small.up()
    small.run("create index t2_kind_idx on public.t2 (kind)")
    assert list(by_hand(small)) == ["table public.t2: index t2_kind_idx"], "the note was closed by the next run"


def test_with_the_state_lost_the_stored_snapshot_is_trusted_and_what_differs_is_refused(small):
    small.up()
    small.state = {}
    small.run("alter table public.t1 alter column title drop not null")
    with pytest.raises(Unfinished, match=r"table public\.t1: column title"):
        small.up()
    assert list(by_hand(small)) == ["table public.t1: column title"]
    small.run("alter table public.t1 alter column title set not null")
    small.up()
    assert small.preview() == []


def test_it_is_imported_by_its_id_alone(small):
    small.up()
    small.run("comment on table public.t2 is 'More.'")
    found = small.call("read", "schema", {}, {})
    assert found.inputs == small.inputs | {"open": []}
    assert list(found.state["drift"]) == ["table public.t2: comment"]
    assert small.call("read", "another", {}, {}) is None


def test_a_partition_that_stands_open_from_the_start_is_told_at_once_and_by_rule(small):
    small.run("alter table public.events_2026_01 disable row level security")
    with pytest.raises(Unfinished, match=r"partition public\.events_2026_01"):
        small.up()
    assert list(by_hand(small)) == ["table public.events: partition public.events_2026_01"]
    small.run("alter table public.events_2026_01 enable row level security")
    small.up()
    with pytest.raises(Unfinished, match=r"partition public\.events_2026_01"):
        small.up("alter table public.events_2026_01 disable row level security", of="2")


def test_another_database_under_the_same_name_has_no_snapshot(small):
    small.up()
    small.state["database"] = "1/1"
    small.run("drop schema supabase_migrations cascade")
    assert small.call("read", "schema", small.state, small.inputs) is None


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
    assert small.ask(query) == [("schema_snapshot", True, None), ("schema_snapshot_own", True, None)]


def test_a_login_that_is_no_superuser_finds_the_same(plain):
    plain.up()
    assert plain.preview() == []
    plain.run("alter table public.t1 alter column title drop not null", "create index stray on public.t2 (title)")
    assert list(by_hand(plain)) == ["table public.t1: column title", "table public.t2: index stray"]
    with pytest.raises(Unfinished):
        plain.up()
