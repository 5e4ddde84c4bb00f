"""What others may do with objects that a role will make: the whole list, for one kind of object."""

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from declared.privileges import GRANTABLE
from plugin.server import CheckFailure
from provider.connection import Connection, row, rows
from provider.errors import Refused
from provider.resources import grants
from provider.resources.base import Field, ObjectKind

# Kind → the catalogue's letter for its entry, the letter of its built-in privileges, what is granted on one of it.
OBJECTS = {
    "tables": ("r", "r", "table"),
    "sequences": ("S", "s", "sequence"),
    "functions": ("f", "f", "function"),
    "types": ("T", "T", "type"),
    "schemas": ("n", "n", "schema"),
}
# Without an entry of its own a role's new objects have the built-in privileges; an entry for a schema only adds. The
# grantor of an entry is always the role itself.
ROLE = """
    select r.oid, r.rolname as role, n.nspname as schema
      from pg_catalog.pg_roles r left join pg_catalog.pg_namespace n on n.nspname = %s where r.rolname = %s"""
ENTRIES = """
    select case when e.grantee = 0 then 'public' else g.rolname::text end as role,
           pg_catalog.lower(e.privilege_type) as word, e.is_grantable as grantable, null::text as column,
           null::text as grantor
      from pg_catalog.pg_roles r
      left join pg_catalog.pg_namespace n on n.nspname = %(schema)s
      left join pg_catalog.pg_default_acl d on d.defaclrole = r.oid and d.defaclobjtype = %(entry)s
            and d.defaclnamespace = coalesce(n.oid, 0)
     cross join lateral pg_catalog.aclexplode(coalesce(
            d.defaclacl, case when n.oid is null then pg_catalog.acldefault(%(usual)s, r.oid) end)) e
      left join pg_catalog.pg_roles g on g.oid = e.grantee
     where r.rolname = %(role)s and e.grantee <> r.oid"""


class DefaultPrivileges(ObjectKind):
    """`alter default privileges for role … in schema … grant …`, `revoke …` for all that isn't in the list.

    Deleting the resource brings back what was there before it, except for what everybody had.
    """

    token = "pg:index:DefaultPrivileges"
    in_one_database = True
    list_field = "grants"
    fields = {
        "role": Field(str, "the role that will make the objects", required=True, identity=True),
        "objects": Field(str, "what it will make", required=True, identity=True, choices=tuple(OBJECTS)),
        "schema": Field(str, "in which schema; in all of them where it is left out", identity=True),
        "grants": Field(
            dict,
            "role to privileges: `select`, `execute`, `select with grant option`; `public` is everybody",
            required=True,
            items=list,
        ),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        where = f" in schema {inputs['schema']}" if inputs.get("schema") else ""
        return f"default privileges of {inputs['role']} on {inputs['objects']}{where}"

    def id(self, inputs: Mapping[str, Any]) -> str:
        """`role/objects`, with `/schema` behind it where there is one."""
        return "/".join(inputs[name] for name in ("role", "objects", "schema") if inputs.get(name))

    def parse_id(self, id: str) -> dict[str, str]:
        """The role, the objects and perhaps the schema in an id.

        :raises Refused: where it doesn't have their form
        """
        parts = id.split("/", 2)
        if len(parts) < 2 or not all(parts) or parts[1] not in OBJECTS:
            raise Refused(f"'{id}' is no id of a {self.token}: it has the form role/objects or role/objects/schema")
        return dict(zip(("role", "objects", "schema"), parts, strict=False))

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        kind = OBJECTS[inputs["objects"]][2]
        failures = [
            CheckFailure("grants", f"{role}: '{entry}' is no privilege on {inputs['objects']}")
            for role, entries in inputs["grants"].items()
            for entry in entries
            if not grants.valid(kind, entry) or "(" in entry
        ]
        if inputs["objects"] == "schemas" and inputs.get("schema"):
            failures.append(CheckFailure("schema", "must be left out: a schema lies in no other"))
        return failures

    def same(self, name: str, one: Any, other: Any) -> bool:
        return (
            grants.flat(one or {}) == grants.flat(other or {}) if name == "grants" else super().same(name, one, other)
        )

    def drift(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        was, now = state.get(name) or {}, value or {}
        changed = grants.by_author(self.database.changes, self.label(state), was, now)
        return "; ".join(f"{self.label(state)}: {by}, {what}" for by, what in changed.items())

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        schema = inputs.get("schema")
        found = await row(connection, ROLE, [schema, inputs["role"]])
        if found is None or found["schema"] != schema:
            return None
        entry, usual, _ = OBJECTS[inputs["objects"]]
        parameters = {"schema": schema, "entry": entry, "usual": usual, "role": inputs["role"]}
        entries = await rows(connection, ENTRIES, parameters)
        return {
            "role": inputs["role"],
            "objects": inputs["objects"],
            "schema": schema,
            "grants": grants.grouped(entries),
        }

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        raise Refused(f"{self.label(inputs)}: there is no such role or schema")

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        await self.alter(connection, found, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        there, wanted = grants.flat(found["grants"]), grants.flat(new["grants"])
        for role, word, _ in sorted(there - wanted):
            await connection.execute(self._statement("revoke", new, role, word))
        # Revoking the grant option's privilege takes the plain one with it.
        for role, word, _ in sorted(wanted) if there != wanted else ():
            await connection.execute(self._statement("grant", new, role, word))

    def _statement(self, verb: str, target: Mapping[str, Any], role: str, word: str) -> sql.Composed:
        schema = target.get("schema")
        where = sql.SQL(" in schema {}").format(sql.Identifier(schema)) if schema else sql.SQL("")
        privilege, grantable, _ = word.partition(GRANTABLE)
        return sql.SQL("alter default privileges for role {}{} {} {} on {} {} {}{}").format(
            sql.Identifier(target["role"]),
            where,
            sql.SQL(verb),
            sql.SQL(privilege),
            sql.SQL(target["objects"]),
            sql.SQL("to" if verb == "grant" else "from"),
            sql.SQL("public") if role == "public" else sql.Identifier(role),
            sql.SQL(grantable if verb == "grant" else ""),
        )

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        await self.give_back(connection, {**state, "grants": {}})

    async def give_back(self, connection: Connection, before: Mapping[str, Any]) -> None:
        found = await self.find(connection, before)
        if found is not None:
            was = {role: entries for role, entries in before["grants"].items() if role != "public"}
            await self.alter(connection, found, {**before, "grants": was})
