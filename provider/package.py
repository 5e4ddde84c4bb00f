"""The provider: its arguments, its schema, its types. No SQL here."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from declared import connectionurl, locktimeout
from declared.paths import CHECKOUT
from declared.version import VERSION
from plugin.errors import PluginError
from plugin.server import CheckFailure, Plugin
from plugin.wire import has_unknown
from provider import secretsmanager
from provider.connection import ConnectionInfo, Connections
from provider.rehearsal import Rehearsal
from provider.resources import KINDS
from provider.resources.base import Field, ObjectKind
from provider.resources.migrations import MigrationSet

CONFIGURATION = {
    "url": Field(
        str,
        "where the server is and who provisions there: a connection URL, or libpq's keyword/value form",
        required=True,
        secret=True,
    ),
    "lockTimeout": Field(str, "how long a statement waits for a lock", default=locktimeout.DEFAULT),
    "passwordSecret": Field(
        str, "the ARN of a secret of AWS with the login's password, which then isn't in the URL nor in the state"
    ),
    "secretsEndpoint": Field(str, "where Secrets Manager is, if not at AWS"),
}


class PgPlugin(Plugin):
    """The plugin `pg`."""

    name = "pg"
    version = VERSION

    def __init__(self, root: Path = CHECKOUT) -> None:
        """
        Args:
            root: the folder that the folders of migrations lie in.
        """
        super().__init__(kind() for kind in KINDS)
        self.read_from(root)
        self._connections: Connections | None = None
        self._rehearsal: Rehearsal[ObjectKind] | None = None

    def read_from(self, root: Path) -> None:
        """Read the files of migrations there."""
        self.root = root
        for kind in self.kinds.values():
            if isinstance(kind, MigrationSet):
                kind.root = root

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
        # What is wrong with these is otherwise noticed where a session begins.
        timeout = inputs.get("lockTimeout", "0")
        if not has_unknown(timeout) and not locktimeout.fits(str(timeout)):
            failures.append(
                CheckFailure("lockTimeout", f"'{timeout}' is no time such as 500ms or 5s, {locktimeout.AT_MOST}")
            )
        if inputs.get("url") and not has_unknown(inputs["url"]):
            try:
                connectionurl.parse(inputs["url"])
            except connectionurl.UrlError as error:
                failures.append(CheckFailure("url", f"must be {error}"))
        return failures

    async def configure(self, inputs: dict[str, Any]) -> None:
        if has_unknown(inputs):
            return
        if not inputs.get("url"):
            raise PluginError("the provider pg has no url: the state is of an older version, `up` brings it up to date")
        try:
            info = ConnectionInfo.of(inputs["url"], inputs.get("lockTimeout") or locktimeout.DEFAULT)
            if secret := inputs.get("passwordSecret"):
                fetched = await secretsmanager.password(secret, inputs.get("secretsEndpoint"))
                info = replace(info, given={**info.given, "password": fetched})
        except connectionurl.UrlError as error:
            raise PluginError(f"the provider's url must be {error}") from None
        self._connections = Connections(info)
        self._rehearsal = Rehearsal(self._connections, self._kinds_on)
        for kind in self.kinds.values():
            assert isinstance(kind, ObjectKind)
            kind.connections, kind.rehearsal = self._connections, self._rehearsal

    def _kinds_on(self, database: Connections) -> dict[str, ObjectKind]:
        kinds = {kind.token: kind() for kind in KINDS}
        for kind in kinds.values():
            kind.connections = database
            if isinstance(kind, MigrationSet):
                kind.root = self.root
        return kinds

    async def leave(self) -> None:
        if self._rehearsal is not None:
            await self._rehearsal.close()

    async def close(self) -> None:
        await self.leave()
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
