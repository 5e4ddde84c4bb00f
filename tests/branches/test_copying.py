"""What comes into a preview environment: rows that satisfy every constraint, and nothing that anybody has written."""

import re
import subprocess
from contextlib import suppress

import psycopg
import pytest
from psycopg import sql

from declared.masking import COPIED, EMPTY
from local import postgres
from ops.branches import masks
from ops.branches.errors import BranchError
from tests.branches.conftest import Copies, execute

# Satisfies what patterns of names, words and addresses ask.
CANARY = "zqcanary"
NUMBER = "translate(ctid::text, '(,)', '')::bigint"
LETTERS = f"translate({NUMBER}::text, '0123456789', 'abcdefghij')"
# How a canary gets into a column, tried one after the other until the constraints take it.
FORMS = {
    "text": (
        f"'{CANARY}' || {LETTERS}",
        f"project_id || '/{CANARY}' || {LETTERS}",
        f"'audio/{CANARY}'",
        f"'{CANARY}' || {LETTERS} || '@example.com'",
        f"'https://example.com/{CANARY}'",
        f"'zq-{CANARY}'",
    ),
    "jsonb": (f"jsonb_build_object('{CANARY}', '{CANARY}')",),
    "bytea": (f"convert_to('{CANARY}' || {LETTERS}, 'UTF8')",),
    "tsvector": (f"'{CANARY}'::tsvector",),
    "_text": (f"array['{CANARY}']",),
    "inet": ("'203.0.113.77'",),
}


INVITED = """
insert into public.collaborators (project_id, email, expires_at)
select id, 'x' || row_number() over () || '@example.com', now() + interval '1 day' from public.projects"""


@pytest.fixture(scope="module")
def hostile(source: str) -> list[tuple[str, str]]:
    """The columns whose values are canaries by now: each that can hold what somebody has written."""
    reached = []
    with psycopg.connect(source, autocommit=True) as session:
        tables = dict(session.execute(masks.TABLES.encode()).fetchall())
        tables = {table: oid for table, oid in tables.items() if not table.startswith("supabase_migrations.")}
        for table in tables:
            session.execute(sql.SQL("alter table {} disable trigger all").format(masks.identifier(table)))
        session.execute(INVITED)
        for table, oid in tables.items():
            for column in masks.columns(session, oid):
                if any(_filled(session, table, column.name, form) for form in FORMS.get(column.type, ())):
                    reached.append((table, column.name))
                elif column.type in FORMS:
                    rule = COPIED.get(table, {}).get(column.name)
                    assert (rule and rule.copied and rule.reason) or table in EMPTY, (table, column.name)
    return reached


def _filled(session: psycopg.Connection[tuple[object, ...]], table: str, column: str, form: str) -> bool:
    """Whether the column took it, in all rows or in those that had a value."""
    name, value = sql.Identifier(column), sql.SQL(form)  # type: ignore[arg-type]
    for where in ("", " where {1} is not null"):
        statement = sql.SQL("update {0} set {1} = {2}" + where).format(masks.identifier(table), name, value)
        with suppress(psycopg.errors.IntegrityError, psycopg.errors.UndefinedColumn):
            return session.execute(statement).rowcount > 0
    return False


def dumped(url: str) -> str:
    words = [str(postgres.wheel_binaries() / "pg_dump"), "-d", url]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_nothing_that_somebody_has_written_is_in_the_copy(
    hostile: list[tuple[str, str]], source: str, copies: Copies
) -> None:
    shown = [CANARY, CANARY.encode().hex(), "203.0.113.77"]
    there = dumped(source)
    assert all(text in there for text in shown), "it would be seen"
    assert {column for column in hostile if column[0] in COPIED} >= {
        ("next_auth.users", "email"),
        ("next_auth.users", "name"),
        ("public.collaborators", "email"),
        ("public.project_components", "properties"),
        ("public.prompt_generations", "model"),
        ("private.project_words", "words"),
    }
    assert len(hostile) > 60
    url = copies.database()
    copied = copies.copied(url)
    said = dumped(url)
    assert [text for text in shown if text in said.lower()] == []
    assert copied.by_default == {}
    counts = {table: execute(source, f"select count(*) from {table}")[0][0] for table in COPIED}
    assert copied.rows == counts
    assert sum(number > 0 for number in counts.values()) >= len(COPIED) - 2
    assert copied.empty.keys() == EMPTY.keys()
    for table in EMPTY.keys() - {"private.settings", "audit.heads"}:
        assert execute(url, f"select count(*) from {table}") == [(0,)], table


def test_triggers_wrote_nothing_and_are_as_they_were(source: str, copies: Copies) -> None:
    states = (
        "select tgrelid::regclass::text, tgname, tgenabled::text from pg_trigger where not tgisinternal order by 1, 2"
    )
    url = copies.database()
    before = execute(url, states)
    copies.copied(url)
    after = [row for row in execute(url, states) if row in set(before)]
    assert after == before
    assert {state for *_, state in before} == {"O", "A"}
    assert execute(url, "select count(*) from audit.log") == [(0,)]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        execute(url, "insert into public.projects (owner_id, title) values (gen_random_uuid(), 'x')")


def test_a_column_without_a_rule_is_masked_by_its_type(source: str, copies: Copies) -> None:
    columns = {
        "note": "text default 'zqcanary'",
        "word": "text not null default 'zqcanary'",
        "facts": "jsonb not null default '{\"zqcanary\": 1}'",
        "seal": "bytea not null default 'zqcanary'",
        "amount": "bigint not null default 4711",
        "met": "date not null default '1987-06-05'",
        "place": "inet default '203.0.113.77'",
    }
    added = ", ".join(f"add column {name} {type}" for name, type in columns.items())
    execute(source, f"alter table public.projects {added}")
    try:
        url = copies.database(f"alter table public.projects {added}")
        copied = copies.copied(url)
    finally:
        execute(source, "alter table public.projects " + ", ".join(f"drop column {name}" for name in columns))
    assert copied.by_default == {"public.projects": sorted(columns)}
    found = execute(url, "select distinct note, word, facts::text, seal, amount, met::text, place from public.projects")
    assert found == [(None, "", "{}", b"", 0, "1970-01-01", None)]


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("slug text not null unique default gen_random_uuid()::text", "its values differ from row to row; write one"),
        ("shape point not null default '(1,2)'", "no value of type point is known that could stand there; write one"),
        (
            "mood text not null default 'good' check (mood <> '')",
            "its masked values aren't taken .*; write a rule for it",
        ),
        ("rank text default 'x' constraint ranked check (rank is not null)", "its masked values aren't taken"),
        ("friend uuid not null default '{person}' references public.users", "names rows of public.users; write one"),
    ],
)
def test_a_column_that_no_value_can_stand_for_is_refused_by_name(
    source: str, copies: Copies, column: str, why: str
) -> None:
    ((person,),) = execute(source, "select id from public.users limit 1")
    added = "alter table public.projects add column " + column.format(person=person)
    url = copies.database(added)
    execute(source, added)
    try:
        with pytest.raises(BranchError) as refused:
            copies.copied(url)
    finally:
        execute(source, f"alter table public.projects drop column {column.split()[0]}")
    assert re.match(rf"column public\.projects\.{column.split()[0]}: .*{why}", str(refused.value))
    assert execute(url, "select count(*) from next_auth.users") == [(0,)], "all of it or nothing"


def test_a_table_that_nobody_declares_comes_without_rows_and_is_named(source: str, copies: Copies) -> None:
    made = "create table public.diaries (id uuid, text text); insert into public.diaries values (null, 'zqcanary')"
    execute(source, made)
    try:
        url = copies.database("create table public.diaries (id uuid, text text)")
        copied = copies.copied(url)
    finally:
        execute(source, "drop table public.diaries")
    assert copied.empty["public.diaries"] == "no rule of declared/masking.py"
    assert execute(url, "select count(*) from public.diaries") == [(0,)]


def test_rows_that_row_security_hides_are_refused_and_not_left_out(source: str, copies: Copies) -> None:
    ((name,),) = execute(source, "select current_database()")
    execute(source, "create role reader login password 'reader'; grant pg_read_all_data to reader")
    execute(source, f"grant connect on database {name} to reader")
    seen = copies.source
    try:
        copies.source = re.sub(r"//[^@]+@", "//reader:reader@", source)
        with pytest.raises(
            BranchError, match=r"^table [\w.]+: row policies hide rows from reader; no copy without them"
        ):
            copies.copied(copies.database())
    finally:
        copies.source = seen
        execute(source, "drop owned by reader; drop role reader")


def test_the_source_is_not_written_to(source: str, copies: Copies) -> None:
    from ops.branches import copying

    with copying.opened(source) as (session, _), pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        session.execute("delete from public.users")
