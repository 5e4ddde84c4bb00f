"""The setting of backups: how long each is kept, what is promised of them, and who can open them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from declared.awsnames import REGION, REGIONS
from declared.buckets import SettingError

KEY = "backups"
DAYS = "days"
# How many days a backup of a class stands for.
CLASSES = {"daily": 1, "weekly": 7, "monthly": 31}
# The prefix beside those of the classes, for the archive of WAL.
WAL = "wal"
NUMBERS = {
    "recoveryPoint": (1, 168, "hours"),
    "recoveryTime": (1, 168, "hours"),
    "lockDays": (1, 3650, "days"),
}
KEYS = ("retention", *NUMBERS, "recipients")
OPTIONAL = ("schedule", "secondRegion", "drillWithin")
# A drill a week, and a day for it. The database forgets no drill sooner than the longest (migration 0037).
DRILL_WITHIN = 8
DRILLS = (1, 366, "days")
SCHEDULE = re.compile(r"([0-9]|[1-5][0-9]) ([0-9]|1[0-9]|2[0-3]) \* \* \*")
SCHEDULES = "minute and hour of each day as cron writes them, in UTC, such as `0 5 * * *`"
LONGEST = {DAYS: 3650, "daily": 366, "weekly": 104, "monthly": 120}
# The measure that the alarm goes by, with the stack as its dimension: hours since the newest complete backup was taken.
NAMESPACE, METRIC, DIMENSION = "VisualPromptBuilder", "HoursSinceNewestBackup", "Stack"
FORM = f"empty, or a map with {', '.join(KEYS)}"
RETENTION = "a map of daily, weekly and monthly, or of some of them, or one of days"
# Bech32: after `age1` never one of 1, b, i and o.
RECIPIENT = re.compile(r"age1[ac-hj-np-z02-9]{58}")
RECIPIENTS = "a list of 1 to 10 different public keys of age, such as age-keygen writes: age1 and 58 characters"
MOST_RECIPIENTS = 10


@dataclass(frozen=True)
class BackupSettings:
    """What is declared of backups, checked."""

    retention: Mapping[str, int]
    """Class → days that a backup of it is kept; each class is a prefix in the bucket."""
    recovery_point: int
    """Hours: no more of what was written may be lost."""
    recovery_time: int
    """Hours: after so many it is all there again."""
    lock_days: int
    """Days in which nobody deletes a backup who hasn't the right to go around the lock."""
    recipients: tuple[str, ...]
    """Public keys; each opens every backup."""
    schedule: tuple[int, int] = (0, 5)
    """Minute and hour, in UTC, at which AWS Backup begins."""
    second_region: str = ""
    """Where AWS Backup copies to; empty is nowhere."""
    drill_within: int = DRILL_WITHIN
    """Days; where the last good drill is older, nothing that holds data goes."""


def backups(value: Any) -> BackupSettings | None:
    """None where nothing is declared.

    :raises SettingError: for the first part that can't be used
    """
    if value == {}:
        return None
    if not isinstance(value, Mapping):
        raise SettingError(KEY, value, FORM)
    for name in sorted(value):
        if name not in (*KEYS, *OPTIONAL):
            known = ", ".join((*KEYS, *OPTIONAL))
            raise SettingError(f"{KEY}.{name}", value[name], f"no such key; there are {known}")
    point, time, lock = (_number(f"{KEY}.{name}", value.get(name), *bounds) for name, bounds in NUMBERS.items())
    retention = _retention(value.get("retention"))
    if lock > min(retention.values()):
        allowed = f"at most the shortest retention, {min(retention.values())} days"
        raise SettingError(f"{KEY}.lockDays", lock, allowed)
    return BackupSettings(
        retention,
        point,
        time,
        lock,
        _recipients(value.get("recipients")),
        _schedule(value.get("schedule", "0 5 * * *")),
        _region(value.get("secondRegion", "")),
        _number(f"{KEY}.drillWithin", value.get("drillWithin", DRILL_WITHIN), *DRILLS),
    )


def _schedule(value: Any) -> tuple[int, int]:
    match = SCHEDULE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise SettingError(f"{KEY}.schedule", value, SCHEDULES)
    return int(match[1]), int(match[2])


def _region(value: Any) -> str:
    if not isinstance(value, str) or (value and not REGION.fullmatch(value)):
        raise SettingError(f"{KEY}.secondRegion", value, REGIONS)
    return value


def _number(key: str, value: Any, least: int, most: int, unit: str) -> int:
    if type(value) is not int or not least <= value <= most:
        raise SettingError(key, value, f"a whole number of {unit} from {least} to {most}")
    return value


def _retention(value: Any) -> dict[str, int]:
    key = f"{KEY}.retention"
    if not isinstance(value, Mapping) or not value or not (set(value) == {DAYS} or set(value) <= CLASSES.keys()):
        raise SettingError(key, value, RETENTION)
    counts = {
        name: _number(f"{key}.{name}", value[name], 1, LONGEST[name], "days" if name == DAYS else f"{name} backups")
        for name in (DAYS, *CLASSES)
        if name in value
    }
    if DAYS in counts:
        return {"daily": counts[DAYS]}
    return {name: count * CLASSES[name] for name, count in counts.items()}


def _recipients(value: Any) -> tuple[str, ...]:
    fits = isinstance(value, list) and all(isinstance(key, str) and RECIPIENT.fullmatch(key) for key in value)
    if not fits or not 1 <= len(set(value)) == len(value) <= MOST_RECIPIENTS:
        raise SettingError(f"{KEY}.recipients", value, RECIPIENTS)
    return tuple(value)
