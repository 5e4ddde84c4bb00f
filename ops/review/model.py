"""What a plan is made of."""

import json
from dataclasses import asdict, dataclass, field

from ops.review import redaction
from ops.review.forecast import StatementForecast
from ops.review.lint import Excepted, Finding
from ops.review.manual import ManualChange
from run.events import LongValue


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
    destroys: list[str] = field(default_factory=list)
    """What takes rows or values away, with how many."""
    unjudged: list[str] = field(default_factory=list)
    """Why it isn't known what pending migrations break or lock."""
    untried: list[str] = field(default_factory=list)
    """Why the preview couldn't try all of it on a copy: what `up` meets there isn't known."""
    scripts: dict[str, str] = field(default_factory=dict)
    """The pending migrations: file → its text."""
    lint: list[Finding] = field(default_factory=list)
    """What pending migrations would break or block, by their text."""
    exceptions: list[Excepted] = field(default_factory=list)
    """What a pending migration excepts of that, with its reason."""
    locks: list[StatementForecast] = field(default_factory=list)
    """What they lock, by a copy of the structure; those statements that lock what is in use."""
    sizes: str = ""
    """Whose sizes the locks are forecast with, and of when; empty for those of the stack itself."""
    breaches: list[Breach] = field(default_factory=list)
    """What the guardrails refuse of what is declared."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to say."""
        return not (self.manual or self.steps or self.refused or self.breaches)

    @property
    def red(self) -> bool:
        """Whether it holds what nobody should merge."""
        errors = any(each.severity == "error" for each in self.lint) or any(each.over_budget for each in self.locks)
        return errors or bool(self.breaches or self.unjudged or self.untried)

    def as_json(self) -> str:
        """The plan for scripts."""
        return json.dumps(redaction.everywhere(asdict(self)), indent=2)
