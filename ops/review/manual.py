"""What was changed manually: the words of `./vpb plan` and `./vpb drift` for it."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from ops.review import authors
from ops.review.authors import Change
from run.events import Refreshed

# What a resource says of what nobody declared.
MANUALLY = re.compile(r"\bmanually\b|\bis gone from\b|\bhas another checksum\b")
# `table public.t: column a was added manually: integer`.
DONE = re.compile(r"(?P<key>.+?) was (?P<done>added|removed|changed) manually(?P<rest>.*)", re.DOTALL)
TEXTS = re.compile(r" from '(?P<was>.*)' to '(?P<now>.*)'", re.DOTALL)
GONE = "is gone"
GONE_OBJECT = re.compile(r"(?P<object>.+) (?P<what>is gone from .+|has another checksum.*)", re.DOTALL)
# What is longer is shown as a difference of its lines.
LINE = 80
TOP = re.compile(r"\w+")


@dataclass(frozen=True)
class ManualChange:
    """One object that isn't as the last `up` left it."""

    object: str
    """Such as `grants on table public.notes`."""
    what: str
    was: str | None
    """The declared text, where one was changed."""
    now: str | None
    put_back: bool
    """Whether `up` puts it back; else it refuses to go on until somebody says what is right."""
    by: list[Change]
    """Who has changed the object last, the newest first; empty where the database has recorded nothing."""


# Who reaches what stands before what else differs.
REACH = (
    "role",
    "memberships",
    "row security",
    "policy",
    "grants",
    "default privileges",
    "bucket",
    "function",
    "schema",
)
Definitions = Mapping[str, Mapping[str, str | None]]
"""Object, or facet of one, that the snapshot has otherwise → its definitions `was` and `now`."""


def said(text: str, put_back: bool, changes: Sequence[Change], definitions: Definitions | None = None) -> ManualChange:
    """What a resource of ours says.

    Args:
        text: such as `policy p on public.notes: using was changed manually from 'true' to 'false'`.
        changes: what the database has recorded, the oldest first.
        definitions: what a line has only the beginning of.
    """
    text = text.strip()
    by = authors.of(text, changes)
    if match := GONE_OBJECT.fullmatch(text):
        return ManualChange(match["object"], match["what"].removesuffix(" from the server"), None, None, put_back, by)
    if match := DONE.fullmatch(text):
        named, _, facet = match["key"].partition(": ")
        what = f"{facet} was {match['done']}".strip()
        was, now = _texts(match["rest"], (definitions or {}).get(match["key"], {}))
        if was is None:
            return ManualChange(named, what + match["rest"], None, None, put_back, by)
        if part := _part(was, now or ""):
            return ManualChange(named, f"{what}: {part}", None, None, put_back, by)
        return ManualChange(named, what, was, now, put_back, by)
    named, _, what = text.partition(": ")
    return ManualChange(named, what.replace("manually, ", "").replace(" manually", ""), None, None, put_back, by)


def _texts(said: str, definitions: Mapping[str, str | None]) -> tuple[str | None, str | None]:
    """Both texts where a line is too short for them."""
    if len(said) <= LINE and "\n" not in said:
        return None, None
    if definitions:
        return definitions.get("was") or "", definitions.get("now") or ""
    match = TEXTS.fullmatch(said)
    return (match["was"], match["now"]) if match else (None, None)


def _alike(one: str, other: str) -> int:
    """How many characters at the beginning are the same."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _part(was: str, now: str) -> str:
    """What differs of two lines that are alike else, such as `… (disabled)`; empty where that isn't short."""
    if not was or not now or "\n" in was + now:
        return ""
    start, end = _alike(was, now), _alike(was[::-1], now[::-1])
    if not all(text[start : start + 1] in ("", " ") for text in (was, now)):
        start = was.rfind(" ", 0, start) + 1
    end = min(end, len(was) - start, len(now) - start)
    parts = [text[start : len(text) - end].strip() for text in (was, now)]
    if max(map(len, parts)) * 3 > max(len(was), len(now)):
        return ""
    return f"{parts[0] or 'nothing'} → {parts[1] or 'nothing'}"


def found(each: Refreshed, differences: Collection[str]) -> list[ManualChange]:
    """What a refresh has found of a resource that says nothing itself, property by property.

    Args:
        differences: those that count, as the refresh has them.
    """
    if each.gone:
        return [ManualChange(each.label, GONE, None, None, True, [])]
    long = {text.path: text for text in each.texts}
    return [
        ManualChange(each.label, f"{difference} was changed", long[difference].before, long[difference].after, True, [])
        if difference in long
        else ManualChange(each.label, difference, None, None, True, [])
        for difference in differences
    ]


def ranked(changes: Iterable[ManualChange]) -> list[ManualChange]:
    """Who reaches what first; what is of one object together."""
    places: dict[str, int] = {}
    found = list(changes)
    for each in found:
        places.setdefault(each.object, len(places))
    return sorted(found, key=lambda each: (not each.object.startswith(REACH), places[each.object]))


def top(path: str) -> str:
    """The property that a path such as `rules[0].status` lies in."""
    match = TOP.match(path)
    return match[0] if match else path
