"""What is to run, in which order, and what is refused before anything runs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from declared import permissions, sqldirectives, sqlfiles
from declared.paths import CHECKOUT
from declared.sqltext import digest
from provider.errors import Refused
from provider.steps.history import ADOPTED, Recorded

FIRST_LINE = re.compile(r"\A[^\n]*")


CHANGED = "changed while the update was running"


@dataclass(frozen=True)
class Order:
    """What a run is asked for: the migrations of a folder, name to checksum, and under which conditions."""

    folder: str
    history: str
    steps: Mapping[str, str]
    role: str | None = None
    protect: bool = False
    allow_loss: frozenset[str] = frozenset()
    allow_hint: Callable[[str], str] = permissions.way
    """How a migration is allowed to lose its data, in words."""
    root: Path = CHECKOUT
    """The folder that `folder` lies in."""
    holder: str | None = None
    """The resource (its URN) that the run is for; without one, what is recorded belongs to none."""

    @property
    def label(self) -> str:
        return f"migrations {self.folder}"


@dataclass(frozen=True)
class Plan:
    """The migrations to roll back, newest first, and those to apply; of those `noted`, which ran before, the row
    alone."""

    back: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    noted: frozenset[str] = frozenset()


def up_checksum(checksum: str) -> str:
    """What a checksum says of the up script."""
    return checksum.partition(".")[0]


def edited(folder: str, applied: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """The applied migrations whose up scripts aren't what they were."""
    return [
        f"{folder}/{name}.up.sql:1: was edited after it was applied; put the old text (or row) back "
        "and write the change as a new migration"
        for name, checksum in wanted.items()
        if applied.get(name) and up_checksum(applied[name]) != up_checksum(checksum)
    ]


def refuse_misplaced(folder: str, applied: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """What may not happen to migrations that are applied: edited up scripts, and newcomers between them."""
    newest = max((name for name in applied if name in wanted), default="")
    refused = edited(folder, applied, wanted) + [
        f"{folder}/{name}.up.sql:1: is new but comes before {newest}, which is applied; give it the next number, "
        "or, where it is on main, run `up` there first, which takes back what is applied after it"
        for name in wanted
        if name not in applied and name < newest
    ]
    if refused:
        raise Refused("; ".join(refused))


def refuse_strangers(order: Order, recorded: Recorded, known: Mapping[str, str]) -> None:
    """Refuse what the history has and this run neither declares nor may roll back, or declares with another text."""
    for name, checksum in recorded.steps.items():
        if name in known:
            continue
        if name in order.steps:
            if checksum and up_checksum(checksum) != up_checksum(order.steps[name]):
                raise Refused(
                    f"{order.label}: {name}.up.sql:1 differs from what {order.history} says was applied; "
                    "put the old text back"
                )
        elif order.holder not in recorded.holders.get(name, frozenset()):
            raise Refused(
                f"{order.label}: {order.history} has {name}, which is neither in this checkout nor applied by this "
                "stack; check out the commit that has it"
            )


def refuse_shared(order: Order, recorded: Recorded, back: list[str]) -> None:
    """Refuse to roll back what another resource or stack holds as well."""
    for name in back:
        holders = recorded.holders.get(name, frozenset())
        # Without a stack it is a person who asks, and who may take back what stacks have applied.
        others = sorted(holders - {order.holder}) if order.holder else sorted(holders & {ADOPTED})
        if ADOPTED in others:
            raise Refused(
                f"migration {name}: it was there before this stack adopted it and isn't this stack's to roll back; "
                "put its files back, and write what is to go as a new migration"
            )
        if others:
            raise Refused(
                f"migration {name}: {others[0]} holds it too and would lose what it made; put its files back, or take "
                f"that name out of the column owners of {order.history} if nothing uses it any more"
            )


def renames(
    order: Order, ups: Mapping[str, str | None], steps: Mapping[str, sqlfiles.Step]
) -> dict[str, sqlfiles.Step]:
    """Which recorded migrations were only renamed: old name to the files with the same text.

    Args:
        ups: the recorded up scripts of the migrations that have left the folder.
        steps: the files of those that the history doesn't have.
    """
    by_text = {_unnamed(up): name for name, up in ups.items() if up}
    found = {by_text[text]: step for step in steps.values() if (text := _unnamed(step.up)) in by_text}
    return {name: found[name] for name in sorted(found)}


def _unnamed(up: str) -> str:
    """An up script without its first line, which has the number and the subject of the file's name."""
    return FIRST_LINE.sub("", up)


def renamed(recorded: Recorded, names: Mapping[str, sqlfiles.Step]) -> Recorded:
    """What the history will say once the renamed migrations have their new names."""

    def new(name: str) -> str:
        return names[name].name if name in names else name

    steps = {new(name): names[name].checksum if name in names else each for name, each in recorded.steps.items()}
    holders = {new(name): each for name, each in recorded.holders.items()}
    return replace(recorded, steps=dict(sorted(steps.items())), holders=holders)


def refuse_rowless(name: str) -> NoReturn:
    """
    :raises Refused: always: what was applied can't be rolled back without its row
    """
    raise Refused(
        f"migration {name}: its history row is gone and with it the rollback; put the migration's files back, run "
        "`make up` to restore the row, then remove them again"
    )


def make(order: Order, recorded: Recorded, known: Mapping[str, str]) -> Plan:
    """What has to be done where `recorded` is what the database has and `known` what this stack has applied there.

    :raises Refused: where something stands in the way
    """
    # Rolled back by a run that ended before the engine could note it.
    known = {name: checksum for name, checksum in known.items() if name not in recorded.rolled_back}
    refuse_strangers(order, recorded, known)
    refuse_misplaced(order.folder, {**known, **dict.fromkeys(recorded.steps, "")}, order.steps)
    back = sorted((recorded.steps.keys() | known.keys()) - order.steps.keys(), reverse=True)
    refuse_shared(order, recorded, back)
    # What a killed run has left half rolled back is neither there nor gone: it is rolled back to its end first.
    back = sorted({*back, *recorded.half_back}, reverse=True)
    for name in back:
        if name not in recorded.steps:
            refuse_rowless(name)
    whole = {name: checksum for name, checksum in recorded.steps.items() if name not in recorded.half_back}
    forward = [name for name in sorted(order.steps) if (whole.get(name) or "") != order.steps[name]]
    noted = frozenset(name for name in forward if name in whole or (name in known and name not in recorded.steps))
    return Plan(back, forward, noted)


def refuse_changed_downs(
    order: Order, plan: Plan, downs: Mapping[str, str | None], known: Mapping[str, str]
) -> dict[str, str]:
    """The down scripts to run: those that were recorded, if they are the ones that were applied.

    Args:
        known: the checksums that this stack knows of, which outrank the recorded ones.
    """
    found: dict[str, str] = {}
    for name in plan.back:
        down, checksum = downs.get(name), known.get(name)
        if down is None or (checksum and digest(down) != checksum.partition(".")[2]):
            raise Refused(f"migration {name}: the down script in {order.history} isn't the one this stack applied")
        found[name] = down
    return found


def refuse_losses(order: Order, downs: Mapping[str, str | None], half_back: frozenset[str] = frozenset()) -> None:
    """Rollbacks that lose data, where the environment protects it; also the rest of those that were begun."""
    if not order.protect:
        return
    for name, down in downs.items():
        lost = sqldirectives.loss(down or "")
        if lost and name not in order.allow_loss:
            hint = order.allow_hint(name)
            if name in half_back:
                raise Refused(
                    f"migration {name}: it was left half rolled back, and this environment protects its data: the "
                    f"rest of the rollback says '{lost}'; allow it once: {hint}"
                )
            raise Refused(
                f"migration {name}: this environment protects its data and the rollback doesn't: '{lost}'; put its "
                f"files back, or allow it once: {hint}"
            )


def read_steps(order: Order) -> dict[str, sqlfiles.Step]:
    """The migrations of the checkout, read once for a whole run."""
    try:
        return {step.name: step for step in sqlfiles.steps(order.root / order.folder)}
    except sqlfiles.SqlFileError as error:
        raise Refused(str(error)) from None


def refuse_changed_files(order: Order, plan: Plan, steps: Mapping[str, sqlfiles.Step]) -> list[sqlfiles.Step]:
    """The migrations to apply, each as the run was asked for."""
    found = []
    for name in plan.forward:
        step = steps.get(name)
        if step is None or step.checksum != order.steps[name]:
            raise Refused(f"{order.folder}/{name}.up.sql {CHANGED}; run again")
        found.append(step)
    return found
