"""Every shell block of the pages, as written, in a bare shell on a provisioned copy of the checkout."""

import filecmp
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from declared.paths import CHECKOUT
from harness import scratch as servers
from harness.checkout import MARK, Scratch

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("documented")]

PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "sql/README.md", *sorted(map(str, Path("docs").glob("*.md")))]
BLOCK = re.compile(r"^```sh\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
# What of a page another test runs, or nothing can: page and the beginning of a line to the reason.
ELSEWHERE = {
    ("README.md", "make test"): "this very suite",
    ("CONTRIBUTING.md", "make"): "what CI runs, and parts of this suite",
    ("docs/backup.md", ""): "tests/sql/test_restore.py",
    ("docs/departures.md", "./vpb people departures --apply"): "tests/sql/test_departures.py",
    ("docs/objects.md", "./vpb scan --watch"): "doesn't end; tests/objects/test_scan_command.py",
    ("docs/storage-cleanup.md", "./vpb storage release"): "tests/objects/test_restoring.py",
    ("docs/storage-cleanup.md", "./vpb storage restore"): "tests/objects/test_restoring.py",
    ("docs/storage.md", "docker"): "no image can be had in a test; tests/objects/test_storage_api_requests.py",
    ("docs/storage.md", "VPB_STORAGE_API"): "needs a built checkout of the Storage API",
}
# What finds something ends with 2.
FINDS = re.compile(r"\b(drift|audit|preview|status|scan)\b")
FOLDERS = ("sql", "tests", "declared", "Pulumi.yaml", "Pulumi.dev.yaml")


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    commands: tuple[str, ...]


def blocks() -> list[Block]:
    """The blocks of all pages with the commands that are to be run here."""
    found = []
    for page in PAGES:
        text = (CHECKOUT / page).read_text()
        for match in BLOCK.finditer(text):
            lines = [line.strip() for line in match["text"].replace("\\\n", " ").splitlines() if line.strip()]
            kept = tuple(line for line in lines if not _elsewhere(page, line))
            if kept:
                found.append(Block(page, text.count("\n", 0, match.start()) + 1, kept))
    return found


def _elsewhere(page: str, line: str) -> bool:
    return any(page == of and line.startswith(start) for of, start in ELSEWHERE)


@pytest.fixture(scope="module")
def copy() -> Iterator[Scratch]:
    with Scratch() as scratch, servers.server() as server:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("create database app")
        (scratch.folder / "url.txt").write_text(server.url("app"))
        (scratch.folder / "report.sql").write_text("select count(*) from public.projects")
        assert scratch.up().status == 0
        yield scratch


def _run(copy: Scratch, command: str) -> subprocess.CompletedProcess[str]:
    """In a shell that has nothing of this project's environment."""
    kept = {"PATH", "HOME", "LANG", "TMPDIR", "VPB_DATA", "XDG_CACHE_HOME"}
    variables = {name: value for name, value in copy.environment.items() if name in kept or name == MARK}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", command.replace("/var/lib/clamav", ".local")],
        cwd=copy.folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def _as_before(copy: Scratch) -> None:
    """Take away what a block has made."""
    folder = copy.folder
    if (folder / "Pulumi.own.yaml").exists():
        done = _run(copy, "./vpb down --stack own --confirm own")
        assert done.returncode == 0 or "there is no stack own" in done.stderr, done.stderr
        (folder / "Pulumi.own.yaml").unlink()
    for top in FOLDERS:
        files = [folder / top] if (folder / top).is_file() else (folder / top).rglob("*")
        for path in [path for path in files if path.is_file() and "__pycache__" not in path.parts]:
            original = CHECKOUT / path.relative_to(folder)
            if not original.exists():
                path.unlink()
            elif not filecmp.cmp(path, original, shallow=False):
                shutil.copy2(original, path)


@pytest.mark.parametrize("block", blocks(), ids=lambda block: f"{block.page}:{block.line}")
def test_a_block_runs_as_written(copy, block):
    try:
        for command in block.commands:
            done = _run(copy, command)
            allowed = (0, 2) if FINDS.search(command) else (0,)
            said = done.stdout + done.stderr
            assert done.returncode in allowed, f"{block.page}:{block.line}: {command}\n{said[-2000:]}"
            assert "Traceback" not in said
    finally:
        _as_before(copy)


def test_what_isn_t_run_here_is_on_the_pages_and_its_tests_exist():
    lines = {
        (page, line.strip())
        for page in PAGES
        for match in BLOCK.finditer((CHECKOUT / page).read_text())
        for line in match["text"].splitlines()
    }
    unused = [key for key in ELSEWHERE if not any(key[0] == page and line.startswith(key[1]) for page, line in lines)]
    assert unused == []
    named = [name for reason in ELSEWHERE.values() for name in re.findall(r"tests/[\w/]+\.py", reason)]
    assert [name for name in named if not (CHECKOUT / name).exists()] == []
    assert len(blocks()) > 15
