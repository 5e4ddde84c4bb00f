"""A database that was adopted: what `./vpb adopt` has written of it, declared as it was found."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from glob import escape
from itertools import product

import pulumi

import pg
from components.access import row_policy
from components.base import Component
from declared import adopted
from declared.adopted import FACTS, HISTORY, Adopted
from declared.schemas import HISTORY_SCHEMA
from declared.sqlfiles import STANDIN, RowPolicy

NAME = "schema"


@dataclass(frozen=True, kw_only=True)
class AdoptedDatabaseArgs:
    database: Adopted
    standin: Mapping[str, str] = field(default_factory=dict)
    """Migration → checksum, of what stands in for a platform that isn't there; empty where none is needed."""
    protect: bool
    """Whether a migration whose rollback loses data stays, unless it is in `allow_loss`."""
    allow_loss: tuple[str, ...] = ()
    goes_with: pulumi.Resource | None = None
    """The server that is deleted with all that is in it; a destroy then rolls nothing back."""
    accept: str | None = None
    """The fingerprint of a drift that is taken as it is."""


class AdoptedDatabase(Component):
    """Everything of an adopted database, between a snapshot of the rest of it and the checkpoint that ends a run."""

    def __init__(self, name: str, args: AdoptedDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"folder": args.database.folder}, opts)
        self._goes_with = args.goes_with
        self._adopted, self._facts, self._name = args.database, args.database.facts, name
        snapshot = self._snapshot(args.accept)
        first = [snapshot, *self._standin(args.standin, self.child(snapshot))]
        migrations = pg.MigrationSet(
            f"{name}-migrations",
            folder=self._adopted.migrations.folder,
            history=HISTORY,
            steps=self._adopted.steps,
            protect=args.protect,
            allow=list(args.allow_loss) or None,
            opts=self.child(*first),
        )
        # The baseline has made them elsewhere, after the roles that they belong to.
        schemas = [
            pg.Schema(f"{name}-schema-{schema}", name=schema, **given, opts=self.child(migrations))
            for schema, given in self._facts.schemas.items()
            if given and schema != "public"
        ]
        extensions = [
            pg.Extension(f"{name}-extension-{each}", name=each, schema=schema, opts=self.child(*schemas, migrations))
            # Where a platform is stood in for, the baseline makes those that the server has.
            for each, schema in ({} if args.standin else self._facts.extensions).items()
        ]
        rows = [*self._rows(migrations)]
        grants = [*self._grants(self.child(migrations, *schemas, *rows))]
        others = [*self._others(self.child(migrations))]
        last = self.child(*grants, *others, migrations, *schemas, *extensions, *rows)
        self.final = [pg.SchemaCheckpoint(f"{name}-checkpoint", snapshot=NAME, of=self._adopted.fingerprint, opts=last)]
        self.register_outputs({"folder": args.database.folder})

    def child(self, *siblings: pulumi.Resource) -> pulumi.ResourceOptions:
        """As of every component, and gone with the server where that goes."""
        return pulumi.ResourceOptions.merge(
            super().child(*siblings), pulumi.ResourceOptions(deleted_with=self._goes_with)
        )

    def _standin(self, steps: Mapping[str, str], options: pulumi.ResourceOptions) -> Iterator[pulumi.Resource]:
        """What the baseline refers to and the platform has made where the database lived."""
        if steps:
            name = f"{self._name}-standin"
            yield pg.MigrationSet(name, folder=STANDIN.folder, history=STANDIN.history, steps=steps, opts=options)

    def _snapshot(self, accept: str | None) -> pg.SchemaSnapshot:
        watched = sorted(self._facts.watched)
        return pg.SchemaSnapshot(
            f"{self._name}-snapshot",
            name=NAME,
            schemas=sorted({*self._facts.schemas, *watched, HISTORY_SCHEMA}),
            open=[],
            held=sorted({*held_patterns(self._adopted)}),
            platform=watched or None,
            left=self._facts.partitions,
            accept=accept,
            opts=self.child(),
        )

    def _rows(self, migrations: pulumi.Resource) -> Iterator[pulumi.Resource]:
        """Row security of each table, and the row policies."""
        by_table: dict[str, list[RowPolicy]] = {table: [] for table in self._facts.row_security}
        for policy in self._adopted.policies:
            by_table.setdefault(policy.table, []).append(policy)
        for table, policies in sorted(by_table.items()):
            switch = self._facts.row_security.get(table)
            row_security = pg.RowSecurity(
                f"{self._name}-{table}",
                table=table,
                enabled=switch != adopted.OPEN,
                forced=switch == adopted.FORCED,
                policies=sorted(policy.name for policy in policies),
                # Somebody else's table, with row policies of ours.
                open=switch is None,
                left=f"{self._adopted.folder}/{FACTS}" if switch == adopted.OPEN else None,
                opts=self.child(migrations),
            )
            yield row_security
            for policy in policies:
                # A name is a table's alone, and no table that has a file has a slash in its own.
                name = f"{self._name}-{policy.table}/{policy.name}"
                yield row_policy(name, policy, self.child(row_security))

    def _grants(self, options: pulumi.ResourceOptions) -> Iterator[pulumi.Resource]:
        facts = self._facts
        lists = {"schema": facts.schema_grants, "table": facts.tables, "sequence": facts.sequences}
        for kind, objects in lists.items():
            for object, grants in objects.items():
                yield pg.Grants(
                    f"{self._name}-{kind}-grants-{object}",
                    kind=kind,
                    name=object,
                    grants=grants,
                    location=f"{self._adopted.folder}/{FACTS}",
                    opts=options,
                )
        for schema in sorted({function.partition(".")[0] for function in facts.functions}):
            functions = {name: grants for name, grants in facts.functions.items() if name.startswith(f"{schema}.")}
            yield pg.FunctionGrants(
                f"{self._name}-functions-{schema}", schema=schema, functions=functions, opts=options
            )

    def _others(self, options: pulumi.ResourceOptions) -> Iterator[pulumi.Resource]:
        for name, given in self._facts.publications.items():
            yield pg.Publication(f"{self._name}-publication-{name}", name=name, **given, opts=options)
        for name, given in self._facts.buckets.items():
            yield pg.Bucket(f"{self._name}-bucket-{name}", bucket=name, **given, opts=options)


def held_patterns(database: Adopted) -> Iterator[str]:
    """What resources of their own compare and repair, as patterns of the snapshot's objects and facets."""
    facts = database.facts
    for table in _spellings({*facts.row_security, *(policy.table for policy in database.policies)}):
        yield from (f"table {table}: {facet}" for facet in ("row security", "policy *", "comment on policy *"))
    for object in _spellings((*facts.tables, *facts.sequences)):
        yield f"* {object}: grants*"
    for schema in _spellings(function.partition(".")[0] for function in facts.functions):
        yield from (f"{kind} {schema}.*: grants" for kind in ("function", "procedure", "aggregate"))
    for schema in _spellings(facts.schema_grants):
        yield f"schema {schema}: grants"
    for schema in _spellings(schema for schema, given in facts.schemas.items() if given and schema != "public"):
        yield from (f"schema {schema}{facet}" for facet in ("", ": owner", ": comment"))
    for extension in _spellings(facts.extensions):
        yield f"extension {extension}"
    for publication in _spellings(facts.publications):
        yield from (f"publication {publication}{facet}" for facet in ("", ": table *", ": schema *"))
    yield "large object *"


def _spellings(names: Iterable[str]) -> Iterator[str]:
    """Names as the snapshot may have them: each part plain, or in quotes where it needs them."""
    for name in {*names}:
        parts = [(escape(part), escape('"' + part.replace('"', '""') + '"')) for part in name.split(".", 1)]
        yield from (".".join(spelt) for spelt in product(*parts))
