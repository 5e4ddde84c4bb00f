"""What is measured of a database's health, in which unit, and from where on it is a warning or critical.

The numbers come from `ops.health()` (migration 0038). A metric has a page in `docs/runbooks` of the same name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from declared.backups import BackupSettings
from declared.buckets import SettingError

KEY = "thresholds"
LEVELS = ("ok", "warning", "critical")
FORM = (
    "a map of metrics, each with a list of two numbers, for warning and critical; null is never: {errors: [100, null]}"
)
MINUTE, HOUR, DAY = 60, 3600, 86400
MIB, GIB = 1 << 20, 1 << 30

Unit = Literal["share", "seconds", "bytes", "count", "days", "dollars", "times"]


@dataclass(frozen=True)
class Check:
    """One metric: what it is, and from where on it is a warning or critical."""

    title: str
    unit: Unit
    warning: float | None = None
    critical: float | None = None
    below: bool = False
    """Whether small values are the bad ones."""

    def level(self, value: float) -> str:
        """One of LEVELS."""
        sign = -1 if self.below else 1
        for name, limit in (("critical", self.critical), ("warning", self.warning)):
            if limit is not None and sign * value >= sign * limit:
                return name
        return "ok"


UNREADABLE = "unreadable"
# What no function of the database says, but a pooler before it.
OF_THE_POOLER = ("pool_used", "pool_wait")
# Each part is asked for by itself: what is in the way of one takes no other away.
PARTS = ("session", "table", "index", "server", "app", "maintenance", "usage")
CHECKS: dict[str, Check] = {
    UNREADABLE: Check("part of the health that can't be read", "count", None, 1),
    "connections": Check("connections in use", "share", 0.7, 0.9),
    "role_connections": Check("connections in use of one login", "share", 0.8, 1),
    "pool_used": Check("sessions of the pooler in use", "share", 0.9),
    "pool_wait": Check("longest wait for a session of the pooler", "seconds", 1, 5),
    "transaction_age": Check("longest transaction", "seconds", 5 * MINUTE, 30 * MINUTE),
    # The app's logins are ended after a minute of it.
    "idle_in_transaction": Check("longest idle transaction", "seconds", 30, 10 * MINUTE),
    # The app's logins give up after eight seconds.
    "lock_wait": Check("longest wait for a lock", "seconds", 5, MINUTE),
    "prepared_transaction_age": Check("oldest prepared transaction", "seconds", 5 * MINUTE, HOUR),
    "cache_hit": Check("blocks found in memory", "share", 0.9, below=True),
    "dead_rows": Check("dead rows", "share", 0.3, 0.6),
    "transaction_ids": Check("transaction ids used up", "share", 0.25, 0.5),
    "checksum_failures": Check("damaged blocks", "count", None, 1),
    "database_bytes": Check("size of the database", "bytes"),
    "table_bytes": Check("size of a large table", "bytes"),
    "invalid_index": Check("invalid index", "count", 1),
    "duplicate_index": Check("indexes that are the same", "count", 2),
    "unused_index": Check("index that nothing uses", "bytes", 10 * MIB),
    "unindexed_key": Check("foreign key without an index", "count", 1),
    "index_bytes_per_row": Check("size of an index for each row", "bytes"),
    "index_bloat": Check("index larger than it was", "times", 3),
    "slot_bytes": Check("WAL that a replication slot keeps", "bytes", GIB, 10 * GIB),
    "slot_room": Check("WAL that a replication slot may still fall behind", "share", 0.5, 0.2, below=True),
    "slot_lost": Check("replication slot that lost its WAL", "count", None, 1),
    "replica_lag": Check("how far a replica is behind", "seconds", 30, 5 * MINUTE),
    # The archiver ends a segment each minute; what is set to run once an hour (`--once`) sets more here.
    "archive_age": Check("WAL that isn't archived", "seconds", 10 * MINUTE, HOUR),
    "archive_failing": Check("WAL that can't be archived", "seconds", 5 * MINUTE, 30 * MINUTE),
    "errors": Check("errors of the app in an hour", "count", 50, 500),
    "failed_calls": Check("calls of models that failed in an hour", "share", 0.1, 0.5),
    "spend": Check("spent on models in an hour", "dollars", 20, 100),
    "month_spend": Check("spent on models this month", "dollars"),
    "budgets_used_up": Check("people whose budget is used up", "count"),
    "scan_wait": Check("longest wait for a scan", "seconds", 10 * MINUTE, HOUR),
    "scans_failed": Check("scans that were given up", "count", 1),
    "deletion_wait": Check("longest wait for a deletion of a file", "seconds", DAY, 3 * DAY),
    "departure_wait": Check("longest wait for a person's rows to be deleted", "seconds", 2 * DAY, 7 * DAY),
    "backup_age": Check("age of the newest backup", "seconds", 26 * HOUR, 50 * HOUR),
    "drill_age": Check("age of the last drill that passed", "seconds", 8 * DAY),
    "partitions_ahead": Check("until the last month that is made", "days", 45, 15, below=True),
    "spare_rows": Check("rows for which there was no month", "count", 1),
    "bucket_bytes": Check("stored in a bucket", "bytes"),
    "sequence_used": Check("numbers of a sequence used up", "share", 0.5, 0.8),
    "maintenance_age": Check("since a task of housekeeping ran well", "seconds", 26 * HOUR, 50 * HOUR),
}

UNWATCHED = {"scan_wait": replace(CHECKS["scan_wait"], warning=None, critical=None)}
"""Where nothing scans on a schedule."""


def checks(value: Any, backups: BackupSettings | None = None, disposable: bool = False) -> dict[str, Check]:
    """All checks, with the thresholds that a stack's file sets.

    Args:
        value: the setting, as Pulumi hands it on.
        backups: what is declared of backups: a promise is a threshold, where no other one is set.
        disposable: whether it is an environment of this machine, where nothing scans until somebody has it scan.

    :raises SettingError: for the first part that can't be used
    """
    if not isinstance(value, Mapping):
        raise SettingError(KEY, value, FORM)
    for name in sorted(value, key=str):
        if name not in CHECKS or name == UNREADABLE:
            raise SettingError(f"{KEY}.{name}", value[name], f"no such metric; there are {', '.join(CHECKS)}")
    known = CHECKS | (_promised(backups) if backups else {}) | (UNWATCHED if disposable else {})
    return {name: _set(name, check, value[name]) if name in value else check for name, check in known.items()}


def _promised(backups: BackupSettings) -> dict[str, Check]:
    point, drill = backups.recovery_point * HOUR, backups.drill_within * DAY
    return {
        "backup_age": replace(CHECKS["backup_age"], warning=None, critical=point),
        "drill_age": replace(CHECKS["drill_age"], warning=drill),
    }


def _set(name: str, check: Check, limits: Any) -> Check:
    key = f"{KEY}.{name}"
    if not isinstance(limits, list) or len(limits) != 2 or not all(map(_is_limit, limits)):
        raise SettingError(key, limits, "a list of two numbers, for warning and critical; null is never")
    if check.unit == "share" and any(limit is not None and limit > 1 for limit in limits):
        raise SettingError(key, limits, "shares from 0 to 1, such as 0.9 for 90 %")
    warning, critical = limits
    if warning is not None and critical is not None and (warning < critical if check.below else warning > critical):
        raise SettingError(key, limits, f"critical {'at most' if check.below else 'at least'} as large as warning")
    return replace(check, warning=warning, critical=critical)


def _is_limit(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e18)
