"""The structure that was restored, compared with what the migrations of this checkout make: `sql/schema`.

What a backup says of itself shows that nothing was lost on the way. This shows that it is the database that the app of
this checkout works on. Row policies aren't looked at, since they are edited in place, nor what isn't in `sql/schema`:
privileges, partitions of months, schemas of the platform. What is there beside it is nothing wrong.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from declared import sqlfiles
from declared.paths import CHECKOUT
from declared.schemas import HISTORY_TABLE, OF_SUPABASE, WITH_OBJECTS
from harness import schemadump
from ops.database import Connection
from provider import spellings

OURS = tuple(schema for schema in WITH_OBJECTS if schema not in OF_SUPABASE)
POLICY = re.compile(r"(CREATE|COMMENT ON) POLICY ")
Dump = Callable[[], Mapping[Path, str]]


def unlike(session: Connection) -> str:
    """Why a database can't be compared, since other migrations have made it; nothing where it can."""
    columns = "select count(*) from pg_attribute where attrelid = to_regclass(%s) and attname = 'checksum'"
    if session.execute(columns, (HISTORY_TABLE,)).fetchone() != (1,):
        return "the database has no history of the migrations of this project"
    query = f"select version || coalesce('_' || name, ''), checksum from {HISTORY_TABLE}"
    there: dict[str, str] = dict(session.execute(query.encode()).fetchall())
    here = {step.name: step.checksum for step in sqlfiles.steps(CHECKOUT / sqlfiles.MIGRATIONS.folder)}
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            return f"the backup was made at other migrations than those of this checkout, of which {name} is the first"
    return ""


def differences(dump: Dump) -> tuple[int, list[str]]:
    """How many objects were compared, and a line for each that isn't as `sql/schema` has it.

    Args:
        dump: the files of the restored database, as `sql/schema` has them.
    """
    found, wrong, count = dump(), list[str](), 0
    for schema in OURS:
        for path in sorted((schemadump.FOLDER / schema).glob("*.sql")):
            name = f"schema {schema}" if path.stem == "schema" else f"{schema}.{path.stem}"
            count += 1
            if path not in found:
                wrong.append(f"{name} is missing")
            elif not _same(path.read_text(), found[path]):
                wrong.append(f"{name} isn't as sql/schema has it")
    return count, wrong


def _same(was: str, now: str) -> bool:
    if was == now:
        return True
    before, after = [*_statements(was)], [*_statements(now)]
    for statement in [*before]:
        if statement in after:
            before.remove(statement)
            after.remove(statement)
    for statement in before:
        # PostgreSQL spells some otherwise once it has read its own text.
        alike = next((each for each in after if spellings.same(statement, each)), None)
        if alike is None:
            return False
        after.remove(alike)
    return not after


def _statements(text: str) -> Iterator[str]:
    for statement in schemadump.statements(text.removeprefix(schemadump.FIRST)):
        if not POLICY.match(statement):
            yield statement
