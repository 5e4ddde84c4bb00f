"""A stack's plan, as a preview of the engine's has it; nothing is changed."""

from guardrails.checking import Checked, check
from guardrails.environment import Environment
from guardrails.model import Plan, Resource
from ops import progress
from ops.errors import CommandError
from run import engine, events


def of(stack: str) -> Plan:
    """What is declared of a stack, whether it is there or not.

    :raises CommandError: where the engine can't say what is declared
    :raises EngineError: where there is no such stack
    """
    if not engine.declared(stack):
        engine.require(stack)
    there = engine.exists(stack)
    engine.make_stack(stack)
    try:
        resources = _resources(stack)
    finally:
        # What was made and started to ask for it goes again.
        if not there:
            engine.forget(stack)
    where = environment(stack)
    return Plan(resources, where.stack, where.kept, where.production)


def environment(stack: str) -> Environment:
    """What sort of environment a stack is, by its file.

    :raises ExceptionError: for exceptions that can't be used
    """
    return Environment.of(stack, engine.configuration(stack))


def checked(stack: str) -> Checked:
    """What all rules say of a stack's plan."""
    where = environment(stack)
    return check(of(stack), where.exceptions)


def _resources(stack: str) -> tuple[Resource, ...]:
    found: dict[str, Resource] = {}
    report = progress.Report()

    def add(line: str | None) -> None:
        report.add(line)
        if line and (each := events.planned(line)):
            found[each.name] = Resource.of(each.type, each.name, each.inputs, parent=each.parent)

    report.status, report.text = engine.watch(["preview"], stack, add, verbose=False)
    if report.progress:
        report.progress.end()
    if report.status:
        causes = "; ".join(report.causes) or progress.INTERRUPTED
        raise CommandError(f"stack {stack}: what is declared can't be read: {causes}")
    return tuple(found.values())
