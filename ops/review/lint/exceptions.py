"""Exceptions that a file makes: `-- Lint: allow RULE: reason.` in the comment right above a statement.

squawk's own `-- squawk-ignore RULE` is read too, for the rules of ours that say the same as one of squawk's.
"""

import re
from collections.abc import Iterator, Mapping

from ops.review.lint.model import Change, Finding

FORM = "`-- Lint: allow RULE: why it is no harm here.`"
DIRECTIVE = "lint-directive"
MARK = re.compile(r"\s*--\s*lint(?:\s*:|\s+(?:allow|ignore)\b)", re.IGNORECASE)
ALLOW = re.compile(r"-- Lint: allow (?P<rule>[a-z-]+): (?P<reason>\S+( \S+)+)")
SQUAWK = re.compile(r"\s*--\s*squawk-ignore\s+(?P<rules>[\w, -]+)")


class Exceptions:
    """Those of one file, by the first line of the statement below."""

    def __init__(self, text: str, changes: list[Change], rules: set[str], known: Mapping[str, str]) -> None:
        """
        Args:
            rules: the names of our rules.
            known: those of squawk's rules that ours answer, with ours.
        """
        self._lines, self._changes, self._rules, self._known = text.split("\n"), changes, rules, known
        self.wrong: list[Finding] = []
        """The directives that can't be followed."""
        self._allowed = {(change.line, rule) for change in changes for rule in self._above(change)}

    def allows(self, finding: Finding) -> bool:
        """A finding may be about a line within the statement that the exception stands above."""
        above = max((each.line for each in self._changes if each.line <= finding.line), default=finding.line)
        return (above, finding.rule) in self._allowed

    def _above(self, change: Change) -> Iterator[str]:
        number = change.line - 1
        while number > 0 and self._lines[number - 1].lstrip().startswith("--"):
            line = self._lines[number - 1]
            if match := SQUAWK.match(line):
                yield from (self._known[each] for each in re.split(r"[,\s]+", match["rules"]) if each in self._known)
            elif MARK.match(line):
                yield from self._followed(change, line.strip(), number)
            number -= 1

    def _followed(self, change: Change, line: str, number: int) -> Iterator[str]:
        match = ALLOW.fullmatch(line)
        if match and match["rule"] in self._rules:
            yield match["rule"]
            return
        what = f"there is no rule {match['rule']}" if match else "an exception needs its rule and a reason"
        self.wrong.append(
            change.finding(DIRECTIVE, "error", what, f"write {FORM} right above the statement", line=number)
        )
