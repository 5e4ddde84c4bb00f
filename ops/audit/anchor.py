"""What the audit trail says about itself, as data: for `make audit`, and for an anchor that is kept somewhere else."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from declared.errors import UserError

Connection = psycopg.Connection[tuple[Any, ...]]
Anchor = Mapping[str, Any]
"""Where each lane ended at some time: `taken_at`, `digest`, and `lanes` as lane to number and hash."""


class TrailError(UserError):
    """The trail can't be verified; the text is one line."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the trail; without a lane it is about a table."""

    kind: str
    lane: int | None
    entry: int | None
    created_at: datetime | None
    detail: str

    @property
    def object(self) -> str:
        """What it is about, to be named in a report."""
        return "audit trail" if self.lane is None else f"audit.log lane {self.lane}, entry {self.entry}"


def verify(connection: Connection, anchor: Anchor | None = None, since: datetime | None = None) -> list[Finding]:
    """All that is wrong, by the trail itself and by an earlier anchor; read-only, about 10 s for a million entries.

    Args:
        since: entries before it are taken to be as they were; all are looked at by default.

    :raises TrailError: where there is no trail, the login may not verify it, or the anchor is damaged
    """
    if anchor is not None and not _whole(anchor):
        raise TrailError("the anchor is damaged: its digest is not that of its lanes; take it from where it is kept")
    query = "select kind, lane, entry, created_at, detail from audit.verify(%s::jsonb, %s)"
    return [Finding(*found) for found in _ask(connection, query, anchor and json.dumps(dict(anchor)), since)]


def take_anchor(connection: Connection) -> dict[str, Any]:
    """Where the lanes end now, to be kept where anyone who administers the database can't write.

    :raises TrailError: where there is no trail, or the login may not see it
    """
    anchor: dict[str, Any] = _ask(connection, "select audit.anchor()")[0][0]
    return anchor


def _ask(connection: Connection, query: str, *values: Any) -> list[tuple[Any, ...]]:
    try:
        return connection.execute(query.encode(), values or None).fetchall()
    except (psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedFunction):
        raise TrailError("the database has no audit trail; `make up` makes it") from None
    except psycopg.errors.InsufficientPrivilege:
        raise TrailError(f"{connection.info.user} may not verify the audit trail; the admin_url may") from None


def _whole(anchor: Anchor) -> bool:
    """Whether an anchor is as it was taken: the digest is that of the lanes' text as PostgreSQL writes it."""
    lanes = anchor.get("lanes")
    if not isinstance(lanes, dict) or not all(_is_end(*lane) for lane in lanes.items()):
        return False
    ordered = dict(sorted(lanes.items(), key=lambda lane: (len(lane[0]), lane[0])))
    return hashlib.sha256(json.dumps(ordered).encode()).hexdigest() == anchor.get("digest")


def _is_end(lane: object, end: object) -> bool:
    return str(lane).isdecimal() and isinstance(end, list) and [type(part) for part in end] == [int, str]
