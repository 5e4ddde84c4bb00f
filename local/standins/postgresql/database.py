"""Databases: `postgresql:index/database:Database`."""

from typing import Any, ClassVar

from psycopg import sql

from local.standins.postgresql.authority import acting_for
from local.standins.postgresql.base import ServerObject, Values
from local.standins.postgresql.connection import Connection, one, run
from local.standins.postgresql.properties import Properties, Property

CATALOGUE = """
    select pg_get_userbyid(d.datdba)::text, pg_encoding_to_char(d.encoding)::text, d.datcollate, d.datctype,
        t.spcname::text, d.datconnlimit, d.datallowconn, d.datistemplate
    from pg_catalog.pg_database d join pg_catalog.pg_tablespace t on t.oid = d.dattablespace
    where d.datname = %s
"""
TEXTS = {"encoding": "encoding", "lcCollate": "lc_collate", "lcCtype": "lc_ctype"}
NAMES = {"owner": "owner", "template": "template", "tablespaceName": "tablespace"}


class Database(ServerObject):
    """A database of the server, copied from template0 unless another template is named."""

    token = "postgresql:index/database:Database"
    what = "database"
    # `create database` can't run inside a transaction.
    autocommit = True
    refused = frozenset({"alterObjectOwnership"})
    properties: ClassVar[Properties] = {
        "allowConnections": Property("boolean", default=True),
        "connectionLimit": Property("integer", default=-1),
        "encoding": Property(computed=True, replaces=True),
        "isTemplate": Property("boolean", computed=True),
        "lcCollate": Property(computed=True, replaces=True),
        "lcCtype": Property(computed=True, replaces=True),
        "name": Property(),
        "owner": Property(computed=True),
        "tablespaceName": Property(computed=True),
        "template": Property(computed=True, replaces=True),
    }

    def identify(self, inputs: Values) -> str:
        return str(inputs["name"])

    def place(self, values: Values) -> str:
        return self.server.database

    async def locate(self, id: str) -> Values | None:
        return {"name": id}

    def same(self, name: str, have: Any, want: Any, inputs: Values) -> bool:
        if name in {**TEXTS, **NAMES} and "DEFAULT" in (str(have).upper(), str(want).upper()):
            return True
        return super().same(name, have, want, inputs)

    async def fetch(self, connection: Connection, wanted: Values) -> Values | None:
        row = await one(connection, CATALOGUE, wanted["name"])
        if row is None:
            return None
        names = [
            "owner",
            "encoding",
            "lcCollate",
            "lcCtype",
            "tablespaceName",
            "connectionLimit",
            "allowConnections",
            "isTemplate",
        ]
        # The catalogue forgets the template.
        template = wanted.get("template") or "template0"
        return {"name": wanted["name"], **dict(zip(names, row, strict=True)), "template": template}

    async def make(self, connection: Connection, inputs: Values) -> None:
        # Not the server's own defaults: template1 may hold things, and its encoding depends on the machine.
        values = {
            "template": "template0",
            "encoding": "UTF8",
            **{name: value for name, value in inputs.items() if value != ""},
        }
        options = [_option(word, values[name], sql.Identifier) for name, word in NAMES.items() if name in values]
        options += [_option(word, values[name], sql.Literal) for name, word in TEXTS.items() if name in values]
        options += [
            sql.SQL("allow_connections {}").format(sql.Literal(inputs.get("allowConnections", True))),
            sql.SQL("connection limit {}").format(sql.Literal(inputs.get("connectionLimit", -1))),
            sql.SQL("is_template {}").format(sql.Literal(inputs.get("isTemplate", False))),
        ]
        async with acting_for(connection, inputs.get("owner")):
            await run(connection, "create database {} {}", sql.Identifier(inputs["name"]), sql.SQL(" ").join(options))

    async def alter(self, connection: Connection, state: Values, new: Values, changed: set[str]) -> None:
        if "name" in changed:
            pair = (sql.Identifier(state["name"]), sql.Identifier(new["name"]))
            await run(connection, "alter database {} rename to {}", *pair)
        name = sql.Identifier(new["name"])
        if "owner" in changed:
            async with acting_for(connection, new["owner"]):
                await run(connection, "alter database {} owner to {}", name, sql.Identifier(new["owner"]))
        if "tablespaceName" in changed:
            await run(connection, "alter database {} set tablespace {}", name, sql.Identifier(new["tablespaceName"]))
        words = {
            "connectionLimit": "connection limit",
            "allowConnections": "allow_connections",
            "isTemplate": "is_template",
        }
        for property, word in words.items():
            if property in changed:
                value = sql.Literal(new.get(property, self.properties[property].empty))
                await run(connection, "alter database {} {} {}", name, sql.SQL(word), value)

    async def drop(self, connection: Connection, state: Values) -> None:
        row = await one(connection, CATALOGUE, state["name"])
        if row is None:
            return
        name = sql.Identifier(state["name"])
        async with acting_for(connection, row[0]):
            # A template is protected from being dropped.
            if row[-1]:
                await run(connection, "alter database {} is_template false", name)
            await run(connection, "drop database {} with (force)", name)


def _option(word: str, value: str, quoted: type[sql.Identifier] | type[sql.Literal]) -> sql.Composed:
    text = sql.SQL("default") if value.upper() == "DEFAULT" else quoted(value)
    return sql.SQL(word + " {}").format(text)
