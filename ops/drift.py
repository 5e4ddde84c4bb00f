"""What was changed manually: Pulumi's own refresh, read as a report, object by object, with both definitions."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from declared.errors import UserError
from run import engine

SNAPSHOT = "pg:index:SchemaSnapshot"
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


class DriftError(UserError):
    """The stack couldn't be read; the text is one line."""


def find(stack: str) -> list[Drift]:
    """Every object of the stack that was changed or removed manually.

    :raises DriftError: where the state or a server can't be read
    """
    answer = engine.capture(["refresh", "--preview-only", "--json", "--non-interactive", "--stack", stack], stack)
    try:
        report = json.loads(answer.stdout)
    except ValueError:
        report = {}
    errors = [entry["message"].strip() for entry in report.get("diagnostics", []) if entry["severity"] == "error"]
    if answer.returncode or "steps" not in report:
        said = " ".join((errors or [answer.stderr.strip() or "pulumi refresh failed"])[0].split())
        raise DriftError(said.removeprefix("error: "))
    named = {entry["urn"] for entry in report.get("diagnostics", []) if entry.get("urn")}
    return sorted((_drift(step) for step in report["steps"] if _is_drift(step, named)), key=_order)


def _is_drift(step: dict[str, Any], named: set[str]) -> bool:
    """The snapshot's drift stays drift while it stays the same, and is none once it was undone.

    Either way the engine reports no change, and the state of the run that was refused; what the snapshot says differs.

    Args:
        named: the URNs of the resources that said anything.
    """
    if step.get("oldState", {}).get("type") == SNAPSHOT and step["op"] != GONE:
        return step["urn"] in named and bool(step.get("newState", {}).get("outputs", {}).get("drift"))
    return step["op"] in (GONE, CHANGED)


def _order(drift: Drift) -> tuple[str, str]:
    return drift.type, drift.name


def _drift(step: dict[str, Any]) -> Drift:
    state = step["oldState"]
    before, after = state.get("outputs", {}), step.get("newState", {}).get("outputs", {})
    names = sorted({_top(path) for path in step.get("detailedDiff") or {}})
    if state["type"] == SNAPSHOT:
        changes = _by_object(after)
    else:
        changes = tuple(change for name in names for change in _differing(name, before.get(name), after.get(name)))
    return Drift(
        type=state["type"],
        name=step["urn"].rsplit("::", 1)[1],
        id=state.get("id", ""),
        gone=step["op"] == GONE,
        changes=() if step["op"] == GONE else changes,
    )


def _differing(name: str, before: Any, after: Any) -> tuple[Change, ...]:
    """A property that changed; of a map the entries that did, since most of it is as it was."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return (Change(name, before, after),)
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return tuple(Change(f"{name} {key}", before.get(key), after.get(key)) for key in keys)


def _by_object(after: dict[str, Any]) -> tuple[Change, ...]:
    """One row for each object that the snapshot has otherwise."""
    drift = after.get("drift") or {}
    return tuple(Change(name, entry.get("was"), entry.get("now")) for name, entry in sorted(drift.items()))


def _top(path: str) -> str:
    return path.split("[", 1)[0].split(".", 1)[0]


def as_json(stack: str, drifts: list[Drift]) -> str:
    """The report for scripts."""
    return json.dumps({"stack": stack, "drift": [asdict(drift) for drift in drifts]}, indent=2)


def as_markdown(stack: str, drifts: list[Drift]) -> str:
    """The report for a pull request."""
    if not drifts:
        return f"## Drift of `{stack}`\n\nNothing was changed manually."
    number = sum(len(drift.changes) or 1 for drift in drifts)
    lines = [f"## Drift of `{stack}`", "", f"{number} manual change{'s' if number > 1 else ''}.", ""]
    lines += ["| object | property | declared | found |", "|---|---|---|---|"]
    for drift in drifts:
        label = f"`{drift.id}` ({drift.type.rsplit(':', 1)[-1]} {drift.name})"
        if drift.gone:
            lines.append(f"| {label} | | there | **gone** |")
        for change in drift.changes:
            lines.append(f"| {label} | {change.property} | {_cell(change.declared)} | {_cell(change.found)} |")
    ending = f"`pulumi up --stack {stack}` puts the declared ones back."
    if any(drift.type == SNAPSHOT for drift in drifts):
        ending += " What only the snapshot knows, it refuses, and says how to go on."
    return "\n".join([*lines, "", ending])


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return "nothing" if value is None else f"`{' '.join(text.split())}`".replace("|", "\\|")
