"""Who has changed what isn't as declared, and when: what the database has recorded of changes of its structure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from ops.database import Connection
from provider.connection import APPLICATION

RECORDED = "select changed_at, login, application, host(address), command, kind, object from ops.structure_changes(%s)"
# The newest are shown of one object.
MOST = 3
# So much of the best likeness is as good.
ALIKE = 0.99
VALUES = re.compile(r" was (?:changed|added|removed)(?: manually)?\b.*", re.DOTALL)
SCHEMA = re.compile(r"\w+\.")
PRIVILEGES = ("GRANT", "REVOKE")
# What no event trigger fires for: objects of the whole server, and rows.
NOT_RECORDED = ("role ", "memberships of ", "bucket ", "sealing keys ", "migrations ")
VERBS = {"grant", "revoke", "table", "function", "routine", "schema", "cascade"}
COMMON = {"table", "grant", "revoke", "all", "select", "insert", "update", "delete", "column"}


@dataclass(frozen=True)
class Change:
    """One command that has changed an object."""

    changed_at: str
    """ISO 8601, UTC."""
    login: str
    application: str
    """What the session called itself."""
    address: str | None
    """From where; None for a local socket."""
    command: str
    """Such as ALTER TABLE."""
    kind: str
    object: str

    @property
    def when(self) -> str:
        """Such as `2026-11-30 05:12 UTC`."""
        return f"{self.changed_at[:16].replace('T', ' ')} UTC"

    @property
    def described(self) -> str:
        """What it was done to, for people."""
        return f"{self.kind} {self.object}"


def recorded(connection: Connection, since: datetime | None = None) -> list[Change]:
    """What was recorded and `up` has not put back since, the oldest first; nothing where the database records none.

    :raises psycopg.Error: where it can't be read
    """
    try:
        with connection.transaction():
            rows = connection.execute(RECORDED, [since or "-infinity"]).fetchall()
            (ours,) = connection.execute("select session_user::text").fetchone() or ("",)
    except (psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName):
        return []
    every = [
        Change(at.astimezone(UTC).isoformat(timespec="seconds"), login, application, address, command, kind, named)
        for at, login, application, address, command, kind, named in rows
    ]
    return [
        each
        for number, each in enumerate(every)
        if not _is_ours(each, ours) and not any(_undoes(later, each, ours) for later in every[number + 1 :])
    ]


def _is_ours(change: Change, login: str) -> bool:
    """Whether `up` has made it: what a session calls itself, anybody may choose, its login not."""
    return change.application == APPLICATION and change.login == login


def _undoes(later: Change, change: Change, login: str) -> bool:
    """Whether `up` has put back since what a change did; of a table it may have changed another thing."""
    if not _is_ours(later, login) or change.kind.startswith("table ") or change.command == "ALTER TABLE":
        return False
    if {later.command, change.command} <= {*PRIVILEGES}:
        return _words(change.object) - VERBS <= _words(later.object) - VERBS
    return (later.kind, later.object) == (change.kind, change.object)


def of(said: str, changes: Sequence[Change]) -> list[Change]:
    """Those that a difference is most likely of, the newest first; none where none has to do with its object.

    A command names a table where a column was changed, and the text of a statement where a privilege was, so words are
    compared: the rarer one is among the commands, the more it says.

    Args:
        said: such as `table public.notes: column title was added`.
        changes: the oldest first.
    """
    if said.startswith(NOT_RECORDED):
        return []
    # The values that are there now are no names of what was changed.
    named = VALUES.sub("", said)
    kinds, words = _kinds(named), _words(named)
    rarity = Counter(word for each in changes for word in _words(each.described))
    scored = [(_likeness(each, kinds, words, rarity), each) for each in changes]
    best = max((score for score, _ in scored), default=0.0)
    found = [each for score, each in reversed(scored) if score and score >= ALIKE * best]
    newest: dict[tuple[str, str, str], Change] = {}
    for each in found:
        newest.setdefault((each.login, each.application, each.command), each)
    return list(newest.values())[:MOST]


def _kinds(said: str) -> tuple[str, ...]:
    """The kinds of objects that a command may name where this differs."""
    thing, _, facet = said.partition(": ")
    if thing.startswith("grants") or "privileges" in thing:
        return ()
    if thing.startswith("row security"):
        return ("policy", "table") if "[" in facet else ("table",)
    first = tuple(part.split()[0] for part in (thing, facet) if part.split())
    return ("function", "procedure", "routine", "aggregate") if first[0] == "function" else first


def _likeness(change: Change, kinds: Sequence[str], words: set[str], rarity: Mapping[str, int]) -> float:
    own, named = _words(change.described), _words(SCHEMA.sub(" ", change.object.partition(" on ")[0]))
    if (change.command in PRIVILEGES) != (not kinds) or (kinds and not change.kind.startswith(tuple(kinds))):
        return 0.0
    if not kinds:
        # Of a text: that both name a table says nothing.
        named = _words(SCHEMA.sub(" ", change.object)) & words - COMMON
    if not named or not named <= words:
        return 0.0
    shared = own & words
    return len(shared) / len(own) * sum(1 / rarity[word] for word in shared)


def _words(text: str) -> set[str]:
    return {word.removesuffix("s") for word in re.findall(r"\w+", text.lower())} - {"on", "to", "from", "of"}
