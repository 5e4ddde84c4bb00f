"""Acting for a role: what a login without superuser needs to hand objects to another role or take them away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import sql

from local.standins.postgresql.connection import Connection, one, run

# Until version 16 a membership carried everything; since then becoming a role and using its rights are two grants.
LACKING = """
    select r.rolname
    from pg_catalog.pg_roles r
    where r.rolname = %s and not r.rolsuper
        and not (select m.rolsuper from pg_catalog.pg_roles m where m.rolname = current_user)
        and not case
            when current_setting('server_version_num')::int < 160000 then pg_has_role(r.oid, 'member')
            else pg_has_role(r.oid, 'set') and pg_has_role(r.oid, 'usage')
        end
"""


@asynccontextmanager
async def acting_for(connection: Connection, *roles: str | None) -> AsyncIterator[None]:
    """Be a member of `roles` for the length of the block, where the login isn't already."""
    borrowed = []
    for role in sorted({role for role in roles if role}):
        # `set` is not a privilege that older versions know, and they check the name even in the branch not taken.
        old = connection.info.server_version < 160000
        if await one(connection, LACKING.replace("'set'", "'member'") if old else LACKING, role):
            await run(connection, "grant {} to current_user", sql.Identifier(role))
            borrowed.append(role)
    yield
    for role in borrowed:
        if await one(connection, "select true from pg_catalog.pg_roles where rolname = %s", role):
            await run(connection, "revoke {} from current_user", sql.Identifier(role))


async def database_owner(connection: Connection) -> str | None:
    """Who owns the database of this session."""
    row = await one(
        connection,
        "select pg_get_userbyid(datdba) from pg_catalog.pg_database where datname = current_database()",
    )
    return str(row[0]) if row else None
