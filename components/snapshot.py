"""The snapshot of what every object in the managed schemas is: compared before a run writes anything, and after it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from glob import escape
from typing import Any

import pulumi

import pg
from components.base import Component
from declared import grants
from declared.buckets import BucketSettings
from declared.platform import NOTHING, Platform
from declared.promotion import PARTS
from declared.roles import BACKUP, MIGRATOR, OWNER, ROLES, SECOND
from declared.schemas import (
    EXTENSIONS,
    HELD_TABLE,
    HISTORY_SCHEMA,
    MADE_BY_REALTIME,
    OPEN_SCHEMAS,
    SCHEMAS,
    schemas_on,
)
from declared.sqlfiles import SqlFiles

NAME = "schema"


@dataclass(frozen=True, kw_only=True)
class SnapshotArgs:
    buckets: tuple[BucketSettings, ...]
    allow_bucket_changes: tuple[str, ...] = ()
    """The changes of buckets with files in them that may be made all the same."""
    sql: SqlFiles
    publication: str
    drill_within: int | None = None
    """How many days ago the last good drill of a backup may be; None where no backups are declared."""
    destructive: tuple[str, ...] = ()
    """What is allowed and would destroy data that is kept."""
    accept: str | None = None
    """The fingerprint of a drift that is taken as it is."""
    platform: Platform = NOTHING
    """What has to be there before us, and isn't compared."""


class Snapshot(Component):
    """Names what was changed manually and is no resource of its own, and what a changed bucket would do to its files,
    and where backups aren't proven.

    Everything that writes to the database or to the object store comes after it, so that a run that is refused here
    hasn't changed anything.
    """

    def __init__(self, name: str, args: SnapshotArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"publication": args.publication}, opts)
        buckets = pg.BucketGuard(
            f"{name}-buckets",
            buckets={bucket.id: _guarded(bucket) for bucket in args.buckets},
            allow=list(args.allow_bucket_changes) or None,
            opts=self.child(),
        )
        first = [buckets, *self._drilled(name, args), *self._given(name, args.platform)]
        # Triggers of ours are on tables of the platform's.
        of_others = sorted(args.platform.schemas & {*OPEN_SCHEMAS})
        schemas = sorted({*schemas_on(args.platform), *of_others, "public", HISTORY_SCHEMA})
        schema = pg.SchemaSnapshot(
            f"{name}-schema",
            name=NAME,
            schemas=schemas,
            open=list(OPEN_SCHEMAS),
            held=sorted(set(held_patterns(args.sql, args.publication))),
            platform=of_others or None,
            accept=args.accept,
            opts=self.child(*first),
        )
        self.final = [schema]
        self.register_outputs({"schemas": schemas})

    def _drilled(self, name: str, args: SnapshotArgs) -> list[pulumi.Resource]:
        if args.drill_within is None:
            return []
        destructive = list(args.destructive) or None
        return [pg.DrillGate(f"{name}-drills", within=args.drill_within, destructive=destructive, opts=self.child())]

    def _given(self, name: str, platform: Platform) -> list[pulumi.Resource]:
        if not platform.name:
            return []
        given = pg.Given(
            f"{name}-platform",
            by=platform.name,
            objects=list(platform.objects),
            limits=list(platform.limits),
            opts=self.child(),
        )
        return [given]


@dataclass(frozen=True, kw_only=True)
class CheckpointArgs:
    record: Mapping[str, Any]
    """What is declared, entry by entry, as `declared/promotion.py` has it."""
    resources: int
    """How many of `pg` are declared before it."""
    unpromoted: pulumi.Input[Mapping[str, Any] | None] | None = None
    """What is made although the stack before hasn't had it, to its digest and why."""


class Checkpoint(Component):
    """Takes what the run has made into the snapshot; comes after everything that writes to the database."""

    def __init__(self, name: str, args: CheckpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"of": args.record["of"]}, opts)
        self._schema = pg.SchemaCheckpoint(
            f"{name}-schema",
            snapshot=NAME,
            of=args.record["of"],
            record={part: args.record[part] for part in PARTS},
            resources=args.resources + 1,
            unpromoted=args.unpromoted,
            opts=self.child(),
        )
        self.final = [self._schema]
        self.register_outputs({"snapshot": NAME})

    @property
    def brought_to(self) -> pulumi.Output[dict[str, Any]]:
        """What the last `up` of the whole program that ended well has brought the stack to, when, and who ran it."""
        last = self._schema
        ended = pulumi.Output.all(of=last.of, at=last.at, by=last.by, unpromoted=last.forced)
        return pulumi.Output.all(last.record, ended).apply(
            lambda found: {**(found[0] or {}), **{name: value for name, value in found[1].items() if value}}
        )


def _guarded(bucket: BucketSettings) -> dict[str, Any]:
    values = {
        "access": bucket.access,
        "public": bucket.public,
        "fileSizeLimit": bucket.file_size_limit,
        "retentionDays": bucket.retention_days,
    }
    return {name: value for name, value in values.items() if value is not None}


def held_patterns(sql: SqlFiles, publication: str) -> Iterator[str]:
    """What resources of their own compare and repair, as patterns of the snapshot's objects and facets."""
    for table in {policy.table for policy in sql.policies}:
        yield from (f"table {escape(table)}: {facet}" for facet in ("row security", "policy *", "comment on policy *"))
    for table in grants.TABLES:
        yield f"* {escape(table)}: grants*"
    for table in grants.HISTORY_GRANTS:
        yield f"table {HISTORY_SCHEMA}.{table}: grants*"
        yield f"table {HISTORY_SCHEMA}.{table}: policy {table}_{MIGRATOR}"
        yield f"table {HISTORY_SCHEMA}.{table}: comment on policy {table}_{MIGRATOR}"
    yield f"table {HISTORY_SCHEMA}.{HELD_TABLE}: policy {HELD_TABLE}_{BACKUP}"
    yield f"table {HISTORY_SCHEMA}.{HELD_TABLE}: comment on policy {HELD_TABLE}_{BACKUP}"
    for schema in {function.partition(".")[0] for function in grants.FUNCTIONS}:
        yield from (f"{kind} {escape(schema)}.*: grants" for kind in ("function", "procedure", "aggregate"))
    for schema in SCHEMAS:
        yield from (f"schema {schema}{facet}" for facet in ("", ": owner", ": comment"))
    for schema in (*grants.SCHEMA_GRANTS, HISTORY_SCHEMA):
        yield f"schema {schema}: grants"
    for extension, spec in EXTENSIONS.items():
        yield f"extension {extension}"
        if spec.version is not None:
            yield f"extension {extension}: version"
    yield "database: grants"
    yield f"default privileges of {OWNER} on functions"
    for role in (*ROLES, *SECOND.values()):
        yield f"database: setting * of role {role}"
    # Not its owner, nor its comment: the resource doesn't compare them.
    yield from (f"publication {escape(publication)}{facet}" for facet in ("", ": table *", ": schema *"))
    yield from MADE_BY_REALTIME
    # Rows rather than structure: an app makes them. `make audit` names them.
    yield "large object *"
