"""All findings of a set of migrations, in the files' order."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from declared import sqldirectives, sqlfiles, sqlgrammar
from declared.paths import CHECKOUT
from declared.sqltext import statements
from ops.review.lint import indexuse, rules, squawk
from ops.review.lint.endrules import FILE_RULES, KEY, OPEN, POLICIES, SET_RULES, USED, Left
from ops.review.lint.exceptions import Exceptions
from ops.review.lint.indexuse import Use
from ops.review.lint.model import Change, Finding
from ops.review.lint.rules import STATEMENT_RULES, Seen
from ops.review.lint.structure import MAKES, Gone, Name, Structure

if TYPE_CHECKING:
    from ops.migrations.job import Options

RULES = {
    *(USED, KEY, OPEN, POLICIES, rules.TYPE, rules.NOT_NULL, rules.REQUIRED, rules.DEFAULT, rules.DEFINER),
    *(rules.IMMUTABLE, rules.CONCURRENT, indexuse.RULE),
}
UP = ".up.sql"
TABLES = {"CreateStmt", "CreateForeignTableStmt", "CreateTableAsStmt"}
BEFORE = (sqlfiles.PLATFORM.folder, sqlfiles.MIGRATIONS.folder)


@dataclass
class File:
    """A migration's script."""

    path: Path
    text: str
    changes: list[Change]
    made: set[Name] = field(default_factory=set)
    """The tables that it makes."""


def of(stack: str, url: str | None = None, options: "Options | None" = None) -> list[Finding]:
    """What is wrong with the pending migrations of a stack.

    Args:
        url: another server than the stack's own.
        options: another folder of migrations, and its history.

    :raises UserError: for what stands in the way
    """
    # The driver of PostgreSQL, which files alone can do without.
    from ops.database import connect
    from ops.migrations import run
    from ops.review import address

    paths = run.pending(stack, address.of(stack, url), options or run.options_of(stack))
    if not paths:
        return []
    with connect(address.url(stack, url), "vpb migrate lint") as connection:
        return findings(paths, uses=indexuse.read(connection))


def findings(paths: Iterable[Path], apart: bool = False, uses: Mapping[Name, Use] | None = None) -> list[Finding]:
    """What is wrong with some migrations that run one after the other.

    Args:
        paths: their scripts, in order.
        apart: whether each is judged alone: what the one before has made is in use by then.
        uses: the indexes that a server uses.

    :raises SqlFileError: for a file that can't be read
    :raises CommandError: where squawk fails
    """
    paths = [path.resolve() for path in paths]
    if not paths:
        return []
    root = _root(paths[0])
    structure = Structure()
    for path in _before(paths, root):
        for change in _read(path).changes:
            list(structure.follow(change))
    files = [_read(path) for path in paths]
    found = list(_ours(files, structure, root, apart))
    every = {name for file in files for name in file.made}
    fresh = {each.path: each.made if apart else every for each in files}
    used = {(each.file, each.line) for each in found if each.rule == USED}
    said = squawk.found({each.path: each.changes for each in files}, fresh)
    found += [each for each in said if each.rule not in squawk.MAY_BREAK or (each.file, each.line) not in used]
    found += indexuse.findings([change for file in files for change in file.changes], uses or {})
    kept = _without_exceptions(files, found)
    order = {sqlfiles.location(path): number for number, path in enumerate(paths)}
    return sorted(dict.fromkeys(kept), key=lambda each: (order[each.file], each.line, each.rule))


def _root(path: Path) -> Path:
    """The checkout, or the folder of an adopted database, that a migration belongs to."""
    return path.parents[2] if path.parts[-3:-1] == ("sql", "migrations") else CHECKOUT


def _before(paths: Sequence[Path], root: Path) -> list[Path]:
    """The migrations that have run before some."""
    first = {path.parent: path.name for path in reversed(paths)}
    known = [root / folder for folder in BEFORE]
    last = max((number for number, folder in enumerate(known) if folder in first), default=len(known))
    folders = [*known[: last + 1], *(folder for folder in first if folder not in known)]
    return [
        path
        for folder in folders
        for path in _ups(folder)
        # A rollback has its own migration before it.
        if path not in paths and path.name < first.get(folder, "~").replace(".down.sql", UP + "+")
    ]


def _ups(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{UP}"))


def _read(path: Path) -> File:
    text = sqlfiles.read_text(path)
    changes = [Change(path, each.line, each.text, each.comment, _parsed(each.text)) for each in statements(text)]
    return File(path, text, changes)


def _parsed(text: str) -> object:
    return sqlgrammar.parsed(text) if MAKES.match(text) else None


def _ours(files: Sequence[File], structure: Structure, root: Path, apart: bool) -> Iterator[Finding]:
    made: set[Name] = set()
    for file in files:
        made = set() if apart else made
        gone: list[Gone] = []
        there, outside = {*structure.tables}, sqldirectives.run_mode(file.text).kind == "outside"
        for change in file.changes:
            if change.node is None:
                continue
            seen = Seen(change, structure, _among(made, file.made), outside)
            for rule in STATEMENT_RULES:
                yield from rule(seen)
            gone += structure.follow(change)
            if type(change.node).__name__ in TABLES:
                file.made |= {name for name, table in structure.tables.items() if table.made is change}
        made |= file.made
        # What the file itself has made, nobody has used; and a rollback takes away what its migration has brought.
        is_up = file.path.name.endswith(UP)
        used = [each for each in gone if is_up and (each.kind != "table" or each.name in there)]
        left = Left(file.changes, used, structure, root)
        for end_rule in FILE_RULES:
            yield from end_rule(left)
        if apart:
            yield from _of_set([file], structure, root)
    if not apart:
        yield from _of_set(files, structure, root)


def _among(made: set[Name], own: set[Name]) -> Callable[[Name], bool]:
    return lambda which: which in made or which in own


def _of_set(files: Sequence[File], structure: Structure, root: Path) -> Iterator[Finding]:
    changes = [change for file in files for change in file.changes if change.node is not None]
    for rule in SET_RULES:
        yield from rule(Left(changes, (), structure, root))


def _without_exceptions(files: Sequence[File], found: Iterable[Finding]) -> Iterator[Finding]:
    by_file: Mapping[str, Exceptions] = {
        sqlfiles.location(file.path): Exceptions(file.text, file.changes, RULES, squawk.ANSWERED) for file in files
    }
    for each in found:
        if not by_file[each.file].allows(each):
            yield each
    for exceptions in by_file.values():
        yield from exceptions.wrong


def numbered(folder: Path, names: Iterable[str]) -> list[Path]:
    """The up scripts of some migrations of a folder."""
    return [folder / f"{name}{UP}" for name in names]
