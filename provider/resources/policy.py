"""A row policy. PostgreSQL stores its own spelling of an expression, so only catalogue text is compared with it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from psycopg import sql

from plugin.server import CheckFailure
from provider import spellings
from provider.connection import Connection, row
from provider.errors import Refused
from provider.resources.base import Field, ObjectKind, qualified, shown

EXPRESSIONS = {"using": "usingStored", "check": "checkStored"}


class Policy(ObjectKind):
    """`create policy name on table as kind for command to roles using (…) with check (…)`.

    `alter policy` can't change kind or command, nor take an expression away: those are a drop and a create in one
    transaction, so that no row is ever open in between.
    """

    token = "pg:index:Policy"
    in_one_database = True
    fields = {
        "table": Field(str, "the table, with its schema", required=True, identity=True),
        "name": Field(str, "the policy's name", required=True, identity=True),
        "kind": Field(str, "permissive or restrictive", default="permissive", choices=("permissive", "restrictive")),
        "command": Field(str, "the command", required=True, choices=("select", "insert", "update", "delete", "all")),
        "roles": Field(list, "the roles it applies to, sorted", required=True),
        "using": Field(str, "which rows are visible, as SQL"),
        "check": Field(str, "which rows may be written, as SQL"),
        "comment": Field(str, "what it is for, in a sentence"),
        "location": Field(str, "file and line, for messages", compared=False),
    }
    outputs = {
        "usingStored": Field(str, "`using` as PostgreSQL spells it"),
        "checkStored": Field(str, "`check` as PostgreSQL spells it"),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"policy {inputs['name']} on {inputs['table']}"

    def lock_key(self, inputs: Mapping[str, Any]) -> str:
        # Looking at a policy locks its table and those its expressions name, changing it locks the table alone for
        # itself: two at once end in a deadlock.
        return "row policies"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        failures = []
        if "." not in inputs["table"]:
            failures.append(CheckFailure("table", "must be written with its schema"))
        if not inputs["roles"]:
            failures.append(CheckFailure("roles", "must name at least one role"))
        if "public" in inputs["roles"] and len(inputs["roles"]) > 1:
            failures.append(CheckFailure("roles", "public is everybody, so it stands alone"))
        if inputs["command"] == "insert" and inputs.get("using"):
            failures.append(CheckFailure("using", "an insert policy has a check only"))
        if inputs["command"] in ("select", "delete") and inputs.get("check"):
            failures.append(CheckFailure("check", f"a {inputs['command']} policy has no check"))
        return failures

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        schema, table = qualified(inputs["table"])
        return await row(
            connection,
            """select n.nspname || '.' || c.relname as table, p.polname as name,
                      case when p.polpermissive then 'permissive' else 'restrictive' end as kind,
                      case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
                                    when 'd' then 'delete' else 'all' end as command,
                      (select pg_catalog.array_agg(coalesce(r.rolname::text, 'public') order by r.rolname::text)
                         from pg_catalog.unnest(p.polroles) m left join pg_catalog.pg_roles r on r.oid = m) as roles,
                      pg_catalog.pg_get_expr(p.polqual, p.polrelid) as using,
                      pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as check,
                      pg_catalog.pg_get_expr(p.polqual, p.polrelid) as "usingStored",
                      pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as "checkStored",
                      pg_catalog.obj_description(p.oid, 'pg_policy') as comment
                 from pg_catalog.pg_policy p
                 join pg_catalog.pg_class c on c.oid = p.polrelid
                 join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                where n.nspname = %s and c.relname = %s and p.polname = %s""",
            [schema, table, inputs["name"]],
        )

    def same(self, name: str, one: Any, other: Any) -> bool:
        if name == "comment":
            # A file's lines of comment are one line here, where somebody else's may have line ends.
            return (one or "").split() == (other or "").split()
        return {*(one or [])} == {*(other or [])} if name == "roles" else super().same(name, one, other)

    def observed(self, name: str, state: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
        """An expression is as recorded while the stored text is the one that was read back after writing it."""
        stored = EXPRESSIONS.get(name)
        if stored is not None:
            was, now = state.get(stored), found.get(stored)
            if spellings.same_expression(was, now) or self.database.changes.respelled(
                self.label(state), name, was, now
            ):
                return state.get(name)
        return super().observed(name, state, found)

    def author(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        was = state.get(EXPRESSIONS.get(name, name))
        if name == "roles":
            was, value = sorted(was or []), sorted(value or [])
        return self.database.changes.author(self.label(state), name, was, value)

    def written(self, name: str, wanted: Any, found: Any) -> bool:
        """An expression is there or it isn't: PostgreSQL spells it its own way."""
        return (found is None) == (not wanted) if name in EXPRESSIONS else super().written(name, wanted, found)

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        schema, table = qualified(inputs["table"])
        parts = [
            sql.SQL("create policy {} on {} as {} for {} to {}").format(
                sql.Identifier(inputs["name"]),
                sql.Identifier(schema, table),
                sql.SQL(inputs["kind"]),
                sql.SQL(inputs["command"]),
                sql.SQL(", ").join(_role(name) for name in inputs["roles"]),
            )
        ]
        # The expressions are SQL by nature: they come from the checkout, and end where the parenthesis does.
        if inputs.get("using"):
            parts.append(sql.SQL("using (\n") + sql.SQL(inputs["using"]) + sql.SQL("\n)"))
        if inputs.get("check"):
            parts.append(sql.SQL("with check (\n") + sql.SQL(inputs["check"]) + sql.SQL("\n)"))
        await connection.execute(sql.SQL(" ").join(parts))
        if inputs.get("comment"):
            await self._comment(connection, inputs)

    async def _comment(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        await connection.execute(
            sql.SQL("comment on policy {} on {} is {}").format(
                sql.Identifier(inputs["name"]),
                sql.Identifier(*qualified(inputs["table"])),
                sql.Literal(inputs.get("comment")),
            )
        )

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        await self.drop(connection, new)
        await self.make(connection, new)

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """Equal as written, it stays untouched; its comment becomes the declared one.

        Else it is made again in a savepoint and read back, to learn how PostgreSQL would spell the declared one.
        """
        unlike = self._unlike(inputs, found)
        if unlike == ["comment"]:
            await self._comment(connection, inputs)
        if unlike in ([], ["comment"]):
            return
        await self.alter(connection, found, inputs)
        declared = await self.find(connection, inputs)
        for name in self.compared if declared is None else self._unlike(declared, found):
            there, wanted = found.get(name), (declared or {}).get(name)
            raise Refused(
                f"{self.label(inputs)} exists already with {name} {shown(there)}, declared is {shown(wanted)}; "
                f"drop it, or `pulumi import {self.token} NAME '{self.id(inputs)}'` to take it over"
            )

    def _unlike(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
        """The fields of two policies that don't say the same."""
        equal = {
            name: spellings.same_expression if name in EXPRESSIONS else partial(self.same, name)
            for name in self.compared
        }
        return [name for name in self.compared if not equal[name](one.get(name), other.get(name))]

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        schema, table = qualified(state["table"])
        there = await row(
            connection,
            "select pg_catalog.to_regclass(pg_catalog.format('%%I.%%I', %s::text, %s::text)) as oid",
            [schema, table],
        )
        if there and there["oid"]:
            await connection.execute(
                sql.SQL("drop policy if exists {} on {}").format(
                    sql.Identifier(state["name"]), sql.Identifier(schema, table)
                )
            )


def _role(name: str) -> sql.Composable:
    return sql.SQL("public") if name == "public" else sql.Identifier(name)
