"""A short run of `make faults`: what a crash in the middle leaves, and what the next `up` makes of it.

The checks after each fault are those of tests/faults/world.py: histories, effects, rows, objects, strays, an empty
preview.
"""

from collections.abc import Iterator
from random import Random

import pytest

from harness.checkout import Run, Scratch
from tests.faults import kinds as kinds
from tests.faults import rounds as faults
from tests.faults.losses import LOSSES
from tests.faults.world import World

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("faults")]

LOST = {fault.name: fault for fault in LOSSES}


class InTheStep(Random):
    """Chooses the moment 0.45 s after the slow migration began."""

    def random(self) -> float:
        return 0.3


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Scratch() as scratch:
        # What is under way is told at once, so that a fault can meet it.
        scratch.environment["VPB_VERBOSE"] = "1"
        world = World(scratch)
        world.begin()
        world.provision()
        yield world


def survives(world: World, make: kinds.Make, start: str, random: Random) -> kinds.Seen:
    """One round, as `make faults` runs it; another one where a busy machine let the fault come too late."""
    seen: list[kinds.Seen] = []

    def watched(world: World, random: Random, run: Run | None) -> kinds.Seen:
        seen.append(make(world, random, run))
        return seen[-1]

    for _ in range(3):
        result = faults.round_of(world, kinds.Fault("in a test", watched), start, random)
        assert result.problems == []
        if not seen[-1].late:
            return seen[-1]
    pytest.fail("the run had ended before the fault came")


def test_an_engine_killed_in_the_middle_of_a_step_costs_nothing_and_the_step_runs_once(world: World):
    """The server and what runs the steps are killed in tests/provider/test_kills.py."""
    seen = survives(world, kinds.killed(kinds.engine), "pending", InTheStep())
    assert seen.runs[0].status == 1


def test_the_checks_tell_of_a_lost_row_a_lost_object_and_a_step_that_ran_twice(world):
    """On what the round before has left: a second `up` would show no more."""
    step = next(name for name in world.steps if name.endswith("_step"))
    world.scratch.sql(f"insert into ops.fault_ledger values ('{step}')")
    world.people.add("somebody")
    world.objects.add("something")
    there = len(world.people), len(world.objects)
    try:
        problems = world.problems()
    finally:
        world.people.discard("somebody")
        world.objects.discard("something")
        world.scratch.sql("delete from ops.fault_ledger where ctid = (select max(ctid) from ops.fault_ledger)")
    assert len(problems) == 3
    assert problems[0].startswith("effects of migrations")
    assert problems[1:] == [
        f"1 of {there[0]} people or their projects are lost",
        f"1 of {there[1]} objects are lost",
    ]


def test_of_two_ups_at_once_one_does_it_and_the_other_says_so(world):
    survives(world, kinds.two_ups, "drifted", Random(1))


def test_a_password_changed_manually_is_reported_before_anything_runs_and_a_lost_passphrase_costs_nothing(world):
    def both(world: World, random: Random, run: Run | None) -> kinds.Seen:
        seen = kinds.wrong_password(world, random, run)
        LOST["passphrase lost"].make(world, random, run)
        return seen

    seen = survives(world, both, "settled", InTheStep())
    assert len(seen.runs[0].output.splitlines()) == 1


def test_a_lost_state_costs_no_row_and_no_manual_step(world):
    survives(world, LOST["state lost"].make, "settled", InTheStep())
