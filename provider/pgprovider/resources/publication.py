"""A publication: which tables a logical subscriber, such as Supabase Realtime, is told of."""

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from pgprovider.connection import Connection, row
from pgprovider.resources.base import Field, ObjectKind, qualified
from plugin.server import CheckFailure

OPERATIONS = ("insert", "update", "delete", "truncate")


class Publication(ObjectKind):
    """`create publication name for table …`; a table with a column list or a row filter counts as another table."""

    token = "pg:index:Publication"
    fields = {
        "name": Field(str, "the publication's name", required=True, identity=True),
        "tables": Field(list, "the tables, with their schemas, sorted", required=True),
        "operations": Field(list, "which changes are published", default=list(OPERATIONS)),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"publication {inputs['name']}"

    def wrong(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        failures = [
            CheckFailure("tables", f"'{name}' must be written with its schema")
            for name in inputs["tables"]
            if "." not in name
        ]
        failures += [
            CheckFailure("operations", f"'{word}' is none of {', '.join(OPERATIONS)}")
            for word in inputs["operations"]
            if word not in OPERATIONS
        ]
        return failures

    def same(self, name: str, one: Any, other: Any) -> bool:
        if name in ("tables", "operations"):
            return sorted(one or []) == sorted(other or [])
        return super().same(name, one, other)

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        found = await row(
            connection,
            """select pubname as name, pubinsert, pubupdate, pubdelete, pubtruncate,
                      array(select t.schemaname || '.' || t.tablename
                                   || coalesce(' (' || (select pg_catalog.string_agg(a.attname, ', ' order by a.attnum)
                                                          from pg_catalog.pg_attribute a
                                                         where a.attrelid = r.prrelid
                                                           and a.attnum = any (r.prattrs::int2[])) || ')', '')
                                   || coalesce(' where ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid), '')
                              from pg_catalog.pg_publication_tables t
                              left join pg_catalog.pg_publication_rel r on r.prpubid = p.oid
                                   and r.prrelid = pg_catalog.format('%%I.%%I', t.schemaname, t.tablename)::regclass
                             where t.pubname = p.pubname order by 1) as tables
                 from pg_catalog.pg_publication p where pubname = %s""",
            [inputs["name"]],
        )
        if found is None:
            return None
        return {**found, "operations": [word for word in OPERATIONS if found[f"pub{word}"]]}

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        await connection.execute(sql.SQL("create publication {}").format(sql.Identifier(inputs["name"])))
        await self.alter(connection, {"tables": [], "operations": []}, inputs)

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """An empty one, as the platform makes it, is filled; one that publishes what isn't declared is refused."""
        if {*found["tables"]} - {*inputs["tables"]}:
            await super().adopt(connection, found, inputs)
        await self.alter(connection, found, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        name = sql.Identifier(new["name"])
        for verb, tables in (
            ("drop", {*found["tables"]} - {*new["tables"]}),
            ("add", {*new["tables"]} - {*found["tables"]}),
        ):
            for table in sorted(tables):
                await connection.execute(
                    sql.SQL("alter publication {} {} table {}").format(
                        name, sql.SQL(verb), sql.Identifier(*qualified(table.partition(" ")[0]))
                    )
                )
        if not self.same("operations", found["operations"], new["operations"]):
            words = sql.Literal(", ".join(new["operations"]))
            await connection.execute(sql.SQL("alter publication {} set (publish = {})").format(name, words))

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        await connection.execute(sql.SQL("drop publication if exists {}").format(sql.Identifier(state["name"])))
