"""What the provider's tests share: the engine in this process, a database with a login, and manual changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from harness.engine import Engine
from local import postgres
from plugin.wire import SECRET, SIGNATURE
from provider import scratchdatabase
from provider.package import PgPlugin

# The copies that previews have made and not dropped.
COPIES = f"select datname::text from pg_database where starts_with(datname, '{scratchdatabase.PREFIX}')"


def marked_secret(message: Any, name: str) -> bool:
    """Whether a property left the plugin with the engine's mark of a secret."""
    return bool(message.fields[name].struct_value.fields[SIGNATURE].string_value == SECRET)


@dataclass
class World:
    """A server's database, the login that the provider has there, and a superuser who changes things manually."""

    engine: Engine
    database: Any
    login: dict[str, Any]
    superuser: bool
    names: dict[str, str]
    """Roles of this run: roles belong to the whole server, so each run has its own."""
    manual: psycopg.Connection[tuple[Any, ...]]

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement manually, with the run's role names put in for `{reader}` and the like."""
        cursor = self.manual.execute(self.named(statement).encode())
        return cursor.fetchall() if cursor.description else []

    def named(self, value: Any) -> Any:
        """`value` with the run's role names in the place of `{reader}`, `{writer}`, `{made}`."""
        if isinstance(value, str):
            for name, real in self.names.items():
                value = value.replace("{" + name + "}", real)
            return value
        if isinstance(value, Mapping):
            return {self.named(name): self.named(item) for name, item in value.items()}
        return [self.named(item) for item in value] if isinstance(value, list) else value

    def second_engine(self, **changes: Any) -> Engine:
        """Another plugin process, as a second `up` would have it."""
        plugin = PgPlugin(self.engine.plugin.root)
        return Engine(plugin).configure({**self.login, **changes})


def login_of(database: Any, user: str | None = None, password: str | None = None) -> dict[str, Any]:
    """The provider's arguments for a login of a database."""
    parts = (database.host, database.port, user or database.user, password or database.password)
    return {"url": postgres.RunningServer(*parts, database.server_version).url(database.name)}
