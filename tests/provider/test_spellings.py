"""A dump that is restored spells some definitions otherwise: that is no change, and every real change still is one."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from pglast import parser

from harness import scratch
from local import postgres
from provider import spellings
from provider.connection import ConnectionInfo
from tests.conftest import Cluster, Database
from tests.provider.snapshots import Stack

SPELLED = Path(__file__).with_name("spellings.sql").read_text()
STORED = """
select object, facet, d.definition from supabase_migrations.schema_snapshot s,
       jsonb_each_text(s.definition) as d (facet, definition) where object <> ''"""
# What a word of a definition may be changed to; each makes it another definition.
OTHERS = {
    **{"and": "or", "or": "and", ">=": ">", "<=": "<", ">": ">=", "<": "<=", "=": "<>", "<>": "=", "+": "-", "-": "+"},
    **{"any": "all", "all": "any", "true": "false", "||": "<>", "is": "is not", "not": "", "desc": "asc", "a": "b"},
    **{"distinct": "", "t": "u", "text": "varchar", "for": "", "old": "new", "always": "", "min": "max", "u": "t"},
}


class Pair(NamedTuple):
    """A facet of an object as it was made, and as a restore has it."""

    object: str
    facet: str
    was: str
    now: str


def stack(url: str) -> Stack:
    return Stack(url, ConnectionInfo.of(url), {"name": "schema", "schemas": ["public", "supabase_migrations"]})


def moved(programs: Path, url: str, to: str) -> None:
    """A dump of one database, restored into an empty one."""
    dump = subprocess.run([programs / "pg_dump", "-Fc", "-d", url], capture_output=True, check=True)
    subprocess.run([programs / "pg_restore", "-1", "-d", to], input=dump.stdout, check=True)


@pytest.fixture(scope="module")
def made(cluster: Cluster) -> Iterator[Database]:
    """A database with the definitions, and a snapshot of them."""
    database = cluster.create("respelling", "template0")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(SPELLED.encode())
    stack(database.url).up()
    yield database
    cluster.drop(database.name)


@pytest.fixture(scope="module")
def pairs(cluster: Cluster, made: Database) -> Iterator[list[Pair]]:
    """What a restore on the same server spells otherwise."""
    restored = cluster.create("respelling_restored", "template0")
    moved(cluster.programs, made.url, restored.url)
    yield respelled(made, restored.url)
    cluster.drop(restored.name)


def respelled(made: Database, url: str) -> list[Pair]:
    """What differs in the snapshot of a restored database once the run after it has taken it again."""
    was, restored = dict(stored(made.url)), stack(url)
    assert restored.refresh() == {}, "nothing that is spelled otherwise was changed"
    restored.end()
    now = dict(stored(url))
    assert was.keys() == now.keys()
    return [Pair(*key, was[key], now[key]) for key in was if was[key] != now[key]]


def stored(url: str) -> Iterator[tuple[tuple[str, str], str]]:
    for object, facet, definition in stack(url).ask(STORED):
        yield (object, facet), definition


KINDS = {
    "column", "constraint", "index", "trigger", "policy", "rule", "view", "materialized view", "function", "procedure",
    "type", "table", "publication", "statistics",
}  # fmt: skip


def kind(pair: Pair) -> str:
    words = pair.facet if pair.facet and not pair.object.startswith("publication") else pair.object
    return " ".join(words.split()[:2] if words.startswith("materialized") else words.split()[:1])


def test_what_a_restore_spells_otherwise_is_no_change(pairs: list[Pair]):
    assert len(pairs) > 40
    # The default of a domain is stored as text too.
    assert {kind(pair) for pair in pairs} == KINDS - {"type"}


def test_what_an_upgrade_by_dump_spells_otherwise_is_no_change(cluster: Cluster, made: Database):
    if cluster.server.version >= 16:
        pytest.skip("the views of PostgreSQL 15 are what is spelled otherwise")
    with scratch.server() as newer:
        with psycopg.connect(newer.url(), autocommit=True) as connection:
            connection.execute("create database upgraded")
        moved(postgres.wheel_binaries(), made.url, newer.url("upgraded"))
        found = respelled(made, newer.url("upgraded"))
    assert {pair.object for pair in found} > {"view public.of_one", "view public.of_a_function"}


def test_each_change_of_a_word_is_a_change(pairs: list[Pair]):
    hidden, tried = [], 0
    for pair in pairs:
        for text in (pair.was, pair.now):
            for changed in mutated(text):
                # What can't be parsed shows nothing.
                tried += spellings.same_facet(pair.object, pair.facet, changed, changed)
                if spellings.same_facet(pair.object, pair.facet, pair.was, changed):
                    hidden.append((pair.object, pair.facet, changed))
    assert tried > 1000
    assert hidden == []


def mutated(definition: str) -> Iterator[str]:
    """A definition with one word changed, or with the two sides of an operator exchanged."""
    raw = definition.encode()
    tokens = [(token.start, token.end + 1) for token in parser.scan(definition)]
    for start, end in tokens:
        word = raw[start:end].decode()
        other = OTHERS.get(word.lower())
        if re.fullmatch(r"\d+", word):
            other = f"{word}7"
        elif word.startswith("'"):
            other = f"{word[:-1]}z'"
        if other is not None:
            yield (raw[:start] + other.encode() + raw[end:]).decode()


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("((a and b) and c)", "(a and b and c)"),
        ("((a or b) or c) and d", "(a or b or c) and d"),
        ("v = any ((array['a'::name, 'b'::name])::text[])", "v = any (array['a'::name::text, 'b'::name::text])"),
        ("(array[array[a], array[b]])::text[]", "array[array[a::text], array[b::text]]"),
        ("( SELECT 'x'::text)", "( SELECT 'x'::text AS text)"),
        ("a  >  1", "((a > 1))"),
    ],
)  # fmt: skip
def test_the_same_in_other_words(was: str, now: str):
    assert spellings.same_expression(was, now)


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("((a or b) and c)", "(a or (b and c))"),
        ("(a and b and c)", "(a and b)"),
        ("(a and b)", "(b and a)"),
        ("(a and b and c)", "(a and c and b)"),
        ("not (a and b)", "not a and b"),
        ("(a - b) - c", "a - (b - c)"),
        ("a + b", "b + a"),
        ("v = any ((array['a'])::text[])", "v = any ((array['a'])::varchar[])"),
        ("v = any ((array['a'])::text[])", "v = any (array['a'])"),
        ("v = any ((array['a', 'b'])::text[])", "v = any (array['a'::text, 'b'])"),
        ("(array[a])::varchar(3)[]", "array[a::varchar(4)]"),
        ("(array[])::text[]", "(array[])::int[]"),
        ("( SELECT 'x'::text)", "( SELECT 'x'::text AS other)"),
        ("t.a", "a"),
        ("f(a, b)", "f(b, a)"),
        ("a = 'x'", "a = 'X'"),
        ("a = 'x y'", "a = 'x  y'"),
        ("a ~ '(b and c) and d'", "a ~ 'b and c and d'"),
        ('"A" = 1', '"a" = 1'),
        ("lower(x)", "t.lower(x)"),
        ("x::text", "x::evil.text"),
        ("old.x = 1", "x = 1"),
        ("x = 1", None),
        ("a and", "a  and"),
    ],
)
def test_what_says_something_else(was: str, now: str | None):
    assert not spellings.same_expression(was, now)


VIEWS = [
    ("select t.a from t where t.b > 1", "select a from t where b > 1", True),
    ("select x.a from t as x order by x.b", "select a from t as x order by b", True),
    ("select t.a, t.b as a2 from t order by t.b", "select a, b as a2 from t order by b", True),
    ("select t.b as a, t.a as b from t order by t.a", "select b as a, a as b from t order by a", False),
    ("select distinct on (t.a) t.b as a from t", "select distinct on (a) b as a from t", False),
    ("select t.a from t, u", "select a from t, u", False),
    ("select t.a from t join u on true", "select a from t join u on true", False),
    ("select (select t.a from u) from t", "select (select a from u) from t", False),
    ("select t.a from t where exists (select from t u where u.a = t.a)",
     "select a from t where exists (select from t u where u.a = a)", False),
    ("select t.a from t union select t.a from t", "select a from t union select a from t", False),
    ("select t.* from t", "select * from t", False),
    ("select t.a from s.t", "select a from t", False),
    ("select a.id from s.a, s.b", "select b.id from s.a, s.b", False),
    ("create view v as select t.a from t", "create view v as select a from t", True),
    ("select t.a from t", "select t.a from u as t", False),
]  # fmt: skip


@pytest.mark.parametrize(("was", "now", "same"), VIEWS)
def test_columns_of_a_views_only_table_need_no_prefix(was: str, now: str, same: bool):
    assert spellings.same_facet("view public.v", "", was, now) == same


NOTES = [
    ("table public.t", "trigger x", "CREATE TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f()", " (disabled)"),
    ("table public.t", "index x", "CREATE INDEX x ON t (a)", " (invalid)"),
    ("table public.t", "column a", "text default ('a' || 'b')", " not null"),
    ("table public.t", "column a", "text default ('a' || 'b')", " storage external"),
    ("table public.t", "column a", "text default ('a' || 'b')", " options (n_distinct=5)"),
    ("table public.t", "column a", "text", " default (1 + 1)"),
    ("statistics public.s", "", "CREATE STATISTICS public.s ON a, b FROM t", " statistics 5"),
]


@pytest.mark.parametrize(("object", "facet", "definition", "note"), NOTES)
def test_what_stands_beside_a_definition_counts(object: str, facet: str, definition: str, note: str):
    spaced = definition.replace("(", "( ")
    assert spellings.same_facet(object, facet, definition + note, spaced + note)
    assert not spellings.same_facet(object, facet, definition + note, definition)
    assert not spellings.same_facet(object, facet, definition, definition + note)


def test_what_is_nested_too_deep_to_be_read_is_compared_as_text():
    deep = "(" * 900 + "a" + " || 'x')" * 900
    assert not spellings.same_expression(deep, f"{deep} ")


@pytest.mark.parametrize(
    ("object", "facet"), [("table public.t", "owner"), ("table public.t", "comment"), ("schema a", ""), ("role r", "")]
)
def test_what_is_no_sql_is_compared_as_text(object: str, facet: str):
    assert not spellings.same_facet(object, facet, "a and b", "a  and b")


def test_names_and_not_numbers_order_what_is_listed(database: Database):
    """A role or a type has another number on another server."""
    roles = [f"spelt_{name}_{os.getpid()}" for name in ("b", "a")]
    with psycopg.connect(database.url, autocommit=True) as connection:
        for role in roles:
            connection.execute(f"create role {role}".encode())
        try:
            connection.execute("create table public.t (a int)")
            connection.execute(f"create policy p on public.t to {', '.join(roles)} using (true)".encode())
            stack(database.url).up()
            found = dict(stored(database.url))["table public.t", "policy p"]
            assert f" to {', '.join(sorted(roles))} using" in found
        finally:
            connection.execute("drop table public.t")
            for role in roles:
                connection.execute(f"drop role {role}".encode())
