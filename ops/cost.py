"""What an environment costs by the month, from the sizes that are declared; see `declared/prices.py`."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from declared import prices
from declared.errors import UserError
from declared.prices import Charge, Choice, Declared
from ops import progress
from run import engine, events


class CostError(UserError):
    """What is declared couldn't be read; the text is one line."""


@dataclass(frozen=True)
class Estimate:
    """A stack's charges, the largest first."""

    stack: str
    target: str
    region: str
    charges: list[Charge]
    choices: list[Choice]

    @property
    def dollars(self) -> float:
        """The sum of a month, of what has a price."""
        return sum(charge.dollars or 0 for charge in self.charges)

    @property
    def unpriced(self) -> list[Charge]:
        """What costs, and has no price in the table."""
        return [charge for charge in self.charges if charge.dollars is None]


def of(stack: str) -> Estimate:
    """The estimate of what a stack's settings declare, whether it is there or not.

    :raises CostError: where the engine can't say what is declared
    :raises EngineError: where there is no such stack
    """
    resources = _declared(stack) if engine.billed(stack) else []
    charges = [charge for each in resources for charge in prices.charges(each)]
    charges.sort(key=lambda charge: (charge.dollars is not None, -(charge.dollars or 0), charge.resource))
    return Estimate(stack, engine.target(stack).name, engine.region(stack), charges, prices.choices(resources))


def _declared(stack: str) -> list[Declared]:
    found: dict[str, Declared] = {}

    def add(line: str) -> None:
        if each := events.declared(line):
            found[each.name] = each

    report = progress.run(["preview"], stack, shown=False, seen=add)
    if report.status:
        causes = "; ".join(report.causes) or progress.INTERRUPTED
        raise CostError(f"stack {stack}: what is declared can't be read: {causes}")
    return list(found.values())


def as_json(found: Estimate) -> str:
    """The same for a script, in US dollars."""
    uses = [dict(zip(("what", "dollars", "unit"), use, strict=True)) for use in prices.USES] if found.charges else []
    return json.dumps(
        {
            **asdict(found),
            "dollars": round(found.dollars, 2),
            "complete": not found.unpriced,
            "uses": uses,
            "prices": {"read": prices.READ, "region": prices.REGION, "sources": prices.SOURCES},
        },
        indent=2,
    )


def as_text(found: Estimate) -> str:
    """The same for people."""
    if not found.charges:
        return f"stack {found.stack}: nothing that is billed by AWS is declared for target {found.target}"
    return "\n".join(
        [
            f"stack {found.stack}: {_sum(found)} a month, before use",
            *(f"  {_cell(charge.dollars)}  {charge.resource}: {charge.what}" for charge in found.charges),
            *(["Other choices, each alone:"] if found.choices else []),
            *(f"  {_signed(each.dollars)}  {each.setting} {each.value}" for each in found.choices),
            "By use, which nothing declares:",
            *(f"  {_small(price)}  a {unit}: {what}" for what, price, unit in prices.USES),
            f"US dollars, on demand, without taxes, {prices.REGION}, read {prices.READ}; {prices.SOURCES[0]}",
            *([_elsewhere(found.region)] if found.region != prices.REGION else []),
        ]
    )


def _elsewhere(region: str) -> str:
    return f"{region} has prices of its own, most of them higher"


def _sum(found: Estimate) -> str:
    return f"{'at least ' if found.unpriced else ''}{found.dollars:.2f} $"


def _cell(value: float | None) -> str:
    return f"{'no price' if value is None else f'{value:.2f}':>9}"


def _signed(value: float) -> str:
    return f"{value:>+9.2f}"


def _small(value: Any) -> str:
    return f"{f'{value:.6f}'.rstrip('0'):>9}"
