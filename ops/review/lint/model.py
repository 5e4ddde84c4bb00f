"""A finding, an exception, and the statement that it is about."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from declared.sqlfiles import location

Severity = Literal["error", "warning"]
SHOWN = 72


@dataclass(frozen=True)
class Finding:
    """One fact about one statement, and what to write in its place."""

    file: str
    line: int
    statement: str
    """Its beginning."""
    rule: str
    severity: Severity
    """`error` breaks the running app, stops it, loses rows, or opens data; the rest is `warning`."""
    what: str
    instead: str


@dataclass(frozen=True)
class Excepted:
    """A finding that its file excepts, with the reason that stands there."""

    file: str
    line: int
    statement: str
    rule: str
    severity: Severity
    what: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What was found, and what was found and is excepted."""

    findings: list[Finding]
    exceptions: list[Excepted]


@dataclass(frozen=True)
class Change:
    """A statement of a migration; `node` is its syntax tree, None where our grammar can't parse it."""

    path: Path
    line: int
    text: str
    comment: str
    node: Any
    is_in_block: bool = False
    """Whether it stands in a `do` block."""

    @property
    def beginning(self) -> str:
        return beginning(self.text)

    def finding(self, rule: str, severity: Severity, what: str, instead: str, line: int | None = None) -> Finding:
        return Finding(location(self.path), line or self.line, self.beginning, rule, severity, what, instead)


def beginning(text: str) -> str:
    """The beginning of a statement, as one line."""
    words = " ".join(text.split())
    return words if len(words) <= SHOWN else words[: SHOWN - 1] + "…"
