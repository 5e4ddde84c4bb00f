"""What migrations have changed of what other resources declare, so that it isn't reported as a manual change."""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any

MANUALLY = "manually"


@dataclass(frozen=True)
class MigrationChange:
    """One facet of one object: what it was before the migrations, what it is after them, which one changed it last."""

    was: Any
    now: Any
    step: str
    respelled: bool = False
    """Whether it is the same, made again, and only PostgreSQL spells it differently now."""


class MigrationChanges:
    """The changes by object and facet; an object has the name that its resource shows."""

    def __init__(self, stored: Iterable[list[Any]] = ()) -> None:
        self._found: dict[tuple[str, str], MigrationChange] = {
            (entry[0], entry[1]): MigrationChange(*entry[2:]) for entry in stored
        }

    def __bool__(self) -> bool:
        return bool(self._found)

    def stored(self) -> list[list[Any]]:
        """The changes as JSON holds them."""
        return [[object, facet, *astuple(change)] for (object, facet), change in self._found.items()]

    def add(self, object: str, facet: str, change: MigrationChange) -> None:
        """Note a change; of two the first says what was there before."""
        first = self._found.get((object, facet), change)
        respelled = first.respelled and change.respelled
        self._found[object, facet] = MigrationChange(first.was, change.now, change.step, respelled)

    def update(self, other: "MigrationChanges") -> None:
        """Take over what a run has noted."""
        for (object, facet), change in other._found.items():
            self.add(object, facet, change)

    def author(self, object: str, facet: str, was: Any, now: Any) -> str:
        """Who made `now` of what was `was`: a migration since the last run that ended well, or somebody beside it."""
        change = self._found.get((object, facet))
        return f"by migration {change.step}" if change and (change.was, change.now) == (was, now) else MANUALLY

    def respelled(self, object: str, facet: str, was: Any, now: Any) -> bool:
        """Whether it is as it was before this run, and a migration had it made again."""
        change = self._found.get((object, facet))
        return bool(change and change.respelled and (change.was, change.now) == (was, now))


def privilege(role: str, word: str, column: str) -> str:
    """The facet of one entry of an access list."""
    return f"{word} {column} to {role}"
