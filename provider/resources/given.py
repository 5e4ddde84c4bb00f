"""What a platform has made and this project stands on: looked at, never changed."""

from collections.abc import Mapping
from typing import Any

from plugin.server import CheckFailure, Context
from provider.connection import Connection, rows
from provider.errors import Refused, few
from provider.resources.base import Field, ObjectKind

# Each object as a declaration writes it, of the kinds that are looked for.
THERE = """
select 'role ' || rolname as object from pg_catalog.pg_roles
union all
select 'role ' || rolname || ' of ' || current_user from pg_catalog.pg_roles
 where pg_catalog.pg_has_role(oid, 'usage with grant option')
union all
select 'extension ' || e.extname || ' in ' || n.nspname
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
union all
select 'function ' || p.oid::pg_catalog.regprocedure::text || ' returns ' || pg_catalog.pg_get_function_result(p.oid)
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname = any (%(schemas)s)
union all
select 'column ' || n.nspname || '.' || c.relname || '.' || a.attname || ' '
       || pg_catalog.format_type(a.atttypid, a.atttypmod)
  from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p')
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = any (%(schemas)s) and a.attnum > 0 and not a.attisdropped
union all
select 'row security ' || n.nspname || '.' || c.relname
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where n.nspname = any (%(schemas)s) and c.relrowsecurity"""
KINDS = ("role", "extension", "function", "column", "row security")


class Given(ObjectKind):
    """Checks that objects of a platform are there as declared; it makes, alters and drops nothing."""

    token = "pg:index:Given"
    fields = {
        "by": Field(str, "the platform that has made them", required=True, identity=True),
        "objects": Field(
            list,
            "what has to be there: `role anon`, `role anon of postgres` (which may pass it on), `extension pgcrypto in "
            "extensions`, `function auth.uid() returns uuid`, `column storage.objects.name text`, `row security "
            "storage.objects`",
            required=True,
        ),
        "limits": Field(list, "what can't be had there; said once, when the resource is made", compared=False),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"what {inputs['by']} brings"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        return [
            CheckFailure("objects", f"'{each}' must begin with one of {', '.join(KINDS)}")
            for each in inputs["objects"]
            if not each.startswith(tuple(f"{kind} " for kind in KINDS))
        ]

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        """What is declared and there; what else is there is the platform's affair."""
        wanted = inputs.get("objects") or []
        schemas = sorted({each.split(" ")[-1 if each.startswith("row") else 1].partition(".")[0] for each in wanted})
        there = {each["object"] for each in await rows(connection, THERE, {"schemas": schemas})}
        return {"by": inputs["by"], "objects": [each for each in wanted if each in there]}

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        if not preview or self.connections is not None:
            await self._look(inputs)
        for limit in inputs.get("limits") or []:
            await context.info(f"{inputs['by']}: {limit}")
        return self.id(inputs), dict(inputs)

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        await self._look(new)
        return dict(new)

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        """Nothing: none of it is ours."""

    async def _look(self, inputs: Mapping[str, Any]) -> None:
        async with self.database.transaction(self.label(inputs)) as connection:
            self._refuse_missing(await self.find(connection, inputs), inputs)

    def _refuse_missing(self, found: Mapping[str, Any] | None, inputs: Mapping[str, Any]) -> None:
        """
        :raises Refused: where something isn't there as declared
        """
        missing = [each for each in inputs["objects"] if each not in (found or {}).get("objects", [])]
        if missing:
            raise Refused(
                f"{self.label(inputs)}: {few(missing)} isn't there as this project needs it; database:url has to be "
                f"the direct connection of a project of {inputs['by']}, as its login postgres"
            )

    def drift(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        gone = [each for each in state.get(name) or [] if each not in value]
        return f"{self.label(state)}: {few(gone)} isn't there any more"
