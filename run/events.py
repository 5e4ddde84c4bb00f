"""The events of a run, one by one, as the engine writes them to the file of `--event-log`.

The form is that of Pulumi's Go package `apitype`, type EngineEvent; what isn't shown to anybody is passed over.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Signal
from typing import Any

from declared import prices
from declared.pulumivalues import HIDDEN, SIGNATURE, UNKNOWNS

# What becomes of a resource in a run that leaves it as it is, or that another event beside it reports.
UNCHANGED = frozenset({"same", "read", "refresh"})
PARTS = frozenset({"create-replacement", "delete-replaced", "discard-replaced", "remove-pending-replace"})
POLL_SECONDS = 0.05
# `a.b["c"][0]`, part by part.
PART = re.compile(r"\.?([A-Za-z_]\w*)|\[\"((?:[^\"\\]|\\.)*)\"\]|\[(\d+)\]")
SHORT = 60
OURS_ON_PATH = "using pulumi-resource-"
STACK = "pulumi:pulumi:Stack"


@dataclass(frozen=True)
class Message:
    """What a resource says, or the engine itself; passing ones are the progress of work under way."""

    text: str
    severity: str
    resource: str = ""
    passing: bool = False


@dataclass(frozen=True)
class LongValue:
    """A text that differs, such as the expression of a row policy, as it was and as it is to be."""

    path: str
    before: str
    after: str


class _Named:
    """What a resource is called, of its type and the last part of its URN."""

    type: str
    resource: str

    @property
    def kind(self) -> str:
        """Such as `Bucket`."""
        return self.type.rpartition(":")[2]

    @property
    def name(self) -> str:
        """Such as `storage-files`."""
        return self.resource.rpartition("::")[2]

    @property
    def label(self) -> str:
        """Such as `Bucket storage-files`."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class ResourceOutcome(_Named):
    """What was done to one resource, or would be; `same` for nothing."""

    op: str
    type: str
    resource: str
    differences: tuple[str, ...] = ()
    """The properties that differ, with both values where they are short: `values["a"]: 1 → 2`."""
    failed: bool = False
    dollars: float = 0
    """What it changes in the costs of a month, as far as prices are known."""
    texts: tuple[LongValue, ...] = ()
    """The texts among them that are too long for a line."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """What the program declares of it now."""
    paths: tuple[str, ...] = ()
    """Of the properties that differ from what is there."""


@dataclass(frozen=True)
class Refreshed(_Named):
    """One resource as a refresh has found it, before the step proper."""

    type: str
    resource: str
    gone: bool
    differences: tuple[str, ...] = ()
    """What isn't as the state has it, as of a ResourceOutcome: `status: "Enabled" → "Suspended"`."""
    texts: tuple[LongValue, ...] = ()
    declared: Mapping[str, Any] = field(default_factory=dict)
    """What the last run has declared of it."""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """What is there now."""


@dataclass(frozen=True)
class Summary:
    """The end of a run: how long it took, and how many resources became what."""

    seconds: int
    counts: Mapping[str, int]

    @property
    def changes(self) -> dict[str, int]:
        return {op: number for op, number in self.counts.items() if op not in UNCHANGED}


Event = Message | ResourceOutcome | Refreshed | Summary


def read(line: str) -> Event | None:
    """One line of the file; None for what nobody is shown."""
    event = json.loads(line)
    if said := event.get("diagnosticEvent"):
        return _message(said)
    if summary := event.get("summaryEvent"):
        return Summary(summary["durationSeconds"], summary.get("resourceChanges") or {})
    for kind in ("resOutputsEvent", "resOpFailedEvent"):
        if kind in event:
            return _step(event[kind]["metadata"], kind == "resOpFailedEvent")
    return None


def is_debug(line: str) -> bool:
    """Whether it is for the engine's own developers."""
    return bool(json.loads(line).get("diagnosticEvent", {}).get("severity") == "debug")


def declared(line: str) -> prices.Declared | None:
    """The resource of a step, as the program declares it; None for any other event."""
    step = json.loads(line).get("resOutputsEvent", {}).get("metadata", {})
    return _resource(step, "new") if step.get("op") not in (None, "delete", "refresh") else None


@dataclass(frozen=True)
class Planned:
    """A resource of a plan; secrets and values that aren't known yet are marked in its inputs."""

    type: str
    name: str
    parent: str
    """The name of the resource above it; empty below the stack itself."""
    inputs: Mapping[str, Any]


def planned(line: str) -> Planned | None:
    """The resource of a step, with what stands above it; None for any other event, and for what is deleted."""
    step = json.loads(line).get("resOutputsEvent", {}).get("metadata", {})
    if step.get("op") in (None, "delete", "refresh", "read", "discard") or not step.get("new"):
        return None
    above = str(step["new"].get("parent") or "")
    parent = "" if above.split("::")[2:3] == [STACK] else _name(above)
    return Planned(str(step["type"]), _name(str(step["urn"])), parent, step["new"].get("inputs") or {})


def _resource(step: Mapping[str, Any], state: str) -> prices.Declared | None:
    inputs = (step.get(state) or {}).get("inputs")
    return prices.Declared(str(step["type"]), _name(str(step["urn"])), inputs) if inputs else None


def _dollars(step: Mapping[str, Any]) -> float:
    before, after = (prices.monthly(found) if (found := _resource(step, each)) else 0 for each in ("old", "new"))
    return after - before


def _message(said: Mapping[str, str]) -> Message | None:
    text = said["message"].strip()
    if said["severity"] == "debug" or not text or text.startswith(OURS_ON_PATH):
        return None
    return Message(text, said["severity"], _name(said.get("urn", "")), bool(said.get("ephemeral")))


def _step(step: Mapping[str, Any], failed: bool) -> ResourceOutcome | Refreshed | None:
    op = str(step["op"])
    if op in PARTS:
        return None
    old, new = step.get("old") or {}, step.get("new") or {}
    kind, name, was = str(step["type"]), _name(str(step["urn"])), old.get("outputs") or old.get("inputs")
    paths = tuple(sorted(step.get("detailedDiff") or ()))
    # A refresh comes before the step proper.
    if op == "refresh" and not failed:
        now = new.get("outputs") or {}
        return Refreshed(kind, name, not new, *differences(was, now, paths), old.get("inputs") or {}, now)
    inputs = new.get("inputs") or {}
    found, texts = differences(was, inputs, paths)
    return ResourceOutcome(op, kind, name, found, failed, _dollars(step), texts, inputs, paths)


def differences(was: Any, now: Any, paths: Sequence[str]) -> tuple[tuple[str, ...], tuple[LongValue, ...]]:
    """What differs at some paths, in a line each: with both values where they are short, else as texts too."""
    values = [(path, _value(was, path), _value(now, path)) for path in paths]
    return (
        tuple(_difference(path, before, after) for path, before, after in values),
        tuple(
            LongValue(path, _text(before), _text(after))
            for path, before, after in values
            if (_text(before) or _text(after)) and not (_is_short(before) and _is_short(after))
        ),
    )


def _difference(path: str, before: Any, after: Any) -> str:
    # Of what the engine leaves out, the path alone.
    shown = before != after and HIDDEN not in (before, after)
    both = shown and _is_short(before) and _is_short(after)
    return f"{path}: {_short(before)} → {_short(after)}" if both else path


def _short(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _is_short(value: Any) -> bool:
    return len(_short(value)) <= SHORT


def _text(value: Any) -> str:
    """As lines."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


def _value(properties: Any, path: str) -> Any:
    """The value at a path, in words where it is a secret or not known yet; None where there is none."""
    for name, key, index in PART.findall(path):
        if isinstance(properties, Mapping):
            properties = properties.get(name or key)
        elif isinstance(properties, Sequence) and index and int(index) < len(properties):
            properties = properties[int(index)]
        else:
            return None
    return _in_words(properties)


def _in_words(value: Any) -> Any:
    if isinstance(value, Mapping):
        return HIDDEN if SIGNATURE in value else {key: _in_words(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_in_words(each) for each in value]
    return "not known before up" if isinstance(value, str) and value in UNKNOWNS else value


def _name(urn: str) -> str:
    return urn.split("::", 3)[3] if urn.count("::") >= 3 else ""


def follow(path: Path, ended: Signal, on_line: Callable[[str | None], None]) -> None:
    """Hand on the lines of a file that is being written, as they come, until `ended` is set and all is read.

    Args:
        on_line: gets each line whole, and None where there is none yet.
    """
    with path.open("rb") as file:
        part = b""
        while True:
            last = ended.is_set()
            while read := file.readline():
                part += read
                # A part may end within a character.
                if part.endswith(b"\n"):
                    on_line(part.decode(errors="replace"))
                    part = b""
            if last:
                return
            on_line(None)
            ended.wait(POLL_SECONDS)
