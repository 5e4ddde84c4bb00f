"""What lies in `sql/` is read as psql reads it, and refused with file and line where it breaks the rules."""

import time

import pytest

import sqldirectives
import sqlfiles
from bench.steps import write_steps
from sqldirectives import Way
from sqlfiles import SqlFileError, Statement, row_policies, statements, steps

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


# Steps.


def write(folder, name: str, up: str = "select 1;", down: str = "select 1;") -> None:
    number, _, words = name.partition("_")
    for half, text in (("up", up), ("down", down)):
        (folder / f"{name}.{half}.sql").write_text(HEADER.format(number=number, words=words) + text + "\n")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlfiles, "CHECKOUT", tmp_path)
    path = tmp_path / "sql" / "steps"
    path.mkdir(parents=True)
    return path


def refused(folder) -> str:
    with pytest.raises(SqlFileError) as caught:
        steps(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_steps_come_in_order_with_both_halves(folder):
    write(folder, "0002_two")
    write(folder, "0001_one", up="create table a ();", down="drop table a;")
    found = steps(folder)
    assert [(step.name, step.version) for step in found] == [("0001_one", "0001"), ("0002_two", "0002")]
    assert found[0].up.endswith("create table a ();\n")
    assert found[0].down.endswith("drop table a;\n")


def test_the_checksum_tells_which_half_changed(folder):
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
    assert refused(folder) == "sql/steps: step 0002 is missing before 0003_three"


def test_the_first_step_has_the_number_one(folder):
    write(folder, "0002_two")
    assert refused(folder) == "sql/steps: step 0001 is missing before 0002_two"


def test_two_steps_of_one_number_are_refused_with_what_to_do(folder):
    write(folder, "0001_a")
    write(folder, "0001_b")
    assert refused(folder) == "sql/steps: 0001_a and 0001_b have the same number; give the newer one the next"


@pytest.mark.parametrize("half", ["up", "down"])
def test_a_missing_half_is_refused_by_name(folder, half):
    write(folder, "0001_one")
    (folder / f"0001_one.{half}.sql").unlink()
    assert refused(folder) == f"sql/steps/0001_one.{half}.sql is missing; each step needs both halves"


HEADERS = {
    "no header": ("select 1;", 1, "-- NNNN subject: why."),
    "no lock line": ("-- 0001 one: why.\nselect 1;", 2, "-- Lock: … Duration: …."),
    "no duration": ("-- 0001 one: why.\n-- Lock: none.\n-- Down: x.\n", 2, "-- Lock: … Duration: …."),
    "no down line": ("-- 0001 one: why.\n-- Lock: none. Duration: none.\n\n", 3, "-- Down: what it loses."),
    "nothing at all": ("", 1, "-- NNNN subject: why."),
}


@pytest.mark.parametrize("name", list(HEADERS))
def test_a_header_of_another_form_is_refused_with_its_line(folder, name):
    text, line, form = HEADERS[name]
    write(folder, "0001_one")
    (folder / "0001_one.up.sql").write_text(text)
    assert refused(folder) == f"sql/steps/0001_one.up.sql:{line}: the header's line {line} must read `{form}`"


def test_a_header_with_the_number_of_another_step_is_refused(folder):
    write(folder, "0001_one")
    path = folder / "0001_one.up.sql"
    path.write_text(path.read_text().replace("-- 0001", "-- 0007"))
    assert refused(folder) == "sql/steps/0001_one.up.sql:1: the header says step 0007"


@pytest.mark.parametrize("half", ["up", "down"])
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
def test_transaction_control_is_refused_with_its_line(folder, half, statement):
    write(folder, "0001_one", **{half: f"select 1;\n\n{statement};"})
    assert refused(folder) == f"sql/steps/0001_one.{half}.sql:6: a step is one transaction already, leave this out"


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


# How a half runs.


def directed(folder, line: str, text: str, half: str = "up") -> None:
    write(folder, "0001_one", **{half: f"{line}\n\n{text}"})


@pytest.mark.parametrize(
    ("line", "text", "way"),
    [
        ("", "select 1;", Way()),
        ("-- A comment.", "select 1;", Way()),
        ("-- Run: outside a transaction.", "vacuum a.b;", Way("outside")),
        ("-- Run: in batches of 10, pause 50ms.", "delete from a where b limit 10;", Way("batches", 10, 50)),
    ],
)
@pytest.mark.parametrize("half", ["up", "down"])
def test_each_half_says_in_its_fourth_line_how_it_runs(folder, half, line, text, way):
    directed(folder, line, text, half)
    assert sqldirectives.way(getattr(steps(folder)[0], half)) == way


WAYS = "the header's line 4 must be empty or read `-- Run: outside a transaction.` or"
ONLY = "only this runs outside a transaction, the rest is a step of its own"
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
@pytest.mark.parametrize("half", ["up", "down"])
def test_a_half_that_cannot_run_as_its_header_says_is_refused_with_its_line(folder, half, name):
    line, text, number, reason = UNFIT[name]
    directed(folder, line, text, half)
    said = refused(folder)
    assert said.startswith(f"sql/steps/0001_one.{half}.sql:{number}: ")
    assert reason in said


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("loses nothing.", None),
        ("nothing.", None),
        ("loses no data; fails while a policy uses it.", None),
        ("loses every project.", "loses every project."),
        ("drops the table, loses no data.", "drops the table, loses no data."),
    ],
)
def test_the_third_line_of_a_way_back_says_what_it_loses(line, lost):
    assert sqldirectives.loss(f"-- 0001 a: b.\n-- Lock: none. Duration: none.\n-- Down: {line}\n") == lost


def test_a_way_back_without_its_third_line_counts_as_a_loss():
    assert sqldirectives.loss("drop table a;") is not None


def test_a_thousand_steps_are_read_in_a_second(tmp_path):
    write_steps(tmp_path, 1000)
    begun = time.process_time()
    assert len(steps(tmp_path)) == 1000
    assert time.process_time() - begun < 1


# Row policies.

GOOD = "-- One's own.\ncreate policy notes_select_own on public.notes for select to authenticated using (true);"


@pytest.fixture
def policies(tmp_path, monkeypatch):
    """Writes the text of one policy file and reads the folder."""
    monkeypatch.setattr(sqlfiles, "CHECKOUT", tmp_path)

    def read(text: str, table: str = "public.notes"):
        (tmp_path / f"{table}.sql").write_text(text)
        return row_policies(tmp_path)

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
        place="public.notes.sql:5",
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
    "a name taken twice": (f"{GOOD}\n{GOOD}", 2, "the name notes_select_own is taken; it must be unique"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_anything_else_is_refused_with_file_and_line(policies, name):
    text, line, reason = REFUSED[name]
    with pytest.raises(SqlFileError) as caught:
        policies(text)
    assert str(caught.value).startswith(f"public.notes.sql:{line}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_is_unique_across_files(policies):
    policies(GOOD)
    with pytest.raises(SqlFileError, match="the name notes_select_own is taken"):
        policies(GOOD.replace("public.notes", "public.other"), "public.other")


def test_what_is_in_the_checkout_is_read_without_complaint():
    root = sqlfiles.CHECKOUT / "sql"
    assert steps(root / "migrations")
    assert steps(root / "platform")
    assert row_policies(root / "policies")
