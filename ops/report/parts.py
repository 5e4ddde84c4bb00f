"""The parts of a report, each read by itself: what is in the way of one takes no other away."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from declared.errors import UserError
from declared.health import CHECKS, LEVELS
from declared.paths import CHECKOUT
from ops import cost as estimate
from ops import drift as manual
from ops import driftnotes
from ops.backups import checking, options
from ops.database import UnreachableError
from ops.errors import answered
from ops.health import report as health
from ops.migrations import job
from ops.report import growth, slow, stored
from ops.report.model import NotRead, Part, Subject
from provider.connection import ConnectionInfo, Connections
from run import engine

# The audit trail is long; all of it is verified by `./vpb audit`.
TRAIL_DAYS = 7
MOST_BACKUPS = 12
DRILLS = """
select backup, taken_at, drilled_at, passed, extract(epoch from recovery_point)::float8,
    extract(epoch from recovery_time)::float8
from ops.drills() limit 12"""
MAINTENANCE = "select task, began_at, ended_at, failed, said, succeeded_at from ops.maintenance() order by task"


@dataclass(frozen=True)
class Drill:
    """A backup that was restored to see whether it can be."""

    backup: str
    taken_at: datetime
    drilled_at: datetime
    passed: bool
    recovery_point_seconds: float | None
    """How old the backup was then."""
    recovery_time_seconds: float | None
    """How long it took to have the rows back."""


def read(subject: Subject) -> dict[str, Part]:
    """All of them, in the order of the page."""
    return {name: _part(subject, title, reader) for name, (title, reader) in READERS.items()}


def _part(subject: Subject, title: str, reader: Callable[[Subject], Any]) -> Part:
    subject.progress(title)
    try:
        return Part(title, reader(subject), None)
    except Exception as error:
        why = str(error) if isinstance(error, UserError | NotRead) else answered(error)
        if why is None:
            raise
        return Part(title, None, " ".join(why.split()), isinstance(error, UnreachableError))


def _health(subject: Subject) -> dict[str, Any]:
    found = health.of(subject.stack)
    known = [asdict(each) | _described(each.metric) for each in found.metrics]
    levels = {level: sum(each.level == level for each in found.metrics) for level in LEVELS}
    return {"levels": levels, "metrics": known}


def _described(metric: str) -> dict[str, Any]:
    check = CHECKS.get(metric)
    return {"title": check.title if check else metric, "below": bool(check and check.below)}


def _audit(subject: Subject) -> dict[str, Any]:
    from ops.audit.run import audit

    found = audit(subject.stack, trail_days=TRAIL_DAYS)
    return {
        "rules": found.rules,
        "counts": found.counts,
        "trail_days": TRAIL_DAYS,
        "findings": [asdict(each) | {"severity": each.severity.name} for each in found.findings],
        "skipped": [asdict(each) for each in found.skipped],
    }


def _backups(subject: Subject) -> dict[str, Any]:
    place = options.place(subject.stack, None, "--from", subject.environment)
    found, damaged = checking.summaries(place)
    listed = [each.summary for each in found]
    names = ("id", "kind", "taken_at", "rows", "files", "stored_bytes")
    newest = datetime.fromisoformat(listed[0].taken_at) if listed else None
    return {
        "count": len(listed),
        "stored_bytes": sum(each.stored_bytes for each in listed),
        "newest_age_seconds": (subject.now - newest).total_seconds() if newest else None,
        "promised_hours": subject.backups.recovery_point if subject.backups else None,
        "listed": [{name: getattr(each, name) for name in names} for each in listed[:MOST_BACKUPS]],
        "damaged": [each.as_dict() for each in damaged],
    }


def _drills(subject: Subject) -> dict[str, Any]:
    with subject.monitor() as connection:
        drills = [Drill(*row) for row in connection.execute(DRILLS).fetchall()]
    within = subject.backups.drill_within if subject.backups else None
    passed = next((each for each in drills if each.passed), None)
    late = within is not None and (passed is None or subject.now - passed.drilled_at > timedelta(days=within))
    return {
        "within_days": within,
        "late": late,
        "passed": passed and asdict(passed),
        "failed_since": bool(drills) and not drills[0].passed,
        "drills": [asdict(each) for each in drills],
    }


def _maintenance(subject: Subject) -> dict[str, Any]:
    names = ("task", "began_at", "ended_at", "failed", "said", "succeeded_at")
    with subject.monitor() as connection:
        rows = connection.execute(MAINTENANCE).fetchall()
    return {"tasks": [dict(zip(names, row, strict=True)) for row in rows]}


def _drift(subject: Subject) -> dict[str, Any]:
    if subject.look_for_drift:
        found = manual.find(subject.stack)
        driftnotes.note(subject.stack, found)
    look = driftnotes.last(subject.stack)
    if look is None:
        raise NotRead(f"nobody has looked from here yet; ./vpb drift --stack {subject.stack} looks, and --drift here")
    return {
        "looked_at": look.looked,
        "now": subject.look_for_drift,
        "objects": [{"object": name, "since": since} for name, since in sorted(look.since.items())],
    }


def _migrations(subject: Subject) -> dict[str, Any]:
    connections = Connections(ConnectionInfo.of(subject.environment.admin_url))
    asked = job.Job(job.Options(), connections, job.Terminal(quiet=True), CHECKOUT)
    folders = asyncio.run(_status(asked))
    return {"folders": [{"folder": name, **found} for name, found in folders.items()]}


async def _status(asked: job.Job) -> dict[str, Any]:
    return await job.status(await asked.on_its_platform())


def _cost(subject: Subject) -> Mapping[str, Any]:
    found: dict[str, Any] = json.loads(estimate.as_json(estimate.of(subject.stack)))
    return found | {"billed": engine.billed(subject.stack)}


READERS: dict[str, tuple[str, Callable[[Subject], Any]]] = {
    "growth": ("Growth and forecast", growth.read),
    "health": ("Health", _health),
    "slow": ("Slowest statements", slow.read),
    "storage": ("Stored files", stored.read),
    "audit": ("Security audit", _audit),
    "backups": ("Backups", _backups),
    "drills": ("Restore drills", _drills),
    "maintenance": ("Maintenance", _maintenance),
    "drift": ("Manual changes", _drift),
    "migrations": ("Migrations", _migrations),
    "cost": ("Cost", _cost),
}


def now() -> datetime:
    """This moment, in whole seconds of UTC."""
    return datetime.now(UTC).replace(microsecond=0)
