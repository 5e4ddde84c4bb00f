"""Templates on this machine, and the stacks that were cloned from one: files and notes, without a word of Pulumi's.

A template is the folder of a stopped server, `.local/templates/STACK/MOMENT`. It counts from when its note is there, so
that a killed copy leaves none. A stack's folder has a note that it was cloned; what has none is never removed.
"""

import fcntl
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import psycopg

from declared import folders, naming
from declared.errors import UserError
from declared.paths import CHECKOUT
from local import clones, postgres, services
from local.paths import data_folder
from local.postgres import RunningServer

NOTE, LOCK, ORIGIN = "branch.json", "branch.lock", "origin"
TEMPLATES = "templates"
# Nobody needs what is in it after a crash before it is finished, and little of its WAL is copied with it.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "min_wal_size": "32MB"}
SETTINGS |= {"max_wal_size": "256MB", "wal_recycle": "off"}


class NoTemplateError(UserError):
    """There is no template of a stack; the text is one line."""


@dataclass(frozen=True)
class Template:
    """A stopped server with masked rows."""

    source: str
    """The stack that the rows are of."""
    taken_at: str
    """The instant of the rows."""
    rows: int
    migrations: int
    """How many of the source's are in it."""
    made_at: str
    folder: Path


@dataclass(frozen=True)
class Branch:
    """A stack that was cloned from a template."""

    stack: str
    source: str
    taken_at: str
    made_at: str
    complete: bool = False
    """Whether the clone was finished: a killed one leaves what can't be used."""


class Making:
    """A template under way, with its server."""

    def __init__(self, source: str, folder: Path, server: RunningServer) -> None:
        self.source, self.folder, self.server = source, folder, server

    @property
    def url(self) -> str:
        return self.server.url()

    def finish(self, taken_at: datetime, rows: int, migrations: int) -> Template:
        """Stop the server; from here on it is the newest template of its stack, and the others go."""
        with psycopg.connect(self.url, autocommit=True) as session:
            session.execute("checkpoint")
        clones.finish(self.folder)
        made = Template(self.source, _text(taken_at), rows, migrations, _text(datetime.now(UTC)), self.folder)
        folders.write_private(self.folder / NOTE, {k: v for k, v in asdict(made).items() if k != "folder"})
        for other in self.folder.parent.iterdir():
            if other != self.folder:
                remove_template(other)
        return made


@contextmanager
def making(source: str) -> Iterator[Making]:
    """A server of its own for a template; what isn't finished is gone afterwards."""
    place = _templates() / naming.stack(source)
    _private(place)
    folder = place / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    with _held(folder, fcntl.LOCK_EX):
        try:
            _note_origin(folder)
            yield Making(source, folder, postgres.ensure(folder, settings=SETTINGS))
        finally:
            if not (folder / NOTE).exists():
                _removed(folder)


def templates() -> list[Template]:
    """Those that are complete, the newest of each stack."""
    found = {}
    for note in sorted(_templates().glob(f"*/*/{NOTE}")):
        if content := folders.read_private(note, *(each.name for each in fields(Template) if each.name != "folder")):
            found[content["source"]] = Template(**content, folder=note.parent)
    return [found[source] for source in sorted(found)]


def template(source: str) -> Template:
    """The template of a stack.

    :raises NoTemplateError: where there is none
    """
    found = {each.source: each for each in templates()}
    if source not in found:
        there = ", ".join(found) or "none"
        raise NoTemplateError(
            f"there is no template of stack {source}; there are: {there}; `./vpb branch template --from {source}` "
            "makes one"
        )
    return found[source]


def clone(of: Template, stack: str, statements: Sequence[str]) -> Branch:
    """Make the server of a stack from a template; it doesn't run yet.

    Args:
        statements: run there before anybody can connect.

    :raises UserError: where a server of the stack is there, or the template has gone meanwhile
    """
    folder = folders.stack_folder(stack)
    folders.make_private(folder)
    branch = Branch(stack, of.source, of.taken_at, _text(datetime.now(UTC)))
    if not of.folder.exists():
        raise NoTemplateError(f"template of {of.source}: another one took its place meanwhile; run it again")
    with _held(folder, fcntl.LOCK_EX), _held(of.folder, fcntl.LOCK_SH):
        folders.write_private(folder / NOTE, asdict(branch))
        _note_origin(folder)
        clones.clone(of.folder, folder, statements)
        done = Branch(**{**asdict(branch), "complete": True})
        folders.write_private(folder / NOTE, asdict(done))
    return done


def branches() -> list[Branch]:
    """The stacks that were cloned, complete or not."""
    found = (folders.read_private(path, "stack") for path in sorted((CHECKOUT / ".local").glob(f"*/{NOTE}")))
    return [Branch(**each) for each in found if each and each.keys() == {one.name for one in fields(Branch)}]


def branch(stack: str) -> Branch | None:
    """The note of a stack; None for one that wasn't cloned."""
    return next((each for each in branches() if each.stack == stack), None)


def being_made(stack: str) -> bool:
    """Whether a clone is under way."""
    return _is_held(folders.stack_folder(stack))


def unfinished() -> list[Path]:
    """Folders of templates that were begun, aren't finished, and nobody is at."""
    return [
        path
        for path in sorted(_templates().glob("*/*"))
        if path.is_dir() and not (path / NOTE).exists() and not _is_held(path)
    ]


def orphans() -> list[Path]:
    """Data of clones and templates whose folders were deleted from under them: where another account runs servers."""
    here = CHECKOUT / ".local"
    found = []
    for note in data_folder(here).parent.glob(f"visual-prompt-builder-*/{ORIGIN}"):
        with suppress(OSError, UnicodeDecodeError):
            of = Path(note.read_text())
            if of.is_relative_to(here) and data_folder(of) == note.parent and not of.exists():
                found.append(of)
    return sorted(found)


def remove_template(folder: Path) -> bool:
    """Remove the folder of a template, or what is left of one; whether nobody was at it."""
    with suppress(BlockingIOError), _held(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
        _removed(folder)
        return True
    return False


def remove_orphan(folder: Path) -> None:
    """End the server of a folder that is gone, and remove its data."""
    if folder.parent.name == ".local":
        services.remove(folder.name)
        return
    folder.mkdir(parents=True)
    _removed(folder)


def size(folder: Path) -> int:
    """Bytes of a server's data."""
    return sum(path.stat().st_size for path in (data_folder(folder) / "postgres").rglob("*") if path.is_file())


def _removed(folder: Path) -> None:
    postgres.remove(folder)
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()
        folder.parent.parent.rmdir()


def _note_origin(folder: Path) -> None:
    """Beside data that lies elsewhere: whose it is."""
    place = data_folder(folder)
    if place != folder:
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        (place / ORIGIN).write_text(str(folder))


def _templates() -> Path:
    return CHECKOUT / ".local" / TEMPLATES


def _private(folder: Path) -> None:
    folders.make_private(folder.parent)
    folders.make_private(folder)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


@contextmanager
def _held(folder: Path, kind: int) -> Iterator[IO[Any]]:
    """The lock of a folder; it ends with its process, however that ends."""
    with (folder / LOCK).open("a+") as lock:
        fcntl.flock(lock, kind)
        yield lock


def _is_held(folder: Path) -> bool:
    try:
        with (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
