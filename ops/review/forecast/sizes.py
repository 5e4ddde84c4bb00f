"""How large the target's tables are, by its own statistics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from provider.connection import Connection, rows

SIZES = """
select pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name, c.reltuples::float8 as rows, c.relpages as pages,
       pg_catalog.pg_relation_size(c.oid) as bytes, pg_catalog.pg_table_size(c.oid) as with_toast,
       pg_catalog.current_setting('block_size')::integer as page
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'm') and pg_catalog.format('%%I.%%I', n.nspname, c.relname) = any(%s)"""
# Of a table that nobody has analyzed yet.
ROW_BYTES = 100


@dataclass(frozen=True)
class Size:
    """Rows, bytes as they are read from end to end, and bytes with what is stored beside."""

    rows: int = 0
    bytes: int = 0
    with_toast: int = 0


async def of(connection: Connection, names: Iterable[str]) -> dict[str, Size]:
    """The sizes of some tables; one that isn't there has none."""
    return {each["name"]: _size(each) for each in await rows(connection, SIZES, [list(names)])}


def _size(found: Mapping[str, float]) -> Size:
    pages = found["bytes"] / found["page"]
    # As the planner does it: the rows of a page when the table was analyzed last, for the pages of now.
    known = found["rows"] >= 0 and found["pages"] > 0
    number = found["rows"] / found["pages"] * pages if known else found["bytes"] / ROW_BYTES
    return Size(round(number), int(found["bytes"]), int(found["with_toast"]))
