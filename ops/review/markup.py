"""Markdown as GitHub and GitLab show it: whatever the words hold, they are text."""

import difflib
import html
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

from declared.errors import printable
from ops.counting import counted
from ops.review.authors import Change
from ops.review.manual import ManualChange, ranked

# So many rows of a table, and so many characters of a cell, are shown at once.
ROWS, CELL = 12, 160
# So many lines of a difference, and so many facts of one object.
LINES, MOST = 80, 6
# What is shown as nothing, and is no part of a name (Unicode, word joiner).
JOINER = "\u2060"
# What ends a code span or a row; and what GitHub would take for a person or a tag.
BREAKS = re.compile(r"[|\r\n]+")


def manual_changes(changes: Sequence[ManualChange], since: Mapping[str, str] | None = None) -> Iterator[str]:
    """A table of what was changed manually, a row for each object.

    Args:
        since: when what is not recorded was seen first, by object.
    """
    rows = []
    for (thing, by), several in groupby(ranked(changes), key=lambda each: (each.object, _by(each, since or {}))):
        whats = [_what(each) for each in several]
        more = [f"and {len(whats) - MOST} more"] if len(whats) > MOST else []
        rows.append(f"| {code(thing)} | {'<br>'.join([*whats[:MOST], *more])} | {by} |")
    return table("| object | what | by |", rows)


def manual_end(changes: Sequence[ManualChange], stack: str) -> str:
    """What `up` does with it."""
    ends = {each.put_back for each in changes}
    said = [f"`./vpb up --stack {stack}` puts the declared ones back."] if True in ends else []
    if False in ends:
        it = "it" if said else f"`./vpb up --stack {stack}`"
        said.append(f"What no resource declares, such as a column or an index, {it} refuses, and says how to go on.")
    return " ".join(said)


def manual_texts(changes: Sequence[ManualChange]) -> Iterator[str]:
    """The texts among them."""
    for each in ranked(changes):
        if each.was is not None:
            yield difference(f"{each.object}: {each.what}", each.was, each.now or "")


def difference(title: str, before: str, after: str) -> str:
    """A text that differs, folded, as a difference of its lines."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=3, lineterm="")
    body = cut([line for number, line in enumerate(lines) if number > 1 and not line.startswith("@@")])
    return block(title, "diff", body)


def block(title: str, language: str, lines: Sequence[str]) -> str:
    """Lines, folded."""
    # There it is HTML: a backslash would be shown.
    named = f"<code>{html.escape(printable(' '.join(title.split())))}</code>"
    return "\n".join(["", *folded(named, fenced(language, lines))])


def cut(lines: Sequence[str]) -> list[str]:
    """The first lines of a text, as they can be shown, and how many there are more."""
    shown = [printable(line.replace("\t", "    ")) for line in lines[:LINES]]
    more = len(lines) - LINES
    return [*shown, f"… {counted(more, 'more line')}"] if more > 0 else shown


def _what(each: ManualChange) -> str:
    return code(each.what) if each.was is None else f"{code(each.what)}, see below"


def _by(each: ManualChange, since: Mapping[str, str]) -> str:
    """The last ones, so that the first of a list is who did it."""
    first = since.get(each.object)
    unknown = f"not recorded; seen since {first[:16].replace('T', ' ')} UTC" if first else "not recorded"
    return "<br>".join(map(_change, each.by)) or unknown


def _change(each: Change) -> str:
    by = f" by {code(each.application)}" if each.application else ""
    return f"{each.when}, {code(each.login)}{by}: {plain(each.command)}"


def fenced(language: str, lines: Sequence[str]) -> Iterator[str]:
    """Whatever the lines hold, they don't end the block."""
    longest = max((len(found) for line in lines for found in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}{language}", *lines, fence)


def table(head: str, rows: Sequence[str]) -> Iterator[str]:
    """With more rows than a screen has, the rest is folded."""
    line = "|---" * (head.count("|") - 1) + "|"
    yield from (head, line, *rows[:ROWS])
    if more := rows[ROWS:]:
        yield from ("", *folded(f"{len(more)} more", (head, line, *more)))


def folded(title: str, body: Iterable[str]) -> Iterator[str]:
    yield from (f"<details><summary>{title}</summary>", "", *body, "", "</details>")


def listed(lines: Iterable[str]) -> Iterator[str]:
    return (f"- {code(' '.join(line.split()), 4 * CELL)}" for line in dict.fromkeys(lines))


def code(text: str, most: int = CELL) -> str:
    """As a code span: what is in it is text, and nobody is called by it."""
    text = printable(BREAKS.sub(" ", text.replace("`", "'")).strip())
    return f"`{text if len(text) <= most else f'{text[: most - 1]}…'}`"


def prose(text: str) -> str:
    """A sentence of ours, with its code spans."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return "".join(code(part) if number % 2 else plain(part, " ") for number, part in enumerate(parts))


def plain(text: str, around: str = "") -> str:
    """Outside of a code span.

    Args:
        around: what stands for the white space at its ends.
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    said = re.sub(r"([\\`*_\[\]|~])", r"\\\1", " ".join(escaped.split()))
    # GitHub looks for people, issues and addresses in what is shown, where a backslash is gone.
    said = re.sub(r"([@#]|:(?=//)|\bGH(?=-\d))", rf"\1{JOINER}", said)
    before, after = (around if end.isspace() else "" for end in (text[:1], text[-1:]))
    return f"{before}{said}{after}"
