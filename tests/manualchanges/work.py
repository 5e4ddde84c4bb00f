"""What waits to be applied while somebody changes the database: a migration, another grant, another policy."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from declared import sqlfiles
from declared.paths import CHECKOUT
from harness.stack import Declaration, with_inputs
from tests.manualchanges.changes import DATA

FOLDER = "sql/migrations"
KINDS = "all_kinds"
HEADER = "-- {number} work: pending.\n-- Lock: none. Duration: instant.\n-- Down: its own objects.\n"
OUTSIDE = "-- Run: outside a transaction.\n"


@dataclass(frozen=True)
class Work:
    """Something that the next `up` has to do."""

    name: str
    kind: str
    objects: tuple[str, ...] = ()
    """What it changes."""
    up: str = ""
    outside: bool = False
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Other inputs of resources."""


NONE = Work("none", "none")
MIGRATIONS = tuple(
    Work(name, "migration", tuple(facts.pop("objects")), **facts) for name, facts in DATA["migrations"].items()
)


def grants(declared: Declaration) -> list[Work]:
    """One for each of some tables: a privilege more, and one taken away."""
    found = []
    for table in ("public.projects", "next_auth.sessions"):
        name = f"access-table-{table}"
        given = declared[name].inputs["grants"]
        fewer = {role: words for role, words in list(given.items())[1:]}
        changed = {name: {"grants": {**fewer, "monitor": ["select"]}}}
        found.append(Work(f"grants on {table}", "grant", (table,), inputs=changed))
    return found


def policies(declared: Declaration) -> list[Work]:
    """One for each of some policies: another condition."""
    found = []
    for policy in ("projects_select_own_or_public", "log_select_administrator"):
        name = f"access-{policy}"
        inputs = declared[name].inputs
        changed = {name: {"using": f"({inputs['using']}) and 1 = 1"}}
        found.append(Work(f"policy {policy}", "policy", (inputs["table"],), inputs=changed))
    return found


def checkout(folder: Path, work: Work) -> Path:
    """A copy of sql/ with one migration that makes one of each kind of object, and what is pending."""
    shutil.copytree(CHECKOUT / "sql", folder / "sql")
    files = folder / FOLDER
    here = Path(__file__).resolve().parent
    number = len(list(files.glob("*.up.sql"))) + 1
    for direction, source in (("up", "kinds.sql"), ("down", "kinds.down.sql")):
        text = (here / source).read_text().replace("{number}", f"{number:04}")
        (files / f"{number:04}_{KINDS}.{direction}.sql").write_text(text)
    if work.up:
        number += 1
        head = HEADER.format(number=f"{number:04}")
        (files / f"{number:04}_work.up.sql").write_text(head + OUTSIDE * work.outside + work.up.strip() + "\n")
        (files / f"{number:04}_work.down.sql").write_text(head + "select 1;\n")
    return folder


def declare(declared: Declaration, folder: Path, work: Work) -> Declaration:
    """The declaration with the pending work in it."""
    steps = {step.name: step.checksum for step in sqlfiles.steps(folder / FOLDER)}
    return with_inputs(declared, {"structure-migrations": {"steps": steps}, **work.inputs})
