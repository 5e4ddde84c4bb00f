"""A plan as a page for a pull request: one screen, what is more is folded."""

from collections.abc import Iterator, Sequence

from ops import progress
from ops.counting import counted
from ops.review import markup, redaction
from ops.review.access import AccessChange
from ops.review.forecast import shown
from ops.review.lint.shown import line_of
from ops.review.markup import CELL, code, folded, listed, prose, table
from ops.review.model import Plan, PlannedStep

SIGNS = progress.SIGNS
# GitHub takes 65,536 characters in a comment, and the comparison of privileges comes behind it.
LONGEST = 48_000


def page(plan: Plan, parts: Sequence[str] = ()) -> str:
    """
    Args:
        parts: more sections, each with its heading.
    """
    lines = [f"## Plan of `{plan.stack}`", "", verdict(plan)]
    for title, found in (
        ("Why `up` wouldn't begin", _refused(plan)),
        ("Not tried", listed([*plan.untried, *plan.unjudged])),
        ("Destroys data", listed(plan.destroys)),
        ("Guardrails", _breaches(plan)),
        ("Changed manually", _manual(plan)),
        ("To do", _steps(plan.steps)),
        ("Migrations", _lint(plan)),
        ("Locks", _locks(plan)),
    ):
        if body := list(found):
            lines += ["", f"### {title}", "", *body]
    for part in parts:
        lines += ["", part]
    if plan.warnings:
        lines += ["", *folded(f"{counted(len(plan.warnings), 'note')} of the preview", listed(plan.warnings))]
    page, more = "\n".join(lines), []
    for text in _texts(plan):
        if len(page) + len(text) < LONGEST:
            page += f"\n{text}"
        else:
            more.append(text)
    if more:
        page += f"\n\n{counted(len(more), 'more difference')} of texts: `./vpb plan --stack {plan.stack} --json`."
    return redaction.redacted(page)


def access(found: Sequence[AccessChange], base: str) -> str:
    """What somebody reaches more or less of, as a section."""
    lines = ["### Access", ""]
    if not found:
        return "\n".join([*lines, f"Nobody reaches more or less than at {code(base)}."])
    signs = {"more": "**more**", "other": "**other rows**", "less": "less"}
    rows = [
        f"| {signs[each.direction]} | {code(each.who)} | {code(each.object)} | {code(each.what)} |" for each in found
    ]
    return redaction.redacted("\n".join([*lines, *table("| | who | what of | what |", rows)]))


def verdict(plan: Plan) -> str:
    """All of it in one line."""
    if plan.empty:
        return "Up to date: nothing to do, and nothing was changed manually."
    said = []
    if plan.refused:
        said.append("**the preview failed**")
    if plan.untried or plan.unjudged:
        said.append("**not all of it could be tried**")
    if plan.destroys:
        said.append(f"**{counted(len(plan.destroys), 'step destroys', 'steps destroy')} data**")
    if errors := sum(each.severity == "error" for each in plan.lint):
        said.append(f"**{counted(errors, 'error')} in migrations**")
    if over := sum(each.over_budget for each in plan.locks):
        said.append(f"**{counted(over, 'statement')} over the budget for locks**")
    if plan.breaches:
        said.append(f"**{counted(len(plan.breaches), 'breach', 'breaches')} of guardrails**")
    if plan.manual:
        said.append(f"**{len(plan.manual)} changed manually**")
    if plan.counts:
        said.append(progress.counted(plan.counts, progress.TO_DO))
    if plan.dollars:
        said.append(f"{abs(plan.dollars):.2f} $ {'more' if plan.dollars > 0 else 'less'} a month, before use")
    return f"{'; '.join(said)}."


def _refused(plan: Plan) -> Iterator[str]:
    if plan.refused:
        yield from (*listed(plan.refused), "", "The preview ended there: what comes after it isn't known.")


def _manual(plan: Plan) -> Iterator[str]:
    if plan.manual:
        yield from (*markup.manual_changes(plan.manual), "", markup.manual_end(plan.manual, plan.stack))


def _breaches(plan: Plan) -> Iterator[str]:
    """What the guardrails refuse."""
    if not plan.breaches:
        return
    rows = [
        f"| **{each.severity}** | {code(each.resource)} | {code(each.evidence)} | {prose(each.reason)}; "
        f"{prose(each.repair)} (`{each.rule}`) |"
        for each in plan.breaches
    ]
    yield from table("| | resource | found | why, and instead |", rows)


def _lint(plan: Plan) -> Iterator[str]:
    """What the text of migrations says, and what to write instead; what is excepted, with its reason."""
    if plan.exceptions:
        yield from (*listed(map(line_of, plan.exceptions)), "")
    if not plan.lint:
        return
    rows = [
        f"| {'**error**' if each.severity == 'error' else each.severity} | {code(f'{each.file}:{each.line}')} | "
        f"{code(each.what, 2 * CELL)} | {prose(each.instead)} |"
        for each in plan.lint
    ]
    yield from table("| | where | what | instead |", rows)


def _locks(plan: Plan) -> Iterator[str]:
    """What they lock of what is in use, and for how long."""
    if not plan.locks:
        return
    rows = [
        f"| {'**over the budget**' if each.over_budget else ''} | {code(f'{each.file}:{each.line}')} | "
        f"{'<br>'.join(code(line, 2 * CELL) for line in shown.lines_of(each))} | {prose(each.instead)} |"
        for each in plan.locks
    ]
    yield from table("| | where | locks | instead |", rows)
    if plan.sizes:
        yield from ("", f"Sizes of {prose(plan.sizes)}; the speed is that of this server.")


def _steps(steps: Sequence[PlannedStep]) -> Iterator[str]:
    if not steps:
        return
    rows = [
        f"| {SIGNS.get(step.op, step.op)} {step.op} | {step.type} {code(step.name)} | {_lines(step)} |"
        for step in steps
    ]
    yield from table("| | resource | what |", rows)


def _lines(step: PlannedStep) -> str:
    shown = [code(line) for text in step.lines for line in text.splitlines()]
    more = len(shown) - 3
    return "<br>".join([*shown[:3], *([f"and {more} more"] if more > 0 else [])])


def _texts(plan: Plan) -> Iterator[str]:
    """Each text that differs, as a block; then the migrations."""
    yield from markup.manual_texts(plan.manual)
    for step in plan.steps:
        for text in step.texts:
            yield markup.difference(f"{step.type} {step.name}: {text.path}", text.before, text.after)
    for path, script in plan.scripts.items():
        yield markup.block(path, "sql", markup.cut(script.splitlines()))
