"""The pages in `docs/schema`, made from the catalogue of a database that the program's SQL was put on."""

from pathlib import Path

import psycopg

from declared import sqlaccess, sqlfiles, sqlqueries
from declared.paths import CHECKOUT
from generate.pages import access, functions, overview, queries, read, tables
from ops.review import access as reach

FOLDER = CHECKOUT / "docs" / "schema"


def made(url: str) -> dict[Path, str]:
    """Every page, and the list of who reaches what, from a provisioned database."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = read.catalogue(connection)
        reached = reach.catalogue(connection)
    policies = sqlfiles.row_policies(CHECKOUT / sqlfiles.POLICY_FOLDER)
    patterns = sqlqueries.queries()
    matrix = sqlaccess.matrix()
    pages = {
        "README": overview.made(found),
        "access": access.made(matrix, sqlaccess.guards()),
        "functions": functions.made(found),
        "queries": queries.made(patterns),
        **{table.name: tables.made(found, table, tables.Sources(policies, patterns, matrix)) for table in found.tables},
    }
    return {FOLDER / f"{name}.md": text for name, text in pages.items()} | {reach.FILE: reach.text(reached)}
