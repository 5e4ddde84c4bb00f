"""A row policy more in the file of its table, which lets nobody do anything until its expression is written."""

import re
from pathlib import Path

from declared import sqlfiles
from declared.sqlfiles import RowPolicy
from ops.errors import CommandError
from ops.new import positions
from ops.new.files import FileChanges
from ops.new.table import GRANTS

FOLDER = sqlfiles.POLICY_FOLDER
TABLE = re.compile(r"(?:(?P<schema>[a-z_][a-z0-9_]*)\.)?(?P<name>[a-z_][a-z0-9_]*)")
WHO = re.compile(r"[a-z][a-z_]{0,30}")
HEADER = "-- {table}: nobody reaches a row but by the policies below.\n"
POLICY = """
-- Nobody yet: say here who does what to which rows, and write the condition in the place of false.
create policy {name} on {table}
    for {command} to {role}
{clauses};
"""
# What each command asks: of the rows that are there, of the rows as they become.
CLAUSES = {
    "select": ("using",),
    "insert": ("with check",),
    "update": ("using", "with check"),
    "delete": ("using",),
}


def plan(root: Path, table: str, command: str, role: str, who: str) -> tuple[FileChanges, str]:
    """A policy for one command and one role, which says `false`; the policy's name beside the change.

    Args:
        who: the last word of its name, such as own, member or public.

    :raises CommandError: for a table that there isn't, a bad or taken name, and a second policy for the same role and
        command, of which both would be run for each row
    """
    full = _table(root, table)
    if not WHO.fullmatch(who):
        raise CommandError(f"--who is {who!r}; it has a-z and _, a letter first, such as own, member or public")
    name = f"{full.partition('.')[2]}_{command}_{who}"
    _refuse_taken(sqlfiles.row_policies(root / FOLDER), full, name, command, role)
    clauses = "\n".join(f"    {clause} (false)" for clause in CLAUSES[command])
    text = POLICY.format(name=name, table=full, command=command, role=role, clauses=clauses)
    change, path = FileChanges(root), f"{FOLDER}/{full}.sql"
    if (root / path).exists():
        change.edit(path, change.text(path).rstrip("\n") + "\n" + text)
    else:
        change.make(path, HEADER.format(table=full) + text)
    return change, name


def _table(root: Path, table: str) -> str:
    """The table with its schema, `public` where none is said."""
    match = TABLE.fullmatch(table)
    if not match:
        raise CommandError(f"{table!r} is no name of a table; write schema.table, such as public.projects")
    full = f"{match['schema'] or 'public'}.{match['name']}"
    known = positions.keys(GRANTS, FileChanges(root).text(GRANTS), "TABLES")
    if full not in known:
        raise CommandError(
            f"there is no table {full} in {GRANTS}; write its line there first, or let `./vpb new table` do it; "
            f"row policies of an adopted database are written in its folder, in {FOLDER}/{full}.sql"
        )
    return full


def _refuse_taken(policies: list[RowPolicy], table: str, name: str, command: str, role: str) -> None:
    for policy in policies:
        if policy.name == name:
            raise CommandError(f"{policy.location}: there is a policy {name} already; edit it, or say another --who")
        same = policy.table == table and policy.kind == "permissive" and policy.command in (command, "all")
        if same and role in policy.roles:
            raise CommandError(
                f"{policy.location}: {policy.name} is for {role} and {policy.command} already; edit it, since of two "
                "both are run for each row"
            )
