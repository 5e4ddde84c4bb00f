"""Which privileges there are, what ALL means, and who an id of a grant is about."""

from collections.abc import Iterable
from typing import Any

from psycopg import sql

from local.standins.postgresql.connection import Connection, Server, one, rows
from plugin.server import CheckFailure, PluginError

ROUTINE = ("EXECUTE",)
TABLE = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
PRIVILEGES = {
    "database": ("CREATE", "CONNECT", "TEMPORARY"),
    "schema": ("CREATE", "USAGE"),
    "table": TABLE,
    "sequence": ("USAGE", "SELECT", "UPDATE"),
    "function": ROUTINE,
    "procedure": ROUTINE,
    "routine": ROUTINE,
    "type": ("USAGE",),
    "foreign_data_wrapper": ("USAGE",),
    "foreign_server": ("USAGE",),
    "column": ("SELECT", "INSERT", "UPDATE", "REFERENCES"),
}
MAINTAIN_SINCE = 170000

# An id joins its parts by underscores, which names contain too: only the catalogue can tell them apart.
ROLES_AND_DATABASES = """
    select r.name::text, d.datname::text
    from (select rolname from pg_catalog.pg_roles union all select 'public') r (name), pg_catalog.pg_database d
    where starts_with(%s, r.name || '_' || d.datname || '_')
"""


def expand(object_type: str, privileges: Iterable[str], server_version: int) -> set[str]:
    """The privileges with ALL spelled out, as this version of the server has them."""
    named = set(privileges)
    if "ALL" not in named:
        return named
    return {name for name in PRIVILEGES[object_type] if name != "MAINTAIN" or server_version >= MAINTAIN_SINCE}


def same_privileges(object_type: str, have: Iterable[str], want: Iterable[str]) -> bool:
    """Whether two lists mean the same on some version of the server."""
    have, want = set(have), set(want)
    if have == want or object_type not in PRIVILEGES:
        return have == want
    versions = (MAINTAIN_SINCE - 1, MAINTAIN_SINCE)
    return any(expand(object_type, have, each) == expand(object_type, want, each) for each in versions)


def privilege_mistakes(object_type: str, allowed: Iterable[str], privileges: Iterable[str]) -> list[CheckFailure]:
    """An object type that isn't one, or privileges that it doesn't have."""
    if object_type not in allowed:
        return [CheckFailure("objectType", f"{object_type} is none of {', '.join(sorted(allowed))}")]
    known = ("ALL", *PRIVILEGES[object_type])
    return [
        CheckFailure("privileges", f"{name} is no privilege of a {object_type}, which has {', '.join(known)}")
        for name in privileges
        if name not in known
    ]


def words(object_type: str, privileges: Iterable[str], suffix: sql.Composable | None = None) -> sql.Composed:
    """The privileges as a statement names them, each with the columns in `suffix`."""
    wrong = privilege_mistakes(object_type, PRIVILEGES, privileges)
    if wrong:
        raise PluginError(wrong[0].reason)
    return sql.SQL(", ").join([sql.SQL(name) + (suffix or sql.SQL("")) for name in sorted(privileges)])


async def role_exists(connection: Connection, role: str) -> bool:
    """Whether there is such a role; `public` always is."""
    return (
        role == "public"
        or await one(connection, "select true from pg_catalog.pg_roles where rolname = %s", role) is not None
    )


async def split_role_and_database(server: Server, id: str) -> list[tuple[str, str, str]]:
    """Each way to read `role_database_rest` that names a role and a database of this server."""
    async with server.session(f"grant {id}") as connection:
        pairs = await rows(connection, ROLES_AND_DATABASES, id)
    return [(role, database, id[len(f"{role}_{database}_") :]) for role, database in pairs]


def only(id: str, found: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The one reading of an id; None where there is none."""
    if len(found) > 1:
        raise PluginError(f"grant {id}: the id can be read in {len(found)} ways; declare it, that adopts it")
    return found[0] if found else None
