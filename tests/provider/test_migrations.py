"""MigrationSet: order, transactions, history, rollback, adoption, refusals, faults."""

import contextlib
import socket
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from declared import connectionurl, sqldirectives, sqlfiles
from harness.engine import CheckRefusal, Engine, Refusal
from tests.provider.folders import HISTORY, TOKEN, Folder, one_line
from tests.provider.world import World

# The platform layer has some of its own.
OWN_POLICIES = "select policyname from pg_policies where schemaname = 'public'"


@pytest.fixture
def three(folder: Folder) -> Folder:
    for name in ("0001_first", "0002_second", "0003_third"):
        folder.table(name)
    return folder


# Applying.


def test_steps_run_in_order_and_each_is_recorded_with_both_scripts_and_its_checksum(three):
    thing = three.up()
    assert three.tables() == ["first", "second", "third"]
    rows = three.world.sql(f"select version, name, statements[1], checksum, down from {HISTORY} order by version")
    steps = sqlfiles.steps(three.path)
    assert rows == [(step.version, step.name[5:], step.up, step.checksum, step.down) for step in steps]
    assert three.engine.progress == [f"applying {step.name} ({n} of 3)" for n, step in enumerate(steps, 1)]
    assert thing.state["applied"] == three.declared()["steps"]


def test_a_preview_has_one_line_for_each_pending_step_and_none_for_the_rest(three):
    three.engine.create(TOKEN, three.declared(), preview=True)
    *lines, last = three.engine.reported()
    assert lines == ["apply 0001_first", "apply 0002_second", "apply 0003_third"]
    assert "run as the login that provisions, which may change the whole server" in last
    thing = three.up()
    three.table("0004_fourth")
    assert three.engine.diff(thing, three.declared()) == ['steps["0004_fourth"]']
    assert three.engine.reported() == ["apply 0004_fourth"]


def test_a_new_step_runs_alone(three):
    thing = three.up()
    three.table("0004_fourth")
    three.engine.update(thing, three.declared())
    assert three.recorded() == ["0001", "0002", "0003", "0004"]
    assert three.tables()[-1] == "fourth"


def test_steps_run_as_the_role_that_is_to_own_what_they_make(three):
    three.engine.create(TOKEN, three.declared(role="app_owner"))
    owner = "select distinct pg_get_userbyid(relowner)::text from pg_class where relname in ('first', 'second')"
    assert three.world.sql(owner) == [("app_owner",)]


def test_a_percent_sign_is_a_percent_sign(folder):
    """Trap 11: with parameters, each % of a file would be an error."""
    folder.write("0001_percent", "create view public.half as select title from public.notes where title like '50%s %';")
    folder.up()
    assert "50%s %" in folder.world.sql("select pg_get_viewdef('public.half'::regclass)")[0][0]


def test_a_step_that_changes_the_session_leaves_nothing_behind_in_it(plain_folder):
    plain_folder.write("0001_path", "set search_path = public; set role app_owner; set lock_timeout = '1h';")
    plain_folder.up()
    policy = {"table": "public.notes", "name": "notes_all", "command": "all", "roles": ["public"]}
    thing = plain_folder.engine.create("pg:index:Policy", {**policy, "using": "public.helps(writer)"})
    assert thing.state["usingStored"] == "public.helps(writer)"


@pytest.mark.parametrize("count", [12, 25], ids=["one by one", "in one message"])
@pytest.mark.parametrize(
    "statement",
    [
        "create temporary table work as select 1 as one",
        "prepare work as select 1",
        "declare work cursor with hold for select 1",
    ],
)
def test_a_step_may_leave_in_its_session_what_the_next_one_makes_again(folder, statement, count):
    for number in range(1, count + 1):
        folder.write(f"{number:04}_work", f"{statement}; create table public.made_{number} ();")
    folder.engine.create(TOKEN, folder.declared(role="app_owner"))
    assert len(folder.tables()) == count
    assert len(folder.recorded()) == count


def test_no_file_swallows_the_one_that_is_sent_after_it(folder):
    for number in range(1, 26):
        folder.table(f"{number:04}_t{number}")
    folder.write("0003_t3", "create table public.t3 (id int); /* todo", "drop table public.t3;")
    folder.write("0004_t4", "create table public.t4 (id int); -- */", "drop table public.t4;")
    with pytest.raises(sqlfiles.SqlFileError) as caught:
        folder.up()
    assert str(caught.value) == "sql/steps/0003_t3.up.sql:4: /* comment is not closed in this file"


def test_two_sets_with_histories_of_their_own_stand_beside_each_other(folder):
    folder.table("0001_first")
    folder.up()
    folder.table("0002_second")
    other = folder.engine.create(
        TOKEN,
        {**folder.declared(), "history": "history.platform"}
        | {"steps": {"0002_second": folder.declared()["steps"]["0002_second"]}},
    )
    assert other.id == "sql/steps@history.platform"
    found = folder.engine.bring_in(TOKEN, other.id)
    assert found is not None
    assert list(found.inputs["steps"]) == ["0002_second"]
    assert found.inputs["history"] == "history.platform"


# Failing.

FAILURES = {
    "a syntax error": ("create tabel public.c (id int);", 'syntax error at or near "tabel" (42601)', 0),
    "an error with a position": (
        "select nothing\n  from public.nowhere;",
        '"public.nowhere" does not exist (42P01)',
        1,
    ),
    "an error without a position": (
        "insert into public.a (id)\n    values (1), (1);",
        'duplicate key value violates unique constraint "a_pkey" (23505)',
        0,
    ),
    "an error inside a do block": (
        "do $$\nbegin\n    perform 1 / (select count(*) from public.a);\nend\n$$;",
        "division by zero (22012)",
        0,
    ),
    "an error raised with line breaks": (
        "do $$ begin raise exception E'first\\nsecond'; end $$;",
        "first second (P0001)",
        0,
    ),
}


@pytest.mark.parametrize("failure", list(FAILURES))
def test_a_step_whose_third_statement_fails_leaves_nothing_and_names_its_line(folder, failure):
    statement, message, offset = FAILURES[failure]
    folder.table("0001_first")
    text = "create table public.a (id int primary key);\n\n-- ; a comment\ncreate table public.b (id int);\n"
    folder.write("0002_fails", text + statement + "\ncreate table public.d (id int);")
    with pytest.raises(Refusal) as caught:
        folder.up()
    line = 3 + text.count("\n") + 1 + offset
    said = one_line(caught)
    assert said.startswith("migration 0002_fails: ")
    assert f"{message}, sql/steps/0002_fails.up.sql:{line};" in said
    assert folder.tables() == ["first"], "the migration before it stays, of this one nothing does"
    assert folder.recorded() == ["0001"]
    assert "migrations sql/steps: 0001_first was applied before one failed, and that stays" in folder.engine.reported()


def test_after_the_repair_of_a_failed_step_the_next_run_applies_the_rest_once(three):
    three.write("0002_second", "create table public.second (id int); select 1 / 0;", "drop table public.second;")
    with pytest.raises(Refusal, match="division by zero"):
        three.up()
    three.table("0002_second")
    thing = three.up()
    assert three.tables() == ["first", "second", "third"]
    assert three.engine.diff(three.refreshed(thing), three.declared()) == []


@pytest.mark.parametrize(
    "word", ["commit", "rollback", "begin", "end", "start transaction", "prepare transaction 'x'", "/* /* */ */ commit"]
)
def test_a_step_that_controls_the_transaction_is_refused_with_its_line(plain_folder, word):
    plain_folder.write("0001_commits", f"create table public.a (id int);\n{word};")
    with pytest.raises(sqlfiles.SqlFileError) as caught:
        plain_folder.declared()
    said = "sql/steps/0001_commits.up.sql:5: a migration is one transaction already, leave this out"
    assert str(caught.value) == said


def test_a_step_that_commits_all_the_same_is_refused_and_says_so(plain_folder, monkeypatch):
    monkeypatch.setattr(sqlfiles, "_refuse_transaction_control", lambda path, text: None)
    plain_folder.write("0001_commits", "create table public.a (id int);\ncommit;")
    with pytest.raises(Refusal) as caught:
        plain_folder.up()
    assert "0001_commits.up.sql ended the transaction it runs in; leave out commit and rollback" in one_line(caught)
    assert plain_folder.recorded() == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("copy public.notes (title) from stdin", "takes rows from its input; write insert instead"),
        ("copy public.notes to stdout", "gives rows to its output, which nobody reads; leave it out"),
    ],
)
def test_a_way_back_that_was_recorded_with_a_copy_for_psql_says_so(plain_folder, monkeypatch, statement, said):
    """Such a file is refused when it is read, but it may have been recorded before."""
    plain_folder.write("0001_copy", "select 1;", f"{statement};")
    with monkeypatch.context() as before:
        before.setattr(sqldirectives, "copy_of_psql", lambda text: None)
        thing = plain_folder.up()
    plain_folder.remove("0001_copy")
    with pytest.raises(Refusal) as caught:
        plain_folder.engine.update(thing, plain_folder.declared())
    assert one_line(caught) == f"migration 0001_copy: a copy in sql/steps/0001_copy.down.sql {said}"
    assert plain_folder.recorded() == ["0001"]


def test_a_file_that_changes_between_the_preview_and_the_run_is_refused(three):
    declared = three.engine.check(TOKEN, three.declared())
    three.write("0002_second", "create table public.another (id int);")
    with pytest.raises(
        Refusal, match=r"sql/steps/0002_second\.up\.sql changed while the update was running; run again"
    ):
        three.engine.create(TOKEN, declared)
    assert three.tables() == [], "it is seen before the first migration runs"


# Applied migrations are not to be touched.


def test_an_applied_step_that_was_edited_is_refused_by_check_with_its_file(three):
    thing = three.up()
    three.write("0002_second", "create table public.edited (id int);")
    with pytest.raises(CheckRefusal) as caught:
        three.engine.diff(thing, three.declared())
    said = one_line(caught)
    assert said.startswith("steps: sql/steps/0002_second.up.sql:1: was edited after it was applied; put the old text")


def test_an_edited_step_is_refused_though_its_history_row_was_deleted(three):
    thing = three.up()
    three.world.sql(f"delete from {HISTORY} where version = '0002'")
    found = three.refreshed(thing)
    three.write("0002_second", "create table public.edited (id int);")
    with pytest.raises(Refusal, match=r"0002_second\.up\.sql:1: was edited after it was applied"):
        three.engine.diff(found, three.declared())


def test_an_edited_down_script_is_taken_over_without_running_anything(three):
    thing = three.up()
    up = "create table public.third (id int primary key);"
    three.write("0003_third", up, "drop table public.third; select 'new rollback';")
    assert three.engine.diff(thing, three.declared()) == ['steps["0003_third"]']
    updated = three.engine.update(thing, three.declared())
    three.remove("0003_third")
    three.engine.update(updated, three.declared())
    assert three.tables() == ["first", "second"]


def test_a_newcomer_before_an_applied_step_is_refused_by_name(three):
    first = three.declared()
    first["steps"].pop("0002_second")
    thing = three.engine.create(TOKEN, first)
    with pytest.raises(Refusal) as caught:
        three.engine.diff(thing, three.declared())
    assert one_line(caught) == (
        "sql/steps/0002_second.up.sql:1: is new but comes before 0003_third, which is applied; give it the next "
        "number, or, where it is on main, run `up` there first, which takes back what is applied after it"
    )
    with pytest.raises(Refusal, match=r"0002_second\.up\.sql:1: is new but comes before 0003_third"):
        three.engine.update(thing, three.declared())
    with pytest.raises(Refusal, match=r"0002_second\.up\.sql:1: is new but comes before 0003_third"):
        three.up()
    assert three.tables() == ["first", "third"]


# Rolling back.


def test_removed_steps_are_rolled_back_newest_first_by_their_recorded_down_scripts(three):
    three.world.sql(
        "create table public.trace (at serial, step text); grant all on public.trace, public.trace_at_seq to public"
    )
    for name in ("0002_second", "0003_third"):
        words = name.partition("_")[2]
        down = f"insert into public.trace (step) values ('{words}'); drop table public.{words};"
        three.write(name, f"create table public.{words} (id int);", down)
    thing = three.up()
    three.remove("0002_second")
    three.remove("0003_third")
    assert three.engine.diff(thing, three.declared()) == ['steps["0002_second"]', 'steps["0003_third"]']
    assert three.engine.reported() == [
        "roll back 0003_third: this drops 1 table without rows (public.third)",
        "roll back 0002_second: this drops 1 table without rows (public.second)",
    ]
    updated = three.engine.update(thing, three.declared())
    assert three.world.sql("select step from public.trace order by at") == [("third",), ("second",)]
    assert three.recorded() == ["0001"]
    assert three.engine.diff(three.refreshed(updated), three.declared()) == []


def test_a_step_is_taken_back_with_the_row_policies_that_ask_its_functions(three):
    thing = three.up()
    three.write(
        "0004_ask",
        "create function public.ask(a int) returns boolean language sql as 'select true';\n"
        "create function public.tell() returns boolean language sql as 'select true';",
        "drop function public.tell();\ndrop function public.ask(int);",
    )
    thing = three.engine.update(thing, three.declared())
    three.world.sql(
        'create policy "By, hand" on public.third using (public.ask(1));'
        "create policy by_tell on public.second using (public.tell()); create policy other on public.third using (true)"
    )
    three.remove("0004_ask")
    three.engine.update(thing, three.declared())
    assert three.world.sql(OWN_POLICIES) == [("other",)]
    assert three.recorded() == ["0001", "0002", "0003"]


def test_what_else_needs_an_object_of_a_step_keeps_it_from_being_taken_back(three):
    thing = three.up()
    three.write(
        "0004_ask",
        "create function public.ask() returns boolean language sql as 'select true';",
        "drop function public.ask();",
    )
    thing = three.engine.update(thing, three.declared())
    three.world.sql(
        "create policy by_ask on public.third using (public.ask());"
        "create view public.asked with (security_invoker = true) as select public.ask()"
    )
    three.remove("0004_ask")
    with pytest.raises(Refusal, match=r"0004_ask: cannot drop function public\.ask\(\).*2BP01"):
        three.engine.update(thing, three.declared())
    assert three.world.sql(OWN_POLICIES) == [("by_ask",)]


def test_a_failing_down_script_leaves_its_step_and_names_its_line(three):
    three.write("0003_third", "create table public.third (id int);", "drop table public.third;\nselect 1 / 0;")
    thing = three.up()
    three.remove("0003_third")
    with pytest.raises(Refusal) as caught:
        three.engine.update(thing, three.declared())
    assert "division by zero (22012), sql/steps/0003_third.down.sql:5" in one_line(caught)
    assert three.tables() == ["first", "second", "third"]
    assert three.recorded() == ["0001", "0002", "0003"]


def test_a_tampered_down_script_is_refused(three):
    thing = three.up()
    three.world.sql(f"update {HISTORY} set down = 'drop table public.notes' where version = '0003'")
    three.remove("0003_third")
    with pytest.raises(Refusal) as caught:
        three.engine.update(thing, three.declared())
    assert one_line(caught) == f"migration 0003_third: the down script in {HISTORY} isn't the one this stack applied"
    assert three.world.sql("select 1 from public.notes") == []


def test_a_removed_step_whose_row_is_gone_too_is_refused_with_the_way_out(three):
    thing = three.up()
    three.world.sql(f"delete from {HISTORY} where version = '0003'")
    three.remove("0003_third")
    with pytest.raises(Refusal, match="0003_third: its history row is gone and with it the rollback; put the"):
        three.engine.update(three.refreshed(thing), three.declared())
    assert three.tables() == ["first", "second", "third"]


def test_a_rollback_that_was_cut_off_before_the_engine_could_note_it_goes_on(three):
    thing = three.up()
    three.remove("0003_third")
    three.engine.update(thing, three.declared())  # and its answer is lost: the state still has three migrations
    three.remove("0002_second")
    updated = three.engine.update(thing, three.declared())
    assert three.recorded() == ["0001"]
    assert three.tables() == ["first"]
    assert three.engine.diff(three.refreshed(updated), three.declared()) == []


def test_a_step_that_was_rolled_back_unnoted_and_put_back_runs_again(three):
    thing = three.up()
    whole = three.declared()
    three.remove("0003_third")
    three.engine.update(thing, three.declared())  # its answer is lost
    three.table("0003_third")
    for state in (thing, three.refreshed(thing)):
        updated = three.engine.update(state, whole)
        assert three.tables() == ["first", "second", "third"], "recorded only, it would be missing for ever"
        assert three.engine.diff(three.refreshed(updated), whole) == []


def test_destroy_rolls_everything_back_and_leaves_no_history(three):
    thing = three.up()
    three.engine.delete(thing)
    assert three.tables() == []
    assert three.world.sql("select 1 from pg_namespace where nspname = 'supabase_migrations'") == []


def test_destroy_leaves_the_schema_of_the_history_where_something_else_is_in_it(three):
    thing = three.up()
    three.world.sql("create function supabase_migrations.kept() returns int language sql return 1")
    three.engine.delete(thing)
    assert three.world.sql(f"select supabase_migrations.kept(), to_regclass('{HISTORY}')") == [(1, None)]


def test_a_destroy_that_was_cut_off_goes_on(three):
    thing = three.up()
    three.world.sql("create view public.holds as select * from public.second")
    with pytest.raises(Refusal, match=r"migration 0002_second: cannot drop table public\.second because"):
        three.engine.delete(thing)
    assert three.recorded() == ["0001", "0002"]
    three.world.sql("drop view public.holds")
    three.engine.delete(thing)
    assert three.tables() == []


# History, state and database out of step.


@pytest.mark.parametrize("version", ["0001", "0002", "0003"])
def test_a_deleted_history_row_is_reported_by_name_and_put_back_without_running_the_step(three, version):
    thing = three.up()
    three.world.sql("insert into public.first values (1)")
    three.world.sql(f"delete from {HISTORY} where version = '{version}'")
    found = three.refreshed(thing)
    name = next(name for name in thing.inputs["steps"] if name.startswith(version))
    assert three.engine.reported() == [f"migrations sql/steps: the row of {name} is gone from {HISTORY}"]
    assert three.engine.diff(found, three.declared()) == [f'steps["{name}"]']
    repaired = three.engine.update(found, three.declared())
    assert three.recorded() == ["0001", "0002", "0003"]
    assert three.engine.diff(three.refreshed(repaired), three.declared()) == []
    assert three.world.sql("select id from public.first") == [(1,)]


def test_a_dropped_history_table_is_put_back_without_running_a_step(three):
    thing = three.up()
    three.world.sql(f"drop table {HISTORY}")
    repaired = three.engine.update(three.refreshed(thing), three.declared())
    assert three.recorded() == ["0001", "0002", "0003"]
    assert three.engine.diff(three.refreshed(repaired), three.declared()) == []


def test_a_history_that_is_gone_with_its_schema_is_asked_for(three):
    thing = three.up()
    three.world.sql("insert into public.first values (1); drop schema supabase_migrations cascade")
    with pytest.raises(Refusal, match=r'0001_first: relation "first" already exists .* adopt` records the migration'):
        three.engine.update(three.refreshed(thing), three.declared())
    assert three.world.sql("select id from public.first") == [(1,)]


def test_a_changed_checksum_is_reported_by_name(three):
    thing = three.up()
    three.world.sql(f"update {HISTORY} set checksum = 'abc.def' where version = '0002'")
    found = three.refreshed(thing)
    assert three.engine.reported() == [
        f"migrations sql/steps: the row of 0002_second in {HISTORY} has another checksum"
    ]
    assert found.state["steps"] != thing.state["steps"]


def test_a_database_made_again_gets_every_step_again(three):
    thing = three.up()
    old = replace(thing, state={**thing.state, "database": "another/1"})
    three.world.sql("drop table public.first, public.second, public.third; drop schema supabase_migrations cascade")
    found = three.refreshed(old)
    assert three.engine.reported()[0] == (
        "migrations sql/steps: this is another database than the one the migrations were applied to"
    )
    three.engine.update(found, three.declared())
    assert three.tables() == ["first", "second", "third"]


def test_a_database_made_again_gets_every_step_again_without_a_refresh_too(three):
    thing = three.up()
    old = replace(thing, state={**thing.state, "database": "another/1"})
    three.world.sql("drop table public.first, public.second, public.third; drop schema supabase_migrations cascade")
    three.engine.update(old, three.declared())
    assert three.tables() == ["first", "second", "third"]


def test_with_the_state_lost_the_recorded_steps_are_adopted_and_the_rest_is_run(three):
    three.up()
    three.world.sql("insert into public.first values (1)")
    three.table("0004_fourth")
    thing = three.up()
    assert three.tables() == ["first", "second", "third", "fourth"]
    assert three.world.sql("select id from public.first") == [(1,)]
    assert three.engine.diff(three.refreshed(thing), three.declared()) == []
    three.remove("0004_fourth")
    three.engine.update(thing, three.declared())
    assert three.tables() == ["first", "second", "third"]


def test_with_the_state_lost_a_step_that_differs_from_the_recorded_one_is_refused(three):
    three.up()
    three.write("0001_first", "create table public.edited (id int);")
    with pytest.raises(Refusal, match=r"0001_first\.up\.sql:1 differs from what .* says was applied; put the old text"):
        three.up()


def test_a_step_that_somebody_else_applied_is_refused_by_name(three):
    three.up()
    three.world.sql(f"update {HISTORY} set owners = '{{urn:another}}' where version = '0003'")
    three.remove("0003_third")
    with pytest.raises(Refusal) as caught:
        three.up()
    assert one_line(caught) == (
        f"migrations sql/steps: {HISTORY} has 0003_third, which is neither in this checkout nor applied by this stack; "
        "check out the commit that has it"
    )
    assert three.tables() == ["first", "second", "third"]


def test_a_stranger_s_row_is_reported_by_a_refresh_and_refused_by_the_update(three):
    thing = three.up()
    three.world.sql(f"insert into {HISTORY} (version, name) values ('0009', 'strange')")
    found = three.refreshed(thing)
    assert three.engine.reported() == [
        f"migrations sql/steps: {HISTORY} has a row of 0009_strange, applied by somebody else"
    ]
    with pytest.raises(Refusal, match="has 0009_strange, which is neither in this checkout nor applied by this stack"):
        three.engine.update(found, three.declared())


def test_rows_of_the_supabase_cli_are_adopted_without_running_their_steps(three):
    """Its table has three columns, and no checksum to compare with."""
    three.world.sql(
        "create schema supabase_migrations; alter schema supabase_migrations owner to {master}; "
        f"create table {HISTORY} (version text primary key, statements text[], name text); "
        f"alter table {HISTORY} owner to {{master}}; "
        "create table public.first (id int); alter table public.first owner to {master}; "
        f"insert into {HISTORY} values ('0001', array['create table public.first (id int)'], 'first')"
    )
    thing = three.up()
    assert three.tables() == ["first", "second", "third"]
    assert three.engine.diff(three.refreshed(thing), three.declared()) == []
    three.engine.delete(thing)
    assert three.tables() == ["first"], "what another tool applied isn't this stack's to roll back"


# Two at once, and connections that end.


def test_two_runs_at_once_apply_each_step_once(three):
    three.world.sql("create table public.runs (step text); grant all on public.runs to public")
    for name in ("0001_first", "0002_second", "0003_third"):
        three.write(name, f"insert into public.runs values ('{name}'); select pg_sleep(0.05);")
    engines = [three.engine, three.world.second_engine()]
    failures: list[Exception] = []

    def run(engine: Engine) -> None:
        try:
            engine.create(TOKEN, three.declared())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(engine,)) for engine in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    engines[1].close()
    assert failures == []
    assert three.world.sql("select step from public.runs order by 1") == [
        ("0001_first",),
        ("0002_second",),
        ("0003_third",),
    ]


def wait_for_sleep(world: World) -> None:
    query = "select 1 from pg_stat_activity where query like '%sleep(20)%' and pid <> pg_backend_pid()"
    while not world.sql(query):
        time.sleep(0.02)


def killed(folder: Folder, kill: Any) -> pytest.ExceptionInfo[Refusal]:
    """Run a migration that sleeps, and kill its connection meanwhile."""
    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(Refusal) as caught:
        folder.up()
    killer.join()
    return caught


def test_a_session_that_is_terminated_in_the_middle_is_one_line_and_the_next_run_goes_on(plain_folder):
    plain_folder.table("0001_first")
    plain_folder.write("0002_second", "create table public.second (id int);\nselect pg_sleep(20);")

    def terminate() -> None:
        wait_for_sleep(plain_folder.world)
        plain_folder.world.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity where query like '%sleep(20)%' "
            "and pid <> pg_backend_pid()"
        )

    said = one_line(killed(plain_folder, terminate))
    # Both statements are one message: on a busy machine the session may end before the second one begins.
    what = "terminating connection due to administrator command (57P01)"
    places = [f"sql/steps/0002_second.up.sql:{line}" for line in (4, 5)]
    assert said in [f"migration 0002_second: {what}, {place}; nothing of this migration was kept" for place in places]
    plain_folder.table("0002_second")
    plain_folder.up()
    assert plain_folder.tables() == ["first", "second"]


class Proxy:
    """Stands between the provider and the server and can be cut, as a kill -9 of the server would."""

    def __init__(self, host: str, port: int) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.target = (host, port)
        self.ends: list[socket.socket] = []
        self.copying: list[threading.Thread] = []
        self.accepting = threading.Thread(target=self._accept, daemon=True)
        self.accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listening.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            self.ends += [near, far]
            for one, other in ((near, far), (far, near)):
                thread = threading.Thread(target=self._copy, args=(one, other), daemon=True)
                thread.start()
                self.copying.append(thread)

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass

    def cut(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        self.listening.close()
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self.copying:
            thread.join(2)
        for end in self.ends:
            end.close()


def test_a_server_that_dies_in_the_middle_is_one_line(plain_folder):
    world = plain_folder.world
    proxy = Proxy(world.database.host, world.database.port)
    login = {**connectionurl.parse(world.login["url"]), "port": str(proxy.port), "sslmode": "disable"}
    engine = world.second_engine(url=connectionurl.compose(login))
    plain_folder.write("0001_sleeps", "select 1;\nselect pg_sleep(20);")

    def cut() -> None:
        wait_for_sleep(world)
        proxy.cut()
        world.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity where query like '%sleep(20)%' "
            "and pid <> pg_backend_pid()"
        )

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(Refusal) as caught:
        engine.create(TOKEN, plain_folder.declared())
    cutter.join()
    engine.close()
    said = one_line(caught)
    assert said.startswith(
        "migration 0001_sleeps: the server ended the connection; nothing of this migration was kept, run again"
    )
