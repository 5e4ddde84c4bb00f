"""A migration whose rollback loses data stays where data is protected, until it is allowed by name."""

import pytest

from declared import sqldirectives
from harness.engine import Refusal
from tests.provider.folders import Folder, one_line


@pytest.fixture
def two(folder: Folder) -> Folder:
    """A migration that loses data on its rollback, and one above it that doesn't."""
    folder.write("0001_table", "create table public.first (id int);", "drop table public.first;", "loses every first.")
    folder.write("0002_view", "create view public.v as select 1 as one;", "drop view public.v;", "loses nothing.")
    return folder


def test_a_lossy_way_back_is_refused_by_preview_and_update_with_the_way_to_allow_it(two):
    thing = two.engine.create("pg:index:MigrationSet", two.declared(protect=True))
    two.remove("0002_view")
    two.remove("0001_table")
    for attempt in (two.engine.diff, two.engine.update):
        with pytest.raises(Refusal) as caught:
            attempt(thing, two.declared(protect=True))
        assert one_line(caught) == (
            "migration 0001_table: this environment protects its data and the rollback doesn't: 'loses every first.'; "
            "put its files back, or allow it once: "
            "`database:allow: [{what: 0001_table, reason: WHY, until: YYYY-MM-DD}]` in the stack's file, `up`, and "
            "take it out again"
        )
    assert two.recorded() == ["0001", "0002"], "refused before the first migration goes"
    updated = two.engine.update(thing, two.declared(protect=True, allow=["0001_table"]))
    assert two.recorded() == []
    assert two.engine.diff(two.refreshed(updated), two.declared(protect=True, allow=["0001_table"])) == []


def test_a_lossless_way_back_needs_nobody_s_leave(two):
    thing = two.engine.create("pg:index:MigrationSet", two.declared(protect=True))
    two.remove("0002_view")
    assert two.engine.diff(thing, two.declared(protect=True)) == ['steps["0002_view"]']
    two.engine.update(thing, two.declared(protect=True))
    assert two.recorded() == ["0001"]


LOSSY_HEADER = "no data survives: the table and its rows are dropped."


@pytest.mark.parametrize(
    ("header", "said"), [(LOSSY_HEADER, LOSSY_HEADER), ("loses nothing.", "drops table public.first")]
)
def test_no_wording_of_a_header_makes_a_lossy_way_back_lossless(folder, monkeypatch, header, said):
    """The second one was recorded before such a file was refused."""
    folder.write("0001_table", "create table public.first (id int);", "drop table public.first;", header)
    with monkeypatch.context() as before:
        before.setattr(sqldirectives, "refuse_untold_loss", lambda text: None)
        thing = folder.engine.create("pg:index:MigrationSet", folder.declared(protect=True))
    folder.remove("0001_table")
    with pytest.raises(Refusal, match=f"the rollback doesn't: '{said}'"):
        folder.engine.update(thing, folder.declared(protect=True))
    assert folder.tables() == ["first"]


def test_without_protection_anything_goes_back(two):
    thing = two.engine.create("pg:index:MigrationSet", two.declared())
    two.engine.delete(thing)
    assert two.tables() == []


def test_a_destroy_that_was_confirmed_goes_through(two, monkeypatch):
    thing = two.engine.create("pg:index:MigrationSet", two.declared(protect=True))
    two.world.sql("insert into public.first values (1)")
    with pytest.raises(Refusal, match="only a destroy of the stack does that"):
        two.engine.delete(thing)
    monkeypatch.setenv("VPB_DESTROY", "dev")
    two.engine.delete(thing)
    assert two.tables() == []
