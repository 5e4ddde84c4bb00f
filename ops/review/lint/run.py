"""All findings of a set of migrations, in the files' order."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from declared import sqldirectives, sqlfiles, sqlgrammar
from declared.paths import CHECKOUT
from declared.sqltext import statements
from ops.review.lint import accessrules, code, endrules, indexuse, openrules, operationrules, rules, squawk
from ops.review.lint.accessrules import ACCESS_RULES
from ops.review.lint.endrules import Left
from ops.review.lint.exceptions import Exceptions, Rules
from ops.review.lint.indexuse import Use
from ops.review.lint.model import Change, Excepted, Finding, Outcome
from ops.review.lint.objects import Gone, Name, Routine
from ops.review.lint.operationrules import OPERATION_RULES
from ops.review.lint.rules import STATEMENT_RULES
from ops.review.lint.seen import Seen
from ops.review.lint.structure import Structure

if TYPE_CHECKING:
    from ops.migrations.job import Options

MODULES = (accessrules, endrules, openrules, operationrules, rules)
RULES = {indexuse.RULE}.union(*(module.NAMES for module in MODULES))
STATEMENTS = (*STATEMENT_RULES, *ACCESS_RULES, *OPERATION_RULES)
OF_FILE = (*endrules.FILE_RULES, *openrules.FILE_RULES)
OF_SET = (*endrules.SET_RULES, *openrules.SET_RULES)
# What neither changes an object nor gives anything; the rest is parsed.
QUIET = re.compile(r"(?:comment\s+on|revoke)\b", re.IGNORECASE)
UP = ".up.sql"
TABLES = {"CreateStmt", "CreateForeignTableStmt", "CreateTableAsStmt", "SelectStmt"}
DROPS = {"ban-drop-table", "ban-drop-function", "ban-drop-column"}
# Of the statement that ours have said more of.
REPEATED = {endrules.USED, endrules.LOST}
BEFORE = (sqlfiles.PLATFORM.folder, sqlfiles.MIGRATIONS.folder)


@dataclass
class File:
    """A migration's script."""

    path: Path
    text: str
    changes: list[Change]
    judged: list[Change]
    """Those that can be parsed, with the statements within them."""
    made: set[Name] = field(default_factory=set)
    """The tables that it makes."""
    spared: set[int] = field(default_factory=set)
    """The lines of drops that take nothing away that anybody uses."""

    @property
    def every(self) -> list[Change]:
        """Also those that can't be parsed."""
        unread = [change for change in self.changes if change.node is None]
        return sorted([*unread, *self.judged], key=lambda each: each.line)

    @property
    def is_up(self) -> bool:
        return self.path.name.endswith(UP)


def outcome_of(stack: str, url: str | None = None, options: "Options | None" = None) -> Outcome:
    """What is wrong with the pending migrations of a stack, and what they except.

    Args:
        url: another server than the stack's own.
        options: another folder of migrations, and its history.

    :raises UserError: for what stands in the way
    """
    # The driver of PostgreSQL, which files alone can do without.
    from ops.migrations import run
    from ops.review import address

    return outcome_on(stack, run.pending(stack, address.of(stack, url), options or run.options_of(stack)), url)


def outcome_on(stack: str, paths: Sequence[Path], url: str | None = None) -> Outcome:
    """`outcome` of some migrations, with the indexes that the server of a stack uses.

    :raises UserError: where it can't be asked
    """
    from ops.database import connect
    from ops.review import address

    if not paths:
        return Outcome([], [])
    with connect(address.url(stack, url), "vpb migrate lint") as connection:
        return outcome(paths, uses=indexuse.read(connection))


def findings(paths: Iterable[Path], apart: bool = False, uses: Mapping[Name, Use] | None = None) -> list[Finding]:
    """What is wrong with some migrations: `outcome` without the exceptions."""
    return outcome(paths, apart, uses).findings


def outcome(paths: Iterable[Path], apart: bool = False, uses: Mapping[Name, Use] | None = None) -> Outcome:
    """What is wrong with some migrations that run one after the other, and what they except.

    Args:
        paths: their scripts, in order.
        apart: whether each is judged alone: what the one before has made is in use by then.
        uses: the indexes that a server uses.

    :raises SqlFileError: for a file that can't be read
    :raises CommandError: where squawk fails
    """
    paths = [path.resolve() for path in paths]
    if not paths:
        return Outcome([], [])
    root = _root(paths[0])
    structure = Structure()
    before = _before(paths, root)
    for path in before:
        for change in _read(path).judged:
            list(structure.follow(change))
    files = [_read(path) for path in paths]
    is_first = not {path.parent for path in paths} & {path.parent for path in before}
    found = list(_ours(files, structure, root, apart, is_first))
    found += _of_squawk(files, structure, apart, {(each.file, each.line) for each in found if each.rule in REPEATED})
    found += indexuse.findings([change for file in files for change in file.judged], uses or {})
    return _outcome(files, found)


def _of_squawk(
    files: Sequence[File], structure: Structure, apart: bool, said: set[tuple[str, int]]
) -> Iterator[Finding]:
    """What squawk says, without what ours have said of the same statements."""
    every = {name for file in files for name in file.made}
    fresh = {each.path: each.made if apart else every for each in files}
    spared = {(sqlfiles.location(file.path), line) for file in files for line in file.spared}
    for each in squawk.found({file.path: file.every for file in files}, fresh, structure.is_partitioned):
        where = (each.file, each.line)
        if not (each.rule in squawk.MAY_BREAK and where in said) and not (each.rule in DROPS and where in spared):
            yield each


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
    judged = [each for change in changes if change.node is not None for each in code.within(change)]
    return File(path, text, changes, judged)


def _parsed(text: str) -> object:
    return None if QUIET.match(text) else sqlgrammar.parsed(text)


def _ours(files: Sequence[File], structure: Structure, root: Path, apart: bool, is_first: bool) -> Iterator[Finding]:
    made: set[Name] = set()
    own: set[int] = set()
    routines = {*structure.functions}
    for file in files:
        made, own = (set(), set()) if apart else (made, own)
        # Of the first migrations of all, each has been read as part of the whole.
        own |= {id(change) for change in file.judged}
        mine = {id(change) for change in file.judged} if is_first else own
        gone: list[Gone] = []
        there, before = {*structure.tables}, {*structure.functions}
        outside = sqldirectives.run_mode(file.text).kind == "outside"
        for change in file.judged:
            seen = Seen(change, structure, _among(made, file.made), outside, file.is_up, _of(mine))
            for rule in STATEMENTS:
                yield from rule(seen)
            gone += _followed(file, seen)
            if type(change.node).__name__ in TABLES:
                file.made |= {name for name, table in structure.tables.items() if table.made is change}
        # What the file itself has made, nobody has used; and a rollback takes away what its migration has brought.
        fresh = made | file.made
        used = [each for each in gone if file.is_up and _was_there(each, there, fresh)]
        made |= file.made
        left = Left(file.judged, used, structure, root, file.is_up, before)
        for end_rule in OF_FILE:
            yield from end_rule(left)
        if apart:
            yield from _of_set([file], structure, root, before)
    if not apart:
        yield from _of_set(files, structure, root, routines)


def _followed(file: File, seen: Seen) -> list[Gone]:
    """What a statement has taken away, but for what only its own session has."""
    temporary = seen.before.temporary
    gone = list(seen.before.follow(seen.change))
    stays = [each for each in gone if each.kind == "function" and seen.before.functions_named(each.name)]
    if gone and all(each.name in temporary or each in stays for each in gone):
        file.spared.add(seen.change.line)
    return [each for each in gone if each.name not in temporary]


def _was_there(gone: Gone, there: set[Name], fresh: set[Name]) -> bool:
    if gone.kind == "table":
        return gone.name in there
    return gone.kind != "column" or gone.name not in fresh or gone.name in there


def _among(made: set[Name], own: set[Name]) -> Callable[[Name], bool]:
    return lambda which: which in made or which in own


def _of(changes: set[int]) -> Callable[[Change], bool]:
    return lambda change: id(change) in changes


def _of_set(files: Sequence[File], structure: Structure, root: Path, before: set[Routine]) -> Iterator[Finding]:
    changes = [change for file in files for change in file.judged]
    is_up = all(file.is_up for file in files)
    for rule in OF_SET:
        yield from rule(Left(changes, (), structure, root, is_up, before))


def _outcome(files: Sequence[File], found: Iterable[Finding]) -> Outcome:
    known = Rules(RULES, squawk.ANSWERED, squawk.knows)
    by_file = {sqlfiles.location(file.path): Exceptions(file.text, file.changes, known) for file in files}
    order = {location: number for number, location in enumerate(by_file)}
    kept: list[Finding] = []
    excepted: list[Excepted] = []
    for each in dict.fromkeys(found):
        exception = by_file[each.file].excepted(each)
        if exception:
            excepted.append(exception)
        else:
            kept.append(each)
    kept += [wrong for exceptions in by_file.values() for wrong in exceptions.wrong]

    def place(each: Finding | Excepted) -> tuple[int, int, str]:
        return order[each.file], each.line, each.rule

    return Outcome(sorted(dict.fromkeys(kept), key=place), sorted(excepted, key=place))
