"""The provider: its arguments, its schema, its types. No SQL here."""

import json
import re
from typing import Any

from pgprovider.connection import Connections, Login
from pgprovider.resources import KINDS
from pgprovider.resources.base import Field, ObjectKind
from plugin.server import CheckFailure, Plugin
from plugin.wire import has_unknown

VERSION = "0.1.0"

CONFIGURATION = {
    "host": Field(str, "the server's host", required=True),
    "port": Field(int, "the server's port", default=5432),
    "user": Field(str, "the login that provisions", required=True),
    "password": Field(str, "its password", required=True, secret=True),
    "database": Field(str, "the database", default="postgres"),
    "sslmode": Field(str, "libpq's sslmode", default="prefer"),
    "lockTimeout": Field(str, "how long a statement waits for a lock", default="5s"),
}
# What is wrong with these is otherwise noticed where a session begins, or not before the pool has tried for long.
FORMS = {
    "port": (re.compile(r"[1-9][0-9]{0,4}"), "port number"),
    "lockTimeout": (re.compile(r"[0-9]+ ?(us|ms|s|min|h)?"), "time such as 500ms or 5s"),
}


class PgPlugin(Plugin):
    """The plugin `pg`."""

    name = "pg"
    version = VERSION

    def __init__(self) -> None:
        super().__init__([kind() for kind in KINDS])
        self._connections: Connections | None = None

    async def check_config(self, inputs: dict[str, Any]) -> list[CheckFailure]:
        failures = [
            CheckFailure(name, f"the provider pg has no such argument; it has {', '.join(CONFIGURATION)}")
            for name in inputs
            if name not in CONFIGURATION and name != "version"
        ]
        failures += [
            CheckFailure(name, "is required")
            for name, field in CONFIGURATION.items()
            if field.required and inputs.get(name) in (None, "")
        ]
        failures += [
            CheckFailure(name, f"'{inputs[name]}' is no {form}")
            for name, (pattern, form) in FORMS.items()
            if name in inputs and not has_unknown(inputs[name]) and not pattern.fullmatch(str(inputs[name]))
        ]
        return failures

    async def configure(self, inputs: dict[str, Any]) -> None:
        if has_unknown(inputs):
            return
        values = {name: inputs.get(name, field.default) for name, field in CONFIGURATION.items()}
        login = Login(
            host=values["host"],
            # The engine hands provider arguments on as text.
            port=int(values["port"]),
            user=values["user"],
            password=values["password"],
            database=values["database"],
            sslmode=values["sslmode"],
            lock_timeout=values["lockTimeout"],
        )
        self._connections = Connections(login)
        for kind in self.kinds.values():
            assert isinstance(kind, ObjectKind)
            kind.connections = self._connections

    async def close(self) -> None:
        if self._connections is not None:
            await self._connections.close()

    def schema(self) -> str:
        return json.dumps(package_schema(), indent=2, sort_keys=True) + "\n"


def package_schema() -> dict[str, Any]:
    """The package schema (`pulumi package get-schema`), from the fields of the types."""
    return {
        "name": "pg",
        "version": VERSION,
        "description": "Roles, schemas, extensions, migrations, row policies, grants and buckets of a PostgreSQL",
        "config": {"variables": _properties(CONFIGURATION)},
        "provider": {
            "inputProperties": _properties(CONFIGURATION),
            "requiredInputs": [name for name, field in CONFIGURATION.items() if field.required],
        },
        "resources": {kind.token: _resource(kind) for kind in KINDS},
    }


def _resource(kind: type[ObjectKind]) -> dict[str, Any]:
    required = [name for name, field in kind.fields.items() if field.required]
    return {
        "description": kind.__doc__,
        "inputProperties": _properties(kind.fields),
        "requiredInputs": required,
        "properties": _properties(kind.fields | kind.outputs),
        "required": [*required, *kind.outputs],
    }


def _properties(fields: dict[str, Field]) -> dict[str, Any]:
    return {name: _property(field) for name, field in fields.items()}


def _property(field: Field) -> dict[str, Any]:
    text = {"type": "string"}
    entries: dict[type, dict[str, Any]] = {
        str: text,
        list: {"type": "array", "items": text},
        dict: {"type": "object", "additionalProperties": text},
    }
    types: dict[type, dict[str, Any]] = {
        str: text,
        bool: {"type": "boolean"},
        int: {"type": "integer"},
        list: {"type": "array", "items": text},
        dict: {"type": "object", "additionalProperties": entries[field.items]},
    }
    described: dict[str, Any] = types[field.type] | {"description": field.meaning}
    if field.default is not None and field.type is not list:
        described["default"] = field.default
    if field.secret:
        described["secret"] = True
    if field.identity:
        described["replaceOnChanges"] = True
    return described
