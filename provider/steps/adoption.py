"""Whether a database is the one that a migration describes as it was found; there it is recorded, and doesn't run."""

import re
from collections.abc import Iterable

from declared import sqldirectives, sqltext
from declared.sqlfiles import Step
from provider.connection import Connection, rows
from provider.errors import Refused
from provider.steps.history import identity

NAME = r'(?:"(?:[^"]|"")+"|[^\s".(]+)'
# As pg_dump writes it.
TABLE = re.compile(rf"CREATE (?:UNLOGGED |FOREIGN )?TABLE ({NAME}\.{NAME})")
MISSING = "select name from pg_catalog.unnest(%s::text[]) name where pg_catalog.to_regclass(name) is null order by 1"


async def adopted(connection: Connection, steps: Iterable[Step]) -> set[str]:
    """The names of those that describe this database.

    Identities alone don't say it: servers that were copied from one image may have the same one. So its tables are
    looked for as well.

    :raises Refused: where some of its tables are there and others aren't
    """
    found: set[str] = set()
    described = [(step, of) for step in steps if (of := sqldirectives.adopted_from(step.up))]
    if not described:
        return found
    this = await identity(connection)
    for step in (step for step, of in described if of == this):
        # Whole statements: what a function would make isn't there.
        tables = [match[1] for each in sqltext.quick_statements(step.up) if (match := TABLE.match(each.text))]
        missing = [each["name"] for each in await rows(connection, MISSING, [tables])]
        if missing and len(missing) < len(tables):
            raise Refused(
                f"migration {step.name} describes this database as it was adopted, and {missing[0]} isn't there"
                f"{f', nor are {len(missing) - 1} more tables' if missing[1:] else ''}: put it back, or adopt the "
                "database as it is now"
            )
        if not missing:
            found.add(step.name)
    return found
