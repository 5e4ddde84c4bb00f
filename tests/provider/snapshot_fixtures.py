"""The databases that the tests of the snapshot run on, taken in by `pytest_plugins`."""

import pytest

from tests.provider.snapshots import Server


@pytest.fixture(scope="module")
def server(cluster):
    with Server(cluster) as made:
        yield made


@pytest.fixture
def large(server):
    yield from server.stack(50)


@pytest.fixture
def small(server):
    yield from server.stack(3)


@pytest.fixture
def plain(server):
    yield from server.stack(3, superuser=False)


ACCEPT = "pulumi config set database:acceptDrift "
