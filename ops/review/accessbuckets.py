"""The buckets of each stack as files declare them: in a checkout, or at a commit."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import yaml

from declared import settings
from declared.buckets import buckets
from declared.naming import NAMESPACE
from ops.errors import CommandError

PROJECT = "Pulumi.yaml"
DEFAULTS = ""
"""In the place of a stack: what a stack has that sets no buckets."""
Found = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Stack → bucket → its settings."""


def stack_of(name: str) -> str:
    """The stack that a file's name is of; empty for another file."""
    first, _, rest = name.partition(".")
    stack, _, ending = rest.rpartition(".")
    return stack if first == "Pulumi" and ending == "yaml" else ""


def found(files: Mapping[str, str]) -> Found:
    """The buckets that files declare.

    Args:
        files: name → text: Pulumi.yaml, and Pulumi.<stack>.yaml of each stack.

    :raises SettingError: for buckets that can't be used
    :raises CommandError: for a file that can't be read
    """
    configs = {name: _config(name, text) for name, text in files.items()}
    declared = configs.get(PROJECT, {})
    defaults = (declared.get("buckets") or {}).get("default") or []
    largest = int((declared.get("maxObjectSize") or {}).get("default") or 0)
    of_stacks = {DEFAULTS: _of([], largest, defaults)}
    for name, config in configs.items():
        own = settings.listed(config.get(f"{NAMESPACE}:buckets") or [])
        if own and (stack := stack_of(name)):
            most = int(config.get(f"{NAMESPACE}:maxObjectSize") or largest)
            of_stacks[stack] = _of(own, most, defaults)
    return of_stacks


def _config(name: str, text: str) -> Mapping[str, Any]:
    try:
        file = yaml.safe_load(text) or {}
    except yaml.YAMLError:
        file = None
    config = (file.get("config") or {}) if isinstance(file, dict) else None
    if not isinstance(config, dict):
        raise CommandError(f"{name}: must be YAML with a map `config`")
    return config


def _of(own: Any, largest: int, defaults: Any) -> dict[str, dict[str, Any]]:
    made = buckets(own, largest, defaults)
    # As JSON has it, so that a list that was read is equal.
    return {each.id: {**dataclasses.asdict(each), "allowed_mime_types": [*each.allowed_mime_types]} for each in made}


def listed(of_stacks: Found) -> dict[str, Mapping[str, Any]]:
    """The defaults by their ids, and what a stack has otherwise; a bucket that it takes out has no settings."""
    defaults = of_stacks[DEFAULTS]
    return {
        _name(id, stack): here.get(id, {})
        for stack, here in of_stacks.items()
        for id in here.keys() | defaults.keys()
        if stack == DEFAULTS or here.get(id) != defaults.get(id)
    }


def compared(before: Found, after: Found) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs, on both sides: of the defaults, and of a stack what isn't the same change of the defaults."""
    was: dict[str, Any] = {}
    now: dict[str, Any] = {}
    for stack in (DEFAULTS, *sorted({*before, *after} - {DEFAULTS})):
        sides = before.get(stack, before[DEFAULTS]), after.get(stack, after[DEFAULTS])
        for id in {id for side in (*sides, before[DEFAULTS], after[DEFAULTS]) for id in side}:
            pair = [side.get(id) for side in sides]
            if stack != DEFAULTS and pair == [before[DEFAULTS].get(id), after[DEFAULTS].get(id)]:
                continue
            for side, each in zip((was, now), pair, strict=True):
                if each is not None:
                    side[_name(id, stack)] = each
    return was, now


def _name(id: str, stack: str) -> str:
    return f"{id} of {stack}" if stack else id
