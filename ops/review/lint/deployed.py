"""The query patterns of the app that runs, as git's main branch has them: a change may have rewritten its own."""

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from declared import sqlqueries
from declared.sqlfiles import SqlFileError
from declared.sqlqueries import Query

BRANCHES = ("origin/main", "main")
FOLDER = "sql/queries"


def queries(root: Path) -> tuple[str, list[Query]]:
    """The branch, and its query patterns; none where git has no such branch, or the branch no such folder."""
    for branch in BRANCHES:
        if archive := _git(root, "archive", "--format=tar", branch, FOLDER):
            return branch, _read(archive)
    return "", []


def _read(archive: bytes) -> list[Query]:
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar.getmembers():
            if content := tar.extractfile(member):
                Path(folder, Path(member.name).name).write_bytes(content.read())
        # Of another form than this checkout reads.
        with suppress(SqlFileError):
            return sqlqueries.queries(Path(folder))
    return []


def _git(root: Path, *words: str) -> bytes:
    command: Sequence[str] = ["git", "-C", str(root), *words]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return b""
    return b"" if done.returncode else done.stdout
