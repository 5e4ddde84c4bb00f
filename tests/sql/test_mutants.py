"""A share of `make mutants`: all that is noticed at once; that the rest can't be noticed takes longer to try."""

from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest

from tests.sql import matrix, mutants
from tests.sql.provision import Connection


@pytest.fixture(scope="module")
def world(shared: Connection) -> Iterator[Connection]:
    with shared.transaction(force_rollback=True):
        matrix.populate(shared)
        yield shared


@pytest.mark.parametrize("kind", ["expression", "condition", "function", "role", "grant", "column"])
def test_each_guard_that_is_taken_away_is_noticed(world: Connection, kind: str) -> None:
    tried = [mutant for mutant in mutants.all_of(world) if mutant.kind == kind and not mutants.reason(mutant)]
    assert [mutant.name for mutant in tried if not mutants.noticed(world, mutant)] == []


def test_each_kind_of_guard_has_its_mutants_and_each_name_of_an_equivalent_one_is_of_some(world: Connection) -> None:
    found = mutants.all_of(world)
    kinds = Counter(mutant.kind for mutant in found)
    assert kinds.keys() == {"expression", "condition", "function", "role", "grant", "column"}
    assert min(kinds.values()) > 30, kinds
    assert [name for name in mutants.reasons() if not any(fnmatchcase(mutant.name, name) for mutant in found)] == []
