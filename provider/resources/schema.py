"""A schema: whose it is. What lies in it is everybody else's affair, so it never goes with anything in it."""

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from plugin.server import CheckFailure
from provider.connection import Connection, row
from provider.resources.base import Field, ObjectKind


class Schema(ObjectKind):
    """`create schema name authorization owner`; one that holds anything isn't dropped."""

    token = "pg:index:Schema"
    in_one_database = True
    fields = {
        "name": Field(str, "the schema's name", required=True, identity=True),
        "owner": Field(str, "the role that it belongs to", required=True),
        "comment": Field(str, "what lies in it"),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"schema {inputs['name']}"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        if inputs["name"].startswith("pg_") or inputs["name"] == "information_schema":
            return [CheckFailure("name", f"'{inputs['name']}' is PostgreSQL's own")]
        return []

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        return await row(
            connection,
            """select nspname as name, pg_catalog.pg_get_userbyid(nspowner)::text as owner,
                      pg_catalog.obj_description(oid, 'pg_namespace') as comment
                 from pg_catalog.pg_namespace where nspname = %s""",
            [inputs["name"]],
        )

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        name, owner = sql.Identifier(inputs["name"]), sql.Identifier(inputs["owner"])
        await connection.execute(sql.SQL("create schema {} authorization {}").format(name, owner))
        await self.alter(connection, {"owner": inputs["owner"]}, inputs)

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """One of another owner is refused; its comment becomes the declared one."""
        await super().adopt(connection, {**inputs, "owner": found["owner"]}, inputs)
        await self.alter(connection, found, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        name = sql.Identifier(new["name"])
        if found["owner"] != new["owner"]:
            owner = sql.Identifier(new["owner"])
            await connection.execute(sql.SQL("alter schema {} owner to {}").format(name, owner))
        if found.get("comment") != new.get("comment"):
            comment = sql.Literal(new.get("comment"))
            await connection.execute(sql.SQL("comment on schema {} is {}").format(name, comment))

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        await connection.execute(sql.SQL("drop schema if exists {} restrict").format(sql.Identifier(state["name"])))
