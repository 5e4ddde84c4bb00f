"""A stack's plan, as a preview of the engine's has it; nothing is changed."""

from guardrails.checking import Checked, check
from guardrails.environment import Environment
from guardrails.model import Plan, Resource
from ops import progress
from ops.errors import CommandError
from run import engine, events


class Resources:
    """What is declared, from the events of a preview."""

    def __init__(self) -> None:
        self._found: dict[str, Resource] = {}

    def add(self, line: str) -> None:
        """Take a line of the engine's event log."""
        if each := events.planned(line):
            self._found[each.name] = Resource.of(each.type, each.name, each.inputs, parent=each.parent)

    def checked(self, where: Environment) -> Checked:
        """What all rules say of them, as the plan of an environment."""
        plan = Plan(tuple(self._found.values()), where.stack, where.kept, where.production)
        return check(plan, where.exceptions)


def environment(stack: str) -> Environment:
    """What sort of environment a stack is, by its file.

    :raises ExceptionError: for exceptions that can't be used
    """
    return Environment.of(stack, engine.configuration(stack))


def checked(stack: str) -> Checked:
    """What all rules say of a stack's plan."""
    # Exceptions that can't be used are refused before a preview.
    where = environment(stack)
    return _previewed(stack).checked(where)


def _previewed(stack: str) -> Resources:
    found = Resources()
    with engine.asked(stack):
        report = progress.run(["preview"], stack, shown=False, seen=found.add)
    if report.status:
        causes = "; ".join(report.causes) or progress.INTERRUPTED
        raise CommandError(f"stack {stack}: what is declared can't be read: {causes}")
    return found
