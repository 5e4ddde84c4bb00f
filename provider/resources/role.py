"""A role: its attributes, its password's verifier, its settings."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from plugin.server import CheckFailure, Context
from plugin.wire import has_unknown
from provider import scratchdatabase
from provider.connection import Connection, row
from provider.resources.base import Field, ObjectKind

ATTRIBUTES = {
    "login": ("rolcanlogin", "login", "nologin"),
    "inherit": ("rolinherit", "inherit", "noinherit"),
    "createrole": ("rolcreaterole", "createrole", "nocreaterole"),
    "createdb": ("rolcreatedb", "createdb", "nocreatedb"),
    "replication": ("rolreplication", "replication", "noreplication"),
    "bypassrls": ("rolbypassrls", "bypassrls", "nobypassrls"),
    "superuser": ("rolsuper", "superuser", "nosuperuser"),
}
DEFAULTS = {"inherit": True}
MEANINGS = {
    "bypassrls": "the attribute bypassrls, where the login that provisions may give it; elsewhere row policies have to "
    "do, and a role without it is as declared"
}
# A setting for this database alone is never declared: it is found under this prefix, and reset.
HERE = "in this database: "
BOUND = (
    "made without bypassrls, which only a superuser may give, and from PostgreSQL 16 on a login that has it; "
    "what it reads and writes, row policies say"
)
# Who may let a role bypass row security. Before PostgreSQL 16 only superusers.
MAY_BYPASS = """
select rolsuper or (rolbypassrls and pg_catalog.current_setting('server_version_num')::integer >= 160000) as yes
  from pg_catalog.pg_roles where rolname = current_user"""
OWNS_NOTHING = """select 1 from pg_catalog.pg_roles r where r.rolname = %s and not exists (
    select from pg_catalog.pg_shdepend d where d.refclassid = 'pg_catalog.pg_authid'::regclass and d.refobjid = r.oid
       and d.deptype = 'o' and d.classid <> 'pg_catalog.pg_default_acl'::regclass)"""


# A setting with a dot is the app's own and can be a secret: what nobody declared of it is neither shown nor kept.
HIDDEN = "(not shown)"


END_SESSIONS = """
select pg_catalog.pg_terminate_backend(a.pid) from pg_catalog.pg_stat_activity as a
 where a.usename = %s and a.pid <> pg_catalog.pg_backend_pid()
   and (pg_catalog.pg_has_role('pg_signal_backend', 'usage') or pg_catalog.pg_has_role(a.usesysid, 'usage'))"""


class Role(ObjectKind):
    """`create role name with …`; `alter role name set …` for each setting."""

    token = "pg:index:Role"
    fields = {
        "name": Field(str, "the role's name", required=True, identity=True),
        **{
            name: Field(bool, MEANINGS.get(name, f"the attribute {words[1]}"), default=DEFAULTS.get(name, False))
            for name, words in ATTRIBUTES.items()
        },
        "limit": Field(int, "connections at a time; -1 is no limit", default=-1),
        "expires": Field(str, "when its password stops working, in ISO 8601; never where it is left out"),
        "settings": Field(dict, "run-time settings that a session of this login starts with"),
        "verifier": Field(str, "a SCRAM verifier; a login without one can't log in by password", secret=True),
        "comment": Field(str, "what the role is for"),
    }
    outputs = {"bypasses": Field(bool, "whether it has the attribute bypassrls")}

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"role {inputs['name']}"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        failures = []
        if inputs["name"].startswith("pg_"):
            failures.append(CheckFailure("name", "names that begin with pg_ are PostgreSQL's own"))
        if inputs["superuser"]:
            failures.append(CheckFailure("superuser", "must be false: no role of an app needs it"))
        if not inputs.get("verifier", "SCRAM-SHA-256$").startswith("SCRAM-SHA-256$"):
            failures.append(CheckFailure("verifier", "must be a SCRAM-SHA-256 verifier; a password is never sent"))
        if isinstance(_instant(inputs.get("expires")), str):
            failures.append(CheckFailure("expires", f"'{inputs['expires']}' is no time in ISO 8601"))
        return failures

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        attributes = ", ".join(f"{column} as {name}" for name, (column, _, _) in ATTRIBUTES.items())
        found = await row(
            connection,
            f"""select rolname as name, {attributes}, rolconnlimit as limit, rolconfig,
                       array(select entry from pg_catalog.pg_database d
                               join pg_catalog.pg_db_role_setting s on s.setdatabase = d.oid
                              cross join pg_catalog.unnest(s.setconfig) entry
                              where s.setrole = r.oid and d.datname = pg_catalog.current_database()) as here,
                       case rolvaliduntil when 'infinity' then null when '-infinity' then '-infinity' else
                           pg_catalog.to_char(rolvaliduntil at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                       end as expires,
                       pg_catalog.shobj_description(r.oid, 'pg_authid') as comment
                  from pg_catalog.pg_roles r where rolname = %s""",
            [inputs["name"]],
        )
        if found is None:
            return None
        found["expires"] = (found["expires"] or "").replace(".000000Z", "Z") or None
        settings = dict(entry.split("=", 1) for entry in found.pop("rolconfig") or [])
        settings |= {f"{HERE}{name}": value for name, value in (entry.split("=", 1) for entry in found.pop("here"))}
        declared = _lower(inputs.get("settings"))
        settings = {
            name: value if "." not in name.removeprefix(HERE) or declared.get(name.lower()) == value else HIDDEN
            for name, value in settings.items()
        }
        bypasses = found["bypassrls"]
        if inputs.get("bypassrls") and not bypasses and not await may_let_bypass(connection):
            found["bypassrls"] = True
        found |= {"settings": settings or None, "bypasses": bypasses}
        return found | await self._verifier(connection, inputs)

    async def _verifier(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The stored verifier; where the login may not see it, the declared one, so that it is no difference."""
        allowed = await row(
            connection, "select pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'select') as yes", []
        )
        if not allowed or not allowed["yes"]:
            return {"verifier": inputs.get("verifier"), "verifierSeen": False}
        found = await row(
            connection, "select rolpassword from pg_catalog.pg_authid where rolname = %s", [inputs["name"]]
        )
        return {"verifier": found["rolpassword"] if found else None, "verifierSeen": True}

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        if preview and self.rehearsal is not None:
            self.rehearsal.unmade_roles.add(inputs["name"])
        if inputs["bypassrls"] and not has_unknown(inputs["name"]) and self.connections is not None:
            async with self.database.transaction(self.label(inputs)) as connection:
                if not await may_let_bypass(connection):
                    await context.info(f"{self.label(inputs)}: {BOUND}")
        return await super().create(context, inputs, preview)

    def drift(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        if name == "bypassrls" and state[name] and not state.get("bypasses", True):
            return f"{self.label(state)}: the login may give it bypassrls now"
        return super().drift(name, state, value)

    def same(self, name: str, one: Any, other: Any) -> bool:
        if name == "settings":
            return _lower(one) == _lower(other)
        return _instant(one) == _instant(other) if name == "expires" else super().same(name, one, other)

    def paths(self, name: str, was: Any, wanted: Any) -> list[str]:
        both = name == "settings" and bool(was and wanted)
        return super().paths(name, _lower(was), _lower(wanted)) if both else super().paths(name, was, wanted)

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        await connection.execute(sql.SQL("create role {}").format(sql.Identifier(inputs["name"])))
        found = await self.find(connection, inputs)
        await self.alter(connection, (found or {}) | {"verifier": None, "verifierSeen": True}, inputs)

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """A role with these attributes is taken over; its settings, password and comment become the declared ones."""
        attributes = {name: found[name] for name in (*ATTRIBUTES, "limit")}
        await super().adopt(connection, {**inputs, **attributes}, inputs)
        await self.alter(connection, found, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        name = sql.Identifier(new["name"])
        # Only what differs is named: a login without superuser may not even repeat the superuser-only attributes.
        words: list[sql.Composable] = [
            sql.SQL(on if new[attribute] else off)
            for attribute, (_, on, off) in ATTRIBUTES.items()
            if found[attribute] != new[attribute]
        ]
        if found["limit"] != new["limit"]:
            words.append(sql.SQL("connection limit {}").format(sql.Literal(new["limit"])))
        # One that can't be seen is sent again: it may be another one by now.
        if found["verifier"] != new.get("verifier") or not found["verifierSeen"]:
            words.append(sql.SQL("password {}").format(sql.Literal(new.get("verifier"))))
        if not self.same("expires", found.get("expires"), new.get("expires")):
            words.append(sql.SQL("valid until {}").format(sql.Literal(str(_instant(new.get("expires")) or "infinity"))))
        if words:
            await connection.execute(sql.SQL("alter role {} with {}").format(name, sql.SQL(" ").join(words)))
        for statement in _settings(
            name, connection.info.dbname, _lower(found.get("settings")), _lower(new.get("settings"))
        ):
            await connection.execute(statement)
        if found.get("comment") != new.get("comment"):
            comment = sql.Literal(new.get("comment"))
            await connection.execute(sql.SQL("comment on role {} is {}").format(name, comment))

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        await scratchdatabase.tidy(self.database)
        await super().delete(context, id, state)

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        name = sql.Identifier(state["name"])
        # The sessions of a role that is gone would go on, and nobody could name them any more.
        await connection.execute(END_SESSIONS, [state["name"]])
        if await row(connection, OWNS_NOTHING, [state["name"]]):
            may = await row(connection, "select pg_catalog.pg_has_role(%s, 'usage') as yes", [state["name"]])
            if may and not may["yes"]:
                # Who may drop a role may join it; only its members take its privileges away.
                await connection.execute(sql.SQL("grant {} to current_user").format(name))
            # What is left are privileges and defaults in this database; objects would be dropped by it as well.
            await connection.execute(sql.SQL("drop owned by {}").format(name))
        await connection.execute(sql.SQL("drop role if exists {}").format(name))


async def may_let_bypass(connection: Connection) -> bool:
    """Whether the login may give a role the attribute bypassrls."""
    found = await row(connection, MAY_BYPASS, [])
    return bool(found and found["yes"])


def _lower(settings: Mapping[str, str] | None) -> dict[str, str]:
    """Settings by their names in lower case: PostgreSQL stores `timezone` as `TimeZone`."""
    return {name.lower(): value for name, value in (settings or {}).items()}


def _instant(text: str | None) -> datetime | str | None:
    """A time in ISO 8601, in UTC where it names no zone; anything else as it is."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return text
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _settings(
    role: sql.Identifier, database: str, found: Mapping[str, str], wanted: Mapping[str, str]
) -> list[sql.Composed]:
    statements = [_reset(role, database, name) for name in found if name not in wanted]
    for name, value in wanted.items():
        if found.get(name) != value:
            # A list of schemas or libraries must stay a list: quoted as a whole it would be one long name.
            entries = [entry.strip().strip('"') for entry in value.split(",")] if name in LISTS else [value]
            literal = sql.SQL(", ").join(sql.Literal(entry) for entry in entries)
            statements.append(sql.SQL("alter role {} set {} = {}").format(role, _setting_name(name), literal))
    return statements


LISTS = {"search_path", "session_preload_libraries"}


def _reset(role: sql.Identifier, database: str, name: str) -> sql.Composed:
    own = name.removeprefix(HERE)
    if own == name:
        return sql.SQL("alter role {} reset {}").format(role, _setting_name(name))
    return sql.SQL("alter role {} in database {} reset {}").format(role, sql.Identifier(database), _setting_name(own))


def _setting_name(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split("."))
