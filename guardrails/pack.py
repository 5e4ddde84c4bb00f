"""The rules as a policy pack of Pulumi's: the engine asks it about each resource, and about all of them together."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pulumi.runtime import get_config_env
from pulumi.runtime.proto.analyzer_pb2 import RemediateResponse
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
    policy,
)
from pulumi_policy import Severity as PolicySeverity
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, UnknownValueError

from guardrails.checking import check, excepted
from guardrails.environment import Environment
from guardrails.model import EVERY, Plan, Resource, Result, Rule, Status
from guardrails.rules import BY_ID, RULES
from guardrails.values import cleaned

NAME = "guardrails"
STACK = "pulumi:pulumi:Stack"


PackagesOwn: Any = policy._PolicyAnalyzerServicer


class Servicer(PackagesOwn):  # type: ignore[misc]
    """The package's own, which also remembers for which stack the engine has started it, and with what settings."""

    stack = os.environ.get("PULUMI_STACK", "dev")
    config: Mapping[str, str] = {}

    def __init__(self, name: str, version: str, policies: Sequence[Policy], *more: Any) -> None:
        super().__init__(name, version, [*policies], *more)
        self._alone = [each for each in policies if isinstance(each, ResourceValidationPolicy)]
        self._made = (name, version), more
        self._by_type: dict[str, Any] = {}

    def Analyze(self, request: Any, context: Any) -> Any:
        """By the policies for the resource's type alone; the package takes it apart once for each policy."""
        type = request.type
        if type not in self._by_type:
            about = [each for each in self._alone if {type, EVERY} & {*BY_ID[each.name].types}]
            first, more = self._made
            # It can't be without any.
            self._by_type[type] = PackagesOwn(*first, about or self._alone, *more)
        return self._by_type[type].Analyze(request, context)

    def ConfigureStack(self, request: Any, context: Any) -> Any:
        Servicer.stack, Servicer.config = request.stack, dict(request.config)
        return super().ConfigureStack(request, context)

    def Remediate(self, request: Any, context: Any) -> Any:
        """No policy here changes a resource; the package would take each one apart for each policy to find that."""
        return RemediateResponse()


def environment() -> Environment:
    """The stack that the engine runs. Older engines hand its settings on by the environment alone."""
    return Environment.of(Servicer.stack, Servicer.config or get_config_env())


def plan(resources: Iterable[Resource], where: Environment) -> Plan:
    """The resources as rules look at them."""
    return Plan(tuple(resources), where.stack, where.kept, where.production)


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _of(args: Any) -> Resource:
    """A resource as the engine's question has it; its inputs are `cleaned` already (see `main`)."""
    parent = getattr(args, "parent", None)
    return Resource(
        args.resource_type,
        args.name,
        args.props,
        "" if parent is None or parent.resource_type == STACK else parent.name,
        depends={
            key: tuple(each.name for each in found)
            for key, found in (getattr(args, "property_dependencies", None) or {}).items()
        },
    )


def _answer(result: Result, where: Environment, report: ReportViolation, urn: str | None = None) -> None:
    """Report what a rule says, where that is more than that all is well."""
    if result.status is Status.unknown:
        raise UnknownValueError(UNKNOWN_STRING_VALUE, [f"{result.resource.name}: {result.evidence}"])
    if result.status is Status.failed:
        for exception in where.exceptions:
            if (exception.rule, exception.resource) == (result.rule.id, result.resource.name):
                result = excepted(result, exception)
    if result.status is Status.failed:
        report(result.line, urn)


def _alone(rule: Rule) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        where = environment()
        resource = _of(args)
        if (result := rule(resource, plan([resource], where))) is not None:
            _answer(result, where, report)

    return ResourceValidationPolicy(validate=validate, **_described(rule))


def _whole(rule: Rule) -> StackValidationPolicy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        where = environment()
        urns = {each.name: each.urn for each in args.resources}
        found = plan(map(_of, args.resources), where)
        answers = [result for resource in found.of_type(*rule.types) if (result := rule(resource, found)) is not None]
        # A value that isn't known ends the policy, so what has failed is said before.
        for result in sorted(answers, key=lambda each: each.status is Status.unknown):
            _answer(result, where, report, urns[result.resource.name])

    return StackValidationPolicy(validate=validate, **_described(rule))


def _described(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.id,
        "description": rule.title,
        "enforcement_level": EnforcementLevel.MANDATORY if rule.severity.mandatory else EnforcementLevel.ADVISORY,
        "severity": PolicySeverity(rule.severity.name),
    }


def _exceptions() -> StackValidationPolicy:
    """Names what is excepted and needn't be; what has expired, its rule reports."""

    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        where = environment()
        if where.exceptions:
            for each in check(plan(map(_of, args.resources), where), where.exceptions).unused:
                report(
                    f"{each.rule} of {each.resource}: nothing needs it; take it out of Pulumi.{where.stack}.yaml", None
                )

    return StackValidationPolicy(
        name="exception-unused",
        description="an exception that nothing needs",
        enforcement_level=EnforcementLevel.ADVISORY,
        validate=validate,
    )


def policies() -> list[ResourceValidationPolicy | StackValidationPolicy]:
    """One policy for each rule, and one for the exceptions."""
    return [*(_whole(rule) if rule.whole else _alone(rule) for rule in RULES), _exceptions()]


def main() -> None:
    """Answer the engine until it ends."""
    # The package takes the marks of secrets away before a policy sees them, and passes over the stack's settings.
    replaced = {
        "_PolicyAnalyzerServicer": Servicer,
        "deserialize_properties": cleaned,
        "unknown_checking_proxy": lambda props: props,
    }
    for name, ours in replaced.items():
        setattr(policy, name, ours)
    PolicyPack(NAME, policies())  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
