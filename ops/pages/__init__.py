"""The pages in `docs/schema`, made from the catalogue of a database that the program's SQL was put on."""

from pathlib import Path

import psycopg

import sqlfiles
import sqlqueries
from local.paths import CHECKOUT
from ops.pages import functions, overview, queries, read, tables

FOLDER = CHECKOUT / "docs" / "schema"


def made(url: str) -> dict[Path, str]:
    """Every page, from a provisioned database."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = read.catalogue(connection)
    policies = sqlfiles.row_policies(CHECKOUT / "sql" / "policies")
    patterns = sqlqueries.queries()
    pages = {
        "README": overview.made(found),
        "functions": functions.made(found),
        "queries": queries.made(patterns),
        **{table.name: tables.made(found, table, policies, patterns) for table in found.tables},
    }
    return {FOLDER / f"{name}.md": text for name, text in pages.items()}
