"""Realistic migrations by the thousand, in fives: table, columns with indexes, trigger, row security, view."""

from pathlib import Path

KINDS = 5
HEADER = "-- {number:04} {words}: why.\n-- Lock: none. Duration: instant.\n-- Down: loses it.\n\n"

TABLE = """create table public.item_{n} (
    id uuid primary key default gen_random_uuid(),
    parent_id uuid{reference},
    title text not null,
    status text not null default 'draft',
    amount numeric(12, 2) not null default 0,
    settings jsonb not null default '{{}}',
    created_at timestamptz not null default now(),
    constraint item_{n}_title_check check (char_length(title) between 1 and 200),
    constraint item_{n}_status_check check (status in ('draft', 'active', 'archived'))
);
comment on table public.item_{n} is 'Items of kind {n}.';
"""
COLUMNS = """alter table public.item_{n} add column updated_at timestamptz not null default now(),
    add column notes text;
create index item_{n}_parent_id_idx on public.item_{n} (parent_id);
create index item_{n}_status_created_at_idx on public.item_{n} (status, created_at desc);
create index item_{n}_active_idx on public.item_{n} (created_at desc) where status = 'active';
"""
FUNCTION = """create function public.touch_{n}() returns trigger language plpgsql set search_path = '' as $$
begin
    NEW.updated_at := now();
    return NEW;
end;
$$;
create trigger _100_updated_at before update on public.item_{n}
for each row execute function public.touch_{n}();
"""
SECURITY = """alter table public.item_{n} enable row level security;
create policy item_{n}_select_all on public.item_{n} for select to pg_monitor using (status = 'active');
create policy item_{n}_insert_all on public.item_{n} for insert to pg_monitor with check (amount >= 0);
create policy item_{n}_update_all on public.item_{n} for update to pg_monitor using (status = 'draft');
create policy item_{n}_delete_all on public.item_{n} for delete to pg_monitor using (status = 'draft');
grant select, insert, update, delete on public.item_{n} to pg_monitor;
"""
VIEW = """alter table public.item_{n} add constraint item_{n}_amount_check check (amount >= 0);
create view public.active_{n} as select id, title, amount from public.item_{n} where status = 'active';
insert into public.item_{n} (title, status, amount)
select 'item ' || number, 'active', number from generate_series(1, 20) as number;
"""
UNDONE = (
    "drop table public.item_{n};\n",
    "drop index public.item_{n}_active_idx, public.item_{n}_status_created_at_idx, public.item_{n}_parent_id_idx;\n"
    "alter table public.item_{n} drop column notes, drop column updated_at;\n",
    "drop trigger _100_updated_at on public.item_{n};\ndrop function public.touch_{n}();\n",
    "revoke all on public.item_{n} from pg_monitor;\n"
    "drop policy item_{n}_delete_all on public.item_{n};\ndrop policy item_{n}_update_all on public.item_{n};\n"
    "drop policy item_{n}_insert_all on public.item_{n};\ndrop policy item_{n}_select_all on public.item_{n};\n"
    "alter table public.item_{n} disable row level security;\n",
    "delete from public.item_{n};\ndrop view public.active_{n};\n"
    "alter table public.item_{n} drop constraint item_{n}_amount_check;\n",
)
WORDS = ("table", "columns", "trigger", "security", "view")


def write_steps(folder: Path, count: int) -> None:
    """`count` steps into an empty folder; each item has the one before it as its parent."""
    for number in range(1, count + 1):
        n, kind = divmod(number - 1, KINDS)
        reference = f" references public.item_{n - 1} (id) on delete cascade" if n else ""
        up = (TABLE, COLUMNS, FUNCTION, SECURITY, VIEW)[kind].format(n=n, reference=reference)
        name = f"{number:04}_{WORDS[kind]}_{n}"
        header = HEADER.format(number=number, words=name[5:])
        (folder / f"{name}.up.sql").write_text(header + up)
        (folder / f"{name}.down.sql").write_text(header + UNDONE[kind].format(n=n))
