"""Who made an object, and which resources hold it: a note in the database, so that nobody drops what isn't theirs.

The engine's state can't say it: a lost state, a renamed resource, a second stack or a killed run all find objects that
are there already. The note is written in the transaction that makes or adopts the object.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from declared.schemas import HELD_TABLE
from provider import snapshots
from provider.connection import Connection, drop_if_empty, lock, row

# Set by `./pulumiw destroy` and `down` to the stack that is destroyed. Without it nothing that holds rows is deleted:
# the engine deletes a resource also where only its name in the program changed.
DESTROY = "VPB_DESTROY"
NAME = f"{snapshots.SCHEMA}.{HELD_TABLE}"
TABLE = sql.Identifier(*NAME.split("."))
MAKE = f"""
create schema if not exists {snapshots.SCHEMA};
create table if not exists {NAME} (
    object text primary key, owners text[] not null, before jsonb, since timestamptz not null default pg_catalog.now()
);
alter table {NAME} enable row level security;"""
THERE = f"select pg_catalog.to_regclass('{NAME}') as oid"
CLAIM = """
insert into {} as o (object, owners, before) values (%s, array[%s], %s)
on conflict (object) do update set owners = case when o.owners @> excluded.owners then o.owners
                                                 else o.owners || excluded.owners end,
                                   before = case when %s then null else o.before end"""
RELEASE = """
update {} set owners = array_remove(owners, %s::text) where object = %s returning owners, before"""


@dataclass(frozen=True)
class Released:
    """What was noted of an object that a resource lets go of."""

    others: tuple[str, ...] = ()
    """The resources (URNs) that hold it still."""
    before: Mapping[str, Any] | None = None
    """What the object was when it was adopted; None where it wasn't there before us."""


def stack(urn: str) -> str:
    """The stack that a resource belongs to."""
    return urn.removeprefix("urn:pulumi:").partition("::")[0]


def destroying(urn: str) -> bool:
    """Whether the run destroys the stack that the resource belongs to."""
    return os.environ.get(DESTROY) == stack(urn)


async def prepare(connection: Connection) -> None:
    """Make the table where it's missing."""
    if not await _is_there(connection):
        await lock(connection, "tables")
        async with snapshots.tracked(connection):
            await connection.execute(MAKE.encode())


async def drop(connection: Connection) -> None:
    """Remove the table, and the schema with the last table; a stack that still holds an object needs the note of it."""
    if not await _is_there(connection) or await row(connection, f"select 1 from {NAME} limit 1", []):
        return
    async with snapshots.tracked(connection):
        await connection.execute(f"drop table {NAME}".encode())
    await drop_if_empty(connection, snapshots.SCHEMA)


async def holders(connection: Connection, object: str) -> list[str]:
    """The resources (URNs) that hold an object."""
    if not await _is_there(connection):
        return []
    found = await row(connection, sql.SQL("select owners from {} where object = %s").format(TABLE), [object])
    return list(found["owners"]) if found else []


async def claim(connection: Connection, object: str, urn: str, before: Mapping[str, Any] | None) -> None:
    """Note that a resource holds an object, beside those that hold it already.

    Args:
        before: what it was when it was found; None where the resource has made it. The first note of it stays.
    """
    await prepare(connection)
    found = None if before is None else Jsonb(dict(before))
    await connection.execute(sql.SQL(CLAIM).format(TABLE), [object, urn, found, before is None])


async def release(connection: Connection, object: str, urn: str) -> Released | None:
    """Note that a resource doesn't hold an object any more; the note goes with the last one.

    Nothing is returned where there is no note: an imported object, or one whose note was lost.
    """
    if not await _is_there(connection):
        return None
    found = await row(connection, sql.SQL(RELEASE).format(TABLE), [urn, object])
    if found is None:
        return None
    if not found["owners"]:
        await connection.execute(sql.SQL("delete from {} where object = %s").format(TABLE), [object])
    return Released(tuple(found["owners"]), found["before"])


async def _is_there(connection: Connection) -> bool:
    found = await row(connection, THERE, [])
    return found is not None and found["oid"] is not None
