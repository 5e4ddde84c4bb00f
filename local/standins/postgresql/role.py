"""Roles: `postgresql:index/role:Role`."""

from typing import Any, ClassVar

from psycopg import sql

from local.standins.postgresql import verifier
from local.standins.postgresql.authority import acting_for
from local.standins.postgresql.base import ServerObject, Values
from local.standins.postgresql.connection import Connection, one, run
from local.standins.postgresql.properties import Properties, Property
from local.standins.postgresql.rolesettings import SETTINGS, parse_settings, set_parameter
from plugin.server import CheckFailure

SWITCHES = {
    "superuser": ("superuser", "nosuperuser"),
    "createDatabase": ("createdb", "nocreatedb"),
    "createRole": ("createrole", "nocreaterole"),
    "inherit": ("inherit", "noinherit"),
    "login": ("login", "nologin"),
    "replication": ("replication", "noreplication"),
    "bypassRowLevelSecurity": ("bypassrls", "nobypassrls"),
}

CATALOGUE = """
    select rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,
        coalesce(rolvaliduntil::text, 'infinity'),
        coalesce(rolvaliduntil, 'infinity') = %s::timestamptz,
        coalesce(rolconfig, '{}'),
        array(
            select distinct pg_get_userbyid(m.roleid)::text from pg_catalog.pg_auth_members m where m.member = r.oid
            order by 1
        )
    from pg_catalog.pg_roles r
    where rolname = %s
"""


def endless(until: str) -> str:
    """`validUntil` as PostgreSQL reads it: none at all and NULL mean for ever."""
    return "infinity" if until.lower() in ("", "null", "infinity") else until


class Role(ServerObject):
    """A role of the whole server; a name that is taken is refused, never adopted."""

    token = "postgresql:index/role:Role"
    what = "role"
    refused = frozenset({"encrypted", "passwordWo", "passwordWoVersion"})
    properties: ClassVar[Properties] = {
        "assumeRole": Property(),
        "bypassRowLevelSecurity": Property("boolean", default=False),
        "connectionLimit": Property("integer", default=-1),
        "createDatabase": Property("boolean", default=False),
        "createRole": Property("boolean", default=False),
        "encryptedPassword": Property("boolean", default=True, kept=True),
        "idleInTransactionSessionTimeout": Property("integer"),
        "inherit": Property("boolean", default=True),
        "login": Property("boolean", default=False),
        "name": Property(),
        "password": Property(secret=True),
        "replication": Property("boolean", default=False),
        "roles": Property("strings"),
        "searchPaths": Property("strings", ordered=True),
        "skipDropRole": Property("boolean", default=False, kept=True),
        "skipReassignOwned": Property("boolean", default=False, kept=True),
        "statementTimeout": Property("integer"),
        "superuser": Property("boolean", default=False),
        "validUntil": Property(default="infinity"),
    }

    def identify(self, inputs: Values) -> str:
        return str(inputs["name"])

    def place(self, values: Values) -> str:
        return self.server.database

    async def locate(self, id: str) -> Values | None:
        return {"name": id}

    def validate(self, inputs: Values) -> list[CheckFailure]:
        failures = []
        if not inputs["encryptedPassword"]:
            failures.append(CheckFailure("encryptedPassword", "must be true: PostgreSQL stores no plain passwords"))
        if any(", " in path for path in inputs.get("searchPaths", [])):
            failures.append(CheckFailure("searchPaths", "a schema in it can't contain a comma and a blank"))
        failures += [
            CheckFailure(name, f"must be {least} or more")
            for name, least in (("connectionLimit", -1), *((name, 0) for name in SETTINGS))
            if isinstance(inputs.get(name), int) and inputs[name] < least
        ]
        return failures

    def same(self, name: str, have: Any, want: Any, inputs: Values) -> bool:
        if name == "password":
            return bool(have == want or {have.lower(), want.lower()} == {"", "null"})
        if name == "validUntil":
            return endless(have) == endless(want)
        return super().same(name, have, want, inputs)

    async def fetch(self, connection: Connection, wanted: Values) -> Values | None:
        until = endless(wanted.get("validUntil", ""))
        row = await one(connection, CATALOGUE, until, wanted["name"])
        if row is None:
            return None
        *switches, limit, found_until, same_until, settings, roles = row
        password = await self._password(connection, wanted)
        return {
            "name": wanted["name"],
            **dict(zip(("superuser", "createDatabase", "createRole", "inherit", "login"), switches[:5], strict=True)),
            "replication": switches[5],
            "bypassRowLevelSecurity": switches[6],
            "connectionLimit": limit,
            "validUntil": wanted.get("validUntil", "infinity") if same_until else found_until,
            "roles": roles,
            **parse_settings(settings),
            **({"password": password} if password else {}),
        }

    async def _password(self, connection: Connection, wanted: Values) -> str:
        """The recorded password while it is the right one, else the stored verifier."""
        recorded = str(wanted.get("password", ""))
        # Only a superuser may look, and on a hosted server nobody is one.
        readable = await one(connection, "select has_table_privilege('pg_catalog.pg_authid', 'select')")
        known = self.server.settings
        if readable != (True,) or known is None or not known.superuser:
            return recorded
        row = await one(
            connection,
            "select coalesce(rolpassword, '') from pg_catalog.pg_authid where rolname = %s",
            wanted["name"],
        )
        stored = row[0] if row else ""
        if recorded.lower() == "null" and not stored:
            return recorded
        return recorded if verifier.matches(stored, recorded, wanted["name"]) else stored

    async def make(self, connection: Connection, inputs: Values) -> None:
        # Only what differs from the server's own defaults is said: the rest may be a superuser's to say.
        changed = {
            name
            for name, declared in self.properties.items()
            if not declared.kept
            and name != "name"
            and not self.same(name, declared.empty, inputs.get(name, declared.empty), inputs)
        }
        await run(
            connection, "create role {} {}", sql.Identifier(inputs["name"]), self._options(connection, inputs, changed)
        )
        await self._settle(connection, inputs, changed)

    def _options(self, connection: Connection, new: Values, changed: set[str]) -> sql.Composed:
        options: list[sql.Composable] = [
            sql.SQL(words[0] if new.get(name, self.properties[name].empty) else words[1])
            for name, words in SWITCHES.items()
            if name in changed
        ]
        if "connectionLimit" in changed:
            options.append(sql.SQL("connection limit {}").format(sql.Literal(new.get("connectionLimit", -1))))
        if "validUntil" in changed:
            options.append(sql.SQL("valid until {}").format(sql.Literal(endless(new.get("validUntil", "")))))
        if "password" in changed:
            options.append(self._password_option(connection, new))
        return sql.SQL(" ").join(options)

    def _password_option(self, connection: Connection, new: Values) -> sql.Composable:
        password = new.get("password", "")
        if password.lower() in ("", "null"):
            return sql.SQL("password null")
        return sql.SQL("password {}").format(sql.Literal(verifier.for_statement(connection, new["name"], password)))

    async def alter(self, connection: Connection, state: Values, new: Values, changed: set[str]) -> None:
        # First, since all that follows speaks of the new name; a SCRAM verifier survives it.
        if "name" in changed:
            await run(
                connection, "alter role {} rename to {}", sql.Identifier(state["name"]), sql.Identifier(new["name"])
            )
        options = self._options(connection, new, changed)
        if list(options):
            await run(connection, "alter role {} {}", sql.Identifier(new["name"]), options)
        await self._settle(connection, new, changed)

    async def _settle(self, connection: Connection, new: Values, changed: set[str]) -> None:
        """What isn't an option of `create role`: memberships and settings."""
        role = sql.Identifier(new["name"])
        if "roles" in changed:
            await self._settle_roles(connection, new)
        for name in [*SETTINGS, "searchPaths", "assumeRole"]:
            if name in changed:
                await set_parameter(connection, role, name, new.get(name))

    async def _settle_roles(self, connection: Connection, new: Values) -> None:
        row = await one(connection, CATALOGUE, "infinity", new["name"])
        have, want = set(row[-1] if row else ()), set(new.get("roles", []))
        for name in sorted(have - want):
            await run(connection, "revoke {} from {}", sql.Identifier(name), sql.Identifier(new["name"]))
        for name in sorted(want - have):
            await run(connection, "grant {} to {}", sql.Identifier(name), sql.Identifier(new["name"]))

    async def drop(self, connection: Connection, state: Values) -> None:
        role = sql.Identifier(state["name"])
        if not await one(connection, "select true from pg_catalog.pg_roles where rolname = %s", state["name"]):
            return
        # Reaches the objects of this one database: in the others they keep the role from being dropped.
        if not state.get("skipReassignOwned"):
            async with acting_for(connection, state["name"]):
                await run(connection, "reassign owned by {} to current_user", role)
                await run(connection, "drop owned by {}", role)
        if not state.get("skipDropRole"):
            await run(connection, "drop role {}", role)
