"""What is published is what is declared, and not what inherits from it."""

import asyncio
from typing import Any

import psycopg

from provider.resources.publication import Publication

TABLES = """
create table public.parent (id int primary key, t text);
create table public.child (more text) inherits (public.parent);
create table public.parted (id int primary key) partition by range (id);
create table public.part partition of public.parted for values from (0) to (10)"""
DECLARED = {"name": "pub", "tables": ["public.parent", "public.parted"], "schemas": [], "root": False}


def test_a_table_is_published_without_those_that_inherit(database):
    async def found() -> Any:
        async with await psycopg.AsyncConnection.connect(database.url, autocommit=True) as connection:
            await connection.execute(TABLES)
            wanted = DECLARED | {"operations": ["insert"]}
            await Publication().make(connection, wanted)
            made = await Publication().find(connection, wanted)
            await Publication().alter(connection, made, wanted | {"tables": ["public.parted", "public.child"]})
            await Publication().alter(connection, wanted | {"tables": ["public.child"]}, wanted | {"tables": []})
            return made, await Publication().find(connection, wanted)

    made, altered = asyncio.run(found())
    assert made["tables"] == ["public.parent", "public.parted"]
    assert altered["tables"] == ["public.parted"]
