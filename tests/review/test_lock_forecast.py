"""`./vpb migrate locks`: what each statement locks is what the server does with it."""

import itertools
import json
from collections.abc import Iterator

import psycopg
import pytest

from ops import __main__ as ops
from ops.review import ways
from ops.review.forecast import StatementForecast, onacopy
from ops.review.forecast.model import CONFLICTS, MODES, blocks
from provider.errors import StatementFailed
from run import engine
from tests.conftest import Cluster
from tests.review import forecast_target
from tests.review.forecast_target import ROLE, Target

OUTSIDE = "-- Run: outside a transaction.\n"


@pytest.fixture(scope="module")
def target(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    name = "lock_forecast"
    url = cluster.create(name, "template0").url
    with forecast_target.target(url, tmp_path_factory.mktemp("checkout")) as made:
        yield made
    cluster.drop(name)


def found(forecasts: list[StatementForecast]) -> list[list[tuple[str, str]]]:
    return [[(lock.relation, lock.mode) for lock in each.locks] for each in forecasts]


NOTES, PEOPLE, SETTINGS = "public.notes", "public.people", "public.settings"


def test_locks_rewrites_scans_and_builds_are_what_the_server_does(target):
    """The policy stands in the way of the type; `up` drops it and makes it again, and the next one names it."""
    said = target.forecast(
        "alter table public.notes alter number type bigint;",
        "drop policy notes_own on public.notes;\n"
        "alter table public.notes alter title type text, alter flag set not null;\n"
        "alter table public.notes alter flag set not null;",
        "alter table public.notes add foreign key (person_id) references public.people;",
        "create index on public.notes (flag);\ncreate index on public.notes using gin (to_tsvector('english', title));",
        "insert into public.settings values ('a');\ncreate table public.fresh (id int);\n"
        "alter table public.fresh alter id type bigint;\ndelete from public.notes where price = 2;\n"
        "truncate public.settings;\ndrop table public.settings;",
    )
    exclusive = [(NOTES, "access exclusive")]
    assert found(said) == [
        exclusive,
        *(exclusive, exclusive, []),
        [(NOTES, "share row exclusive"), (PEOPLE, "share row exclusive")],
        *([(NOTES, "share")], [(NOTES, "share")]),
        *([(SETTINGS, "row exclusive")], [], [], [(NOTES, "row exclusive")]),
        *([(SETTINGS, "access exclusive")], []),
    ]
    done = [[(lock.rewritten, lock.scanned, lock.indexes_built) for lock in each.locks] for each in said]
    assert done == [
        [(True, False, 2)],
        *([(False, False, 0)], [(False, True, 0)], []),
        [(False, True, 0), (False, True, 0)],
        *([(False, False, 1)], [(False, False, 1)]),
        *([(False, False, 0)], [], [], [(False, True, 0)]),
        *([(False, False, 0)], []),
    ]
    assert [each.at_most for each in said] == [False] * 10 + [True] + [False] * 2
    assert [each.line for each in said[:4]] == [5, 5, 6, 7]
    assert said[6].unknown == "an index of kind gin, whose time is that of a b-tree here"
    assert {lock.rows for each in said for lock in each.locks if lock.relation == NOTES} == {1000}
    with psycopg.connect(target.url) as connection:
        left = connection.execute("select count(*) from pg_database where datname like '%scratch%'").fetchone()
    assert left == (0,), "the copy is gone"


def test_what_runs_outside_a_transaction_or_in_batches_is_said(target):
    said = target.forecast(
        "alter table public.notes add constraint c check (number >= 0) not valid;\n"
        "create index on public.notes (number);",
        (
            "alter table public.notes validate constraint c;\ncreate index concurrently i on public.notes (number);\n"
            "vacuum public.people;\ndrop index concurrently public.i;",
            OUTSIDE,
        ),
        (
            "update public.notes set flag = 2 where id in (select id from public.notes where flag = 1 limit 10);",
            "-- Run: in batches of 10, pause 50ms.\n",
        ),
    )
    _, plain, *said = said
    assert [each.runs for each in said] == [*["outside"] * 4, "batches"]
    concurrent = [(NOTES, "share update exclusive")]
    assert found(said) == [
        *(concurrent, concurrent, [(PEOPLE, "share update exclusive")], concurrent),
        [(NOTES, "row exclusive")],
    ]
    validated, built, *_, batched = said
    assert [lock.scanned for lock in validated.locks] == [True]
    assert [lock.indexes_built for each in said for lock in each.locks] == [0, 1, 0, 0, 0]
    assert built.seconds > plain.seconds, "concurrently, the table is read once more"
    assert not any(lock.stops_people for each in said for lock in each.locks)
    (batch,) = batched.locks
    assert 0 < batch.held_seconds < batched.seconds / 10


def test_a_lock_counts_from_the_statement_that_takes_it_to_the_end_of_its_transaction(target, monkeypatch, capsys):
    target.pending(
        "alter table public.people add column a int;\ncreate index on public.notes (title, number);",
        "create table public.fresh (id int);",
    )
    monkeypatch.setattr(engine, "lock_budget", lambda stack: 0.0001)
    words = ["migrate", "locks", "--url", target.url, "--folder", "sql/steps", "--role", ROLE, "--quiet"]
    assert ops.main([*words, "--json"]) == 2
    instant, build, fresh = json.loads(capsys.readouterr().out)["statements"]
    assert (instant["seconds"], instant["over_budget"]) == (0, True)
    assert instant["locks"][0]["held_seconds"] == build["locks"][0]["held_seconds"] == build["seconds"] > 0.0001
    assert instant["instead"].startswith("the lock is held until the end of the migration")
    assert build["instead"].startswith("`create index concurrently`")
    assert (fresh["locks"], fresh["over_budget"]) == ([], False)
    assert ops.main(words) == 2
    text = capsys.readouterr().out
    assert "sql/steps/0002_step.up.sql:5: an instant, over the budget: an instant where 0.0001 s are allowed" in text
    assert "public.notes (1,000 rows, " in text
    assert "share, blocks writes and DDL" in text
    monkeypatch.setattr(engine, "lock_budget", lambda stack: 60.0)
    assert ops.main(words) == 0


def test_work_on_what_is_new_counts_while_a_lock_is_held(target):
    """Rows that go into a new table, an index on it, what its own rows then cost, and the time that the copy took."""
    alone, added, copied, filled, index, changed, few, slept = target.forecast(
        "create table public.alone as select * from public.notes;",
        "alter table public.people add column a int;\n"
        "create table public.copied as select n.* from public.notes as n join public.people as p on p.id = n.flag;\n"
        "insert into public.copied select * from public.notes;\n"
        "create index on public.copied (title);\n"
        "update public.copied set flag = 2;\n"
        "create table public.few as select id from public.notes limit 10;\n"
        "do $$ begin perform pg_sleep(0.3); end $$;",
    )
    assert alone.seconds > 0
    assert copied.seconds > alone.seconds, "a join reads both"
    assert (alone.at_most, copied.at_most, changed.at_most) == (False, True, True)
    assert min(each.seconds for each in (copied, filled, index, changed)) > 0
    assert few.seconds < alone.seconds / 1.5, "ten rows are written"
    assert slept.seconds >= 0.3
    (lock,) = added.locks
    assert (added.seconds, lock.relation) == (0, PEOPLE)
    work = (copied, filled, index, changed, few, slept)
    assert lock.held_seconds == pytest.approx(sum(each.seconds for each in work), abs=1e-4)


def test_what_cannot_be_known_is_said(target):
    trigger = "create trigger t before update on public.notes for each row execute function public.f();"
    function = "create function public.f() returns trigger language plpgsql as $$ begin return new; end $$;"
    target.sql(f"set role {ROLE}; {function} {trigger}")
    loop = "do $$ declare r record; begin for r in select * from public.notes loop null; end loop; end $$;"
    try:
        looped, plain, updated, called = target.forecast(
            f"{loop}\ndo $$ begin alter table public.notes add column b int; end $$;\n"
            "update public.notes set flag = 2 where price > 2;\n"
            "create table public.x as select n.id, now() as at from public.notes as n;"
        )
    finally:
        target.sql("drop trigger t on public.notes", "drop function public.f()")
    assert looped.unknown.startswith("what code does for each row")
    assert updated.unknown == "the triggers of public.notes, which run for each row"
    assert (plain.unknown, called.unknown) == ("", "")


def test_on_a_partitioned_table_the_way_is_another_one(target, monkeypatch):
    monkeypatch.setattr(engine, "lock_budget", lambda stack: 0.0)
    target.sql(
        f"set role {ROLE}; create table public.days (id bigint, person_id bigint) partition by range (id); "
        "create table public.days_1 partition of public.days for values from (0) to (5000); "
        "insert into public.days select id, person_id from public.notes; analyze public.days_1"
    )
    key = "foreign key (person_id) references public.people"
    try:
        _, validated, whole, index, other = target.forecast(
            f"alter table public.days_1 add constraint k {key} not valid;",
            ("alter table public.days_1 validate constraint k;", OUTSIDE),
            f"alter table public.days add constraint k {key};",
            f"create index on public.days (id);\nalter table public.days add constraint other {key};",
        )
        assert {lock.relation: lock.scanned for lock in validated.locks}["public.days_1"]
        assert whole.seconds == 0, "the key of the partition is taken, and no row is read"
        assert other.seconds > 0
        assert (index.instead, other.instead) == (ways.PARTITIONED_INDEX, ways.PARTITIONED_KEY)
        assert [lock.indexes_built for lock in index.locks] == [0, 1], "of the table and of its partition"
    finally:
        target.sql("drop table public.days")


def test_what_is_pending_is_linted(target, capsys):
    target.pending("alter table public.notes alter number type bigint;", "drop table public.notes;")
    words = ["migrate", "lint", "--url", target.url, "--folder", "sql/steps", "--json"]
    assert ops.main(words) == 2
    said = json.loads(capsys.readouterr().out)["findings"]
    assert [(each["file"], each["rule"]) for each in said] == [
        ("sql/steps/0002_step.up.sql", "type-change-rewrites"),
        ("sql/steps/0003_step.up.sql", "ban-drop-table"),
    ]
    target.pending()
    assert ops.main(words[:-1]) == 0
    assert capsys.readouterr().out == "nothing found\n"


def test_an_index_in_use_on_the_target_is_said(target, capsys):
    target.pending("drop index public.notes_title_idx;")
    words = ["migrate", "lint", "--url", target.url, "--folder", "sql/steps", "--json"]
    used = "select 1 from public.notes where title = 'a' limit 1"
    target.sql(f"set enable_seqscan = off; set enable_bitmapscan = off; {used}")
    assert ops.main(words) == 2
    said = {each["rule"]: each["what"] for each in json.loads(capsys.readouterr().out)["findings"]}
    assert said["index-in-use"].startswith("index public.notes_title_idx is in use: 1 time")


def test_what_fails_on_the_copy_is_named_and_what_reaches_further_is_not_run(target):
    with pytest.raises(StatementFailed, match=r"0002_step\.up\.sql:6.*tried on a copy of the structure"):
        target.forecast("select 1;\nalter table public.notes add constraint c check (nothing > 1);")
    locked, beyond, after = target.forecast(
        "lock table public.notes in share mode;\ncreate role somebody;", "drop table public.notes;"
    )
    assert {each.unknown for each in (locked, beyond, after)} == {
        "sql/steps/0002_step.up.sql:6 says `create role`, which may reach beyond this database"
    }


def test_where_the_copy_is_not_whole_what_fails_there_is_not_known(target, monkeypatch):
    async def without_people(*arguments):
        copy, _ = await structure_of(*arguments)
        async with await copy.session() as session:
            await session.execute("drop table public.people")
        return copy, "1 statements of it failed, the first: no such extension"

    structure_of = onacopy.structure_of
    monkeypatch.setattr(onacopy, "structure_of", without_people)
    known, failed, after = target.forecast(
        "alter table public.notes add column a int;",
        "alter table public.people add column a int;",
        "alter table public.notes add column b int;",
    )
    assert (found([known]), known.unknown) == ([[(NOTES, "access exclusive")]], "")
    assert failed.unknown.startswith("0003_step failed on a copy that isn't whole (1 statements of it failed")
    assert (failed.locks, after.locks, after.unknown) == ((), (), failed.unknown)


def test_the_table_of_conflicts_is_the_servers(target):
    with psycopg.connect(target.url) as one, psycopg.connect(target.url) as other:
        for held, asked in itertools.product(MODES, MODES):
            one.execute(f"lock table public.people in {held} mode".encode())
            try:
                other.execute(f"lock table public.people in {asked} mode nowait".encode())
                conflict = False
            except psycopg.errors.LockNotAvailable:
                conflict = True
            assert (asked in CONFLICTS[held]) is conflict, (held, asked)
            one.rollback()
            other.rollback()
    assert blocks("access exclusive") == ("reads", "writes", "DDL")
    assert blocks("share") == ("writes", "DDL")
    assert blocks("share update exclusive") == ("DDL",)


def test_the_sizes_of_another_environment_count_where_a_file_has_them(target, tmp_path, capsys):
    """As `./vpb migrate sizes` writes it of the one that may be asked."""
    run = ["migrate", "sizes", "--url", target.url]
    assert ops.main([*run, "--json"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written["tables"][NOTES]["rows"] == 1000
    assert ops.main(run) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0].split()[0], "1,000 rows" in lines[0]) == (NOTES, True), "the largest first"
    written |= {"stack": "prod", "at": "2026-11-29T04:15:00+00:00"}
    written["tables"][NOTES] = {"rows": 40_000_000, "bytes": 4 << 30, "with_toast": 4 << 30}
    path = tmp_path / "sizes.json"
    path.write_text(json.dumps(written))
    target.pending("alter table public.notes alter number type bigint;")
    asked = ["migrate", "locks", "--url", target.url, "--folder", "sql/steps", "--role", ROLE, "--quiet"]
    assert ops.main(asked) == 0
    assert "1,000 rows" in capsys.readouterr().out
    assert ops.main([*asked, "--sizes", str(path)]) == 2
    said = capsys.readouterr().out
    assert "40,000,000 rows, 4,096.0 MiB" in said
    assert said.endswith("over the budget: 1\nsizes of prod, 2026-11-29 04:15 UTC, speed of this server\n")


SIZES = {
    "stack": "prod",
    "at": "2026-11-29T04:15:00+00:00",
    "tables": {NOTES: {"rows": 1, "bytes": 1, "with_toast": 1}},
}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        json.dumps({**SIZES, "tables": [NOTES]}),
        json.dumps({**SIZES, "tables": {NOTES: {"rows": -1, "bytes": 1, "with_toast": 1}}}),
        json.dumps({**SIZES, "tables": {NOTES: {"rows": True, "bytes": 1, "with_toast": 1}}}),
        json.dumps({**SIZES, "tables": {NOTES: {"rows": 1, "bytes": 10**400, "with_toast": 1}}}),
        json.dumps({**SIZES, "at": "yesterday"}),
        json.dumps({**SIZES, "stack": "prod\n# a heading"}),
        json.dumps({"tables": {}}),
    ],
)
def test_a_file_that_is_none_of_sizes_is_refused_in_one_line(tmp_path, capsys, text):
    path = tmp_path / "sizes.json"
    path.write_text(text)
    for command in (["migrate", "locks"], ["plan"]):
        assert ops.main([*command, "--sizes", str(path)]) == 1
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert f"{path}: isn't what ./vpb migrate sizes --json writes; make it again" in said.err


def test_a_file_of_sizes_that_is_not_there_is_named(tmp_path, capsys):
    assert ops.main(["plan", "--sizes", str(tmp_path / "none.json")]) == 1
    assert "none.json: No such file or directory" in capsys.readouterr().err
