"""What the program declares, as the rules compare it with what is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from psycopg.types.json import Jsonb

from declared import grants, schemas, sqlfiles
from declared.paths import CHECKOUT
from declared.platform import NOTHING, Platform
from declared.roles import BACKUP, MIGRATOR, OWNER, RoleSpec, with_passwords
from declared.schemas import HELD_TABLE, HISTORY_SCHEMA

Grant = tuple[str, str, str, str, str]
"""Kind, object, role, privilege, column; no column is the whole object, and the database has no name here."""
# What a role has the privileges of without becoming it.
KEPT_OUT = " with set false"
# Tables whose rows nobody outside may ever stream, whatever a publication says.
CREDENTIALS = ("next_auth", "private", "audit", HISTORY_SCHEMA)


@dataclass(frozen=True)
class AuditedDeclaration:
    """The declaration of one stack; `buckets` is None where only a server is known.

    Then either login of a role may be open, too: which one is, the stack's settings say.
    """

    buckets: Mapping[str, Mapping[str, Any]] | None = None
    passwords: tuple[int, ...] = (2, 1)
    platform: Platform = NOTHING
    """Who has made some of the roles, schemas and tables."""

    @cached_property
    def privileges(self) -> Mapping[str, grants.Grants]:
        """Every declared grant by kind and object."""
        return _privileges(self.platform)

    @cached_property
    def entries(self) -> set[Grant]:
        """Every declared grant, privilege by privilege and column by column."""
        return {
            (kind, name, role, word, column)
            for kind, objects in self.privileges.items()
            for name, roles in objects.items()
            for role, entries in roles.items()
            for entry in entries
            for word, column in _flat(entry)
        }

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """The declaration as queries ask for it."""
        policies = sqlfiles.row_policies(CHECKOUT / sqlfiles.POLICY_FOLDER)
        ours = [f"{HISTORY_SCHEMA}.{table}/{table}_{MIGRATOR}" for table in grants.HISTORY_GRANTS]
        ours.append(f"{HISTORY_SCHEMA}.{HELD_TABLE}/{HELD_TABLE}_{BACKUP}")
        own = schemas.schemas_on(self.platform)
        specs = with_passwords(self.passwords, self.platform)
        brought = {name: "extensions" for name in self.platform.extensions}
        needed = {name: spec.schema for name, spec in schemas.extensions_on(self.platform).items()}
        return {
            "schemas": sorted({*own, "public"}),
            "known_schemas": sorted({*own, "public", HISTORY_SCHEMA}),
            # Other owners add to these: the Storage API brings its own tables.
            "platform": list(schemas.OPEN_SCHEMAS),
            "brought_roles": sorted(self.platform.roles),
            "named_by_platform": list(schemas.OF_SUPABASE),
            "owners": Jsonb({**own, "public": OWNER}),
            "owner": OWNER,
            "roles": Jsonb({name: _attributes(spec) for name, spec in specs.items()}),
            "policies": [*ours, *(f"{policy.table}/{policy.name}" for policy in policies)],
            "extensions": Jsonb({**brought, **needed}),
            "published": [table.partition(" (")[0] for table in schemas.PUBLISHED],
            "credentials": list(CREDENTIALS),
            "tables": list(self.privileges["table"]),
            "functions": list(self.privileges["function"]),
        }


def _privileges(platform: Platform) -> dict[str, grants.Grants]:
    history: grants.Grants = {f"{HISTORY_SCHEMA}.{table}": roles for table, roles in grants.HISTORY_GRANTS.items()}
    return {
        "database": {"": grants.database_grants_on(platform)},
        "schema": {**grants.schema_grants_on(platform), HISTORY_SCHEMA: {MIGRATOR: ["usage"]}},
        "table": {**{table: grants.table_grants_on(platform, table) for table in grants.TABLES}, **history},
        "function": {name: entry for name, entry in grants.FUNCTIONS.items() if not platform.owns(name)},
    }


def _flat(entry: str) -> list[tuple[str, str]]:
    word, _, columns = entry.partition("(")
    return [(word, column.strip()) for column in columns.removesuffix(")").split(",")]


def _attributes(spec: RoleSpec) -> dict[str, Any]:
    return {
        "login": spec.login,
        "inherit": spec.inherit,
        "bypassrls": spec.bypassrls,
        "limit": spec.limit,
        "inherits_only": [group.removesuffix(KEPT_OUT) for group in spec.member_of if group.endswith(KEPT_OUT)],
        "member_of": [group.partition(" with ")[0] for group in spec.member_of],
        "settings": dict(spec.settings),
    }
