"""The access matrix of `sql/access.md`: who may do what with which rows of which table, as people read it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from declared.paths import CHECKOUT
from declared.sqlfiles import SqlFileError, location, read_text

PATH = CHECKOUT / "sql" / "access.md"
COMMANDS = ("select", "insert", "update", "delete")
NOWHERE = "____"
CELL = re.compile(r"`?([s._-][i._-][uU._-][dD._-])`?")
RULE = re.compile(r"\|(-+\|)+")
# What the second field of a head says: what its lines are.
ROWS, COLUMNS = "rows", "columns"


@dataclass(frozen=True)
class Line:
    """Some rows of a table, and what each of those who ask may do with them: a letter or sign for each command."""

    group: str
    table: str
    rows: str
    cells: dict[str, str]
    location: str

    def allowed(self, command: str) -> list[str]:
        """Who may do this."""
        return [who for who, cell in self.cells.items() if cell[COMMANDS.index(command)] == command[0]]


@dataclass(frozen=True)
class Guard:
    """Columns that no person writes, whatever else they may."""

    table: str
    columns: tuple[str, ...]
    commands: tuple[str, ...]
    because: str


def matrix(path: Path = PATH) -> list[Line]:
    """Every line of rows, in the file's order.

    :raises SqlFileError: for a line that isn't as long as its head, a cell that can't be read, a line twice
    """
    found: list[Line] = []
    for group, head, fields, where in _lines(path, ROWS):
        if any((each.table, each.rows) == (fields[0], fields[1]) for each in found):
            raise SqlFileError(f"{where}: {fields[0]}, {fields[1]}, is there already")
        found.append(Line(group, fields[0], fields[1], _cells(head[2:], fields[2:], where), where))
    return found


def guards(path: Path = PATH) -> list[Guard]:
    """Every line of columns, in the file's order.

    :raises SqlFileError: for a line that isn't as long as its head, or another command than insert and update
    """
    found = []
    for _, _, (table, columns, commands, because), where in _lines(path, COLUMNS):
        guard = Guard(table, _words(columns), _words(commands), because)
        if not set(guard.commands) <= {"insert", "update"}:
            raise SqlFileError(f"{where}: a column is kept from insert, update or both, not from {commands}")
        found.append(guard)
    return found


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


def _lines(path: Path, kind: str) -> Iterator[tuple[str, list[str], list[str], str]]:
    """Group, head, fields and location of each line of the tables of a kind."""
    group, head = "", list[str]()
    for number, text in enumerate(read_text(path).splitlines(), start=1):
        where = location(path, number)
        if text.startswith("## "):
            group, head = text[3:], []
        elif text.startswith("|") and not head:
            head = _fields(text)
        elif text.startswith("|") and not RULE.fullmatch(text) and head[1:2] == [kind]:
            fields = _fields(text)
            if len(fields) != len(head):
                raise SqlFileError(f"{where}: {len(fields)} fields, where the table's head has {len(head)}")
            yield group, head, fields, where


def _fields(text: str) -> list[str]:
    return [field.strip() for field in text.strip().strip("|").split("|")]


def _cells(head: list[str], fields: list[str], where: str) -> dict[str, str]:
    cells = {}
    for who, text in zip(head, fields, strict=True):
        match = CELL.fullmatch(text or NOWHERE)
        if not match:
            raise SqlFileError(
                f"{where}: {who} has {text}; a cell is four signs for select, insert, update, delete: "
                "its letter, or one of `.`, `-`, `_`, `U`, `D`"
            )
        cells[who] = match[1]
    return cells
