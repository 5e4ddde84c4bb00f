"""`./vpb migrate`: the same core without the engine; rehearsals on a scratch database; adoption."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from bench.steps import write_steps
from declared import sqlfiles
from declared.schemas import HISTORY_TABLE
from harness.engine import Refusal
from ops import __main__ as ops
from provider.steps import runner
from tests.provider.folders import HISTORY, Folder
from tests.sql import provision


@dataclass
class Command:
    """The command on the folder's database, in this process."""

    folder: Folder
    capture: pytest.CaptureFixture[str]

    def __call__(self, *words: str, status: int = 0, url: str | None = None, folder: str = "sql/steps") -> Any:
        """Its answer, or the line that says what stands in its way."""
        common = ["--url", url or self.folder.world.database.url, "--folder", folder, "--json", "--quiet"]
        self.capture.readouterr()
        found = ops.main(["migrate", *words, *common])
        written = self.capture.readouterr()
        assert found == status, written
        if status == 1 and not written.out:
            assert written.err.count("\n") == 1, "one line"
            return json.loads(written.err)["error"]
        return json.loads(written.out)


@pytest.fixture
def command(plain_folder: Folder, capsys: pytest.CaptureFixture[str]) -> Command:
    """Three migrations, and the command."""
    for name in ("0001_first", "0002_second", "0003_third"):
        plain_folder.table(name)
    return Command(plain_folder, capsys)


def test_nothing_runs_beside_a_manual_change_unless_it_is_said(command):
    """What a migration would state once more would be called manual, and undone with good advice."""
    folder = command.folder
    world = folder.world
    world.engine.create("pg:index:SchemaSnapshot", {"name": "schema", "schemas": ["public"]})
    held = folder.engine.create("pg:index:MigrationSet", {**folder.declared(), "steps": {}})
    world.sql("create table public.stray (id int)")
    for words in (("up",), ("down", "--to", "0")):
        refused = command(*words, status=1)
        assert "changed manually and declared nowhere: table public.stray; no migration was run" in refused
    # As `--target` has it: the resource that looks first isn't asked.
    alone = world.second_engine()
    try:
        with pytest.raises(Refusal, match=r"declared nowhere: table public\.stray; no migration was run"):
            alone.update(held, folder.declared())
        assert "first" not in folder.tables()
        command("up", "--despite-drift")
        assert "third" in folder.tables()
        world.sql("drop table public.stray")
        command("down", "--to", "2", "--lose")
        assert "third" not in folder.tables()
    finally:
        alone.close()


def test_up_status_and_down_are_what_the_engine_would_do(command):
    folder = command.folder
    assert command("status", status=2)["sql/steps"]["pending"] == ["0001_first", "0002_second", "0003_third"]
    assert command("up") == {"applied": {"sql/steps": ["0001_first", "0002_second", "0003_third"]}}
    assert command("status")["sql/steps"]["pending"] == []
    assert command("up") == {"applied": {"sql/steps": []}}
    thing = folder.up()
    assert folder.engine.diff(folder.refreshed(thing), folder.declared()) == [], "the engine adopts what it did"
    assert command("down", "--to", "9", status=1).startswith("--to 9: the newest migration that is applied is 3;")
    assert command("down", "--to", "1", "--lose") == {"rolled back": {"sql/steps": ["0003_third", "0002_second"]}}
    assert folder.tables() == ["first"]
    assert folder.recorded() == ["0001"]


def test_down_loses_data_only_when_told_to(command):
    command("up")
    said = command("down", "--to", "2", status=1)
    protected = "this environment protects its data and the rollback doesn't: 'loses it.'"
    assert said.startswith(f"migration 0003_third: {protected}")
    assert said.endswith("or allow it once: --allow 0003_third")
    assert command("down", "--to", "2", "--allow", "0003_third")["rolled back"]["sql/steps"] == ["0003_third"]


def test_what_was_left_half_rolled_back_is_pending_and_up_ends_it_first(command):
    command("up")
    command.folder.world.sql(f"insert into {HISTORY}_progress values ('0003', 'down', 'its first statement', true)")
    command.folder.world.sql("insert into public.third values (1)")
    assert command("status", status=2)["sql/steps"] == {
        "applied": ["0001_first", "0002_second"],
        "renamed": [],
        "pending": ["0003_third"],
        "unknown": [],
        "of other tools": [],
    }
    assert command("up", status=1) == (
        "migration 0003_third: it was left half rolled back, and this environment protects its data: the rest of the "
        "rollback says 'loses it.'; allow it once: --allow 0003_third"
    )
    assert command("up", "--allow", "0003_third") == {"applied": {"sql/steps": ["0003_third"]}}
    assert command.folder.world.sql("select count(*) from public.third") == [(0,)], "made again"
    assert command("status")["sql/steps"]["pending"] == []


def test_a_migration_whose_files_have_another_name_is_renamed_and_neither_pending_nor_unknown(command, capsys):
    command("up")
    for script in ("up", "down"):
        command.folder.path.joinpath(f"0003_third.{script}.sql").rename(
            command.folder.path / f"0003_other.{script}.sql"
        )
    command.folder.table("0004_fourth")
    found = {
        "applied": ["0001_first", "0002_second", "0003_other"],
        "renamed": ["0003_other from 0003_third"],
        "pending": ["0004_fourth"],
        "unknown": [],
        "of other tools": [],
    }
    assert command("status", status=2)["sql/steps"] == found
    ops.main(["migrate", "status", "--url", command.folder.world.database.url, "--folder", "sql/steps"])
    assert "  renamed: 0003_other from 0003_third\n" in capsys.readouterr().out
    assert command("up") == {"applied": {"sql/steps": ["0004_fourth"]}}, "as status has said"
    assert command("status")["sql/steps"]["renamed"] == []


def test_a_failure_is_one_line_and_status_one(command):
    command.folder.write("0002_second", "select 1 / 0;")
    assert "division by zero (22012), sql/steps/0002_second.up.sql:4" in command("up", status=1)
    command.folder.remove("0001_first")
    assert command("up", status=1) == "sql/steps: migration 0001 is missing before 0002_second"
    assert "check that the server runs" in command("status", status=1, url="postgresql://a:b@127.0.0.1:1/c")
    assert "--url must be postgresql://" in command("status", status=1, url="mysql://a/b")


def test_it_starts_without_pulumi_grpc_and_a_pool():
    code = "import sys, ops.__main__; print(sorted({'pulumi', 'grpc', 'psycopg_pool', 'boto3'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=provision.SQL.parent, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_many_steps_of_a_first_run_share_transactions_and_a_failure_still_names_its_step(command):
    folder = command.folder
    for path in folder.path.iterdir():
        path.unlink()
    write_steps(folder.path, 120)
    path = folder.path / "0087_columns_17.up.sql"
    good = path.read_text()
    path.write_text(good.replace("(parent_id);", "(nowhere);"))
    said = command("up", status=1)
    assert said.startswith(
        'migration 0087_columns_17: column "nowhere" does not exist (42703), sql/steps/0087_columns_17.up'
    )
    assert folder.recorded() == [f"{number:04}" for number in range(1, 87)], "those before it are kept"
    path.write_text(good)
    command("up")
    assert len(folder.recorded()) == 120
    shared = folder.world.sql(f"select count(*), count(distinct applied_at) from {HISTORY} where version < '0080'")
    assert shared[0][1] < shared[0][0] / 4, "many in one transaction"
    alone = folder.world.sql(f"select count(*), count(distinct applied_at) from {HISTORY} where version > '0086'")
    assert alone[0][0] == alone[0][1], "once something is there, each in its own"
    command("down", "--to", "0", "--lose")
    assert folder.tables() == []


def test_large_steps_share_no_message_that_would_make_thousands_of_tables_at_once(command, monkeypatch):
    folder = command.folder
    for number in range(4, 26):
        name = f"{number:04}_large_{number}"
        folder.table(name)
        path = folder.path / f"{name}.up.sql"
        path.write_text(f"{path.read_text()}-- {'x' * 100_000}\n")
    sent = []

    async def spy(connection: Any, piece: Any, *more: Any, really: Any = runner.send) -> None:
        sent.append([each.step for each in piece.joined] or [piece.step])
        await really(connection, piece, *more)

    monkeypatch.setattr(runner, "send", spy)
    command("up")
    assert [len(each) for each in sent] == [5, *[2] * 10], "the small ones, and as many of the others as fit"
    assert len(folder.recorded()) == 25


# Check.


def test_steps_whose_ways_back_are_whole_pass_the_check_and_leave_nothing(command):
    databases = "select count(*) from pg_database"
    before = command.folder.world.sql(databases)
    assert command("check") == {"checked": {"sql/steps": 3}, "found": []}
    assert command.folder.world.sql(databases) == before
    assert command.folder.tables() == []


LEFT = {
    "an index": ("create index i on public.notes_too (id);", "select 1;", "leaves index public.i"),
    "a function": (
        "create function public.f() returns int language sql return 1;",
        "select 1;",
        "leaves function public.f()",
    ),
    "a default": (
        "alter table public.notes_too alter id set default 1;",
        "select 1;",
        "leaves column public.notes_too.id changed",
    ),
    "row security": (
        "alter table public.notes_too enable row level security;",
        "select 1;",
        "leaves table public.notes_too changed",
    ),
    "a type": ("create type public.e as enum ('a');", "select 1;", "leaves type public.e"),
    "a trigger": (
        "create trigger t before update on public.notes_too for each row "
        "execute function suppress_redundant_updates_trigger();",
        "select 1;",
        "leaves trigger public.notes_too.t",
    ),
    "a policy": (
        "create policy p on public.notes_too using (true);",
        "select 1;",
        "leaves row policy public.notes_too.p",
    ),
    "a grant": ("grant select on public.notes_too to public;", "select 1;", "leaves grants on public.notes_too"),
    "a comment": ("comment on table public.notes_too is 'x';", "select 1;", "leaves table public.notes_too changed"),
    "too little": ("select 1;", "drop table public.notes_too;", "takes away column public.notes_too.id, constraint"),
}


@pytest.mark.parametrize("what", list(LEFT))
def test_what_a_way_back_leaves_is_named_with_its_step_and_file(command, what):
    up, down, named = LEFT[what]
    command.folder.table("0004_notes_too")
    command.folder.write("0005_leaves", up, down)
    (said,) = command("check", status=2)["found"]
    assert said.startswith(f"migration 0005_leaves: its down script {named.partition(', ')[0]}")
    assert said.endswith(", sql/steps/0005_leaves.down.sql:1")


def test_a_step_that_cannot_run_again_is_named(command):
    command.folder.write(
        "0004_role", "create schema again;", "alter schema again rename to hidden; drop schema hidden;"
    )
    command("check")
    command.folder.write("0005_once", "create table public.t (id serial);", "alter table public.t rename to u;")
    assert "0005_once: its down script" in command("check", status=2)["found"][0]


# Adoption.


@pytest.fixture
def made_manually(command: Command) -> Command:
    """The objects of the first two migrations, in the database and in no history."""
    command.folder.world.sql("create table public.first (id int primary key)")
    command.folder.world.sql("create table public.second (id int primary key)")
    return command


def test_steps_that_an_earlier_hand_has_made_are_found_and_recorded_and_the_rest_is_run(made_manually, monkeypatch):
    folder = made_manually.folder
    folder.world.sql("insert into public.first values (7)")
    assert made_manually("adopt") == {"to adopt": {"sql/steps": ["0001_first", "0002_second"]}, "differences": []}
    assert made_manually("status", status=2)["sql/steps"]["applied"] == [], "a report alone"
    made_manually("adopt", "--write")
    thing = folder.up()
    assert folder.tables() == ["first", "second", "third"]
    assert folder.world.sql("select id from public.first") == [(7,)]
    assert folder.engine.diff(folder.refreshed(thing), folder.declared()) == []
    monkeypatch.setenv("VPB_DESTROY", "dev")
    folder.engine.delete(thing)
    assert folder.tables() == ["first", "second"], "they were there before"


def test_a_run_that_meets_objects_made_manually_says_what_to_do(made_manually):
    assert made_manually("up", status=1).endswith("`./vpb migrate adopt` records the migration")


def test_what_differs_is_named_with_both_definitions_and_nothing_is_recorded(made_manually):
    made_manually.folder.world.sql("alter table public.second alter id type bigint")
    assert made_manually("adopt")["to adopt"] == {"sql/steps": ["0001_first"]}
    answer = made_manually("adopt", "--through", "2", "--write", status=2)
    assert [line.partition(",")[0] for line in answer["differences"]] == [
        "column public.second.id is 'bigint not null'"
    ]
    assert "by the migrations up to 0002_second it would be 'integer not null'" in answer["differences"][0]
    answer = made_manually("adopt", "--through", "3", "--write", status=2)
    assert "table public.third isn't there, which the migrations up to 0003_third make" in answer["differences"]
    assert made_manually.folder.world.sql(f"select to_regclass('{HISTORY_TABLE}')") == [(None,)]


def test_a_database_without_history_of_the_real_steps_is_adopted_whole(framed, capsys):
    """All of `sql/`, put there by psql, without a row of history."""
    with psycopg.connect(framed.url, autocommit=True) as connection:
        provision.migrate_up(connection)
        for folder in sqlfiles.STEP_FOLDERS:
            connection.execute(f"delete from {folder.history}")
        provision.apply_policies(connection)
    assert ops.main(["migrate", "adopt", "--write", "--json", "--url", framed.url]) == 0
    answer = json.loads(capsys.readouterr().out)
    every = {each.folder: [step.name for step in provision.steps(each.folder[4:])] for each in sqlfiles.STEP_FOLDERS}
    assert answer == {"adopted": every, "differences": []}
    assert ops.main(["migrate", "status", "--url", framed.url]) == 0


def test_the_real_steps_pass_the_check(framed):
    assert ops.main(["migrate", "check", "--url", framed.url, "--quiet"]) == 0


def test_a_number_of_another_form_is_compared_as_a_number(command):
    command("up")
    command.folder.world.sql(f"insert into {HISTORY_TABLE} (version, name) values ('20260101000000', 'later')")
    command.folder.world.sql(f"update {HISTORY_TABLE} set checksum = 'ours' where name = 'later'")
    assert "20260101000000_later: it was there before" in command("down", "--to", "3", status=1)
    assert command.folder.tables() == ["first", "second", "third"]


@pytest.mark.parametrize("words", [("up",), ("status",), ("down", "--to", "0"), ("check",), ("adopt",)])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "--folder is empty"),
        ("sql/nope", "sql/nope: there is no such folder"),
        ("sql/steps/0001_first.up.sql", "sql/steps/0001_first.up.sql: is no folder"),
    ],
)
def test_a_folder_that_is_not_one_is_refused_in_one_line(command, words, name, said):
    command("up")
    refused = command(*words, folder=name, status=1)
    assert refused.startswith(said)
    assert command.folder.tables() == ["first", "second", "third"], "nothing was rolled back"


@pytest.mark.parametrize("by", ["option", "variable"])
def test_an_empty_url_migrates_nothing_in_place_of_the_one_that_was_meant(capsys, monkeypatch, by):
    monkeypatch.setenv("DATABASE_URL", "")
    assert ops.main(["migrate", "up", *(["--url", ""] if by == "option" else [])]) == 1
    written = capsys.readouterr()
    assert written.out == ""
    assert ("--url is empty" if by == "option" else "DATABASE_URL is empty") in written.err
    assert written.err.count("\n") == 1
