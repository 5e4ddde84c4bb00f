"""A plan as a page for a pull request: one screen, what is more is folded."""

import difflib
import html
import re
from collections.abc import Iterable, Iterator, Sequence

from ops import progress
from ops.review.access import AccessChange
from ops.review.forecast import shown
from ops.review.plan import ManualChange, Plan, PlannedStep

# So many rows of a table, and so many characters of a cell, are shown at once.
ROWS, CELL = 12, 160
SIGNS = progress.SIGNS
# What ends a code span or a row; and what GitHub would take for a person or a tag.
BREAKS = re.compile(r"[|\r\n]+")


def page(plan: Plan, parts: Sequence[str] = ()) -> str:
    """
    Args:
        parts: more sections, each with its heading.
    """
    lines = [f"## Plan of `{plan.stack}`", "", verdict(plan)]
    for title, found in (
        ("Why `up` wouldn't begin", _listed(plan.refused)),
        ("Destroys data", _destroys(plan.steps)),
        ("Changed manually", _manual(plan)),
        ("To do", _steps(plan.steps)),
        ("Migrations", _lint(plan)),
        ("Locks", _locks(plan)),
    ):
        if body := list(found):
            lines += ["", f"### {title}", "", *body]
    for part in parts:
        lines += ["", part]
    lines += _texts(plan)
    if plan.warnings:
        lines += ["", *folded(f"{_counted(len(plan.warnings), 'note')} of the preview", _listed(plan.warnings))]
    return "\n".join(lines)


def access(found: Sequence[AccessChange], base: str) -> str:
    """What somebody reaches more or less of, as a section."""
    lines = ["### Access", ""]
    if not found:
        return "\n".join([*lines, f"Nobody reaches more or less than at {code(base)}."])
    signs = {"more": "**more**", "other": "**other rows**", "less": "less"}
    rows = [
        f"| {signs[each.direction]} | {code(each.who)} | {code(each.object)} | {code(each.what)} |" for each in found
    ]
    return "\n".join([*lines, *_table("| | who | what of | what |", rows)])


def verdict(plan: Plan) -> str:
    """All of it in one line."""
    if plan.empty:
        return "Up to date: nothing to do, and nothing was changed manually."
    said = []
    if plan.refused:
        said.append("**the preview failed**")
    if destroyed := sum(bool(step.destroys) for step in plan.steps):
        said.append(f"**{_counted(destroyed, 'step')} {'destroys' if destroyed == 1 else 'destroy'} data**")
    if errors := sum(each.severity == "error" for each in plan.lint):
        said.append(f"**{_counted(errors, 'error')} in migrations**")
    if over := sum(each.over_budget for each in plan.locks):
        said.append(f"**{_counted(over, 'statement')} over the budget for locks**")
    if plan.manual:
        said.append(f"**{len(plan.manual)} changed manually**")
    if plan.counts:
        said.append(progress.counted(plan.counts, progress.TO_DO))
    if plan.dollars:
        said.append(f"{abs(plan.dollars):.2f} $ {'more' if plan.dollars > 0 else 'less'} a month, before use")
    return f"{'; '.join(said)}."


def _destroys(steps: Sequence[PlannedStep]) -> Iterator[str]:
    return _listed(line for step in steps for line in step.destroys)


def _manual(plan: Plan) -> Iterator[str]:
    if not plan.manual:
        return
    rows = [f"| {code(each.object)} | {_what(each)} | {_by(each)} |" for each in plan.manual]
    yield from _table("| object | what | by |", rows)
    ends = {each.put_back for each in plan.manual}
    said = {True: f"`./vpb up --stack {plan.stack}` puts the declared ones back.", False: ""}[True in ends]
    if False in ends:
        said += " What no resource declares, such as a column or an index, it refuses, and says how to go on."
    yield from ("", said.strip())


def _what(each: ManualChange) -> str:
    return code(each.what) if each.was is None else f"{code(each.what)}, see below"


def _by(each: ManualChange) -> str:
    """The last ones, so that the first of a list is who did it."""
    return "<br>".join(_plain(change.as_text()) for change in each.by) or "not recorded"


def _lint(plan: Plan) -> Iterator[str]:
    """What the text of migrations says, and what to write instead."""
    if not plan.lint:
        return
    rows = [
        f"| {'**error**' if each.severity == 'error' else each.severity} | {code(f'{each.file}:{each.line}')} | "
        f"{code(each.what, 2 * CELL)} | {_prose(each.instead)} |"
        for each in plan.lint
    ]
    yield from _table("| | where | what | instead |", rows)


def _locks(plan: Plan) -> Iterator[str]:
    """What they lock of what is in use, and for how long."""
    if not plan.locks:
        return
    rows = [
        f"| {'**over the budget**' if each.over_budget else ''} | {code(f'{each.file}:{each.line}')} | "
        f"{'<br>'.join(code(line, 2 * CELL) for line in shown.lines_of(each))} | {_prose(each.instead)} |"
        for each in plan.locks
    ]
    yield from _table("| | where | locks | instead |", rows)


def _steps(steps: Sequence[PlannedStep]) -> Iterator[str]:
    if not steps:
        return
    rows = [
        f"| {SIGNS.get(step.op, step.op)} {step.op} | {step.type} {code(step.name)} | {_lines(step)} |"
        for step in steps
    ]
    yield from _table("| | resource | what |", rows)


def _lines(step: PlannedStep) -> str:
    shown = [code(line) for text in step.lines for line in text.splitlines()]
    more = len(shown) - 3
    return "<br>".join([*shown[:3], *([f"and {more} more"] if more > 0 else [])])


def _texts(plan: Plan) -> Iterator[str]:
    """Each text that differs, as a difference of its lines."""
    found = [(f"{each.object}: {each.what}", each.was, each.now or "") for each in plan.manual if each.was is not None]
    found += [
        (f"{step.type} {step.name}: {text.path}", text.before, text.after) for step in plan.steps for text in step.texts
    ]
    for title, before, after in found:
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=3, lineterm="")
        body = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        # There it is HTML: a backslash would be shown.
        yield from ("", *folded(f"<code>{html.escape(' '.join(title.split()))}</code>", fenced("diff", body)))


def fenced(language: str, lines: Sequence[str]) -> Iterator[str]:
    """Whatever the lines hold, they don't end the block."""
    longest = max((len(found) for line in lines for found in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (f"{fence}{language}", *lines, fence)


def _table(head: str, rows: Sequence[str]) -> Iterator[str]:
    """With more rows than a screen has, the rest is folded."""
    line = "|---" * (head.count("|") - 1) + "|"
    yield from (head, line, *rows[:ROWS])
    if more := rows[ROWS:]:
        yield from ("", *folded(f"{len(more)} more", (head, line, *more)))


def folded(title: str, body: Iterable[str]) -> Iterator[str]:
    yield from (f"<details><summary>{title}</summary>", "", *body, "", "</details>")


def _listed(lines: Iterable[str]) -> Iterator[str]:
    return (f"- {code(' '.join(line.split()), 4 * CELL)}" for line in dict.fromkeys(lines))


def code(text: str, most: int = CELL) -> str:
    """As a code span: what is in it is text, and nobody is called by it."""
    text = BREAKS.sub(" ", text.replace("`", "'")).strip()
    return f"`{text if len(text) <= most else f'{text[: most - 1]}…'}`"


def _prose(text: str) -> str:
    """A sentence of ours, with its code spans."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return _plain(text)
    return "".join(code(part) if number % 2 else _plain(part, " ") for number, part in enumerate(parts))


def _plain(text: str, around: str = "") -> str:
    """Outside of a code span.

    Args:
        around: what stands for the white space at its ends.
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    said = re.sub(r"([\\`*_\[\]|@#~])", r"\\\1", " ".join(escaped.split()))
    before, after = (around if end.isspace() else "" for end in (text[:1], text[-1:]))
    return f"{before}{said}{after}"


def _counted(number: int, one: str) -> str:
    return f"{number} {one}{'s' if number != 1 else ''}"
