"""An extension of this database, in the schema where it is wanted."""

import re
from collections.abc import Mapping
from typing import Any

from psycopg import sql

from plugin.server import CheckFailure, Context, Diff
from provider import snapshots
from provider.connection import Connection, row, rows
from provider.errors import Refused, few
from provider.rehearsal import Attempt
from provider.resources.base import Field, ObjectKind

# What a control file's name may have, and no path.
VERSION = re.compile(r"[A-Za-z0-9_]+([.+-][A-Za-z0-9_]+)*")
# The versions that the server can make, or update this one to.
OFFERED = """
select version from pg_catalog.pg_available_extension_versions where name = %(name)s and %(installed)s::text is null
union all
select target from pg_catalog.pg_extension_update_paths(%(name)s) where source = %(installed)s and path is not null
order by 1"""


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

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        version = inputs.get("version")
        if version is None or VERSION.fullmatch(version):
            return []
        return [CheckFailure("version", f"{version!r} is no version of an extension; one looks like 1.6")]

    async def diff(self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any]) -> Diff:
        diff = await super().diff(context, id, state, new)
        if "version" in diff.changes and self.connections is not None and self.is_declared(context, new):
            async with self.database.transaction(self.label(new)) as connection:
                await self._refuse_unknown(connection, new, state["version"])
        return diff

    async def _attempt(self, context: Context, inputs: Mapping[str, Any], change: Attempt[ObjectKind]) -> bool:
        """Its script may do anything, and some make roles."""
        if self.rehearsal is not None:
            await self.rehearsal.give_up(context, f"{self.label(inputs)} is made or changed first")
        return False

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
            await self._refuse_unknown(connection, inputs, None)
            statement += sql.SQL(" version {}").format(sql.Identifier(inputs["version"]))
        # Dropped manually and made again, its functions have other privileges where default privileges came meanwhile.
        async with snapshots.tracked(connection, f"extension {inputs['name']}"):
            await connection.execute(statement)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        if found["schema"] != new["schema"]:
            await connection.execute(
                sql.SQL("alter extension {} set schema {}").format(
                    sql.Identifier(new["name"]), sql.Identifier(new["schema"])
                )
            )
            await self._refuse_changed_members(connection, new)

        if not self.same("version", found["version"], new.get("version")):
            await self._refuse_unknown(connection, new, found["version"])
            # Its members change with it: that is declared, and no manual change.
            async with snapshots.tracked(connection):
                await connection.execute(
                    sql.SQL("alter extension {} update to {}").format(
                        sql.Identifier(new["name"]), sql.Identifier(new["version"])
                    )
                )

    async def _refuse_changed_members(self, connection: Connection, new: Mapping[str, Any]) -> None:
        """While it lay elsewhere its members had other names, and nobody could say what else was changed of them.

        :raises Refused: for members that aren't as they were; the move is undone with it
        """
        label = self.label(new)
        names = {
            row.object
            for found in (await snapshots.differing(connection)).values()
            for row in found.values()
            if row.parent == f"extension {new['name']}"
        }
        if names:
            raise Refused(
                f"{label} was moved to another schema manually, and {len(names)} of its members were changed too: "
                f"{few(sorted(names))}; change them back, or drop the extension where nothing depends on it: `up` "
                "makes it again"
            )

    async def _refuse_unknown(self, connection: Connection, inputs: Mapping[str, Any], installed: str | None) -> None:
        """
        :raises Refused: for a version that the server can't make, or can't update the installed one to
        """
        offered = [each["version"] for each in await rows(connection, OFFERED, {**inputs, "installed": installed})]
        if inputs["version"] not in offered:
            there = f"version {installed} can be updated to" if installed else "the server has"
            raise Refused(
                f"{self.label(inputs)}: there is no way to version {inputs['version']}; {there} "
                f"{', '.join(offered) or 'none other'}"
            )

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        await connection.execute(sql.SQL("drop extension if exists {} restrict").format(sql.Identifier(state["name"])))
