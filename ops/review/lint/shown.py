"""Findings for people and for scripts."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from ops.review.lint.model import Excepted, Finding


def as_json(found: Sequence[Finding], exceptions: Sequence[Excepted] = ()) -> str:
    lists = {"findings": [asdict(each) for each in found], "exceptions": [asdict(each) for each in exceptions]}
    return json.dumps(lists, indent=2)


def as_text(found: Sequence[Finding], exceptions: Sequence[Excepted] = ()) -> str:
    """A block for each, as compilers have it, what is excepted and why, and how many there are."""
    blocks = [
        f"{each.file}:{each.line}: {each.severity}: {each.what} [{each.rule}]\n"
        f"    {each.statement}\n"
        f"    instead: {each.instead}\n"
        for each in found
    ]
    excepted = [line_of(each) for each in exceptions]
    return "\n".join([*blocks, *excepted, _counted(found)])


def line_of(each: Excepted) -> str:
    return f"excepted: {each.file}:{each.line}: {each.what} [{each.rule}]: {each.reason}"


def _counted(found: Sequence[Finding]) -> str:
    if not found:
        return "nothing found"
    errors = sum(each.severity == "error" for each in found)
    return f"errors: {errors}, warnings: {len(found) - errors}"
