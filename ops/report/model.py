"""What a report is made of: parts, each with what was found or why nothing could be."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from declared.backups import BackupSettings
from declared.health import Check
from ops.database import Connection, connect
from ops.environment import Environment

APPLICATION = "vpb report"
# Of what a part reads; a report waits for no lock and no table that is read whole for longer.
LIMITS = "set statement_timeout = '60s'; set lock_timeout = '5s'"
FORMAT = 1


class NotRead(Exception):
    """A part can't be read; the text is the reason."""


@dataclass(frozen=True)
class Subject:
    """The stack that is reported on, at one moment."""

    environment: Environment
    target: str
    checks: Mapping[str, Check]
    backups: BackupSettings | None
    now: datetime
    look_for_drift: bool = False
    progress: Callable[[str], None] = lambda message: None

    @property
    def stack(self) -> str:
        return self.environment.stack

    def monitor(self) -> Connection:
        """A session that reads statistics and no rows.

        :raises CommandError: where the server can't be reached
        """
        return _limited(connect(self.environment.monitor_url, APPLICATION))

    def admin(self) -> Connection:
        """A session of the login that provisions, which only reads.

        :raises CommandError: where the server can't be reached
        """
        connection = _limited(connect(self.environment.admin_url, APPLICATION))
        connection.execute("set default_transaction_read_only = on")
        return connection


def _limited(connection: Connection) -> Connection:
    connection.execute(LIMITS)
    return connection


@dataclass(frozen=True)
class Part:
    """One subject of the report."""

    title: str
    found: Any
    """None where it can't be read."""
    missing: str | None
    """Why it can't be read, in one line."""
    unreachable: bool = False
    """Whether that is since the database can't be reached."""


@dataclass(frozen=True)
class Attention:
    """Something that somebody has to look at, and in which part it stands."""

    level: str
    """warning or critical."""
    text: str
    part: str


@dataclass(frozen=True)
class Glance:
    """A part in a few words."""

    part: str
    level: str
    """That of what it has for attention, else ok; unknown where it can't be read, or there is nothing yet."""
    text: str


@dataclass(frozen=True)
class Summary:
    """The first screen, in plain words."""

    level: str
    """ok, warning or critical; unknown where the health can't be read."""
    verdict: str
    health: str
    attention: list[Attention]
    backups: str
    drill: str
    cost: str
    forecast: str
    glance: list[Glance]


@dataclass(frozen=True)
class StatusReport:
    """All of it."""

    stack: str
    target: str
    made_at: datetime
    summary: Summary
    parts: Mapping[str, Part]
    format: int = FORMAT

    @cached_property
    def values(self) -> dict[str, Any]:
        """As JSON has it: the page is written from the same."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self), default=_text))
        return found

    def as_json(self) -> str:
        """The report for scripts."""
        return json.dumps(self.values, indent=2)


def _text(value: Any) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)
