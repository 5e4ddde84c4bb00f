"""What was changed manually since the stored snapshot: looking, and refusing to go on beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from provider import differences, snapshots
from provider.connection import Connection
from provider.differences import ManualChange
from provider.errors import Refused, few
from provider.snapshots import Header, PendingStatement
from provider.steps.history import identity

SELF = f"table {snapshots.TABLE}: content"
AS_LEFT = "as the last `up` left it"
Drift = dict[str, dict[str, str | None]]


@dataclass(frozen=True)
class Seen:
    """What a look at the database has found."""

    header: Header | None
    """None where no snapshot is stored."""
    manual: list[ManualChange]
    """What nobody declared and no other resource repairs."""
    broken: str = ""
    """What is wrong with the stored definitions themselves."""
    begun: list[tuple[ManualChange, str]] = field(default_factory=list)
    """What a migration may have changed that was begun outside a transaction and isn't done, with its number."""

    @property
    def drift(self) -> Drift:
        found = differences.drift(self.manual)
        return found | {SELF: {"was": AS_LEFT, "now": self.broken}} if self.broken else found

    @property
    def lines(self) -> list[str]:
        """Each difference in one line."""
        uncertain = f"{SELF}: {self.broken}; what is said to have been is not certain"
        begun = [
            f"{change.key} isn't as the last `up` left it: migration {version} was begun outside a transaction "
            "and isn't done, or somebody changed it meanwhile"
            for change, version in self.begun
        ]
        return [change.line for change in self.manual] + begun + ([uncertain] if self.broken else [])


async def look(
    connection: Connection,
    name: str,
    held: Sequence[str] | None = None,
    state: Mapping[str, Any] | None = None,
    left: Mapping[str, str] | None = None,
) -> Seen:
    """Compare the database with a stored snapshot.

    Args:
        held: patterns of what other resources hold; those that the snapshot was stored with by default.
        left: in what partitions are left open; as the snapshot was stored with it by default.
        state: what the engine knows, which says whether a snapshot that isn't there was there before.
    """
    header = await snapshots.header(connection, name) if await snapshots.there(connection) else None
    if header is None:
        was_here = bool(state) and state.get("database") == await identity(connection)  # type: ignore[union-attr]
        return Seen(None, [], "gone" if was_here else "")
    if await snapshots.is_current(connection, name):
        return Seen(header, [])
    since = await snapshots.touched(connection, name, header.schemas)
    found = await snapshots.compare(connection, name, header.schemas, since) if since else []
    if (left := header.left if left is None else left) is not None:
        found = [row for row in found if not snapshots.is_left(row, left)]
    honest = await snapshots.fingerprint(connection, name) == header.fingerprint
    patterns = dict.fromkeys(header.held if held is None else held, "")
    if await snapshots.announced(connection) == header.announced:
        statements = {each: PendingStatement.of(label) for each, label in (await snapshots.pending(connection)).items()}
        patterns = {pattern: each.version for pattern, each in statements.items() if each} | patterns
    else:
        honest = False
    manual, begun = [], []
    theirs = differences.Platform(header.schemas, header.platform)
    for change in differences.changes(found, header.open, header.held if held is None else held, theirs):
        by = [version for pattern, version in patterns.items() if fnmatchcase(change.key, pattern)]
        if not by:
            manual.append(change)
        elif all(by):
            begun.append((change, by[0]))
    return Seen(header, manual, "" if honest else "changed manually", begun)


async def refuse_drift(connection: Connection) -> None:
    """Before migrations run without `SchemaSnapshot`, which looks first: by a command, or by an update of theirs alone.

    What they state once more of a manual change would be declared, and called manual all the same.

    :raises Refused: for manual changes, which only a whole `up` can accept
    """
    if not await snapshots.there(connection):
        return
    for name in await snapshots.names(connection):
        if drift := (await look(connection, name)).drift:
            raise Refused(
                f"snapshot {name}: changed manually and declared nowhere: {named(drift)}; no migration was run. "
                "Undo it, or run `up` of the whole stack, which says how to accept it"
            )


def named(drift: Drift) -> str:
    """The first of many, in words."""
    # Whole objects first: what is said of them says more than a column or a comment.
    return few(sorted(drift, key=lambda name: (": " in name, name)))
