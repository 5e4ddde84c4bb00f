"""The catalogue of query patterns, run under row security against generated data: which indexes, and no whole table.

auto_explain shows the plan of every statement inside too: of functions, of triggers, of foreign keys. So a function
whose plan has gone bad is found like a query. VPB_TEST_PROJECTS makes it more data than the usual 20,000 projects.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from bench import policies
from declared.sqlqueries import FOLDER, Query
from harness import data as generate
from harness.queries import QUERIES, run, values
from tests.sql import provision
from tests.sql.provision import Connection, acting_as, row

PROJECTS = int(os.environ.get("VPB_TEST_PROJECTS", "20000"))
LARGE = 1000
# One worker for all of it: the data takes longer to make than all the queries to run.
pytestmark = pytest.mark.xdist_group("queries")


@pytest.fixture(scope="module")
def filled(cluster: Any, complete_template: str) -> Iterator[Connection]:
    """The superuser, on the complete SQL with a product's worth of data."""
    name = f"queries_{os.getpid()}"
    database = cluster.create(name, complete_template)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        assert [*generate.generate(connection, PROJECTS)]
        connection.execute("load 'auto_explain'")
        for setting, value in (
            ("log_min_duration", "0"),
            ("log_nested_statements", "on"),
            ("log_format", "json"),
            ("log_level", "notice"),
            ("log_verbose", "on"),
        ):
            connection.execute(f"set auto_explain.{setting} = {value}")
        connection.execute("set plan_cache_mode = force_custom_plan")
        yield connection
    cluster.drop(name)


@pytest.fixture
def unexplained(filled: Connection) -> Iterator[Connection]:
    """The same without plans, and with kept ones: for statements that ask a function for each of thousands of rows."""
    filled.execute("set auto_explain.log_min_duration = -1; set plan_cache_mode = auto")
    yield filled
    filled.execute("set auto_explain.log_min_duration = 0; set plan_cache_mode = force_custom_plan")


def person(connection: Connection, number: int) -> str:
    """Somebody of the generated people: 1 is heavy, all others are like each other."""
    return str(row(connection, "select id from next_auth.users where email = %s", (f"person{number}@example.org",))[0])


def plans(connection: Connection, query: Query, number: int) -> tuple[list[dict[str, Any]], int]:
    """The nodes of all plans that a pattern ran with, and how many rows it had."""
    who = person(connection, number)
    given = values(connection, who)
    with acting_as(connection, query.role, {"sub": who, "role": query.role}), explained(connection) as found:
        if query.reader:
            connection.execute("set transaction read only")
        count = run(connection, query, given)
    return found, count


@contextmanager
def explained(connection: Connection) -> Iterator[list[dict[str, Any]]]:
    """The nodes of all plans that ran in the block."""
    said: list[str] = []
    found: list[dict[str, Any]] = []
    connection.add_notice_handler(handler := lambda notice: said.append(notice.message_primary or ""))
    try:
        yield found
    finally:
        connection.remove_notice_handler(handler)
    plans = [json.loads(text.split("plan:\n", 1)[1])["Plan"] for text in said if "plan:\n" in text]
    assert plans, "auto_explain said nothing"
    found += [node for plan in plans for node in nodes(plan)]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes, from the top."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def shown(found: list[dict[str, Any]]) -> str:
    """Plans in short: node, table, index, condition, filter."""
    keys = ("Node Type", "Relation Name", "Index Name", "Index Cond", "Filter", "Plan Rows")
    return "\n" + "\n".join(" · ".join(str(node[key]) for key in keys if key in node) for node in found)


def relations(connection: Connection) -> tuple[dict[str, str], set[str]]:
    """Index to the index it is a partition of, or to itself; and the large tables, partitions among them."""
    indexes = connection.execute(
        "select c.relname, coalesce(p.relname, c.relname) from pg_class as c "
        "left join pg_inherits as i on i.inhrelid = c.oid left join pg_class as p on p.oid = i.inhparent "
        "where c.relkind in ('i', 'I') and c.relnamespace = any(%s::regnamespace[])",
        ([*provision.OURS],),
    ).fetchall()
    large = connection.execute(
        "select oid::regclass::text from pg_class where relkind in ('r', 'm') and reltuples > %s", (LARGE,)
    ).fetchall()
    return dict(indexes), {name for (name,) in large}


def whole_tables(found: list[dict[str, Any]], large: set[str]) -> list[str]:
    """The large tables that were read from end to end."""
    read = [f"{node['Schema']}.{node['Relation Name']}" for node in found if node["Node Type"] == "Seq Scan"]
    return [name for name in read if name in large]


def used(found: list[dict[str, Any]], indexes: dict[str, str]) -> set[str]:
    """The indexes that were used, a partition's under its parent's name."""
    return {indexes[node["Index Name"]] for node in found if node.get("Index Name") in indexes}


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_each_pattern_uses_its_indexes_and_reads_no_large_table_from_end_to_end(filled, query):
    indexes, large = relations(filled)
    assert len(large) > 10, "there is hardly any data"
    found, _ = plans(filled, query, number=7)
    assert not whole_tables(found, large), shown(found)
    assert query.indexes <= used(found, indexes), f"used: {used(found, indexes)} {shown(found)}"


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_no_pattern_reads_a_large_table_from_end_to_end_for_a_heavy_person_either(filled, query):
    _, large = relations(filled)
    found, _ = plans(filled, query, number=1)
    assert not whole_tables(found, large), shown(found)


def test_patterns_find_what_is_there(filled):
    empty = {"list_my_invitations"}
    for query in QUERIES:
        _, count = plans(filled, query, number=7)
        assert count > 0 or query.name in empty, f"{query.name} found nothing, so its plan says nothing"


def test_every_index_serves_a_pattern_or_a_constraint(filled):
    indexes, _ = relations(filled)
    # What row policies on storage.objects look up: there are no objects here. test_storage_objects.py sees it used. And
    # what finds a day in a long month: test_summaries.py has one. And what is for super administrators, and for who has
    # more than can be looked at: test_search.py has both.
    served = {"object_scans_name_idx", "api_usage_created_at_idx", "project_words_words_idx"}
    for query in QUERIES:
        served |= used(plans(filled, query, number=7)[0], indexes)
        if query.name in ("search_recordings", "search_generations"):
            # For a heavy person they are read by the index of words.
            served |= used(plans(filled, query, number=1)[0], indexes)
    # Servers, and people with thousands of projects, search in all words.
    with explained(filled) as found:
        filled.execute("select private.newest_with('word1100'::tsquery, true)")
    served |= used(found, indexes)
    unique = "select relname from pg_class where oid in (select indexrelid from pg_index where indisunique)"
    constraints = {name for (name,) in filled.execute(unique)}
    idle = {parent for parent in indexes.values()} - served - constraints
    assert not idle, f"no query pattern uses {idle}"


def test_lists_in_order_are_read_in_order(filled):
    for query in QUERIES:
        if "no sort" in (FOLDER / f"{query.name}.sql").read_text():
            kinds = {node["Node Type"] for node in plans(filled, query, number=7)[0]}
            assert not {"Sort", "Incremental Sort"} & kinds, f"{query.name} sorts before it takes a page"


# What a person may see, as it would be written without row security; %(me)s is the caller.
MEMBER = (
    "(exists (select from public.projects as o where o.id = {0} and o.owner_id = %(me)s) or exists (select from "
    "public.collaborators as m where m.project_id = {0} and m.user_id = %(me)s and m.accepted_at is not null))"
)
LEADER = MEMBER.replace("m.accepted_at is not null", "m.accepted_at is not null and m.role = 'admin'")
IN_USE = "visibility = 'public' and archived_at is null"
VISIBLE = {
    "public.projects": f"{MEMBER.format('x.id')} or {IN_USE}",
    "public.project_components": (
        f"{MEMBER.format('x.project_id')} or exists (select from public.projects as p where p.id = x.project_id "
        f"and {IN_USE})"
    ),
    "public.audio_recordings": MEMBER.format("x.project_id"),
    "public.prompt_generations": MEMBER.format("x.project_id"),
    "public.collaborators": f"x.user_id = %(me)s or {LEADER.format('x.project_id')}",
}


@pytest.mark.parametrize("number", [1, 7])
@pytest.mark.parametrize("table", VISIBLE)
def test_people_with_many_and_with_few_projects_see_exactly_their_rows(unexplained, table, number):
    me = person(unexplained, number)
    expected = unexplained.execute(
        f"select x.id from {table} as x where {VISIBLE[table]}".encode(), {"me": me}
    ).fetchall()
    assert expected
    with acting_as(unexplained, "authenticated", {"sub": me, "role": "authenticated"}) as session:
        found = session.execute(f"select id from {table}".encode()).fetchall()
    assert sorted(found) == sorted(expected)


def test_the_heavy_person_has_more_projects_than_are_listed_and_the_other_one_has_not(filled):
    for number, listed in ((1, False), (7, True)):
        filled.execute(
            "select set_config('request.jwt.claims', %s, false)", (json.dumps({"sub": person(filled, number)}),)
        )
        assert row(filled, "select private.few_projects() is not null") == (listed,)
    filled.execute("reset request.jwt.claims")


@pytest.mark.parametrize("who", [1, 7, None])
def test_search_finds_exactly_what_the_row_policy_shows_of_generated_projects(unexplained, who):
    role, claims = ("anon", {}) if who is None else ("authenticated", {"sub": person(unexplained, who)})
    for words in ("word1100", "city dragon"):
        with acting_as(unexplained, role, {"role": role, **claims}) as session:
            policy = session.execute(
                "select id from public.projects where to_tsvector('pg_catalog.simple', title || ' ' || description) "
                "@@ plainto_tsquery('pg_catalog.simple', %s)",
                (words,),
            ).fetchall()
            function, last = [], (None, None)
            while page := session.execute(
                "select id, rank from public.search_projects(%s, 100, %s::real, %s)", (words, last[1], last[0])
            ).fetchall():
                function += [(id,) for id, _ in page]
                last = page[-1]
        assert policy, f"{words}: there is nothing to be found"
        assert sorted(function) == sorted(policy), words


def test_each_read_pattern_has_its_filter_written_out_and_finds_the_same_rows(filled):
    writes = {
        "accept_invitation",
        "create_project",
        "decline_invitation",
        "duplicate_project",
        "move_component",
        "nest_component",
        "reorder_components",
        "transfer_project",
    }
    reads = {
        query.name for query in QUERIES if query.role in ("anon", "authenticated") and query.text.startswith("select")
    }
    assert reads - writes == policies.READS.keys(), "bench/unfiltered has one file for each read pattern of people"
    for number in (1, 7):
        for _, case in policies.cases(filled, number):
            policies.measure(filled, filled, case, rounds=1)


def test_the_data_are_the_same_for_the_same_seed_on_every_server(filled):
    digest = """
        select md5(string_agg(pg_temp.words(n, 'title', 3) || pg_temp.owner_number(n) % 50, ' ' order by n))
        from generate_series(1, 1000) as n
    """
    # Who owns what depends on how many people there are, and so on the size.
    if PROJECTS == 20_000:
        assert row(filled, digest) == ("7006194fcce6013b5fe05472c196bff3",)


def test_made_rows_fit_each_other_though_triggers_and_keys_were_off(cluster, complete_template):
    """Every constraint is tested once more, as if it were new; and trees are trees of their project."""
    database = cluster.create("seeded", complete_template)
    try:
        with psycopg.connect(database.url, autocommit=True) as connection:
            assert [*generate.generate(connection, 400, 2, 20)][-1] == "summaries"
            connection.execute("""
                update pg_constraint set convalidated = false
                 where contype in ('c', 'f') and conparentid = 0 and conrelid <> 0 and connamespace in (
                    select oid from pg_namespace where nspname in ('public', 'next_auth', 'analytics', 'private'))""")
            tables = connection.execute(
                "select conrelid::regclass::text, quote_ident(conname) from pg_constraint where not convalidated"
            ).fetchall()
            assert len(tables) > 100
            for table, name in tables:
                connection.execute(f"alter table {table} validate constraint {name}".encode())
            nested = "from public.project_components as c join public.project_components as p on p.id = c.parent_id"
            assert connection.execute(f"select count(*) > 100, bool_and(p.kind = 'group') {nested}").fetchone() == (
                True,
                True,
            )
    finally:
        cluster.drop("seeded")
