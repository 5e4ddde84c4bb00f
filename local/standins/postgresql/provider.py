"""The plugin: its resource types, its own arguments, its schema."""

import json
from typing import Any

from local.standins.postgresql.base import ServerObject
from local.standins.postgresql.connection import Server
from local.standins.postgresql.database import Database
from local.standins.postgresql.defaults import DefaultPrivileges
from local.standins.postgresql.extension import Extension
from local.standins.postgresql.grant import Grant
from local.standins.postgresql.membership import GrantRole
from local.standins.postgresql.properties import Property
from local.standins.postgresql.publication import Publication
from local.standins.postgresql.role import Role
from local.standins.postgresql.schema import Schema
from plugin.server import CheckFailure, Plugin

TYPES: tuple[type[ServerObject], ...] = (
    Role, GrantRole, Grant, DefaultPrivileges, Extension, Schema, Publication, Database
)  # fmt: skip

ARGUMENTS = frozenset(
    [
        "connectTimeout",
        "database",
        "expectedVersion",
        "host",
        "maxConnections",
        "password",
        "port",
        "sslMode",
        "sslmode",
        "superuser",
        "username",
    ]
)
REFUSED_ARGUMENTS = frozenset(
    [
        "awsRdsIamAuth",
        "awsRdsIamProfile",
        "awsRdsIamProviderRoleArn",
        "awsRdsIamRegion",
        "azureIdentityAuth",
        "azureTenantId",
        "clientcert",
        "databaseUsername",
        "gcpIamImpersonateServiceAccount",
        "scheme",
        "sslrootcert",
    ]
)
# What the engine adds to every provider's arguments.
ENGINE_ARGUMENTS = frozenset({"version", "pluginDownloadURL", "pluginChecksums"})
WHOLE = ("connectTimeout", "maxConnections", "port")


class PostgresqlPlugin(Plugin):
    """The resource types of the official provider that this project uses."""

    name = "postgresql"
    version = "3.18.2"

    def __init__(self) -> None:
        self.server = Server()
        super().__init__([type_(self.server) for type_ in TYPES])

    async def check_config(self, inputs: dict[str, Any]) -> list[CheckFailure]:
        failures = []
        for name, value in inputs.items():
            if name in REFUSED_ARGUMENTS:
                failures.append(CheckFailure("", f"provider: {name} is not supported by the offline stand-in"))
            elif name not in ARGUMENTS | ENGINE_ARGUMENTS:
                failures.append(CheckFailure(name, "the official postgresql provider has no such argument"))
            elif name in WHOLE and not isinstance(value, int) and isinstance(value, str) and not value.isdecimal():
                failures.append(CheckFailure(name, "is a whole number"))
        return failures

    async def configure(self, inputs: dict[str, Any]) -> None:
        self.server.configure(inputs)

    def schema(self) -> str:
        resources = {type_.token: _resource(type_) for type_ in TYPES}
        return json.dumps({"name": self.name, "version": self.version, "resources": resources})


def _resource(type_: type[ServerObject]) -> dict[str, Any]:
    inputs = {name: _property(declared) for name, declared in sorted(type_.properties.items())}
    required = sorted(name for name, declared in type_.properties.items() if declared.required)
    return {"inputProperties": inputs, "requiredInputs": required, "properties": inputs}


def _property(declared: Property) -> dict[str, Any]:
    described: dict[str, Any] = {"type": declared.type}
    if declared.type == "strings":
        described = {"type": "array", "items": {"type": "string"}}
    if declared.replaces:
        described["replaceOnChanges"] = True
    if declared.secret:
        described["secret"] = True
    return described
