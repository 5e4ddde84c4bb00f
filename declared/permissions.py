"""The setting that allows, once, what is refused where data is kept: what, why, and until when."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from declared.buckets import SettingError
from declared.errors import printable
from declared.naming import BUCKET_ID, NAMESPACE, STEP
from declared.promotion import UNPROMOTED

KEY = "allow"
SETTING = f"{NAMESPACE}:{KEY}"
KEYS = {"what", "reason", "until"}
BUCKET_CHANGE = re.compile(rf"{BUCKET_ID.pattern} (public|access [a-z]+|retentionDays [1-9][0-9]{{0,3}})")
# Those of them that show files to others, and end none.
DISCLOSES = re.compile(rf"{BUCKET_ID.pattern} (public|access [a-z]+)")
# What was adopted is called as its objects are.
RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,200}|adopted-[^\x00-\x1f\x7f]{1,200}")
# The engine hands a date that YAML knows as one on as a moment.
DATE = re.compile(r"(\d{4}-\d{2}-\d{2})( 00:00:00 \+0000 UTC)?")
MOST_DAYS = 31
FORM = (
    "a list of maps of what (a migration such as 0007_projects, a change of a bucket such as audio public, a "
    "resource as a preview names it, or unpromoted), reason, and until: a date such as 2026-12-05, at most "
    f"{MOST_DAYS} days ahead"
)


@dataclass(frozen=True)
class Permission:
    """One thing that may be done until a day is over, in UTC."""

    what: str
    reason: str
    until: date

    @property
    def expired(self) -> bool:
        return self.until < today()


def today() -> date:
    """The day, in UTC."""
    return datetime.now(UTC).date()


def permissions(value: Any) -> tuple[Permission, ...]:
    """
    :raises SettingError: for anything but a list of different permissions
    """
    if not isinstance(value, list):
        raise SettingError(KEY, value, FORM)
    found = tuple(_permission(f"{KEY}[{number}]", entry) for number, entry in enumerate(value))
    if len({each.what for each in found}) < len(found):
        raise SettingError(KEY, [each.what for each in found], "one entry for each what")
    return found


def _permission(key: str, value: Any) -> Permission:
    if not isinstance(value, Mapping) or set(value) != KEYS:
        raise SettingError(key, value, FORM)
    what, reason = value["what"], value["reason"]
    if not isinstance(what, str) or not (RESOURCE.fullmatch(what) or BUCKET_CHANGE.fullmatch(what)):
        raise SettingError(f"{key}.what", what, FORM)
    if (said := words(reason)) is None:
        raise SettingError(f"{key}.reason", reason, "some words that say why")
    return Permission(what, said, _until(f"{key}.until", value["until"]))


def words(value: Any) -> str | None:
    """A reason in one line; None for what says nothing."""
    return printable(" ".join(value.split())) if isinstance(value, str) and value.strip() else None


def last_day(value: Any, most_days: int) -> date | None:
    """The date that a value is; None for what is none, or is more days ahead."""
    written = DATE.fullmatch(str(value))
    try:
        found = date.fromisoformat(written[1]) if written else None
    except ValueError:
        return None
    return found if found and found <= today() + timedelta(days=most_days) else None


def _until(key: str, value: Any) -> date:
    found = last_day(value, MOST_DAYS)
    if found is None:
        last = today() + timedelta(days=MOST_DAYS)
        raise SettingError(key, value, f"a date such as {today():%Y-%m-%d}, and not after {last:%Y-%m-%d}")
    return found


def steps(given: Collection[Permission]) -> tuple[str, ...]:
    """The migrations that may be rolled back today."""
    return tuple(each.what for each in given if not each.expired and STEP.fullmatch(each.what))


def bucket_changes(given: Collection[Permission]) -> tuple[str, ...]:
    """The changes of buckets that may be made today."""
    return tuple(each.what for each in given if not each.expired and BUCKET_CHANGE.fullmatch(each.what))


def destructive(given: Collection[Permission]) -> tuple[str, ...]:
    """What may be lost today: rows by a rollback, files by a retention, what a resource holds."""
    return tuple(
        each.what
        for each in given
        if not each.expired and each.what != UNPROMOTED and not DISCLOSES.fullmatch(each.what)
    )


def way(what: str) -> str:
    """What to write in order to be allowed something, in words."""
    return (
        f"`{SETTING}: [{{what: {what}, reason: WHY, until: YYYY-MM-DD}}]` in the stack's file, `up`, and take it out "
        "again"
    )
