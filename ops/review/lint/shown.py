"""Findings for people and for scripts."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from ops.review.lint.model import Finding


def as_json(found: Sequence[Finding]) -> str:
    return json.dumps({"findings": [asdict(each) for each in found]}, indent=2)


def as_text(found: Sequence[Finding]) -> str:
    """A block for each, as compilers have it, and how many there are."""
    blocks = [
        f"{each.file}:{each.line}: {each.severity}: {each.what} [{each.rule}]\n"
        f"    {each.statement}\n"
        f"    instead: {each.instead}\n"
        for each in found
    ]
    return "\n".join([*blocks, _counted(found)])


def _counted(found: Sequence[Finding]) -> str:
    if not found:
        return "nothing found"
    errors = sum(each.severity == "error" for each in found)
    return f"errors: {errors}, warnings: {len(found) - errors}"
