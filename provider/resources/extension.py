"""An extension of this database, in the schema where it is wanted."""

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from plugin.server import Context, Resource
from provider import snapshots
from provider.connection import Connection, row
from provider.resources.base import Field, ObjectKind


class Extension(ObjectKind):
    """`create extension name schema …`; neither made nor dropped with others. Another `version` updates it."""

    token = "pg:index:Extension"
    fields = {
        "name": Field(str, "the extension's name", required=True, identity=True),
        "schema": Field(str, "the schema that its objects lie in", required=True),
        "version": Field(str, "by default the server's when it is made; after that whatever is installed"),
    }
    outputs = {
        "version": Field(str, "the version that is installed; a manual update is drift of the snapshot too"),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"extension {inputs['name']}"

    def same(self, name: str, one: Any, other: Any) -> bool:
        return super().same(name, one, other) or (name == "version" and other is None)

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        """Another version of one whose version isn't declared is the snapshot's to name: servers bring theirs along."""
        if not state or inputs.get("version") is not None:
            return await super().read(context, id, state, inputs)
        found = await super().read(context, id, {**state, "version": None}, inputs)
        if found:
            found.inputs.pop("version", None)
        return found

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        return await row(
            connection,
            """select e.extname as name, n.nspname as schema, e.extversion as version
                 from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
                where e.extname = %s""",
            [inputs["name"]],
        )

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        statement = sql.SQL("create extension {} schema {}").format(
            sql.Identifier(inputs["name"]), sql.Identifier(inputs["schema"])
        )
        if inputs.get("version"):
            statement += sql.SQL(" version {}").format(sql.Identifier(inputs["version"]))
        await connection.execute(statement)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        if found["schema"] != new["schema"]:
            await connection.execute(
                sql.SQL("alter extension {} set schema {}").format(
                    sql.Identifier(new["name"]), sql.Identifier(new["schema"])
                )
            )

        if not self.same("version", found["version"], new.get("version")):
            # Its members change with it: that is declared, and no manual change.
            async with snapshots.tracked(connection):
                await connection.execute(
                    sql.SQL("alter extension {} update to {}").format(
                        sql.Identifier(new["name"]), sql.Identifier(new["version"])
                    )
                )

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        await connection.execute(sql.SQL("drop extension if exists {} restrict").format(sql.Identifier(state["name"])))
