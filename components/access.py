"""Access: row security, row policies and grants, each as a closed list."""

from dataclasses import dataclass

import pulumi

import pg
from components.base import Component
from declared.grants import FUNCTIONS, TABLES
from declared.schemas import PLATFORM
from declared.sqlfiles import RowPolicy


@dataclass(frozen=True, kw_only=True)
class AccessArgs:
    database: pulumi.Input[str]
    policies: tuple[RowPolicy, ...]


class Access(Component):
    """Who may do what: grants open a door, row policies say to which rows."""

    def __init__(self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(name, {"database": args.database}, opts)
        policies = args.policies
        tables = sorted({policy.table for policy in policies})
        guards = {table: self._row_security(name, table, policies) for table in tables}
        rules: dict[str, list[pg.Policy]] = {table: [] for table in tables}
        for policy in policies:
            rules[policy.table].append(self._row_policy(name, policy, guards[policy.table]))
        # Policies before grants: no table is reachable before its rules stand.
        doors = {
            table: self._table(name, table, self.child(guard, *rules[table]))
            for table, guard in guards.items()
            if table in TABLES
        }
        shut = [rule for table in guards.keys() - doors.keys() for rule in (guards[table], *rules[table])]
        # What leads to more than one table, a view or a function, opens when each of them has its rules.
        behind = self.child(*doors.values(), *shut)
        views = [self._table(name, table, behind) for table in TABLES if table not in doors]
        functions = [
            self._functions(name, schema, behind) for schema in sorted({_schema(known) for known in FUNCTIONS})
        ]
        self.last = [*views, *functions]
        self.register_outputs({"tables": tables})

    def _table(self, name: str, table: str, options: pulumi.ResourceOptions) -> pg.Grants:
        return pg.Grants(f"{name}-table-{table}", kind="table", name=table, grants=TABLES[table], opts=options)

    def _functions(self, name: str, schema: str, options: pulumi.ResourceOptions) -> pg.FunctionGrants:
        functions = {function: grants for function, grants in FUNCTIONS.items() if _schema(function) == schema}
        return pg.FunctionGrants(
            f"{name}-functions-{schema}",
            schema=schema,
            functions=functions,
            open=schema in PLATFORM,
            opts=options,
        )

    def _row_security(self, name: str, table: str, policies: tuple[RowPolicy, ...]) -> pg.RowSecurity:
        return pg.RowSecurity(
            f"{name}-{table}",
            table=table,
            # The Storage API owns its tables and must not be bound as their owner.
            forced=not table.startswith("storage."),
            policies=sorted(policy.name for policy in policies if policy.table == table),
            opts=self.child(),
        )

    def _row_policy(self, name: str, policy: RowPolicy, guard: pg.RowSecurity) -> pg.Policy:
        return pg.Policy(
            f"{name}-{policy.name}",
            table=policy.table,
            name=policy.name,
            kind=policy.kind,
            command=policy.command,
            roles=list(policy.roles),
            using=policy.using,
            check=policy.check,
            comment=policy.comment,
            place=policy.place,
            opts=self.child(guard),
        )


def _schema(function: str) -> str:
    return function.partition(".")[0]
