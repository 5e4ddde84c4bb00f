"""What one stack hasn't had, the next one doesn't get: two local stacks of one checkout, through the real engine.

How long a reason is kept is in tests/provider/test_snapshot_report.py.
"""

import json
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import pytest

from declared import sqlfiles
from declared.paths import CHECKOUT
from declared.permissions import today
from declared.sqlfiles import MIGRATIONS
from harness.checkout import Scratch
from tests.stack import pages
from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("promotion")]

STEP = f"{len(sqlfiles.steps(CHECKOUT / MIGRATIONS.folder)) + 1:04}_attic"
HEADER = f"""-- {STEP[:4]} attic: a column.
-- Lock: access exclusive on users. Duration: instant.
-- Down: loses the column.

"""
FILE = "config:\n  database:promotedFrom: {}\n"
ALLOWED = f"  database:allow: [{{what: unpromoted, reason: a leak to stop tonight, until: {today():%Y-%m-%d}}}]\n"
BEFORE = "pr-12"
SAID = f"error: stack {BEFORE} hasn't had migration {STEP}: run `up` there first, and here again; if it is meant: "


@dataclass(frozen=True)
class Two:
    before: Scratch
    prod: Scratch
    recipe: pages.Followed
    """Of the cookbook, which makes the first one."""

    def settings(self, text: str) -> None:
        (self.prod.folder / "Pulumi.prod.yaml").write_text(text)


def deployed(stack: Scratch) -> dict[str, Any]:
    return dict(json.loads(stack.pulumi("stack", "output", "--json").output)["deployed"])


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    with Scratch(BEFORE) as before:
        prod = copy(before)
        prod.stack = "prod"
        both = Two(before, prod, pages.Followed(before, "A second environment"))
        both.settings(FILE.format(BEFORE))
        for stack in (before, prod):
            succeeded(stack.pulumi("stack", "init"))
        yield both
        # What lies outside the copy; the other stack's goes with it.
        prod.clear()


def test_a_stack_that_is_not_there_is_named(two):
    two.settings(FILE.format("nowhere"))
    run = two.prod.start("preview").wait()
    assert (run.status, run.last_line) == (
        1,
        "error: database:promotedFrom names stack nowhere, which there isn't; make it, or take the setting out",
    )
    two.settings(FILE.format(BEFORE))


def test_nothing_has_passed_before_the_first_up(two):
    run = two.prod.up()
    assert (run.status, f"error: stack {BEFORE} hasn't had migration 0001_" in run.output) == (1, True)


def test_what_has_passed_goes_on_and_the_record_says_when_and_by_whom(two):
    two.recipe.to("make up")
    two.recipe.to("(umask 077; ./vpb env")
    succeeded(two.prod.up())
    for stack in (two.before, two.prod):
        record = deployed(stack)
        assert record["at"].startswith(str(today().year))
        assert record["by"]
        assert "unpromoted" not in record
    assert deployed(two.before)["of"] == deployed(two.prod)["of"]


def test_what_has_not_passed_is_refused_by_name_until_it_is_allowed_with_a_reason_that_is_kept(two):
    folder = two.prod.folder / "sql" / "migrations"
    (folder / f"{STEP}.up.sql").write_text(f"{HEADER}alter table public.users add column attic text;\n")
    (folder / f"{STEP}.down.sql").write_text(f"{HEADER}alter table public.users drop column attic;\n")
    before = two.prod.checkpoint.read_text()
    run = two.prod.up()
    assert (run.status, SAID in run.output) == (1, True), run.output[-2000:]
    unchanged = two.prod.checkpoint.read_text() == before
    assert unchanged
    passed = deployed(two.before)
    part = ("--yes", "--skip-preview", "--non-interactive", "--target", "**checkpoint-schema")
    said = succeeded(two.before.pulumi("up", *part))
    assert "(`--target`, `--exclude`), so what this stack has had stays as it was" in said
    assert deployed(two.before) == passed, "the migration wasn't brought"
    two.settings(FILE.format(BEFORE) + ALLOWED)
    said = succeeded(two.prod.up())
    assert f"stack {BEFORE} hasn't had migration {STEP}; going on, since it is allowed: a leak to stop tonight" in said
    assert "nothing has needed" not in said
    assert deployed(two.prod)["unpromoted"][f"migration {STEP}"]["reason"] == "a leak to stop tonight"


def test_the_one_goes_and_leaves_the_other(two):
    two.recipe.to("make down")
    assert two.recipe.ended()
    assert not two.before.checkpoint.exists()
    assert two.prod.sql("select count(*) from public.projects") == [(0,)]
