"""The snapshot: what every object in the managed schemas is, taken when everything else is done."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import pulumi

import pg
from components import grants
from components.base import Component
from components.rolespecs import MIGRATOR, ROLES
from components.structure import EXTENSIONS, HISTORY_SCHEMA, SCHEMAS
from sqlfiles import SqlFiles

# The Storage API brings its own migrations; what they add is its own affair.
PLATFORM = ("storage",)


@dataclass(frozen=True, kw_only=True)
class SnapshotArgs:
    sql: SqlFiles
    published: tuple[str, ...]
    """The tables of the publication."""
    accept: str | None = None
    """The fingerprint of a drift that is taken as it is."""


class Snapshot(Component):
    """Names whatever was changed by hand and is no resource of its own: columns, indexes, functions, views."""

    def __init__(self, name: str, args: SnapshotArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"published": list(args.published)}, opts)
        schemas = sorted({*SCHEMAS, "public", HISTORY_SCHEMA})
        schema = pg.SchemaSnapshot(
            f"{name}-schema",
            name="schema",
            schemas=schemas,
            open=list(PLATFORM),
            writers=[MIGRATOR],
            of=declared(args.sql, args.published),
            accept=args.accept,
            opts=self.child(),
        )
        self.last = [schema]
        self.register_outputs({"schemas": schemas})


def declared(sql: SqlFiles, published: tuple[str, ...]) -> str:
    """A checksum over everything that makes or changes an object of the database."""
    facts: dict[str, Any] = {folder: sql.checksums(folder) for folder in sql.steps}
    facts["policies"] = [asdict(policy) for policy in sql.policies]
    facts["grants"] = [grants.SCHEMAS, grants.DATABASE, grants.HISTORY, grants.GRANTS]
    facts["structure"] = [SCHEMAS, EXTENSIONS, sorted(published), sorted(ROLES)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
