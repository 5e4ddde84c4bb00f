"""What grows, towards which limit: the samples of the health, and where the limits are known from."""

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from declared.health import GIB
from ops import exported
from ops.database import Connection
from ops.errors import CommandError
from ops.health.report import read as measured
from ops.report import forecast
from ops.report.forecast import Forecast
from ops.report.model import Subject
from run import engine

HISTORY = "select object, sampled_at, value from ops.health_history(%s, now() - interval '90 days')"
SERVER = "aws:rds/instance:Instance"
Samples = list[tuple[datetime, float]]


@dataclass(frozen=True)
class Limit:
    """Where something ends, and who says so."""

    value: float | None
    said: str


@dataclass(frozen=True)
class Growth:
    """One thing that grows."""

    name: str
    title: str
    metric: str
    unit: str
    limit: float | None
    limit_from: str
    forecast: Forecast

    @property
    def now(self) -> float | None:
        """The newest value."""
        return self.forecast.days[-1].value if self.forecast.days else None


def read(subject: Subject) -> list[Growth]:
    """The disk, connections, the month's budget, stored files; the sequence that is used up most, where there is one.

    :raises CommandError: where the database can't be reached
    """
    with subject.monitor() as connection:
        now = {(each.metric, each.object): each.value for each in measured(connection, subject.checks)}
        series = {
            name: _series(connection, name, now, subject.now)
            for name in ("database_bytes", "connections", "month_spend", "bucket_bytes", "sequence_used")
        }
        folder = _data_folder(connection, subject.stack)
    return list(_grown(subject, series, folder))


def _grown(subject: Subject, series: dict[str, dict[str, Samples]], folder: Path | None) -> Iterator[Growth]:
    today = subject.now.date()
    disk = forecast.daily(series["database_bytes"].get("", []))
    limit = _disk(subject, folder, disk[-1].value if disk else 0)
    yield _growth(subject, "disk", "Disk", "database_bytes", limit, forecast.of(disk, limit.value, today))
    # Of the moments that were noted, the day's fullest.
    used = forecast.daily(series["connections"].get("", []), highest=True)
    all_used = Limit(1.0, "all connections that clients may have")
    yield _growth(subject, "connections", "Connections", "connections", all_used, forecast.of(used, 1.0, today))
    spent, budget = forecast.daily(series["month_spend"].get("", [])), _threshold(subject, "month_spend")
    found = forecast.of_month(spent, budget.value, today)
    yield _growth(subject, "budget", "Models, this month", "month_spend", budget, found)
    stored = _added(series["bucket_bytes"])
    none = Limit(None, "an object store has no end; ./vpb cost says what a GB costs")
    yield _growth(subject, "files", "Stored files", "bucket_bytes", none, forecast.of(stored, None, today))
    if sequences := series["sequence_used"]:
        name = max(sequences, key=lambda each: max(sequences[each])[1])
        numbers = forecast.daily(sequences[name])
        end = Limit(1.0, f"the numbers that {name} can give")
        yield _growth(subject, "sequence", f"Sequence {name}", "sequence_used", end, forecast.of(numbers, 1.0, today))


def _growth(subject: Subject, name: str, title: str, metric: str, limit: Limit, found: Forecast) -> Growth:
    return Growth(name, title, metric, subject.checks[metric].unit, limit.value, limit.said, found)


def _series(
    connection: Connection, metric: str, now: dict[tuple[str, str], float | None], at: datetime
) -> dict[str, Samples]:
    """The samples of a metric by object, and what it is now."""
    found: dict[str, Samples] = defaultdict(list)
    for object, sampled, value in connection.execute(HISTORY, [metric]).fetchall():
        found[object].append((sampled, value))
    for (name, object), value in now.items():
        if name == metric and value is not None:
            found[object].append((at, value))
    return found


def _added(series: dict[str, Samples]) -> list[forecast.Day]:
    """The sum of several objects by day; one without a sample that day has its last one before."""
    by_object = {object: {each.day: each.value for each in forecast.daily(found)} for object, found in series.items()}
    last = dict.fromkeys(by_object, 0.0)
    days = []
    for day in sorted({day for found in by_object.values() for day in found}):
        last |= {object: found[day] for object, found in by_object.items() if day in found}
        days.append(forecast.Day(day, sum(last.values())))
    return days


def _threshold(subject: Subject, metric: str) -> Limit:
    check = subject.checks[metric]
    limit = check.warning if check.critical is None else check.critical
    if limit is None:
        return Limit(None, f"none is set; database:thresholds sets {metric}")
    return Limit(limit, "database:thresholds")


def _disk(subject: Subject, folder: Path | None, used: float) -> Limit:
    """What the database may grow to."""
    if (set := _threshold(subject, "database_bytes")).value is not None:
        return set
    if folder:
        return Limit(used + shutil.disk_usage(folder).free, "what is free now on the disk of the server")
    if (allocated := _allocated(subject.stack)) is not None:
        return Limit(allocated, "the storage of the server at AWS, which holds WAL and temporary files too")
    return Limit(None, "the server's disk isn't known here; database:thresholds sets database_bytes")


def _allocated(stack: str) -> float | None:
    """The storage that a server at AWS has, or may grow to by itself."""
    try:
        servers: Sequence[dict[str, Any]] = exported.resources(exported.read(stack))
    except CommandError:
        return None
    for each in servers:
        if each["type"] == SERVER and not each.get("delete"):
            outputs = each.get("outputs") or {}
            gibibytes = outputs.get("maxAllocatedStorage") or outputs.get("allocatedStorage")
            return float(gibibytes) * GIB if gibibytes else None
    return None


def _data_folder(connection: Connection, stack: str) -> Path | None:
    """Where an embedded server has its files, which is on this machine."""
    if not engine.embedded(stack):
        return None
    row = connection.execute("show data_directory").fetchone()
    folder = Path(row[0]) if row else None
    return folder if folder and folder.is_dir() else None
