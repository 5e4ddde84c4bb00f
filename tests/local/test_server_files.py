"""Where the embedded server's files are, and what is refused before a second cluster is made beside them."""

from pathlib import Path

import pytest

from declared.folders import write_private
from local import postgres
from local.paths import data_folder


def test_a_server_whose_files_are_elsewhere_gets_no_second_cluster(tmp_path: Path) -> None:
    """As root with another `VPB_DATA` than before, or with a copy of somebody's `.local`."""
    elsewhere = tmp_path / "elsewhere" / "postgres"
    elsewhere.mkdir(parents=True)
    folder = tmp_path / "dev"
    folder.mkdir()
    write_private(folder / "server.json", {"port": 1, "password": "x", "data": str(elsewhere)})
    with pytest.raises(postgres.ServerError, match=f"^PostgreSQL's files of .* are in {elsewhere}, and there are none"):
        postgres.ensure(folder)
    assert not (data_folder(folder) / "postgres").exists()
    assert not (data_folder(folder) / "postgres.partial").exists()
