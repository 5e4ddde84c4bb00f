"""The tables of docs/growth.md: where rows would lie on Citus, and what of the schema stands against it."""

from collections.abc import Iterable, Mapping

from declared import distribution
from declared.distribution import TABLES, Table


def made() -> str:
    """Tables by where they lie, then what would have to change, then the query patterns."""
    parts = [
        "### Where each table lies",
        _table(("table", "lies", "why"), ((f"`{name}`", _place(each), each.reason) for name, each in TABLES.items())),
        "### What the schema would have to change",
        _table(
            ("what", "Citus' rule", "becomes"),
            [
                *_rows(distribution.COLUMNS, "the column has to be there"),
                *_rows(distribution.KEYS, "a unique key holds the column"),
                *_rows(distribution.FOREIGN_KEYS, "a foreign key stays within a shard, or leads to every node"),
                *_rows(distribution.POLICIES, "a row policy asks what is on its node"),
            ],
        ),
        "### What writes in several places",
        _table(("function", "why"), ((f"`{name}`", why) for name, why in distribution.WRITERS.items())),
        "### Which shard a query pattern asks",
        _table(
            ("query pattern", "shard"),
            [
                *((f"`{name}`", f"that of `${parameter}`") for name, parameter in distribution.SHARDS.items()),
                *((f"`{name}`", f"several: {why}") for name, why in distribution.ACROSS.items()),
            ],
        ),
        "All other patterns ask no distributed table.",
    ]
    return "\n" + "\n\n".join(parts) + "\n\n"


def _place(table: Table) -> str:
    if table.kind == "distributed":
        return f"by `{table.column}`" + (f", with its {table.group}" if table.group else "")
    return {"reference": "on every node", "coordinator": "on the coordinator"}[table.kind]


def _rows(listed: Mapping[str, str], rule: str) -> Iterable[tuple[str, str, str]]:
    return ((f"`{name}`", rule, change) for name, change in listed.items())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines])
