"""Differences as a person reads them: one for each object, in one line, and what follows from another left out."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from declared.roles import OWNER
from provider.snapshots import Difference

# Facets that are there only where something is wrong, and what to call it where nothing is. Each is named on its own,
# also where the object is new, since the text of a whole object is cut.
USUAL = {"partition ": "like its table", "enforcement of ": "enforced"}
# What a platform may add to a table of ours in its own schema, and what of its own objects it may not change: these say
# who reaches what.
ADDITIONS = ("column ", "constraint ", "index ", "comment")
REACH = ("owner", "grants", "row security", "policy ", "comment on policy ", "rule ", "trigger ", *USUAL)
# A function's header ends where its body begins.
DEFINER = re.compile(r"^CREATE OR REPLACE (?:(?!\nAS ).)*?\bSECURITY DEFINER\b", re.S)
LONG = 200
REINDEXED = re.compile(r'index .*_cc(?:new|old)\d*"?')
LEFT = "a `reindex concurrently` that was ended has left it and nobody works on it: drop it"


@dataclass
class ManualChange:
    """One object, or one facet of an object, with all rows of the comparison that it stands for."""

    object: str
    facet: str
    was: str | None
    now: str | None
    rows: list[Difference] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.object}: {self.facet}" if self.facet else self.object

    @property
    def definitions(self) -> dict[str, str | None]:
        return {"was": self.was, "now": self.now}

    @property
    def line(self) -> str:
        """What happened, in one line."""
        for prefix, usual in USUAL.items():
            if self.facet.startswith(prefix):
                was, now = self.was or usual, self.now or usual
                return f"{self.key} was changed manually from {was} to {now}"
        if self.was is None:
            left = f"; {LEFT}" if REINDEXED.fullmatch(self.facet) and (self.now or "").endswith("(invalid)") else ""
            return f"{self.key} was added manually: {_short(self.now or '', '')[0]}{left}"
        if self.now is None:
            return f"{self.key} was removed manually, it was: {_short(self.was, '')[0]}"
        was, now = _short(self.was, self.now)
        return f"{self.key} was changed manually from {was} to {now}"


@dataclass(frozen=True)
class Platform:
    """Whose database it is beside ours; without schemas of its own, no one else's."""

    schemas: Iterable[str] = ()
    """The managed ones."""
    own: Iterable[str] = ()
    """Those of them that are the platform's."""

    def has(self, change: ManualChange) -> bool:
        """Whether a change is the platform's affair: all but our schemas and our triggers on its tables.

        What is of no schema (extensions, publications, settings) has a resource where it is ours.
        """
        own = {*self.own}
        if not own:
            return False
        if change.object.startswith("default privileges "):
            return not change.object.startswith(f"default privileges of {OWNER} ")
        space = change.rows[0].space
        if change.facet.startswith("trigger "):
            text = change.now or change.was or ""
            return space in own and any(f" EXECUTE FUNCTION {schema}." in text for schema in own)
        return space in own or space not in {*self.schemas}


def changes(
    found: Iterable[Difference],
    open: Iterable[str] = (),
    held: Iterable[str] = (),
    platform: Platform = Platform(),
) -> list[ManualChange]:
    """The differences by object. What goes or comes with another object is part of that one's change.

    Args:
        open: schemas in which somebody else's own changes are none.
        held: patterns of what other resources hold; a table whose row security they hold is ours, not the platform's.
    """
    objects: dict[str, list[Difference]] = defaultdict(list)
    for difference in found:
        objects[difference.object].append(difference)
    # By object: whether it's gone (True) or new (False); an extension that differs in any way speaks for its members.
    roots = {row.object: row for rows in objects.values() for row in rows if not row.facet}
    extensions = {
        row.object: f"{row.object}: {row.facet}" if row.facet and row.object not in roots else row.object
        for rows in objects.values()
        for row in rows
        if row.object.startswith("extension ") and row.facet in ("", "version")
    }
    whole = {name: row.now is None for name, row in roots.items() if row.was is None or row.now is None}
    made: dict[str, ManualChange] = {}
    for name, rows in objects.items():
        if name in whole:
            wrong = [] if whole[name] else [row for row in rows if row.facet.startswith(tuple(USUAL))]
            rest = [row for row in rows if row not in wrong]
            text = _whole(rest, gone=whole[name])
            made[name] = ManualChange(name, "", text if whole[name] else None, None if whole[name] else text, rest)
            made |= {change.key: change for change in _facets(wrong)}
            continue
        for change in _facets(rows):
            made[change.key] = change
    for key, change in list(made.items()):
        parent = change.rows[0].parent or ""
        follows = not change.facet and change.object in whole and whole.get(parent) == whole[change.object]
        if follows or parent in extensions:
            _top(made, objects, extensions.get(parent, parent)).rows.extend(made.pop(key).rows)
    schemas, ours = set(open), tuple(pattern for pattern in held if pattern.endswith(": row security"))
    return [
        change
        for _, change in sorted(made.items())
        if not platform.has(change) and not _is_platforms(change, schemas, ours)
    ]


def _top(made: Mapping[str, ManualChange], objects: Mapping[str, list[Difference]], name: str) -> ManualChange:
    """The change that speaks for `name`, which may itself be part of another's."""
    while name not in made:
        name = objects[name][0].parent or ""
    return made[name]


def _facets(rows: list[Difference]) -> list[ManualChange]:
    """An object's facets; comments and grants of a column or policy that goes or comes, go and come with it."""
    found = {row.facet: ManualChange(row.object, row.facet, row.was, row.now, [row]) for row in rows}
    for facet in list(found):
        _, _, subject = facet.partition(" on ")
        holder = found.get(subject)
        if holder and subject and (holder.was is None or holder.now is None):
            holder.rows.extend(found.pop(facet).rows)
    return list(found.values())


def _whole(rows: list[Difference], gone: bool) -> str:
    """An object that came or went, with everything of it."""
    texts = {row.facet: row.was if gone else row.now for row in rows}
    parts = [texts.get("") or ""]
    return "; ".join(parts + [f"{facet} {text}" for facet, text in sorted(texts.items()) if facet and text is not None])


def _is_platforms(change: ManualChange, open: set[str], ours: Sequence[str]) -> bool:
    """Whether a platform may have done this in its own schema: another version of it replaces what it has brought.

    Who reaches what is never its own affair: grants, owners, row security, policies, functions that run as their owner.
    """
    schema, added = change.rows[0].space, change.was is None
    if schema not in open or change.object.startswith("default privileges ") or DEFINER.match(change.now or ""):
        return False
    mine = any(fnmatchcase(f"{change.object}: row security", pattern) for pattern in ours)
    if change.facet.startswith("trigger "):
        return (added or not mine) and f" EXECUTE FUNCTION {schema}." in (change.now or change.was or "")
    if not mine:
        return not change.facet.startswith(REACH)
    if added:
        return change.facet.startswith(ADDITIONS)
    return change.facet == "comment" or change.facet.startswith("comment on column ")


def _short(was: str, now: str) -> tuple[str, str]:
    """Both on one line; of long ones the part around the first place where they differ."""
    one, other = " ".join(was.split()), " ".join(now.split())
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    start = max(0, same - LONG // 4) if max(len(one), len(other)) > LONG else 0
    return _part(one, start), _part(other, start)


def _part(text: str, start: int) -> str:
    end = start + LONG
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def drift(found: Iterable[ManualChange]) -> dict[str, dict[str, str | None]]:
    """The changes as the state keeps them."""
    return {change.key: change.definitions for change in found}


def fingerprint(drift: Mapping[str, Mapping[str, str | None]]) -> str:
    """What `accept` must be, so that exactly this drift is accepted and no other."""
    plain = {key: [entry.get("was"), entry.get("now")] for key, entry in drift.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]
