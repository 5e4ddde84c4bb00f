"""The structure: schemas, extensions, what Supabase brings along, and the app's own migrations."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

import pg
from components.base import Component
from declared import grants, roles, sqlfiles
from declared.grants import HISTORY_GRANTS
from declared.platform import NOTHING, Platform
from declared.roles import BACKUP, MIGRATOR, OWNER
from declared.schemas import HELD_TABLE, HISTORY_SCHEMA, extensions_on, schemas_on
from declared.sqlfiles import MIGRATIONS, SqlFiles, StepFolder


@dataclass(frozen=True, kw_only=True)
class StructureArgs:
    database: pulumi.Input[str]
    sql: SqlFiles
    protect: bool = False
    """Whether a migration whose rollback loses data stays, unless it is in `allow_loss`."""
    allow_loss: tuple[str, ...] = ()
    platform: Platform = NOTHING
    """Who has made some of the schemas, extensions and tables."""


class Structure(Component):
    """Everything that tables, policies and buckets stand on, and the tables."""

    def __init__(self, name: str, args: StructureArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        # The files aren't inputs: what is declared of them is.
        inputs = {key: value for key, value in vars(args).items() if key not in ("sql", "platform")}
        super().__init__(name, inputs, opts)
        schemas = {
            schema: pg.Schema(f"{name}-{schema}", name=schema, owner=owner, opts=self.child())
            for schema, owner in schemas_on(args.platform).items()
        }
        extensions = self._extensions(name, schemas, args.platform)
        # PostgreSQL lets everybody execute a new function; for the app's functions nobody may until it is granted. The
        # first platform migration needs it already; the other defaults are closed by the last one.
        closed = pg.DefaultPrivileges(
            f"{name}-functions-closed", role=OWNER, objects="functions", grants={}, opts=self.child()
        )
        database = pg.Grants(
            f"{name}-database",
            kind="database",
            name=args.database,
            grants=grants.database_grants_on(args.platform),
            among=roles.names(args.platform) if args.platform.name else None,
            opts=self.child(),
        )
        schema_grants = self._schema_grants(name, schemas, args.platform)
        before = sqlfiles.platform_folder(args.platform)
        first = self._steps(f"{name}-platform", before, args, [*schema_grants, *extensions, closed])
        steps = self._steps(f"{name}-migrations", MIGRATIONS, args, [first])
        self.final = [database, *self._history(name, steps)]
        self.register_outputs({"schemas": sorted(schemas)})

    def _extensions(self, name: str, schemas: Mapping[str, pg.Schema], platform: Platform) -> list[pg.Extension]:
        return [
            pg.Extension(
                f"{name}-{extension}",
                name=extension,
                schema=spec.schema,
                version=spec.version,
                opts=self.child(*([schemas[spec.schema]] if spec.schema in schemas else [])),
            )
            for extension, spec in extensions_on(platform).items()
        ]

    def _schema_grants(self, name: str, schemas: Mapping[str, pg.Schema], platform: Platform) -> list[pg.Grants]:
        ours = roles.names(platform) if platform.name else None
        return [
            pg.Grants(
                f"{name}-schema-{schema}",
                kind="schema",
                name=schema,
                grants=entries,
                among=None if schema in schemas else ours,
                opts=self.child(*([schemas[schema]] if schema in schemas else [])),
            )
            for schema, entries in grants.schema_grants_on(platform).items()
        ]

    def _history(self, name: str, steps: pulumi.Resource) -> list[pulumi.Resource]:
        """The migrator sees what was applied, and notes what it applies; `./vpb migrate` needs no more."""
        history_grants: list[pulumi.Resource] = [
            pg.Grants(
                f"{name}-schema-{HISTORY_SCHEMA}",
                kind="schema",
                name=HISTORY_SCHEMA,
                grants={MIGRATOR: ["usage"]},
                opts=self.child(steps),
            )
        ]
        for table, entries in HISTORY_GRANTS.items():
            history_table = f"{HISTORY_SCHEMA}.{table}"
            writes = entries[MIGRATOR] != ["select"]
            policy = pg.Policy(
                f"{name}-{table}-{MIGRATOR}",
                table=history_table,
                name=f"{table}_{MIGRATOR}",
                command="all" if writes else "select",
                roles=[BACKUP, MIGRATOR],
                using="true",
                check="true" if writes else None,
                comment="The migrator reads and notes which migrations were applied; backups read all.",
                opts=self.child(steps),
            )
            options = self.child(policy)
            history_grants.append(
                pg.Grants(
                    f"{name}-table-{history_table}", kind="table", name=history_table, grants=entries, opts=options
                )
            )
        return [*history_grants, self._backed_up(name, steps)]

    def _backed_up(self, name: str, steps: pulumi.Resource) -> pg.Policy:
        """Who made which object is in a backup too, and read by nobody else."""
        return pg.Policy(
            f"{name}-{HELD_TABLE}-{BACKUP}",
            table=f"{HISTORY_SCHEMA}.{HELD_TABLE}",
            name=f"{HELD_TABLE}_{BACKUP}",
            command="select",
            roles=[BACKUP],
            using="true",
            comment="Backups read all.",
            opts=self.child(steps),
        )

    def _steps(
        self, name: str, folder: StepFolder, args: StructureArgs, after: list[pulumi.Resource]
    ) -> pg.MigrationSet:
        return pg.MigrationSet(
            name,
            folder=folder.folder,
            role=folder.role,
            history=folder.history,
            steps=args.sql.checksums(folder.folder),
            protect=args.protect,
            allow=args.allow_loss or None,
            opts=self.child(*after),
        )
