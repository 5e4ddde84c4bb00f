"""Privileges on what will be created: `postgresql:index/defaultPrivileges:DefaultPrivileges`."""

from typing import Any, ClassVar

from psycopg import sql

from local.standins.postgresql.authority import acting_for
from local.standins.postgresql.base import ServerObject, Values
from local.standins.postgresql.connection import Connection, rows, run
from local.standins.postgresql.privileges import (
    expand,
    only,
    privilege_mistakes,
    role_exists,
    same_privileges,
    split_role_and_database,
    words,
)
from local.standins.postgresql.properties import Properties, Property
from plugin.server import CheckFailure

LETTERS = {"table": "r", "sequence": "S", "function": "f", "routine": "f", "type": "T", "schema": "n"}

# Without an entry of its own a role's new objects have the built-in privileges; an entry per schema only adds.
HELD = """
    select a.privilege_type::text, a.is_grantable
    from pg_catalog.pg_roles o
    left join pg_catalog.pg_namespace n on n.nspname = %(schema)s
    left join pg_catalog.pg_default_acl d
        on d.defaclrole = o.oid and d.defaclobjtype = %(letter)s and d.defaclnamespace = coalesce(n.oid, 0)
    cross join lateral aclexplode(coalesce(
        d.defaclacl, case when %(schema)s = '' then acldefault(%(built_in)s::"char", o.oid) end
    )) a
    where o.rolname = %(owner)s and a.grantee = case
        when %(role)s = 'public' then 0::oid else (select oid from pg_catalog.pg_roles where rolname = %(role)s)
    end
"""

LOCATE = """
    select coalesce(n.nspname::text, ''), o.rolname::text, t.name
    from pg_catalog.pg_roles o, unnest(%s::text[]) t (name),
        (select nspname from pg_catalog.pg_namespace union all select null) n
    where %s = coalesce(n.nspname, 'noschema') || '_' || o.rolname || '_' || t.name
"""


class DefaultPrivileges(ServerObject):
    """What one role may do with the objects that another will create."""

    token = "postgresql:index/defaultPrivileges:DefaultPrivileges"
    what = "default privileges"
    properties: ClassVar[Properties] = {
        "database": Property(required=True, replaces=True),
        "objectType": Property(required=True, replaces=True),
        "owner": Property(required=True, replaces=True),
        "privileges": Property("strings", required=True),
        "role": Property(required=True, replaces=True),
        "schema": Property(replaces=True),
        "withGrantOption": Property("boolean", default=False, replaces=True),
    }

    def identify(self, inputs: Values) -> str:
        schema = inputs.get("schema") or "noschema"
        return "_".join([inputs["role"], inputs["database"], schema, inputs["owner"], inputs["objectType"]])

    def validate(self, inputs: Values) -> list[CheckFailure]:
        failures = privilege_mistakes(inputs["objectType"], LETTERS, inputs["privileges"])
        if inputs.get("schema") and inputs["objectType"] == "schema":
            failures.append(CheckFailure("schema", "can't be given where objectType is schema"))
        if inputs.get("withGrantOption") and inputs["role"] == "public":
            failures.append(CheckFailure("withGrantOption", "can't be for public"))
        return failures

    def same(self, name: str, have: Any, want: Any, inputs: Values) -> bool:
        if name == "privileges":
            return same_privileges(inputs.get("objectType", ""), have, want)
        return super().same(name, have, want, inputs)

    async def _held(self, connection: Connection, wanted: Values) -> dict[str, bool]:
        letter = LETTERS[wanted["objectType"]]
        arguments = {
            "schema": wanted.get("schema") or "",
            "letter": letter,
            # The same function knows sequences by a small letter.
            "built_in": "s" if letter == "S" else letter,
            "owner": wanted["owner"],
            "role": wanted["role"],
        }
        return {str(name): bool(grantable) for name, grantable in await rows(connection, HELD, arguments)}

    async def fetch(self, connection: Connection, wanted: Values) -> Values | None:
        if not await self._there(connection, wanted):
            return None
        held = await self._held(connection, wanted)
        recorded = wanted.get("privileges")
        if not held and recorded != []:
            return None
        want = expand(wanted["objectType"], recorded or [], connection.info.server_version)
        same = recorded is not None and set(held) == want
        strict = bool(wanted.get("withGrantOption"))
        return {
            **{name: wanted[name] for name in self.properties if name in wanted},
            "privileges": recorded if same else sorted(held),
            "withGrantOption": (all(held.values()) if strict else any(held.values())) if held else strict,
        }

    async def _there(self, connection: Connection, wanted: Values) -> bool:
        if not wanted.get("schema"):
            schemas = [(True,)]
        else:
            schemas = await rows(
                connection, "select true from pg_catalog.pg_namespace where nspname = %s", wanted["schema"]
            )
        roles = [await role_exists(connection, wanted[name]) for name in ("role", "owner")]
        return all(roles) and bool(schemas)

    async def make(self, connection: Connection, inputs: Values) -> None:
        want = expand(inputs["objectType"], inputs["privileges"], connection.info.server_version)
        surplus = set(await self._held(connection, inputs)) - want
        if surplus:
            await self._say(connection, inputs, "revoke", surplus)
        if not inputs.get("withGrantOption") and any((await self._held(connection, inputs)).values()):
            await self._say(connection, inputs, "revoke grant option for", want)
        if want:
            await self._say(connection, inputs, "grant", want)

    async def alter(self, connection: Connection, state: Values, new: Values, changed: set[str]) -> None:
        await self.make(connection, new)

    async def drop(self, connection: Connection, state: Values) -> None:
        if await self._there(connection, state):
            held = set(await self._held(connection, state))
            if held:
                await self._say(connection, state, "revoke", held)

    async def _say(self, connection: Connection, inputs: Values, verb: str, privileges: set[str]) -> None:
        schema = inputs.get("schema")
        place = sql.SQL("in schema {}").format(sql.Identifier(schema)) if schema else sql.SQL("")
        ending = sql.SQL(" with grant option" if verb == "grant" and inputs.get("withGrantOption") else "")
        direction = "to" if verb == "grant" else "from"
        async with acting_for(connection, inputs["owner"]):
            await run(
                connection,
                f"alter default privileges for role {{}} {{}} {verb} {{}} on {{}} {direction} {{}}{{}}",
                sql.Identifier(inputs["owner"]),
                place,
                words(inputs["objectType"], privileges),
                sql.SQL(f"{inputs['objectType']}s"),
                sql.Identifier(inputs["role"]),
                ending,
            )

    async def locate(self, id: str) -> Values | None:
        found = []
        for role, database, rest in await split_role_and_database(self.server, id):
            async with self.server.session(f"default privileges {id}", database) as connection:
                for schema, owner, kind in await rows(connection, LOCATE, sorted(LETTERS), rest):
                    place = {"schema": schema} if schema else {}
                    found.append({"role": role, "database": database, "owner": owner, "objectType": kind, **place})
        return only(id, found)
