"""A new table: its migration, row policies, grants, lines of the access matrix and a test, by whose its rows are."""

import re
from pathlib import Path

from declared import sqlfiles, sqlgrammar
from declared.sqlaccess import COMMANDS
from declared.sqltext import statements
from ops.errors import CommandError
from ops.new import migration, positions, templates
from ops.new.files import FileChanges
from ops.new.templates import Owner

# PostgreSQL cuts names after 63 bytes, and an index has the table's name and 29 letters more.
LONGEST = 30
NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{LONGEST - 2}}}[a-z0-9]")
LONGEST_ABOUT = 70
GRANTS, ACCESS = "declared/grants.py", "sql/access.md"
MATRIX, MUTANTS = "tests/sql/matrix.py", "tests/sql/equivalent_mutants.toml"
PERSONAL = re.compile(r"create\s+(?:or\s+replace\s+)?function\s+private\.personal_columns\(\)")
GUARDED = "Never by a person"


def plan(root: Path, name: str, owner: str, about: str | None) -> FileChanges:
    """All that a new table in schema `public` needs.

    Args:
        owner: whose its rows are, a key of `templates.OWNERS`.
        about: what they are, in a few words.

    :raises CommandError: for a bad or taken name, and where the position of a line isn't found
    """
    what = templates.OWNERS[owner]
    change = FileChanges(root)
    _check(change, name, about)
    up, down = _scripts(change, name, what, about or what.about)
    migration.plan(change, name, up, down)
    change.make(f"{sqlfiles.POLICY_FOLDER}/public.{name}.sql", _named(what.policies, name))
    change.make(f"tests/sql/test_public_{name}.py", _named(what.test, name))
    _grant(change, name, what)
    _say_access(change, name, what)
    _try(change, name, what)
    change.format()
    return change


def _named(text: str, name: str) -> str:
    return text.replace("NAME", name)


def _check(change: FileChanges, name: str, about: str | None) -> None:
    if not NAME.fullmatch(name):
        raise CommandError(
            f"{name!r} is no name of a table; it has a-z, 0-9 and _, a letter first, no _ at the end, 2 to {LONGEST} "
            "characters, such as notes"
        )
    if sqlgrammar.parsed(f"select {name}.id from {name} as {name}") is None:
        raise CommandError(f"{name!r} is a word of SQL's own, which would need quotes; choose another name")
    if f"public.{name}" in positions.keys(GRANTS, change.text(GRANTS), "TABLES"):
        raise CommandError(f"public.{name}: there is such a table already, see {GRANTS}; choose another name")
    if about is not None and not (about.isprintable() and 1 <= len(about.strip()) <= LONGEST_ABOUT):
        raise CommandError(f"--about is one line of 1 to {LONGEST_ABOUT} characters, such as 'labels of projects'")


def _scripts(change: FileChanges, name: str, what: Owner, about: str) -> tuple[str, str]:
    """The up and the down script. Departures and exports are given each column with somebody's id."""
    column, key, index = what.column.split("|") if what.column else ("", "", "")
    about = about.strip().rstrip(".")
    comment = (about[0].upper() + about[1:]).replace("'", "''")
    owned = f"comment on column public.NAME.{what.column.split()[0]} is '{what.comment}';\n" if what.column else ""
    parts = {"LOCK": what.lock, "COLUMN": column, "KEY": key, "INDEX": index, "OWNED": owned}
    up, down = templates.UP + what.triggers, templates.DOWN
    for mark, text in parts.items():
        up = up.replace(mark, text)
    down = down.replace("LOCK", what.lock.replace("share row exclusive", ", and", 1) if what.column else "")
    up, down = _named(up, name), _named(down, name)
    if what.personal:
        before, after = _personal(change.root, _named(what.personal, name))
        up += f"\n-- What becomes of it when a person leaves, and that it is exported.\n{after};\n"
        down += f"\n{before};\n"
    words = {"ABOUT": about, "COMMENT": comment}
    # At once: what a person has written may have such a word in it.
    return re.sub("ABOUT|COMMENT", lambda mark: words[mark[0]], up), down


def _personal(root: Path, line: str) -> tuple[str, str]:
    """The function that says where people's ids are, as the last migration made it, and with a line more."""
    for step in reversed(sqlfiles.steps(root / migration.FOLDER)):
        for each in statements(step.up) if PERSONAL.search(step.up) else ():
            if not PERSONAL.match(each.text):
                continue
            before = PERSONAL.sub("create or replace function private.personal_columns()", each.text, count=1)
            rows, end, rest = before.rpartition("\n$$")
            if not rows.endswith(")"):
                path = f"{migration.FOLDER}/{step.name}.up.sql"
                raise positions.PositionNotFoundError(path, each.line, "the last line of private.personal_columns()")
            return before, f"{rows},\n    {line}{end}{rest}"
    raise positions.PositionNotFoundError(migration.FOLDER, 1, "the function private.personal_columns()")


def _grant(change: FileChanges, name: str, what: Owner) -> None:
    entry = f'    "public.{name}": {{\n        {what.grants}\n        "service_role": EVERYTHING,\n    }},'
    change.edit(GRANTS, positions.in_dict(GRANTS, change.text(GRANTS), "TABLES", entry, after="public."))


def _say_access(change: FileChanges, name: str, what: Owner) -> None:
    text = change.text(ACCESS)
    if f"## {what.section}" not in text.split("\n") and not what.column:
        text = _new_section(text, what.section)
    head = positions.head(ACCESS, text, what.section, "rows")
    rows = [_row(head, f"public.{name}", which, may) for which, may, _ in what.rows]
    text = positions.in_table(ACCESS, text, what.section, "rows", rows)
    guards = [f"| public.{name} | {columns} | {commands} | {because} |" for columns, commands, because in what.guards]
    change.edit(ACCESS, positions.in_table(ACCESS, text, GUARDED, "columns", guards))


def _new_section(text: str, section: str) -> str:
    """The text with a section of its own for tables that are the servers', with the head that the others have."""
    head = positions.head(ACCESS, text, "Projects", "rows")
    table = f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n"
    before, found, rest = text.partition(f"\n## {GUARDED}\n")
    if not found:
        raise positions.PositionNotFoundError(ACCESS, 1, f"the section `## {GUARDED}`")
    return f"{before}\n## {section}\n\n{table}{found}{rest}"


def _row(head: list[str], table: str, which: str, may: dict[str, str]) -> str:
    cells = [may.get(who, may.get("others", templates.CLOSED)) for who in head[2:]]
    assert all(len(cell) in (0, len(COMMANDS)) for cell in cells)
    return f"| {table} | {which} |" + "".join(f" `{cell}` |" if cell else " |" for cell in cells)


def _try(change: FileChanges, name: str, what: Owner) -> None:
    """What the tests of the access matrix need to try each line."""
    text = change.text(MATRIX)
    for which, _, tried in what.rows:
        entry = f'    ("public.{name}", "{which}"): {_named(tried, name)},'
        text = positions.in_dict(MATRIX, text, "STATEMENTS", entry)
    for constant, statement in what.world:
        text = positions.in_string(MATRIX, text, constant, f";\n{_named(statement, name)}")
    for constant, entry in what.entries:
        text = positions.in_dict(MATRIX, text, constant, f'    "public.{name}": [{_named(entry, name)}],')
    change.edit(MATRIX, text)
    if what.mutants:
        change.edit(MUTANTS, change.text(MUTANTS).rstrip("\n") + "\n" + _named(what.mutants, name))
