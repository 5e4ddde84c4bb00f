"""What was changed manually in an environment, and what `up` would do there: one preview, each fact once."""

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Self

import psycopg

from declared import connectionurl
from declared.errors import UserError
from guardrails.model import Result
from ops import drift, progress
from ops.database import connect
from ops.environment import Environment
from ops.errors import CommandError
from ops.guardrails.planned import Resources
from ops.review import authors, forecast, lint, manual
from ops.review.authors import Change
from ops.review.forecast import StatementForecast
from ops.review.lint import Finding
from ops.review.manual import ManualChange
from run import engine
from run.events import Found, LongValue, ResourceOutcome

# What only the snapshot knows has no single right way to be put back.
MIGRATIONS = "MigrationSet"
SNAPSHOT = drift.SNAPSHOT
# What says itself what was done manually.
SPEAKING = {*drift.OWN, drift.MIGRATIONS, SNAPSHOT}
DESTRUCTIVE = ("delete", "replace")
NOTHING_HELD = ("Policy", "Grants", "FunctionGrants", "Memberships", "DefaultPrivileges", "RowSecurity")
ORDER = ("delete", "replace", "update", "create")


@dataclass(frozen=True)
class PlannedStep:
    """What `up` would do to one resource."""

    op: str
    type: str
    name: str
    lines: list[str]
    """What it says of itself, else the properties that differ."""
    destroys: list[str]
    """What of it takes rows or values away, with how many."""
    texts: list[LongValue]


@dataclass(frozen=True)
class Breach:
    """What a guardrail refuses: docs/guardrails.md."""

    rule: str
    severity: str
    resource: str
    evidence: str
    reason: str
    repair: str


@dataclass(frozen=True)
class Plan:
    """All of it."""

    stack: str
    manual: list[ManualChange]
    steps: list[PlannedStep]
    refused: list[str]
    """Why the preview failed; `up` wouldn't begin."""
    warnings: list[str]
    dollars: float
    """What it changes in the costs of a month, before use."""
    seconds: int
    counts: dict[str, int] = field(default_factory=dict)
    lint: list[Finding] = field(default_factory=list)
    """What pending migrations would break or block, by their text."""
    locks: list[StatementForecast] = field(default_factory=list)
    """What they lock, by a copy of the structure; those statements that lock what is in use."""
    breaches: list[Breach] = field(default_factory=list)
    """What the guardrails refuse of what is declared."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        return not (self.manual or self.steps or self.refused or self.breaches)

    def as_json(self) -> str:
        """The plan for scripts."""
        return json.dumps(asdict(self), indent=2)


def of(stack: str) -> Plan:
    """
    :raises CommandError: where the stack can't be previewed
    """
    resources, judging = Resources(), Judging(stack)
    with engine.asked(stack), judging:

        def seen(line: str) -> None:
            resources.add(line)
            judging.begin()

        done = progress.run(["preview", "--diff"], stack, shown=False, seen=seen)
        found = read(stack, done, recorded(stack) if _manual_lines(done) else [])
        if not found.refused:
            found = replace(found, breaches=[_breach(each) for each in resources.checked(stack).refused])
        return judging.add_to(found) if any(step.type == MIGRATIONS for step in found.steps) else found


class Judging:
    """What pending migrations break and lock, found beside the preview: it takes as long as a good part of it."""

    def __init__(self, stack: str) -> None:
        self._stack, self._pool = stack, ThreadPoolExecutor(2)
        self._lint: Future[list[Finding]] | None = None
        self._locks: Future[list[StatementForecast]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._pool.shutdown()

    def begin(self) -> None:
        """Once the stack's server runs; only the first time counts."""
        if self._lint is None:
            self._lint = self._pool.submit(lint.of, self._stack)
            self._locks = self._pool.submit(forecast.of, self._stack)

    def add_to(self, plan: Plan) -> Plan:
        """The plan with what was found."""
        if self._lint is None or self._locks is None:
            return plan
        try:
            linted = self._lint.result()
            # What fails on a copy has failed in the preview.
            locked = [] if plan.refused else self._locks.result()
        except UserError as error:
            return replace(plan, warnings=[*plan.warnings, f"migrations weren't judged: {error}"])
        return replace(plan, lint=linted, locks=[each for each in locked if each.locks or each.unknown])


def _breach(result: Result) -> Breach:
    rule = result.rule
    return Breach(rule.id, rule.severity.name, result.resource.name, result.evidence, rule.reason, rule.repair)


def recorded(stack: str) -> list[Change]:
    """What the stack's database says of changes; nothing where it can't be asked."""
    # The outputs take as long as a third of a preview.
    own = engine.own_parameters(stack)
    try:
        url = connectionurl.compose(own) if own else Environment.of(stack).admin_url
        with connect(url, "vpb plan") as connection:
            return authors.recorded(connection)
    except (CommandError, psycopg.Error):
        return []


def read(stack: str, done: progress.Report, changes: Sequence[Change]) -> Plan:
    """A preview's events as a plan.

    Args:
        changes: what the database has recorded, the oldest first.
    """
    undone = _undone(done)
    steps = [
        step
        for each in done.shown
        if (step := _step(each, done.said.get(each.resource, []), undone.get(each.resource)))
    ]
    steps.sort(key=lambda step: (not step.destroys, ORDER.index(step.op) if step.op in ORDER else len(ORDER)))
    types = {each.resource: each.type for each in done.outcomes}
    said = [manual.said(line, types.get(resource) != SNAPSHOT, changes) for resource, line in _manual_lines(done)]
    said += [change for each in undone.values() for change in manual.found(each)]
    known = {each.resource for each in done.shown}
    warnings = [
        line.removeprefix("warning: ")
        for resource, texts in done.said.items()
        for text in texts
        for line in text.splitlines()
        if line.startswith(("warning: ", progress.UNTRIED))
        or (resource not in known and line and not manual.MANUALLY.search(line))
    ]
    counts = {op: sum(step.op == op for step in steps) for op in ORDER}
    return Plan(
        stack,
        said,
        steps,
        done.causes if done.status else [],
        list(dict.fromkeys(warnings)),
        round(done.dollars, 2),
        done.summary.seconds,
        {op: number for op, number in counts.items() if number},
    )


def _manual_lines(done: progress.Report) -> list[tuple[str, str]]:
    """Resource and text of each thing that is said to have been done manually."""
    found = ((resource, text) for resource, texts in done.said.items() for text in texts)
    return list(dict.fromkeys(each for each in found if manual.MANUALLY.search(each[1])))


def _undone(done: progress.Report) -> dict[str, Found]:
    """What resources that say nothing themselves were found to be, where `up` would undo it, by resource.

    What it would leave as it is, such as a value that the server has computed, nobody has changed manually.
    """
    outcomes = {each.resource: each for each in done.outcomes}
    spoken = {resource for resource, _ in _manual_lines(done)}
    undone = {}
    for each in done.found:
        outcome = outcomes.get(each.resource)
        if outcome is None or each.resource in spoken or each.type in SPEAKING:
            continue
        if each.gone:
            undone[each.resource] = each
            continue
        properties = {manual.top(path) for path in outcome.differences}
        if kept := tuple(path for path in each.differences if manual.top(path) in properties):
            undone[each.resource] = replace(each, differences=kept)
    return undone


def _step(done: ResourceOutcome, said: Iterable[str], undone: Found | None) -> PlannedStep | None:
    """None for one whose only change is that what was done manually is undone."""
    said = list(said)
    lines = [text.strip() for text in said if not (manual.MANUALLY.search(text) or progress.UNTRIED in text)]
    if not lines and any(manual.MANUALLY.search(text) for text in said):
        return None
    differences, texts = list(done.differences), list(done.texts)
    if undone:
        found = {manual.top(path) for path in undone.differences}
        differences = [path for path in differences if manual.top(path) not in found]
        texts = [text for text in texts if manual.top(text.path) not in found]
        if not (lines or differences) and done.op not in DESTRUCTIVE:
            return None
    kind = done.type.rpartition(":")[2]
    return PlannedStep(
        done.op,
        kind,
        done.resource.rpartition("::")[2],
        lines or differences,
        list(_destroyed(done, kind, lines)),
        texts,
    )


def _destroyed(done: ResourceOutcome, kind: str, lines: Sequence[str]) -> Iterator[str]:
    """What holds data and goes."""
    said = [line.strip() for text in lines for line in text.splitlines() if progress.LOSES in line]
    yield from said
    if done.op in DESTRUCTIVE and not said and kind not in NOTHING_HELD:
        yield f"{kind} {done.resource.rpartition('::')[2]} is {progress.DONE[done.op]}"
