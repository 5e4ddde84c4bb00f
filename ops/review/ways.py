"""How each kind of change is made without downtime: expand, fill, contract. Lint and forecast say the same."""

from typing import Any

TYPE = (
    "add a column of the new type, have a trigger fill it, fill the rest in batches, let the app use it, drop the old "
    "one in a later migration (docs/cookbook.md: change a type)"
)
DEFAULT = "add it without, then `alter column … set default` for rows from now on, and fill the rest in batches"
REQUIRED = (
    "add it with a constant default, or nullable: fill it in batches, then a check `is not null`, not valid, validated "
    "in the next migration"
)
INDEX = "`create index concurrently`, in a migration outside a transaction"
PARTITIONED_INDEX = (
    "`create index … on only` the partitioned table, then `create index concurrently` on each partition outside a "
    "transaction, then `alter index … attach partition` for each: the last one makes it valid"
)
PARTITIONED_DROP = (
    "plain `drop index` in a migration of its own: it goes from all partitions at once, for an instant, and those of "
    "partitions can't be dropped alone"
)
PARTITIONED_KEY = (
    "up to PostgreSQL 17 it can't be `not valid` there: add it `not valid` to each partition and validate it outside a "
    "transaction; then add it to the partitioned table, which takes those of the partitions and reads no row"
)
PARTITIONED_UNIQUE = (
    "`alter table only … add constraint … unique` on the partitioned table, `create unique index concurrently` on each "
    "partition and a constraint `using index` there, then `alter index … attach partition` for each"
)
CONSTRAINT = "add it `not valid`; validate it in the next migration, outside a transaction"
UNIQUE = "`create unique index concurrently`, then `add constraint … unique using index`"
BATCHES = "change the rows in batches: `-- Run: in batches of 1000, pause 50ms.`"
RENAMED = (
    "add a column of the new name, have a trigger keep both alike, fill it in batches, let the app use it; drop the "
    "old one in a later migration (docs/cookbook.md: rename a column)"
)
LATER = "first take it out of what uses it and deploy that; drop it in a later migration"
VIEW = (
    "keep the old name as a view (with security_invoker) in the same migration, let the app use the new one, drop the "
    "view in a later migration"
)
BESIDE = "create one of the new name beside it, let the app use it, drop the old one in a later migration"
HELD = "the lock is held until the end of the migration: write this statement in a migration of its own"
APART = "write it in a migration of its own, for a time when nobody uses the table"
BY_COMMAND = {
    "AT_AlterColumnType": TYPE,
    "AT_AddColumn": DEFAULT,
    "AT_AddConstraint": CONSTRAINT,
    "AT_AttachPartition": "first add a check with its bounds, not valid, and validate it: then no row is read",
}
BY_STATEMENT = {
    "IndexStmt": INDEX,
    "ReindexStmt": "`reindex … concurrently`, in a migration outside a transaction",
    "UpdateStmt": BATCHES,
    "DeleteStmt": BATCHES,
    "InsertStmt": BATCHES,
}


def not_null(column: str) -> str:
    return (
        f"add `check ({column} is not null) not valid`, validate it in the next migration outside a transaction, then "
        "set not null, which reads nothing, and drop the check"
    )


def of(node: Any, partitioned: bool = False) -> str:
    """The way for a statement that works too long under its lock.

    Args:
        partitioned: whether it is about a partitioned table, where `concurrently` and the like don't exist.
    """
    if type(node).__name__ != "AlterTableStmt":
        if partitioned and type(node).__name__ == "IndexStmt":
            return PARTITIONED_INDEX
        return BY_STATEMENT.get(type(node).__name__, APART)
    for command in node.cmds:
        kind = command.subtype.name
        if kind == "AT_SetNotNull":
            return not_null(command.name)
        if kind == "AT_AddConstraint" and command.def_.contype.name in ("CONSTR_PRIMARY", "CONSTR_UNIQUE"):
            return PARTITIONED_UNIQUE if partitioned else UNIQUE
        if kind == "AT_AddConstraint" and partitioned and command.def_.contype.name == "CONSTR_FOREIGN":
            return PARTITIONED_KEY
        if kind in BY_COMMAND:
            return BY_COMMAND[kind]
    return APART
