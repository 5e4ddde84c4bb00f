"""Which changes manually the snapshot names, kind by kind, and what isn't one."""

import pytest

from bench import world
from tests.provider.snapshots import manual_changes

pytest_plugins = ["tests.provider.snapshot_fixtures"]


def test_each_of_thirty_changes_manually_is_named_with_what_was_and_what_is(large):
    large.up()
    assert large.preview() == [], "nothing was changed yet"
    for change in world.CHANGES:
        large.run(change.statement)
    found = manual_changes(large)
    for change in world.CHANGES:
        key = change.key.format(user=large.info.user)
        was, now = found.pop(key)
        assert (was is None) == (change.was is None), key
        assert (now is None) == (change.now is None), key
        assert (change.was or "") in (was or ""), key
        assert (change.now or "") in (now or ""), key
        assert any(line.startswith(key) for line in large.said), "each has a line of its own"
    assert set(found) == {"table public.t31: constraint t31_parent_id_fkey", "view public.v30"}, (
        "what went with the dropped table and is not part of it; nothing else"
    )


OTHER_CHANGES = [
    (
        "alter type public.mood add value 'so'",
        "type public.mood",
        "enum ('good', 'bad')",
        "enum ('good', 'bad', 'so')",
    ),
    (
        "alter domain public.title drop constraint title_check",
        "type public.title: constraint title_check",
        "CHECK ((length(VALUE) < 200))",
        None,
    ),
    ("revoke usage on type public.title from public", "type public.title: grants", "public: usage", None),
    ("alter domain public.title set not null", "type public.title", "domain text", "domain text not null"),
    ("alter sequence public.counter increment 5", "sequence public.counter", "increment 1", "increment 5"),
    (
        "comment on trigger _100_updated_at on public.t1 is 'New.'",
        "table public.t1: comment on trigger _100_updated_at",
        None,
        "New.",
    ),
    ("create extension pgcrypto schema vault", "extension pgcrypto", None, "in schema vault"),
    (
        "alter publication changes add table public.t1 (id)",
        "publication changes: table public.t1",
        None,
        "published (id)",
    ),
    ("alter table public.t1 set (fillfactor = 50)", "table public.t1: options", None, "fillfactor=50"),
    (
        "alter table public.t1 alter column body set storage external",
        "table public.t1: column body",
        "text",
        "text storage external",
    ),
    (
        'alter table public.t2 alter column body type text collate "C"',
        "table public.t2: column body",
        "text",
        'text collate "C"',
    ),
    (
        "alter table public.t1 alter column words drop expression",
        "table public.t1: column words",
        "generated always as",
        "tsvector",
    ),
    (
        "create rule nothing as on delete to public.t1 do instead nothing",
        "table public.t1: rule nothing",
        None,
        "DO INSTEAD NOTHING",
    ),
    (
        "comment on policy t1_select_own on public.t1 is 'All.'",
        "table public.t1: comment on policy t1_select_own",
        None,
        "All.",
    ),
    (
        "comment on column public.t1.title is null",
        "table public.t1: comment on column title",
        "What it is called.",
        None,
    ),
    (
        "revoke insert on public.t1 from current_user",
        "table public.t1: grants",
        "drift_reader: select",
        "(owner) without: insert",
    ),
    (
        "grant select on public.t2 to drift_reader with grant option",
        "table public.t2: grants",
        "drift_reader: select",
        "select with grant option",
    ),
    (
        "grant usage on type public.mood to drift_reader",
        "type public.mood: grants",
        "public: usage",
        "drift_reader: usage",
    ),
    (
        "grant usage on sequence public.counter to drift_reader",
        "sequence public.counter: grants",
        None,
        "drift_reader: usage",
    ),
    ("alter schema vault owner to current_user", "schema vault: owner", "drift_owner", ""),
    (
        "create materialized view public.more as select 2 as two",
        "materialized view public.more",
        None,
        "SELECT 2 AS two",
    ),
    ("drop materialized view vault.summary", "materialized view vault.summary", "SELECT 1 AS one", None),
    (
        "create statistics public.pairs on owner_id, kind from public.t1",
        "statistics public.pairs",
        None,
        "CREATE STATISTICS public.pairs",
    ),
    ("create type public.pair as (a int, b text)", "type public.pair", None, "composite (a integer, b text)"),
    (
        "create procedure public.tidy() language sql begin atomic select 1; end",
        "procedure public.tidy()",
        None,
        "CREATE OR REPLACE PROCEDURE",
    ),
    (
        "create aggregate public.total(int) (sfunc = int4pl, stype = int)",
        "aggregate public.total(integer)",
        None,
        "sfunc int4pl",
    ),
    (
        "create event trigger watch on ddl_command_end execute function public.watched()",
        "event trigger watch",
        None,
        "on ddl_command_end",
    ),
    (
        "alter table public.t1 disable trigger all",
        "table public.t1: enforcement of constraint t1_parent_id_fkey",
        None,
        "disabled",
    ),
    (
        "alter table public.t1 cluster on t1_owner_id_idx",
        "table public.t1: index t1_owner_id_idx",
        "CREATE INDEX",
        "(clustered)",
    ),
    (
        "update pg_index set indisvalid = false where indexrelid = 'public.t1_words_idx'::regclass",
        "table public.t1: index t1_words_idx",
        "USING gin",
        "(invalid)",
    ),
    (
        "create policy p on public.events_2026_01 using (true)",
        "table public.events: partition public.events_2026_01",
        None,
        "policy p",
    ),
    (
        "alter table public.events_2026_01 disable row level security",
        "table public.events: partition public.events_2026_01",
        None,
        "row security disabled",
    ),
    (
        "grant select on public.events_2026_01 to public",
        "table public.events: partition public.events_2026_01",
        None,
        "granted select to public",
    ),
]


@pytest.fixture(scope="module")
def changed(server):
    """What is said of all of these changes, made in one database: each is to an object, or a part of it, of its own."""
    for small in server.stack(3):
        small.run("create function public.watched() returns event_trigger language plpgsql as 'begin end'")
        small.up()
        small.run(*(statement for statement, *_ in OTHER_CHANGES))
        yield manual_changes(small)


@pytest.mark.parametrize(("statement", "key", "was", "now"), OTHER_CHANGES)
def test_other_changes_are_named_too(changed, statement, key, was, now):
    assert key in changed
    assert (changed[key][0] is None, changed[key][1] is None) == (was is None, now is None)
    assert (was or "") in (changed[key][0] or "")
    assert (now or "") in (changed[key][1] or "")


@pytest.fixture(scope="module")
def lived_in(server):
    """A stack that is up, and as declared again after each test."""
    for small in server.stack(3):
        small.run("create schema elsewhere")
        small.up()
        yield small


@pytest.mark.parametrize(
    "statements",
    [
        ["analyze"],
        ["vacuum full public.t1", "vacuum full pg_class", "vacuum full pg_attribute"],
        ["vacuum freeze"],
        ["reindex table public.t1", "reindex index public.t2_words_idx"],
        ["truncate public.t1 cascade"],
        ["select nextval('public.counter')", "insert into public.t1 (owner_id, kind) values (gen_random_uuid(), 'a')"],
        ["refresh materialized view vault.summary"],
        [
            "create table public.events_2026_02 (like public.events including all)",
            "alter table public.events_2026_02 enable row level security",
            "alter table public.events attach partition public.events_2026_02 "
            "for values from ('2026-02-01') to ('2026-03-01')",
        ],
        ["drop table public.events_2026_01"],
        ["create table elsewhere.mine (id int)", "create temporary table t (id int)"],
        [
            "drop view public.v1",
            "create view public.v1 with (security_invoker = true) as "
            "select id, title, amount from public.t1 where kind <> 'c'",
        ],
        ["alter table public.t1 add column x int", "alter table public.t1 drop column x"],
    ],
    ids=lambda statements: statements[0][:40],
)
def test_no_alarm_is_raised_where_no_definition_changed(lived_in, statements):
    lived_in.run(*statements)
    assert lived_in.preview() == []
    lived_in.run("comment on table public.t2 is 'Control.'")
    assert list(manual_changes(lived_in)) == ["table public.t2: comment"], "the comparison did take place"
    lived_in.run("comment on table public.t2 is 'Table number 2.'")
    assert lived_in.preview() == []
