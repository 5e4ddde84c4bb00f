"""Rules over a whole plan, and the exceptions to them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from declared.exceptions import GuardrailException
from guardrails.model import Plan, Result, Rule, Status
from guardrails.rules import RULES


@dataclass(frozen=True)
class Checked:
    """What all rules say of a plan."""

    plan: Plan
    results: tuple[Result, ...]
    expired: tuple[GuardrailException, ...] = ()
    """Exceptions whose last day is over, and that would be needed."""
    unused: tuple[GuardrailException, ...] = ()
    """Exceptions that nothing needs."""

    def having(self, status: Status) -> list[Result]:
        """The worst first."""
        return sorted(
            (each for each in self.results if each.status is status),
            key=lambda each: (-each.rule.severity, each.rule.id, each.resource.name),
        )

    @property
    def refused(self) -> list[Result]:
        """What ends a run."""
        return [each for each in self.having(Status.failed) if each.rule.severity.mandatory]


def results(plan: Plan, rules: Iterable[Rule] = RULES) -> Iterator[Result]:
    """What each rule says of each resource, without exceptions."""
    rules = tuple(rules)
    for resource in plan.resources:
        for rule in rules:
            if (result := rule(resource, plan)) is not None:
                yield result


def check(plan: Plan, exceptions: Iterable[GuardrailException] = (), rules: Iterable[Rule] = RULES) -> Checked:
    """What all rules say of a plan, with what is excepted and by which reason."""
    given = {(each.rule, each.resource): each for each in exceptions}
    needed: set[GuardrailException] = set()
    found = []
    for result in results(plan, rules):
        exception = given.get((result.rule.id, result.resource.name))
        if exception and result.status is Status.failed:
            needed.add(exception)
            result = excepted(result, exception)
        found.append(result)
    expired = tuple(each for each in given.values() if each in needed and each.expired)
    return Checked(plan, tuple(found), expired, tuple(each for each in given.values() if each not in needed))


def excepted(result: Result, exception: GuardrailException) -> Result:
    """A breach under its exception; one that has expired excepts nothing."""
    until = f"{exception.until:%Y-%m-%d}"
    if exception.expired:
        return replace(result, evidence=f"{result.evidence}; its exception ended on {until}")
    return replace(
        result, status=Status.excepted, evidence=f"{result.evidence}; excepted until {until}: {exception.reason}"
    )
