"""Which tasks of housekeeping there are, when they run and how long, and the jobs of a scheduler in the database."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from declared.buckets import SettingError

KEY = "maintenance"
FORM = "a map such as {by: pg_cron, at: '02:00', window: 60}"
OUTSIDE, PG_CRON = "outside", "pg_cron"
CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
MOST_MINUTES = 720
# The next one begins so many minutes after the one before it.
STEP = 2
DAY = 24 * 60
# What each task does, in the order in which they run (ops.run_task, migration 0039).
TASKS: Mapping[str, str] = {
    "partitions": "partitions created and dropped",
    "sign_ins": "expired sign-ins deleted",
    "invitations": "expired invitations deleted",
    "calls": "old reservations and calls deleted",
    "file_events": "old file events deleted",
    "projects": "projects dated that were held",
    "storage": "what is stored noted",
    "generations": "old generations deleted",
    "departures": "rows of people who have left deleted",
    "summaries": "summaries refreshed",
    "audit": "audit trail of the last month verified",
    "health": "health noted",
}
INDEXES = "indexes"
"""The task that no function can do: indexes that have grown are rebuilt."""
INDEXES_TITLE = "bloated indexes rebuilt"


@dataclass(frozen=True)
class MaintenanceSettings:
    """By whom housekeeping runs, when, and how long."""

    by: str = OUTSIDE
    at: int = 2 * 60
    """Minutes after midnight, UTC."""
    window: int = 60
    """Minutes after which none of it is at work any more."""

    @property
    def in_database(self) -> bool:
        return self.by == PG_CRON


def maintenance(value: Any) -> MaintenanceSettings:
    """
    :raises SettingError: for the first part that can't be used
    """
    if not isinstance(value, Mapping):
        raise SettingError(KEY, value, FORM)
    for name in sorted(value, key=str):
        if name not in ("by", "at", "window"):
            raise SettingError(f"{KEY}.{name}", value[name], "no such key; there are by, at and window")
    by, at, window = value.get("by", OUTSIDE), value.get("at", "02:00"), value.get("window", 60)
    if by not in (OUTSIDE, PG_CRON):
        raise SettingError(f"{KEY}.by", by, f"{OUTSIDE} or {PG_CRON}")
    clock = CLOCK.fullmatch(at) if isinstance(at, str) else None
    if not clock:
        raise SettingError(f"{KEY}.at", at, "a time of the day in UTC, in quotes, such as '02:00'")
    least = STEP * len(TASKS)
    if not isinstance(window, int) or isinstance(window, bool) or not least <= window <= MOST_MINUTES:
        raise SettingError(f"{KEY}.window", window, f"a number of minutes from {least} to {MOST_MINUTES}")
    return MaintenanceSettings(by, int(clock[1]) * 60 + int(clock[2]), window)


def jobs(settings: MaintenanceSettings, months: int, audit_months: int) -> dict[str, tuple[str, str]]:
    """Schedule (cron, UTC) and statement of each job, by its name; the last one ends what is still at work.

    Args:
        settings: when they run.
        months: how many months of analytics are kept.
        audit_months: how many months of the audit trail are kept.
    """
    kept = f"'{months} months', '{audit_months} months'"
    found = {
        f"vpb_{task}": (_daily(settings.at + STEP * number), f"call ops.run_task('{task}', {kept})")
        for number, task in enumerate(TASKS)
    }
    return found | {"vpb_window_end": (_daily(settings.at + settings.window), "select ops.stop_tasks()")}


def _daily(minute: int) -> str:
    hour, minute = divmod(minute % DAY, 60)
    return f"{minute} {hour} * * *"
