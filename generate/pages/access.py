"""The page of who may do what, from the declared matrix and the declared grants; tests hold both to the database."""

import re
from collections.abc import Sequence
from itertools import groupby

from declared.grants import TABLES
from declared.roles import ROLES
from declared.sqlaccess import COMMANDS, Guard, Line
from generate.pages.text import code, codes, link, page, section, table

ABOUT = (
    "From [sql/access.md](../../sql/access.md), where the signs are explained: `s`, `i`, `u`, `d` is allowed, `.` is "
    "kept by row security, `-` by a missing grant, and an empty cell has no such row. The relations from stranger to "
    "owner are those of a signed-in person to one shared project."
)
COLUMNS = (
    "A privilege to insert or update is one on columns, unless none is named: then it is on all. Generated columns can "
    "be written by nobody."
)


def made(lines: Sequence[Line], guards: Sequence[Guard]) -> str:
    """The matrix group by group, who the roles are, the columns that each may write, and those that no person may."""
    groups = [section(group, _matrix(list(members))) for group, members in groupby(lines, key=lambda line: line.group)]
    return page(
        "Who may do what",
        "[All tables](README.md) · [Functions](functions.md) · [Query patterns](queries.md)",
        ABOUT,
        *groups,
        section("Roles", table(("role", "is"), [(code(name), spec.comment) for name, spec in ROLES.items()])),
        section("Columns that may be written", f"{COLUMNS}\n\n{_columns()}"),
        section("Columns that no person writes", _guards(guards)),
    )


def _matrix(lines: Sequence[Line]) -> str:
    rows = [
        (link(line.table), line.rows, *("" if set(cell) == {"_"} else code(cell) for cell in line.cells.values()))
        for line in lines
    ]
    return table(("table", "rows", *lines[0].cells), rows)


def _columns() -> str:
    rows = []
    for name, grants in TABLES.items():
        for role, entries in grants.items():
            insert, update = (_of(entries, command) for command in ("insert", "update"))
            if insert or update:
                rows.append((link(name), code(role), insert, update))
    return table(("table", "role", "insert", "update"), rows)


def _guards(guards: Sequence[Guard]) -> str:
    rows = [(link(each.table), codes(each.columns), ", ".join(each.commands), each.because) for each in guards]
    return table(("table", "columns", "by", "because"), rows)


def _of(entries: Sequence[str], command: str) -> str:
    for entry in entries:
        match = re.fullmatch(rf"{command}(?:\((.*)\))?", entry)
        if match:
            return codes(column.strip() for column in match[1].split(",")) if match[1] else "all"
    return ""


def of_table(lines: Sequence[Line]) -> str:
    """In words, for the page of one table: to which rows who may do what; nothing where there is nobody to ask."""
    rows = [(line.rows, *(_who(line, command) for command in COMMANDS)) for line in lines]
    return table(("rows", *COMMANDS), rows)


def _who(line: Line, command: str) -> str:
    asked = {cell[COMMANDS.index(command)] for cell in line.cells.values()} != {"_"}
    return ", ".join(line.allowed(command)) or ("nobody" if asked else "")
