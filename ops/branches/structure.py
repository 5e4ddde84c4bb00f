"""The structure that rows are copied into: what the source's own history has applied, made in an empty database.

It is made through the provider, as the program declares it, up to the last migration and no further: grants, row
policies, publication and settings are the `up`'s that follows, which adopts what is there.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from declared.connectionurl import parse
from declared.errors import UserError
from declared.paths import CHECKOUT
from declared.schemas import HISTORY_SCHEMA, HISTORY_TABLE
from declared.sqlfiles import MIGRATIONS, PLATFORM, Step
from ops.branches.errors import BranchError
from ops.database import Connection

# It loads Pulumi's SDK, and a clone needs none of it.
if TYPE_CHECKING:
    from harness.stack import Declaration

MADE = "structure-migrations"
APPLIED = f"""
select version || '_' || name, statements[1], down from {HISTORY_TABLE}
where checksum is not null and name is not null order by version"""
HALF = f"select version from {HISTORY_TABLE}_progress where half = 'down' or not done limit 1"
# Tables with the resources that hold something.
HOLDERS = ("managed_objects", "schema_migrations", "platform_migrations")
HELD = """
update {table} set owners = array(select regexp_replace(o, '^urn:pulumi:[^:]+::', {urn}) from unnest(owners) as o)
where owners is not null"""


def applied(source: Connection) -> list[Step]:
    """The migrations that a database has, with their scripts as they ran.

    :raises BranchError: where it has none, or isn't done with one
    """
    try:
        found = source.execute(APPLIED.encode()).fetchall()
        half = source.execute(HALF.encode()).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        found, half = [], None
    if half:
        raise BranchError(f"migration {half[0]}: isn't done there; `./vpb migrate status` says more, `up` goes on")
    if unread := [name for name, up, down in found if up is None or down is None]:
        raise BranchError(f"migration {unread[0]}: {HISTORY_TABLE} there has no script of it")
    if not found:
        raise BranchError(f"{HISTORY_TABLE}: there is no migration of ours in it; name a stack that was provisioned")
    return [Step(*row) for row in found]


def build(url: str, steps: Sequence[Step], stack: str = "dev", target: str = "") -> None:
    """Make roles, schemas, extensions and these migrations in an empty database.

    Args:
        url: of the login that provisions.
        stack: which holds what is made.
        target: where the server is one that a setting names; by default the target's own.

    :raises BranchError: with the first that can't be made
    """
    from harness.stack import Stack

    with tempfile.TemporaryDirectory(prefix="vpb-branch-") as folder:
        root = Path(folder)
        _write(root, steps)
        declared = _declared(parse(url)["dbname"], {step.name: step.checksum for step in steps}, stack, target)
        run = Stack(url, declared, checkout=root).up()
    if run.errors:
        name, said = next(iter(run.errors.items()))
        raise BranchError(f"structure of the copy: {name}: {said}")


def hand_over(stack: str) -> list[str]:
    """Statements that let a stack hold what is in the copy, as if its own `up` had made it."""
    urn = sql.Literal(f"urn:pulumi:{stack}::")
    tables = [sql.Identifier(HISTORY_SCHEMA, name) for name in HOLDERS]
    return [sql.SQL(HELD).format(table=table, urn=urn).as_string().replace("\n", " ") for table in tables]


def _write(root: Path, steps: Sequence[Step]) -> None:
    """The folders of migrations, as the provider reads them."""
    (root / PLATFORM.folder).parent.mkdir(parents=True)
    (root / PLATFORM.folder).symlink_to(CHECKOUT / PLATFORM.folder, target_is_directory=True)
    folder = root / MIGRATIONS.folder
    folder.mkdir()
    for step in steps:
        for direction, text in (("up", step.up), ("down", step.down)):
            (folder / f"{step.name}.{direction}.sql").write_text(text)


def _declared(database: str, steps: dict[str, str], stack: str, target: str) -> "Declaration":
    from harness.stack import declaration

    try:
        found = declaration(database, stack=stack, target=target)
    except UserError as error:
        raise BranchError(f"structure of the copy: {error}") from None
    last = found[MADE]
    found[MADE] = replace(last, inputs={**last.inputs, "steps": steps, "protect": False})
    wanted = last.waits_for | {MADE}
    return {name: each for name, each in found.items() if name in wanted}
