"""Migrations that don't run in one transaction: outside of one, and in batches; killed in the middle they go on."""

import threading
import time
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest

from declared import connectionurl
from declared.sqltext import digest, statements
from harness.engine import Refusal, Thing
from provider import snapshots
from provider.steps import locks, outside
from tests.provider.folders import HISTORY, TOKEN, Folder, one_line
from tests.provider.snapshots import ODD_SETTINGS, SPELT
from tests.provider.world import World

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
        "(25001), sql/steps/0001_index.up.sql:4; give the migration the header line `-- Run: outside a transaction.`"
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
        "(23505), sql/steps/0001_parts.up.sql:9; table public.notes; index public.notes_body_idx stays invalid until "
        "the next run builds it again, the statements before it are kept, the next run goes on with it"
    )
    assert plain_folder.recorded() == [], "recorded once all of it is done"
    assert valid(world, "notes_body_idx") == [(False,)], "what a failed build leaves"
    built = world.sql("select pg_relation_filenode('public.notes_title_idx')")
    world.sql("delete from public.notes")
    plain_folder.up()
    assert valid(world, "notes_body_idx") == [(True,)]
    assert world.sql("select pg_relation_filenode('public.notes_title_idx')") == built, "what was done isn't done again"
    assert plain_folder.recorded() == ["0001"]
    assert any("notes_body_idx is there already and invalid" in line for line in plain_folder.engine.reported())
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
        "migration 0001_index: index public.notes_title_idx is there already with another definition, "
        "sql/steps/0001_index.up.sql:6; drop it or name this one differently"
    )
    assert valid(world, "notes_title_idx") == [(False,)]


ODD_BUILDS = {
    "its table's name": ("notes_idx", "public.notes (body) where notes.id > 0"),
    "its table's name and schema": ("notes_idx", "public.notes (body) where public.notes.id > 0"),
    "a whole row": ("notes_idx", "public.notes (public.brief(notes))"),
    "a name with a word of the grammar": ('"a USING b ON c"', "public.notes (body)"),
}


@pytest.mark.parametrize("how", list(ODD_BUILDS))
def test_a_build_that_failed_goes_on_however_it_is_spelt(plain_folder, how):
    world = plain_folder.world
    world.sql(
        "create function public.brief(one public.notes) returns text language sql immutable as 'select one.body';"
        "grant execute on function public.brief(public.notes) to public;"
        "insert into public.notes (body) values ('same'), ('same')"
    )
    name, rest = ODD_BUILDS[how]
    plain_folder.write("0001_index", OUTSIDE + f"create unique index concurrently {name} on {rest};")
    with pytest.raises(Refusal, match="23505"):
        plain_folder.up()
    assert valid(world, name) == [(False,)]
    world.sql("delete from public.notes")
    plain_folder.up()
    assert valid(world, name) == [(True,)]
    assert plain_folder.recorded() == ["0001"]


def test_an_index_that_cannot_be_compared_is_left_alone_if_this_step_never_began_it(plain_folder):
    world = plain_folder.world
    world.sql("create index notes_idx on public.notes (title)")
    plain_folder.write(
        "0001_index", OUTSIDE + "create index concurrently notes_idx on public.notes (body) where public.notes.id > 0;"
    )
    for _ in range(2):
        with pytest.raises(Refusal, match="is there already with another definition"):
            plain_folder.up()
    assert valid(world, "notes_idx") == [(True,)]


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


SCRIPTS = (
    f"{INDEX}\ncomment on table public.notes is 'Declared.';",
    "comment on table public.notes is null;\ndrop index concurrently public.notes_title_idx;",
)


@pytest.mark.parametrize("back", [True, False])
def test_a_rollback_that_is_killed_in_the_middle_is_ended_and_not_taken_for_done_or_undone(
    plain_folder, second_session, back
):
    """Also where the files are put back meanwhile: then the migration is applied again."""
    world = plain_folder.world
    up, down = (OUTSIDE + direction for direction in SCRIPTS)
    plain_folder.write("0001_index", up, down)
    thing = plain_folder.up()
    plain_folder.remove("0001_index")
    # A reader holds up the second statement; the first one doesn't wait for it.
    second_session.execute("begin; select from public.notes")
    killer = threading.Thread(
        target=terminate, args=(world, "drop index concurrently%", "select 1 from pg_locks where not granted")
    )
    killer.start()
    with pytest.raises(Refusal, match="57P01"):
        plain_folder.engine.update(thing, plain_folder.declared())
    killer.join()
    second_session.execute("rollback")
    assert plain_folder.recorded() == ["0001"]
    if not back:
        plain_folder.write("0001_index", up, down)
    found = plain_folder.refreshed(thing)
    assert any("0001_index was left half rolled back" in line for line in plain_folder.engine.reported())
    assert plain_folder.engine.diff(found, plain_folder.declared()) != []
    with pytest.raises(Refusal, match="it was left half rolled back, and this environment protects its data"):
        plain_folder.engine.diff(found, plain_folder.declared(protect=True))
    plain_folder.engine.update(found, plain_folder.declared())
    comment = world.sql("select obj_description('public.notes'::regclass, 'pg_class')")
    wanted = ([], [], [(None,)]) if back else (["0001"], [(True,)], [("Declared.",)])
    assert (plain_folder.recorded(), valid(world, "notes_title_idx"), comment) == wanted
    assert world.sql(f"select 1 from {HISTORY}_progress") == []


def test_what_a_migration_had_made_before_it_left_is_made_again_where_it_went_with_another(plain_folder):
    world = plain_folder.world
    index = "create index concurrently made_id_idx on public.made (id, id);"
    plain_folder.table("0001_made")
    plain_folder.write("0002_index", OUTSIDE + f"{index}\ncomment on table public.missing is 'x';")
    with pytest.raises(Refusal, match="missing"):
        plain_folder.up()
    plain_folder.remove("0002_index")
    thing = plain_folder.up()
    plain_folder.remove("0001_made")
    thing = plain_folder.engine.update(thing, plain_folder.declared())
    assert plain_folder.tables() == []
    plain_folder.table("0001_made")
    plain_folder.write("0002_index", OUTSIDE + f"{index}\ncomment on table public.made is 'x';")
    plain_folder.engine.update(thing, plain_folder.declared())
    assert valid(world, "made_id_idx") == [(True,)]


@pytest.fixture
def snapshot(plain_world: World) -> Callable[[], list[str]]:
    """A snapshot of schema public, and what differs from it."""
    inputs = {"name": "schema", "schemas": ["public"]}
    thing = plain_world.engine.create("pg:index:SchemaSnapshot", inputs)

    def differs() -> list[str]:
        found = plain_world.engine.refresh(thing)
        assert found is not None
        return sorted(found.state["drift"])

    return differs


@pytest.mark.parametrize(
    ("up", "down"),
    [
        (INDEX, "drop index concurrently public.notes_title_idx;"),
        ("alter type public.mood add value 'bad';", None),
        ("comment on column public.notes.title is 'Of the note.';", None),
    ],
)
def test_what_runs_outside_a_transaction_is_declared_and_a_manual_change_beside_it_is_not(
    plain_folder, snapshot, up, down
):
    plain_folder.world.sql("create index stray on public.notes (writer)")
    stray = ["table public.notes: index stray"]
    assert snapshot() == stray
    plain_folder.write("0001_outside", OUTSIDE + up, OUTSIDE + down if down else "select 1;")
    thing = plain_folder.up()
    assert snapshot() == stray
    if down:
        plain_folder.remove("0001_outside")
        plain_folder.engine.update(thing, plain_folder.declared())
        assert snapshot() == stray


def test_a_build_that_failed_leaves_no_manual_change(plain_folder, snapshot):
    plain_folder.world.sql("insert into public.notes (title) values ('twice'), ('twice')")
    plain_folder.write("0001_index", OUTSIDE + INDEX.replace("index concurrently", "unique index concurrently"))
    with pytest.raises(Refusal, match="could not create unique index"):
        plain_folder.up()
    assert snapshot() == [], "the invalid index is the migration's"
    plain_folder.world.sql("delete from public.notes")
    plain_folder.up()
    assert snapshot() == []
    plain_folder.world.sql("drop index public.notes_title_idx")
    assert snapshot() == ["table public.notes: index notes_title_idx"]


PENDING = "select * from supabase_migrations.schema_snapshot_pending"


def kill_after_the_statement(folder: Folder, monkeypatch: pytest.MonkeyPatch, thing: Thing) -> None:
    async def killed(*arguments: object) -> None:
        raise psycopg.OperationalError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(snapshots, "absorb", killed)
        with pytest.raises(Refusal, match="killed"):
            folder.engine.update(thing, folder.declared())


def test_a_drop_that_was_done_and_not_noted_is_no_manual_change(plain_folder, snapshot, monkeypatch):
    """A kill between the end of the statement and its note: the index can't be asked any more for its table."""
    plain_folder.write(
        "0001_index",
        "create unique index notes_id_idx on public.notes (id);\n"
        "comment on index public.notes_id_idx is 'Of the replica.';\n"
        "alter table public.notes replica identity using index notes_id_idx;",
    )
    thing = plain_folder.up()
    assert snapshot() == []
    plain_folder.write("0002_drop", OUTSIDE + "drop index concurrently public.notes_id_idx;")

    kill_after_the_statement(plain_folder, monkeypatch, thing)
    assert snapshot() == [], "it is known whose work this may be"
    plain_folder.engine.update(plain_folder.refreshed(thing), plain_folder.declared())
    assert plain_folder.world.sql("select * from supabase_migrations.schema_snapshot_pending") == []
    assert snapshot() == []


def test_a_statement_that_failed_hides_no_manual_change(plain_folder, snapshot):
    world = plain_folder.world
    plain_folder.write(
        "0001_parts",
        "create table public.parts (id int) partition by list (id);\n"
        "create table public.parts_1 partition of public.parts for values in (1);\n"
        "create table public.parts_rest partition of public.parts default;",
        "drop table public.parts;",
    )
    thing = plain_folder.up()
    plain_folder.write(
        "0002_detach", OUTSIDE + "alter table public.parts detach partition public.parts_1 concurrently;"
    )
    with pytest.raises(Refusal, match="default partition"):
        plain_folder.engine.update(thing, plain_folder.declared())
    assert world.sql(PENDING) == []
    plain_folder.remove("0002_detach")
    world.sql("alter table public.parts detach partition public.parts_1")
    assert snapshot() == ["table public.parts_1"]


@pytest.mark.parametrize("then", ["removed", "renamed", "edited", "edited to run in a transaction", "deleted"])
def test_what_a_killed_statement_left_is_a_manual_change_once_no_run_goes_on_with_it(
    plain_folder, snapshot, monkeypatch, then
):
    plain_folder.table("0001_made")
    thing = plain_folder.up()
    plain_folder.write("0002_index", OUTSIDE + INDEX, OUTSIDE + "drop index concurrently public.notes_title_idx;")
    kill_after_the_statement(plain_folder, monkeypatch, thing)
    assert snapshot() == []
    assert any(
        "index notes_title_idx isn't as the last `up` left it: migration 0002 was begun" in line
        for line in plain_folder.engine.reported()
    )
    plain_folder.remove("0002_index")
    match then:
        case "renamed":
            plain_folder.write("0002_other", OUTSIDE + INDEX)
        case "edited":
            plain_folder.write("0002_index", OUTSIDE + "comment on table public.notes is 'x';")
        case "edited to run in a transaction":
            plain_folder.write("0002_index", "create table public.other_one (id int);")
    found = plain_folder.refreshed(thing)
    if then == "deleted":
        plain_folder.engine.delete(found)
    else:
        assert plain_folder.engine.diff(found, plain_folder.declared()) != []
        plain_folder.engine.update(found, plain_folder.declared())
    assert plain_folder.world.sql(PENDING) == []
    assert snapshot() == ([] if then == "renamed" else ["table public.notes: index notes_title_idx"])


def test_what_others_change_while_a_statement_runs_is_a_manual_change(plain_folder, snapshot, monkeypatch):
    world, run = plain_folder.world, outside._One.run

    async def slow(one: outside._One) -> None:
        await run(one)
        world.sql("create index stray on public.notes (writer)")

    monkeypatch.setattr(outside._One, "run", slow)
    plain_folder.write("0001_index", OUTSIDE + INDEX)
    plain_folder.up()
    assert snapshot() == ["table public.notes: index stray"]


@pytest.mark.parametrize(
    ("manual", "key"),
    [
        ("alter type public.mood add value 'odd'", "type public.mood"),
        ("alter type public.mood owner to current_user", "type public.mood: owner"),
    ],
)
def test_a_manual_change_of_what_a_statement_changes_stays_one(plain_folder, snapshot, manual, key):
    plain_folder.world.sql(manual)
    assert snapshot() == [key]
    plain_folder.write("0001_value", OUTSIDE + "alter type public.mood add value 'bad';")
    plain_folder.up()
    assert snapshot() == [key]


@pytest.mark.parametrize("setting", ODD_SETTINGS)
@pytest.mark.parametrize("head", ["", OUTSIDE], ids=["in a transaction", "outside"])
def test_the_settings_of_a_login_change_no_definition_that_a_migration_makes(plain_folder, snapshot, setting, head):
    plain_folder.write("0001_spelt", SPELT)
    if head:
        plain_folder.up()
        index = "create index concurrently spelt_at_idx on public.spelt (id) where at > '2020-01-01 00:00+00';"
        plain_folder.write("0002_index", OUTSIDE + index)
    url = connectionurl.compose({**connectionurl.parse(plain_folder.world.login["url"]), "options": f"-c {setting}"})
    with closing(plain_folder.world.second_engine(url=url)) as engine:
        engine.plugin.read_from(plain_folder.path.parent.parent)
        engine.create(TOKEN, plain_folder.declared())
    plain_folder.world.sql("vacuum full public.spelt")
    assert snapshot() == []


def test_a_comment_on_any_kind_of_object_is_declared(plain_folder, snapshot):
    plain_folder.write(
        "0001_comments",
        OUTSIDE + "comment on function public.greet(text) is 'a';\ncomment on schema public is 'b';\n"
        "comment on type public.mood is 'c';\ncomment on table public.notes is 'd';\n"
        "comment on column public.notes.title is 'e';\ncomment on constraint notes_pkey on public.notes is 'f';",
    )
    plain_folder.up()
    assert snapshot() == []


QUOTED = '"Idx ""q"""'


def test_names_are_taken_as_postgresql_takes_them(plain_folder):
    world = plain_folder.world
    world.sql("""create type public."My ""Mood" as enum ('good')""")
    plain_folder.write(
        "0001_names",
        OUTSIDE
        + f"create index concurrently {QUOTED} on public . notes (lower(title));\n"
        + "create /* why */ index concurrently größe_idx on public.notes -- so\n (title);\n"
        + """alter type public."My ""Mood" add value 'bad';""",
    )
    plain_folder.up()
    assert valid(world, QUOTED) == [(True,)]
    assert valid(world, "größe_idx") == [(True,)]
    assert world.sql("""select enum_range(null::public."My ""Mood")::text""") == [("{good,bad}",)]


def test_an_invalid_index_with_a_quoted_name_is_built_again(plain_folder):
    world = plain_folder.world
    world.sql(f"create index {QUOTED} on public.notes (lower(title))")
    world.sql("update pg_index set indisvalid = false " + f"where indexrelid = 'public.{QUOTED}'::regclass")
    plain_folder.write("0001_i", OUTSIDE + f"create index concurrently {QUOTED} on public.notes (lower(title));")
    plain_folder.up()
    assert valid(world, QUOTED) == [(True,)]


DETACH = 'alter table public.months detach partition public."2026 May" concurrently;'


def months(world: World) -> None:
    world.sql(
        "create table public.months (day date) partition by range (day);"
        """create table public."2026 May" partition of public.months for values from ('2026-05-01') to ('2026-06-01')"""
    )


def partitions(world: World) -> list[tuple[str, bool]]:
    return world.sql(
        "select inhrelid::regclass::text, inhdetachpending from pg_inherits where inhparent = 'public.months'::regclass"
    )


def test_a_partition_is_detached_outside_a_transaction(plain_folder):
    world = plain_folder.world
    months(world)
    plain_folder.write("0001_detach", OUTSIDE + DETACH)
    plain_folder.up()
    assert partitions(world) == []
    assert plain_folder.recorded() == ["0001"]


def test_a_detachment_that_is_killed_in_the_middle_is_finished_by_the_next_run(plain_folder, second_session):
    world = plain_folder.world
    months(world)
    plain_folder.write("0001_detach", OUTSIDE + DETACH)
    second_session.execute("begin; select * from public.months")
    killer = threading.Thread(
        target=terminate, args=(world, "alter table public.months%", "select 1 from pg_inherits where inhdetachpending")
    )
    killer.start()
    with pytest.raises(Refusal, match=r"57P01.*0001_detach\.up\.sql:6"):
        plain_folder.up()
    killer.join()
    second_session.execute("rollback")
    assert [pending for _, pending in partitions(world)] == [True]
    assert plain_folder.recorded() == []
    plain_folder.up()
    assert partitions(world) == []
    assert plain_folder.recorded() == ["0001"]
    assert any("2026 May was left half detached" in line for line in plain_folder.engine.reported())


def test_a_detachment_that_was_done_and_not_noted_is_met_again_without_harm(plain_folder):
    world = plain_folder.world
    months(world)
    plain_folder.write("0001_detach", OUTSIDE + DETACH)
    plain_folder.up()
    world.sql(f"delete from {HISTORY}")
    world.sql(f"insert into {HISTORY}_progress values ('0001', 'up', '{digest('1 ' + DETACH[:-1])}', false)")
    plain_folder.up()
    assert plain_folder.recorded() == ["0001"]


@pytest.mark.parametrize("statement", [DETACH, "drop index concurrently public.misspelt;"])
def test_what_the_server_refused_is_not_taken_for_done_by_the_next_run(plain_folder, statement):
    plain_folder.world.sql("create table public.months (day date) partition by range (day)")
    plain_folder.world.sql('create table public."2026 May" (day date)')
    plain_folder.write("0001_part", OUTSIDE + statement)
    for _ in range(2):
        with pytest.raises(Refusal, match=r"0001_part\.up\.sql:6"):
            plain_folder.up()
    assert plain_folder.recorded() == []


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
    with pytest.raises(Refusal, match=r"migration 0001_fill: .*0001_fill\.up\.sql:6"):
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


@pytest.mark.parametrize("refresh", [True, False])
@pytest.mark.parametrize("back", [True, False])
def test_a_rollback_in_batches_that_failed_in_the_middle_is_ended_also_where_the_files_are_back(
    plain_folder, back, refresh
):
    world = plain_folder.world
    notes(world, 300)
    halves = (BATCHES + BACKFILL, BATCHES + BACKFILL.replace("'filled'", "null").replace("is null", "= 'filled'"))
    plain_folder.write("0001_fill", *halves)
    thing = plain_folder.up()
    world.sql(
        "create function public.stop() returns trigger language plpgsql as "
        "'begin if OLD.id % 250 = 0 then raise exception ''stop''; end if; return NEW; end';"
        "create trigger stop before update on public.notes for each row execute function public.stop()"
    )
    plain_folder.remove("0001_fill")
    with pytest.raises(Refusal, match="stop"):
        plain_folder.engine.update(thing, plain_folder.declared())
    world.sql("drop trigger stop on public.notes")
    assert world.sql("select count(*) from public.notes where body is null") == [(200,)], "half rolled back"
    if not back:
        plain_folder.write("0001_fill", *halves)
    if refresh:
        thing = plain_folder.refreshed(thing)
    assert plain_folder.engine.diff(thing, plain_folder.declared()) == ['steps["0001_fill"]']
    plain_folder.engine.update(thing, plain_folder.declared())
    assert world.sql("select count(*) from public.notes where body is null") == [(300 if back else 0,)]
    assert plain_folder.recorded() == ([] if back else ["0001"])


def test_a_batch_that_meets_a_locked_row_gives_way_and_comes_back(plain_folder, second_session, monkeypatch):
    monkeypatch.setattr(locks, "LIMITS", locks.Limits(once=0.2, look=0.05, pause=0.05))
    world = plain_folder.world
    notes(world, 300)
    plain_folder.write("0001_fill", BATCHES + BACKFILL)
    second_session.execute("begin; select 1 from public.notes where title = 'note 150' for update")
    waiting = "100 rows: waiting for the end of the transaction of pid"

    def release() -> None:
        deadline = time.monotonic() + 60
        while not any(waiting in line for line in plain_folder.engine.progress) and time.monotonic() < deadline:
            time.sleep(0.02)
        second_session.execute("rollback")

    holder = threading.Thread(target=release)
    holder.start()
    plain_folder.up()
    holder.join()
    assert world.sql("select count(*) from public.notes where body is null") == [(0,)]
    assert any(waiting in line for line in plain_folder.engine.progress)


def test_rows_that_a_trigger_keeps_as_they_are_end_in_an_error_and_not_in_a_recorded_step(plain_folder):
    world = plain_folder.world
    notes(world, 500)
    world.sql(
        "create function public.keep() returns trigger language plpgsql as "
        "'begin return case when OLD.id % 10 = 0 then null else NEW end; end';"
        "create trigger keep before update on public.notes for each row execute function public.keep()"
    )
    plain_folder.write("0001_fill", BATCHES + BACKFILL)
    with pytest.raises(Refusal) as caught:
        plain_folder.up()
    assert one_line(caught) == (
        "migration 0001_fill: the statement still finds rows and changes none of them, sql/steps/0001_fill.up.sql:6; "
        "a trigger, a rule or a conflict keeps them as they are, or another session holds them; 450 rows are done "
        "and kept, the migration isn't recorded, the next run goes on with it"
    )
    assert plain_folder.recorded() == []
    world.sql("drop trigger keep on public.notes")
    plain_folder.up()
    assert world.sql("select count(*) from public.notes where body is null") == [(0,)]
    assert plain_folder.recorded() == ["0001"]


def test_rows_that_a_conflict_leaves_out_end_in_an_error_and_not_in_a_recorded_step(plain_folder):
    world = plain_folder.world
    notes(world, 300)
    world.sql("create table public.copies (id int unique, title text unique)")
    world.sql("insert into public.copies select -id, title from public.notes where id <= 150")
    plain_folder.write(
        "0001_copy",
        BATCHES + "insert into public.copies select id, title from public.notes as n\n"
        "where not exists (select from public.copies as c where c.id = n.id) order by id limit 100\n"
        "on conflict do nothing;",
    )
    with pytest.raises(Refusal, match="still finds rows and changes none of them"):
        plain_folder.up()
    assert plain_folder.recorded() == []


ENDLESS = {
    "a trigger that takes the value back": BACKFILL,
    "a where that leaves nothing out": BACKFILL.replace("where body is null ", ""),
}


@pytest.mark.parametrize("how", list(ENDLESS))
def test_a_statement_that_never_ends_is_stopped_with_what_it_did(plain_folder, how):
    world = plain_folder.world
    notes(world, 1000)
    if "trigger" in how:
        world.sql(
            "create function public.undo() returns trigger language plpgsql as "
            "'begin NEW.body = null; return NEW; end';"
            "create trigger undo before update on public.notes for each row execute function public.undo()"
        )
    plain_folder.write("0001_fill", BATCHES + ENDLESS[how])
    with pytest.raises(Refusal) as caught:
        plain_folder.up()
    assert one_line(caught).startswith(
        "migration 0001_fill: the statement never ends, sql/steps/0001_fill.up.sql:6: it has changed 2,100 rows and "
        "still finds 1,000, of 1,000 at first"
    )
    assert plain_folder.recorded() == []


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("create rule r as on update to public.notes do instead update public.other set id = id", "has rules"),
        ("alter table public.notes rename to kept; create view public.notes as table public.kept", "is no table"),
    ],
)
def test_a_target_whose_changed_rows_are_not_counted_is_refused(plain_folder, made, said):
    world = plain_folder.world
    notes(world, 300)
    world.sql(made)
    plain_folder.write("0001_fill", BATCHES + BACKFILL)
    with pytest.raises(Refusal) as caught:
        plain_folder.up()
    assert f"migration 0001_fill: public.notes {said}" in one_line(caught)
    assert "sql/steps/0001_fill.up.sql:6" in one_line(caught)
    assert world.sql("select count(*) from public.notes where body is null") == [(300,)]
    assert plain_folder.recorded() == []


def test_a_row_that_stays_locked_is_waited_for_where_the_statement_skips_it(plain_folder, second_session, monkeypatch):
    monkeypatch.setattr(locks, "LIMITS", locks.Limits(pause=0.05))
    world = plain_folder.world
    notes(world, 300)
    plain_folder.write("0001_fill", BATCHES + BACKFILL.replace("limit 100", "limit 100 for update skip locked"))
    second_session.execute("begin; select 1 from public.notes where title = 'note 150' for update")
    holder = threading.Timer(1, second_session.execute, args=("rollback",))
    holder.start()
    plain_folder.up()
    holder.join()
    assert world.sql("select count(*) from public.notes where body is null") == [(0,)]


def test_a_question_that_cannot_be_asked_shows_before_the_first_batch(plain_folder):
    world = plain_folder.world
    notes(world, 10)
    plain_folder.write(
        "0001_fill",
        BATCHES + "update public.notes as n set body = 'x'\n"
        "where exists (select 1 from public.notes as o where o.id = n.id and o.body is null limit 100);",
    )
    with pytest.raises(Refusal, match=r"0001_fill\.up\.sql:6"):
        plain_folder.up()
    assert world.sql("select count(*) from public.notes where body is null") == [(10,)]


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
