"""What was changed by hand: Pulumi's own refresh, read as a report, object by object, with both definitions."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from local import engine

GONE = "delete"
CHANGED = "update"


@dataclass(frozen=True)
class Change:
    """One property that isn't as declared."""

    property: str
    declared: Any
    found: Any


@dataclass(frozen=True)
class Drift:
    """One object that isn't as the last `up` left it; `changes` is empty where it's gone."""

    type: str
    name: str
    id: str
    gone: bool
    changes: tuple[Change, ...]


class DriftError(Exception):
    """The stack couldn't be read; the text is one line."""


def find(stack: str) -> list[Drift]:
    """Every object of the stack that was changed or removed by hand.

    :raises DriftError: where the state or a server can't be read
    """
    answer = engine.capture(["refresh", "--preview-only", "--json", "--non-interactive", "--stack", stack], stack)
    try:
        report = json.loads(answer.stdout)
    except ValueError:
        report = {}
    errors = [entry["message"].strip() for entry in report.get("diagnostics", []) if entry["severity"] == "error"]
    if answer.returncode or "steps" not in report:
        raise DriftError(" ".join((errors or [answer.stderr.strip() or "pulumi refresh failed"])[0].split()))
    return sorted((_drift(step) for step in report["steps"] if step["op"] in (GONE, CHANGED)), key=_order)


def _order(drift: Drift) -> tuple[str, str]:
    return drift.type, drift.name


def _drift(step: dict[str, Any]) -> Drift:
    state = step["oldState"]
    before, after = state.get("outputs", {}), step.get("newState", {}).get("outputs", {})
    names = sorted({_top(path) for path in step.get("detailedDiff") or {}})
    changes = tuple(Change(name, before.get(name), after.get(name)) for name in names)
    return Drift(
        type=state["type"],
        name=step["urn"].rsplit("::", 1)[1],
        id=state.get("id", ""),
        gone=step["op"] == GONE,
        changes=changes if step["op"] == CHANGED else (),
    )


def _top(path: str) -> str:
    return path.split("[", 1)[0].split(".", 1)[0]


def as_json(stack: str, drifts: list[Drift]) -> str:
    """The report for scripts."""
    return json.dumps({"stack": stack, "drift": [asdict(drift) for drift in drifts]}, indent=2)


def as_markdown(stack: str, drifts: list[Drift]) -> str:
    """The report for a pull request."""
    if not drifts:
        return f"## Drift of `{stack}`\n\nNothing was changed by hand."
    lines = [f"## Drift of `{stack}`", "", f"{len(drifts)} objects were changed by hand.", ""]
    lines += ["| object | property | declared | found |", "|---|---|---|---|"]
    for drift in drifts:
        label = f"`{drift.id}` ({drift.type.rsplit(':', 1)[-1]} {drift.name})"
        if drift.gone:
            lines.append(f"| {label} | | there | **gone** |")
        for change in drift.changes:
            lines.append(f"| {label} | {change.property} | {_cell(change.declared)} | {_cell(change.found)} |")
    return "\n".join([*lines, "", f"`pulumi up --stack {stack}` puts the declared ones back."])


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return "nothing" if value is None else f"`{' '.join(text.split())}`".replace("|", "\\|")
