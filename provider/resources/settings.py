"""Settings that functions of the database go by: rows of a table with a name and a value."""

import json
from collections.abc import Mapping
from typing import Any

from psycopg import sql

from plugin.server import CheckFailure
from provider.connection import Connection, row
from provider.resources.base import Field, ObjectKind, qualified


class Settings(ObjectKind):
    """All rows of a table with the columns `name` and `value` (jsonb); a row that isn't declared goes."""

    token = "pg:index:Settings"
    fields = {
        "table": Field(str, "the table, with its schema", required=True, identity=True),
        "values": Field(dict, "name to value, as a JSON text", required=True),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"settings in {inputs['table']}"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        if not inputs["values"]:
            return [CheckFailure("values", "must have a setting; to take all away, remove the resource")]
        return [
            CheckFailure("values", f"{name} must be a JSON text, not '{value}'")
            for name, value in inputs["values"].items()
            if not _is_json(value)
        ]

    def same(self, name: str, one: Any, other: Any) -> bool:
        return _parsed(one) == _parsed(other) if name == "values" else super().same(name, one, other)

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        there = await row(connection, "select pg_catalog.to_regclass(%s) as oid", [inputs["table"]])
        if there is None or there["oid"] is None:
            return None
        statement = sql.SQL("select pg_catalog.jsonb_object_agg(name, value::text) as values from {}")
        found = await row(connection, statement.format(_table(inputs)), [])
        return {"table": inputs["table"], **found} if found and found["values"] else None

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        await self._put(connection, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        await self._put(connection, new)

    async def _put(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        table, values = _table(inputs), inputs["values"]
        await connection.execute(sql.SQL("delete from {} where name <> all(%s)").format(table), [list(values)])
        statement = sql.SQL(
            """insert into {} (name, value) values (%s, %s::jsonb)
               on conflict (name) do update set value = excluded.value"""
        ).format(table)
        for name, value in values.items():
            await connection.execute(statement, [name, value])

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        if await self.find(connection, state) is not None:
            await connection.execute(sql.SQL("delete from {}").format(_table(state)))


def _table(inputs: Mapping[str, Any]) -> sql.Identifier:
    return sql.Identifier(*qualified(inputs["table"]))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _parsed(values: Mapping[str, str] | None) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in (values or {}).items()}
