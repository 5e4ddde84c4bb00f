"""The provisioned copies of the checkout that tests share in the order of their files, by group: dev, documented."""

from collections.abc import Iterator

import psycopg
import pytest

from harness import scratch as servers
from harness.checkout import Finished, Scratch
from tests.stack import pages

# The command of README that makes the environment of the pages.
MADE = "make up"
# What `./vpb up` does after its preview, for a run whose preview shows nothing of its own.
UP_ALONE = ("up", "--yes", "--skip-preview", "--non-interactive")


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


@pytest.fixture(scope="session")
def documented() -> Iterator[Scratch]:
    """Provisioned for the commands of the pages, with the files that they name and an empty server beside it."""
    with Scratch() as scratch, servers.server() as server:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("create database app")
        (scratch.folder / "url.txt").write_text(server.url("app"))
        (scratch.folder / "report.sql").write_text("select count(*) from public.projects")
        pages.run(scratch, MADE)
        yield scratch
