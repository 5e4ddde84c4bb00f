"""A checkout whose migrations, queries and row policies the lint reads."""

from collections.abc import Sequence
from pathlib import Path

from ops.review.lint import Finding, findings

HEADER = "-- {number} words: why.\n-- Lock: none. Duration: instant.\n-- Down: loses it.\n{run}\n"
BASE = """
create table public.projects (
    id bigint primary key, owner_id uuid, title varchar(20), rank bigint, code text, price numeric(6, 2),
    noted timestamptz(3), net cidr, kind char(3), spare text,
    constraint rank_check check (rank is not null and rank > 0)
);
alter table public.projects enable row level security;
create index projects_owner_id_idx on public.projects (owner_id);
create table public.notes (id bigint primary key, project_id bigint, title text, body text);
alter table public.notes enable row level security;
create view public.titles as select p.title from public.projects as p;
create function public.touch() returns trigger language plpgsql set search_path = '' as $$
begin NEW.rank := OLD.rank + 1; return NEW; end $$;
create trigger touch before update on public.projects for each row execute function public.touch();
create function public.sizes(which bigint) returns bigint language plpgsql stable set search_path = '' as $$
declare p public.projects;
begin select * into p from public.projects where id = which; return public.twice(p.price::bigint); end $$;
create function public.twice(bigint, bigint) returns bigint language sql immutable set search_path = '' as 'select $1';
create table public.days (id bigint, at date) partition by range (at);
alter table public.days enable row level security;
create function public.twice(bigint) returns bigint language sql immutable set search_path = '' as 'select $1 * 2';
"""
QUERY = """-- {name}: what it is for.
-- Role: authenticated. Since: 0001.
-- Parameters: none.
-- Index: none.
-- Plan: all of it.

{text};
"""
QUERIES = {
    "codes": "select p.code, n.title from public.projects as p join public.notes as n on n.project_id = p.id",
    "add_note": "insert into public.notes (id, body) values (1, 'a')",
    "bodies": "with spare as (select 1 as spare) select spare from spare",
}
POLICIES = """-- Everybody.
create policy projects_select_all on public.projects for select to anon using (owner_id is null);
"""


def make(root: Path) -> Path:
    for folder in ("migrations", "queries", "policies"):
        (root / "sql" / folder).mkdir(parents=True)
    write(root, "0001_base", BASE)
    for name, text in QUERIES.items():
        (root / "sql" / "queries" / f"{name}.sql").write_text(QUERY.format(name=name, text=text))
    (root / "sql" / "policies" / "public.projects.sql").write_text(POLICIES)
    return root


def write(root: Path, name: str, text: str, run: str = "") -> Path:
    path = root / "sql" / "migrations" / f"{name}.up.sql"
    path.write_text(HEADER.format(number=name[:4], run=run) + text + "\n")
    return path


def found(root: Path, text: str, run: str = "") -> list[Finding]:
    return findings([write(root, "0002_case", text, run)])


def rules(said: Sequence[Finding]) -> list[str]:
    return sorted(each.rule for each in said)


def alter(text: str, table: str = "projects") -> str:
    return f"alter table public.{table} {text};"
