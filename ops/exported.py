"""The state of a stack, as the engine exports it; secrets stay encrypted."""

import json
from typing import Any

from ops.errors import CommandError
from run import engine


def read(stack: str) -> dict[str, Any]:
    """All of it.

    :raises CommandError: where it can't be read
    """
    answer = engine.capture(["stack", "export", "--stack", stack])
    try:
        state = json.loads(answer.stdout)
    except ValueError:
        state = None
    if answer.returncode or not isinstance(state, dict):
        said = " ".join(answer.stderr.split()) or "its state can't be read"
        raise CommandError(f"stack {stack}: {said.removeprefix('error: ')}; make up STACK={stack} makes it")
    return state


def resources(state: dict[str, Any]) -> list[dict[str, Any]]:
    """The resources in it."""
    return (state.get("deployment") or {}).get("resources") or []
