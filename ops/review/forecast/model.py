"""What a statement of a pending migration does to what is in use."""

from dataclasses import dataclass
from typing import Literal

# PostgreSQL's manual, "Explicit Locking": which table-level lock conflicts with which, in their order of strength.
MODES = (
    "access share",
    "row share",
    "row exclusive",
    "share update exclusive",
    "share",
    "share row exclusive",
    "exclusive",
    "access exclusive",
)
CONFLICTS = {
    "access share": {"access exclusive"},
    "row share": {"exclusive", "access exclusive"},
    "row exclusive": {*MODES[4:]},
    "share update exclusive": {*MODES[3:]},
    "share": {"row exclusive", "share update exclusive", *MODES[5:]},
    "share row exclusive": {*MODES[2:]},
    "exclusive": {*MODES[1:]},
    "access exclusive": {*MODES},
}
# What takes which lock: a plain read, a change of rows, `alter table` and the like.
READ, WRITE, DDL = "access share", "row exclusive", {*MODES[3:]}


def blocks(mode: str) -> tuple[str, ...]:
    """What other sessions can't do while one holds this lock, of `reads`, `writes` and `DDL`."""
    conflicts = CONFLICTS[mode]
    stopped = {"reads": READ in conflicts, "writes": WRITE in conflicts, "DDL": bool(conflicts & DDL)}
    return tuple(what for what, is_so in stopped.items() if is_so)


@dataclass(frozen=True)
class Lock:
    """The strongest lock on a relation that was there before, and what is done to the relation under it."""

    relation: str
    mode: str
    blocks: tuple[str, ...]
    rows: int
    bytes: int
    rewritten: bool
    scanned: bool
    indexes_built: int
    held_seconds: float
    """From this statement to the end of its transaction, as estimated."""

    @property
    def stops_people(self) -> bool:
        return "reads" in self.blocks or "writes" in self.blocks


@dataclass(frozen=True)
class StatementForecast:
    """A statement of a pending migration."""

    migration: str
    file: str
    line: int
    statement: str
    """Its beginning."""
    runs: Literal["transaction", "outside", "batches"]
    locks: tuple[Lock, ...]
    seconds: float
    at_most: bool
    """Whether `seconds` is an upper bound: how many rows a statement changes isn't known."""
    unknown: str
    """Why it isn't known what it does, or what of it isn't measured; empty where it is."""
    budget: float
    """Seconds."""
    over_budget: bool
    instead: str
    """What to write where it is over the budget."""
