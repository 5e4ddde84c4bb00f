"""A preview environment from its template to its end: masked rows, what the pull request brings, and nothing left."""

import json
import sys

import pytest

from harness.checkout import Finished, Run, Scratch
from local import postgres
from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]

ROWS = """
insert into next_auth.users (name, email) values ('Ada Canary', 'ada@canary.example'), ('Ben', 'ben@canary.example');
insert into public.projects (owner_id, title, description)
select id, 'Canary of ' || name, 'secret' from next_auth.users
"""
MIGRATION = """-- {number} rating: people rate their projects.
-- Lock: access exclusive on public.projects. Duration: instant.
-- Down: loses the ratings.

alter table public.projects {change};
"""


def vpb(dev: Scratch, *words: str) -> Finished:
    return Run([sys.executable, "-m", "ops", *words], dev.folder, dev.environment).wait()


def test_a_pull_request_gets_masked_rows_and_its_migration_and_leaves_nothing(dev: Scratch) -> None:
    dev.sql(ROWS)
    folder = dev.folder / "sql" / "migrations"
    number = f"{len([*folder.glob('*.up.sql')]) + 1:04}"
    made = {
        folder / f"{number}_rating.up.sql": "add column rating integer not null default 3",
        folder / f"{number}_rating.down.sql": "drop column rating",
    }
    try:
        template = succeeded(vpb(dev, "branch", "template", "--from", "dev"))
        assert "masked, as of" in template
        for path, change in made.items():
            path.write_text(MIGRATION.format(number=number, change=change))
        assert "rows of" in succeeded(vpb(dev, "branch", "new", "pr-7"))
        succeeded(vpb(dev, "up", "--stack", "pr-7"))
        server = postgres.running(dev.folder / ".local" / "pr-7")
        assert server
        url, dev_url = server.url(), dev.url
        found = _asked(url, "select title, description, rating from public.projects order by title")
        assert found == [("lorem ipsum d", "lorem ", 3), ("lorem ipsum dolor si", "lorem ", 3)]
        assert _asked(url, "select count(*) from next_auth.users where email like 'person-%@example.org'") == [(2,)]
        checked = json.loads(succeeded(vpb(dev, "branch", "check", "pr-7", "--json")))
        assert [(each["name"], each["result"]) for each in checked] == [("access", "passed"), ("sign-in", "passed")]
        # Its own `up` holds what the template brought, so that a pull request can take a migration away.
        holders = "select distinct owners[1] like 'urn:pulumi:pr-7::%' from supabase_migrations.schema_migrations"
        assert _asked(url, holders) == [(True,)]
        assert _asked(dev_url, "select count(*) from public.projects where title like 'Canary%'") == [(2,)]
        assert not _asked(dev_url, "select from pg_attribute where attname = 'rating'")
        succeeded(vpb(dev, "branch", "drop", "pr-7"))
        assert not (dev.folder / ".local" / "pr-7").exists()
        assert not dev.checkpoint.with_name("pr-7.json").exists()
        assert dev.strays() == []
        refused = vpb(dev, "branch", "drop", "dev")
        assert (refused.status, "stack dev: is no clone of a template" in refused.output) == (1, True)
    finally:
        for path in made:
            path.unlink(missing_ok=True)
        vpb(dev, "branch", "drop", "pr-7")
        vpb(dev, "branch", "template", "--remove")
        dev.sql("delete from next_auth.users where email like '%canary.example'")


def _asked(url: str, query: str) -> list[tuple[object, ...]]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as session:
        return session.execute(query.encode()).fetchall()
