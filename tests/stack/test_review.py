"""A pull request that does harm in five ways, as its reviewer sees it: `./vpb plan` on a provisioned environment."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from declared.paths import CHECKOUT
from harness.checkout import Scratch
from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]

GOLDEN = CHECKOUT / "tests" / "golden" / "pull_request.md"
UP = """-- NNNN heading: a project has a heading.
-- Lock: access exclusive on public.projects. Duration: instant.
-- Down: loses the headings.

alter table public.projects add column heading text not null default gen_random_uuid()::text;
drop index public.projects_part_owner_id_id_idx;
"""
DOWN = """-- NNNN heading: the way back.
-- Lock: access exclusive on public.projects. Duration: instant.
-- Down: loses the headings.

create index projects_part_owner_id_id_idx on public.projects ((uuid_hash(id) & 7), owner_id, id);
alter table public.projects drop column heading;
"""
# What the index in use is used for, and the statistics of it written at once.
USED = """set enable_seqscan = off; set enable_bitmapscan = off;
    select id from public.projects
     where uuid_hash(id) & 7 = 1 and owner_id = '00000000-0000-0000-0000-000000000000' order by id;
    select pg_stat_force_next_flush()"""
POLICY = re.compile(
    r"(create policy projects_update_own on public\.projects\n    for update to authenticated\n).*?;", re.S
)
BUCKET = "  database:buckets: [{id: audio, public: true}]\n"


@contextmanager
def edited(folder: Path) -> Iterator[None]:
    """The change of the pull request, taken back afterwards."""
    policies, settings = folder / "sql" / "policies" / "public.projects.sql", folder / "Pulumi.dev.yaml"
    before = {path: path.read_text() for path in (policies, settings)}
    migrations = folder / "sql" / "migrations"
    number = int(max(path.name for path in migrations.glob("*.up.sql"))[:4]) + 1
    made = [migrations / f"{number:04}_heading.{direction}.sql" for direction in ("up", "down")]
    weaker, found = POLICY.subn(r"\1    using (true)\n    with check (true);", before[policies])
    assert found == 1
    policies.write_text(weaker)
    settings.write_text(before[settings] + BUCKET)
    for path, text in zip(made, (UP, DOWN), strict=True):
        path.write_text(text.replace("NNNN", f"{number:04}"))
    try:
        yield
    finally:
        for path, text in before.items():
            path.write_text(text)
        for path in made:
            path.unlink()


def test_the_comment_of_a_pull_request_that_does_harm(dev: Scratch, tmp_path: Path) -> None:
    """A column added wrongly, a row policy weakened, a bucket made public, an index dropped; a grant made manually."""
    # A test before may have left something that it watched.
    succeeded(dev.up())
    dev.sql("set application_name = 'psql'; grant delete on public.projects to anon")
    dev.sql(USED)
    try:
        with edited(dev.folder):
            run = dev.start("plan").wait()
    finally:
        dev.sql("revoke delete on public.projects from anon")
    assert run.status == 2, run.output
    (tmp_path / GOLDEN.name).write_text(shown(run.output))
    assert (tmp_path / GOLDEN.name).read_text() == GOLDEN.read_text()


def shown(output: str) -> str:
    """The page, without what differs between runs: when it was, how many rows there are, the next migration."""
    page = output[output.index("## Plan of") :]
    page = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-11-30 05:12 UTC", page)
    page = re.sub(r"in use: [\d,]+ times?, last on [\d-]+", "in use: 3 times, last on 2026-11-30", page)
    page = re.sub(r" \([\d,]+ rows, [\d.,]+ MiB\)", "", page)
    page = re.sub(r'"[A-Z0-9]{12,}"', '"K1"', page)
    return re.sub(r"\b\d{4}(?=_heading| heading)", "NNNN", page).strip() + "\n"
