"""What somebody with psql may change: templates over the real objects of the schema, with the rollback if any."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]
Row = Mapping[str, Any]
DATA = tomllib.loads((Path(__file__).resolve().parent / "changes.toml").read_text(encoding="utf-8"))
OURS = "('public', 'next_auth', 'authjs', 'analytics', 'audit', 'private', 'ops')"
RELATION = """
select c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) as object, c.relname as name, n.nspname as schema,
       c.relkind as relkind, pg_catalog.pg_get_userbyid(c.relowner) as owner, c.relreplident as identity,
       pg_catalog.quote_nullable(pg_catalog.obj_description(c.oid, 'pg_class')) as comment,
       pg_catalog.array_to_string(c.reloptions, ', ') as options
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname in """
SHORT = {
    "@table": "@relation@ours and c.relkind in ('r', 'p') and not c.relispartition",
    "@relation": RELATION,
    "@ours": OURS,
}


@dataclass(frozen=True)
class Template:
    """One kind of manual change; the meaning of each is in changes.toml."""

    name: str
    on: str
    apply: str
    undo: str | None = None
    words: str = "{name}"
    where: str = "true"

    @property
    def hidden(self) -> bool:
        """Whether no definition shows it: what the project itself has noted was changed."""
        return self.name.startswith("snapshot")


TEMPLATES = tuple(Template(name, **facts) for name, facts in DATA["changes"].items())


@dataclass(frozen=True)
class Change:
    """A template, filled in."""

    template: Template
    object: str
    apply: str
    undo: str | None
    words: tuple[str, ...]


def make(template: Template, row: Row, stray: str) -> Change:
    """The template on one object."""
    values = {**row, "stray": stray}
    undo = template.undo and template.undo.format_map(values)
    words = tuple(template.words.format_map(values).split())
    return Change(template, row["object"], template.apply.format_map(values), undo, words)


class Subjects:
    """The objects that can be changed, read once."""

    def __init__(self, connection: Connection) -> None:
        self._rows: dict[str, list[Row]] = {}
        self._number = 0
        connection.execute("set search_path = ''")
        for template in TEMPLATES:
            subject = DATA["subjects"][template.on]
            for short, text in SHORT.items():
                subject = subject.replace(short, text)
            cursor = connection.execute(f"select * from ({subject}) s where {template.where}".encode())
            columns = [column.name for column in cursor.description or ()]
            found = [dict(zip(columns, values, strict=True)) for values in cursor.fetchall()]
            self._rows[template.name] = sorted(found, key=_order)

    def rows(self, template: Template, near: Sequence[str] = ()) -> list[Row]:
        """What a template can be used on; only `near` objects where any are given."""
        return [row for row in self._rows[template.name] if not near or row["object"] in near]

    def choose(self, random: Random, near: Sequence[str] = ()) -> Change:
        """A random change of a random object; `near` names the objects of the pending work."""
        template = random.choice([each for each in TEMPLATES if self.rows(each, near)])
        self._number += 1
        return make(template, random.choice(self.rows(template, near)), f"stray_{self._number}")


def _order(row: Row) -> list[str]:
    """The same in each run, where numbers of objects aren't."""
    return [str(value) for name, value in row.items() if name != "oid"]
