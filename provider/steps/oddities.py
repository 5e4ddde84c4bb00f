"""A history that isn't as we and the Supabase CLI write it: refused in one line, before anything is done by it."""

import re
from collections.abc import Iterable, Mapping, Set
from typing import Any

from provider.errors import Refused

KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "c": "a type",
    "i": "an index",
}
VERSION = re.compile(r"[0-9]+")
NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
LONG = 40


def refuse_other_kind(table: str, kind: str) -> None:
    """The history's name is taken by something that holds no rows of its own."""
    if kind in KINDS:
        raise Refused(
            f"{table} is {KINDS[kind]}, not a table, so which steps were applied isn't known; rename it, and put the "
            "table back under its name"
        )


def refuse_missing_columns(table: str, columns: Set[str], rows: bool) -> None:
    """Rows that don't say which step they are; a table without rows only lacks columns, which are added."""
    missing = sorted({"version", "name"} - columns)
    if missing and rows:
        raise Refused(
            f"{table} has rows and no column {' and '.join(missing)}, so which steps were applied isn't known; put it "
            f"back: `alter table {table} add column {missing[0]} text`, and fill it"
        )


def steps(table: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The rows by the names of their steps.

    :raises Refused: for a row that names no step
    """
    found: dict[str, Mapping[str, Any]] = {}
    versions: set[str] = set()
    for row in rows:
        version, name = row["version"], row["name"]
        if not isinstance(version, str) or not VERSION.fullmatch(version):
            raise Refused(
                f"{table} has a row whose version is {_shown(version)} and not a number as text such as 0001; correct "
                "or delete it"
            )
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise Refused(
                f"{table}: the row of version {version} has {_shown(name)} for a name, so its step isn't known; "
                f"`update {table} set name = 'WORDS' where version = '{version}'` with the words of its file's name, "
                "or delete it"
            )
        if version in versions:
            raise Refused(f"{table} has two rows of version {version}; delete the one that is wrong")
        versions.add(version)
        found[f"{version}_{name}"] = row
    return found


def not_utf8(table: str) -> Refused:
    """A database without an encoding (SQL_ASCII) keeps any bytes."""
    return Refused(f"{table} has a row that isn't UTF-8; correct or delete it")


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = "".join(character if character.isprintable() else "�" for character in str(value))
    return f"'{text[:LONG]}{'…' if len(text) > LONG else ''}'"
