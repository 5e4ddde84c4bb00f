"""A job of pg_cron, the scheduler that is an extension of the server."""

import re
from collections.abc import Mapping
from typing import Any

from plugin.server import CheckFailure
from provider.connection import Connection, row
from provider.errors import Refused
from provider.resources.base import Field, ObjectKind

# Five fields of cron, as pg_cron takes them, or a distance in seconds.
FIELD = r"[0-9*/,$-]+"
SCHEDULE = re.compile(rf"{FIELD}( {FIELD}){{4}}|[1-9][0-9]? seconds?")
NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")
LONGEST_COMMAND = 10_000


class ScheduledJob(ObjectKind):
    """`select cron.schedule(name, …)`: a statement that pg_cron runs in this database, as the login that provisions.

    The extension has to be in this database (`cron.database_name`). Times are those of `cron.timezone`, by default GMT.
    """

    token = "pg:index:ScheduledJob"
    fields = {
        "name": Field(str, "the job's name; each login has names of its own", required=True, identity=True),
        "schedule": Field(str, "when it runs, as cron has it: `0 2 * * *`; or `30 seconds`", required=True),
        "command": Field(str, "the statement that it runs", required=True),
        "active": Field(bool, "whether it runs at all", default=True),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"scheduled job {inputs['name']}"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        failures = []
        if not NAME.fullmatch(inputs["name"]):
            failures.append(CheckFailure("name", f"{inputs['name']!r} must be 1 to 63 of A-Z, a-z, 0-9, _, . and -"))
        if not SCHEDULE.fullmatch(inputs["schedule"]):
            failures.append(
                CheckFailure("schedule", f"{inputs['schedule']!r} is no schedule; one looks like 0 2 * * *")
            )
        if not inputs["command"].strip() or len(inputs["command"]) > LONGEST_COMMAND:
            failures.append(CheckFailure("command", f"must be a statement of at most {LONGEST_COMMAND} characters"))
        return failures

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        """A job of the same name in another database is another one."""
        if not await _installed(connection):
            return None
        return await row(
            connection,
            """select jobname::text as name, schedule, command, active from cron.job
                where jobname = %s and username = current_user and database = pg_catalog.current_database()""",
            [inputs["name"]],
        )

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        if not await _installed(connection):
            raise Refused(
                f"{self.label(inputs)}: extension pg_cron isn't in this database; the server needs it in "
                "shared_preload_libraries, and this database in cron.database_name"
            )
        there = "select database from cron.job where jobname = %s and username = current_user"
        elsewhere = await row(connection, there, [inputs["name"]])
        if elsewhere is not None:
            raise Refused(
                f"{self.label(inputs)}: this login has one of that name for database {elsewhere['database']}; "
                "`select cron.unschedule(name)` takes it away"
            )
        await self.alter(connection, {"active": True}, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """A job of the same name gets another schedule and statement; only the last call has to be granted."""
        wanted = [new[key] for key in ("name", "schedule", "command")]
        if any(found.get(key) != new[key] for key in ("schedule", "command")):
            await row(connection, "select cron.schedule(%s, %s, %s)", wanted)
        if found["active"] != new["active"]:
            await row(
                connection,
                """select cron.alter_job(jobid, active := %s) from cron.job
                    where jobname = %s and username = current_user and database = pg_catalog.current_database()""",
                [new["active"], new["name"]],
            )

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        if await _installed(connection):
            await row(
                connection,
                """select cron.unschedule(jobid) from cron.job
                    where jobname = %s and username = current_user and database = pg_catalog.current_database()""",
                [state["name"]],
            )


async def _installed(connection: Connection) -> bool:
    found = await row(connection, "select pg_catalog.to_regclass('cron.job') is not null as there", [])
    return bool(found and found["there"])
