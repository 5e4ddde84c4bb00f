"""A few of the rounds of `make faults` on physical backups and WAL."""

from pathlib import Path
from random import Random

import pytest

from harness import scratch
from tests.faults import backups

pytestmark = pytest.mark.xdist_group("physical")


def test_no_fault_in_a_backup_or_its_wal_is_taken_for_good(tmp_path: Path):
    with scratch.server() as started:
        world = backups.World(started, tmp_path)
        for id in world.ids:
            assert world.verified(world.place, id) == [], "it is whole"
        assert world.drilled(world.place, world.ids[0]) == []
        found = backups.rounds(world, 7, Random(4), each=3)
    assert [each for each in found if each.problems] == []
    assert {each.fault for each in found} == {*backups.DAMAGES, *backups.KILLS}
