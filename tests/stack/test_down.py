"""The end of the shared environment: last of its group, by its file's name."""

import pytest

from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]


def test_down_leaves_no_process_and_no_data(dev):
    data = dev.data
    assert data.exists()
    succeeded(dev.down())
    assert not data.exists()
    left = [path.name for path in (dev.folder / ".local").glob("*")]
    # A backup outlives its environment.
    assert left in ([], ["backups"])
    assert dev.processes() == []
