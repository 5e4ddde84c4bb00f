"""An extension of this database, in the schema where it is wanted."""

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from provider.connection import Connection, row
from provider.resources.base import Field, ObjectKind


class Extension(ObjectKind):
    """`create extension name schema …`, in the server's default version; neither made nor dropped with others."""

    token = "pg:index:Extension"
    fields = {
        "name": Field(str, "the extension's name", required=True, identity=True),
        "schema": Field(str, "the schema that its objects lie in", required=True),
    }
    outputs = {
        "version": Field(str, "the version that is installed; another one is reported by the snapshot"),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"extension {inputs['name']}"

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        return await row(
            connection,
            """select e.extname as name, n.nspname as schema, e.extversion as version
                 from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
                where e.extname = %s""",
            [inputs["name"]],
        )

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        await connection.execute(
            sql.SQL("create extension {} schema {}").format(
                sql.Identifier(inputs["name"]), sql.Identifier(inputs["schema"])
            )
        )

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        if found["schema"] != new["schema"]:
            await connection.execute(
                sql.SQL("alter extension {} set schema {}").format(
                    sql.Identifier(new["name"]), sql.Identifier(new["schema"])
                )
            )

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        await connection.execute(sql.SQL("drop extension if exists {} restrict").format(sql.Identifier(state["name"])))
