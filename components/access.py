"""Access: row security, row policies and grants, each as an authoritative list."""

from dataclasses import dataclass

import pulumi

import pg
from components.base import Component
from declared import grants, roles
from declared.grants import FUNCTIONS, TABLES
from declared.platform import NOTHING, Platform
from declared.schemas import OPEN_SCHEMAS
from declared.sqlfiles import RowPolicy


@dataclass(frozen=True, kw_only=True)
class AccessArgs:
    database: pulumi.Input[str]
    policies: tuple[RowPolicy, ...]
    platform: Platform = NOTHING
    """Who owns some of the tables and functions."""


class Access(Component):
    """Who may do what: grants say to which tables, row policies to which rows."""

    def __init__(self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"database": args.database}, opts)
        policies, self._platform = args.policies, args.platform
        tables = sorted({policy.table for policy in policies})
        row_security = {table: self._row_security(name, table, policies) for table in tables}
        row_policies: dict[str, list[pg.Policy]] = {table: [] for table in tables}
        for policy in policies:
            options = self.child(row_security[policy.table])
            row_policies[policy.table].append(row_policy(f"{name}-{policy.name}", policy, options))
        # Policies before grants: no table is reachable before its policies are there.
        table_grants = {
            table: self._table(name, table, self.child(enabled, *row_policies[table]))
            for table, enabled in row_security.items()
            if table in TABLES
        }
        without_grants = [
            each
            for table in row_security.keys() - table_grants.keys()
            for each in (row_security[table], *row_policies[table])
        ]
        # What leads to more than one table, a view or a function, opens when each of them has its policies.
        after_tables = self.child(*table_grants.values(), *without_grants)
        views = [self._table(name, table, after_tables) for table in TABLES if table not in table_grants]
        functions = [
            self._functions(name, schema, after_tables)
            for schema in sorted({_schema(known) for known in FUNCTIONS} - args.platform.schemas)
        ]
        self.final = [*views, *functions]
        self.register_outputs({"tables": tables})

    def _table(self, name: str, table: str, options: pulumi.ResourceOptions) -> pg.Grants:
        return pg.Grants(
            f"{name}-table-{table}",
            kind="table",
            name=table,
            grants=grants.table_grants_on(self._platform, table),
            among=roles.names(self._platform) if self._platform.owns(table) else None,
            location=grants.location(table),
            opts=options,
        )

    def _functions(self, name: str, schema: str, options: pulumi.ResourceOptions) -> pg.FunctionGrants:
        functions = {function: grants for function, grants in FUNCTIONS.items() if _schema(function) == schema}
        return pg.FunctionGrants(
            f"{name}-functions-{schema}",
            schema=schema,
            functions=functions,
            open=schema in OPEN_SCHEMAS,
            opts=options,
        )

    def _row_security(self, name: str, table: str, policies: tuple[RowPolicy, ...]) -> pg.RowSecurity:
        return pg.RowSecurity(
            f"{name}-{table}",
            table=table,
            # The Storage API owns its tables and must not be bound as their owner; nor does a platform's owner of its.
            forced=not table.startswith("storage.") and not self._platform.owns(table),
            policies=sorted(policy.name for policy in policies if policy.table == table),
            open=self._platform.owns(table),
            opts=self.child(),
        )


def row_policy(name: str, policy: RowPolicy, options: pulumi.ResourceOptions) -> pg.Policy:
    """A row policy as its file has it."""
    return pg.Policy(
        name,
        table=policy.table,
        name=policy.name,
        kind=policy.kind,
        command=policy.command,
        roles=list(policy.roles),
        using=policy.using,
        check=policy.check,
        comment=policy.comment or None,
        location=policy.location,
        opts=options,
    )


def _schema(function: str) -> str:
    return function.partition(".")[0]
