"""The rules that are about what a file or a whole set of migrations leaves, each a function."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from declared import sqlfiles
from ops.review import ways
from ops.review.lint.model import Change, Finding
from ops.review.lint.rules import DEFINER
from ops.review.lint.structure import Gone, Name, Structure, Table, name
from ops.review.lint.uses import User, users

USED, KEY = "used-by-the-app", "foreign-key-without-index"
OPEN, POLICIES = "table-without-row-security", "table-without-policies"
MOST_NAMED = 3


@dataclass(frozen=True)
class Left:
    """What some statements leave."""

    changes: Sequence[Change]
    gone: Sequence[Gone]
    after: Structure
    root: Path
    """The checkout."""


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
        return gone.name in after.functions
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
    return user.uses_function(gone.name) if gone.kind == "function" else user.uses_relation(gone.name)


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


def definer_without_search_path(left: Left) -> Iterator[Finding]:
    """A function with its owner's privileges looks names up where its caller says, unless it has a path of its own."""
    mine = {id(change) for change in left.changes}
    for which, function in left.after.functions.items():
        if id(function.changed) in mine and function.is_definer and not function.has_search_path:
            yield function.changed.finding(
                DEFINER,
                "error",
                f"function {'.'.join(which)} has its owner's privileges and its caller's search path: a caller puts an "
                "object of his own in the place of one that it names",
                "add `set search_path = ''` and name every object with its schema",
            )


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


def table_without_row_security(left: Left) -> Iterator[Finding]:
    """A role that has a privilege on a table without row security has it on every row."""
    for which, table in _made(left):
        if not table.row_security:
            yield _change(table).finding(
                OPEN,
                "error",
                f"table {'.'.join(which)} has no row level security",
                "`alter table … enable row level security, force row level security` in the same migration",
            )


def table_without_policies(left: Left) -> Iterator[Finding]:
    """Without a row policy nobody but the owner reaches a row, and nobody has said that this is meant."""
    for which, table in _made(left):
        file = f"{sqlfiles.POLICY_FOLDER}/{'.'.join(which)}.sql"
        if not table.policies and not (left.root / file).exists():
            yield _change(table).finding(
                POLICIES,
                "error",
                f"table {'.'.join(which)} has no row policies",
                f"write {file}; `./vpb new policy` begins it",
            )


def _made(left: Left) -> Iterator[tuple[Name, Table]]:
    mine = {id(change) for change in left.changes}
    for which, table in left.after.tables.items():
        if id(table.made) in mine and not table.is_partition and not table.is_temporary:
            yield which, table


def _change(table: Table) -> Change:
    assert table.made is not None
    return table.made


FILE_RULES = (used_by_the_app, definer_without_search_path)
SET_RULES = (foreign_key_without_index, table_without_row_security, table_without_policies)
