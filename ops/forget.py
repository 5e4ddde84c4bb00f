"""Takes the resources of a plugin out of an exported state: `python -m ops.forget NAME < old > new`.

What they stand for is left alone. It is for a plugin that the program has no more, and that isn't installed any more
either; another type of resource then adopts the objects.
"""

import json
import sys
from collections.abc import Callable
from typing import Any


def without(state: dict[str, Any], plugin: str) -> dict[str, Any]:
    """The state without the resources of `plugin`, and without what others say of them."""
    deployment = state["deployment"]
    provider = f"pulumi:providers:{plugin}"
    resources = deployment.get("resources") or []
    gone = {each["urn"] for each in resources if each["type"] == provider or each["type"].startswith(f"{plugin}:")}
    kept = [_unlinked(each, gone.__contains__) for each in resources if each["urn"] not in gone]
    return {**state, "deployment": {**deployment, "resources": kept}}


def _unlinked(resource: dict[str, Any], is_gone: Callable[[str], bool]) -> dict[str, Any]:
    found = dict(resource)
    if "dependencies" in found:
        found["dependencies"] = [urn for urn in found["dependencies"] if not is_gone(urn)]
    if "propertyDependencies" in found:
        found["propertyDependencies"] = {
            name: [urn for urn in urns or [] if not is_gone(urn)]
            for name, urns in found["propertyDependencies"].items()
        }
    return found


if __name__ == "__main__":
    json.dump(without(json.load(sys.stdin), sys.argv[1]), sys.stdout, indent=4)
