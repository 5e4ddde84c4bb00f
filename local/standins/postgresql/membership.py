"""Memberships: `postgresql:index/grantRole:GrantRole`."""

from typing import ClassVar

from psycopg import sql

from local.standins.postgresql.base import ServerObject, Values
from local.standins.postgresql.connection import Connection, one, rows, run
from local.standins.postgresql.properties import Properties, Property
from plugin.server import PluginError

MEMBERSHIP = """
    select bool_or(admin_option) from pg_catalog.pg_auth_members
    where pg_get_userbyid(member) = %s and pg_get_userbyid(roleid) = %s
    having count(*) > 0
"""

# Since version 16 a membership can be there once per grantor, and a plain revoke takes away only one of them.
GRANTORS = """
    select distinct pg_get_userbyid(grantor)::text from pg_catalog.pg_auth_members
    where pg_get_userbyid(member) = %s and pg_get_userbyid(roleid) = %s and pg_has_role(grantor, 'usage')
"""

LOCATE = """
    select distinct pg_get_userbyid(member)::text, pg_get_userbyid(roleid)::text from pg_catalog.pg_auth_members
    where pg_get_userbyid(member) || '_' || pg_get_userbyid(roleid) || '_' = %s
"""


class GrantRole(ServerObject):
    """One role's membership in another."""

    token = "postgresql:index/grantRole:GrantRole"
    what = "membership"
    properties: ClassVar[Properties] = {
        "grantRole": Property(required=True, replaces=True),
        "role": Property(required=True, replaces=True),
        "withAdminOption": Property("boolean", default=False, replaces=True),
    }

    def identify(self, inputs: Values) -> str:
        admin = "true" if inputs.get("withAdminOption") else "false"
        return f"{inputs['role']}_{inputs['grantRole']}_{admin}"

    def place(self, values: Values) -> str:
        return self.server.database

    async def locate(self, id: str) -> Values | None:
        stem = id.removesuffix("true").removesuffix("false")
        async with self.server.session(f"membership {id}") as connection:
            found = await rows(connection, LOCATE, stem)
        if len(found) > 1:
            raise PluginError(f"membership {id}: the id fits {len(found)} memberships; declare it, that adopts it")
        return {"role": found[0][0], "grantRole": found[0][1]} if found else None

    async def fetch(self, connection: Connection, wanted: Values) -> Values | None:
        row = await one(connection, MEMBERSHIP, wanted["role"], wanted["grantRole"])
        if row is None:
            return None
        return {"role": wanted["role"], "grantRole": wanted["grantRole"], "withAdminOption": row[0]}

    async def make(self, connection: Connection, inputs: Values) -> None:
        pair = (sql.Identifier(inputs["grantRole"]), sql.Identifier(inputs["role"]))
        row = await one(connection, MEMBERSHIP, inputs["role"], inputs["grantRole"])
        # A grant only adds: the option of a membership that is adopted would stay.
        if row and row[0] and not inputs.get("withAdminOption"):
            await run(connection, "revoke admin option for {} from {}", *pair)
        admin = sql.SQL(" with admin option" if inputs.get("withAdminOption") else "")
        await run(connection, "grant {} to {}{}", *pair, admin)

    async def alter(self, connection: Connection, state: Values, new: Values, changed: set[str]) -> None:
        await self.make(connection, new)

    async def drop(self, connection: Connection, state: Values) -> None:
        pair = (sql.Identifier(state["grantRole"]), sql.Identifier(state["role"]))
        grantors = await rows(connection, GRANTORS, state["role"], state["grantRole"])
        if connection.info.server_version < 160000:
            if await one(connection, MEMBERSHIP, state["role"], state["grantRole"]):
                await run(connection, "revoke {} from {}", *pair)
            return
        for (grantor,) in grantors:
            await run(connection, "revoke {} from {} granted by {}", *pair, sql.Identifier(grantor))
