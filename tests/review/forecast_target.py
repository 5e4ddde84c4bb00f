"""A database with one migration applied, whose next ones are forecast."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from ops.migrations import run as migrations
from ops.migrations.job import Options
from ops.review import forecast
from ops.review.forecast import StatementForecast

HEADER = "-- {number} words: why.\n-- Lock: none. Duration: instant.\n-- Down: loses it.\n{run}\n"
ROLE = "lock_forecast_owner"
BASE = """
create table public.people (id bigint primary key);
create table public.notes (
    id bigint primary key, person_id bigint, title varchar(20), number integer, flag integer, price numeric(12, 2),
    at timestamptz default now()
);
create index notes_title_idx on public.notes (title);
create table public.settings (key text primary key);
alter table public.notes enable row level security;
create policy notes_own on public.notes using (number > 1);
"""
ROWS = """
truncate public.notes, public.people;
insert into public.people select generate_series(1, {people});
insert into public.notes select i, (i * 31::bigint) % {people} + 1, 'title ' || i, i % 500, 1, i * 1.5
  from generate_series(1, {rows}) as i;
analyze public.people, public.notes;
"""


class Target:
    """A database with one migration, and a checkout that gets more."""

    def __init__(self, url: str, root: Path) -> None:
        self.url, self.root = url, root
        self.folder = root / "sql" / "steps"
        self.folder.mkdir(parents=True)
        self.options = Options("sql/steps", role=ROLE)

    def write(self, name: str, up: str, run: str = "") -> None:
        for half, text in (("up", up), ("down", "select 1;")):
            header = HEADER.format(number=name[:4], run=run if half == "up" else "")
            (self.folder / f"{name}.{half}.sql").write_text(f"{header}{text}\n")

    def pending(self, *scripts: str | tuple[str, str]) -> None:
        """These and no others are pending."""
        for path in self.folder.glob("*.sql"):
            if not path.name.startswith("0001"):
                path.unlink()
        for number, script in enumerate(scripts, start=2):
            up, run = script if isinstance(script, tuple) else (script, "")
            self.write(f"{number:04}_step", up, run)

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def forecast(self, *scripts: str | tuple[str, str]) -> list[StatementForecast]:
        self.pending(*scripts)
        return forecast.of("dev", self.url, self.options)


@contextmanager
def target(url: str, root: Path) -> Iterator[Target]:
    """A thousand rows, and a policy that names a column."""
    with pytest.MonkeyPatch.context() as patched:
        made = Target(url, root)
        patched.setattr(migrations, "CHECKOUT", root)
        made.sql(f"drop role if exists {ROLE}", f"create role {ROLE}", f"grant all on schema public to {ROLE}")
        made.write("0001_base", BASE)
        assert made.forecast() == [], "before the first migration nothing is in use"
        migrations.run("up", "dev", url, True, made.options)
        made.sql(ROWS.format(people=100, rows=1000))
        yield made
