"""Permissions of the settings that a run had no use for."""

from collections.abc import Iterator

from declared.promotion import UNPROMOTED, WENT_ON
from ops.progress import Report
from run import engine


def unused(stack: str, report: Report) -> Iterator[str]:
    """A line for each permission that is good today and that nothing of a run has needed."""
    for permission in engine.permissions(stack):
        if not permission.expired and not _needed(permission.what, report):
            yield (
                f"warning: database:allow: nothing has needed that {permission.what} is allowed; take it out of "
                f"Pulumi.{stack}.yaml"
            )


def _needed(what: str, report: Report) -> bool:
    if what == UNPROMOTED:
        return any(WENT_ON in text for texts in report.said.values() for text in texts)
    path = f'["{what.partition(" ")[0]}"]'
    return any(
        (step.resource == what and step.op in ("delete", "replace"))
        or any(path in difference for difference in step.differences)
        for step in report.outcomes
    )
