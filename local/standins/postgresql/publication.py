"""Publications: `postgresql:index/publication:Publication`."""

from typing import Any, ClassVar

from psycopg import sql

from local.standins.postgresql.base import ServerObject, Values, split_id
from local.standins.postgresql.connection import Connection, one, run
from local.standins.postgresql.properties import Properties, Property
from plugin.server import CheckFailure

OPERATIONS = ("insert", "update", "delete", "truncate")

# Not pg_publication_tables where tables are named one by one: it lists partitions in place of their parent.
CATALOGUE = """
    select pg_get_userbyid(p.pubowner)::text, p.puballtables, p.pubviaroot,
        array_remove(array[
            case when p.pubinsert then 'insert' end, case when p.pubupdate then 'update' end,
            case when p.pubdelete then 'delete' end, case when p.pubtruncate then 'truncate' end
        ], null),
        case when p.puballtables
            then array(
                select t.schemaname || '.' || t.tablename
                from pg_catalog.pg_publication_tables t where t.pubname = p.pubname order by 1
            )
            else array(
                select n.nspname || '.' || c.relname
                from pg_catalog.pg_publication_rel r
                join pg_catalog.pg_class c on c.oid = r.prrelid
                join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where r.prpubid = p.oid order by 1
            )
        end
    from pg_catalog.pg_publication p
    where p.pubname = %s
"""


def qualified(table: str) -> str:
    """A table with its schema; without one it is public's."""
    return table if "." in table else f"public.{table}"


def table_names(tables: set[str]) -> sql.Composed:
    """The tables as a statement names them."""
    return sql.SQL(", ").join([sql.Identifier(*table.split(".", 1)) for table in sorted(tables)])


class Publication(ServerObject):
    """A publication of one database; a name that is taken is refused."""

    token = "postgresql:index/publication:Publication"
    what = "publication"
    properties: ClassVar[Properties] = {
        "allTables": Property("boolean", computed=True, replaces=True),
        "database": Property(computed=True, replaces=True),
        "dropCascade": Property("boolean", default=False, kept=True),
        "name": Property(),
        "owner": Property(computed=True),
        "publishParams": Property("strings", computed=True),
        "publishViaPartitionRootParam": Property("boolean"),
        "tables": Property("strings", computed=True),
    }

    def identify(self, inputs: Values) -> str:
        return f"{self.place(inputs)}.{inputs['name']}"

    async def locate(self, id: str) -> Values | None:
        database, name = split_id(id, self.what)
        return {"database": database, "name": name}

    def validate(self, inputs: Values) -> list[CheckFailure]:
        failures = [
            CheckFailure("publishParams", f"{name} is none of {', '.join(OPERATIONS)}")
            for name in inputs.get("publishParams", [])
            if name not in OPERATIONS
        ]
        if inputs.get("allTables") and inputs.get("tables"):
            failures.append(CheckFailure("tables", "can't be given together with allTables"))
        return failures

    def same(self, name: str, have: Any, want: Any, inputs: Values) -> bool:
        if name == "tables":
            return {qualified(table) for table in have} == {qualified(table) for table in want}
        return super().same(name, have, want, inputs)

    def _inputs(self, found: Values, recorded: Values) -> Values:
        inputs = super()._inputs(found, recorded)
        # The server lists every table of such a publication, and the two can't be declared together.
        if inputs.get("allTables"):
            inputs.pop("tables", None)
        return inputs

    async def fetch(self, connection: Connection, wanted: Values) -> Values | None:
        row = await one(connection, CATALOGUE, wanted["name"])
        if row is None:
            return None
        owner, all_tables, via_root, operations, tables = row
        return {
            "name": wanted["name"],
            "database": self.place(wanted),
            "owner": owner,
            "allTables": all_tables,
            "tables": tables,
            "publishParams": operations,
            "publishViaPartitionRootParam": via_root,
        }

    async def make(self, connection: Connection, inputs: Values) -> None:
        name, tables = sql.Identifier(inputs["name"]), {qualified(table) for table in inputs.get("tables", [])}
        scope: sql.Composable = sql.SQL("")
        if inputs.get("allTables"):
            scope = sql.SQL("for all tables")
        elif tables:
            scope = sql.SQL("for table {}").format(table_names(tables))
        await run(connection, "create publication {} {}", name, scope)
        given = {"owner", "publishParams", "publishViaPartitionRootParam"} & inputs.keys()
        await self.alter(connection, inputs, inputs, given)

    async def alter(self, connection: Connection, state: Values, new: Values, changed: set[str]) -> None:
        name = sql.Identifier(state["name"])
        if "tables" in changed:
            await self._settle_tables(connection, state, new)
        if "publishParams" in changed:
            operations = sql.Literal(", ".join(new["publishParams"]))
            await run(connection, "alter publication {} set (publish = {})", name, operations)
        if "publishViaPartitionRootParam" in changed:
            via_root = sql.Literal(bool(new.get("publishViaPartitionRootParam")))
            await run(connection, "alter publication {} set (publish_via_partition_root = {})", name, via_root)
        if new.get("owner") and "owner" in changed:
            await run(connection, "alter publication {} owner to {}", name, sql.Identifier(new["owner"]))
        if "name" in changed:
            await run(connection, "alter publication {} rename to {}", name, sql.Identifier(new["name"]))

    async def _settle_tables(self, connection: Connection, state: Values, new: Values) -> None:
        row = await one(connection, CATALOGUE, state["name"])
        have, want = set(row[-1] if row else ()), {qualified(table) for table in new["tables"]}
        for verb, tables in (("drop", have - want), ("add", want - have)):
            if tables:
                text = f"alter publication {{}} {verb} table {{}}"
                await run(connection, text, sql.Identifier(state["name"]), table_names(tables))

    async def drop(self, connection: Connection, state: Values) -> None:
        mode = sql.SQL("cascade" if state.get("dropCascade") else "restrict")
        await run(connection, "drop publication if exists {} {}", sql.Identifier(state["name"]), mode)
