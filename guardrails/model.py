"""What guardrails are made of: a plan, the resources in it, rules, and what a rule says of a resource."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from functools import cached_property
from typing import Any

from guardrails.values import NotKnown, at, cleaned, texts

ARN = re.compile(r"\barn:[\w-]+:[\w-]*:[\w-]*:([0-9]{12}):")


class Severity(IntEnum):
    """How bad a breach is; critical and high end a run, the others are reported."""

    low = 1
    medium = 2
    high = 3
    critical = 4

    @property
    def mandatory(self) -> bool:
        return self >= Severity.high


class Where(Enum):
    """The environments that a rule is for."""

    everywhere = "every environment"
    kept = "where data is kept"
    production = "production"


EVERY = "*"
"""In the place of a type: each one."""


class Status(Enum):
    """What a rule says of a resource."""

    passed = "passed"
    failed = "failed"
    unknown = "not known before up"
    excepted = "excepted"


@dataclass(frozen=True)
class Resource:
    """One resource as the program declares it."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    parent: str = ""
    id: str = ""
    """What others name it by, where that is known and isn't its name at AWS."""
    depends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Input → the names of the resources that its value comes from, where that is known."""

    @classmethod
    def of(cls, type: str, name: str, inputs: Mapping[str, Any], **more: Any) -> "Resource":
        """The same from inputs as the engine, a plan or a mock has them."""
        return cls(type, name, cleaned(inputs), **more)

    def get(self, *path: str | int) -> Any:
        """An input; None where there is none.

        :raises NotKnown: where it isn't known before `up`
        """
        return at(self.inputs, *path)

    def belongs(self, key: str, other: "Resource", names: str) -> bool:
        """Whether this setting is one of another resource, which its input `key` names.

        Args:
            names: the other's input with its name at AWS.
        """
        if key in self.depends:
            return other.name in self.depends[key]
        named = self.inputs.get(key)
        if isinstance(named, str):
            return named in (other.id, other.inputs.get(names), other.name)
        # Of a bucket that isn't there yet the id isn't known; the settings of one are children beside it.
        return bool(self.parent) and self.parent == other.parent


@dataclass(frozen=True)
class Plan:
    """All resources of a stack, and what sort of environment it is."""

    resources: tuple[Resource, ...]
    stack: str = "dev"
    kept: bool = False
    """Whether its data is kept."""
    production: bool = False

    @cached_property
    def by_type(self) -> Mapping[str, tuple[Resource, ...]]:
        found: dict[str, list[Resource]] = {}
        for resource in self.resources:
            found.setdefault(resource.type, []).append(resource)
        return {type: tuple(each) for type, each in found.items()}

    @cached_property
    def account(self) -> str:
        """The account at AWS that most resources are named in; empty where none is.

        What policies name counts only where nothing else does: they may let others in.
        """
        found: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
        for resource in self.resources:
            if resource.type.startswith("aws:"):
                for path, text in texts(dict(resource.inputs)):
                    found["polic" in path.lower()].update(ARN.findall(text))
        (most, _), *_ = (found[False] or found[True]).most_common(1) or [("", 0)]
        return most

    def of_type(self, *types: str) -> list[Resource]:
        return [resource for type in types for resource in self.by_type.get(type, ())]

    def settings(self, type: str, key: str, other: Resource, names: str) -> list[Resource]:
        """The settings of this type that are another resource's."""
        return [each for each in self.of_type(type) if each.belongs(key, other, names)]

    def has(self, where: Where) -> bool:
        """Whether it is such an environment."""
        return {Where.everywhere: True, Where.kept: self.kept, Where.production: self.production}[where]


@dataclass(frozen=True)
class Check:
    """Whether one resource keeps a rule, and by which value that is seen."""

    kept: bool
    evidence: str


Looks = Callable[[Resource, Plan], Check | None]
"""None where the rule isn't about this resource."""


@dataclass(frozen=True)
class Rule:
    """One thing that no resource may be."""

    id: str
    severity: Severity
    title: str
    """What it finds."""
    reason: str
    """Why that is bad, in a sentence."""
    repair: str
    sources: tuple[str, ...]
    types: tuple[str, ...]
    look: Looks
    where: Where = Where.everywhere
    whole: bool = False
    """Whether it needs the other resources of the plan too."""

    def __call__(self, resource: Resource, plan: Plan) -> "Result | None":
        """What it says of one resource; None where it isn't about it."""
        if not {resource.type, EVERY} & {*self.types} or not plan.has(self.where):
            return None
        try:
            check = self.look(resource, plan)
        except NotKnown as path:
            return Result(self, resource, Status.unknown, f"{path} isn't known before up")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # What isn't of the form that its provider asks for is the provider's to refuse, and not passed here.
            return Result(self, resource, Status.unknown, f"its inputs can't be read ({type(error).__name__})")
        if check is None:
            return None
        return Result(self, resource, Status.passed if check.kept else Status.failed, check.evidence)


@dataclass(frozen=True)
class Result:
    """What a rule says of a resource, with its evidence."""

    rule: Rule
    resource: Resource
    status: Status
    evidence: str

    @property
    def line(self) -> str:
        """What is wrong, in one line."""
        rule = self.rule
        return f"{self.resource.name}: {self.evidence}: {rule.reason}; {rule.repair} ({rule.id}, {rule.sources[0]})"


def rule(
    id: str,
    severity: Severity,
    types: str | tuple[str, ...],
    title: str,
    reason: str,
    repair: str,
    *sources: str,
    where: Where = Where.everywhere,
    whole: bool = False,
) -> Callable[[Looks], Rule]:
    """The decorator of a function that looks at one resource."""

    def made(look: Looks) -> Rule:
        of = (types,) if isinstance(types, str) else types
        return Rule(id, severity, title, reason, repair, sources, of, look, where, whole)

    return made


def is_(resource: Resource, wanted: Any, *path: str | int) -> Check:
    """Whether an input is as wanted."""
    found = resource.get(*path)
    return Check(found == wanted, f"{'.'.join(map(str, path))} is {shown(found)}")


def shown(value: Any) -> str:
    """A value as evidence."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(shown, value)) or "empty" if isinstance(value, list) else str(value)


def names(found: Iterable[Any]) -> str:
    """A list in an evidence."""
    return ", ".join(sorted(map(str, found)))
