"""No manual change is swallowed: some rounds of `python -m tests.manualchanges`, and that these would notice."""

from collections.abc import Iterator

import pytest

from harness.stack import Stack
from provider.resources.snapshot import SchemaSnapshot
from tests.manualchanges import changes, rounds
from tests.manualchanges.rounds import Round, Tally, World
from tests.manualchanges.work import NONE

# A server of their own, since roles are changed too; provisioned once.
pytestmark = pytest.mark.xdist_group("manualchanges")
ROUNDS = 3
HOLE = "body true"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with rounds.world() as made:
        yield made


def _hole(world: World) -> changes.Change:
    """A policy's helper that lets everybody in."""
    template = next(each for each in changes.TEMPLATES if each.name == HOLE)
    return changes.make(template, world.subjects.rows(template)[0], "stray")


def _round(world: World, tally: Tally) -> Round:
    """A round with nothing pending."""
    return next(found for seed in range(100) if (found := Round(world, f"fixed/{seed}", tally)).pending() is NONE)


def test_what_maintenance_makes_and_drops_is_no_manual_change(world):
    stack = world.clone(NONE)
    with world.connected() as connection:
        made = connection.execute("select ops.make_partitions(9)").fetchall()
        gone = connection.execute("select ops.retire_partitions(interval '1 month', interval '24 months')").fetchall()
        connection.execute("call ops.keep_partitions(11, '1 month')")
        assert made[0][0]
        assert gone
        connection.execute("select ops.forget_expired(); select ops.refresh_summaries(); analyze")
    assert stack.preview().text == []
    assert stack.up().changes == {}


def test_a_trigger_of_any_form_is_as_it_should_be_on_months_made_before_and_after_it(world):
    stack = world.clone(NONE)
    table = "analytics.user_activity"
    states = {"always": "enable always", "off": "disable", "replica": "enable replica", "plain": "enable"}
    with world.connected() as connection:
        for name, state in states.items():
            for level in ("row", "statement"):
                connection.execute(
                    f"create trigger {name}_{level} after delete on {table} for each {level} "
                    f"execute function private.tg__append_only(); alter table {table} {state} trigger {name}_{level}"
                )
        connection.execute(
            f"insert into {table} (created_at, user_id, action) values (now() + '6 months', gen_random_uuid(), 'a')"
        )
        for months in (5, 7):
            connection.execute("call ops.keep_partitions(%s, '1 month')", (months,))
    named = {name for name in stack.preview().text if "partition" in name}
    assert named == set()
    with world.connected() as connection:
        connection.execute(f"alter table {table}_default disable trigger always_row")
    assert [line for line in stack.preview().text if f"partition {table}_default" in line and "always_row" in line]


def test_a_second_run_finds_nothing_and_down_leaves_nothing(world):
    stack = world.clone(NONE)
    assert (stack.preview().changes, stack.up().changes) == ({}, {})
    run = stack.down()
    # The template has the same roles, and they can't go before it.
    assert {each.token for each in stack.state.values()} == {"pg:index:Role"}
    assert run.errors.keys() == stack.state.keys()
    with world.connected() as connection:
        query = "select nspname from pg_namespace where nspname in ('public', 'private', 'supabase_migrations')"
        found = {name for (name,) in connection.execute(query).fetchall()}
    assert found == {"public", "supabase_migrations"}, "who holds the roles is still noted"


def test_no_change_is_swallowed_whatever_is_pending(world):
    tally = Tally()
    for number in range(ROUNDS):
        Round(world, f"suite/{number}", tally).play()
    assert tally.wrong == []
    assert tally.pairs.total() >= 2 * ROUNDS, "most changes were possible"
    assert tally.results["refused"]


def test_a_change_that_a_run_takes_for_its_own_is_reported(world, monkeypatch):
    tally = Tally()
    round = _round(world, tally)
    monkeypatch.setattr(SchemaSnapshot, "_refuse", lambda *_: None)
    assert not round.play([_hole(world)])
    assert [text for text in tally.wrong if "SWALLOWED" in text and _hole(world).object in text]


def test_a_change_that_nobody_looks_for_is_reported(world, monkeypatch):
    tally = Tally()
    round = _round(world, tally)
    made = world.clone

    def blind(work: object) -> Stack:
        stack = made(work)
        hidden = ("SchemaSnapshot", "SchemaCheckpoint")
        stack.declared = {name: each for name, each in stack.declared.items() if not each.token.endswith(hidden)}
        stack.state = {name: each for name, each in stack.state.items() if name in stack.declared}
        return stack

    world.reference(NONE)
    monkeypatch.setattr(world, "clone", blind)
    assert not round.play([_hole(world)])
    assert [("preview doesn't name" in text, "SWALLOWED" in text) for text in tally.wrong[:2]] == [
        (True, False),
        (False, True),
    ]
