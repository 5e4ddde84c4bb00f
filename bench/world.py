"""A schema of any size, and thirty changes manually to it: what the drift benchmark and its test are made of."""

from dataclasses import dataclass

SCHEMAS = ["public", "vault"]
# Roles are the server's, not the database's: `prepare` makes them where they're missing.
ROLES = ("drift_owner", "drift_reader", "drift_writer")

PREPARE = """
do $$ begin
    if not exists (select from pg_roles where rolname = '{role}') then create role {role}; end if;
end $$"""
COMMON = """
create schema vault authorization drift_owner;
grant usage on schema public, vault to drift_reader;
grant create on schema public to drift_owner;
create type public.mood as enum ('good', 'bad');
create domain public.title as text constraint title_check check (length(value) < 200);
create sequence public.counter;
create materialized view vault.summary as select 1 as one;
create publication changes;
create table public.events (id bigint, at date not null) partition by range (at);
alter table public.events enable row level security;
create table public.events_2026_01 partition of public.events for values from ('2026-01-01') to ('2026-02-01');
alter table public.events_2026_01 enable row level security;
"""
TABLE = """
create table public.t{n} (
    id uuid not null default gen_random_uuid(), owner_id uuid not null, parent_id uuid, title text not null default '',
    body text, kind text not null, amount numeric(12, 2) not null default 0, settings jsonb not null default '{{}}',
    created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
    words tsvector generated always as (to_tsvector('english', title)) stored,
    constraint t{n}_pkey primary key (id), constraint t{n}_kind_check check (kind in ('a', 'b', 'c')),
    constraint t{n}_amount_check check (amount >= 0),
    constraint t{n}_parent_id_fkey foreign key (parent_id) references public.t{parent} (id) on delete cascade
);
create index t{n}_owner_id_idx on public.t{n} (owner_id, updated_at desc);
create index t{n}_parent_id_idx on public.t{n} (parent_id);
create index t{n}_words_idx on public.t{n} using gin (words);
create index t{n}_open_idx on public.t{n} (created_at) where kind = 'a';
create function vault.touch{n}() returns trigger language plpgsql set search_path = '' as
    $$ begin NEW.updated_at = now(); return NEW; end $$;
create trigger _100_updated_at before update on public.t{n} for each row execute function vault.touch{n}();
create view public.v{n} with (security_invoker = true) as select id, title, amount from public.t{n} where kind <> 'c';
alter table public.t{n} enable row level security;
alter table public.t{n} force row level security;
create policy t{n}_select_own on public.t{n} for select to drift_reader using (owner_id = (select gen_random_uuid()));
create policy t{n}_insert_own on public.t{n} for insert to drift_reader with check (owner_id is not null);
create policy t{n}_update_own on public.t{n} for update to drift_reader using (kind = 'a') with check (kind = 'a');
create policy t{n}_delete_own on public.t{n} for delete to drift_writer using (kind = 'b');
grant select, insert (title, body), update (title) on public.t{n} to drift_reader;
revoke execute on function vault.touch{n}() from public;
grant execute on function vault.touch{n}() to drift_writer;
comment on table public.t{n} is 'Table number {n}.';
comment on column public.t{n}.title is 'What it is called.';
"""


@dataclass(frozen=True)
class ManualChange:
    """A change manually, the object it is reported under, and something of what was and of what is."""

    statement: str
    key: str
    was: str | None
    now: str | None


CHANGES = [
    ManualChange(
        "drop policy t1_delete_own on public.t1",
        "table public.t1: policy t1_delete_own",
        "for delete to drift_writer",
        None,
    ),
    ManualChange(
        "create policy stray on public.t2 using (true)",
        "table public.t2: policy stray",
        None,
        "for all to public using (true)",
    ),
    ManualChange(
        "alter policy t3_select_own on public.t3 using (true)",
        "table public.t3: policy t3_select_own",
        "owner_id",
        "using (true)",
    ),
    ManualChange(
        "alter policy t4_update_own on public.t4 to public",
        "table public.t4: policy t4_update_own",
        "to drift_reader",
        "to public",
    ),
    ManualChange(
        "alter table public.t5 disable row level security",
        "table public.t5: row security",
        "enabled and forced",
        "disabled",
    ),
    ManualChange(
        "alter table public.t6 no force row level security",
        "table public.t6: row security",
        "enabled and forced",
        "enabled",
    ),
    ManualChange(
        "create or replace function vault.touch7() returns trigger language plpgsql set search_path = '' as "
        "$$ begin return NEW; end $$",
        "function vault.touch7()",
        "NEW.updated_at",
        "begin return NEW",
    ),
    ManualChange(
        "alter function vault.touch8() security definer",
        "function vault.touch8()",
        "LANGUAGE plpgsql",
        "SECURITY DEFINER",
    ),
    ManualChange(
        "alter function vault.touch9() reset search_path", "function vault.touch9()", "search_path", "LANGUAGE plpgsql"
    ),
    ManualChange(
        "grant execute on function vault.touch10() to public",
        "function vault.touch10(): grants",
        "drift_writer: execute",
        "public: execute",
    ),
    ManualChange(
        "alter table public.t11 disable trigger _100_updated_at",
        "table public.t11: trigger _100_updated_at",
        "BEFORE UPDATE",
        "(disabled)",
    ),
    ManualChange(
        "drop trigger _100_updated_at on public.t12", "table public.t12: trigger _100_updated_at", "BEFORE UPDATE", None
    ),
    ManualChange(
        "grant delete on public.t13 to drift_reader",
        "table public.t13: grants",
        "drift_reader: select",
        "drift_reader: delete, select",
    ),
    ManualChange(
        "grant update (body) on public.t14 to drift_reader",
        "table public.t14: grants on column body",
        "insert",
        "insert, update",
    ),
    ManualChange(
        "grant create on schema vault to drift_reader", "schema vault: grants", "drift_reader: usage", "create"
    ),
    ManualChange(
        "alter default privileges in schema vault grant all on tables to drift_reader",
        "default privileges of {user} on tables in schema vault",
        None,
        "drift_reader: delete",
    ),
    ManualChange("alter table public.t17 owner to drift_owner", "table public.t17: owner", "", "drift_owner"),
    ManualChange(
        "comment on table public.t18 is 'Another.'", "table public.t18: comment", "Table number 18.", "Another."
    ),
    ManualChange(
        "alter table public.t19 drop constraint t19_kind_check, "
        "add constraint t19_kind_check check (kind in ('a', 'b', 'c')) not valid",
        "table public.t19: constraint t19_kind_check",
        "CHECK",
        "NOT VALID",
    ),
    ManualChange(
        "alter view public.v20 reset (security_invoker)", "view public.v20: options", "security_invoker=true", None
    ),
    ManualChange("alter table public.t21 add column extra text", "table public.t21: column extra", None, "text"),
    ManualChange("alter table public.t22 drop column body", "table public.t22: column body", "text", None),
    ManualChange(
        "alter table public.t23 alter column title drop not null",
        "table public.t23: column title",
        "text default ''::text not null",
        "text default ''::text",
    ),
    ManualChange(
        "alter table public.t24 alter column body type varchar(9)",
        "table public.t24: column body",
        "text",
        "character varying(9)",
    ),
    ManualChange(
        "alter table public.t25 alter column amount set default 1",
        "table public.t25: column amount",
        "default 0",
        "default 1",
    ),
    ManualChange("drop index public.t26_words_idx", "table public.t26: index t26_words_idx", "USING gin", None),
    ManualChange("create index stray_idx on public.t27 (body)", "table public.t27: index stray_idx", None, "(body)"),
    ManualChange(
        "alter table public.t28 replica identity full", "table public.t28: replica identity", "default", "full"
    ),
    ManualChange(
        "create or replace view public.v29 with (security_invoker = true) as select id, title, amount from public.t29",
        "view public.v29",
        "WHERE",
        "FROM public.t29",
    ),
    ManualChange("drop table public.t30 cascade", "table public.t30", "column title text", None),
]


def roles() -> str:
    """The statement that makes the roles where they're missing."""
    return ";".join(PREPARE.format(role=role) for role in ROLES)


def tables(first: int, last: int) -> str:
    """The statements that make the tables of these numbers, each hanging on the one before."""
    return "".join(TABLE.format(n=n, parent=max(1, n - 1)) for n in range(first, last + 1))
