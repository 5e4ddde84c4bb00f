"""The page of a preview environment: what it came to in a line a step, and nothing that was said leaves its place."""

import sys
from pathlib import Path

import pytest

from harness.branches import Template
from ops.branches import testing
from ops.branches.testing import Attempt, Step

SAID = "starting …\nstack pr-7: @team <b>|x| 3 `y` created\nnext: ./vpb psql"


def test_a_line_is_text_whatever_it_says() -> None:
    step = Step("audit", "./vpb audit", 2, 1.4, f"{SAID}\n```\n~~~~~~\n</details>")
    page = testing.as_markdown(Attempt("pr-7", "staging", "2026-11-30T09:00:00+00:00", (step,)))
    assert "| audit | **found something** | `@team <b> x  3 'y' created` | 1 |" in page
    head, _, folded = page.partition("<details>")
    assert "@team" in head
    fence = folded.split("\n\n")[1].splitlines()[0].removesuffix("text")
    assert fence not in ("```", "~~~~~~")
    assert folded.count(fence) == 2


@pytest.mark.parametrize(
    ("statuses", "status", "done"),
    [
        ({}, 0, ["clone", "up", "access and sign-in", "audit", "health"]),
        ({"health": 2}, 2, ["clone", "up", "access and sign-in", "audit", "health"]),
        ({"audit": 1, "health": 2}, 1, ["clone", "up", "access and sign-in", "audit", "health"]),
        ({"up": 1}, 1, ["clone", "up"]),
        ({"branch": 1}, 1, ["clone"]),
    ],
)
def test_what_stands_on_a_failed_step_is_not_tried(
    statuses: dict[str, int], status: int, done: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program"
    program.write_text(
        '#!/bin/sh\necho "stack pr-7: $3"\n'
        + "".join(f'[ "$3 $4" = "branch check" ] || [ "$3" != "{word}" ] || exit {n}\n' for word, n in statuses.items())
    )
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(testing.branches, "template", lambda source: Template(source, "now", 1, 1, "now", tmp_path))
    found = testing.tested("pr-7", "staging")
    assert (found.status, [step.title for step in found.steps]) == (status, done)
    assert all(step.line.startswith("stack pr-7: ") for step in found.steps)
