"""Making a report of a stack."""

from collections.abc import Callable
from dataclasses import replace

from ops.environment import Environment
from ops.report import parts as read
from ops.report import words
from ops.report.model import Part, StatusReport, Subject
from run import engine


def of(
    stack: str, look_for_drift: bool = False, progress: Callable[[str], None] = lambda message: None
) -> StatusReport:
    """The report of a stack as it is now; what can't be read is said in its place.

    :raises CommandError: where there is no such stack, or nothing in it yet
    """
    progress("the stack's outputs")
    subject = Subject(
        environment=Environment.of(stack),
        target=engine.target(stack).name,
        checks=engine.checks(stack),
        backups=engine.backups(stack),
        now=read.now(),
        look_for_drift=look_for_drift,
        progress=progress,
    )
    parts = read.read(subject)
    return StatusReport(stack, subject.target, subject.now, words.summary(subject, parts), _said(parts))


def _said(parts: dict[str, Part]) -> dict[str, Part]:
    """The same, each forecast with its sentence, so that the page and the JSON have it alike."""
    growth = parts["growth"]
    if growth.found is None:
        return parts
    found = [
        {**vars(each), "now": each.now, "forecast": each.forecast, "said": words.sentence(each)}
        for each in growth.found
    ]
    return parts | {"growth": replace(growth, found=found)}
