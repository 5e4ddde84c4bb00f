"""How large the target's tables are, by its own statistics; also kept in a file, for who may not ask the target."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.errors import CommandError
from provider.connection import Connection, rows

SIZES = """
select pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name, c.reltuples::float8 as rows, c.relpages as pages,
       pg_catalog.pg_relation_size(c.oid) as bytes, pg_catalog.pg_table_size(c.oid) as with_toast,
       pg_catalog.current_setting('block_size')::integer as page
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
       and (%(names)s::text[] is null or pg_catalog.format('%%I.%%I', n.nspname, c.relname) = any(%(names)s))
 order by 1"""
# Of a table that nobody has analyzed yet.
ROW_BYTES = 100
# Bytes; more is no file of ours, nor a table of PostgreSQL's.
LARGEST = 16 << 20
LARGEST_TABLE = 1 << 50


@dataclass(frozen=True)
class Size:
    """Rows, bytes as they are read from end to end, and bytes with what is stored beside."""

    rows: int = 0
    bytes: int = 0
    with_toast: int = 0


@dataclass(frozen=True)
class Sizes:
    """The tables of an environment, as `schema.table`, with what they had at a time."""

    stack: str
    at: str
    """ISO 8601, UTC."""
    tables: Mapping[str, Size]

    @property
    def of(self) -> str:
        """Whose they are, and when."""
        return f"{self.stack}, {datetime.fromisoformat(self.at):%Y-%m-%d %H:%M} UTC"

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


async def of(connection: Connection, names: Iterable[str] | None = None) -> dict[str, Size]:
    """The sizes of some tables, or of all; one that isn't there has none."""
    wanted = {"names": None if names is None else list(names)}
    return {each["name"]: _size(each) for each in await rows(connection, SIZES, wanted)}


async def now(connection: Connection, stack: str) -> Sizes:
    """Of all tables, to be kept in a file."""
    return Sizes(stack, datetime.now(UTC).isoformat(timespec="seconds"), await of(connection))


def read_sizes(path: Path) -> Sizes:
    """What `./vpb migrate sizes --json` has written.

    :raises CommandError: where it is anything else
    """
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(LARGEST))
        return _sizes(found)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError, LookupError, TypeError):
        raise CommandError(f"{path}: isn't what ./vpb migrate sizes --json writes; make it again") from None


def _sizes(found: Any) -> Sizes:
    words = asdict(Size())
    tables = {
        name: Size(**{word: _number(each[word]) for word in words}) for name, each in dict(found["tables"]).items()
    }
    at = datetime.fromisoformat(found["at"]).astimezone(UTC)
    if not isinstance(found["stack"], str) or not found["stack"].isprintable():
        raise ValueError
    return Sizes(found["stack"], at.isoformat(), tables)


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_TABLE:
        raise ValueError
    return value


def _size(found: Mapping[str, float]) -> Size:
    pages = found["bytes"] / found["page"]
    # As the planner does it: the rows of a page when the table was analyzed last, for the pages of now.
    known = found["rows"] >= 0 and found["pages"] > 0
    number = found["rows"] / found["pages"] * pages if known else found["bytes"] / ROW_BYTES
    return Size(round(number), int(found["bytes"]), int(found["with_toast"]))
