"""Our own rules of the lint, case by case, without squawk: what opens data, takes rows away or stops people."""

from pathlib import Path

import pytest

from ops.review.lint import findings, run
from tests.review import lint_checkout
from tests.review.lint_checkout import alter, found, rules, write

BASE = """
create table public.days_2026 partition of public.days for values from ('2026-01-01') to ('2027-01-01');
create index days_at_idx on public.days (at);
create domain public.label as text check (value <> '');
create domain public.serial_label as text default gen_random_uuid()::text;
create domain public.plain as text default 'x';
create function private.is_admin() returns boolean language sql stable security definer set search_path = ''
as 'select exists (select from public.notes as n where n.id = 1)';
create function private.may_read() returns boolean language plpgsql stable set search_path = '' as $$
begin return private.is_admin(); end $$;
create function public.size(a bigint) returns bigint language sql set search_path = '' as 'select a';
create function public.size(a text, b text) returns bigint language sql set search_path = '' as 'select 1';
create policy notes_admin on public.notes for select to authenticated using (private.may_read());
create view public.safe with (security_invoker = true) as select id from public.notes;
create function private.makes(what text) returns void language plpgsql set search_path = '' as $$
begin execute format('create table public.%I (id int)', what); end $$;
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = lint_checkout.make(tmp_path_factory.mktemp("checkout"))
    write(root, "0001_base", lint_checkout.BASE + BASE)
    return root


@pytest.fixture(autouse=True)
def without_squawk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.squawk, "found", lambda *arguments: [])


def policy(expression: str, roles: str = "authenticated") -> str:
    return f"create policy p on public.notes for update to {roles} using ({expression});"


def body(text: str, name: str = "is_admin") -> str:
    return (
        f"create or replace function private.{name}() returns boolean language sql stable security definer "
        f"set search_path = '' as '{text}';"
    )


def definer(path: str) -> str:
    return (
        f"create function public.f() returns int language sql security definer set search_path = {path} as 'select 1';"
    )


OPEN = {"table-without-row-security", "table-without-policies"}
CASES: dict[str, set[str]] = {
    # Row security.
    alter("disable row level security"): {"row-security-off"},
    alter("no force row level security"): {"row-security-off"},
    alter("no force row level security") + alter("force row level security"): set(),
    alter("disable row level security", "unknown") + alter("enable row level security", "notes"): {"row-security-off"},
    "do $$ begin alter table public.notes disable row level security; end $$;": {"row-security-off"},
    "do $$ begin execute 'alter table public.notes disable row level security'; end $$;": {"row-security-off"},
    # Row policies that are true of every row.
    **{
        policy(each): {"policy-for-everybody"}
        for each in (
            *("true", "(select true)", "1 = 1", "id = id", "true or false", "exists (select 1)", "not false"),
            *("true::boolean", "'t'::bool", "id is null or id is not null", "coalesce(true, false)", "1 in (2, 1)"),
        )
    },
    policy("id = 1"): set(),
    policy("(select auth.uid()) is not null"): set(),
    policy("true", "service_role"): set(),
    policy("true", "app_owner, backup"): set(),
    policy("true", "app_owner, public"): {"policy-for-everybody"},
    policy("true", "stranger"): {"policy-for-everybody"},
    "create policy p on public.notes as restrictive using (true);": set(),
    "create policy p on public.notes for insert with check (true);": {"policy-for-everybody"},
    "alter policy notes_admin on public.notes using (true);": {"policy-for-everybody"},
    "alter policy elsewhere on storage.objects using ((select true));": {"policy-for-everybody"},
    "create function private.yes() returns boolean language sql as 'select true';" + policy("private.yes()"): {
        "policy-for-everybody"
    },
    # Functions that policies use.
    body("select true"): {"policy-function-replaced"},
    body("select true", "may_read"): {"policy-function-replaced"},
    body("select true", "other"): set(),
    "alter function private.is_admin() security invoker;": {"policy-function-replaced"},
    "alter function private.is_admin() stable;": set(),
    # Grants, roles, owners.
    "grant select on public.notes to anon;": {"grant-to-everybody"},
    "grant execute on function public.twice(bigint) to public;": {"grant-to-everybody"},
    "grant select on all tables in schema public to authenticated;": {"grant-not-declared"},
    "alter default privileges in schema public grant select on tables to anon;": {"grant-to-everybody"},
    "revoke select on public.notes from anon;": set(),
    "grant service_role to authenticated;": {"role-membership"},
    "alter role migrator superuser createrole;": {"role-attribute"},
    "alter role migrator nosuperuser;": set(),
    "create role stranger bypassrls;": {"role-attribute"},
    "alter table public.notes owner to authenticated;": {"owner-changed"},
    "alter function private.is_admin() owner to app_owner;": set(),
    "alter schema private owner to stranger;": {"owner-changed"},
    # Views and functions with their owner's privileges.
    "create view public.v as select 1 as one;": {"view-without-security-invoker"},
    "create view public.v as select 1 as one; alter view public.v set (security_invoker = on);": set(),
    "alter view public.safe reset (security_invoker);": {"view-without-security-invoker"},
    "create or replace view public.safe as select id from public.notes;": {"view-without-security-invoker"},
    "create temporary view v as select 1 as one;": set(),
    "create materialized view public.m as select id from public.notes;": {"view-without-security-invoker"},
    **{
        definer(each): {"definer-with-open-search-path"}
        for each in ("public", '"$user", public', "pg_temp, pg_catalog")
    },
    **{definer(each): set() for each in ("''", "pg_catalog", "pg_catalog, pg_temp")},
    # New tables, however they are made.
    "select id into public.newt from public.notes;": OPEN,
    "create table public.newt as select id from public.notes;": OPEN,
    "create schema x create table t (id bigint);": OPEN,
    "do $$ begin create table public.newt (id bigint); end $$;": OPEN,
    "create temporary table newt as select id from public.notes;": set(),
    "create unlogged table newt (id bigint);": OPEN | {"unlogged-table"},
    # What a session sets.
    "set local lock_timeout = 0;": {"no-time-limit"},
    "set lock_timeout = '10min';": {"no-time-limit"},
    "set local lock_timeout = '500ms';": set(),
    "set statement_timeout to '0s';": {"no-time-limit"},
    "set local statement_timeout = '5min';": set(),
    "select set_config('lock_timeout', '0', true);": {"no-time-limit"},
    "alter role app_owner set lock_timeout = 0;": {"no-time-limit"},
    "set session_replication_role = replica;": {"triggers-off"},
    "set session_replication_role = origin;": set(),
    # Triggers and rules.
    alter("disable trigger all"): {"triggers-off"},
    alter("disable trigger touch"): {"triggers-off"},
    "alter event trigger record_changes disable;": {"triggers-off"},
    "drop trigger _900_audit_delete on public.projects;": {"trigger-dropped"},
    "drop event trigger record_changes;": {"trigger-dropped"},
    "create rule r as on delete to public.notes do instead nothing;": {"rewrite-rule"},
    # Rows and locks.
    "lock table public.notes in access exclusive mode;": {"lock-table"},
    "lock table public.notes in row exclusive mode;": set(),
    "update public.notes set title = '';": {"all-rows-changed"},
    "update public.notes set title = '' where (select true);": {"all-rows-changed"},
    "update public.notes set title = '' where id = 1;": set(),
    "delete from public.notes;": {"all-rows-changed"},
    "delete from public.notes as n using public.projects as p where p.id = n.project_id;": set(),
    "with gone as (delete from public.notes where true returning id) select count(*) from gone;": {"all-rows-changed"},
    "create temporary table t as select 1 as a; update t set a = 2; lock table t; truncate t; drop table t;": set(),
    "explain analyze delete from public.notes;": {"all-rows-changed"},
    "truncate public.notes;": {"rows-truncated"},
    alter("set unlogged"): {"unlogged-table"},
    alter("set logged"): {"table-written-again"},
    "drop owned by migrator;": {"drops-unnamed"},
    "drop schema public cascade;": {"drops-unnamed"},
    "copy public.notes to program 'cat';": {"copy-outside"},
    "select pg_sleep(3);": {"sleeps"},
    "do $$ begin perform pg_sleep(3); end $$;": {"sleeps"},
    # Columns.
    alter('alter title type varchar(20) collate "C"'): {"collation-change-rebuilds"},
    alter("alter title type varchar(30)"): set(),
    alter("add column a public.label"): {"domain-column-rewrites"},
    alter("add column a public.serial_label"): {"domain-column-rewrites"},
    alter("add column a public.plain"): set(),
    "alter domain public.label set not null;": {"domain-constraint-scans"},
    "alter domain public.label add constraint c check (value <> 'x');": {"domain-constraint-scans"},
    "alter domain public.label add constraint c check (value <> 'x') not valid;": set(),
    "create domain public.d as text; alter domain public.d set not null;": set(),
    # What is made again without its values.
    alter("drop column spare") + alter("add column spare text"): {"values-lost"},
    alter("drop column spare") + alter("rename column net to spare"): set(),
    "drop table public.notes; create table public.notes (id bigint);" + alter("enable row level security", "notes"): {
        *("values-lost", "table-without-policies")
    },
    # Code.
    "do $$ begin execute format('drop table %I', 'a'); end $$;": {"code-not-judged"},
    "do language plperl $$ 1 $$;": {"code-not-judged"},
    "do $$ begin raise notice 'x'; end $$;": set(),
    "create function private.f() returns void language plpgsql as $$ begin execute 'drop table t'; end $$;"
    "select private.f();": {"code-not-judged"},
    "select private.makes('a');": set(),
    # Partitions.
    "create index concurrently i on public.days (id);": {"concurrently-in-transaction", "refused-on-partitioned"},
    "drop index concurrently public.days_at_idx;": {"concurrently-in-transaction", "refused-on-partitioned"},
    alter("add constraint k foreign key (id) references public.projects (id) not valid", "days"): {
        *("foreign-key-without-index", "refused-on-partitioned")
    },
    # Functions of one name.
    "drop function public.size(text, text);": set(),
}


@pytest.mark.parametrize("text", CASES)
def test_what_opens_data_or_takes_it_away_is_found_and_what_is_harmless_is_not(checkout, text):
    assert rules(found(checkout, text)) == sorted(CASES[text])


def test_a_function_of_the_same_set_is_judged_with_it_and_the_first_migrations_are_read_as_one(checkout):
    function = "create function private.f() returns void language plpgsql as $$ begin execute 'drop table x'; end $$;"
    call = write(checkout, "0003_more", "select private.f();")
    first = write(checkout, "0002_case", function)
    try:
        assert rules(findings([first, call])) == ["code-not-judged"]
        assert findings([first, call], apart=True) == []
        base = checkout / "sql" / "migrations" / "0001_base.up.sql"
        assert "code-not-judged" not in rules(findings([base, first, call]))
    finally:
        call.unlink()


def test_a_statement_in_a_block_has_its_own_line(checkout):
    (said,) = found(checkout, "select 1;\ndo $$\nbegin\n    update public.notes set title = '';\nend\n$$;")
    assert (said.line, said.statement) == (8, "update public.notes set title = ''")


def test_what_is_said_names_the_object_and_whom_it_opens_it_to(checkout):
    what = {
        policy("true", "anon, backup"): "row policy p of public.notes is true of every row (`using`) for anon",
        body("select true"): "function private.is_admin, which row policy notes_admin uses, is true for everybody",
        body(
            "select 1 = 2"
        ): "function private.is_admin, which row policy notes_admin uses, says something else from now on",
        "grant select, delete on public.notes to public;": "grants select, delete on table public.notes to public: to "
        "people who aren't signed in",
        alter("drop column spare")
        + alter("add column spare text"): "drops column spare of public.projects and makes it "
        "again: its values are gone",
    }
    assert [found(checkout, text)[0].what for text in what] == [*what.values()]
    assert [found(checkout, body(f"select {each}"))[0].severity for each in ("true", "false")] == ["error", "warning"]
