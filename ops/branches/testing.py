"""A preview environment made, provisioned and tried, command by command, as a page for its pull request."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from declared.paths import CHECKOUT
from harness import branches
from ops.review.markup import code, fenced, folded
from ops.review.redaction import redacted
from ops.status import FAILED, FOUND

# So many lines of what a command has said are shown, and so many characters of what it came to.
MOST, LONGEST = 60, 240
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
RESULTS = {0: "good", FOUND: "**found something**"}
UP = "up"


@dataclass(frozen=True)
class Step:
    """One command, and how it ended."""

    title: str
    command: str
    status: int
    seconds: float
    said: str

    @property
    def line(self) -> str:
        """What it came to, in a line."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        ours = [line for line in lines if line.startswith(("stack ", "error: "))]
        return (ours or [re.sub(r", and undone$", "", "; ".join(lines))])[-1] if lines else ""


@dataclass(frozen=True)
class Attempt:
    """All that was done."""

    stack: str
    source: str
    taken_at: str
    steps: tuple[Step, ...]

    @property
    def status(self) -> int:
        """That of the command: whether one has failed, or else found something."""
        statuses = {step.status for step in self.steps}
        return 0 if statuses <= {0} else FOUND if statuses <= {0, FOUND} else FAILED


def tested(stack: str, source: str) -> Attempt:
    """Make a clone in the place of one that is there, and try it; what stands on a step that failed isn't tried."""
    template = branches.template(source)
    made = [*_until_one_fails(stack, source)]
    if all(step.status == 0 for step in made):
        made += [
            _run("access and sign-in", "branch", "check", stack),
            _run("audit", "audit", "--stack", stack, "--fail-on", "high"),
            _run("health", "health", "--stack", stack),
        ]
    return Attempt(stack, source, template.taken_at, tuple(made))


def as_json(found: Attempt) -> str:
    return json.dumps({**asdict(found), "status": found.status}, indent=2)


def as_markdown(found: Attempt) -> str:
    """A page: a line for each step, and folded what those have said that didn't end well."""
    lines = [
        f"## Preview environment `{found.stack}`",
        "",
        f"Masked rows of {code(found.source)}, as of {found.taken_at}.",
        "",
        "| step | result | | s |",
        "|---|---|---|---|",
    ]
    for step in found.steps:
        result = RESULTS.get(step.status, "**failed**")
        shown = code(step.line.removeprefix(f"stack {found.stack}: "), LONGEST) if step.line else ""
        lines.append(f"| {step.title} | {result} | {shown} | {step.seconds:.0f} |")
    for step in found.steps:
        if step.status:
            said = [f"$ {step.command}", *step.said.splitlines()[-MOST:]]
            lines += ["", *folded(f"What {step.title} has said", fenced("text", said))]
    return redacted("\n".join(lines))


def _until_one_fails(stack: str, source: str) -> Iterator[Step]:
    step = _run("clone", "branch", "new", stack, "--from", source, "--replace")
    yield step
    if not step.status:
        yield _run(UP, "up", "--stack", stack)


def _run(title: str, *words: str) -> Step:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    said = CONTROL.sub("", done.stdout)
    return Step(title, " ".join(("./vpb", *words)), done.returncode, time.monotonic() - began, said)
