"""A publication: which tables a logical subscriber, such as Supabase Realtime, gets."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import sql

from plugin.server import CheckFailure
from provider.connection import Connection, row
from provider.resources.base import Field, ObjectKind, qualified

EVERYTHING = ["*"]
OPERATIONS = ("insert", "update", "delete", "truncate")
FILTER = " where "
LISTED = re.compile(r"(?P<table>[^()]+) \((?P<columns>[^()]+)\)")

Table = tuple[str, tuple[str, ...], str]
"""Its name, the columns where not all of them are published, and the row filter."""


class Publication(ObjectKind):
    """`create publication name for table …`; a table with other columns or a row filter counts as another table."""

    token = "pg:index:Publication"
    in_one_database = True
    fields = {
        "name": Field(str, "the publication's name", required=True, identity=True),
        "tables": Field(
            list,
            "the tables, with their schemas, sorted, and the columns where not all are published: `public.a (id)`; "
            "`*` alone is every table",
            required=True,
        ),
        "operations": Field(list, "which changes are published", default=list(OPERATIONS)),
        "schemas": Field(list, "schemas that are published with every table they have or will have", default=[]),
        "root": Field(bool, "whether a partition's changes are reported as its root's", default=False),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"publication {inputs['name']}"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        failures = [
            CheckFailure("tables", f"'{name}' must be written with its schema")
            for name in inputs["tables"]
            if "." not in name and inputs["tables"] != EVERYTHING
        ]
        failures += [
            CheckFailure("tables", f"'{name}' must be a table, or a table and its columns as in public.a (id, b)")
            for name in inputs["tables"]
            if FILTER in name or (("(" in name or ")" in name) and not LISTED.fullmatch(name))
        ]
        failures += [
            CheckFailure("operations", f"'{word}' is none of {', '.join(OPERATIONS)}")
            for word in inputs["operations"]
            if word not in OPERATIONS
        ]
        if inputs["tables"] == EVERYTHING and inputs["schemas"]:
            failures.append(CheckFailure("schemas", "must be empty where every table is published"))
        return failures

    def same(self, name: str, one: Any, other: Any) -> bool:
        if name == "tables":
            return _tables(one or []) == _tables(other or [])
        if name in ("operations", "schemas"):
            return sorted(one or []) == sorted(other or [])
        return super().same(name, one, other)

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        found = await row(
            connection,
            """select pubname as name, pubinsert, pubupdate, pubdelete, pubtruncate,
                      puballtables, pubviaroot as root,
                      array(select n.nspname::text from pg_catalog.pg_publication_namespace s
                              join pg_catalog.pg_namespace n on n.oid = s.pnnspid
                             where s.pnpubid = p.oid order by 1) as schemas,
                      array(select n.nspname || '.' || c.relname
                                   || coalesce(' (' || (select pg_catalog.string_agg(a.attname, ', ' order by a.attnum)
                                                          from pg_catalog.pg_attribute a
                                                         where a.attrelid = r.prrelid
                                                           and a.attnum = any (r.prattrs::int2[])) || ')', '')
                                   || coalesce(' where ' || pg_catalog.pg_get_expr(r.prqual, r.prrelid), '')
                              from pg_catalog.pg_publication_rel r
                              join pg_catalog.pg_class c on c.oid = r.prrelid
                              join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                             where r.prpubid = p.oid order by 1) as tables
                 from pg_catalog.pg_publication p where pubname = %s""",
            [inputs["name"]],
        )
        if found is None:
            return None
        if found.pop("puballtables"):
            found["tables"] = EVERYTHING
        return {**found, "operations": [word for word in OPERATIONS if found[f"pub{word}"]]}

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        everything = inputs["tables"] == EVERYTHING
        await connection.execute(
            sql.SQL("create publication {}{}").format(
                sql.Identifier(inputs["name"]), sql.SQL(" for all tables" if everything else "")
            )
        )
        tables = EVERYTHING if everything else []
        empty = {"tables": tables, "operations": [], "schemas": [], "root": False}
        await self.alter(connection, empty, inputs)

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """An empty one, as the platform makes it, is filled; one that publishes what isn't declared is refused."""
        if _tables(found["tables"]) - _tables(inputs["tables"]) or {*found["schemas"]} - {*inputs["schemas"]}:
            await super().adopt(connection, found, inputs)
        await self.alter(connection, found, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        name = sql.Identifier(new["name"])
        if (found["tables"] == EVERYTHING) != (new["tables"] == EVERYTHING):
            # No statement turns one into the other. Who subscribes asks for it by its name.
            await self.drop(connection, new)
            await self.make(connection, new)
            return
        was, wanted = _tables(found["tables"]), _tables(new["tables"])
        changes: list[tuple[str, sql.Composable]]
        changes = [("drop table only", sql.Identifier(*qualified(table))) for table, *_ in sorted(was - wanted)]
        gone, come = ({*one["schemas"]} - {*other["schemas"]} for one, other in ((found, new), (new, found)))
        changes += [("drop tables in schema", sql.Identifier(each)) for each in sorted(gone)]
        changes += [("add table only", _published(*each)) for each in sorted(wanted - was)]
        changes += [("add tables in schema", sql.Identifier(each)) for each in sorted(come)]
        for change, target in changes:
            await connection.execute(sql.SQL("alter publication {} {} {}").format(name, sql.SQL(change), target))
        if not self.same("operations", found["operations"], new["operations"]):
            words = sql.Literal(", ".join(new["operations"]))
            await connection.execute(sql.SQL("alter publication {} set (publish = {})").format(name, words))
        if found["root"] != new["root"]:
            await connection.execute(
                sql.SQL("alter publication {} set (publish_via_partition_root = {})").format(
                    name, sql.Literal(new["root"])
                )
            )

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        await connection.execute(sql.SQL("drop publication if exists {}").format(sql.Identifier(state["name"])))


def _tables(names: Iterable[str]) -> set[Table]:
    return {_table(name) for name in names}


def _table(name: str) -> Table:
    name, _, condition = name.partition(FILTER)
    listed = LISTED.fullmatch(name)
    if not listed:
        return name, (), condition
    return listed["table"], tuple(sorted(column.strip() for column in listed["columns"].split(","))), condition


def _published(table: str, columns: tuple[str, ...], condition: str) -> sql.Composable:
    assert not condition, f"{table}: a row filter is never declared"
    target: sql.Composable = sql.Identifier(*qualified(table))
    if columns:
        target = sql.SQL("{} ({})").format(target, sql.SQL(", ").join(map(sql.Identifier, columns)))
    return target
