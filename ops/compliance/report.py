"""The table of compliance, for people and for scripts."""

import json
from collections import Counter
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.compliance.model import Compliance, Line, Side

COLOURS = {"passed": "green", "failed": "bold red", "not applicable": "dim", "not seen": "yellow"}


def as_json(found: Compliance) -> str:
    """The table for scripts; its form is held by tests/guardrails/test_compliance.py."""
    return json.dumps(
        {
            "stack": found.stack,
            "clean": not found.failed,
            "counts": {side: dict(counts(found, side)) for side in ("before", "after")},
            "controls": [_entry(line) for line in found.lines],
        },
        indent=2,
        ensure_ascii=False,
    )


def counts(found: Compliance, side: str) -> Counter[str]:
    """How many controls have which status on a side, `before` or `after`."""
    return Counter(getattr(line, side).status for line in found.lines)


def _entry(line: Line) -> dict[str, Any]:
    control = line.control
    return {
        "standard": control.standard,
        "control": control.id,
        "title": control.title,
        "before": {"status": line.before.status, "evidence": list(line.before.evidence)},
        "after": {"status": line.after.status, "evidence": list(line.after.evidence)},
    }


def as_table(found: Compliance, console: Console) -> None:
    """The table for people, one row a control."""
    table = Table(expand=True, show_lines=True)
    table.add_column("control", ratio=2, overflow="fold")
    table.add_column("before: what is declared", ratio=4, overflow="fold")
    table.add_column("after: what is there", ratio=4, overflow="fold")
    for line in found.lines:
        control = line.control
        title = Text(f"{control.standard} {control.id}\n").append(control.title, style="dim")
        table.add_row(title, _cell(line.before), _cell(line.after))
    console.print(table)
    for side in ("before", "after"):
        said = ", ".join(f"{number} {status}" for status, number in counts(found, side).most_common())
        console.print(f"{side}: {said}", markup=False)
    failed = len(found.failed)
    console.print(
        f"stack {found.stack}: {failed} of {len(found.lines)} controls have failed",
        style="bold red" if failed else "bold green",
        markup=False,
    )


def _cell(side: Side) -> Text:
    # Names come from the server and from AWS: markup in one of them is text.
    return Text(side.status, style=COLOURS[side.status]).append(
        "".join(f"\n{each}" for each in side.evidence), style="default"
    )
