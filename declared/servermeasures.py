"""What CloudWatch measures of a server that the program makes, and from where on it is a warning or critical.

The numbers of the machine under the server are AWS' own (namespace AWS/RDS, each minute, free). What is measured within
the database is in `declared/health.py`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from declared.serversettings import AURORA, ServerSettings

NAMESPACE = "AWS/RDS"
PERIOD = 300
GIB = 1 << 30
# So many bytes of a server's memory for each session, by RDS' default of max_connections, and the most of them.
SESSION_BYTES, MOST_SESSIONS = 9_531_392, 5_000
# With less than this as the least capacity, Aurora lets in fewer.
SMALL_CAPACITY, MOST_SMALL = 1, 2_000
# What is left of a class' memory for PostgreSQL: the rest is RDS' own.
USABLE = 0.9
# GiB for each processor, by the first letter of a class; of the small ones by their size.
PER_PROCESSOR = {"m": 4, "r": 8, "x": 16, "t": 4}
SMALL = {"micro": 1, "small": 2, "medium": 4}
# What a server tells of itself as events, by the kind of source.
EVENTS = {
    "db-instance": ("availability", "failover", "failure", "low storage", "maintenance", "recovery"),
    "db-cluster": ("failover", "failure", "maintenance"),
}
# The same of a cluster's servers: what the cluster says itself isn't said twice.
MEMBER_EVENTS = ("availability", "failure", "maintenance", "recovery")


@dataclass(frozen=True)
class Measure:
    """One measure of a server."""

    name: str
    """Part of its alarms' names, and its section in docs/runbooks/aws.md."""
    metric: str
    title: str
    unit: str
    """Of the number as CloudWatch has it; empty for a count."""
    warning: float | None
    critical: float | None
    below: bool = False
    """Whether small values are the bad ones."""
    statistic: str = "Average"
    periods: int = 3
    """How many of PERIOD seconds in a row are beyond the threshold."""
    critical_periods: int = 0
    """The same for critical, where it is another number."""
    outage: bool = False
    """Whether nobody is served where it is critical."""
    role: str = ""
    """Of a cluster: of its WRITER or its READERs."""


@dataclass(frozen=True)
class Line:
    """A kind of line in the server's log that is counted."""

    name: str
    level: str
    """As PostgreSQL writes it."""
    warning: float | None
    critical: float | None


# In PERIOD seconds. An ERROR is a statement that the app got wrong: many of them at once are a fault.
LINES: Sequence[Line] = (
    Line("log-panic", "PANIC", None, 1),
    Line("log-fatal", "FATAL", 50, None),
    Line("log-error", "ERROR", 500, None),
)


def pattern(line: Line) -> str:
    """How CloudWatch Logs finds such a line: by RDS' prefix `time:host(port):user@database:[process]:LEVEL:`.

    From its beginning on: what a client has sent is quoted in the rest, and could look like a level.
    """
    return rf"%^[^\[]*\[[0-9]+\]:{line.level}:%"


def memory(settings: ServerSettings) -> float | None:
    """GiB of memory of each server, the most it grows to; None for a class that isn't known."""
    if settings.serverless:
        return settings.max_capacity * 2
    found = re.fullmatch(r"db\.([a-z])[a-z0-9]*\.(?:(micro|small|medium)|(large)|([0-9]*)xlarge)", settings.class_)
    if found is None or found[1] not in PER_PROCESSOR:
        return None
    if found[2]:
        return SMALL[found[2]]
    processors = 2 if found[3] else 4 * int(found[4] or 1)
    return PER_PROCESSOR[found[1]] * processors


def most_sessions(settings: ServerSettings) -> int | None:
    """How many sessions a server takes; None where its memory isn't known."""
    size = memory(settings)
    if size is None:
        return None
    most = MOST_SMALL if settings.serverless and settings.min_capacity < SMALL_CAPACITY else MOST_SESSIONS
    return min(most, int(size * USABLE * GIB / SESSION_BYTES))


def measures(settings: ServerSettings) -> list[Measure]:
    """All of a server, or of a cluster's writer and readers."""
    every = [*_machine(settings), *_within(settings)]
    if settings.engine != AURORA:
        return [*every, *_storage(settings)]
    if settings.serverless:
        every.append(Measure("capacity", "ACUUtilization", "capacity in use", "%", 95, None, periods=6))
    found = [replace(each, role="WRITER") for each in every]
    found.append(
        Measure("transaction-ids", "MaximumUsedTransactionIDs", "transaction ids used", "", 5e8, 1e9, role="WRITER")
    )
    if settings.servers > 1:
        # The worst of them: an average would hide it.
        worst = {False: "Maximum", True: "Minimum"}
        found += [
            replace(each, name=f"readers-{each.name}", role="READER", statistic=worst[each.below])
            for each in every
            if each.name != "write-latency"
        ]
        # In milliseconds; where it is more than some tens of seconds, Aurora restarts the reader.
        lag = Measure("readers-lag", "AuroraReplicaLag", "how far a reader is behind", "ms", 1_000, 10_000)
        found.append(replace(lag, role="READER", statistic="Maximum"))
    return found


def _machine(settings: ServerSettings) -> list[Measure]:
    size = memory(settings)
    # Aurora gives three quarters to its own buffers, so little is free there at any time.
    low = 0.05 * size * GIB if size else GIB / 4
    return [
        Measure("cpu", "CPUUtilization", "CPU in use", "%", 80, 95),
        Measure("memory", "FreeableMemory", "memory that can be freed", "bytes", low, low / 2, below=True),
        # Seconds for one read or write of the storage.
        Measure("read-latency", "ReadLatency", "a read of the storage", "s", 0.02, 0.1),
        Measure("write-latency", "WriteLatency", "a write of the storage", "s", 0.02, 0.1),
    ]


def _within(settings: ServerSettings) -> list[Measure]:
    most = most_sessions(settings)
    if most is None:
        return []
    return [
        Measure(
            *("sessions", "DatabaseConnections", "sessions", "", int(0.8 * most), int(0.9 * most)),
            statistic="Maximum",
            outage=True,
        )
    ]


def _storage(settings: ServerSettings) -> list[Measure]:
    """What a server has that keeps its data on a disk of its own."""
    size = settings.storage * GIB
    return [
        # RDS enlarges it when a tenth is left: below that for half an hour, it didn't; what is left may last minutes.
        Measure(
            *("storage", "FreeStorageSpace", "storage that is free", "bytes", 0.1 * size, 0.05 * size, True, "Minimum"),
            periods=6,
            critical_periods=1,
            outage=True,
        ),
        Measure(
            "transaction-ids", "MaximumUsedTransactionIDs", "transaction ids used", "", 5e8, 1e9, statistic="Maximum"
        ),
        # A slot that is 10 GiB behind is ended by the server (max_slot_wal_keep_size).
        Measure("slot-lag", "OldestReplicationSlotLag", "WAL that a slot waits for", "bytes", GIB, 8 * GIB),
        Measure("wal", "TransactionLogsDiskUsage", "WAL on the disk", "bytes", 0.2 * size, 0.3 * size),
    ]
