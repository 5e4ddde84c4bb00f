"""Exceptions that a file makes: `-- Lint: allow RULE: reason.` in the comment right above a statement.

squawk's own form is read too, with a reason behind it: `-- squawk-ignore RULE -- reason`. squawk itself gets the files
without it, so that nothing is left out that isn't known here.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ops.review.lint.model import Change, Excepted, Finding

FORM = "`-- Lint: allow RULE: why it is no harm here.`"
DIRECTIVE = "lint-directive"
MARK = re.compile(r"\s*--\s*lint(?:\s*:|\s+(?:allow|ignore)\b)", re.IGNORECASE)
ALLOW = re.compile(r"-- Lint: allow (?P<rule>[a-z-]+): (?P<reason>\S+( \S+)+)")
IGNORE = "squawk-ignore"
SQUAWK = re.compile(
    rf"--\s*{IGNORE}\s+(?P<rules>[a-z][a-z-]*(?:\s*,\s*[a-z][a-z-]*)*)(?:\s+--\s+(?P<reason>\S+( \S+)+))?"
)
NOT_ONE = "an exception needs its rule and a reason"
OF_A_FILE = "an exception is for one statement: this one hides whatever the file has, now and later"
ELSEWHERE = "an exception stands right above its statement"


@dataclass(frozen=True)
class Rules:
    """The names that an exception may have."""

    own: Iterable[str]
    answered: Mapping[str, str]
    """squawk's rules that ours answer, with ours."""
    is_squawks: Callable[[str], bool]


class Exceptions:
    """Those of one file, by the first line of the statement below."""

    def __init__(self, text: str, changes: list[Change], rules: Rules) -> None:
        self._lines, self._changes, self._rules = text.split("\n"), changes, rules
        self.wrong: list[Finding] = []
        """The directives that can't be followed."""
        self._read: set[int] = set()
        self._allowed = {(change.line, rule): reason for change in changes for rule, reason in self._above(change)}
        self._refuse_elsewhere()

    def excepted(self, finding: Finding) -> Excepted | None:
        """A finding with its exception; it may be about a line within the statement that the exception stands above."""
        above = max((each.line for each in self._changes if each.line <= finding.line), default=finding.line)
        reason = self._allowed.get((above, finding.rule))
        if reason is None:
            return None
        said = (finding.file, finding.line, finding.statement, finding.rule, finding.severity, finding.what)
        return Excepted(*said, reason)

    def _above(self, change: Change) -> Iterator[tuple[str, str]]:
        number = change.line - 1
        while number > 0 and self._lines[number - 1].lstrip().startswith("--"):
            line = self._lines[number - 1].strip()
            if IGNORE in line:
                yield from self._of_squawk(change, line, number)
            elif MARK.match(line):
                yield from self._of_ours(change, line, number)
            number -= 1

    def _of_squawk(self, change: Change, line: str, number: int) -> Iterator[tuple[str, str]]:
        self._read.add(number)
        match = SQUAWK.fullmatch(line)
        if match is None or not match["reason"]:
            what = OF_A_FILE if f"{IGNORE}-file" in line else NOT_ONE
            self._refuse(change, number, what, f"write `-- {IGNORE} RULE -- why it is no harm here.`, or {FORM}")
            return
        for rule in re.split(r"\s*,\s*", match["rules"]):
            yield from self._named(change, number, rule, match["reason"])

    def _of_ours(self, change: Change, line: str, number: int) -> Iterator[tuple[str, str]]:
        if match := ALLOW.fullmatch(line):
            yield from self._named(change, number, match["rule"], match["reason"])
        else:
            self._refuse(change, number, NOT_ONE)

    def _named(self, change: Change, number: int, rule: str, reason: str) -> Iterator[tuple[str, str]]:
        if rule not in self._rules.own and not self._rules.is_squawks(rule):
            self._refuse(change, number, f"there is no rule {rule}")
            return
        yield rule, reason
        if rule in self._rules.answered:
            yield self._rules.answered[rule], reason

    def _refuse_elsewhere(self) -> None:
        for number, line in enumerate(self._lines, start=1):
            if IGNORE in line and number not in self._read:
                change = next(
                    (each for each in self._changes if each.line > number), self._changes[-1:] and self._changes[-1]
                )
                if change:
                    self._refuse(change, number, OF_A_FILE if f"{IGNORE}-file" in line else ELSEWHERE)

    def _refuse(self, change: Change, number: int, what: str, instead: str = "") -> None:
        way = instead or f"write {FORM} right above the statement"
        self.wrong.append(change.finding(DIRECTIVE, "error", what, way, line=number))
