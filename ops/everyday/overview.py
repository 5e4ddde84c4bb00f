"""What there is of a stack now. Nothing is started by asking, and nothing is compared: that is `drift`'s work."""

import asyncio
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from declared import adopted, connectionurl
from declared.backups import BackupSettings
from declared.errors import UserError
from declared.health import Check
from declared.paths import CHECKOUT
from ops import driftnotes, outputs, rotation
from ops.database import connect
from ops.driftnotes import Look
from ops.errors import CommandError, answered
from ops.migrations import job
from ops.physical.server import slot_name
from ops.status import FAILED, FOUND
from provider.connection import ConnectionInfo, Connections
from run import engine

# Of the runs that Pulumi notes, so many are looked at for the last `up`.
RUNS = 50
NOTED = """
select exists (
    select from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
     where n.nspname = 'ops' and p.proname = 'drills' and p.pronargs = 0
       and has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute'))"""
DRILLS = """
with last as (select * from ops.drills() where passed order by drilled_at desc limit 1),
failed as (
    select backup from ops.drills()
     where not passed and drilled_at > coalesce((select drilled_at from last), '-infinity')
     order by drilled_at desc limit 1
)
select last.backup, last.drilled_at, last.recovery_point, last.recovery_time, failed.backup
  from last full join failed on true"""
ARCHIVES = """
select coalesce(bool_and(has_schema_privilege(n.oid, 'usage') and has_function_privilege(p.oid, 'execute')), false)
        and has_function_privilege('pg_catalog.pg_ls_waldir()', 'execute')
  from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
 where n.nspname = 'ops' and p.proname = 'server_metrics' and p.pronargs = 0"""
ARCHIVE = "select value, detail from ops.server_metrics() where metric = 'archive_age' and object = %s"
LEFT, SUCCEEDED = "same", "succeeded"


@dataclass(frozen=True)
class LastUp:
    """The last run of `up`: when it began, how it ended, what became of how many resources."""

    begun: str
    seconds: int
    result: str
    changes: dict[str, int]


@dataclass(frozen=True)
class Overlap:
    """Two passwords are open for each login: their numbers, and who uses the old one; None where it isn't known."""

    new: int
    old: int
    opened: bool
    """Whether the new one is in the outputs; a run that was cut off may not have come so far."""
    sessions: list[rotation.Sessions] | None


@dataclass(frozen=True)
class Drill:
    """The last restore drill that passed, of which backup and when, and the one that failed since then."""

    backup: str | None
    drilled_at: str | None
    recovery_point_seconds: float | None
    """How old the backup was then."""
    recovery_time_seconds: float | None
    """How long it took to have the rows back."""
    failed: str | None
    """The backup whose drill has failed since."""
    within_days: int | None
    """How many days ago it may be; None where no backups are declared."""
    late: bool
    """Whether it is longer ago, or there was none, where backups are declared."""


# Seconds.
LONGEST_SEGMENT = 60


@dataclass(frozen=True)
class Archived:
    """The archive of WAL, as the server sees it."""

    behind_seconds: float
    """Since when something that was written isn't archived; 0 where all is."""
    late: bool
    """Whether that is over a threshold of the health."""
    detail: str


@dataclass(frozen=True)
class Overview:
    """A stack: where it lives, what runs, what is pending, what was done last.

    Args:
        pending: folder → migrations; None where they can't be known, for `problem` or since no server runs.
        problem: why the server or its migrations can't be read, in one line.
    """

    stack: str
    target: str
    services: list[engine.Service]
    pending: dict[str, list[str]] | None
    problem: str | None
    last_up: LastUp | None
    overlap: Overlap | None = None
    under_way: str | None = None
    """Since when a run that may change it is under way."""
    drift: Look | None = None
    """What `./vpb drift` has found last from this checkout; None where it hasn't looked yet."""
    drill: Drill | None = None
    """None where the database can't be asked, or notes no drills."""
    wal: Archived | None = None
    """None where no WAL is archived, or that can't be asked."""


def of(stack: str) -> Overview:
    """
    :raises EngineError: where there is no such stack
    """
    engine.require(stack)
    target = engine.target(stack)
    version, address, pending, problem, overlap, drill, wal = "", None, None, None, None, None, None
    try:
        overlap = _overlap(stack, None)
        if where := _provisioning(stack):
            version, address = _server(where)
            overlap = _overlap(stack, where)
            pending = _pending(where, engine.adopted(stack))
            # An adopted database may have functions of this name that are its own.
            if not engine.adopted(stack):
                drill = _drilled(where, engine.backups(stack))
                wal = archived(where, stack, engine.checks(stack)["archive_age"])
    except UserError as error:
        problem = " ".join(str(error).split())
    began = since.isoformat() if (since := engine.under_way(stack)) else None
    services = [engine.Service("PostgreSQL", version, address), *target.beside(stack)]
    last, looked = _last_up(stack), driftnotes.last(stack)
    return Overview(stack, target.name, services, pending, problem, last, overlap, began, looked, drill, wal)


def status(found: Overview) -> int:
    """The command's exit status."""
    return FAILED if found.problem or found.pending is None else FOUND if any(found.pending.values()) else 0


def as_json(found: Overview) -> str:
    """The same for a script; a service without an address doesn't answer."""
    return json.dumps(asdict(found), indent=2)


def as_text(found: Overview) -> str:
    """The same for people."""
    rows = [(f"stack {found.stack}", f"target {found.target}")]
    rows += [(f"{each.name} {each.version}".strip(), _service(each)) for each in found.services]
    rows.append(("migrations", found.problem or _migrations(found)))
    if found.overlap:
        rows.append(("passwords", _passwords(found.overlap, found.stack)))
    rows.append(("last up", _last(found.last_up) if found.last_up else "none"))
    rows.append(("drift", _drift(found)))
    if found.drill:
        rows.append(("drill", _drill(found.drill, found.stack)))
    if found.wal:
        rows.append(("wal", _wal(found.wal, found.stack)))
    if found.under_way:
        rows.append(("now", f"a run is under way since {datetime.fromisoformat(found.under_way):%H:%M:%S} UTC"))
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:{width}}  {value}" for name, value in rows]
    return "\n".join([*lines, f"What `up` would do: ./vpb preview --stack {found.stack}"])


def _service(found: engine.Service) -> str:
    return (found.address or "doesn't answer") + (f"; {found.remark}" if found.remark else "")


def _provisioning(stack: str) -> connectionurl.Parameters | None:
    """The login that provisions; None where the embedded server doesn't run."""
    if own := engine.own_parameters(stack):
        return own
    if engine.embedded(stack) and engine.target(stack).log(stack):
        return None
    return outputs.parameters(stack, outputs.connectable(stack), outputs.ADMIN)


def _server(where: connectionurl.Parameters) -> tuple[str, str]:
    """The version of a server, and where it is."""
    with connect(connectionurl.compose(where), "vpb status") as connection:
        row = connection.execute("show server_version").fetchone()
    return str(row[0]).split()[0] if row else "", connectionurl.describe(where)


def _drilled(where: connectionurl.Parameters, declared: BackupSettings | None) -> Drill | None:
    """None where the database notes no drills, or may not be asked for them.

    :raises CommandError: where `ops.drills()` isn't the function that was declared
    """
    within = declared.drill_within if declared else None
    with connect(connectionurl.compose(where), "vpb status") as connection:
        if connection.execute(NOTED).fetchone() != (True,):
            return None
        try:
            found = connection.execute(DRILLS).fetchone()
        except psycopg.Error as error:
            raise CommandError(f"ops.drills() can't be asked: {answered(error)}; `./vpb drift` compares it") from None
    backup, at, point, time, failed = found or (None, None, None, None, None)
    late = within is not None and (at is None or datetime.now(UTC) - at > timedelta(days=within))
    return Drill(
        backup,
        at and at.astimezone(UTC).isoformat(),
        point and point.total_seconds(),
        time and time.total_seconds(),
        failed,
        within,
        late,
    )


def archived(where: connectionurl.Parameters, stack: str, check: Check) -> Archived | None:
    """None where the stack has no slot that keeps WAL for an archive, or that may not be asked.

    Args:
        check: the metric's thresholds.

    :raises CommandError: where `ops.server_metrics()` can't be asked
    """
    with connect(connectionurl.compose(where), "vpb status") as connection:
        if connection.execute(ARCHIVES).fetchone() != (True,):
            return None
        try:
            found = connection.execute(ARCHIVE, (slot_name(stack),)).fetchone()
        except psycopg.Error as error:
            raise CommandError(
                f"ops.server_metrics() can't be asked: {answered(error)}; `./vpb drift` compares it"
            ) from None
    return Archived(found[0], check.level(found[0]) != "ok", found[1]) if found else None


def _pending(where: connectionurl.Parameters, folder: str) -> dict[str, list[str]]:
    """
    Args:
        folder: that of an adopted database, empty for the app's.
    """
    url, own = connectionurl.compose(where), adopted.migrations(folder)
    options = job.Options(own.folder, own.history) if folder else job.Options()
    asked = job.Job(options, Connections(ConnectionInfo.of(url)), job.Terminal(quiet=True), CHECKOUT)
    return {folder: found["pending"] for folder, found in asyncio.run(_status(asked)).items()}


async def _status(asked: job.Job) -> dict[str, Any]:
    return await job.status(await asked.on_its_platform())


def _overlap(stack: str, where: connectionurl.Parameters | None) -> Overlap | None:
    new, *older = engine.passwords(stack)
    if not older:
        return None
    sessions = rotation.using(where, older[0]) if where else None
    return Overlap(new, older[0], rotation.opened(stack, new), sessions)


def _last_up(stack: str) -> LastUp | None:
    answer = engine.capture(["stack", "history", "--json", "--page-size", str(RUNS), "--stack", stack])
    runs = json.loads(answer.stdout or "null") or [] if answer.returncode == 0 else []
    return next((_run(run) for run in runs if run["kind"] == "update"), None)


def _run(run: dict[str, Any]) -> LastUp:
    begun, ended = (datetime.fromisoformat(run.get(name) or run["startTime"]) for name in ("startTime", "endTime"))
    seconds = round((ended - begun).total_seconds())
    return LastUp(begun.astimezone(UTC).isoformat(), seconds, run["result"], run.get("resourceChanges") or {})


def _migrations(found: Overview) -> str:
    if found.pending is None:
        return f"unknown while the server doesn't run; `make up STACK={found.stack}` starts it"
    names = [name for names in found.pending.values() for name in names]
    return f"{len(names)} pending: {', '.join(names)}" if names else "none pending"


def _passwords(overlap: Overlap, stack: str) -> str:
    if not overlap.opened:
        return f"{overlap.new} isn't open yet beside {overlap.old}; ./vpb rotate --stack {stack} goes on"
    if overlap.sessions is None:
        used = "who uses the old one isn't known"
    else:
        used = f"sessions of the old one: {rotation.listed(overlap.sessions) or 'none'}"
    return (
        f"{overlap.new} and {overlap.old} are open, {used}; ./vpb rotate --finish --stack {stack} closes {overlap.old}"
    )


def _drift(found: Overview) -> str:
    """What was changed manually, as far as anybody has looked from here."""
    look, again = found.drift, f"./vpb drift --stack {found.stack}"
    if look is None:
        return f"not looked for yet; {again}"
    when = f"{datetime.fromisoformat(look.looked):%Y-%m-%d %H:%M} UTC"
    older = found.last_up and found.last_up.begun > look.looked
    asked = f"looked for {when}{', before the last up' if older else ''}; {again} looks again"
    if not look.since:
        return f"none, {asked}"
    first = datetime.fromisoformat(min(look.since.values()))
    several = f"{len(look.since)} objects" if len(look.since) > 1 else next(iter(look.since))
    return f"{several} changed manually, first seen {first:%Y-%m-%d %H:%M} UTC; {asked}"


def _drill(found: Drill, stack: str) -> str:
    """How long ago a backup was proven, as database:backups wants it."""
    wanted = f", and database:backups wants one in {found.within_days} days" if found.late else ""
    failed = f"; that of backup {found.failed} has failed since" if found.failed else ""
    again = f"; ./vpb restore-drill --stack {stack}" if found.late or found.failed or not found.drilled_at else ""
    if not found.drilled_at:
        return f"none has passed yet{wanted}{failed}{again}"
    at = datetime.fromisoformat(found.drilled_at)
    measured = found.recovery_point_seconds, found.recovery_time_seconds
    point, time = (timedelta(seconds=round(each or 0)) for each in measured)
    said = f"passed {at:%Y-%m-%d %H:%M} UTC: backup {found.backup}, {point} old, restored in {time}"
    return f"{said}{wanted}{failed}{again}"


def _wal(found: Archived, stack: str) -> str:
    """Whether what is written is archived."""
    if not found.late:
        # A minute is what the archiver takes at most.
        return f"archived; {found.detail}" if found.behind_seconds > LONGEST_SEGMENT else "archived"
    since = timedelta(seconds=round(found.behind_seconds))
    return f"not archived for {since}: {found.detail}; ./vpb wal archive --stack {stack}"


def _last(up: LastUp) -> str:
    begun = datetime.fromisoformat(up.begun)
    changes = ", ".join(f"{number} {_done(kind)}" for kind, number in up.changes.items() if kind != LEFT)
    # `up` itself leaves its own bookkeeping out.
    nothing = "nothing changed" if up.result == SUCCEEDED else "no resource was finished"
    counted = f"{changes}, as Pulumi counts" if changes else nothing
    return f"{begun:%Y-%m-%d %H:%M} UTC, {up.result} in {up.seconds} s: {counted}"


def _done(kind: str) -> str:
    """Pulumi's word for an operation, as what was done."""
    return kind.removesuffix("e") + "ed"
