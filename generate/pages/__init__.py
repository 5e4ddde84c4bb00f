"""The pages in `docs/schema`, made from the catalogue of a database that the program's SQL was put on."""

import dataclasses
from pathlib import Path
from typing import Any

import psycopg
import yaml

from declared import sqlaccess, sqlfiles, sqlqueries
from declared.buckets import buckets
from declared.paths import CHECKOUT
from declared.roles import ROLES
from generate.pages import access, functions, overview, queries, read, tables
from ops.review import access as reach

FOLDER = CHECKOUT / "docs" / "schema"


def made(url: str) -> dict[Path, str]:
    """Every page, and the list of who reaches what, from a provisioned database."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = read.catalogue(connection)
        reached = reach.catalogue(connection, sorted(ROLES), _buckets())
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


def _buckets() -> dict[str, Any]:
    """The buckets of the defaults; of a stack with others, its own."""
    settings = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())["config"]
    defaults, largest = settings["buckets"]["default"], settings["maxObjectSize"]["default"]
    found = {each.id: dataclasses.asdict(each) for each in buckets([], largest, defaults)}
    for path in sorted(CHECKOUT.glob("Pulumi.*.yaml")):
        config = (yaml.safe_load(path.read_text()) or {}).get("config") or {}
        if own := config.get("database:buckets"):
            of_stack = buckets(own, config.get("database:maxObjectSize", largest), defaults)
            stack = path.name.split(".")[1]
            found |= {f"{each.id} of {stack}": dataclasses.asdict(each) for each in of_stack}
    return found
