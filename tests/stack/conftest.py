"""The one provisioned copy of the checkout that the tests of group "dev" share, in the order of their files."""

from collections.abc import Iterator

import pytest

from harness.checkout import Finished, Scratch


def succeeded(run: Finished) -> str:
    """What a run said that has to have worked."""
    assert run.status == 0, run.output[-3000:]
    return run.output


@pytest.fixture(scope="session")
def dev() -> Iterator[Scratch]:
    """Provisioned from nothing; each test leaves it as its settings declare."""
    with Scratch() as scratch:
        succeeded(scratch.up())
        yield scratch
