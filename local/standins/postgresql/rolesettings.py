"""The settings that a role's sessions start with, as they stand in `pg_roles.rolconfig`."""

import re
from typing import Any

from psycopg import sql

from local.standins.postgresql.connection import Connection, run

SETTINGS = {
    "statementTimeout": "statement_timeout",
    "idleInTransactionSessionTimeout": "idle_in_transaction_session_timeout",
}
MILLISECONDS = {"": 1, "us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def parse_settings(entries: list[str]) -> dict[str, Any]:
    """`searchPaths`, `assumeRole` and the two time limits, in milliseconds; what isn't set is left out or 0."""
    settings = dict(entry.split("=", 1) for entry in entries)
    found: dict[str, Any] = {name: milliseconds(settings.get(setting, "0")) for name, setting in SETTINGS.items()}
    if "search_path" in settings:
        found["searchPaths"] = [unquoted(part) for part in settings["search_path"].split(", ")]
    if settings.get("role"):
        found["assumeRole"] = settings["role"]
    return found


def milliseconds(text: str) -> int:
    """A duration as somebody may have set it by hand, `30000` or `30s`."""
    parts = re.fullmatch(r"(\d+)\s*([a-z]*)", text)
    return int(int(parts[1]) * MILLISECONDS[parts[2]]) if parts else 0


def unquoted(name: str) -> str:
    """A name without the quotes that the server stores around it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


async def set_parameter(connection: Connection, role: sql.Identifier, name: str, value: Any) -> None:
    """Set what a role's sessions start with, or take the setting back where `value` is empty."""
    parameter = sql.SQL({**SETTINGS, "searchPaths": "search_path", "assumeRole": "role"}[name])
    if not value:
        await run(connection, "alter role {} reset {}", role, parameter)
        return
    # Literals, not identifiers: an empty path is written as an empty text, and the server quotes each by itself.
    values = sql.SQL(", ").join([sql.Literal(item) for item in (value if isinstance(value, list) else [value])])
    await run(connection, "alter role {} set {} to {}", role, parameter, values)
