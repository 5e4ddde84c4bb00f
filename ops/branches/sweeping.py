"""What preview environments leave behind: clones that nobody needs, and what killed runs have begun."""

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness import branches
from ops.branches import making
from ops.branches.errors import BranchError
from run import engine

AGE = re.compile(r"(?P<number>\d{1,4})(?P<unit>[dh])")
UNITS = {"d": "days", "h": "hours"}
STACK, TEMPLATE, DATA = "stack", "template", "data"


@dataclass(frozen=True)
class Leftover:
    """Something that nobody needs any more."""

    kind: str
    name: str
    why: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def age(text: str) -> timedelta:
    """`7d`, `12h`.

    :raises BranchError: for anything else
    """
    match = AGE.fullmatch(text)
    if not match:
        raise BranchError(f"--older {text!r}: must be a number of days or hours, such as 7d or 12h")
    return timedelta(**{UNITS[match["unit"]]: int(match["number"])})


def leftovers(keep: Collection[str], older: timedelta) -> list[Leftover]:
    """Clones that are older and aren't kept, what was begun and isn't finished, data without its folder."""
    found = [Leftover(TEMPLATE, str(path), "was begun and isn't finished") for path in branches.unfinished()]
    found += [Leftover(DATA, str(path), "its folder is gone") for path in branches.orphans()]
    now = datetime.now(UTC)
    for each in branches.branches():
        if not each.complete:
            if not branches.being_made(each.stack):
                found.append(Leftover(STACK, each.stack, "was begun and isn't finished"))
        elif each.stack not in keep and now - datetime.fromisoformat(each.made_at) >= older:
            found.append(Leftover(STACK, each.stack, f"made at {each.made_at}, and not kept"))
    return found


def remove(each: Leftover) -> str:
    """Remove one; why it stays, empty where it is gone."""
    if each.kind == TEMPLATE:
        return "" if branches.remove_template(Path(each.name)) else "somebody is at it"
    if each.kind == DATA:
        branches.remove_orphan(Path(each.name))
        return ""
    try:
        making.drop(each.name)
    except (engine.UnderWay, BranchError) as error:
        return str(error)
    return ""
