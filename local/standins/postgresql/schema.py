"""Schemas: `postgresql:index/schema:Schema`."""

from typing import ClassVar

from psycopg import sql

from local.standins.postgresql.authority import acting_for, database_owner
from local.standins.postgresql.base import ServerObject, Values, split_id
from local.standins.postgresql.connection import Connection, one, run
from local.standins.postgresql.properties import Properties, Property

CATALOGUE = "select pg_get_userbyid(nspowner)::text from pg_catalog.pg_namespace where nspname = %s"


class Schema(ServerObject):
    """A schema of one database; one that is there is adopted unless `ifNotExists` is off."""

    token = "postgresql:index/schema:Schema"
    what = "schema"
    refused = frozenset({"policies"})
    properties: ClassVar[Properties] = {
        "database": Property(computed=True, replaces=True),
        "dropCascade": Property("boolean", default=False, kept=True),
        "ifNotExists": Property("boolean", default=True, kept=True),
        "name": Property(),
        "owner": Property(computed=True),
    }

    def identify(self, inputs: Values) -> str:
        return f"{self.place(inputs)}.{inputs['name']}"

    async def locate(self, id: str) -> Values | None:
        database, name = split_id(id, self.what)
        return {"database": database, "name": name}

    async def fetch(self, connection: Connection, wanted: Values) -> Values | None:
        row = await one(connection, CATALOGUE, wanted["name"])
        if row is None:
            return None
        return {"name": wanted["name"], "database": self.place(wanted), "owner": row[0], "policies": []}

    async def make(self, connection: Connection, inputs: Values) -> None:
        found = await one(connection, CATALOGUE, inputs["name"])
        if found is not None and inputs.get("ifNotExists", True):
            state = {**inputs, "owner": found[0]}
            await self.alter(
                connection, state, inputs, {"owner"} if inputs.get("owner", found[0]) != found[0] else set()
            )
            return
        owner = inputs.get("owner")
        clause = sql.SQL(" authorization {}").format(sql.Identifier(owner)) if owner else sql.SQL("")
        # The database's owner may create, and only a member of the new owner may hand over.
        async with acting_for(connection, await database_owner(connection), owner):
            await run(connection, "create schema {}{}", sql.Identifier(inputs["name"]), clause)

    async def alter(self, connection: Connection, state: Values, new: Values, changed: set[str]) -> None:
        name = sql.Identifier(state["name"])
        async with acting_for(connection, state.get("owner"), new.get("owner")):
            if "owner" in changed:
                await run(connection, "alter schema {} owner to {}", name, sql.Identifier(new["owner"]))
            if "name" in changed:
                await run(connection, "alter schema {} rename to {}", name, sql.Identifier(new["name"]))

    async def drop(self, connection: Connection, state: Values) -> None:
        mode = sql.SQL("cascade" if state.get("dropCascade") else "restrict")
        async with acting_for(connection, state.get("owner")):
            await run(connection, "drop schema if exists {} {}", sql.Identifier(state["name"]), mode)
