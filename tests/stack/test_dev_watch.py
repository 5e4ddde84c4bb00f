"""`./vpb watch` on a stack of the real engine: what is saved is there, and the next preview finds it as declared."""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from declared import sqlfiles
from declared.paths import CHECKOUT
from harness.checkout import Run, Scratch
from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]

NEWEST = sqlfiles.steps(CHECKOUT / "sql" / "migrations")[-1].version
NUMBER = f"{int(NEWEST) + 1:04}"
HEADER = f"-- {NUMBER} pins: a try.\n-- Lock: none. Duration: instant.\n-- Down: loses pins.\n\n"
UP = """create table public.pins (id uuid primary key, title text);
alter table public.pins enable row level security;
alter table public.pins force row level security;
comment on table public.pins is 'Pins.';
"""
POLICIES = """-- public.pins: for servers alone.

-- Servers do everything.
create policy pins_all_service on public.pins
    for all to service_role
    using (true)
    with check (true);
"""
DONE = re.compile(r"^\d\d:\d\d:\d\d (not everything is )?as the files say \(", re.MULTILINE)


class Watch:
    """The command at work, and what it has said since the last save."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._seen = 0

    def said(self) -> str:
        """What the next pass says, once it has ended."""
        deadline = time.monotonic() + 120
        while not (found := DONE.search(self.run.output, self._seen)):
            assert self.run.process.poll() is None, self.run.output
            assert time.monotonic() < deadline, self.run.output
            time.sleep(0.1)
        text = self.run.output[self._seen : found.end()]
        self._seen = found.end()
        return text


@contextmanager
def watching(dev: Scratch, *words: str) -> Iterator[Watch]:
    run = dev.start("watch", *words)
    try:
        yield Watch(run)
    finally:
        run.process.send_signal(signal.SIGINT)
        done = run.wait(60)
    assert done.status == 0, done.output
    assert "no longer watched" in done.last_line


def test_what_is_saved_is_there_and_the_next_preview_finds_it_as_declared(dev):
    up, down = (dev.folder / "sql" / "migrations" / f"{NUMBER}_pins.{half}.sql" for half in ("up", "down"))
    policies = dev.folder / "sql" / "policies" / "public.pins.sql"
    projects = dev.folder / "sql" / "policies" / "public.projects.sql"
    before = projects.read_text()
    old = min((dev.folder / "sql" / "migrations").glob("0009_*.up.sql"))
    applied = old.read_text()
    title = "select count(*) from information_schema.columns where table_name = 'pins' and column_name = 'heading'"
    using = "select pg_get_expr(polqual, polrelid) from pg_policy where polname = 'projects_select_public'"
    try:
        with watching(dev) as watch:
            assert f"migrations from {NEWEST} on are in work" in watch.said()

            projects.write_text(before.replace("archived_at is null);", "archived_at is null and title <> '');", 1))
            assert " ~ Policy access-projects_select_public" in watch.said()
            assert "title <> ''" in dev.sql(using)[0][0]

            projects.write_text(before)
            down.write_text(f"{HEADER}drop table public.pins;\n")
            policies.write_text(POLICIES)
            watch.said()  # half of the files
            up.write_text(f"{HEADER}{UP}")
            while "+ Policy access-pins_all_service" not in watch.said():
                pass
            dev.sql("insert into public.pins values (gen_random_uuid(), 'lost')")
            up.write_text(f"{HEADER}{UP.replace('title text', 'title txt')}")
            said = watch.said()
            assert f'type "txt" does not exist (42704), sql/migrations/{up.name}:5' in said
            assert "roll back" not in said
            assert dev.sql("select title from public.pins") == [("lost",)]
            up.write_text(f"{HEADER}{UP.replace('title', 'heading')}")
            said = watch.said()
            assert f"roll back {NUMBER}_pins: this drops 1 table with 1 row (public.pins: 1)" in said
            assert "manually" not in said
            assert dev.sql(title) == [(1,)]

            old.write_text(f"{applied}\n-- more\n")
            assert f"sql/migrations/{old.name.removesuffix('.up.sql')}: is applied and was edited" in watch.said()
            old.write_text(applied)
            assert "error" not in watch.said()
        made = "select oid from pg_class where relname = 'pins'"
        before_up = dev.sql(made)
        said = succeeded(dev.up())
        assert "MigrationSet" not in said
        assert "manually" not in said
        assert dev.sql(made) == before_up
    finally:
        projects.write_text(before)
        old.write_text(applied)
        for path in (up, down, policies):
            path.unlink(missing_ok=True)


def test_what_is_no_migration_is_not_in_work(dev):
    for number in ("9999", "x"):
        run = dev.start("watch", "--from", number).wait()
        assert run.status == 1
        assert f"there is no migration {number}; the newest one is" in run.last_line
