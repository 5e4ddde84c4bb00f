"""The events of a preview as a plan, each fact once: what somebody did manually, and what is declared otherwise."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ops import drift, progress
from ops.review import manual
from ops.review.authors import Change
from ops.review.manual import ManualChange
from ops.review.model import Plan, PlannedStep
from run import events
from run.events import LongValue, Refreshed, ResourceOutcome

MIGRATIONS = drift.MIGRATIONS.rpartition(":")[2]
# What only the snapshot knows has no single right way to be put back.
SNAPSHOT = drift.SNAPSHOT
# What says itself what was done manually.
SPEAKING = {*drift.OWN, drift.MIGRATIONS, SNAPSHOT}
DESTRUCTIVE = ("delete", "replace")
NOTHING_HELD = ("Policy", "Grants", "FunctionGrants", "Memberships", "DefaultPrivileges", "RowSecurity")
# Of what a migration says that it takes away: a table without rows holds none.
HOLDS = re.compile(r"\bwith (?:about )?[\d,]+ rows?\b|\bruns code\b")
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
# With more that are made, what is in them is left out.
FEW = 30
ORDER = ("delete", "replace", "update", "create")


def read(stack: str, done: progress.Report, changes: Sequence[Change]) -> Plan:
    """A preview's events as a plan.

    Args:
        changes: what the database has recorded, the oldest first.
    """
    creates = sum(each.op == "create" for each in done.shown)
    planned = [_step(each, done, contents=creates <= FEW) for each in done.shown]
    steps = sorted((step for step in planned if step), key=_order)
    counts = {op: sum(step.op == op for step in steps) for op in ORDER}
    return Plan(
        stack,
        [*_said(done, changes), *_found(done)],
        steps,
        done.causes if done.status else [],
        list(_warnings(done)),
        round(done.dollars, 2),
        done.summary.seconds,
        {op: number for op, number in counts.items() if number},
        destroys=[*dict.fromkeys([*(line for step in steps for line in step.destroys), *_lost(done)])],
        untried=[line.partition(": ")[2] or line for line in done.untried],
    )


def _lost(done: progress.Report) -> Iterator[str]:
    """What a resource says that it takes away, also where the preview ended before its step."""
    return filter(HOLDS.search, _losing(text for texts in done.said.values() for text in texts))


def _order(step: PlannedStep) -> tuple[bool, int]:
    """What destroys data first."""
    return not step.destroys, ORDER.index(step.op) if step.op in ORDER else len(ORDER)


def _said(done: progress.Report, changes: Sequence[Change]) -> Iterator[ManualChange]:
    """What resources say themselves."""
    kinds = {each.resource: each.type for each in done.outcomes}
    kinds |= {each.resource: each.type for each in done.refreshed.values()}
    for resource, line in manual_lines(done):
        refreshed = done.refreshed.get(resource)
        definitions = refreshed.outputs.get("drift") if refreshed else None
        yield manual.said(line, kinds.get(resource) != SNAPSHOT, changes, definitions)


def manual_lines(done: progress.Report) -> list[tuple[str, str]]:
    """Resource and text of each thing that is said to have been done manually."""
    found = ((resource, text) for resource, texts in done.said.items() for text in texts)
    return list(dict.fromkeys(each for each in found if manual.MANUALLY.search(each[1])))


def _found(done: progress.Report) -> Iterator[ManualChange]:
    """What resources that say nothing themselves were found to be, where `up` would undo it.

    What it would leave as it is, such as a value that the server has computed, nobody has changed manually.
    """
    spoken = {resource for resource, _ in manual_lines(done)}
    for outcome in done.outcomes:
        each = done.refreshed.get(outcome.resource)
        if each is None or each.resource in spoken or each.type in SPEAKING:
            continue
        properties = {manual.top(path) for path in outcome.paths}
        kept = [line for line in each.differences if manual.top(line) in properties]
        if each.gone or kept:
            yield from manual.found(each, kept)


def _warnings(done: progress.Report) -> Iterator[str]:
    """What else the preview says, each line once."""
    known = {each.resource for each in done.shown}
    said = [(resource, line) for resource, texts in done.said.items() for text in texts for line in text.splitlines()]
    warnings = [
        line.removeprefix("warning: ")
        for resource, line in said
        if not line.startswith(progress.UNTRIED)
        and (line.startswith("warning: ") or (resource not in known and line and not manual.MANUALLY.search(line)))
    ]
    yield from dict.fromkeys(warnings)


def _step(done: ResourceOutcome, report: progress.Report, contents: bool) -> PlannedStep | None:
    """None for one whose only change is that what was done manually is undone.

    Args:
        contents: whether what is made is shown with what is in it.
    """
    said = report.said.get(done.resource, [])
    lines = [text.strip() for text in said if not (manual.MANUALLY.search(text) or text.startswith(progress.UNTRIED))]
    refreshed = report.refreshed.get(done.resource)
    differences, texts = _declared(done, refreshed, contents)
    is_undone = any(manual.MANUALLY.search(text) for text in said) or _is_otherwise(refreshed)
    if is_undone and not (lines or differences) and done.op not in DESTRUCTIVE:
        return None
    return PlannedStep(
        done.op,
        done.kind,
        done.name,
        lines or list(differences),
        [*_destroyed(done, lines), *_expired(done, refreshed)],
        [] if lines else list(texts),
    )


def _is_otherwise(refreshed: Refreshed | None) -> bool:
    return refreshed is not None and (refreshed.gone or bool(refreshed.differences))


def _declared(
    done: ResourceOutcome, refreshed: Refreshed | None, contents: bool
) -> tuple[Sequence[str], Sequence[LongValue]]:
    """What is declared otherwise than the last time: what somebody did meanwhile is another thing."""
    was = refreshed.declared if refreshed else {}
    changed = {name for name in {*was, *done.inputs} if was.get(name) != done.inputs.get(name)}
    if done.op == "create":
        # One that is gone is made again as it was declared.
        named = sorted(name for name in changed if not name.startswith("__")) if contents or was else []
        lines, texts = events.differences(was, done.inputs, named)
        return [line.replace(": nothing → ", ": ", 1) for line in lines], texts
    if refreshed is None:
        return done.differences, done.texts
    return events.differences(was, done.inputs, [path for path in done.paths if manual.top(path) in changed])


def _losing(texts: Iterable[str]) -> list[str]:
    """What a resource says that it takes away, without rows too."""
    return [line.strip() for text in texts for line in text.splitlines() if progress.LOSES in line]


def _destroyed(done: ResourceOutcome, lines: Sequence[str]) -> Iterator[str]:
    """What holds data and goes."""
    said = _losing(lines)
    yield from filter(HOLDS.search, said)
    if done.op in DESTRUCTIVE and not said and done.kind not in NOTHING_HELD:
        yield f"{done.label} is {progress.DONE[done.op]}"


def _expired(done: ResourceOutcome, refreshed: Refreshed | None) -> Iterator[str]:
    """Which files end sooner than until now, by the rules of a bucket's lifecycle."""
    if done.type != LIFECYCLE or refreshed is None:
        return
    before = dict(_days(refreshed.declared))
    for rule, days in _days(done.inputs):
        was = before.get(rule)
        if was is None or days < was:
            until = "they have no end" if was is None else f"they have {was:g} days"
            yield f"{rule} of {done.name}: files older than {days:g} days go; until now {until}"


def _days(inputs: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for rule in inputs.get("rules") or []:
        days = (rule.get("expiration") or {}).get("days") if isinstance(rule, Mapping) else None
        if isinstance(days, int | float):
            yield str(rule.get("id")), days
