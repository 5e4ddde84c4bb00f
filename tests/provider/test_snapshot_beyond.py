"""Manual changes beside tables, views and functions: casts, operators, settings, foreign servers, other schemas."""

import hashlib
import itertools

import psycopg
import pytest

from provider.differences import fingerprint
from tests.provider.snapshots import manual_changes

pytest_plugins = ["tests.provider.snapshot_fixtures"]

SECRET = "geheim"
PIN = "4711"
BEFORE = (
    "create function vault.same(text, text) returns boolean language sql immutable as 'select $1 = $2'",
    "create operator vault.=== (leftarg = text, rightarg = text, function = vault.same)",
    "create operator family vault.family using btree",
    "create operator class vault.hashed for type text using hash as operator 1 = (text, text), "
    "function 1 hashtext(text)",
    'create collation vault.plain from "C"',
    "create text search configuration vault.words (copy = pg_catalog.simple)",
    "create text search dictionary vault.dictionary (template = pg_catalog.simple)",
    "create text search parser vault.parser (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, "
    "lextypes = prsd_lextype)",
    "create text search template vault.template (lexize = dsimple_lexize)",
    "create foreign data wrapper wrapper",
    f"create server far foreign data wrapper wrapper options (host 'one', token '{SECRET}')",
    "create server near foreign data wrapper wrapper",
    f"create user mapping for drift_reader server far options (password '{SECRET}')",
    "create foreign table public.away (id int, name text) server far options (path 'x')",
    "select lo_create(4711)",
    "create type public.raw",
    "create function public.raw_in(cstring) returns public.raw language internal immutable strict as 'textin'",
    "create function public.raw_out(public.raw) returns cstring language internal immutable strict as 'textout'",
    "create type public.raw (input = public.raw_in, output = public.raw_out)",
    "create aggregate public.total(int) (sfunc = int4pl, stype = int)",
    "create statistics public.pairs on owner_id, kind from public.t1",
    "create event trigger watch on ddl_command_end when tag in ('CREATE RULE') execute function public.watched()",
    "create schema beside authorization drift_owner",
    "create publication more",
    f"create subscription others connection 'host=nowhere password={SECRET}' publication changes "
    "with (connect = false, slot_name = none, enabled = false)",
)
# Statement, key, part of what was, part of what is.
CHANGES = [
    ("create cast (public.mood as text) with inout as assignment", "cast (public.mood as text)", None, "with inout"),
    (
        "create operator vault.!== (leftarg = text, rightarg = text, function = vault.same, "
        "commutator = operator(vault.!==))",
        "operator vault.!==(text,text)",
        None,
        "function vault.same returns boolean commutator vault.!==(text,text)",
    ),
    (
        "alter operator vault.===(text, text) set (restrict = eqsel)",
        "operator vault.===(text,text)",
        "function vault.same",
        "restrict eqsel",
    ),
    (
        "alter operator family vault.family using btree add operator 1 < (int4, int8)",
        "operator family vault.family using btree",
        "operators ; functions ",
        "1 <(integer,bigint)",
    ),
    (
        "create operator class vault.stray default for type public.raw using hash as storage public.raw",
        "operator class vault.stray using hash",
        None,
        "default for type public.raw",
    ),
    (
        "alter operator class vault.hashed using hash owner to drift_owner",
        "operator class vault.hashed using hash: owner",
        "",
        "drift_owner",
    ),
    ("alter collation vault.plain owner to drift_owner", "collation vault.plain: owner", "", "drift_owner"),
    ('create collation vault.stray from "POSIX"', "collation vault.stray", None, "collate POSIX"),
    (
        "create conversion vault.conversion for 'LATIN1' to 'UTF8' from iso8859_1_to_utf8",
        "conversion vault.conversion",
        None,
        "for LATIN1 to UTF8",
    ),
    (
        "alter text search configuration vault.words alter mapping for word with pg_catalog.english_stem",
        "text search configuration vault.words",
        "word simple",
        "word english_stem",
    ),
    (
        "alter text search dictionary vault.dictionary (accept = false)",
        "text search dictionary vault.dictionary",
        "template pg_catalog.simple",
        "accept = 'false'",
    ),
    ("drop text search parser vault.parser", "text search parser vault.parser", "start prsd_start", None),
    ("drop text search template vault.template", "text search template vault.template", "dsimple_lexize", None),
    (
        "comment on text search configuration vault.words is 'Ours.'",
        "text search configuration vault.words: comment",
        None,
        "Ours.",
    ),
    ("create language mine handler plpgsql_call_handler", "language mine", None, "handler plpgsql_call_handler()"),
    ("revoke usage on language sql from public", "language sql", None, "handler"),
    ("create access method mine type index handler bthandler", "access method mine", None, "index handler bthandler"),
    (
        "grant usage on foreign data wrapper wrapper to drift_reader",
        "foreign data wrapper wrapper: grants",
        None,
        "drift_reader: usage",
    ),
    ("alter server far options (set host 'two')", "foreign server far", "options (host ", "options (host "),
    ("alter server far owner to drift_owner", "foreign server far: owner", "", "drift_owner"),
    (
        "create user mapping for public server near",
        "user mapping of public on foreign server near",
        None,
        "user mapping",
    ),
    ("alter foreign table public.away options (set path 'y')", "foreign table public.away", "server far", "server far"),
    (
        "alter foreign table public.away alter column name options (add column_name 'n')",
        "foreign table public.away: column name",
        "text",
        "text of the server (column_name ",
    ),
    ("grant select on large object 4711 to public", "large object 4711: grants", None, "public: select"),
    ("select lo_create(4712)", "large object 4712", None, "large object"),
    ("alter type public.raw set (storage = extended)", "type public.raw", "storage p", "storage x"),
    (
        "create or replace aggregate public.total(int) (sfunc = int4pl, stype = int, parallel = safe)",
        "aggregate public.total(integer)",
        "sfunc int4pl",
        "parallel s",
    ),
    (
        "create type public.span as range (subtype = int, subtype_diff = int4range_subdiff)",
        "type public.span",
        None,
        "subtype_diff int4range_subdiff",
    ),
    ('create domain public.letter as text collate "C"', "type public.letter", None, 'collate "C"'),
    ("alter statistics public.pairs set statistics 7", "statistics public.pairs", "CREATE STATISTICS", "statistics 7"),
    ("comment on statistics public.pairs is 'Both.'", "statistics public.pairs: comment", None, "Both."),
    ("comment on event trigger watch is 'Watches.'", "event trigger watch: comment", None, "Watches."),
    ("comment on publication changes is 'All.'", "publication changes: comment", None, "All."),
    ("create schema stray", "schema stray", None, "schema"),
    ("grant usage on schema beside to drift_reader", "schema beside: grants", None, "drift_reader: usage"),
    (
        "alter subscription others set publication changes, more with (refresh = false)",
        "subscription others",
        "disabled to changes",
        "to changes, more",
    ),
    (
        "alter table public.t1 set (toast.autovacuum_enabled = false)",
        "table public.t1: toast options",
        None,
        "autovacuum_enabled=false",
    ),
    ("alter database {database} set work_mem = '5MB'", "database: setting work_mem", None, "5MB"),
    (f"alter database {{database}} set app.key = '{SECRET}'", "database: setting app.key", None, "a value, "),
    (
        "alter role drift_reader in database {database} set search_path = vault",
        "database: setting search_path of role drift_reader",
        None,
        "vault",
    ),
    (
        "alter role all set idle_session_timeout = '9h'",
        "database: setting idle_session_timeout of all roles everywhere",
        None,
        "9h",
    ),
    ("alter database {database} connection limit 77", "database", "database", "of 77 connections"),
    ("comment on database {database} is 'Ours.'", "database: comment", None, "Ours."),
    ("grant set on parameter log_statement to drift_reader", "parameter log_statement", None, "drift_reader: set"),
    (
        "alter default privileges for role drift_owner grant select on tables to drift_reader with grant option",
        "default privileges of drift_owner on tables",
        None,
        "drift_reader: select with grant option",
    ),
    (
        "grant select on public.t2 to drift_writer with grant option; set role drift_writer; "
        "grant select on public.t2 to drift_owner; reset role",
        "table public.t2: grants",
        "drift_reader: select",
        "drift_owner: select granted by drift_writer",
    ),
]
AFTER = (
    "revoke set on parameter log_statement from drift_reader",
    "alter role all reset idle_session_timeout",
    "drop subscription others",
)


@pytest.fixture(scope="module")
def changed(server):
    """What is said of all of these changes, made in one database, and each line of it."""
    for small in server.stack(3):
        small.run("create function public.watched() returns event_trigger language plpgsql as 'begin end'", *BEFORE)
        small.up()
        assert small.preview() == [], "nothing was changed yet"
        try:
            small.run(*(statement.replace("{database}", small.info.database) for statement, *_ in CHANGES))
            yield manual_changes(small), "\n".join(small.said)
        finally:
            small.run(*AFTER)


@pytest.mark.parametrize(("statement", "key", "was", "now"), CHANGES, ids=[key for _, key, *_ in CHANGES])
def test_a_change_beside_tables_and_functions_is_named(changed, statement, key, was, now):
    found, said = changed
    assert key in found, sorted(found)
    assert (found[key][0] is None, found[key][1] is None) == (was is None, now is None), found[key]
    assert (was or "") in (found[key][0] or "")
    assert (now or "") in (found[key][1] or "")
    assert found[key][0] != found[key][1]
    assert any(line.startswith(f"{key} was ") for line in said.splitlines()), "it has a line of its own"


def test_nothing_is_named_but_that_and_what_postgresql_makes_beside_it(changed):
    found, _ = changed
    beside = {key for key in found if key.startswith("function public.span")}
    beside |= {"operator family vault.stray using hash", "cast (public.span as public.span_multirange)"}
    assert found.keys() - {key for _, key, *_ in CHANGES} == beside


def test_no_option_password_or_setting_of_the_app_s_own_is_shown(changed):
    found, said = changed
    assert SECRET not in said
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    "statements",
    [
        ["create temporary table t (id int)", "analyze"],
        ["alter user mapping for drift_reader server far options (set password 'another')"],
        ["alter role drift_reader set work_mem = '5MB'", "alter role drift_reader reset work_mem"],
        ["vacuum full pg_cast", "vacuum full pg_operator", "vacuum full pg_language"],
        ["drop database if exists no_such_database"],
    ],
    ids=lambda statements: statements[0][:40],
)
def test_what_is_no_change_of_this_database_raises_no_alarm(server, statements):
    for small in server.stack(3):
        small.run(
            "create foreign data wrapper wrapper",
            "create server far foreign data wrapper wrapper",
            f"create user mapping for drift_reader server far options (password '{SECRET}')",
        )
        small.up()
        small.run(*statements)
        assert small.preview() == []
        small.run("create schema control")
        assert list(manual_changes(small)) == ["schema control"], "the comparison did take place"


def test_a_login_that_is_no_superuser_sees_the_same(plain):
    """User mappings and subscriptions don't tell everybody all of their columns."""
    with psycopg.connect(plain.url, autocommit=True) as connection:
        connection.execute("create foreign data wrapper wrapper")
        connection.execute("create server far foreign data wrapper wrapper")
    plain.up()
    plain.run("create user mapping for public server far", "create cast (public.mood as text) with inout")
    assert set(manual_changes(plain)) == {"cast (public.mood as text)", "user mapping of public on foreign server far"}


def test_a_short_secret_cannot_be_guessed_from_what_is_reported_of_it(server):
    plain = hashlib.sha256(f"app.pin={PIN}".encode()).hexdigest()[:12]
    reported = []
    for small in itertools.chain(server.stack(3), server.stack(3)):
        small.up()
        (key,) = small.ask("select definition ->> 'key' from supabase_migrations.schema_snapshot where oid = 2")[0]
        name = small.ask("select current_database()")[0][0]
        small.run(f"alter database {name} set app.pin = '{PIN}'")
        found = manual_changes(small)["database: setting app.pin"][1]
        assert found == "a value, " + hashlib.sha256(f"{key}app.pin={PIN}".encode()).hexdigest()[:12]
        assert key not in str(small.state)
        assert key not in "".join(small.said)
        small.inputs["accept"] = fingerprint(small.state["drift"])
        small.up()
        assert manual_changes(small) == {}, "the key stays"
        reported.append(found)
    assert len({plain, *reported}) == 2 + 1
