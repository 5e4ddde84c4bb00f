"""Who may execute the functions of a schema: one resource for all of them, since there are a hundred and more.

Each is an authoritative list, as in `grants.py`; what is done manually to one is reported under its own name.
"""

from collections.abc import Mapping
from typing import Any

from plugin.server import CheckFailure
from provider.connection import Connection, row, rows
from provider.errors import Refused
from provider.migrationchanges import MANUALLY
from provider.resources import grants
from provider.resources.base import Field, ObjectKind, shown

THERE = "select oid from pg_catalog.pg_namespace where nspname = %s"
# All but those that are named. Those of an extension are the extension's affair, and those that construct a range type
# belong with it, and to the superuser who initialised the server.
OTHERS = """select p.oid::pg_catalog.regprocedure::text as name
           from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
          where n.nspname = %s and p.oid not in (
              select f.oid from pg_catalog.unnest(%s::text[]) as given (name)
               cross join lateral (select pg_catalog.to_regprocedure(given.name)::oid as oid) f where f.oid is not null)
            and not exists (
              select from pg_catalog.pg_depend d
               where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
                 and d.deptype in ('e', 'i'))"""
ENTRIES = """select f.name, case when e.grantee = 0 then 'public' else r.rolname::text end as role,
                    pg_catalog.lower(e.privilege_type) as word, e.is_grantable as grantable, null::text as column,
                    case when e.grantor <> p.proowner then pg_catalog.pg_get_userbyid(e.grantor)::text end as grantor
               from pg_catalog.unnest(%s::text[]) as f (name)
               join pg_catalog.pg_proc p on p.oid = pg_catalog.to_regprocedure(f.name)::oid
               left join lateral pg_catalog.aclexplode(
                        coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) e on e.grantee <> p.proowner
               left join pg_catalog.pg_roles r on r.oid = e.grantee"""

Lists = Mapping[str, Mapping[str, list[str]]]
"""Function to role to privileges."""


class FunctionGrants(ObjectKind):
    """`grant execute on function …` for the functions of a schema that are named, `revoke …` for all else on all.

    A function that isn't named is one that nobody may execute.
    """

    token = "pg:index:FunctionGrants"
    in_one_database = True
    list_field = "functions"
    fields = {
        "schema": Field(str, "whose functions", required=True, identity=True),
        "functions": Field(
            dict,
            "function, with its schema and argument types, to role to `execute` or `execute with grant option`; "
            "`public` is everybody",
            required=True,
            items=dict,
        ),
        "open": Field(
            bool,
            "whether a platform grants functions of its own there, which are let be",
            default=False,
            compared=False,
        ),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"grants on functions of schema {inputs['schema']}"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        schema, failures = inputs["schema"], []
        for function, lists in inputs["functions"].items():
            if not function.startswith(f"{schema}.") or not function.endswith(")"):
                failures.append(
                    CheckFailure("functions", f"'{function}' must be written as in {schema}.name(argument types)")
                )
            failures += [
                CheckFailure("functions", f"{function}: {role}: '{entry}' is no privilege on a function")
                for role, entries in lists.items()
                for entry in (entries if isinstance(entries, list) else [entries])
                if not grants.valid("function", entry)
            ]
        return failures

    def same(self, name: str, one: Any, other: Any) -> bool:
        return _flat(one) == _flat(other) if name == "functions" else super().same(name, one, other)

    def observed(self, name: str, state: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
        """A function's lists stay as they were written where they mean the same."""
        if name != "functions":
            return super().observed(name, state, found)
        recorded: Lists = state.get(name) or {}
        return {
            function: recorded[function]
            if function in recorded and grants.flat(recorded[function]) == grants.flat(lists)
            else lists
            for function, lists in found[name].items()
        }

    def paths(self, name: str, was: Any, wanted: Any) -> list[str]:
        if name != "functions":
            return super().paths(name, was, wanted)
        return [f'{name}["{function}"]' for function in _changed(was, wanted)]

    def drift(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        was: Lists = state.get(name) or {}
        authors: dict[str, list[str]] = {}
        for function in _changed(was, value):
            if function not in value:
                authors.setdefault(MANUALLY, []).append(f"{function} is gone from the server")
                continue
            found = grants.by_author(
                self.database.changes, f"function {function}", was.get(function, {}), value[function]
            )
            for by, what in found.items():
                authors.setdefault(by, []).append(f"on {function} {what}")
        return f"{self.label(state)}: " + "; ".join(f"{by}, {'; '.join(lines)}" for by, lines in authors.items())

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        if await row(connection, THERE, [inputs["schema"]]) is None:
            return None
        named = list(inputs.get("functions") or ())
        others: list[str] = []
        if not inputs.get("open"):
            others = [entry["name"] for entry in await rows(connection, OTHERS, [inputs["schema"], named])]
        found: dict[str, list[dict[str, Any]]] = {}
        for entry in await rows(connection, ENTRIES, [named + others]):
            found.setdefault(entry["name"], [])
            if entry["role"] is not None:
                found[entry["name"]].append(entry)
        # One that isn't named and that nobody may execute is as declared; an import has all of them.
        kept = found.keys() if "functions" not in inputs else {name for name in found if found[name] or name in named}
        return {"schema": inputs["schema"], "functions": {name: grants.grouped(found[name]) for name in sorted(kept)}}

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        raise Refused(f"{self.label(inputs)}: there is no such schema")

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        await self.alter(connection, found, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        missing = sorted(new["functions"].keys() - found["functions"].keys())
        if missing:
            raise Refused(f"{self.label(new)}: there is no {', '.join(missing)}")
        for function in sorted(new["functions"].keys() | found["functions"].keys()):
            lists = new["functions"].get(function, {})
            target = {"kind": "function", "name": function}
            wanted, there = grants.flat(lists), grants.flat(found["functions"][function])
            for entry in sorted(there - wanted):
                if grants.GRANTED_BY not in entry[1]:
                    await connection.execute(grants.statement("revoke", target, *entry))
            # Taking a grant option away takes what was granted by it.
            if there != wanted:
                for entry in sorted(wanted):
                    await connection.execute(grants.statement("grant", target, *entry))
        after = await self.find(connection, new)
        left = _changed(new["functions"], (after or found)["functions"])
        if left:
            raise Refused(
                f"{self.label(new)}: on {shown(left)} something stays that the owner didn't grant, or that the "
                "login may not revoke; revoke it as the role that granted it"
            )

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        await self.give_back(connection, {**state, "functions": {function: {} for function in state["functions"]}})

    async def give_back(self, connection: Connection, before: Mapping[str, Any]) -> None:
        found = await self.find(connection, before)
        if found is not None:
            was = before["functions"]
            there: Lists = {function: grants.ours(was.get(function, {})) for function in found["functions"]}
            await self.alter(connection, found, {**before, "functions": there})


def _flat(lists: Lists | None) -> dict[str, set[grants.Entry]]:
    return {function: grants.flat(each) for function, each in (lists or {}).items()}


def _changed(one: Lists | None, other: Lists | None) -> list[str]:
    was, now = _flat(one), _flat(other)
    return sorted(function for function in was.keys() | now.keys() if was.get(function) != now.get(function))
