"""A short run of `make faults FAULTS=--fast`: kills of the migration runner, forward and back, without the engine.

What is checked after each kill is in tests/faults/killworld.py: effects exactly once, history, owners, notes, the
snapshot.
"""

from collections.abc import Iterator
from random import Random

import pytest

from tests.faults.kills import VICTIMS, Rounds
from tests.faults.killworld import MANUAL, KillWorld

pytestmark = pytest.mark.xdist_group("kills")
TRIES = 5


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    world = KillWorld(tmp_path_factory.mktemp("kills") / "world")
    rounds = Rounds(world, Random(13))
    yield rounds
    rounds.close()
    world.remove()


WRONG = (
    ("insert into watch.ledger values ('0006_more', 'up')", "0006_more ran up 2 and down 0 times"),
    ("update public.items set visits = 2 where id = 7", "visits, filled, rows: [(1, True, 1999), (2, True, 1)]"),
    ("drop index public.items_id_idx", "0004 indexes: ['items_body_idx'], wanted ['items_body_idx', 'items_id_idx']"),
    (
        "insert into supabase_migrations.schema_migrations_progress values ('0004', 'down', 'x', false)",
        "notes of statements are left: [('0004', 'down')]",
    ),
    ("insert into supabase_migrations.schema_snapshot_pending values ('x', '')", "pending in the snapshot: x"),
    (
        "update supabase_migrations.schema_migrations_incarnation set id = 'x'",
        "the state has another incarnation than the database",
    ),
    *((change, f"not as in the snapshot: {name}") for change, _, name in MANUAL),
)


def test_the_checks_tell_of_what_ran_twice_or_not_at_all_and_of_what_is_left(tmp_path):
    world = KillWorld(tmp_path / "world")
    try:
        assert world.bring(6).error == ""
        assert world.problems() == []
        for statement, _ in WRONG:
            world.sql(statement)
        found = world.problems()
    finally:
        world.remove()
    for _, told in WRONG:
        assert any(line.startswith(told) for line in found), (told, found)


@pytest.mark.parametrize("victim", VICTIMS)
def test_after_a_kill_at_a_random_moment_the_next_run_has_everything_exactly_once(rounds, victim):
    for _ in range(TRIES):
        result = rounds.round(victim)
        assert result.problems == [], result.moment
        if not result.late:
            return
    pytest.fail("every run had ended before the kill")
