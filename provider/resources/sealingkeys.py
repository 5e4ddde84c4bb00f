"""The public keys that a database seals values with: rows of `private.sealing_keys`, in order."""

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from plugin.server import CheckFailure, Context
from provider.connection import Connection, row
from provider.errors import Refused
from provider.resources.base import Field, ObjectKind, qualified, shown

USED = "select coalesce(sum(tokens), 0)::bigint as tokens from private.tokens_by_key() where key = any(%s)"


class SealingKeys(ObjectKind):
    """All keys of a table made for them, the first one seals; a key that still seals something isn't taken away.

    Deleting the resource leaves the keys: they go with their table, and what they have sealed with it.
    """

    token = "pg:index:SealingKeys"
    fields = {
        "table": Field(str, "the table, with its schema", required=True, identity=True),
        "order": Field(list, "the names of the keys; the first one seals", required=True),
        "publicKeys": Field(dict, "name to public key, in base64", required=True),
    }

    def label(self, inputs: Mapping[str, Any]) -> str:
        return f"sealing keys in {inputs['table']}"

    def validate(self, inputs: Mapping[str, Any]) -> list[CheckFailure]:
        order = inputs["order"]
        if not order or sorted(order) != sorted(inputs["publicKeys"]):
            return [CheckFailure("order", "must name each key of publicKeys once, and at least one")]
        return []

    def drift(self, name: str, state: Mapping[str, Any], value: Any) -> str:
        if name != "publicKeys":
            return super().drift(name, state, value)
        changed = sorted(key for key in value.keys() | state[name].keys() if value.get(key) != state[name].get(key))
        return (
            f"{self.label(state)}: publicKeys of {shown(changed)} was changed manually; who did it may read what "
            "was sealed since"
        )

    async def find(self, connection: Connection, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        there = await row(connection, "select pg_catalog.to_regclass(%s) as oid", [inputs["table"]])
        if there is None or there["oid"] is None:
            return None
        found = await row(
            connection,
            sql.SQL(
                """select coalesce(pg_catalog.array_agg(id order by position), '{{}}') as "order",
                          coalesce(pg_catalog.jsonb_object_agg(id, pg_catalog.translate(
                              pg_catalog.encode(public_key, 'base64'), E'\\n', '')), '{{}}') as "publicKeys"
                     from {}"""
            ).format(sql.Identifier(*qualified(inputs["table"]))),
            [],
        )
        return {"table": inputs["table"], **found} if found and found["order"] else None

    async def make(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        await self._put(connection, inputs)

    async def adopt(self, connection: Connection, found: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """After a lost state the keys are new ones: taken as long as nobody would miss the old ones."""
        wanted, there = inputs["publicKeys"], found["publicKeys"]
        others = sorted(key for key in there if wanted.get(key) != there[key])
        used = await row(connection, USED, [others])
        if used and used["tokens"]:
            raise Refused(
                f"{self.label(inputs)}: {shown(others)} seals {used['tokens']} tokens here and isn't the declared key; "
                "bring back the state that has it, or give the tokens up with `./vpb rekey --forget "
                f"{others[0]}` and run again"
            )
        await self._put(connection, inputs)

    async def alter(self, connection: Connection, found: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        await self._put(connection, new)

    async def _put(self, connection: Connection, inputs: Mapping[str, Any]) -> None:
        table = sql.Identifier(*qualified(inputs["table"]))
        # The database refuses to let go of a key that is in use, and counts what it seals.
        await connection.execute(sql.SQL("delete from {} where id <> all(%s)").format(table), [inputs["order"]])
        statement = sql.SQL(
            """insert into {} (id, position, public_key) values (%s, %s, pg_catalog.decode(%s, 'base64'))
               on conflict (id) do update set position = excluded.position, public_key = excluded.public_key"""
        ).format(table)
        for position, name in enumerate(inputs["order"]):
            await connection.execute(statement, [name, position, inputs["publicKeys"][name]])

    async def drop(self, connection: Connection, state: Mapping[str, Any]) -> None:
        pass

    async def create(self, context: Context, inputs: dict[str, Any], preview: bool) -> tuple[str, dict[str, Any]]:
        made = await super().create(context, inputs, preview)
        if not preview:
            await self._tell_of_plain_tokens(context)
        return made

    async def _tell_of_plain_tokens(self, context: Context) -> None:
        async with self.database.transaction("tokens") as connection:
            plain = await row(connection, USED, [[""]])
        if plain and plain["tokens"]:
            await context.info(f"{plain['tokens']} tokens lie here unsealed; `./vpb rekey` seals them")
