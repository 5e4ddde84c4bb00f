"""What was changed manually: Pulumi's own refresh, read as a report, object by object, with both definitions."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import psycopg

from declared.errors import UserError
from ops.counting import counted
from ops.database import connect
from ops.environment import Environment
from ops.errors import CommandError, answered
from ops.review import authors, manual, markup, redaction
from ops.review.authors import Change
from ops.review.manual import ManualChange
from provider import holding
from provider.resources import KINDS
from provider.resources.base import ObjectKind
from run import engine

SNAPSHOT = "pg:index:SchemaSnapshot"
GONE = "delete"
# A longer value is shown as a difference of lines.
SHORT = 60
CHANGED = "update"
NOT_COMPARED = "not there, so the object wasn't compared"
Said = dict[str, list[str]]
"""What resources have said in this run, by URN."""
# Types that say in each refresh what isn't as declared, also where an earlier one has taken it into the state: what
# they compare, by type. Their inputs stay what was declared last.
OWN = {
    kind.token: [name for name, field in kind.fields.items() if field.compared]
    for kind in KINDS
    if kind.read is ObjectKind.read
}
MIGRATIONS = "pg:index:MigrationSet"
ROW = re.compile(r"the row of \S+ (?:is gone from|in \S+ has another checksum)|has a row of ")
PROPERTY = re.compile(r": (\w+) was changed ")
# A run that failed has changed it itself, and the next one goes on.
OWN_WORK = re.compile(r"by migration \d(?!.*\bmanually\b)", re.DOTALL)


@dataclass(frozen=True)
class ChangedProperty:
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
    changes: tuple[ChangedProperty, ...]
    manual: tuple[ManualChange, ...] = ()
    """The same for people, with who did it."""

    @property
    def label(self) -> str:
        """Such as `Role roles-anon`."""
        return f"{self.type.rpartition(':')[2]} {self.name}"


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
    if not answer.returncode and report and not errors and "steps" not in report:
        raise DriftError(f"stack {stack} has no resources; `make up STACK={stack}` provisions it")
    if answer.returncode or "steps" not in report:
        reason = " ".join((errors or [answer.stderr.strip() or "pulumi refresh failed"])[0].split())
        raise DriftError(reason.removeprefix("error: "))
    steps = report["steps"]
    if not any(_type(step["urn"]) == SNAPSHOT for step in steps):
        reason = "isn't whole, so nothing can be compared with it"
        raise DriftError(f"the state of stack {stack} {reason}; run `make up STACK={stack}`")
    said: Said = {}
    for entry in report.get("diagnostics", []):
        if entry.get("urn") and not OWN_WORK.search(entry["message"]):
            said.setdefault(entry["urn"], []).append(entry["message"])
    held, recorded = _database(stack)
    drifts = [
        _with_words(_drift(step, said), said.get(step["urn"], ()), recorded) for step in steps if _is_drift(step, said)
    ]
    unknown = [replace(each, manual=(_lost(each),)) for each in _unknown(held, {step["urn"] for step in steps})]
    return sorted([*drifts, *unknown], key=_order)


def _database(stack: str) -> tuple[list[tuple[str, list[str]]], list[Change]]:
    """What the stack's database says of who holds what, and of who has changed its structure."""
    try:
        with connect(Environment.of(stack).admin_url, "vpb drift") as connection:
            held = connection.execute(f"select object, owners from {holding.NAME}").fetchall()
            return held, authors.recorded(connection)
    except CommandError as error:
        raise DriftError(str(error)) from None
    except psycopg.Error as error:
        raise DriftError(f"the notes of who holds what can't be read: {answered(error)}") from None


def _lost(drift: Drift) -> ManualChange:
    what = "isn't in the state any more, so it wasn't compared"
    return ManualChange(f"{drift.type.rpartition(':')[2]} {drift.id}", what, None, None, True, [])


def _with_words(drift: Drift, said: Iterable[str], recorded: Sequence[Change]) -> Drift:
    """The words of what it says itself, else of what a refresh has found."""
    lines = list(dict.fromkeys(line for line in said if manual.MANUALLY.search(line)))
    if lines:
        put_back = drift.type != SNAPSHOT
        # A line has only the beginning of a long definition.
        whole = {} if put_back else {each.property: {"was": each.declared, "now": each.found} for each in drift.changes}
        return replace(drift, manual=tuple(manual.said(line, put_back, recorded, whole) for line in lines))
    return replace(drift, manual=tuple(_found(drift)))


def _found(drift: Drift) -> Iterator[ManualChange]:
    if drift.gone:
        yield ManualChange(drift.label, manual.GONE, None, None, True, [])
    for each in drift.changes:
        was, now = _text(each.declared), _text(each.found)
        if max(len(was), len(now)) > SHORT:
            yield ManualChange(drift.label, f"{each.property} was changed", was, now, True, [])
        else:
            yield ManualChange(drift.label, f"{each.property}: {was} → {now}", None, None, True, [])


def _text(value: Any) -> str:
    if isinstance(value, str) and len(value) > SHORT:
        return value
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _unknown(held: Iterable[tuple[str, list[str]]], known: set[str]) -> Iterator[Drift]:
    """What the database says this stack holds and its state doesn't know: a part of the state was lost, or somebody
    refreshed it after the object was dropped."""
    prefix = "::".join(min(known).split("::")[:2]) + "::"
    for thing, holders in held:
        for urn in holders:
            if urn.startswith(prefix) and urn not in known:
                change = ChangedProperty("state", "there", NOT_COMPARED)
                yield Drift(_type(urn), urn.rsplit("::", 1)[1], thing.partition("/")[2], False, (change,))


def _type(urn: str) -> str:
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _is_drift(step: dict[str, Any], said: Said) -> bool:
    if _type(step["urn"]) == SNAPSHOT and step["op"] != GONE:
        return bool(_by_object(step, said))
    if step["op"] == GONE:
        return _type(step["urn"]) not in OWN or bool(said.get(step["urn"]))
    return bool(_changed(step, said))


def _changed(step: dict[str, Any], said: Said) -> list[str]:
    """The properties that aren't as declared."""
    kind, lines = _type(step["urn"]), said.get(step["urn"], [])
    if kind == MIGRATIONS:
        # What a failed run has applied isn't in the inputs either, and is no manual change.
        return ["steps"] if any(ROW.search(line) for line in lines) else []
    if kind not in OWN:
        return sorted({_top(path) for path in step.get("detailedDiff") or {}}) if step["op"] == CHANGED else []
    if not lines:
        return []
    # Values may differ that mean the same, and secrets have none here: what the resource says decides.
    named = {found[1] for line in lines if (found := PROPERTY.search(line))} & set(OWN[kind])
    new = step.get("newState", {})
    inputs, outputs = new.get("inputs", {}), new.get("outputs", {})
    return sorted(named or (name for name in OWN[kind] if inputs.get(name) != outputs.get(name)))


def _order(drift: Drift) -> tuple[str, str]:
    return drift.type, drift.name


def _drift(step: dict[str, Any], said: Said) -> Drift:
    state = step["oldState"]
    before, after = state.get("outputs", {}), step.get("newState", {}).get("outputs", {})
    if _type(step["urn"]) in OWN:
        before = step.get("newState", {}).get("inputs", {})
    elif _type(step["urn"]) == MIGRATIONS:
        before = {"steps": after.get("applied", {}) | before.get("steps", {})}
    if state["type"] == SNAPSHOT:
        changes = _by_object(step, said)
    else:
        changes = tuple(
            change for name in _changed(step, said) for change in _differing(name, before.get(name), after.get(name))
        )
    return Drift(
        type=state["type"],
        name=step["urn"].rsplit("::", 1)[1],
        id=state.get("id", ""),
        gone=step["op"] == GONE,
        changes=() if step["op"] == GONE else changes,
    )


def _differing(name: str, before: Any, after: Any) -> tuple[ChangedProperty, ...]:
    """A property that changed; of a map the entries that did, since most of it is as it was."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return (ChangedProperty(name, before, after),)
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    return tuple(ChangedProperty(f"{name} {key}", before.get(key), after.get(key)) for key in keys)


def _by_object(step: dict[str, Any], said: Said) -> tuple[ChangedProperty, ...]:
    """One row for each object that the snapshot has otherwise.

    What a refused run has left in the state is drift as long as the snapshot says so again: for the engine it is no
    change, whether it was undone meanwhile or not.
    """
    drift = step.get("newState", {}).get("outputs", {}).get("drift") or {}
    lines = said.get(step["urn"], [])
    return tuple(
        ChangedProperty(name, entry.get("was"), entry.get("now"))
        for name, entry in sorted(drift.items())
        if any(line.startswith((f"{name} was ", f"{name}: ")) for line in lines)
    )


def _top(path: str) -> str:
    return path.split("[", 1)[0].split(".", 1)[0]


def as_json(stack: str, drifts: Sequence[Drift], since: Mapping[str, str]) -> str:
    """The report for scripts.

    Args:
        since: when each was seen first from this checkout, by its label.
    """
    return json.dumps(
        {"stack": stack, "drift": [asdict(drift) | {"seen_since": since.get(drift.label)} for drift in drifts]},
        indent=2,
    )


def as_markdown(stack: str, drifts: Sequence[Drift], since: Mapping[str, str]) -> str:
    """The report for a pull request or an issue."""
    if not drifts:
        return f"## Drift of `{stack}`\n\nNothing was changed manually."
    changes = [change for drift in drifts for change in drift.manual]
    first = {change.object: since[drift.label] for drift in drifts if drift.label in since for change in drift.manual}
    return redaction.redacted(
        "\n".join(
            [
                f"## Drift of `{stack}`",
                "",
                f"{counted(len(changes), 'manual change')}.",
                "",
                *markup.manual_changes(changes, first),
                "",
                markup.manual_end(changes, stack),
                *markup.manual_texts(changes),
            ]
        )
    )
