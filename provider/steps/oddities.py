"""A history that isn't as we and the Supabase CLI write it: refused in one line, before anything is done by it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
# Of the number of a migration of ours.
DIGITS = 4


def refuse_other_kind(table: str, kind: str) -> None:
    """The history's name is taken by something that holds no rows of its own."""
    if kind in KINDS:
        raise Refused(
            f"{table} is {KINDS[kind]}, not a table, so which migrations were applied isn't known; rename it, and put "
            "the table back under its name"
        )


@dataclass(frozen=True)
class Shape:
    """What a table has to be like for us to read it and to write to it."""

    columns: Mapping[str, str]
    """Column to type."""
    key: str = ""
    """The columns whose values are there once, with commas; empty where there is no key."""
    added: frozenset[str] = frozenset()
    """The columns that are added where they are missing."""


def refuse_other_shape(table: str, shape: Shape, found: Mapping[str, Any]) -> None:
    """Refuse a table that has the name of one of ours and can't be used as such.

    Args:
        found: its `columns` with their types, the columns that must be given a value (`demanded`), its unique `keys`.
    """
    alter = f"`alter table {table}"
    for name, type in shape.columns.items():
        there = found["columns"].get(name)
        if there is None and name not in shape.added:
            raise Refused(f"{table} has no column {name}; put it back: {alter} add column {name} {type}`, and fill it")
        if there not in (None, type, type.replace("text", "character varying")):
            raise Refused(
                f"{table}: its column {name} is {there} and not {type}; give it that type: {alter} alter column {name} "
                f"type {type} using {name}::{type}`"
            )
    for name in sorted({*(found["demanded"] or ())} - shape.columns.keys()):
        raise Refused(
            f"{table}: its column {name} isn't one of ours and must have a value, so no row can be added; {alter} "
            f"alter column {name} drop not null`"
        )
    if shape.key and shape.key not in found["keys"]:
        raise Refused(
            f"{table} has no unique key on {shape.key}; delete rows that are there twice, and put it back: {alter} "
            f"add unique ({shape.key})`"
        )


def refuse_unnamed(table: str, rows: bool) -> None:
    """Rows that don't say which migration they are; to a table without rows the column is added."""
    if rows:
        raise Refused(
            f"{table} has rows and no column name, so which migrations were applied isn't known; put it back: "
            f"`alter table {table} add column name text`, and fill it"
        )


def is_of_another_tool(row: Mapping[str, Any]) -> bool:
    """Whether a row is of a migration that isn't ours: without a checksum, and numbered otherwise, as by a time."""
    version = row["version"]
    ours = not isinstance(version, str) or not VERSION.fullmatch(version) or len(version) == DIGITS
    return row["checksum"] is None and not ours


def steps(table: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The rows by the names of their migrations.

    :raises Refused: for a row that names no migration
    """
    found: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        version, name = row["version"], row["name"]
        if not isinstance(version, str) or not VERSION.fullmatch(version):
            raise Refused(
                f"{table} has a row whose version is {_shown(version)} and not a number as text such as 0001; correct "
                "or delete it"
            )
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise Refused(
                f"{table}: the row of version {version} has {_shown(name)} for a name, so its migration isn't known; "
                f"`update {table} set name = 'WORDS' where version = '{version}'` with the words of its file's name, "
                "or delete it"
            )
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
