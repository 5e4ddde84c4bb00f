"""Which roles a role may become: the whole list, so that a membership granted by hand is a difference."""

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from pgprovider.connection import Connection, lock, row, rows
from pgprovider.errors import Refused
from pgprovider.resources.base import Field, ObjectKind, shown

ADMIN = " with admin option"

GRANTORS = """select pg_catalog.pg_get_userbyid(m.grantor)::text as grantor
                from pg_catalog.pg_auth_members m
               where m.roleid = (select oid from pg_catalog.pg_roles where rolname = %s)
                 and m.member = (select oid from pg_catalog.pg_roles where rolname = %s)"""


class Memberships(ObjectKind):
    """`grant group to role`; `revoke group from role` for each group that isn't in the list."""

    token = "pg:index:Memberships"
    fields = {
        "role": Field(str, "the role that is the member", required=True, identity=True),
        "groups": Field(list, "the roles that it is a member of, sorted", required=True),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"memberships of role {inputs['role']}"

    def same(self, name: str, one: Any, other: Any) -> bool:
        if name == "groups":
            return sorted(one or []) == sorted(other or [])
        return super().same(name, one, other)

    def drift(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        was, now = {*state["groups"]}, {*value}
        changes = [f"{shown(sorted(now - was))} was granted"] if now - was else []
        changes += [f"{shown(sorted(was - now))} was revoked"] if was - now else []
        return f"{self.label(state)}: by hand, {' and '.join(changes)}"

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        return await row(
            connection,
            """select r.rolname as role,
                      array(select distinct g.rolname || case when m.admin_option then %s else '' end
                              from pg_catalog.pg_auth_members m join pg_catalog.pg_roles g on g.oid = m.roleid
                             where m.member = r.oid order by 1) as groups
                 from pg_catalog.pg_roles r where r.rolname = %s""",
            [ADMIN, inputs["role"]],
        )

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        raise Refused(f"{self.label(inputs)}: there is no such role")

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        await self.alter(connection, found, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        await lock(connection, "memberships")
        was, wanted = {*found["groups"]}, {*new["groups"]}
        for group in sorted(was - wanted):
            await self._revoke(connection, group.removesuffix(ADMIN), new["role"])
        # Revoking a membership with the admin option takes the plain one with it.
        for group in sorted(wanted - was | {group for group in wanted if group + ADMIN in was}):
            await connection.execute(_statement("grant {} to {}", group, new["role"]))

    async def _revoke(self, connection: Connection, group: str, role: str) -> None:
        """From PostgreSQL 16 on a membership is its grantor's, and a plain revoke leaves those of others."""
        if connection.info.server_version < 160000:
            await connection.execute(_statement("revoke {} from {} cascade", group, role))
            return
        for found in await rows(connection, GRANTORS, [group, role]):
            statement = sql.SQL("{} granted by {} cascade").format(
                _statement("revoke {} from {}", group, role), sql.Identifier(found["grantor"])
            )
            await connection.execute(statement)

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        found = await self.find(connection, state)
        if found is not None:
            await self.alter(connection, found, {**state, "groups": []})


def _statement(text: str, group: str, role: str) -> sql.Composed:
    return sql.SQL(text).format(sql.Identifier(group), sql.Identifier(role))
