"""What was changed manually in an environment, and what `up` would do there: one preview, each fact once."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace

import psycopg

from declared.errors import UserError
from ops import progress
from ops.database import connect
from ops.environment import Environment
from ops.errors import CommandError
from ops.review import authors, forecast, lint
from ops.review.authors import Change
from ops.review.forecast import StatementForecast
from ops.review.lint import Finding
from run import engine
from run.events import LongValue, ResourceOutcome

# What a resource says of what nobody declared.
MANUALLY = re.compile(r"\bmanually\b|\bis gone from the server\b")
CHANGED = re.compile(r"(?P<property>.+) was changed manually from '(?P<was>.*)' to '(?P<now>.*)'", re.DOTALL)
# What only the snapshot knows has no single right way to be put back.
MIGRATIONS = "MigrationSet"
SNAPSHOT = "pg:index:SchemaSnapshot"
DESTRUCTIVE = ("delete", "replace")
NOTHING_HELD = ("Policy", "Grants", "FunctionGrants", "Memberships", "DefaultPrivileges", "RowSecurity")
ORDER = ("delete", "replace", "update", "create")


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

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        return not (self.manual or self.steps or self.refused)

    def as_json(self) -> str:
        """The plan for scripts."""
        return json.dumps(asdict(self), indent=2)


def of(stack: str) -> Plan:
    """
    :raises CommandError: where the stack can't be previewed
    """
    # A stack that has a file of settings may not have been made yet.
    if not engine.declared(stack):
        engine.require(stack)
    engine.make_stack(stack)
    done = progress.run(["preview", "--diff"], stack, shown=False)
    found = read(stack, done, recorded(stack) if _manual_lines(done) else [])
    if not any(step.type == MIGRATIONS for step in found.steps):
        return found
    try:
        linted = lint.of(stack)
        # What fails on a copy has failed in the preview.
        locked = [] if found.refused else forecast.of(stack)
    except UserError as error:
        return replace(found, warnings=[*found.warnings, f"migrations weren't judged: {error}"])
    return replace(found, lint=linted, locks=[each for each in locked if each.locks or each.unknown])


def recorded(stack: str) -> list[Change]:
    """What the stack's database says of changes; nothing where it can't be asked."""
    try:
        with connect(Environment.of(stack).admin_url, "vpb plan") as connection:
            return authors.recorded(connection)
    except (CommandError, psycopg.Error):
        return []


def read(stack: str, done: progress.Report, changes: Sequence[Change]) -> Plan:
    """A preview's events as a plan.

    Args:
        changes: what the database has recorded, the oldest first.
    """
    steps = [step for each in done.shown if (step := _step(each, done.said.get(each.resource, [])))]
    steps.sort(key=lambda step: (not step.destroys, ORDER.index(step.op) if step.op in ORDER else len(ORDER)))
    types = {each.resource: each.type for each in done.outcomes}
    manual = [_change(line, types.get(resource) != SNAPSHOT, changes) for resource, line in _manual_lines(done)]
    known = {each.resource for each in done.shown}
    warnings = [
        line.removeprefix("warning: ")
        for resource, texts in done.said.items()
        for text in texts
        for line in text.splitlines()
        if line.startswith("warning: ") or (resource not in known and line and not MANUALLY.search(line))
    ]
    counts = {op: sum(step.op == op for step in steps) for op in ORDER}
    return Plan(
        stack,
        manual,
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
    return list(dict.fromkeys(each for each in found if MANUALLY.search(each[1])))


def _change(text: str, put_back: bool, changes: Sequence[Change]) -> ManualChange:
    named, _, what = text.strip().partition(": ")
    was = now = None
    if match := CHANGED.fullmatch(what):
        what, was, now = f"{match['property']} was changed", match["was"], match["now"]
    return ManualChange(
        named, what.replace("manually, ", "").replace(" manually", ""), was, now, put_back, authors.of(text, changes)
    )


def _step(done: ResourceOutcome, said: Iterable[str]) -> PlannedStep | None:
    """None for one whose only change is that what was done manually is undone."""
    lines = [text.strip() for text in said if not MANUALLY.search(text)]
    if not lines and any(MANUALLY.search(text) for text in said):
        return None
    kind = done.type.rpartition(":")[2]
    return PlannedStep(
        done.op,
        kind,
        done.resource.rpartition("::")[2],
        lines or list(done.differences),
        list(_destroyed(done, kind, lines)),
        list(done.texts),
    )


def _destroyed(done: ResourceOutcome, kind: str, lines: Sequence[str]) -> Iterator[str]:
    """What holds data and goes."""
    said = [line.strip() for text in lines for line in text.splitlines() if progress.LOSES in line]
    yield from said
    if done.op in DESTRUCTIVE and not said and kind not in NOTHING_HELD:
        yield f"{kind} {done.resource.rpartition('::')[2]} is {progress.DONE[done.op]}"
