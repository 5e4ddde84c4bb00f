"""The audit trail: whether its chains are whole, by themselves and by an anchor that was taken earlier."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ops.audit import anchor as trail
from ops.audit.model import Audited, AuditError, NotSeen, Row, Rule, Severity

UNGUARDED = re.compile(r"(?P<table>\w+\.\w+) has no trigger (?P<trigger>\w+) that always fires")


def broken(audited: Audited) -> Iterator[Row]:
    """Every entry that was edited or is missing, every guard that is off."""
    try:
        found = trail.verify(audited.connection, audited.anchor, audited.trail_since)
    except trail.TrailError as error:
        raise NotSeen(str(error)) from None
    for finding in found:
        kept = UNGUARDED.fullmatch(finding.detail)
        if kept and audited.declared.platform.owns(kept["table"]) and _fires(audited, kept["table"], kept["trigger"]):
            where = f"{kept['trigger']} on {kept['table']}"
            detail = f"{where} doesn't fire in sessions with session_replication_role = replica"
            yield {"object": finding.object, "detail": detail, "severity": "info"}
        else:
            yield {"object": finding.object, "detail": finding.detail}


def _fires(audited: Audited, table: str, trigger: str) -> bool:
    """Whether a trigger is there and fires in ordinary sessions; on a platform's table no more can be had."""
    query = f"""select 1 from pg_catalog.pg_trigger as t
        where t.tgrelid = '{table}'::regclass and t.tgname = '{trigger}' and t.tgenabled = 'O'"""
    return bool(audited.rows(query))


def read_anchor(path: Path) -> dict[str, Any] | None:
    """The anchor in a file; None where there is no file yet.

    :raises AuditError: where it holds something else
    """
    if not path.exists():
        return None
    try:
        anchor = json.loads(path.read_text())
    except (OSError, ValueError):
        anchor = None
    if not isinstance(anchor, dict):
        raise AuditError(f"{path}: no anchor of the audit trail; take the one that an earlier `--anchor` wrote")
    return anchor


def write_anchor(audited: Audited, path: Path) -> None:
    """Note where the chains end now, whole or not at all.

    :raises AuditError: where the file can't be written
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(trail.take_anchor(audited.connection), indent=2) + "\n")
        os.replace(part, path)
    except (OSError, trail.TrailError) as error:
        raise AuditError(f"{path}: the anchor wasn't written: {error}") from None


RULES = (
    Rule(
        "audit-trail-broken",
        Severity.critical,
        "entries of the audit trail that were edited or are missing, or guards of it that are off",
        "{detail}",
        "compare with a backup from before; docs/audit-trail.md",
        broken,
    ),
)
