"""A checkout to write into: the files that `./vpb new` reads and writes, in a folder of the test's own."""

import shutil
from pathlib import Path

import pytest

from declared import paths

READ = ("declared/grants.py", "sql", "tests/sql", "Pulumi.yaml", "Pulumi.dev.yaml", "pyproject.toml")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, which is the checkout of every command in this test."""
    for name in READ:
        source, copy = paths.CHECKOUT / name, tmp_path / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy)
    monkeypatch.setattr(paths, "CHECKOUT", tmp_path)
    return tmp_path
