"""A run of the engine for people: what changes, nothing about what doesn't, and the cause of a failure last."""

import json
import re
import shutil
import sys
import textwrap
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ops import status as status_of
from run import engine, events
from run.events import Message, Refreshed, ResourceOutcome, Summary

SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "±", "import": "="}
DONE = {"create": "created", "update": "updated", "delete": "deleted", "replace": "replaced", "import": "imported"}
TO_DO = {op: f"to {op}" for op in DONE}
# Components, providers, the stack, what a run knows of the schema, and the note that it leaves of itself.
BOOKKEEPING = ("vpb:", "pulumi:", "pg:index:SchemaSnapshot", "pg:index:SchemaCheckpoint")
PASSWORD = "pg:index:Password"
CLOSES = (
    "warning: passwords open and others close in one run: who has an old URL can't connect afterwards; "
    "`./vpb rotate` holds both open until every client has its new one"
)
# More that say nothing of themselves are counted by kind.
FEW = 30
CENT = 0.01
WIDTH = 80
# So many lines of one text, so many of all causes, and so many properties; --verbose has the rest.
LINES, CAUSES, MOST = 8, 9, 4
# What a rollback says that takes rows or values away.
LOSES = ": this "
# What a preview says of what it leaves to `up`.
UNTRIED = "nothing more is tried before `up`"
# What takes no longer has no line in a log.
PATIENCE_SECONDS = 1.0
INTERRUPTED = "interrupted"
# How the engine refuses a setting that isn't what Pulumi.yaml declares.
WRONG_TYPE = re.compile(
    r"(?:validating stack config: )?Stack '([^']+)' with configuration key '([^']+)' must be of type '(\w+)[^']*'"
)
KINDS = {
    "array": 'a list, of one value too: ["a"]',
    "string": 'a text: "a"',
    "object": "a map",
    "boolean": "true or false",
}
# The engine's last words, which say nothing beside a cause.
LAST_WORDS = (
    "update failed",
    "preview failed",
    "destroy failed",
    "an unhandled error occurred: program exited",
    "error reading from server: EOF",
    "Resource monitor has terminated",
)
PULUMI = re.compile(r"`pulumi (config set|import)\b")
OURS = re.compile(r"`(\./vpb (?:up|rekey)\b(?![^`]*--stack)[^`]*)`")
CHECKED = re.compile(r"^\S+ resource '[^']+' has a problem: (\w+: )?")
# What is asked before a resource is deleted (`components/dataguard.py`).
HOOK = re.compile(r'^before hook "[\w-]+" failed: ')
# What a reference to another stack says.
NO_STACK = re.compile(r'unknown stack "(?:[^"/]+/)*([^"/]+)"')
DIED = re.compile(r"Detected that (.+?) exited prematurely")


@dataclass
class Progress:
    """What is under way: one line that is written over on a terminal; in a log, a line for what takes long."""

    terminal: bool = field(default_factory=lambda: sys.stderr.isatty())
    done: int = 0
    _now: str = ""
    _since: float = 0.0
    _shown: str = ""

    def under_way(self, text: str) -> None:
        """Something has begun."""
        self._now, self._since = text, time.monotonic()

    def tick(self) -> None:
        """Show it."""
        if self.terminal:
            counted = f"{self.done} resource{'s' if self.done > 1 else ''}" if self.done else "looking"
            self._write(f"{counted}  {self._now}"[: shutil.get_terminal_size().columns - 1])
        elif self._now not in ("", self._shown) and time.monotonic() - self._since > PATIENCE_SECONDS:
            self._shown = self._now
            print(self._now, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Take the line away."""
        if self.terminal and self._shown:
            self._write("")

    def _write(self, text: str) -> None:
        if text != self._shown:
            self._shown = text
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


@dataclass
class Report:
    """What the events of one run add up to."""

    progress: Progress | None = field(default_factory=Progress)
    billed: bool = False
    """Whether what is declared costs anything."""
    outcomes: list[ResourceOutcome] = field(default_factory=list)
    refreshed: dict[str, Refreshed] = field(default_factory=dict)
    """What a refresh has found, by resource."""
    said: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """By resource; what the engine says is under the empty name."""
    errors: list[str] = field(default_factory=list)
    summary: Summary = field(default_factory=lambda: Summary(0, {}))
    status: int = 0
    text: str = ""
    """What the engine wrote itself, where it wasn't shown."""

    def add(self, line: str | None) -> None:
        """Take a line of the engine's event log; None for a moment without one."""
        match events.read(line) if line else None:
            case Message(text, passing=True):
                if self.progress:
                    self.progress.under_way(text)
            case Message(text, severity, resource):
                self._say(text, severity, resource)
            case ResourceOutcome() as step:
                if self.progress:
                    self.progress.done += 1
                if step.failed or step.op not in events.UNCHANGED:
                    self.outcomes.append(step)
            case Refreshed() as found:
                self.refreshed[found.resource] = found
            case Summary() as summary:
                self.summary = summary
        if line is None and self.progress:
            self.progress.tick()

    def _say(self, text: str, severity: str, resource: str) -> None:
        if severity == "error":
            cause = _cause(text)
            if not text.startswith(LAST_WORDS) and cause not in self.errors:
                self.errors.append(cause)
        elif text not in self.said[resource]:
            self.said[resource].append(f"warning: {text}" if severity == "warning" else text)

    @property
    def changes(self) -> dict[str, int]:
        """How many resources are changed, by what is done to them."""
        return self.summary.changes

    @property
    def counts(self) -> Counter[str]:
        """The same of what is shown."""
        return Counter(step.op for step in self.shown)

    @property
    def shown(self) -> list[ResourceOutcome]:
        """What was done, without the engine's and our own bookkeeping where that says nothing."""
        done = [step for step in self.outcomes if not step.failed]
        seen = [step for step in done if self.said.get(step.resource) or not step.type.startswith(BOOKKEEPING)]
        return seen or done

    def lines(self) -> Iterator[str]:
        """What changes, each with what it said of itself; then what others said."""
        quiet = [step for step in self.shown if not self.said.get(step.resource)]
        if len(quiet) > FEW:
            yield from _together(quiet)
        for step in self.shown if len(quiet) <= FEW else [step for step in self.shown if step not in quiet]:
            yield f" {_sign(step.op)} {_short(step.type)} {step.resource}"
            yield from _indented(self.said.get(step.resource) or _differences(step))
        listed = {step.resource for step in self.shown}
        for resource, texts in self.said.items():
            if resource not in listed:
                yield from (f"   {line}" for text in texts for line in _cut(text))
        if self.closes_logins:
            yield from textwrap.wrap(CLOSES, WIDTH)
        if self.billed and self.dollars > CENT:
            yield f"costs {self.dollars:.2f} $ more a month, before use; `./vpb cost` has each part"

    @property
    def dollars(self) -> float:
        """What the run changes in the costs of a month, as far as prices are known."""
        return sum(step.dollars for step in self.outcomes if not step.failed)

    @property
    def closes_logins(self) -> bool:
        """Whether passwords come in the place of others, without a time in which both are open."""
        done = {step.op for step in self.outcomes if step.type == PASSWORD}
        return "replace" in done or {"create", "delete"} <= done

    @property
    def untried(self) -> list[str]:
        """What a preview says that it couldn't try."""
        said = (text for texts in self.said.values() for text in texts)
        return [line for text in said for line in text.splitlines() if line.startswith(UNTRIED)]

    @property
    def causes(self) -> list[str]:
        """Why it failed, each cause once; none for Ctrl-C, which the program's last line reports."""
        if self.errors == [INTERRUPTED]:
            return []
        text = self.text.splitlines()
        # What stops the engine before it begins is no event.
        found = self.errors or [line.removeprefix("error: ") for line in text if line.startswith("error: ")]
        found = [WRONG_TYPE.sub(_wrong_type, each) for each in found]
        found = found or ["pulumi failed and gave no reason; --verbose shows its whole text"]
        lines = [line.strip() for each in found for line in _cut(each) if line.strip()]
        return lines if len(lines) <= CAUSES else [*lines[: CAUSES - 1], _more(len(lines) - CAUSES + 1)]


def run(
    arguments: Sequence[str],
    stack: str,
    verbose: bool = False,
    as_json: bool = False,
    shown: bool = True,
    seen: Callable[[str], None] | None = None,
) -> Report:
    """Run `pulumi ARGUMENTS` on a stack and show what changes.

    Args:
        shown: nothing of it where it isn't, but for what is under way.
        verbose: the engine's whole text in place of ours.
        as_json: the engine's events in place of it, one on each line.
        seen: gets each line of the event log too.
    """
    # Beside the engine's own text it would be in the way.
    report = Report(None if verbose else Progress(), engine.billed(stack))

    def add(line: str | None) -> None:
        report.add(line)
        if line and seen:
            seen(line)
        if line and as_json and not events.is_debug(line):
            print(line, end="", flush=True)

    report.status, report.text = engine.watch(arguments, stack, add, verbose)
    if report.progress:
        report.progress.end()
    if shown and not (verbose or as_json):
        for line in report.lines():
            print(line)
    return report


def conclude(
    verb: str, stack: str, report: Report, next_steps: str, as_json: bool = False, began: float | None = None
) -> int:
    """Say in one line what a run came to, then what to do next; of one that failed the causes, on standard error.

    Args:
        verb: `up`, `preview` or `destroy`.
        next_steps: shown where something changed.
        as_json: nothing of a run that succeeded, which its events have shown; a failure as other commands report it.
        began: when the command began, by `time.monotonic`; without it, it took as long as the engine says.
    Returns:
        the exit status: 0, 1, or 130 after Ctrl-C.
    """
    seconds = report.summary.seconds if began is None else round(time.monotonic() - began)
    changes, took = counted(report.counts), duration(seconds)
    if report.status:
        kept = f"{changes}, which stays; run it again for the rest" if changes else "no resource was finished"
        said = f"stack {stack}: {verb} failed after {took}" + ("" if verb == "preview" else f": {kept}")
        return _failed(report, stack, said, as_json)
    if as_json:
        return 0
    if not changes:
        print(f"stack {stack}: up to date, nothing to do ({took})")
    elif verb == "preview":
        print(f"stack {stack}: {counted(report.counts, TO_DO)} ({took}); {next_steps}")
    else:
        print(f"stack {stack}: {changes} in {took}{next_steps}")
    return 0


def not_begun(verb: str, stack: str, tried: Report, as_json: bool) -> int:
    """Say why a run isn't begun: its preview has failed. The exit status."""
    if not as_json:
        for line in tried.lines():
            print(line)
    return _failed(tried, stack, f"stack {stack}: {verb} wasn't begun, nothing was changed", as_json)


def _failed(report: Report, stack: str, said: str, as_json: bool) -> int:
    """Say on standard error that a run failed, and why; the exit status."""
    causes = [_of_stack(line, stack) for line in report.causes]
    if as_json:
        print(json.dumps({"error": "; ".join(causes) or INTERRUPTED}), file=sys.stderr)
    else:
        print("\n".join([said, *(f"error: {line}" for line in causes)]), file=sys.stderr)
    return status_of.INTERRUPTED if INTERRUPTED in report.errors else status_of.FAILED


def _of_stack(text: str, stack: str) -> str:
    """The plugin's advice as it can be typed here: it knows neither our program nor the stack."""
    text = PULUMI.sub(rf"`./pulumiw \1 --stack {stack}", text)
    return text if stack == "dev" else OURS.sub(rf"`\1 --stack {stack}`", text)


def duration(seconds: int) -> str:
    """`17 s`, `2 min 5 s`."""
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"


def counted(changes: Mapping[str, int], words: Mapping[str, str] = DONE) -> str:
    """`2 created, 1 updated`."""
    return ", ".join(f"{number} {words.get(op, op)}" for op, number in changes.items())


def _together(steps: Iterable[ResourceOutcome]) -> Iterator[str]:
    """`+ 216 Policy, 71 Grants`, one paragraph for each thing done."""
    kinds = defaultdict[str, Counter[str]](Counter)
    for step in steps:
        kinds[step.op][_short(step.type)] += 1
    for op, found in kinds.items():
        listed = ", ".join(f"{number} {kind}" for kind, number in found.most_common())
        yield from textwrap.wrap(listed, WIDTH, initial_indent=f" {_sign(op)} ", subsequent_indent="   ")


def _cause(text: str) -> str:
    """The engine's words for an interruption and for a plugin that died, as what they mean to who sees them."""
    text = text.removeprefix("Preview failed: ")
    if unknown := NO_STACK.fullmatch(text):
        return f"database:promotedFrom names stack {unknown[1]}, which there isn't; make it, or take the setting out"
    text = CHECKED.sub("", HOOK.sub("", text))
    # The second Ctrl-C has another word.
    if text.endswith((" canceled", " cancelled")):
        return INTERRUPTED
    if died := DIED.match(text):
        return (
            f"{Path(died[1]).name} ended in the middle of the run; what is done stays done, run it again for the rest"
        )
    return text


def _wrong_type(said: re.Match[str]) -> str:
    stack, key, kind = said.groups()
    return f"Pulumi.{stack}.yaml: the setting {key} must be {KINDS.get(kind, kind)}"


def _sign(op: str) -> str:
    return SIGNS.get(op, op)


def _short(kind: str) -> str:
    return kind.rpartition(":")[2]


def _differences(step: ResourceOutcome) -> list[str]:
    if step.op != "update":
        return []
    more = len(step.differences) - MOST
    return [*step.differences[:MOST], *([f"and {more} more"] if more > 0 else [])]


def _indented(texts: Iterable[str]) -> Iterator[str]:
    yield from (f"     {line}" for text in texts for line in _cut(text))


def _cut(text: str) -> list[str]:
    """The first lines, and of the others those that say what is lost."""
    lines = text.splitlines()
    kept = [line for number, line in enumerate(lines) if number < LINES or LOSES in line]
    if left := len(lines) - len(kept):
        kept.append(_more(left))
    return kept


def _more(lines: int) -> str:
    return f"… {lines} more line{'s' if lines > 1 else ''}; --verbose shows {'them' if lines > 1 else 'it'}"
