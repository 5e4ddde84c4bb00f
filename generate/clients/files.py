"""The generated files of the clients, from a database with the complete SQL."""

from pathlib import Path

import psycopg

from generate.clients import catalogue, database, pages, patterns, python, typescript


def made(url: str) -> dict[Path, str]:
    """Each file's text.

    :raises TypesError: for what neither PostgreSQL nor `facts` knows
    :raises ToolchainError: if Node or Supabase's generator can't be had
    """
    with psycopg.connect(url, autocommit=True) as connection:
        known = catalogue.read(connection)
        found = patterns.described(connection, known)
    return {
        database.FILE: database.made(url, known),
        typescript.FILE: typescript.written(found),
        python.FILE: python.written(found),
    } | pages.made(found)
