"""What a table of compliance is made of: controls, what each side says of one, and by which evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Status = Literal["passed", "failed", "not applicable", "not seen"]
CIS = "CIS PostgreSQL"
FSBP = "AWS"


@dataclass(frozen=True)
class Control:
    """One thing that a benchmark asks."""

    standard: str
    id: str
    title: str
    rules: tuple[str, ...] = ()
    """The guardrails that say it of the plan, and of the account where `ops/compliance/live.py` reads what they ask."""
    types: tuple[str, ...] = ()
    """The types of resources that it is about, where its rules are about more."""
    audit: tuple[str, ...] = ()
    """The rules of the audit that say it of the database and its buckets."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Setting of the server → what its value must match; the audit's own pattern where that is empty."""
    backups: bool = False
    """Whether the database's own notes of its backups say it."""
    absent: str = ""
    """Why neither side can say anything of it."""
    applies: bool = True
    """Whether it is about anything that is used here."""


@dataclass(frozen=True)
class Side:
    """What is declared, or what is there, of one control."""

    status: Status
    evidence: tuple[str, ...]

    def __post_init__(self) -> None:
        assert self.evidence, "each line has its evidence, or why there is none"


@dataclass(frozen=True)
class Line:
    """One control with both sides."""

    control: Control
    before: Side
    after: Side

    @property
    def failed(self) -> bool:
        return "failed" in (self.before.status, self.after.status)


@dataclass(frozen=True)
class Compliance:
    """The whole table of a stack."""

    stack: str
    lines: tuple[Line, ...]

    @property
    def failed(self) -> list[Line]:
        return [line for line in self.lines if line.failed]
