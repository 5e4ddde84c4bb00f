"""Where the embedded server's files are, and what is refused before a second cluster is made beside them."""

import os
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


def test_a_large_log_is_begun_again_while_the_server_appends_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LARGEST_LOG", 1000)
    log = tmp_path / "server.log"
    with log.open("ab", buffering=0) as server:
        for size, kept in ((900, None), (200, 1100), (100, 1100)):
            server.write(b"x" * size)
            postgres._rotate_log(log)
            assert os.path.getsize(f"{log}.1") == kept if kept else not os.path.exists(f"{log}.1")
        assert log.stat().st_size == 100
    postgres._rotate_log(tmp_path / "none")
