"""Dropping an index that the server uses: what its statistics say of indexes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ops.review.lint.model import Change, Finding
from ops.review.lint.objects import Name, name

if TYPE_CHECKING:
    from ops.database import Connection

RULE = "index-in-use"
# A partitioned index has no scans of its own. When the last one was, PostgreSQL says from 16 on.
USES = """
select n.nspname, c.relname, sum(s.idx_scan)::bigint, max((to_jsonb(s) ->> 'last_idx_scan')::timestamptz),
       (select stats_reset from pg_catalog.pg_stat_database where datname = pg_catalog.current_database())
  from pg_catalog.pg_stat_all_indexes s
  join pg_catalog.pg_class c on c.oid = coalesce(pg_catalog.pg_partition_root(s.indexrelid), s.indexrelid)
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where s.idx_scan > 0 group by 1, 2"""
INSTEAD = (
    "keep it, or have another one in its place first; where nothing needs it, say so above the statement: "
    "`-- Lint: allow index-in-use: why.`"
)


@dataclass(frozen=True)
class Use:
    """How often an index was used, and when last; `since` is when the server began to count."""

    scans: int
    last: datetime | None
    since: datetime | None

    @property
    def said(self) -> str:
        """Such as `12 times, last on 2026-11-30`."""
        last = f", last on {self.last.astimezone(UTC):%Y-%m-%d}" if self.last else ""
        since = f" since {self.since.astimezone(UTC):%Y-%m-%d}" if self.since and not self.last else ""
        return f"{self.scans:,} time{'s' if self.scans != 1 else ''}{last}{since}"


def read(connection: "Connection") -> dict[Name, Use]:
    """The indexes that a server has used."""
    found = connection.execute(USES).fetchall()
    return {(schema, index): Use(scans, last, since) for schema, index, scans, last, since in found}


def findings(changes: list[Change], uses: Mapping[Name, Use]) -> Iterator[Finding]:
    """What some migrations that run one after the other drop of what is used; what is made again isn't dropped."""
    made = {change.node.idxname for change in changes if type(change.node).__name__ == "IndexStmt"}
    for change in changes:
        for which in _dropped(change.node):
            if (use := uses.get(which)) and which[1] not in made:
                what = f"index {'.'.join(which)} is in use: {use.said}"
                yield change.finding(RULE, "error", what, INSTEAD)


def _dropped(node: Any) -> Iterator[Name]:
    match type(node).__name__:
        case "DropStmt" if node.removeType.name == "OBJECT_INDEX":
            yield from (name(each) for each in node.objects)
        case "AlterTableStmt":
            schema = name(node.relation)[0]
            yield from ((schema, each.name) for each in node.cmds if each.subtype.name == "AT_DropConstraint")
