"""`up` tries what is pending on a copy first, and begins nothing that fails there."""

import pytest

from declared import sqlfiles
from declared.paths import CHECKOUT
from tests.provider.world import COPIES

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]

NUMBER = f"{len(sqlfiles.steps(CHECKOUT / 'sql' / 'migrations')) + 1:04}"
HEADER = f"-- {NUMBER} renamed: a try.\n-- Lock: none. Duration: instant.\n-- Down: renames it back.\n\n"


def test_up_begins_nothing_that_the_copy_refuses(dev):
    scripts = [dev.folder / "sql" / "migrations" / f"{NUMBER}_renamed.{direction}.sql" for direction in ("up", "down")]
    names = ("title to heading", "heading to title")
    for script, change in zip(scripts, names, strict=True):
        script.write_text(f"{HEADER}alter table public.projects rename column {change};\n")
    try:
        run = dev.up()
        assert run.status == 1
        assert "up wasn't begun, nothing was changed" in run.output
        assert 'column "title" of relation "projects" does not exist (42703)' in run.output
        assert "Preview failed:" not in run.output
        assert dev.sql(f"select max(version) < '{NUMBER}' from supabase_migrations.schema_migrations") == [(True,)]
        assert dev.sql(COPIES) == []
    finally:
        for script in scripts:
            script.unlink()
