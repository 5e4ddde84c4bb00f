"""What a round of kills stands on: a server of its own, migrations of every kind, and what must be true after a run."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from local import postgres
from tests.faults.definitions import differences
from tests.faults.killchild import MIGRATIONS, Answer, Order, carry_out, urn

# A killed process costs no page that the system has; only a machine that loses power does.
QUICK = {"fsync": "off", "full_page_writes": "off"}
HISTORY = "supabase_migrations.schema_migrations"
MARK = "kills"
ROWS = 2000
# Outside the managed schemas: what really happened, whatever the project says of it. `kept` was here before.
GREET = "create or replace function public.greet(who text) returns text language sql return '{} ' || who"
BEFORE = f"""
create schema watch;
create table watch.ledger (step text, half text, at timestamptz default clock_timestamp());
create table public.kept (id int primary key, title text);
create index kept_title_idx on public.kept (title);
{GREET.format("hello")};
insert into public.kept select n, 'row ' || n from generate_series(1, 100) n;
"""
OUTSIDE = "-- Run: outside a transaction.\n"
BATCHES = "-- Run: in batches of 200, pause 1ms.\n"
FILL = """update public.items set filled = {new}, visits = visits + 1
where id in (select id from public.items where filled is {old} order by id limit 200);"""
STEPS = {
    "0001_items": (
        f"""create table public.items (id int primary key, body text not null, filled text, visits int not null);
insert into public.items (id, body, visits) select n, 'row ' || n, 0 from pg_catalog.generate_series(1, {ROWS}) as n;
create type public.mood as enum ('good');
create table public.months (day date not null) partition by range (day);
create table public.may partition of public.months for values from ('2026-05-01') to ('2026-06-01');
create table public.june partition of public.months for values from ('2026-06-01') to ('2026-07-01');
insert into public.months values ('2026-05-05'), ('2026-06-06');
insert into watch.ledger values ('0001_items', 'up');""",
        """insert into watch.ledger values ('0001_items', 'down');
drop table if exists public.may;
drop table public.months, public.items;
drop type public.mood;""",
    ),
    "0002_fill": (
        BATCHES + FILL.format(new="'filled'", old="null"),
        BATCHES + FILL.format(new="null", old="not null"),
    ),
    "0003_value": (
        OUTSIDE + "alter type public.mood add value 'bad';",
        "drop type public.mood;\ncreate type public.mood as enum ('good');",
    ),
    "0004_indexes": (
        OUTSIDE + "create index concurrently items_body_idx on public.items (lower(body));\n"
        "create unique index concurrently items_id_idx on public.items (id, body);\n"
        "comment on index public.items_id_idx is 'Unique.';",
        OUTSIDE + "drop index concurrently public.items_id_idx;\ndrop index concurrently public.items_body_idx;",
    ),
    "0005_detach": (
        OUTSIDE + "alter table public.months detach partition public.may concurrently;",
        "alter table public.months attach partition public.may for values from ('2026-05-01') to ('2026-06-01');",
    ),
    "0006_more": (
        """create table public.more (id int primary key);
create view public.bodies as select id, body from public.items;
alter table public.kept add column note text;
insert into watch.ledger values ('0006_more', 'up');""",
        """insert into watch.ledger values ('0006_more', 'down');
alter table public.kept drop column note;
drop view public.bodies;
drop table public.more;""",
    ),
}
NAMES = sorted(STEPS)
# What a migration that was killed outside a transaction may have left, as it is named, and how to undo it.
LEFTOVERS = {
    "type public.mood": "drop type if exists public.mood; create type public.mood as enum ('good')",
    "index items_id_idx": "drop index if exists public.items_id_idx",
    "index items_body_idx": "drop index if exists public.items_body_idx",
    "public.may": """do $$ begin
        if exists (select from pg_inherits where inhrelid = 'public.may'::regclass and inhdetachpending) then
            alter table public.months detach partition public.may finalize;
        end if;
        if not exists (select from pg_inherits where inhrelid = 'public.may'::regclass) then
            alter table public.months attach partition public.may for values from ('2026-05-01') to ('2026-06-01');
        end if;
    end $$""",
}
# How to change something that nobody declares, how to undo it, and how it is named.
MANUAL = (
    (
        "alter table public.kept alter column title set default 'x'",
        "alter table public.kept alter column title drop default",
        "table public.kept: column title",
    ),
    (
        "drop index public.kept_title_idx",
        "create index kept_title_idx on public.kept (title)",
        "table public.kept: index kept_title_idx",
    ),
    (GREET.format("bye"), GREET.format("hello"), "function public.greet(text)"),
    ("create table public.stray (id int)", "drop table public.stray", "table public.stray"),
)
OBJECTS = """
select (select count(*) from pg_class where oid = to_regclass('public.items')),
       array(select c.relname::text || case when i.indisvalid then '' else ' invalid' end
               from pg_index i join pg_class c on c.oid = i.indexrelid
              where i.indrelid = to_regclass('public.items') and not i.indisprimary order by 1),
       array(select enumlabel::text from pg_enum where enumtypid = to_regtype('public.mood') order by enumsortorder),
       array(select inhrelid::regclass::text || case when inhdetachpending then ' pending' else '' end
               from pg_inherits where inhparent = to_regclass('public.months') order by 1),
       to_regclass('public.more') is not null and to_regclass('public.bodies') is not null,
       obj_description(to_regclass('public.items_id_idx'), 'pg_class')"""


@dataclass
class KillWorld:
    """A server, the files, the state."""

    folder: Path
    binaries: Path | None = None
    count: int = -1
    """How many migrations the last whole run declared; -1 after a destroy."""
    server: postgres.RunningServer = field(init=False)

    def __post_init__(self) -> None:
        self.steps = self.folder / "steps"
        self.steps.mkdir(parents=True)
        for name, halves in STEPS.items():
            for direction, text in zip(("up", "down"), halves, strict=True):
                header = (
                    f"-- {name[:4]} {name[5:]}: to be killed.\n-- Lock: none. Duration: short.\n-- Down: loses it.\n"
                )
                (self.steps / f"{name}.{direction}.sql").write_text(header + text + "\n")
        self.start()
        self.sql(BEFORE)

    def start(self) -> None:
        """Have the server, also after it was killed."""
        self.server = postgres.ensure(self.folder / "server", self.binaries, QUICK)

    def remove(self) -> None:
        postgres.remove(self.folder / "server", self.binaries)

    @property
    def url(self) -> str:
        return self.server.url()

    def order(self, count: int, stop: int = 0, checked: bool = True) -> Order:
        url = f"{self.url}?application_name={MARK}"
        return Order(url, str(self.steps), str(self.folder / "state.json"), count, stop, checked)

    def bring(self, count: int, checked: bool = True) -> Answer:
        """A run that nobody kills."""
        answer = carry_out(self.order(count, checked=checked))
        if not answer.error and checked:
            self.count = count
        return answer

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Run statements as the superuser; the rows of the last one."""
        with self._connected() as connection:
            cursor = connection.execute(query.encode())
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A session, as soon as a server that lost a process has recovered."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return psycopg.connect(self.url, autocommit=True, connect_timeout=10)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def take_away_leftovers(self, error: str) -> bool:
        """Undo what a refusal names of what killed migrations without files have left; whether there was any."""
        left = [undo for name, undo in LEFTOVERS.items() if name in error]
        for undo in left:
            self.sql(undo)
        return bool(left)

    # What must be true after a run.

    def problems(self) -> list[str]:
        """What isn't as the last whole run declared it, one line each."""
        found = [*self._objects(), *self._ledger()]
        if self.count < 0:
            left = self.sql("select 1 from pg_namespace where nspname = 'supabase_migrations'")
            return found + ["the destroy has left supabase_migrations"] * bool(left)
        return [*found, *self._history(), *differences(self.url)]

    def _history(self) -> list[str]:
        found = []
        wanted = [(name, [urn(MIGRATIONS)]) for name in NAMES[: self.count]]
        recorded = self.sql(f"select version || '_' || name, owners from {HISTORY} order by 1")
        if recorded != wanted:
            found.append(f"the history has {recorded}, wanted {wanted}")
        known = json.loads((self.folder / "state.json").read_text())[MIGRATIONS]["state"]["incarnation"]
        # A history that no migration was ever noted in has none.
        if self.sql(f"select id from {HISTORY}_incarnation") != ([(known,)] if known else []):
            found.append("the state has another incarnation than the database")
        newest = f"{self.count:04}"
        if left := self.sql(
            f"select version, half from {HISTORY}_progress where version <= '{newest}' or half = 'down'"
        ):
            found.append(f"notes of statements are left: {left}")
        return found

    def _objects(self) -> list[str]:
        """The effects of each migration, exactly once. What one that was killed and taken back has made may stay."""
        count, found = max(self.count, 0), []
        (items, indexes, moods, months, more, comment) = self.sql(OBJECTS)[0]
        wanted = {
            "0001 items": (items, 1 if count >= 1 else 0, None),
            "0003 mood": (moods, ["good", "bad"] if count >= 3 else ["good"] * (count >= 1), ["good", "bad"]),
            "0004 indexes": (indexes, ["items_body_idx", "items_id_idx"] if count >= 4 else [], ...),
            "0004 comment": (comment, "Unique." if count >= 4 else None, ...),
            "0005 months": (months, ["june"] if count >= 5 else ["june", "may"] * (count >= 1), ...),
            "0006 more": (more, count >= 6, None),
        }
        begun = self._begun(count)
        for what, (is_, should, maybe) in wanted.items():
            if is_ != should and not (what[:4] in begun and maybe in (..., is_)):
                found.append(f"{what}: {is_}, wanted {should}")
        return found + (self._visits(count) if count >= 1 else [])

    def _begun(self, count: int) -> set[str]:
        """The migrations that were killed and then left the folder, as the progress notes say."""
        if count < 0 or not self.sql(f"select to_regclass('{HISTORY}_progress')")[0][0]:
            return set()
        return {row[0] for row in self.sql(f"select version from {HISTORY}_progress where half = 'up'")}

    def _visits(self, count: int) -> list[str]:
        visits = self.sql("select visits, filled is not null, count(*) from public.items group by 1, 2 order by 1, 2")
        rows = sum(row[2] for row in visits)
        found = [f"{rows} of {ROWS} rows are there"] if rows != ROWS else []
        # Filled by a migration that was killed and taken back, a row has been visited once more than the others.
        once = all(filled == bool(visited % 2) for visited, filled, _ in visits)
        whole = count < 2 or (len(visits) == 1 and visits[0][1])
        return found if once and whole else [*found, f"visits, filled, rows: {visits}"]

    def _ledger(self) -> list[str]:
        found = []
        for number, name in ((1, "0001_items"), (6, "0006_more")):
            ((ups, downs),) = self.sql(
                "select count(*) filter (where half = 'up'), count(*) filter (where half = 'down') "
                f"from watch.ledger where step = '{name}'"
            )
            if ups - downs != (self.count >= number):
                found.append(f"{name} ran up {ups} and down {downs} times")
        return found
