"""Scratch databases, provisioned by the program's own declarations: for tests, generated files and benchmarks."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from harness import runfolders
from harness.stack import Declaration, DeclaredResource, Stack, declaration
from local import postgres
from provider.steps.history import IDENTITY

PREFIX, SERVER = "visual-prompt-builder-scratch-", "server"
PLATFORM_STEPS = "structure-platform"
# What puts rows into tables rather than making objects.
ROWS = frozenset({"pg:index:Bucket", "pg:index:SealingKeys"})


class ProvisioningFailed(Exception):
    """A resource couldn't be made; one line names it."""


@contextmanager
def server() -> Iterator[postgres.RunningServer]:
    """A server of its own with nothing on it, gone afterwards."""
    with runfolders.own(PREFIX, end=_ended) as folder:
        # Another account runs a server that root starts.
        folder.chmod(0o755)
        yield postgres.ensure(folder / SERVER, postgres.wheel_binaries(), {"fsync": "off"})


def sweep() -> None:
    """End and remove what killed runs have left here."""
    runfolders.sweep(PREFIX, tempfile.gettempdir(), _ended)


def _ended(folder: Path) -> None:
    postgres.remove(folder / SERVER, postgres.wheel_binaries())


def complete(url: str) -> Stack:
    """The database of `url` as `up` leaves it, except for rows of buckets and sealing keys.

    :raises ProvisioningFailed: with the first resource that couldn't be made
    """
    return _up(Stack(url, without(_declared(url), *ROWS)))


def frame(url: str) -> Stack:
    """What stands before the first migration: roles, schemas, extensions and privileges on them.

    :raises ProvisioningFailed: with the first resource that couldn't be made
    """
    declared = _declared(url)
    return _up(Stack(url, {name: declared[name] for name in declared if name in declared[PLATFORM_STEPS].waits_for}))


def go_on(stack: Stack, url: str) -> Stack:
    """A clone of a framed database, made complete.

    :raises ProvisioningFailed: with the first resource that couldn't be made
    """
    clone = stack.moved(url, identity(stack.url), identity(url))
    clone.declared = without(_declared(url), *ROWS)
    return _up(clone)


def identity(url: str) -> str:
    """Which database it is, as the state has it."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute(IDENTITY.encode()).fetchone()
    assert found
    return str(found[0])


def without(declared: Declaration, *types: str) -> dict[str, DeclaredResource]:
    """The declaration without the resources of some types."""
    return {name: each for name, each in declared.items() if each.token not in types}


def only(declared: Declaration, *types: str) -> dict[str, DeclaredResource]:
    """The resources of some types alone."""
    return {name: each for name, each in declared.items() if each.token in types}


def _declared(url: str) -> dict[str, DeclaredResource]:
    with psycopg.connect(url) as connection:
        return declaration(connection.info.dbname)


def _up(stack: Stack) -> Stack:
    run = stack.up()
    if run.errors:
        name, message = next(iter(run.errors.items()))
        raise ProvisioningFailed(f"{name}: {message}")
    return stack
