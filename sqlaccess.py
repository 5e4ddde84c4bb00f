"""The access matrix of `sql/access.md`: who may do what with which rows of which table, as people read it."""

import re
from dataclasses import dataclass
from pathlib import Path

from sqlfiles import CHECKOUT, SqlFileError, place

PATH = CHECKOUT / "sql" / "access.md"
COMMANDS = ("select", "insert", "update", "delete")
NOWHERE = "____"
CELL = re.compile(r"`?([s._-][i._-][u._-][d._-])`?")
RULE = re.compile(r"\|(-+\|)+")


@dataclass(frozen=True)
class Line:
    """Some rows of a table, and what each of those who ask may do with them: a letter or sign for each command."""

    group: str
    table: str
    rows: str
    cells: dict[str, str]
    place: str

    def allowed(self, command: str) -> list[str]:
        """Who may do this."""
        return [who for who, cell in self.cells.items() if cell[COMMANDS.index(command)] == command[0]]


def matrix(path: Path = PATH) -> list[Line]:
    """Every line, in the file's order.

    :raises SqlFileError: for a line that isn't as long as its head, a cell that can't be read, a line twice
    """
    found: list[Line] = []
    group, head = "", list[str]()
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        where = place(path, number)
        if text.startswith("## "):
            group, head = text[3:], []
        elif text.startswith("|") and not head:
            head = _fields(text)
        elif text.startswith("|") and not RULE.fullmatch(text):
            line = _line(group, head, _fields(text), where)
            if any((line.table, line.rows) == (each.table, each.rows) for each in found):
                raise SqlFileError(f"{where}: {line.table}, {line.rows}, is there already")
            found.append(line)
    return found


def _fields(text: str) -> list[str]:
    return [field.strip() for field in text.strip().strip("|").split("|")]


def _line(group: str, head: list[str], fields: list[str], where: str) -> Line:
    if len(fields) != len(head):
        raise SqlFileError(f"{where}: {len(fields)} fields, where the table's head has {len(head)}")
    cells = {}
    for who, text in zip(head[2:], fields[2:], strict=True):
        match = CELL.fullmatch(text or NOWHERE)
        if not match:
            raise SqlFileError(
                f"{where}: {who} has {text}; a cell is four signs for select, insert, update, delete: "
                "its letter, or one of `.`, `-`, `_`"
            )
        cells[who] = match[1]
    return Line(group, fields[0], fields[1], cells, where)
