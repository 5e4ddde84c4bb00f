"""The rules that are about what a file or a whole set of migrations leaves, each a function."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.review import ways
from ops.review.lint.model import Change, Finding
from ops.review.lint.objects import Gone, Name, Routine, Table, name
from ops.review.lint.structure import Structure
from ops.review.lint.uses import User, users

USED, KEY, LOST = "used-by-the-app", "foreign-key-without-index", "values-lost"
MOST_NAMED = 3


@dataclass(frozen=True)
class Left:
    """What some statements leave."""

    changes: Sequence[Change]
    gone: Sequence[Gone]
    """What was there before them, and is dropped or renamed."""
    after: Structure
    root: Path
    """The checkout."""
    is_up: bool = True
    """Whether they aren't a rollback."""
    before: Collection[Routine] = ()
    """The functions that there were before them."""


def used_by_the_app(left: Left) -> Iterator[Finding]:
    """What is dropped or renamed under the app that runs makes its statements fail until the new one is deployed.

    What is there again at the end of the file doesn't count: a table made again, a view in its old name.
    """
    gone = [each for each in left.gone if not _is_back(each, left.after)]
    found = list(users(left.after, left.root)) if gone else []
    for each in gone:
        if by := [user.what for user in found if _uses(user, each, left.after)]:
            yield each.change.finding(
                USED, "error", f"{_said(each)}, which {_few(by)} {'uses' if len(by) == 1 else 'use'}", _way(each)
            )


def _is_back(gone: Gone, after: Structure) -> bool:
    if gone.kind == "function":
        return False
    if gone.column is None:
        return after.relation(gone.name)
    table = after.tables.get(gone.name)
    # Of a table that has gone too, the table is the finding; a view in its name is taken to have its columns.
    return table is None or gone.column in table.columns


def _uses(user: User, gone: Gone, after: Structure) -> bool:
    if gone.new and user.follows_names:
        return False
    if gone.column:
        return user.uses_column(gone.name, gone.column, after)
    if gone.kind == "function":
        return user.uses_function(gone, [each.arguments for each in after.functions_named(gone.name)])
    return user.uses_relation(gone.name)


def _said(gone: Gone) -> str:
    what = f"column {gone.column} of {'.'.join(gone.name)}" if gone.column else f"{gone.kind} {'.'.join(gone.name)}"
    return f"renames {what} to {gone.new}" if gone.new else f"drops {what}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def _way(gone: Gone) -> str:
    if not gone.new:
        return ways.LATER
    if gone.column:
        return ways.RENAMED
    return ways.BESIDE if gone.kind == "function" else ways.VIEW


def values_lost(left: Left) -> Iterator[Finding]:
    """What is dropped and made again has its name, but none of its rows or values."""
    for each in left.gone if left.is_up else ():
        if each.new or each.kind not in ("table", "column") or not _is_made_again(each, left):
            continue
        yield each.change.finding(
            LOST,
            "error",
            f"{_said(each)} and makes it again: its {'values' if each.column else 'rows'} are gone",
            "alter what is there, or make it beside the old one, copy in batches, and drop the old one in a later "
            "migration",
        )


def _is_made_again(gone: Gone, left: Left) -> bool:
    """Whether something new has the name: what was renamed to it brings its own values."""
    table = left.after.tables.get(gone.name)
    if gone.column is None:
        return table is not None and not any(each.new == ".".join(gone.name) for each in left.gone)
    renamed = any((each.name, each.new) == (gone.name, gone.column) for each in left.gone)
    return table is not None and gone.column in table.columns and not renamed


def foreign_key_without_index(left: Left) -> Iterator[Finding]:
    """Without an index, each delete and each change of the key reads the whole table that refers to it."""
    for change in left.changes:
        for which, columns, line in _foreign_keys(change):
            table = left.after.tables.get(which)
            if table is None or table.is_partition or _begins(table, columns):
                continue
            listed = ", ".join(columns)
            yield change.finding(
                KEY,
                "warning",
                f"no index of {'.'.join(which)} begins with {listed}: a delete in the table that it refers to reads "
                "all of this one for each row",
                f"`create index concurrently {which[1]}_{'_'.join(columns)}_idx on {'.'.join(which)} ({listed})` in a "
                "migration outside a transaction; on a new table a plain one",
                line,
            )


def _begins(table: Table, columns: tuple[str, ...]) -> bool:
    return any({*index[: len(columns)]} == {*columns} for index in table.indexes.values())


def _foreign_keys(change: Change) -> Iterator[tuple[Name, tuple[str, ...], int]]:
    """Table, columns and line of each foreign key that a statement makes."""
    node = change.node
    kind = type(node).__name__
    if kind == "CreateStmt":
        elements: Iterable[Any] = node.tableElts or ()
    elif kind == "AlterTableStmt":
        wanted = ("AT_AddColumn", "AT_AddConstraint")
        elements = [command.def_ for command in node.cmds if command.subtype.name in wanted]
    else:
        return
    for each in elements:
        own = (each.colname,) if hasattr(each, "colname") else ()
        for constraint in (each.constraints or ()) if own else (each,):
            if hasattr(constraint, "contype") and constraint.contype.name == "CONSTR_FOREIGN":
                columns = tuple(part.sval for part in constraint.fk_attrs or ()) or own
                yield name(node.relation), columns, _line(change, constraint)


def _line(change: Change, node: Any) -> int:
    location = getattr(node, "location", None) or 0
    # Bytes, as PostgreSQL counts.
    return change.line + change.text.encode()[:location].count(b"\n")


FILE_RULES = (used_by_the_app, values_lost)
SET_RULES = (foreign_key_without_index,)
NAMES = {USED, KEY, LOST}
