"""Privileges on what there is: `postgresql:index/grant:Grant`."""

import zlib
from typing import Any, ClassVar

from psycopg import sql

from local.standins.postgresql import targets
from local.standins.postgresql.authority import acting_for
from local.standins.postgresql.base import ServerObject, Values
from local.standins.postgresql.connection import Connection, rows, run
from local.standins.postgresql.privileges import (
    PRIVILEGES,
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

TYPES = frozenset(PRIVILEGES) - {"type"}
WITHOUT_SCHEMA = frozenset({"database", "foreign_data_wrapper", "foreign_server"})


def hashed(names: list[str]) -> list[str]:
    """The order in which the official provider's sets list their members."""
    return sorted(set(names), key=lambda name: str(zlib.crc32(name.encode())))


class Grant(ServerObject):
    """What one role may do with some objects: exactly the privileges listed, nothing less or more."""

    token = "postgresql:index/grant:Grant"
    what = "grant"
    properties: ClassVar[Properties] = {
        "columns": Property("strings", replaces=True),
        "database": Property(required=True, replaces=True),
        "objectType": Property(required=True, replaces=True),
        "objects": Property("strings", replaces=True),
        "privileges": Property("strings", required=True),
        "role": Property(required=True, replaces=True),
        "schema": Property(replaces=True),
        "withGrantOption": Property("boolean", default=False, replaces=True),
    }

    def identify(self, inputs: Values) -> str:
        parts = [inputs["role"], inputs["database"]]
        if inputs["objectType"] not in WITHOUT_SCHEMA:
            parts.append(inputs.get("schema", ""))
        parts.append(inputs["objectType"])
        return "_".join([*parts, *hashed(inputs.get("objects", [])), *hashed(inputs.get("columns", []))])

    def validate(self, inputs: Values) -> list[CheckFailure]:
        kind, privileges = inputs["objectType"], inputs["privileges"]
        failures = privilege_mistakes(kind, TYPES, privileges)
        objects, columns = inputs.get("objects", []), inputs.get("columns", [])
        rules = (
            ("schema", kind in WITHOUT_SCHEMA or inputs.get("schema"), "is required for this objectType"),
            ("objects", kind not in ("database", "schema") or not objects, "can't be given for this objectType"),
            ("columns", kind == "column" or not columns, "can only be given where objectType is column"),
            ("columns", kind != "column" or columns, "is required where objectType is column"),
            ("privileges", kind != "column" or len(privileges) == 1, "must be exactly one where objectType is column"),
            ("objects", kind != "column" or len(objects) == 1, "must be exactly one table where objectType is column"),
            (
                "objects",
                not kind.startswith("foreign_") or len(objects) == 1,
                "must be exactly one for this objectType",
            ),
            ("withGrantOption", not inputs.get("withGrantOption") or inputs["role"] != "public", "can't be for public"),
        )
        return failures + [CheckFailure(name, reason) for name, kept, reason in rules if not kept]

    def same(self, name: str, have: Any, want: Any, inputs: Values) -> bool:
        if name == "privileges":
            return same_privileges(inputs.get("objectType", ""), have, want)
        return super().same(name, have, want, inputs)

    async def fetch(self, connection: Connection, wanted: Values) -> Values | None:
        if not await role_exists(connection, wanted["role"]):
            return None
        held = await targets.held(connection, wanted)
        if not held and (wanted.get("objects") or wanted["objectType"] == "schema"):
            return None
        recorded = wanted.get("privileges")
        managed = [self._managed(wanted, recorded or [], of_object) for of_object in held.values()]
        # With nothing to grant on, as in an empty schema, nothing is missing; with nothing declared, none is right.
        if managed and not any(managed) and recorded != []:
            return None
        want = expand(wanted["objectType"], recorded or [], connection.info.server_version)
        differing = [set(of_object) for of_object in managed if recorded is None or set(of_object) != want]
        grantable = [flag for of_object in managed for flag in of_object.values()]
        strict = bool(wanted.get("withGrantOption"))
        return {
            **{name: wanted[name] for name in self.properties if name in wanted},
            "privileges": sorted(differing[0]) if differing else list(recorded or []),
            # Nothing granted says nothing about how it was granted.
            "withGrantOption": (all(grantable) if strict else any(grantable)) if grantable else strict,
        }

    def _managed(self, grant: Values, privileges: list[str], of_object: dict[str, bool]) -> dict[str, bool]:
        """A grant on columns is about one privilege; the others of the same columns are other grants'."""
        if grant["objectType"] != "column" or not privileges:
            return of_object
        named = expand("column", privileges, 0)
        return {name: flag for name, flag in of_object.items() if name in named}

    async def make(self, connection: Connection, inputs: Values) -> None:
        await self._settle(connection, inputs, inputs["privileges"])

    async def alter(self, connection: Connection, state: Values, new: Values, changed: set[str]) -> None:
        await self._settle(connection, new, [*state.get("privileges", []), *new["privileges"]])

    async def drop(self, connection: Connection, state: Values) -> None:
        if not await role_exists(connection, state["role"]):
            return
        there = {**state, "objects": await self._existing(connection, state)}
        # An empty list would mean every object of the schema, not the ones that were dropped meanwhile.
        if bool(there["objects"]) == bool(state.get("objects")):
            await self._settle(connection, {**there, "privileges": []}, state.get("privileges", []))

    async def _existing(self, connection: Connection, state: Values) -> list[str]:
        """The objects of the grant that are still there."""
        return [
            name for name in state.get("objects", []) if await targets.held(connection, {**state, "objects": [name]})
        ]

    async def _settle(self, connection: Connection, grant: Values, managed: list[str]) -> None:
        """Only what is missing or too much: no moment without the rest, and no needless write."""
        kind, role = grant["objectType"], sql.Identifier(grant["role"])
        want = expand(kind, grant["privileges"], connection.info.server_version)
        held = (await targets.held(connection, grant)).values()
        of_objects = [self._managed(grant, managed, of_object) for of_object in held]
        surplus = {name for of_object in of_objects for name in of_object} - want
        option = bool(grant.get("withGrantOption"))
        handed_on = {name for of_object in of_objects for name, flag in of_object.items() if flag} & want
        # Each write makes a new version of the catalogue row, which parallel grants would wait for.
        missing = (
            not of_objects or any(want - set(of_object) for of_object in of_objects) or (option and want - handed_on)
        )
        async with acting_for(connection, *await targets.owners(connection, grant)):
            on = await targets.clause(connection, grant)
            columns = self._columns(grant)
            if surplus:
                await run(connection, "revoke {} on {} from {}", words(kind, surplus, columns), on, role)
            if handed_on and not option:
                text = "revoke grant option for {} on {} from {}"
                await run(connection, text, words(kind, handed_on, columns), on, role)
            if want and missing:
                ending = sql.SQL(" with grant option" if option else "")
                await run(connection, "grant {} on {} to {}{}", words(kind, want, columns), on, role, ending)

    def _columns(self, grant: Values) -> sql.Composed | None:
        if grant["objectType"] != "column":
            return None
        return sql.SQL(" ({})").format(sql.SQL(", ").join([sql.Identifier(name) for name in grant["columns"]]))

    async def locate(self, id: str) -> Values | None:
        found = []
        for role, database, rest in await split_role_and_database(self.server, id):
            grant = {"role": role, "database": database}
            if rest == "database":
                found.append({**grant, "objectType": "database"})
                continue
            async with self.server.session(f"grant {id}", database) as connection:
                schemas = await rows(connection, "select nspname::text from pg_catalog.pg_namespace")
                for kind in sorted(TYPES - {"database"}):
                    for schema in [""] if kind in WITHOUT_SCHEMA else [name for (name,) in schemas]:
                        start = kind if kind in WITHOUT_SCHEMA else f"{schema}_{kind}"
                        if rest == start or rest.startswith(f"{start}_"):
                            place = {**grant, "objectType": kind, **({"schema": schema} if schema else {})}
                            found += await self._with_objects(connection, place, rest[len(start) + 1 :])
        return only(id, found)

    async def _with_objects(self, connection: Connection, grant: Values, rest: str) -> list[Values]:
        """The readings of the last part of an id: names of objects, then of columns, joined by underscores."""
        if not rest:
            return [grant] if grant["objectType"] == "schema" or "schema" in grant else []
        if grant["objectType"] == "column":
            return await self._with_columns(connection, grant, rest)
        everything = {**grant, "objects": []}
        query = targets.TARGETS[grant["objectType"]]
        if grant["objectType"].startswith("foreign_"):
            return [{**grant, "objects": [rest]}]
        names = [name for name, _ in await rows(connection, query, targets.arguments(everything))]
        return [
            {**grant, "objects": chain} for chain in chains(rest, [name.split(".")[-1].split("(")[0] for name in names])
        ]

    async def _with_columns(self, connection: Connection, grant: Values, rest: str) -> list[Values]:
        query = """
            select c.relname::text, array_agg(a.attname::text) from pg_catalog.pg_attribute a
            join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where n.nspname = %s and starts_with(%s, c.relname || '_') and a.attnum > 0 and not a.attisdropped
            group by 1
        """
        return [
            {**grant, "objects": [table], "columns": chain}
            for table, columns in await rows(connection, query, grant["schema"], rest)
            for chain in chains(rest[len(table) + 1 :], columns)
        ]


def chains(text: str, names: list[str]) -> list[list[str]]:
    """Each way to read `text` as names joined by underscores."""
    found = [[name] for name in set(names) if text == name]
    for name in set(names):
        if text.startswith(f"{name}_"):
            found += [[name, *rest] for rest in chains(text[len(name) + 1 :], names)]
    return found
