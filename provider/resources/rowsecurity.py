"""The row security of one table: both switches, and the authoritative list of its policies."""

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from declared.sqlfiles import POLICY_FOLDER
from plugin.server import CheckFailure, Context, Resource
from provider.connection import Connection, row
from provider.errors import Refused
from provider.resources.base import Field, ObjectKind, qualified, shown


class RowSecurity(ObjectKind):
    """`alter table … enable row level security`, `force row level security`; any policy not in the list is dropped.

    A table that was adopted without row security is said to be open at every preview. Deleting the resource leaves the
    switches as they are: it never opens a table.
    """

    token = "pg:index:RowSecurity"
    in_one_database = True
    fields = {
        "table": Field(str, "the table, with its schema", required=True, identity=True),
        "enabled": Field(bool, "whether policies apply; false for a table of `left` alone", default=True),
        "forced": Field(bool, "whether they apply to the owner too", default=True),
        "policies": Field(list, "the names of all policies that the table may have, sorted", required=True),
        "open": Field(
            bool,
            "whether the table is a platform's: its other policies are named and stay, and so do both switches",
            default=False,
            compared=False,
        ),
        "left": Field(
            str, "why a table is left without row security, in a few words, where it was adopted so", compared=False
        ),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"row security of {inputs['table']}"

    def lock_key(self, inputs: Mapping[str, Any]) -> str:
        # As for the policies, which it drops.
        return "row policies"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        if "." not in inputs["table"]:
            return [CheckFailure("table", "must be written with its schema")]
        if inputs["enabled"] == bool(inputs.get("left")):
            reason = "a table without row security is open to every grant; `left` says why one was adopted so"
            return [CheckFailure("enabled", f"must be {'false' if inputs['enabled'] else 'true'}: {reason}")]
        return []

    def same(self, name: str, one: Any, other: Any) -> bool:
        return {*(one or [])} == {*(other or [])} if name == "policies" else super().same(name, one, other)

    def drift(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        if name != "policies":
            return super().drift(name, state, value)
        authors: dict[str, list[str]] = {}
        for stray in sorted({*value} - {*state["policies"]}):
            by = self.database.changes.author(f"policy {stray} on {state['table']}", "", False, True)
            authors.setdefault(by, []).append(stray)
        return f"{self.label(state)}: " + "; ".join(f"{by}, {shown(names)} was added" for by, names in authors.items())

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        if inputs.get("open"):
            async with self.database.transaction(self.label(inputs)) as connection:
                there = await self.find(connection, {"table": id})
            strays = sorted({*(there or {"policies": []})["policies"]} - {*inputs["policies"]})
            if strays:
                await context.info(
                    f"{self.label(inputs)}: {shown(strays)} isn't declared and may open the table; it stays, as the "
                    f"table is the platform's: write it into {POLICY_FOLDER}/{inputs['table']}.sql, or drop it"
                )
        if inputs.get("left"):
            await context.info(
                f"row security left open: every row of {id} is reached by each role with a privilege on it "
                f"({inputs['left']})"
            )
        return await super().read(context, id, state, inputs)

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        """A declared policy that is missing is its own resource's drift, so it is not missing here."""
        schema, table = qualified(inputs["table"])
        found = await row(
            connection,
            """select n.nspname || '.' || c.relname as table, c.relrowsecurity as enabled,
                      c.relforcerowsecurity as forced,
                      array(select p.polname::text from pg_catalog.pg_policy p where p.polrelid = c.oid) as policies
                 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where n.nspname = %s and c.relname = %s and c.relkind in ('r', 'p')""",
            [schema, table],
        )
        if found is not None and inputs.get("open"):
            found |= {name: inputs[name] for name in ("enabled", "forced", "policies")}
        elif found is not None:
            if inputs.get("left"):
                # It does nothing there, and it is as it was found.
                found["forced"] = inputs.get("forced", found["forced"])
            found["policies"] = sorted({*found["policies"], *inputs.get("policies", [])})
        return found

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        raise Refused(
            f"{self.label(inputs)}: there is no such table; a migration has to create it first, or else its row "
            f"policies and grants go as well: sql/policies/{inputs['table']}.sql, declared/grants.py"
        )

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        strays = sorted({*found["policies"]} - {*inputs["policies"]})
        if strays:
            raise Refused(
                f"{self.label(inputs)}: {shown(strays)} exist and aren't declared; write them into "
                f"{POLICY_FOLDER}/{inputs['table']}.sql or drop them"
            )
        await self.alter(connection, found, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        table = sql.Identifier(*qualified(new["table"]))
        if found["enabled"] and not new["enabled"]:
            raise Refused(f"{self.label(new)}: it was enabled since it was adopted, and isn't disabled; declare it so")
        for switch, on, off in (("enabled", "enable", "disable"), ("forced", "force", "no force")):
            if found[switch] != new[switch]:
                word = sql.SQL(on if new[switch] else off)
                await connection.execute(sql.SQL("alter table {} {} row level security").format(table, word))
        for name in sorted({*found["policies"]} - {*new["policies"]}):
            await connection.execute(sql.SQL("drop policy if exists {} on {}").format(sql.Identifier(name), table))

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        pass
