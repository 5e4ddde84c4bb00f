"""`./vpb migrate lint`: what squawk and our own rules find, each fact once, and what they leave alone."""

import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from declared.paths import CHECKOUT
from ops.review import ways
from ops.review.lint import findings, outcome, shown
from ops.review.lint.exceptions import OF_A_FILE
from ops.review.lint.indexuse import Use
from tests.review import lint_checkout
from tests.review.lint_checkout import POLICIES, alter, found, rules, write

OUTSIDE = "-- Run: outside a transaction.\n"
AUTHOR = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]

DROP = alter("drop column spare")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lint_checkout.make(tmp_path_factory.mktemp("checkout"))


CASES = {
    # A type, and what PostgreSQL changes in the catalogue alone.
    alter("alter rank type int"): {"type-change-rewrites", "prefer-bigint-over-int"},
    alter("alter title type text"): set(),
    alter("alter title type varchar(30)"): {"prefer-text-field"},
    alter("alter title type varchar(10)"): {"type-change-rewrites", "prefer-text-field"},
    alter("alter price type numeric(8, 2)"): set(),
    alter("alter price type numeric(8, 3)"): {"type-change-rewrites"},
    alter("alter noted type timestamptz(6)"): set(),
    alter("alter net type inet"): set(),
    alter("alter kind type text"): {"type-change-rewrites"},
    alter("alter title type text using title::text"): set(),
    alter("alter title type text using upper(title)"): {"type-change-rewrites"},
    alter("alter body type varchar(9)", "unknown"): {"type-change-rewrites", "prefer-text-field"},
    # Not null.
    alter("alter code set not null"): {"not-null-scans"},
    alter("alter rank set not null"): set(),
    alter("alter id set not null"): set(),
    alter("add column a text not null"): {"required-column"},
    alter("add column a text not null default 'x'"): set(),
    alter("add column a text"): set(),
    alter("add constraint c check (code is not null) not valid"): set(),
    alter("add constraint c check (code is not null) not valid") + alter("alter code set not null"): {"not-null-scans"},
    alter("add constraint c check (code is not null)"): {"constraint-missing-not-valid"},
    # Defaults.
    alter("add column a uuid default gen_random_uuid()"): {"volatile-default"},
    alter("add column a bigint default public.unknown()"): {"volatile-default"},
    alter("add column a bigint default public.twice(2)"): set(),
    alter("add column a timestamptz default now()"): set(),
    alter("add column a bigint generated always as identity"): {"volatile-default"},
    alter("add column a bigint generated always as (rank * 2) stored"): {"volatile-default"},
    # Keys.
    alter("add constraint k foreign key (project_id) references public.projects (id) not valid", "notes"): {
        "foreign-key-without-index"
    },
    alter("add constraint k foreign key (project_id) references public.projects (id)", "notes"): {
        "adding-foreign-key-constraint",
        "foreign-key-without-index",
    },
    "create index concurrently i on public.notes (project_id) where project_id is null;"
    + alter("add constraint k foreign key (project_id) references public.projects (id) not valid", "notes"): {
        "concurrently-in-transaction",
        "foreign-key-without-index",
    },
    "create index concurrently i on public.notes (project_id) where project_id is not null;"
    + alter("add constraint k foreign key (project_id) references public.projects (id) not valid", "notes"): {
        "concurrently-in-transaction"
    },
    alter("add constraint k foreign key (owner_id) references public.projects (id) not valid"): set(),
    # What the app uses.
    alter("drop column spare"): {"ban-drop-column"},
    alter("drop column code"): {"used-by-the-app"},
    alter("drop column rank"): {"used-by-the-app"},
    alter("drop column owner_id"): {"used-by-the-app"},
    alter("drop column price"): {"used-by-the-app"},
    alter("drop column body", "notes"): {"used-by-the-app"},
    alter("rename column title to heading", "notes"): {"used-by-the-app"},
    alter("rename column title to heading"): {"renaming-column"},
    alter("rename to items", "notes"): {"used-by-the-app"},
    alter("rename to items", "notes")
    + "create view public.notes with (security_invoker = true) as select * from public.items;": {"renaming-table"},
    "drop function public.twice(bigint);": {"used-by-the-app"},
    "drop function public.twice(bigint, bigint);": set(),
    alter("alter code drop not null"): set(),
    "create temporary table t (id bigint); drop table t;": set(),
    "drop function public.touch();": {"ban-drop-function"},
    "drop view public.titles;": {"ban-drop-view"},
    # Functions.
    "create function public.f() returns int language sql security definer as 'select 1';": {
        "definer-without-search-path"
    },
    "create function public.f() returns int language sql security definer set search_path = '' as 'select 1';": set(),
    "create function public.f() returns int language sql as 'select 1';"
    "alter function public.f() security definer set search_path = '';": set(),
    "alter function public.twice(bigint) reset search_path;": set(),
    "alter function public.twice(bigint) security definer reset search_path;": {"definer-without-search-path"},
    "create function public.f() returns bigint language sql immutable as 'select id from public.notes';": {
        "immutable-reads-tables"
    },
    "create function public.f() returns bigint language plpgsql immutable as $$ begin return "
    "(select max(n.id) from public.notes as n); end $$;": {"immutable-reads-tables"},
    "create function public.f() returns int language sql immutable as "
    "'with a as (select 1 as b) select b from a, generate_series(1, 2)';": set(),
}


@pytest.mark.parametrize("text", CASES)
def test_each_fact_is_found_once_and_what_is_harmless_is_not(checkout, text):
    assert sorted(each.rule for each in found(checkout, text)) == sorted(CASES[text])


TABLE = "create table public.things (id bigint primary key, note_id bigint references public.notes (id));"
SECURE = alter("enable row level security", "things")


def test_a_new_table_needs_row_security_policies_and_indexes_and_may_be_changed_at_will(checkout):
    said = found(checkout, TABLE)
    assert [(each.rule, each.severity) for each in said] == [
        ("foreign-key-without-index", "warning"),
        ("table-without-policies", "error"),
        ("table-without-row-security", "error"),
    ]
    assert said[0].file == "sql/migrations/0002_case.up.sql"
    assert (said[0].line, said[0].statement) == (5, TABLE[:71] + "…")
    policies = checkout / "sql" / "policies" / "public.things.sql"
    policies.write_text(POLICIES.replace("projects", "things").replace("owner_id", "note_id"))
    index = "create index on public.things (note_id, id);"
    change = alter("add column a uuid not null default gen_random_uuid(), alter id type text", "things")
    try:
        assert found(checkout, TABLE + SECURE + index + change) == []
        first = write(checkout, "0002_case", TABLE + SECURE)
        second = write(checkout, "0003_more", index + change)
        assert findings([first, second]) == [], "nobody uses a table of the same set yet"
        assert {each.rule for each in findings([second])} == {
            *("require-concurrent-index-creation", "type-change-rewrites", "volatile-default"),
        }, "by then it is in use"
        assert {each.rule for each in findings([first, second], apart=True)} > {"type-change-rewrites"}
    finally:
        policies.unlink()
        (checkout / "sql" / "migrations" / "0003_more.up.sql").unlink(missing_ok=True)


def test_a_table_like_another_has_its_columns(checkout):
    like = write(checkout, "0002_case", "create table public.copies (like public.notes);")
    change = write(checkout, "0003_more", alter("alter title type varchar(9)", "copies"))
    try:
        (*_, said) = findings([like, change], apart=True)
        assert said.what.startswith("column title of public.copies, which is text, becomes varchar(9): the whole table")
        assert said.severity == "error"
    finally:
        change.unlink()
    (_, said) = found(checkout, alter("alter body type varchar(9)", "unknown"))
    assert (said.severity, "whose type isn't known here" in said.what) == ("warning", True)


def test_what_uses_it_is_named_and_the_way_is_said(checkout):
    (said,) = found(checkout, alter("drop column price"))
    assert said.what == "drops column price of public.projects, which function public.sizes uses"
    assert said.instead == "first take it out of what uses it and deploy that; drop it in a later migration"
    (said,) = found(checkout, "drop table public.notes;")
    assert said.what == "drops table public.notes, which query pattern add_note, query pattern codes use"


def test_a_query_that_the_change_rewrites_runs_on_main_until_it_is_deployed(checkout, tmp_path):
    root = tmp_path / "clone"
    shutil.copytree(checkout, root)
    for words in (["init", "-q", "-b", "main"], ["add", "."], [*AUTHOR, "commit", "-q", "-m", "before"]):
        subprocess.run(["git", "-C", root, *words], check=True)
    query = root / "sql" / "queries" / "codes.sql"
    query.write_text(query.read_text().replace("p.code", "p.title"))
    (said,) = found(root, alter("drop column code"))
    assert said.what == "drops column code of public.projects, which query pattern codes of main uses"
    subprocess.run(["git", "-C", root, *AUTHOR, "commit", "-q", "-a", "-m", "deployed"], check=True)
    assert [each.rule for each in found(root, alter("drop column code"))] == ["ban-drop-column"]


def test_an_exception_needs_a_rule_and_a_reason(checkout):
    change = alter("alter code set not null")
    assert found(checkout, f"-- Lint: allow not-null-scans: it has a hundred rows.\n{change}") == []
    assert found(checkout, f"-- squawk-ignore adding-not-nullable-field -- it has a hundred rows.\n{change}") == []
    for comment, what in (
        ("-- Lint: allow not-null-scans:", "an exception needs its rule and a reason"),
        ("-- squawk-ignore adding-not-nullable-field", "an exception needs its rule and a reason"),
        ("-- squawk-ignore adding-not-nulable-field -- it is small", "there is no rule adding-not-nulable-field"),
        ("-- squawk-ignore-file", OF_A_FILE),
        ("-- lint allow not-null-scans: it has a hundred rows", "an exception needs its rule and a reason"),
        ("-- Lint: allow nul-scans: it has a hundred rows.", "there is no rule nul-scans"),
    ):
        wrong, kept = found(checkout, f"\n{comment}\n{change}")
        assert (wrong.rule, wrong.line, wrong.what) == ("lint-directive", 6, what)
        assert (kept.rule, kept.line) == ("not-null-scans", 7)
    other = f"-- Lint: allow volatile-default: it has a hundred rows.\n{change}"
    assert [each.rule for each in found(checkout, other)] == ["not-null-scans"]
    apart = f"-- Lint: allow not-null-scans: it has a hundred rows.\nselect 1;\n{change}"
    assert [each.rule for each in found(checkout, apart)] == ["not-null-scans"]


def test_an_exception_of_squawks_hides_nothing_that_is_not_above_its_statement(checkout):
    drop = alter("drop column spare")
    assert found(checkout, f"-- squawk-ignore ban-drop-column -- nobody has it.\n{drop}") == []
    assert found(checkout, f"-- Lint: allow ban-drop-column: nobody has it.\n{drop}") == []
    for text in (f"-- squawk-ignore-file\n\n{drop}", f"/* squawk-ignore-file */ {drop}"):
        assert rules(found(checkout, text)) == ["ban-drop-column", "lint-directive"]
    within = drop.replace(" drop", "\n-- squawk-ignore ban-drop-column -- nobody has it.\ndrop")
    assert rules(found(checkout, within)) == ["ban-drop-column", "lint-directive"]


def test_what_is_excepted_is_listed_with_its_reason(checkout):
    reason = "it has a hundred rows."
    text = f"-- Lint: allow not-null-scans: {reason}\n{alter('alter code set not null')}"
    said = outcome([write(checkout, "0002_case", f"{text}\n-- squawk-ignore ban-drop-column -- {reason}\n{DROP}")])
    assert said.findings == []
    scans, drop = said.exceptions
    assert (scans.rule, scans.severity, scans.line, scans.reason) == ("not-null-scans", "error", 6, reason)
    assert (drop.rule, drop.line, drop.statement) == ("ban-drop-column", 8, DROP.rstrip(";"))
    assert json.loads(shown.as_json([], said.exceptions))["exceptions"][0]["reason"] == reason
    first, _, last = shown.as_text([], said.exceptions).splitlines()
    assert first.startswith("excepted: sql/migrations/0002_case.up.sql:6: `set not null` reads all of public.projects")
    assert first.endswith(f"[not-null-scans]: {reason}")
    assert last == "nothing found"


def test_squawk_reads_the_statements_of_a_block_too(checkout):
    block = "do $$\nbegin\n    alter table public.projects\n    drop column spare;\nend\n$$;"
    (said,) = found(checkout, f"select 1;\n{block}")
    assert (said.rule, said.line) == ("ban-drop-column", 9)
    assert found(checkout, f"-- Lint: allow ban-drop-column: nobody has it.\n{block}") == []


def test_on_a_partitioned_table_the_way_is_another_one(checkout):
    index = f"create index i on public.days (id);{alter('add foreign key (id) references public.notes (id)', 'days')}"
    said = {each.rule: each.instead for each in found(checkout, index)}
    assert said["require-concurrent-index-creation"] == ways.PARTITIONED_INDEX
    assert said["adding-foreign-key-constraint"] == ways.PARTITIONED_KEY
    (plain,) = found(checkout, "create index i on public.notes (title);")
    assert plain.instead == ways.INDEX


def test_a_file_that_runs_outside_a_transaction_may_build_concurrently(checkout):
    build = "create index concurrently notes_idx on public.notes (project_id);"
    assert found(checkout, build, OUTSIDE) == []
    assert [each.rule for each in found(checkout, build)] == ["concurrently-in-transaction"]


def test_what_cannot_be_parsed_is_one_error_with_its_line(checkout):
    (said,) = found(checkout, "select 1;\nalter tabel public.notes add column a int not null default 3, x;")
    assert (said.rule, said.severity, said.line) == ("syntax-error", "error", 6)


def test_our_own_migrations_have_nothing_to_find():
    ours = sorted((CHECKOUT / "sql" / "migrations").glob("*.up.sql"))
    example = sorted((CHECKOUT / "tests" / "sql" / "follow_up").glob("*.up.sql"))
    assert len(ours) > 30
    assert findings(ours, apart=True) == findings(ours) == []
    assert len(example) == 6
    assert findings(example) == []


def test_an_index_that_the_server_uses_is_not_dropped_in_passing(checkout):
    """Nor the one of a constraint; another of its name in the same set stands in its place, and a reason excepts it."""
    last, since = datetime(2026, 11, 30, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    uses = {("public", "a_idx"): Use(1204, last, since), ("public", "a_key"): Use(1, None, since)}

    def said(text: str) -> list[str]:
        every = findings([write(checkout, "0002_case", text)], uses=uses)
        return [each.what for each in every if each.rule == "index-in-use"]

    index = "index public.a_idx is in use: 1,204 times, last on 2026-11-30"
    assert said("drop index public.spare_idx, public.a_idx;") == [index]
    assert said(alter("drop constraint a_key")) == ["index public.a_key is in use: 1 time since 2026-01-01"]
    assert said("drop index public.a_idx; create index a_idx on public.projects (rank);") == []
    assert said("-- Lint: allow index-in-use: a nightly report used it.\ndrop index public.a_idx;") == []


def test_what_becomes_of_a_table_like_another_is_not_the_others(checkout):
    like = "create table public.alike (like public.notes); alter table public.alike alter title set not null;"
    rules = {each.rule for each in found(checkout, like + alter("alter title set not null", "notes"))}
    assert "not-null-scans" in rules
