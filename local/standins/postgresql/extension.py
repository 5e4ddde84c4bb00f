"""Extensions: `postgresql:index/extension:Extension`."""

from typing import ClassVar

from psycopg import sql

from local.standins.postgresql.base import ServerObject, Values, split_id
from local.standins.postgresql.connection import Connection, one, run
from local.standins.postgresql.properties import Properties, Property

CATALOGUE = """
    select n.nspname::text, e.extversion
    from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    where e.extname = %s
"""

# An extension without a schema of its own goes to public: an empty search path names no other place.
HOMELESS = """
    select true from pg_catalog.pg_available_extension_versions where name = %s
    having bool_and(schema is null)
"""


class Extension(ServerObject):
    """An extension of one database; one that is there is adopted and brought to what is declared."""

    token = "postgresql:index/extension:Extension"
    what = "extension"
    properties: ClassVar[Properties] = {
        "createCascade": Property("boolean", default=False, kept=True),
        "database": Property(computed=True, replaces=True),
        "dropCascade": Property("boolean", default=False, kept=True),
        "name": Property(replaces=True),
        "schema": Property(computed=True),
        "version": Property(computed=True),
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
        return {"name": wanted["name"], "database": self.place(wanted), "schema": row[0], "version": row[1]}

    async def make(self, connection: Connection, inputs: Values) -> None:
        schema = inputs.get("schema")
        if not schema and await one(connection, HOMELESS, inputs["name"]):
            schema = "public"
        options: list[sql.Composable] = []
        if schema:
            options.append(sql.SQL("schema {}").format(sql.Identifier(schema)))
        if inputs.get("version"):
            options.append(sql.SQL("version {}").format(sql.Identifier(inputs["version"])))
        if inputs.get("createCascade"):
            options.append(sql.SQL("cascade"))
        await run(
            connection,
            "create extension if not exists {} {}",
            sql.Identifier(inputs["name"]),
            sql.SQL(" ").join(options),
        )
        # An extension that was there already may be somewhere else, or older.
        found = await self.fetch(connection, inputs) or {}
        differs = {name for name in ("schema", "version") if inputs.get(name) and inputs[name] != found.get(name)}
        await self.alter(connection, found, inputs, differs)

    async def alter(self, connection: Connection, state: Values, new: Values, changed: set[str]) -> None:
        name = sql.Identifier(new["name"])
        if "schema" in changed:
            await run(connection, "alter extension {} set schema {}", name, sql.Identifier(new["schema"]))
        if "version" in changed:
            await run(connection, "alter extension {} update to {}", name, sql.Identifier(new["version"]))

    async def drop(self, connection: Connection, state: Values) -> None:
        mode = sql.SQL("cascade" if state.get("dropCascade") else "restrict")
        await run(connection, "drop extension if exists {} {}", sql.Identifier(state["name"]), mode)
