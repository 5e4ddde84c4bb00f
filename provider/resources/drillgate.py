"""Whether backups are proven: how old the last drill that passed is, before anything that holds data goes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from declared.schemas import HISTORY_TABLE
from plugin.server import Context, Diff, Resource
from provider.connection import row
from provider.errors import Refused
from provider.resources.base import Field, ObjectKind

# Without a history a database had no `up` yet, so there is nothing in it that a backup would bring back.
THERE = f"""
select exists (
           select from pg_catalog.pg_class c join pg_catalog.pg_namespace h on h.oid = c.relnamespace
            where h.nspname || '.' || c.relname = '{HISTORY_TABLE}') as begun, p.oid is not null as noted,
       coalesce(pg_catalog.has_function_privilege(p.oid, 'execute')
                and pg_catalog.has_schema_privilege(n.oid, 'usage'), false) as readable
  from (values (1)) as one (row)
  left join pg_catalog.pg_namespace n on n.nspname = 'ops'
  left join pg_catalog.pg_proc p on p.pronamespace = n.oid and p.proname = 'drills' and p.pronargs = 0"""
LAST = """
select backup, pg_catalog.now() - drilled_at as age
  from ops.drills() where passed order by drilled_at desc limit 1"""
AGAIN = "`./vpb restore-drill` proves that a backup can be restored"


class DrillGate(ObjectKind):
    """Says in each preview and `up` where the last drill that passed is too old, and refuses then what destroys data.

    What is refused is what the stack's file allows of it: without that, others refuse it. Everything that has to do
    with data, in the database and beside it, has to depend on it. It says nothing of a database that never had an `up`.
    """

    token = "pg:index:DrillGate"
    fields = {
        "within": Field(int, "how many days ago the last drill that passed may be", required=True),
        "destructive": Field(
            list,
            "what is allowed and would destroy data, such as a migration to roll back; refused while it is older",
            compared=False,
        ),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return "drills of backups"

    def id(self, inputs: Mapping[str, Any]) -> str:
        return "drills"

    async def diff(self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any]) -> Diff:
        diff = await super().diff(context, id, state, new)
        if self.is_declared(context, new):
            await self._look(context, new)
        return diff

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        await self._look(context, inputs)
        return self.id(inputs), dict(inputs)

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        return dict(new)

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        if not state:
            raise Refused("the gate of drills can't be imported; it exists in the state only")
        return Resource(id, state, inputs)

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        """Nothing: it is a look at what a drill has noted."""

    async def _look(self, context: Context, inputs: Mapping[str, Any]) -> None:
        """
        :raises Refused: for what would destroy data while no drill has passed in time
        """
        if self.connections is None:
            return
        if not (late := await self._late(inputs)):
            return
        if inputs.get("destructive"):
            named = ", ".join(inputs["destructive"])
            raise Refused(
                f"{late}, so nothing that holds data goes, though database:allow names {named}: {AGAIN}, then run "
                "again; or take that out of database:allow"
            )
        await context.info(f"warning: {late}; {AGAIN}")

    async def _late(self, inputs: Mapping[str, Any]) -> str:
        """Why backups aren't proven, in words; empty where they are."""
        async with self.database.transaction(self.label(inputs)) as connection:
            found = await row(connection, THERE, [])
            if not found or not (found["begun"] or found["noted"]):
                return ""
            last = await row(connection, LAST, []) if found["readable"] else None
        wanted = f"database:backups wants one in {inputs['within']} days"
        if not found["noted"]:
            return f"this database notes no restore drills, since it has no function ops.drills(), and {wanted}"
        if not found["readable"]:
            return f"the login that provisions may not ask ops.drills() which restore drill has passed, and {wanted}"
        if last is None:
            return f"no restore drill of a backup has passed yet, and {wanted}"
        if last["age"] <= timedelta(days=inputs["within"]):
            return ""
        return (
            f"the last restore drill that passed, of backup {last['backup']}, was {last['age'].days} days ago, and "
            + wanted
        )
