"""A statement, and what there is before it: what a rule judges."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ops.review.lint.model import Change
from ops.review.lint.objects import Name, Table, name
from ops.review.lint.structure import Structure


@dataclass(frozen=True)
class Seen:
    """A statement, and what there is before it."""

    change: Change
    before: Structure
    made: Callable[[Name], bool]
    """Whether a table was made by the same set of migrations: it has no rows that anybody waits for."""
    outside: bool
    """Whether its file runs outside a transaction."""
    is_up: bool
    """Whether it isn't a rollback."""
    own: Callable[[Change], bool]
    """Whether a statement before is of the same set."""

    def fresh(self, which: Name) -> bool:
        """Whether nobody uses a table yet, or nobody else ever will."""
        table = self.before.tables.get(which)
        return self.made(which) or (table is not None and table.is_temporary)

    def is_new(self, change: Change | None) -> bool:
        return change is not None and self.own(change)

    @property
    def used_table(self) -> tuple[Name, Table | None] | None:
        """The table that an `alter table` changes, unless it is fresh; None for another statement."""
        node: Any = self.change.node
        if type(node).__name__ != "AlterTableStmt" or node.objtype.name != "OBJECT_TABLE":
            return None
        which = name(node.relation)
        return None if self.fresh(which) else (which, self.before.tables.get(which))
