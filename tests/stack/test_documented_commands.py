"""Every shell block of the pages, as written, in a bare shell on a provisioned copy of the checkout."""

import filecmp
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from declared import connectionurl
from declared.paths import CHECKOUT
from harness.checkout import Scratch
from tests.stack import pages
from tests.stack.conftest import MADE

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("documented")]

CLIENTS = ["clients/python/README.md", "clients/typescript/README.md"]
PAGES = [
    *("README.md", "CONTRIBUTING.md", "SECURITY.md", "sql/README.md", *CLIENTS),
    *sorted(str(page.relative_to(CHECKOUT)) for page in (CHECKOUT / "docs").glob("*.md")),
]
# tests/stack/test_documented_recipes.py runs it, from top to bottom.
PAGES.remove("docs/cookbook.md")
ADOPTION = "docs/adoption.md"
# What of a page another test runs, or nothing can: page and the beginning of a line to the reason.
ELSEWHERE = {
    ("README.md", "make test"): "this very suite",
    ("CONTRIBUTING.md", "make"): "what CI runs, and parts of this suite",
    **{(page, ""): "tests/objects/test_clients_readme.py" for page in CLIENTS},
    (ADOPTION, ""): "run from top to bottom, below",
    ("docs/first-steps.md", ""): "tests/stack/test_dev_api.py",
    ("docs/backups.md", ""): "tests/sql/test_restore.py",
    ("docs/departures.md", "./vpb people departures --apply"): "tests/sql/test_departures.py",
    ("docs/objects.md", "./vpb scan --watch"): "doesn't end; tests/objects/test_scan_command.py",
    ("docs/storage-cleanup.md", "./vpb storage release"): "tests/objects/test_restoring.py",
    ("docs/storage-cleanup.md", "./vpb storage restore"): "tests/objects/test_restoring.py",
    ("docs/storage.md", "docker"): "no image can be had in a test; tests/objects/test_storage_api_requests.py",
    ("docs/storage.md", "VPB_STORAGE_API"): "needs a built checkout of the Storage API",
}
SAYS = {"make preview": "stack dev: up to date, nothing to do ("}
TARGET = re.compile(r"make [a-z]+ *(#|$)")
FOLDERS = ("sql", "tests", "declared", "Pulumi.yaml", "Pulumi.dev.yaml")


@dataclass(frozen=True)
class Documented:
    page: str
    line: int
    commands: tuple[str, ...]


def commands() -> list[Documented]:
    """The shell blocks of all pages, with the commands that are to be run here."""
    found, run = [], {MADE}
    for page, block in shells():
        kept = tuple(command for command in block.commands if not _elsewhere(page, command))
        # Once is enough for what has nothing but a target of `make`.
        kept = tuple(command for command in kept if TARGET.match(command) is None or _words(command) not in run)
        run |= {_words(command) for command in kept}
        if kept:
            found.append(Documented(page, block.line, kept))
    return found


def shells() -> Iterator[tuple[str, pages.Block]]:
    for page in PAGES:
        yield from ((page, block) for block in pages.blocks((CHECKOUT / page).read_text()) if block.kind == "sh")


def _words(command: str) -> str:
    return command.partition("#")[0].strip()


def _elsewhere(page: str, line: str) -> bool:
    return any(page == of and line.startswith(start) for of, start in ELSEWHERE)


def _as_before(copy: Scratch) -> None:
    """Take away what a block has made."""
    folder = copy.folder
    if (folder / "Pulumi.own.yaml").exists():
        done = pages.shell(copy, "./vpb down --stack own --confirm own")
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


@pytest.mark.parametrize("block", commands(), ids=lambda block: f"{block.page}:{block.line}")
def test_a_block_runs_as_written(documented, block):
    try:
        for command in block.commands:
            said = pages.run(documented, command)
            assert SAYS.get(_words(command), "") in said, said
    finally:
        _as_before(documented)


LIVE = """
create table public.shops (id bigint primary key, name text not null);
alter table public.shops enable row level security;
create policy shops_open on public.shops for select using (true);
insert into public.shops values (1, 'first');
"""


def test_the_page_of_adoption_runs_from_top_to_bottom(documented):
    url = connectionurl.parse((documented.folder / "url.txt").read_text())
    with psycopg.connect(connectionurl.compose(url), autocommit=True) as connection:
        connection.execute("create database live")
    live = connectionurl.compose({**url, "dbname": "live"})
    with psycopg.connect(live, autocommit=True) as connection:
        connection.execute(LIVE.encode())
    said = ""
    try:
        for page, block in shells():
            for command in block.commands if page == ADOPTION else ():
                adopts = " ./vpb adopt " in command
                said = pages.run(
                    documented, command.replace("postgresql://…", live) + ("  # status 2" if adopts else "")
                )
                assert "preview" not in command or "up to date, nothing to do" in said
    finally:
        pages.shell(documented, "./vpb down --stack shop --confirm shop; ./vpb down --stack shop-dev; rm -rf adopted")
        for stack in ("shop", "shop-dev"):
            (documented.folder / f"Pulumi.{stack}.yaml").unlink(missing_ok=True)
    with psycopg.connect(live, autocommit=True) as connection:
        assert connection.execute("select name from public.shops").fetchall() == [("first",)]
    assert "stack shop-dev: " in said


def test_what_isn_t_run_here_is_on_the_pages_and_its_tests_exist():
    lines = {(page, line.strip()) for page, block in shells() for line in block.text.splitlines()}
    unused = [key for key in ELSEWHERE if not any(key[0] == page and line.startswith(key[1]) for page, line in lines)]
    assert unused == []
    named = [name for reason in ELSEWHERE.values() for name in re.findall(r"tests/[\w/]+\.py", reason)]
    assert [name for name in named if not (CHECKOUT / name).exists()] == []
    assert len(commands()) > 12
