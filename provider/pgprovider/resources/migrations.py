"""The numbered steps of a folder: applied in order, recorded in a history table, taken back when they leave it.

One resource holds all steps of a folder, since a thousand resources would cost the engine a minute and one costs
nothing (`docs/decisions/0004-one-resource-for-all-steps.md`). A preview still has a line for each pending step.
"""

from collections.abc import Mapping
from typing import Any

from psycopg import generators, pq, sql

import sqlfiles
from pgprovider.connection import Connection, lock, row, rows
from pgprovider.errors import CUT_OFF, HINTS, Refused, StatementFailed
from pgprovider.resources.base import Field, ObjectKind, qualified
from plugin.server import CheckFailure, Context, Diff, Resource
from plugin.wire import UNKNOWN

HISTORY = "supabase_migrations.schema_migrations"
# The first three columns are the Supabase CLI's, so that `supabase migration list` shows our steps.
HISTORY_TABLE = """
create schema if not exists {schema};
create table if not exists {table} (version text primary key, statements text[], name text);
alter table {table} add column if not exists statements text[], add column if not exists name text,
    add column if not exists checksum text, add column if not exists down text,
    add column if not exists applied_at timestamptz default pg_catalog.now();
alter table {table} enable row level security;
create table if not exists {rolled_back} (version text primary key, name text, at timestamptz default pg_catalog.now());
alter table {rolled_back} enable row level security;
"""
# Beside the history: what was rolled back, since a row that is gone can also have been deleted by hand.
ROLLED_BACK = "_rolled_back"
TABLES_LEFT = """select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                  where n.nspname = %s"""
# Tells a database from one that was made anew under the same name.
DATABASE_IDENTITY = """select (select system_identifier from pg_catalog.pg_control_system()) || '/' || d.oid as identity
                         from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()"""


class MigrationSet(ObjectKind):
    """Each step is one transaction with its history row; `steps` maps a step's name to its checksum."""

    token = "pg:index:MigrationSet"
    fields = {
        "folder": Field(str, "the folder of the steps, relative to the project", required=True, identity=True),
        "history": Field(str, "the history table, with its schema", default=HISTORY),
        "role": Field(str, "the role that the steps run as, and that owns what they make"),
        "steps": Field(dict, "step to checksum", required=True),
    }
    outputs = {
        "database": Field(str, "which database the steps were applied to"),
        "applied": Field(dict, "what this stack has applied there, step to checksum"),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"migrations {inputs['folder']}"

    async def check(
        self, context: Context, old: dict[str, Any], new: dict[str, Any]
    ) -> tuple[dict[str, Any], list[CheckFailure]]:
        inputs, failures = await super().check(context, old, new)
        if not failures and isinstance(inputs.get("steps"), dict):
            edited = _edited(inputs["folder"], old.get("steps") or {}, inputs["steps"])
            failures = [CheckFailure("steps", reason) for reason in edited]
        return inputs, failures

    def id(self, inputs: Mapping[str, Any]) -> str:
        history = inputs.get("history", HISTORY)
        return str(inputs["folder"]) if history == HISTORY else f"{inputs['folder']}@{history}"

    def parse_id(self, id: str) -> dict[str, str]:
        folder, _, history = id.partition("@")
        return {"folder": folder, "history": history or HISTORY}

    async def diff(self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any]) -> Diff:
        diff = await super().diff(context, id, state, new)
        # A refresh takes a step whose row is gone out of the inputs, so `check` can't know all that was applied.
        _refuse_misplaced(new["folder"], {**(state.get("applied") or {}), **(state.get("steps") or {})}, new["steps"])
        await self._announce(context, state.get("steps") or {}, new["steps"])
        return diff

    async def _announce(self, context: Context, was: Mapping[str, str], wanted: Mapping[str, str]) -> None:
        for name in sorted(was.keys() - wanted.keys(), reverse=True):
            await context.info(f"roll back {name}")
        for name in sorted(wanted.keys() - was.keys()):
            await context.info(f"apply {name}")

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        if preview:
            await self._announce(context, {}, inputs["steps"])
            return self.id(inputs), inputs | dict.fromkeys(self.outputs, UNKNOWN)
        return self.id(inputs), await self._run(context, {}, inputs)

    async def update(
        self, context: Context, id: str, state: dict[str, Any], new: dict[str, Any], preview: bool
    ) -> dict[str, Any]:
        if preview:
            return new | dict.fromkeys(self.outputs, UNKNOWN)
        return await self._run(context, state, new)

    async def delete(self, context: Context, id: str, state: dict[str, Any]) -> None:
        async with self.database.transaction(self.label(state)) as connection:
            if not await rows(connection, HISTORY_THERE, list(qualified(state["history"]))):
                await context.info(f"{self.label(state)}: {state['history']} is gone, so nothing was rolled back")
                return
        await self._run(context, state, {**state, "steps": {}})
        schema, table, rolled_back = _history_names(state["history"])
        async with self.database.transaction(self.label(state)) as connection:
            await connection.execute(sql.SQL("drop table if exists {}, {}").format(table, rolled_back))
            if not await rows(connection, TABLES_LEFT, [qualified(state["history"])[0]]):
                await connection.execute(sql.SQL("drop schema if exists {}").format(schema))

    async def read(self, context: Context, id: str, state: dict[str, Any], inputs: dict[str, Any]) -> Resource | None:
        inputs = inputs or self.parse_id(id)
        async with self.database.transaction(self.label(inputs)) as connection:
            identity = await _identity(connection)
            recorded = await _recorded(connection, inputs["history"])
            gone = await _rolled_back(connection, inputs["history"])
        if not state and not recorded:
            return None
        seen = {name: entry["checksum"] or state.get("steps", {}).get(name, "") for name, entry in recorded.items()}
        if state:
            await self._tell(context, state, seen, identity)
        applied = state.get("applied", seen) if state.get("database", identity) == identity else {}
        applied = {name: checksum for name, checksum in applied.items() if name not in gone}
        inputs = inputs | {"steps": seen}
        return Resource(id, state | inputs | {"database": identity, "applied": applied}, inputs)

    async def _tell(self, context: Context, state: Mapping[str, Any], seen: Mapping[str, str], identity: str) -> None:
        if state["database"] != identity:
            await context.info(f"{self.label(state)}: this is another database than the one the steps were applied to")
        for name, checksum in state["steps"].items():
            if name not in seen:
                await context.info(f"{self.label(state)}: the row of {name} is gone from {state['history']}")
            elif seen[name] != checksum:
                await context.info(f"{self.label(state)}: the row of {name} in {state['history']} has another checksum")
        for name in sorted(seen.keys() - state["steps"].keys()):
            await context.info(f"{self.label(state)}: {state['history']} has a row of {name}, applied by somebody else")

    # Running steps.

    async def _run(self, context: Context, state: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
        label = self.label(new)
        async with self.database.transaction(label) as connection:
            await lock(connection, label)
            schema, table, rolled_back = _history_names(new["history"])
            await connection.execute(sql.SQL(HISTORY_TABLE).format(schema=schema, table=table, rolled_back=rolled_back))
            identity = await _identity(connection)
            recorded = await _recorded(connection, new["history"])
            gone = await _rolled_back(connection, new["history"])
        known = dict(state.get("applied") or {}) if state.get("database") == identity else {}
        # Rolled back by a run that ended before the engine could note it.
        known = {name: checksum for name, checksum in known.items() if name not in gone}
        wanted: Mapping[str, str] = new["steps"]
        _refuse_strangers(label, new["history"], recorded, wanted, known)
        _refuse_misplaced(new["folder"], {**known, **dict.fromkeys(recorded, "")}, wanted)
        back = sorted((recorded.keys() | known.keys()) - wanted.keys(), reverse=True)
        for name in back:
            await context.status(f"rolling back {name} ({back.index(name) + 1} of {len(back)})")
            await self._roll_back(new, name, known.get(name))
        for number, name in enumerate(sorted(wanted), start=1):
            if name not in recorded or not _same_checksum(recorded[name], wanted[name]):
                await context.status(f"applying {name} ({number} of {len(wanted)})")
                await self._apply(new, name, name in known)
        return dict(new) | {"database": identity, "applied": dict(wanted)}

    async def _apply(self, new: Mapping[str, Any], name: str, done: bool) -> None:
        """Run one step and record it in the same transaction; `done`: it ran before and only its row is missing."""
        step = _step(new["folder"], name, new["steps"][name])
        async with self.database.transaction(f"step {name}") as connection:
            await lock(connection, self.label(new))
            entry = (await _recorded(connection, new["history"])).get(name)
            if entry is None and not done:
                await _execute(connection, step.up, f"{new['folder']}/{name}.up.sql", name, new.get("role"))
                await self.database.settle(connection)
            await connection.execute(
                sql.SQL("delete from {} where version = %s").format(_history_names(new["history"])[2]), [step.version]
            )
            await connection.execute(
                sql.SQL(
                    """insert into {} (version, name, statements, checksum, down) values (%s, %s, %s, %s, %s)
                       on conflict (version) do update set checksum = excluded.checksum, down = excluded.down"""
                ).format(sql.Identifier(*qualified(new["history"]))),
                [step.version, name.split("_", 1)[1], [step.up], step.checksum, step.down],
            )

    async def _roll_back(self, new: Mapping[str, Any], name: str, checksum: str | None) -> None:
        """Run the down half that was recorded with the step; it must be the one that this stack applied."""
        async with self.database.transaction(f"step {name}") as connection:
            await lock(connection, self.label(new))
            entry = (await _recorded(connection, new["history"])).get(name)
            if entry is None:
                raise Refused(
                    f"step {name}: its history row is gone and with it the way back; put the step's files back, run "
                    "`pulumi up --refresh` to restore the row, then remove them again"
                )
            down = entry["down"]
            if down is None or (checksum and sqlfiles.digest(down) != checksum.partition(".")[2]):
                raise Refused(f"step {name}: the down half in {new['history']} isn't the one this stack applied")
            await _execute(connection, down, f"{new['folder']}/{name}.down.sql", name, new.get("role"))
            await self.database.settle(connection)
            _, table, rolled_back = _history_names(new["history"])
            version, _, words = name.partition("_")
            await connection.execute(sql.SQL("delete from {} where version = %s").format(table), [version])
            await connection.execute(
                sql.SQL("insert into {} (version, name) values (%s, %s) on conflict do nothing").format(rolled_back),
                [version, words],
            )


def _history_names(history: str) -> tuple[sql.Identifier, sql.Identifier, sql.Identifier]:
    """The history's schema, its table, and the table of what was rolled back."""
    schema, table = qualified(history)
    return sql.Identifier(schema), sql.Identifier(schema, table), sql.Identifier(schema, table + ROLLED_BACK)


def _edited(folder: str, applied: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """The applied steps whose up halves aren't what they were."""
    return [
        f"{folder}/{name}.up.sql:1: was edited after it was applied; put the old text back "
        "and write the change as a new step"
        for name, checksum in wanted.items()
        if applied.get(name) and applied[name].partition(".")[0] != checksum.partition(".")[0]
    ]


def _refuse_misplaced(folder: str, applied: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """What may not happen to steps that are applied: edited up halves, and newcomers between them."""
    newest = max((name for name in applied if name in wanted), default="")
    refused = _edited(folder, applied, wanted) + [
        f"{folder}/{name}.up.sql:1: is new but comes before {newest}, which is applied; give it the next number"
        for name in wanted
        if name not in applied and name < newest
    ]
    if refused:
        raise Refused("; ".join(refused))


def _refuse_strangers(
    label: str,
    history: str,
    recorded: Mapping[str, dict[str, Any]],
    wanted: Mapping[str, str],
    known: Mapping[str, str],
) -> None:
    for name, entry in recorded.items():
        if name not in wanted and name not in known:
            raise Refused(
                f"{label}: {history} has {name}, which is neither in this checkout nor applied by this stack; "
                "check out the commit that has it"
            )
        checksum = entry["checksum"]
        if (
            checksum
            and name in wanted
            and checksum.partition(".")[0] != wanted[name].partition(".")[0]
            and name not in known
        ):
            raise Refused(
                f"{label}: {name}.up.sql:1 differs from what {history} says was applied; put the old text back"
            )


def _same_checksum(entry: Mapping[str, Any], wanted: str) -> bool:
    return bool(entry["checksum"] == wanted)


def _step(folder: str, name: str, checksum: str) -> sqlfiles.Step:
    for step in sqlfiles.steps(sqlfiles.CHECKOUT / folder):
        if step.name == name and step.checksum == checksum:
            return step
    raise Refused(f"{folder}/{name}.up.sql changed while the update was running; run again")


async def _identity(connection: Connection) -> str:
    found = await row(connection, DATABASE_IDENTITY, [])
    assert found is not None
    return str(found["identity"])


HISTORY_THERE = """select a.attname from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
                     join pg_catalog.pg_namespace n on n.oid = c.relnamespace
                    where n.nspname = %s and c.relname = %s and a.attname in ('checksum', 'down')"""


async def _rolled_back(connection: Connection, history: str) -> set[str]:
    schema, table = qualified(history)
    there = await row(
        connection,
        "select pg_catalog.to_regclass(pg_catalog.format('%%I.%%I', %s::text, %s::text)) as oid",
        [schema, table + ROLLED_BACK],
    )
    if there is None or there["oid"] is None:
        return set()
    query = sql.SQL("select version || '_' || name as step from {}").format(sql.Identifier(schema, table + ROLLED_BACK))
    return {entry["step"] for entry in await rows(connection, query, [])}  # type: ignore[arg-type]


async def _recorded(connection: Connection, history: str) -> dict[str, dict[str, Any]]:
    schema, table = qualified(history)
    if not await rows(connection, HISTORY_THERE, [schema, table]):
        return {}
    query = sql.SQL("select version, name, checksum, down from {} order by version").format(
        sql.Identifier(schema, table)
    )
    found = await rows(connection, query, [])  # type: ignore[arg-type]
    return {f"{entry['version']}_{entry['name']}": entry for entry in found}


async def _execute(connection: Connection, text: str, path: str, name: str, role: str | None) -> None:
    """Send a file in one message; an error is told with the line of the statement that failed."""
    if role:
        await connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
    # Row security binds the owner too: a step that would change no row in silence fails instead.
    await connection.execute("set local row_security = off")
    connection.pgconn.send_query(text.encode())
    results = await connection.wait(generators.execute(connection.pgconn))
    last = results[-1]
    if last.status == pq.ExecStatus.FATAL_ERROR:
        raise _failure(last, text, len(results) - 1, path, name)
    if connection.info.transaction_status != pq.TransactionStatus.INTRANS:
        raise StatementFailed(f"step {name}: {path} ended the transaction it runs in; leave out commit and rollback")
    await connection.execute("reset role")


def _failure(result: pq.abc.PGresult, text: str, index: int, path: str, name: str) -> StatementFailed:
    def said(field: pq.DiagnosticField) -> str:
        return (result.error_field(field) or b"").decode(errors="replace")

    position = said(pq.DiagnosticField.STATEMENT_POSITION)
    parts = sqlfiles.statements(text)
    if position:
        line = text.count("\n", 0, int(position) - 1) + 1
    else:
        line = parts[index].line if index < len(parts) else 1
    code = said(pq.DiagnosticField.SQLSTATE)
    if not code:
        return StatementFailed(f"step {name}: {CUT_OFF}, {path}:{line}")
    said_primary = " ".join(said(pq.DiagnosticField.MESSAGE_PRIMARY).split())
    message = f"step {name}: {said_primary} ({code}), {path}:{line}"
    hint = HINTS.get(code, "nothing of this step was kept")
    return StatementFailed(f"{message}; {hint}")
