"""What was changed manually in an environment, and what `up` would do there: one preview, each fact once."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Self

import psycopg

from declared import connectionurl, sqlfiles
from declared.errors import UserError
from guardrails.model import Result
from ops import progress
from ops.database import connect
from ops.environment import Environment
from ops.errors import CommandError
from ops.guardrails import planned
from ops.guardrails.planned import Resources
from ops.migrations import run
from ops.review import address, authors, forecast, lint, reading
from ops.review.authors import Change
from ops.review.forecast import Sizes, StatementForecast
from ops.review.lint import Outcome
from ops.review.model import Breach, Plan
from run import engine


def of(stack: str, sizes: Sizes | None = None) -> Plan:
    """
    Args:
        sizes: what locks are forecast with, in the place of the sizes of the stack's own tables.

    :raises CommandError: where the stack can't be previewed
    """
    resources, judging = Resources(), Judging(stack, sizes)
    with engine.asked(stack), judging:

        def seen(line: str) -> None:
            resources.add(line)
            judging.begin()

        done = progress.run(["preview", "--diff"], stack, shown=False, seen=seen)
        found = reading.read(stack, done, recorded(stack) if reading.manual_lines(done) else [])
        if not found.refused:
            found = replace(
                found, breaches=[_breach(each) for each in resources.checked(planned.environment(stack)).refused]
            )
        # Where the preview failed, what is wrong with the migrations may be why.
        pending = found.refused or any(step.type == reading.MIGRATIONS for step in found.steps)
        return judging.add_to(found) if pending else found


class Judging:
    """What pending migrations break and lock, found beside the preview: it takes as long as a good part of it."""

    def __init__(self, stack: str, sizes: Sizes | None = None) -> None:
        self._stack, self._sizes, self._pool = stack, sizes, ThreadPoolExecutor(2)
        self._lint: Future[tuple[dict[str, str], Outcome]] | None = None
        self._locks: Future[list[StatementForecast]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._pool.shutdown()

    def begin(self) -> None:
        """Once the stack's server runs; only the first time counts."""
        if self._lint is None:
            self._lint = self._pool.submit(_linted, self._stack)
            self._locks = self._pool.submit(forecast.of, self._stack, elsewhere=self._sizes)

    def add_to(self, plan: Plan) -> Plan:
        """The plan with what was found."""
        if self._lint is None or self._locks is None:
            return plan
        try:
            scripts, linted = self._lint.result()
        except UserError as error:
            return replace(plan, unjudged=[f"what they break isn't known: {error}"])
        found = replace(plan, scripts=scripts, lint=linted.findings, exceptions=linted.exceptions)
        # What fails on a copy has failed in the preview.
        if plan.refused:
            return found
        try:
            locks = [each for each in self._locks.result() if each.locks or each.unknown]
            return replace(found, locks=locks, sizes=self._sizes.of if self._sizes else "")
        except UserError as error:
            return replace(found, unjudged=[f"what they lock isn't known: {error}"])


def _linted(stack: str) -> tuple[dict[str, str], Outcome]:
    """The pending migrations, and what their text says."""
    paths = run.pending(stack, address.of(stack, None), run.options_of(stack))
    return {sqlfiles.location(path): sqlfiles.read_text(path) for path in paths}, lint.outcome_on(stack, paths)


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
