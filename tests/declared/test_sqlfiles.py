"""What lies in `sql/` is read as psql reads it, and refused with file and line where it breaks the rules."""

import os
import re
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pglast import parser

from bench.steps import write_steps
from declared import sqlaccess, sqldirectives, sqlfiles, sqlqueries, sqltext
from declared.paths import CHECKOUT
from declared.sqldirectives import RunMode
from declared.sqlfiles import SqlFileError, Statement, row_policies, statements, steps

HEADER = "-- {number} {words}: why.\n-- Lock: none. Duration: instant.\n-- Down: loses it.\n"


def texts(text: str) -> list[str]:
    return [statement.text for statement in statements(text)]


# Splitting.

WHOLE = {
    "a semicolon in a string": "select 'a;b'",
    "a doubled quote in a string": "select 'it''s; fine'",
    "a semicolon in an identifier": 'select 1 as "a;b"',
    "a semicolon in a line comment": "select 1 -- a; b\n + 1",
    "a semicolon in a comment": "select 1 /* a; b */ + 1",
    "a semicolon in a nested comment": "select 1 /* a /* b; */ c; */ + 1",
    "a quote in a comment": "select 1 /* it's; */ + 1 -- it's;\n + 2",
    "a dollar quote": "do $$ begin perform 1; end; $$",
    "a named dollar quote that holds another": "do $body$ begin perform $$;$$; end; $body$",
    "a dollar quote with a quote in it": "select $$it's; fine$$",
    "an escape string": r"select E'it\'s; fine', e'\\'",
    "a backslash that is no escape": r"select 'a\'",
    "a word that ends in e before a string": r"select date'2020-01-01' = like'a\'",
    "a dollar within an identifier": "select a$b$c from d$b$e",
    "a body of statements": "create function f() returns int begin atomic select 1; select 2; end",
    "a body with a case": "create procedure f() begin atomic select case when true then 1 end; select 2; end",
    "an end that is a name, in a body": "create function f() begin atomic select a as end, b as case; select 2; end",
    "an escape string that goes on in the next line": "select E'a' -- b\n  '\\';c'",
    "a dollar quote that holds the same tag in other letters": "do $A$ begin /* $a$ ; */ perform 1; end $A$",
    "a dollar quote right after a number": "select 1$$;$$",
    "a tag beyond ASCII": "select $größe$;$größe$",
    "a rule of more than one statement": "create rule r as on insert to t do also (select 1; select 2)",
    "a body in other letters": "CREATE PROCEDURE f() BEGIN\n  ATOMIC SELECT 'end;'; /* end; */ END",
}


@pytest.mark.parametrize("name", list(WHOLE))
def test_a_statement_is_not_split_within(name):
    whole = WHOLE[name].strip()
    assert texts(f"select 1; {whole}; select 2;") == ["select 1", whole, "select 2"]


def test_a_case_outside_a_body_is_nothing_special():
    assert texts("select case when true then 1 end; select 2; end") == [
        "select case when true then 1 end",
        "select 2",
        "end",
    ]


def test_nothing_is_no_statement():
    assert texts(" ;; -- only a comment\n; /* another; */ ;") == []
    assert texts("select 1") == ["select 1"]


def test_the_line_is_the_one_that_the_statement_begins_on():
    text = "-- a\n\nselect 1;\n/* b\n c */ select\n 2; select 3;\n\n-- d\nselect 4"
    assert [(found.text[:8].strip(), found.line) for found in statements(text)] == [
        ("select 1", 3),
        ("select", 5),
        ("select 3", 6),
        ("select 4", 9),
    ]


def test_the_comment_is_the_block_of_lines_right_above():
    text = "-- far away\n\n-- first\n-- second\nselect 1;\n\nselect 2;\n-- third\nselect 3;"
    assert statements(text) == [
        Statement("select 1", 5, "first second"),
        Statement("select 2", 7, ""),
        Statement("select 3", 9, "third"),
    ]


@pytest.mark.parametrize("comment", ["/* /* a; */ b; */", "-- a; b\n", "/* a */ -- b\n /* c */"])
def test_leading_comments_of_any_kind_are_no_part_of_a_statement(comment):
    assert texts(f"{comment} commit;") == ["commit"]


# Migrations.


def write(folder, name: str, up: str = "select 1;", down: str = "select 1;") -> None:
    number, _, words = name.partition("_")
    for direction, text in (("up", up), ("down", down)):
        (folder / f"{name}.{direction}.sql").write_text(HEADER.format(number=number, words=words) + text + "\n")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "sql" / "steps"
    path.mkdir(parents=True)
    return path


def refused(folder) -> str:
    with pytest.raises(SqlFileError) as caught:
        steps(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_steps_come_in_order_with_both_scripts(folder):
    write(folder, "0002_two")
    write(folder, "0001_one", up="create table a ();", down="drop table a;")
    found = steps(folder)
    assert [(step.name, step.version) for step in found] == [("0001_one", "0001"), ("0002_two", "0002")]
    assert found[0].up.endswith("create table a ();\n")
    assert found[0].down.endswith("drop table a;\n")


def test_the_checksum_says_which_script_changed(folder):
    write(folder, "0001_one")
    before = steps(folder)[0].checksum.split(".")
    write(folder, "0001_one", down="select 2;")
    after = steps(folder)[0].checksum.split(".")
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_the_checksum_does_not_depend_on_line_ends(folder):
    write(folder, "0001_one")
    before = steps(folder)[0].checksum
    path = folder / "0001_one.up.sql"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert steps(folder)[0].checksum == before


@pytest.mark.parametrize("name", ["1_one.up.sql", "0001-one.up.sql", "0001_One.up.sql", "0001_one.sql"])
def test_a_name_of_another_form_is_refused(folder, name):
    (folder / name).write_text("")
    assert refused(folder) == f"sql/steps/{name}: the name must be NNNN_words.up.sql or NNNN_words.down.sql"


def test_a_gap_is_refused_with_the_number_that_is_missing(folder):
    write(folder, "0001_one")
    write(folder, "0003_three")
    assert refused(folder) == "sql/steps: migration 0002 is missing before 0003_three"


def test_the_first_step_has_the_number_one(folder):
    write(folder, "0002_two")
    assert refused(folder) == "sql/steps: migration 0001 is missing before 0002_two"


def test_two_steps_of_one_number_are_refused_with_what_to_do(folder):
    write(folder, "0001_a")
    write(folder, "0001_b")
    assert refused(folder) == (
        "sql/steps: 0001_a and 0001_b have the same number; `./vpb new number NAME` gives the one that "
        "isn't on main the next"
    )


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_missing_script_is_refused_by_name(folder, direction):
    write(folder, "0001_one")
    (folder / f"0001_one.{direction}.sql").unlink()
    assert refused(folder) == f"sql/steps/0001_one.{direction}.sql is missing; each migration needs both scripts"


HEADERS = {
    "no header": ("select 1;", 1, "-- NNNN subject: why."),
    "no lock line": ("-- 0001 one: why.\nselect 1;", 2, "-- Lock: … Duration: …."),
    "no duration": ("-- 0001 one: why.\n-- Lock: none.\n-- Down: x.\n", 2, "-- Lock: … Duration: …."),
    "no down line": ("-- 0001 one: why.\n-- Lock: none. Duration: none.\n\n", 3, "-- Down: what it loses."),
    "nothing at all": ("", 1, "-- NNNN subject: why."),
}


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("name", list(HEADERS))
def test_a_header_of_another_form_is_refused_with_its_line(folder, name, direction):
    text, line, form = HEADERS[name]
    write(folder, "0001_one")
    (folder / f"0001_one.{direction}.sql").write_text(text)
    wanted = form.replace("NNNN", "0001")
    assert (
        refused(folder) == f"sql/steps/0001_one.{direction}.sql:{line}: the header's line {line} must read `{wanted}`"
    )


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_header_with_the_number_of_another_step_is_refused(folder, direction):
    write(folder, "0001_one")
    path = folder / f"0001_one.{direction}.sql"
    path.write_text(path.read_text().replace("-- 0001", "-- 0007"))
    assert refused(folder) == f"sql/steps/0001_one.{direction}.sql:1: the header says migration 0007"


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize(
    "statement",
    [
        "begin",
        "COMMIT",
        "commit and chain",
        "rollback to a",
        "start transaction",
        "prepare transaction 'a'",
        "end",
        "abort",
        "savepoint a",
        "release a",
        "/* /* */ */ commit",
    ],
)
def test_transaction_control_is_refused_with_its_line(folder, direction, statement):
    write(folder, "0001_one", **{direction: f"select 1;\n\n{statement};"})
    assert (
        refused(folder)
        == f"sql/steps/0001_one.{direction}.sql:6: a migration is one transaction already, leave this out"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "do $$ begin commit; end $$",
        "select 'a; commit;'",
        "prepare a as select 1",
        "create table commits ()",
        "-- commit;\nselect 1",
    ],
)
def test_a_word_that_only_looks_like_it_is_let_through(folder, statement):
    write(folder, "0001_one", up=statement + ";")
    assert len(steps(folder)) == 1


# How a script runs.


def directed(folder, line: str, text: str, direction: str = "up") -> None:
    write(folder, "0001_one", **{direction: f"{line}\n\n{text}"})


@pytest.mark.parametrize(
    ("line", "text", "mode"),
    [
        ("", "select 1;", RunMode()),
        ("-- A comment.", "select 1;", RunMode()),
        ("-- Run: outside a transaction.", "vacuum a.b;", RunMode("outside")),
        ("-- Run: in batches of 10, pause 50ms.", "delete from a where b limit 10;", RunMode("batches", 10, 50)),
    ],
)
@pytest.mark.parametrize("direction", ["up", "down"])
def test_each_script_says_in_its_fourth_line_how_it_runs(folder, direction, line, text, mode):
    directed(folder, line, text, direction)
    assert sqldirectives.run_mode(getattr(steps(folder)[0], direction)) == mode


OUTSIDE = [
    'create index concurrently "Idx ""q""" on a.b (c);',
    "create unique index concurrently if not exists größe_idx on a.b (c);",
    'create /* why */ index concurrently -- so\n x on only a /* of */ . "B c" using btree (d) where e -- f\n;',
    'drop index concurrently if exists "A b"."C d";',
    "reindex (concurrently, verbose) table a.b;",
    "reindex table concurrently a.b;",
    """alter type public."My Mood" add value if not exists 'so so' before 'bad';""",
    'alter table a."B c" detach partition a."größe" concurrently;',
    "alter table a.b detach partition a.c finalize;",
    "alter table only a.b validate constraint c, validate constraint d;",
    "vacuum (analyze, verbose) a.b;",
    "comment on column a.b.c is 'd';",
    "vacuum (some, option, of, a, later, server) a.b;",
]


@pytest.mark.parametrize("statement", OUTSIDE)
def test_what_runs_outside_a_transaction_is_as_wide_as_postgresql(folder, statement):
    directed(folder, "-- Run: outside a transaction.", statement)
    assert len(steps(folder)) == 1


def test_an_index_is_taken_apart_with_its_names_as_the_catalogue_has_them():
    found = sqldirectives.build('create unique index concurrently "I ""x" on only a /* . */ . "B c" (d) where e')
    assert found == sqldirectives.Build(True, "a", "B c", 'I "x', " (d) where e")


BATCHES = {
    "update a.b set c = 1 where d in (select d from a.b where c is null order by d limit 5 for update skip locked)": (
        "SELECT d FROM a.b WHERE c IS NULL ORDER BY d LIMIT 5"
    ),
    "with z as (select 1 as o), todo as (select d from a.b, z where c limit 5 for update), more as (select 2)\n"
    "delete from a.b using todo where b.d = todo.d": ("WITH z AS (SELECT 1 AS o) SELECT d FROM a.b, z WHERE c LIMIT 5"),
    "with z as (select 1 as o) update a.b set c = 1\n"
    "where d in (with y as (select o from z) select d from y where o limit 5)": (
        "WITH z AS (SELECT 1 AS o), y AS (SELECT o FROM z) SELECT d FROM y WHERE o LIMIT 5"
    ),
    "insert into a.b select d from a.c where not exists (select from a.b where b.d = c.d) limit 5\n"
    "on conflict do nothing": "SELECT d FROM a.c WHERE NOT EXISTS (SELECT FROM a.b WHERE b.d = c.d) LIMIT 5",
}


@pytest.mark.parametrize("statement", list(BATCHES))
def test_a_statement_in_batches_is_asked_whether_it_still_finds_a_row(folder, statement):
    directed(folder, "-- Run: in batches of 5, pause 1ms.", f"{statement};")
    assert len(steps(folder)) == 1
    assert sqldirectives.rest(statement, 5) == f"select 1 from ({BATCHES[statement]}) as rest limit 1"


WAYS = "the header's line 4 must be empty or read `-- Run: outside a transaction.` or"
ONLY = "only this runs outside a transaction, the rest is a migration of its own"
UNFIT = {
    "another word": ("-- Run: later.", "select 1;", 4, WAYS),
    "no full stop": ("-- Run: outside a transaction", "select 1;", 4, WAYS),
    "other letters": ("-- run: outside a transaction.", "select 1;", 4, WAYS),
    "no pause": ("-- Run: in batches of 10.", "select 1;", 4, WAYS),
    "another unit": ("-- Run: in batches of 10, pause 1s.", "select 1;", 4, WAYS),
    "an empty batch": ("-- Run: in batches of 0, pause 1ms.", "select 1;", 4, "a batch has 1 to 100000 rows"),
    "a long pause": ("-- Run: in batches of 9, pause 99999ms.", "select 1;", 4, "a pause at most 60000ms"),
    "a statement that can't be repeated": (
        "-- Run: outside a transaction.",
        "vacuum;\ninsert into a values (1);",
        7,
        ONLY,
    ),
    "an index that isn't built concurrently": ("-- Run: outside a transaction.", "create index a on b.c (d);", 6, ONLY),
    "a directive on the fifth line": (
        "",
        "-- Run: outside a transaction.\nvacuum a.b;",
        6,
        "how a script runs stands in",
    ),
    "a directive that is indented": (
        " -- Run: outside a transaction.",
        "vacuum a.b;",
        4,
        "stands in the header's line 4",
    ),
    "a value of a type that is renamed": (
        "-- Run: outside a transaction.",
        "alter type a.b rename value 'c' to 'd';",
        6,
        ONLY,
    ),
    "a partition that is detached in front of traffic": (
        "-- Run: outside a transaction.",
        "alter table a.b detach partition a.c;",
        6,
        ONLY,
    ),
    "a partition without its schema": (
        "-- Run: outside a transaction.",
        "alter table a.b detach partition c concurrently;",
        6,
        "write it as alter table schema.table detach partition schema.partition concurrently",
    ),
    "a deletion beside the statement": (
        "-- Run: in batches of 5, pause 1ms.",
        "with gone as (delete from a where b in (select b from a where c limit 5) returning d)\n"
        "insert into e select d from gone;",
        6,
        "only the statement itself may change rows",
    ),
    "a deletion further inside": (
        "-- Run: in batches of 5, pause 1ms.",
        "insert into e with gone as (delete from a where b returning d) select d from gone where d limit 5;",
        6,
        "only the statement itself may change rows",
    ),
    "a limit that stands twice": (
        "-- Run: in batches of 5, pause 1ms.",
        "update a set b = (select c from d limit 5) where e in (select e from a where b is null limit 5);",
        6,
        "needs `limit 5`, once",
    ),
    "rows that are passed over": (
        "-- Run: in batches of 5, pause 1ms.",
        "delete from a where b in (select b from a where c limit 5 offset 5);",
        6,
        "there is no `offset`",
    ),
    "rows that are passed over further inside": (
        "-- Run: in batches of 5, pause 1ms.",
        "delete from a where b in (select b from (select b from a where c offset 9) as d limit 5);",
        6,
        "there is no `offset`",
    ),
    "a sample": (
        "-- Run: in batches of 5, pause 1ms.",
        "delete from a where b in (select b from a tablesample system (1) where c limit 5);",
        6,
        "there is no `tablesample`",
    ),
    "rows found by chance": (
        "-- Run: in batches of 5, pause 1ms.",
        "delete from a where b in (select b from a where random() < 0.1 limit 5);",
        6,
        "can't depend on `random()`",
    ),
    "a vacuum that locks readers out": (
        "-- Run: outside a transaction.",
        "vacuum a.b;\nvacuum (full, analyze) a.b;",
        7,
        "vacuum full keeps everybody from reading the table",
    ),
    "a vacuum that says full": ("-- Run: outside a transaction.", "VACUUM full;", 6, "or write plain vacuum here"),
    "a cluster": ("-- Run: outside a transaction.", "cluster a.b using c;", 6, "cluster keeps everybody from reading"),
    "a reindex that locks": (
        "-- Run: outside a transaction.",
        "reindex (concurrently off) table a.b;",
        6,
        ONLY,
    ),
    "a merge in batches": (
        "-- Run: in batches of 5, pause 1ms.",
        "merge into a using (select 1 from b where c limit 5) d on true when matched then delete;",
        6,
        "one statement",
    ),
    "an index without a name": (
        "-- Run: outside a transaction.",
        "create index concurrently on b.c (d);",
        6,
        "write it",
    ),
    "an index without a schema": (
        "-- Run: outside a transaction.",
        "create index concurrently a on b (d);",
        6,
        "write",
    ),
    "nothing outside": ("-- Run: outside a transaction.", "", 4, "nothing stands below"),
    "two batches": ("-- Run: in batches of 5, pause 1ms.", "select 1;\nselect 2;", 7, "one statement"),
    "batches that read": ("-- Run: in batches of 5, pause 1ms.", "select 1 limit 5;", 6, "one statement"),
    "batches without a limit": ("-- Run: in batches of 5, pause 1ms.", "delete from a where b;", 6, "needs `limit 5`"),
    "another limit": ("-- Run: in batches of 5, pause 1ms.", "delete from a where b limit 50;", 6, "needs `limit 5`"),
    "batches without an end": (
        "-- Run: in batches of 5, pause 1ms.",
        "update a set b = 1 limit 5;",
        6,
        "a `where` that",
    ),
}


@pytest.mark.parametrize("name", list(UNFIT))
@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_script_that_cannot_run_as_its_header_says_is_refused_with_its_line(folder, direction, name):
    line, text, number, reason = UNFIT[name]
    directed(folder, line, text, direction)
    said = refused(folder)
    assert said.startswith(f"sql/steps/0001_one.{direction}.sql:{number}: ")
    assert reason in said


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("loses nothing.", None),
        ("loses no data.", None),
        ("nothing.", "nothing."),
        ("loses nothing", "loses nothing"),
        ("loses no data; fails while a policy uses it.", "loses no data; fails while a policy uses it."),
        ("no data survives: the table is dropped.", "no data survives: the table is dropped."),
        ("loses every project.", "loses every project."),
        ("drops the table, loses no data.", "drops the table, loses no data."),
    ],
)
def test_the_third_line_of_a_way_back_says_what_it_loses(line, lost):
    assert sqldirectives.loss(f"-- 0001 a: b.\n-- Lock: none. Duration: none.\n-- Down: {line}\n") == lost


def test_a_way_back_that_drops_loses_something_whatever_its_header_says():
    text = "-- 0001 a: b.\n-- Lock: none. Duration: none.\n-- Down: loses nothing.\n\ndrop table a.b; truncate c;"
    assert sqldirectives.loss(text) == "drops table a.b; empties table c"


def test_a_header_that_says_nothing_is_lost_where_something_is_dropped_is_refused_with_the_line(folder):
    write(folder, "0001_one", down="drop view a.v;\ndrop table\n    a.b;")
    assert len(steps(folder)) == 1
    path = folder / "0001_one.down.sql"
    path.write_text(path.read_text().replace("loses it.", "loses no data."))
    assert refused(folder) == (
        "sql/steps/0001_one.down.sql:5: the header says that nothing is lost, but this drops table a.b; "
        "say in line 3 what is lost"
    )


def test_a_way_back_without_its_third_line_counts_as_a_loss():
    assert sqldirectives.loss("drop table a;") is not None


@pytest.mark.parametrize("direction", ["up", "down"])
def test_what_only_a_newer_server_knows_is_left_to_it(folder, direction):
    write(folder, "0001_one", **{direction: "create flux capacitor a.b with (power = 1.21);\nselect 1;"})
    assert len(steps(folder)) == 1


# Each file on its own.

OPEN = {
    "a comment": ("select 1;\n/* todo /* later */\nselect 2;", 2, "/* comment"),
    "a string": ("select 1;\nselect 'it''s;\n", 2, "quoted string"),
    "an escape string": ("select 1;\n\nselect E'it\\';\n", 3, "quoted string"),
    "a quoted name": ('select 1 as "a""b;\n', 1, "quoted identifier"),
    "a dollar quote": ("do $$ begin end $$;\ndo $A$ begin\nend $a$;", 2, "dollar-quoted string"),
    "a dollar quote after a number": ("select 1$a$;", 1, "dollar-quoted string"),
}


@pytest.mark.parametrize("name", list(OPEN))
@pytest.mark.parametrize("direction", ["up", "down"])
def test_what_is_open_at_the_end_of_a_file_is_refused_where_it_begins(folder, direction, name):
    text, line, what = OPEN[name]
    write(folder, "0001_one", **{direction: text})
    assert refused(folder) == f"sql/steps/0001_one.{direction}.sql:{line + 3}: {what} is not closed in this file"


PIECES = ["'", '"', "$$", "$a$", "$A$", "$1", "$", "--", "\n", "/*", "*/", ";", "(", ")", "e'", "E'", "u&'", "\\",
          "a", "é", "1", " ", "select", "x'", ".", "-", "/", "*"]  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
@example("select 1$a$")
@example("$$$$a$$;")
@example("E'a'\n'b\\' /*")
def test_the_quick_lexer_and_postgresql_s_scanner_find_the_same(text):
    # PostgreSQL refuses a name right behind a number, and with it all that is sent with it.
    assume(not re.search(r"\d[^\W\d]", text))
    found, opened, tokens = sqltext.fault(text), scanned_open(text), []
    if opened is not None:
        # A command of psql is met first, wherever it stands before the open one.
        assert found is not None
        assert "\\" in text or found.line == text.count("\n", 0, opened) + 1
        return
    with suppress(parser.ParseError):
        tokens = parser.scan(text)
    if any(token.name == "ASCII_92" for token in tokens):
        assert found is not None
        assert found.what.startswith("psql's commands")
        return
    if tokens:
        assert found is None
        assert list(sqltext._semicolons(text)) == [*ends(tokens), len(text)]


def scanned_open(text: str) -> int | None:
    """Where a token begins that PostgreSQL's scanner finds no end of."""
    try:
        parser.scan(text)
    except parser.ParseError as error:
        message, position = error.args
        return position if message.startswith("unterminated") else None
    return None


def ends(tokens) -> list[int]:
    depth, found = 0, []
    for token in tokens:
        depth = max(0, depth + {"ASCII_40": 1, "ASCII_41": -1}.get(token.name, 0))
        if token.name == "ASCII_59" and not depth:
            found.append(token.start)
    return found


ENCODINGS = {
    "a byte order mark": (b"\xef\xbb\xbf%s", 1, "begins with a byte order mark; save it as UTF-8 without one"),
    "UTF-16": (lambda text: text.decode().encode("utf-16"), 1, "is in UTF-16; save it as UTF-8"),
    "UTF-16 without a mark": (lambda text: text.decode().encode("utf-16-le"), 1, "has a NUL byte"),
    "Latin-1": (b"%s\n-- caf\xe9", 9, "byte 0xe9 isn't UTF-8; save it as UTF-8"),
    "a NUL byte": (b"%s\n--\0", 9, "has a NUL byte; save it as UTF-8, without one"),
}
GOOD_POLICY = "-- Notes.\n\n\n\n\n-- One's own.\ncreate policy notes_a on public.notes for select to b using (true);\n"
GOOD_QUERY = "-- a: b.\n-- Role: c. Since: 0001.\n-- Parameters: none.\n-- Index: none.\n-- Plan: d.\n\nselect 1;\n"
# Of each kind of file one good text of seven lines, with its name and its reader.
KINDS = {
    "a migration": ("0001_one.up.sql", HEADER.format(number="0001", words="one") + "\n\n\nselect 1;\n", steps),
    "a row policy": ("public.notes.sql", GOOD_POLICY, row_policies),
    "a query": ("a.sql", GOOD_QUERY, sqlqueries.queries),
    "the matrix": (
        "access.md",
        "## a\n\n| b | rows |\n|---|---|\n\n\n\n",
        lambda at: sqlaccess.matrix(at / "access.md"),
    ),
}


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("name", list(ENCODINGS))
def test_a_file_in_another_encoding_is_refused_with_file_and_line(folder, name, kind):
    change, line, reason = ENCODINGS[name]
    file, text, read = KINDS[kind]
    (folder / "0001_one.down.sql").write_text(HEADER.format(number="0001", words="one") + "select 1;\n")
    if read is not steps:
        (folder / "0001_one.down.sql").unlink()
    (folder / file).write_text(text)
    read(folder)
    (folder / file).write_bytes(change % text.encode() if isinstance(change, bytes) else change(text.encode()))
    with pytest.raises(SqlFileError) as caught:
        read(folder)
    assert str(caught.value).startswith(f"sql/steps/{file}:{line}: {reason}")
    assert "\n" not in str(caught.value)


PSQL = {
    "\\restrict aBc\nselect 1;": (4, "psql's commands don't run here, leave out \\restrict"),
    "select 1;\n\\i more.sql\n": (5, "psql's commands don't run here, leave out \\i"),
    "select 1 \\gset\n": (4, "psql's commands don't run here, leave out \\gset"),
    "copy a.b (c) from stdin;\n1\tit's /* \\N\n\\.\n": (4, "copy … from stdin takes its rows from psql"),
    "select 1;\ncopy a.b from stdin with (format csv);\n": (5, "copy … from stdin takes its rows from psql"),
    "COPY a.b TO STDOUT;": (4, "copy … to stdout gives its rows to psql"),
    "copy (select 1) to stdout;": (4, "copy … to stdout gives its rows to psql"),
}


@pytest.mark.parametrize("text", list(PSQL))
def test_what_only_psql_can_run_is_refused_with_its_line(folder, text):
    line, reason = PSQL[text]
    write(folder, "0001_one", up=text)
    assert refused(folder).startswith(f"sql/steps/0001_one.up.sql:{line}: {reason}")


@pytest.mark.parametrize(
    "text",
    ["copy a.b from '/tmp/stdin';", "select '\\i' as copy, $$copy a from stdin;$$;", "-- \\i copy a from stdin;"],
)
def test_what_only_looks_like_psql_s_is_let_through(folder, text):
    write(folder, "0001_one", up=text)
    assert len(steps(folder)) == 1


def test_files_that_systems_and_editors_leave_are_ignored(folder):
    write(folder, "0001_one")
    for name in ("._0001_one.up.sql", "0001_one.up.sql~", "#0001_one.up.sql#", ".0001_one.up.sql.swp"):
        (folder / name).write_bytes(b"\0\xff")
    (folder / ".#0001_one.up.sql").symlink_to("somebody@host.1234")
    assert [step.name for step in steps(folder)] == ["0001_one"]
    assert row_policies(folder.parent) == []


def test_a_folder_that_is_not_there_is_refused_and_not_taken_for_an_empty_one(folder):
    assert steps(folder) == []
    folder.rmdir()
    assert refused(folder) == "sql/steps: there is no such folder; put it back, or name another one"
    folder.write_text("")
    assert refused(folder) == "sql/steps: is no folder; name the folder that has the files"


@pytest.mark.parametrize("name", ["0001_one.up.SQL", "0001_one.up.Sql"])
def test_a_file_whose_name_ends_in_capitals_is_named(folder, name):
    write(folder, "0001_one")
    (folder / "0001_one.up.sql").rename(folder / name)
    assert refused(folder) == f"sql/steps/{name}: the name must end in .sql, in lower case"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_refused_and_not_read(folder, kind):
    write(folder, "0001_one")
    path = folder / "0001_one.up.sql"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    assert refused(folder) == "sql/steps/0001_one.up.sql: is no file; only files are read here, take it away"


def test_a_line_s_end_in_a_name_stays_in_the_line(folder):
    (folder / "0001_o\nne.up.sql").write_text("")
    assert refused(folder) == (
        r"sql/steps/0001_o\nne.up.sql: the name must be NNNN_words.up.sql or NNNN_words.down.sql"
    )


def test_a_file_that_cannot_be_read_is_named(folder):
    write(folder, "0001_one")
    (folder / "0001_one.up.sql").unlink()
    (folder / "0001_one.up.sql").symlink_to("nowhere")
    assert refused(folder) == "sql/steps/0001_one.up.sql: can't be read: No such file or directory"


# How long it takes.


def seconds(work) -> float:
    best = []
    for _ in range(3):
        begun = time.process_time()
        work()
        best.append(time.process_time() - begun)
    return min(best)


GROWING = {
    "statements": lambda count: "".join(f"insert into a.b values ({n}, 'it''s');\n" for n in range(count)),
    "words that may control a transaction": lambda count: "select 1;\n" * count + "do $$\nbegin\nend;\n$$;",
    "tags": lambda count: "".join(f"select $b{n}$;$b{n}$;\n" for n in range(count)),
    "comments": lambda count: "-- why\n" * count + "\nselect 1;",
    "a block of comments": lambda count: "/* " * count + "*/ " * count + ";",
    "a string": lambda count: "select '" + "it''s " * count + "';",
}


@pytest.mark.parametrize("name", list(GROWING))
def test_four_times_the_text_takes_four_times_as_long(folder, name):
    def read(count: int):
        write(folder, "0001_one", up=GROWING[name](count))
        return lambda: steps(folder)

    small = seconds(read(4000))
    # Quadratic would be sixteen times.
    assert seconds(read(16000)) < 9 * small + 0.02


def test_a_ruler_of_dashes_after_a_string_is_read_at_once(folder):
    for tail in ("\n", "\n -- " * 200, "\n 'b' -- x\n"):
        begun = time.process_time()
        texts("create table public.a (\n sep text default E'\\t' " + "-" * 2000 + tail + ");")
        assert time.process_time() - begun < 1


def test_nothing_is_parsed_where_nothing_is_to_be_found():
    """Loading the parser takes as long as reading all of `sql/`; each preview reads it."""
    code = "import sys; from declared.sqlfiles import read; assert read().policies; print('pglast' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


def test_a_thousand_steps_are_read_in_a_second(tmp_path):
    write_steps(tmp_path, 1000)
    begun = time.process_time()
    assert len(steps(tmp_path)) == 1000
    assert time.process_time() - begun < 1


# Row policies.

GOOD = "-- One's own.\ncreate policy notes_select_own on public.notes for select to authenticated using (true);"


@pytest.fixture
def policies(tmp_path):
    """Writes the text of one policy file and reads the folder."""
    folder = tmp_path / "sql"
    folder.mkdir()

    def read(text: str, table: str = "public.notes"):
        (folder / f"{table}.sql").write_text(text)
        return row_policies(folder)

    return read


def test_a_policy_is_read_in_all_its_parts(policies):
    text = """-- notes: whatever a file says first.

-- Own notes only,
-- and none that are locked.
create policy notes_update_own on public.notes
    as restrictive for update to writer, authenticated
    using (owner = (select auth.uid()) and title <> ')' /* ( */)
    with check (
        owner in (select id from x) -- (
    );
"""
    (found,) = policies(text)
    assert found == sqlfiles.RowPolicy(
        name="notes_update_own",
        table="public.notes",
        kind="restrictive",
        command="update",
        roles=("authenticated", "writer"),
        using="owner = (select auth.uid()) and title <> ')' /* ( */",
        check="owner in (select id from x) -- (",
        comment="Own notes only, and none that are locked.",
        location="sql/public.notes.sql:5",
    )


def test_a_policy_is_permissive_unless_it_says_otherwise(policies):
    assert policies(GOOD)[0].kind == "permissive"
    assert policies(GOOD)[0].check is None


def other(old: str, new: str) -> str:
    return GOOD.replace(old, new)


REFUSED = {
    "another statement": (GOOD + "\nselect 1;", 3, "only this form is read here: create policy name on schema.table"),
    "all commands": (
        other("select to", "all to"),
        2,
        "is for all commands; for any role but service_role, one for each",
    ),
    "no role": (other(" to authenticated", ""), 2, "only this form is read here"),
    "a quoted name": (other("notes_select_own", '"notes"'), 2, "only this form is read here"),
    "no schema": (other("public.notes", "notes"), 2, "only this form is read here"),
    "no expression": (other(" using (true)", ""), 2, "only this form is read here"),
    "no parenthesis": (other("(true)", "true"), 2, "only this form is read here"),
    "an open parenthesis": (other("(true)", "((true)"), 2, "only this form is read here"),
    "words after the expression": (other("(true)", "(true) or true"), 2, "only this form is read here"),
    "using twice": (other("(true)", "(true) using (false)"), 2, "only this form is read here"),
    "using after check": (other("(true)", "(true)").replace("using (", "with check (a) using ("), 2, "only this form"),
    "capitals": (other("create policy", "CREATE POLICY"), 2, "only this form is read here"),
    "another table": (
        other("public.notes", "public.other"),
        2,
        "notes_select_own is on public.other, but this file is",
    ),
    "no comment": (other("-- One's own.\n", ""), 1, "notes_select_own needs a comment line right above it"),
    "a comment far above": (other("own.\n", "own.\n\n"), 3, "notes_select_own needs a comment line right above it"),
    "a name that PostgreSQL cuts": (
        other("notes_select_own", "n" * 64),
        2,
        "has 64 bytes; PostgreSQL cuts names after 63",
    ),
    "a name taken twice": (f"{GOOD}\n{GOOD}", 2, "the name notes_select_own is taken; it must be unique"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_anything_else_is_refused_with_file_and_line(policies, name):
    text, line, reason = REFUSED[name]
    with pytest.raises(SqlFileError) as caught:
        policies(text)
    assert str(caught.value).startswith(f"sql/public.notes.sql:{line}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_is_unique_across_files(policies):
    policies(GOOD)
    with pytest.raises(SqlFileError, match="the name notes_select_own is taken"):
        policies(GOOD.replace("public.notes", "public.other"), "public.other")


ADOPTED = """-- Adopted: as found in the database, where live databases have what new row policies may not.

create policy "Users can view ""own"" notes" on public."Notes" for all to "Team A", authenticated using (
    (owner = auth.uid())
);
-- Said there.
create policy "empty" on public."Notes" for insert to public;
"""


def test_an_adopted_file_takes_what_live_databases_have(policies):
    first, second = policies(ADOPTED, "public.Notes")
    assert (first.name, first.table, first.command) == ('Users can view "own" notes', "public.Notes", "all")
    assert (first.roles, first.using, first.comment) == (("Team A", "authenticated"), "(owner = auth.uid())", "")
    assert (second.roles, second.using, second.check, second.comment) == (("public",), None, None, "Said there.")


def test_adopted_names_are_unique_for_their_table_alone(policies):
    one = "-- Adopted: as found.\ncreate policy mine on public.a for select to anon using (true);\n"
    policies(one, "public.a")
    assert len(policies(one.replace("public.a", "public.b"), "public.b")) == 2
    with pytest.raises(SqlFileError, match="the name mine is taken; it must be unique for its table"):
        policies(one + one, "public.a")


def test_a_new_policy_may_not_have_the_name_of_an_adopted_one(policies):
    policies("-- Adopted: as found.\n" + GOOD)
    with pytest.raises(SqlFileError, match="the name notes_select_own is taken"):
        policies(GOOD.replace("public.notes", "public.other"), "public.other")


def test_what_is_in_the_checkout_is_read_without_complaint():
    root = CHECKOUT / "sql"
    assert steps(root / "migrations")
    assert steps(root / "platform")
    assert row_policies(root / "policies")
