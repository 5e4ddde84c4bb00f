"""Steps that don't run in one transaction: outside of one, and in batches; killed in the middle they go on."""

import threading
import time

import pytest
from pgprovider import snapshots
from pgprovider.steps import locks

from sqltext import digest, statements
from tests.provider.engine import Refusal, World
from tests.provider.folders import HISTORY, TOKEN, one_line

OUTSIDE = "-- Run: outside a transaction.\n\n"
BATCHES = "-- Run: in batches of 100, pause 1ms.\n\n"
BACKFILL = (
    "update public.notes set body = 'filled'\n"
    "where id in (select id from public.notes where body is null order by id limit 100);"
)
INDEX = "create index concurrently notes_title_idx on public.notes (lower(title)) where title is not null;"


def valid(world: World, name: str) -> list[tuple[bool]]:
    return world.sql(f"select indisvalid from pg_index where indexrelid = to_regclass('public.{name}')")


def notes(world: World, count: int = 1000) -> None:
    world.sql("alter table public.notes no force row level security; alter table public.notes owner to app_owner")
    world.sql(f"insert into public.notes (title) select 'note ' || n from generate_series(1, {count}) n")


def terminate(world: World, like: str, at_least: str = "select 1") -> None:
    """End the session that runs such a statement, once the condition has a row."""
    mine = (
        f"from pg_stat_activity where query like '{like}' and pid <> pg_backend_pid() and backend_type like 'client%'"
    )
    deadline = time.monotonic() + 20
    while not (world.sql(at_least) and world.sql(f"select pg_terminate_backend(pid) {mine}")):
        assert time.monotonic() < deadline, "nothing of the kind was seen"
        time.sleep(0.005)


# Outside a transaction.


def test_an_index_is_built_while_writers_go_on_and_taken_away_the_same_way(folder):
    notes(folder.world)
    folder.write("0001_index", OUTSIDE + INDEX, OUTSIDE + "drop index concurrently public.notes_title_idx;")
    thing = folder.engine.create(TOKEN, folder.declared(role="app_owner"))
    assert valid(folder.world, "notes_title_idx") == [(True,)]
    assert folder.recorded() == ["0001"]
    assert folder.engine.diff(folder.refreshed(thing), folder.declared(role="app_owner")) == []
    folder.engine.delete(thing)
    assert valid(folder.world, "notes_title_idx") == []


def test_without_the_header_line_the_error_says_which_one_is_missing(plain_folder):
    plain_folder.write("0001_index", INDEX)
    with pytest.raises(Refusal) as caught:
        plain_folder.up()
    assert one_line(caught).endswith(
        "(25001), sql/steps/0001_index.up.sql:4; give the step the header line `-- Run: outside a transaction.`"
    )


def test_a_step_that_fails_in_its_middle_goes_on_there(plain_folder):
    world = plain_folder.world
    unique = "create unique index concurrently notes_body_idx on public.notes (body);"
    again = "reindex index concurrently public.notes_title_idx;"
    world.sql("insert into public.notes (body) values ('same'), ('same')")
    plain_folder.write(
        "0001_parts",
        OUTSIDE + f"alter type public.mood add value 'bad';\n{INDEX}\n{again}\n{unique}\nvacuum public.notes;",
    )
    with pytest.raises(Refusal) as caught:
        plain_folder.up()
    assert one_line(caught).endswith(
        "(23505), sql/steps/0001_parts.up.sql:9; table public.notes; the statements before it are kept, "
        "the next run goes on with it"
    )
    assert plain_folder.recorded() == [], "recorded once all of it is done"
    assert valid(world, "notes_body_idx") == [(False,)], "what a failed build leaves"
    built = world.sql("select pg_relation_filenode('public.notes_title_idx')")
    world.sql("delete from public.notes")
    plain_folder.up()
    assert valid(world, "notes_body_idx") == [(True,)]
    assert world.sql("select pg_relation_filenode('public.notes_title_idx')") == built, "what was done isn't done again"
    assert plain_folder.recorded() == ["0001"]
    assert any("notes_body_idx is there already and invalid" in line for line in plain_folder.engine.told())
    assert world.sql(f"select 1 from {HISTORY}_progress") == []


@pytest.mark.parametrize(
    "statement",
    ["alter type public.mood add value 'bad';", "drop index concurrently public.old_idx;", INDEX],
)
def test_a_statement_that_was_done_and_not_noted_is_met_again_without_harm(plain_folder, statement):
    """A kill between the statement and its note."""
    world = plain_folder.world
    world.sql("create index old_idx on public.notes (writer)")
    plain_folder.write("0001_part", OUTSIDE + statement)
    plain_folder.up()
    world.sql(f"delete from {HISTORY}")
    text = statements((plain_folder.path / "0001_part.up.sql").read_text())[0].text
    world.sql(f"insert into {HISTORY}_progress values ('0001', 'up', '{digest('1 ' + text)}', false)")
    plain_folder.up()
    assert plain_folder.recorded() == ["0001"]


@pytest.mark.parametrize("statement", ["alter type public.mood add value 'good';", "drop index concurrently public.x;"])
def test_a_statement_that_was_never_begun_is_not_taken_as_done(plain_folder, statement):
    plain_folder.write("0001_part", OUTSIDE + statement)
    with pytest.raises(Refusal, match=r"0001_part\.up\.sql:6"):
        plain_folder.up()
    assert plain_folder.recorded() == []


def test_an_invalid_index_of_the_same_definition_is_built_again_whoever_left_it(folder):
    """The definition is spelt otherwise than PostgreSQL spells it."""
    notes(folder.world)
    folder.world.sql(INDEX.replace("lower(title)", "(LOWER(title))"))
    folder.world.sql("update pg_index set indisvalid = false where indexrelid = 'public.notes_title_idx'::regclass")
    folder.write("0001_index", OUTSIDE + INDEX)
    folder.engine.create(TOKEN, folder.declared(role="app_owner"))
    assert valid(folder.world, "notes_title_idx") == [(True,)]


def test_an_invalid_index_of_another_definition_is_left_alone_and_refused(plain_folder):
    world = plain_folder.world
    world.sql("create index notes_title_idx on public.notes (title)")
    world.sql("update pg_index set indisvalid = false where indexrelid = 'public.notes_title_idx'::regclass")
    plain_folder.write("0001_index", OUTSIDE + INDEX)
    with pytest.raises(Refusal) as caught:
        plain_folder.up()
    assert one_line(caught) == (
        "step 0001_index: index public.notes_title_idx is there already with another definition, "
        "sql/steps/0001_index.up.sql:6; drop it or name this one differently"
    )
    assert valid(world, "notes_title_idx") == [(False,)]


def test_a_build_that_is_killed_in_the_middle_is_repeated_by_the_next_run(plain_folder, second_session):
    world = plain_folder.world
    notes(world, 10)
    plain_folder.write("0001_index", OUTSIDE + INDEX)
    # A transaction that has written to the table holds the build up in its middle.
    second_session.execute("begin; update public.notes set body = 'x'")
    killer = threading.Thread(
        target=terminate,
        args=(world, "create index concurrently%", "select 1 from pg_class where relname = 'notes_title_idx'"),
    )
    killer.start()
    with pytest.raises(Refusal, match=r"57P01.*0001_index\.up\.sql:6"):
        plain_folder.up()
    killer.join()
    second_session.execute("rollback")
    assert valid(world, "notes_title_idx") == [(False,)]
    plain_folder.up()
    assert valid(world, "notes_title_idx") == [(True,)]


def test_the_transactions_of_a_statement_are_noted_for_the_snapshot(plain_folder):
    world = plain_folder.world
    notes(world, 10)
    world.sql((snapshots.CATALOG / "tables.sql").read_text())
    plain_folder.write("0001_index", OUTSIDE + INDEX)
    plain_folder.up()
    written = "select xmin::text::bigint from pg_class where relname = 'notes_title_idx'"
    own = "supabase_migrations.schema_snapshot_own"
    assert world.sql(f"select label from {own} where ({written}) between transaction and until and until < 2 ^ 32") == [
        ("migrations 0001_index",)
    ]


# In batches.


def test_a_backfill_runs_in_batches_of_their_own_until_no_row_is_left(folder):
    notes(folder.world)
    folder.write("0001_fill", BATCHES + BACKFILL)
    folder.engine.create(TOKEN, folder.declared(role="app_owner"))
    assert folder.world.sql("select count(*), count(distinct xmin::text) from public.notes where body = 'filled'") == [
        (1000, 10)
    ]
    assert "applying 0001_fill (1 of 1): 1,000 rows" in folder.engine.progress
    assert folder.recorded() == ["0001"]


def test_a_backfill_that_is_killed_in_the_middle_keeps_its_rows_and_goes_on(plain_folder):
    world = plain_folder.world
    notes(world, 2000)
    world.sql(
        "create function public.slow() returns trigger language plpgsql as "
        "'begin perform pg_catalog.pg_sleep(0.0005); return NEW; end';"
        "create trigger slow before update on public.notes for each row execute function public.slow()"
    )
    plain_folder.write("0001_fill", BATCHES + BACKFILL)
    killer = threading.Thread(
        target=terminate,
        args=(world, "%update public.notes set body%", "select 1 from public.notes where body = 'filled'"),
    )
    killer.start()
    with pytest.raises(Refusal, match=r"step 0001_fill: .*0001_fill\.up\.sql:6"):
        plain_folder.up()
    killer.join()
    kept = world.sql("select count(*) from public.notes where body = 'filled'")[0][0]
    assert 0 < kept < 2000
    assert kept % 100 == 0, "whole batches"
    assert plain_folder.recorded() == []
    world.sql("drop trigger slow on public.notes")
    written = world.sql("select id, xmin::text from public.notes where body = 'filled' order by id limit 1")
    plain_folder.up()
    assert world.sql("select count(*) from public.notes where body is null") == [(0,)]
    assert world.sql("select id, xmin::text from public.notes where body = 'filled' order by id limit 1") == written
    assert plain_folder.recorded() == ["0001"]


def test_a_batch_that_meets_a_locked_row_gives_way_and_comes_back(plain_folder, second_session, monkeypatch):
    monkeypatch.setattr(locks, "LIMITS", locks.Limits(once=0.2, look=0.05, pause=0.05))
    world = plain_folder.world
    notes(world, 300)
    plain_folder.write("0001_fill", BATCHES + BACKFILL)
    second_session.execute("begin; select 1 from public.notes where title = 'note 150' for update")
    holder = threading.Timer(1, second_session.execute, args=("rollback",))
    holder.start()
    plain_folder.up()
    holder.join()
    assert world.sql("select count(*) from public.notes where body is null") == [(0,)]
    assert any(
        "100 rows: waiting for the end of the transaction of pid" in told for told in plain_folder.engine.progress
    )


def test_a_failing_batch_names_its_line(plain_folder):
    notes(plain_folder.world)
    plain_folder.write("0001_fill", BATCHES + BACKFILL.replace("'filled'", "nothing"))
    with pytest.raises(Refusal) as caught:
        plain_folder.up()
    assert '"nothing" does not exist (42703), sql/steps/0001_fill.up.sql:6' in one_line(caught)


def test_steps_of_every_kind_stand_in_one_folder_and_go_down_in_reverse(folder):
    notes(folder.world)
    folder.table("0001_first")
    folder.write("0002_index", OUTSIDE + INDEX, OUTSIDE + "drop index concurrently public.notes_title_idx;")
    folder.table("0003_third")
    folder.write(
        "0004_fill", BATCHES + BACKFILL, BATCHES + BACKFILL.replace("'filled'", "null").replace("is null", "= 'filled'")
    )
    thing = folder.engine.create(TOKEN, folder.declared(role="app_owner"))
    assert folder.recorded() == ["0001", "0002", "0003", "0004"]
    folder.engine.delete(thing)
    assert folder.tables() == []
    assert folder.world.sql("select count(*) from public.notes where body is null") == [(1000,)]
