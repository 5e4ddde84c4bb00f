"""What is saved is on an embedded database at once: migrations in work, row policies, functions, grants.

The provider runs in this process, without Pulumi's engine, under the names that the engine's resources have. So the
next `up` finds everything as declared (`docs/decisions/0035-watch-without-the-engine.md`).
"""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import watchfiles

from declared import connectionurl, sqlfiles
from declared.errors import UserError
from declared.paths import CHECKOUT
from declared.sqlfiles import STEP_FOLDERS, RowPolicy, SqlFiles
from harness import record, scratch
from harness.engine import Thing
from harness.stack import DeclaredResource, Run, Stack
from ops import database, exported
from ops.errors import CommandError, answered
from ops.migrations.trial import Silent
from ops.progress import SIGNS
from provider.connection import ConnectionInfo, Connections
from provider.steps import plan
from provider.steps.plan import CHANGED
from provider.steps.runner import running
from provider.steps.work import Work
from run import engine

FOLDERS = ("sql", "declared", "components")
TYPES = frozenset(
    f"pg:index:{name}"
    for name in (
        "SchemaSnapshot",
        "MigrationSet",
        "RowSecurity",
        "Policy",
        "Grants",
        "FunctionGrants",
        "Publication",
        "SchemaCheckpoint",
    )
)
POLICY = "pg:index:Policy"
SNAPSHOT, CHECKPOINT, ACCESS = "snapshot-schema", "checkpoint-schema", "access-"
STEPS = {folder.folder: f"structure-{Path(folder.folder).name}" for folder in STEP_FOLDERS}
FOLDER = sqlfiles.MIGRATIONS.folder
MIGRATIONS = STEPS[FOLDER]
PLACE = re.compile(r'File "(?P<path>[^"\n]+)", line (?P<line>\d+)')
# More that say nothing of themselves are counted.
FEW = 5
# Milliseconds. An editor saves in several steps; what follows within STEP belongs to one save.
DEBOUNCE, STEP = 400, 50
# Milliseconds after which it is asked again whether something was saved.
TICK = 200
# Seconds between looks whether another run has ended.
POLL = 0.5


@dataclass
class Recorder:
    """What the program declares, recorded again where more has changed than the text of SQL files."""

    stack: str
    database: str
    recorded: Mapping[str, DeclaredResource] = field(default_factory=dict)
    passes: int = 0

    def declared(self, sql: SqlFiles, python: bool) -> dict[str, DeclaredResource]:
        """
        Args:
            python: whether a Python file was saved.
        :raises CommandError: where the program can't be run
        """
        inputs = {f"{ACCESS}{policy.name}": _inputs(policy) for policy in sql.policies}
        known = {name: each.inputs["table"] for name, each in self.recorded.items() if _is_access(each)}
        if python or known != {name: policy["table"] for name, policy in inputs.items()}:
            self.recorded = self._record()
        self.passes += 1
        inputs |= {name: {"steps": sql.checksums(folder)} for folder, name in STEPS.items()}
        if accepted := engine.accepted_drift(self.stack):
            inputs[SNAPSHOT] = {"accept": accepted}
        # What is recorded of a run is whole only with a new one of these.
        inputs[CHECKPOINT] = {"of": f"watch {os.getpid()} {self.passes}"}
        return {name: replace(each, inputs=each.inputs | inputs.get(name, {})) for name, each in self.recorded.items()}

    def _record(self) -> dict[str, DeclaredResource]:
        command = [sys.executable, "-m", "harness.record", self.stack, self.database]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CommandError(_cause(done.stderr))
        return scratch.only(record.loaded(done.stdout), *TYPES)


@dataclass
class Loop:
    """One stack, brought to what the files say each time they are saved."""

    database: Stack
    recorder: Recorder
    first: str
    """The number of the first migration in work: it and those after it may be rolled back and applied again."""
    _done: Mapping[str, DeclaredResource] = field(default_factory=dict)
    """What the last pass that ended well has declared."""
    _rolled_back: bool = False
    """Whether the state still has what went with the tables of a rollback."""

    def bring(self, python: bool = False) -> Iterator[str]:
        """Bring the database to the files.

        Args:
            python: whether a Python file was saved, so that anything may be declared otherwise.
        Yields:
            what has changed and what failed, line by line.
        :raises UserError: where a file breaks a rule, or an applied migration that isn't in work was edited or is gone
        """
        declared = self.recorder.declared(sqlfiles.read(), python)
        self.database.declared, done, self._done = declared, self._done, {}
        self.database.urns |= {name: each.urn for name, each in declared.items()}
        changed = {name for name, each in declared.items() if each != done.get(name)}
        yield from self._roll_back_edited()
        saved = changed - {CHECKPOINT}
        ok = yield from self._up(self.database.part({SNAPSHOT, *changed}) if saved else self.database)
        # What stands for itself, such as the text of a row policy, needs no look at all the rest.
        alone = (
            changed.isdisjoint(STEPS.values())
            and not self._rolled_back
            and self.database.state.keys() <= declared.keys()
        )
        if ok and not alone and saved < declared.keys() - {CHECKPOINT}:
            ok = yield from self._up_rest()
        if ok:
            self._done = declared

    def _up(self, part: Stack) -> Generator[str, None, bool]:
        """Bring resources to what is declared of them; whether all of it went well."""
        if self._rolled_back:
            # What went with its tables is no manual change.
            part.refresh()
        known, run = dict(part.state), part.up()
        self.database.state |= part.state
        yield from lines(run, part.declared, known)
        if not run.errors and part.declared.keys() == self.database.declared.keys():
            self._rolled_back = False
        return not run.errors

    def _up_rest(self) -> Generator[str, None, bool]:
        """What a migration changed beside its own: a row policy went with its table, privileges with their column."""
        mark = self.database.declared[CHECKPOINT]
        again = replace(mark, inputs={**mark.inputs, "of": f"{mark.inputs['of']} rest"})
        self.database.declared = {**self.database.declared, CHECKPOINT: again}
        return (yield from self._up(self.database))

    def _roll_back_edited(self) -> Iterator[str]:
        found = self.database.part([MIGRATIONS])
        found.refresh()
        migrations = found.declared[MIGRATIONS]
        wanted, there = migrations.inputs["steps"], found.state.get(MIGRATIONS)
        applied = there.inputs["steps"] if there else {}
        first = min((name for name in applied if wanted.get(name) != applied[name]), default=None)
        if first is None:
            return
        if first < self.first:
            what = "was edited" if first in wanted else "its files are gone"
            raise CommandError(
                f"{FOLDER}/{first}: is applied and {what}, and only migrations from {self.first} on are in work; "
                f"undo that, or begin again with --from {first[:4]}"
            )
        back, ahead = ([name for name in names if name >= first] for names in (sorted(applied), sorted(wanted)))
        asyncio.run(_tried(self.database.url, back, ahead))
        kept = {name: checksum for name, checksum in applied.items() if name < first}
        part = self.database.part([SNAPSHOT, MIGRATIONS])
        inputs = {**migrations.inputs, "steps": kept}
        part.declared = {**part.declared, MIGRATIONS: replace(migrations, inputs=inputs)}
        known, run = dict(part.state), part.up()
        yield from lines(run, part.declared, known)
        if run.errors:
            raise CommandError(f"{FOLDER}/{first}: stays as it was applied until that is mended; then save again")
        self.database.state |= part.state
        self._rolled_back = True


async def _tried(url: str, back: list[str], ahead: list[str]) -> None:
    """Run the recorded down scripts and the saved up scripts in a transaction that is undone, before rows are lost.

    :raises PluginError: with file and line, for a script that fails
    """
    migrations = sqlfiles.MIGRATIONS
    steps = {step.name: step for step in sqlfiles.steps(CHECKOUT / FOLDER)}
    order = plan.Order(FOLDER, migrations.history, {}, migrations.role)
    async with running(Connections(ConnectionInfo.of(url)).session, Silent(), order) as runner:
        downs = await runner.history.downs(runner.connection, back)
        work = [Work(name, "down", downs.get(name) or "", f"{FOLDER}/{name}.down.sql", "") for name in reversed(back)]
        ups = [steps[name] for name in ahead if name in steps]
        await runner.try_out([*work, *(Work(up.name, "up", up.up, f"{FOLDER}/{up.name}.up.sql", "") for up in ups)])


def run(stack: str, first: str | None) -> None:
    """Bring the database of a stack to the files, and again each time that one is saved, until Ctrl-C.

    Args:
        first: the number of the first migration in work; the newest one's without it.
    :raises UserError: where the stack has no embedded database that runs
    """
    loop = _loop(stack, first)
    _say(f"stack {stack}: watching {', '.join(FOLDERS)}; migrations from {loop.first} on are in work; Ctrl-C ends")
    with suppress(KeyboardInterrupt):
        folders = [CHECKOUT / folder for folder in FOLDERS]
        saves = watchfiles.watch(
            *folders, watch_filter=_is_source, debounce=DEBOUNCE, step=STEP, rust_timeout=TICK, yield_on_timeout=True
        )
        # From here on nothing that is saved is missed: it begins with the first that is asked of it.
        next(saves)
        _pass(stack, loop)
        for changes in saves:
            if changes:
                _pass(stack, loop, any(path.endswith(".py") for _, path in changes))
    _say(f"stack {stack}: no longer watched; `./vpb up --stack {stack}` notes what has changed")


def _loop(stack: str, first: str | None) -> Loop:
    engine.require(stack)
    if folder := engine.adopted(stack):
        raise CommandError(
            f"stack {stack}: it is the adopted database of {folder}, and only the app's files are watched; run "
            f"`./vpb up --stack {stack}` after each change"
        )
    login = engine.own_parameters(stack) if engine.target(stack).disposable else None
    if login is None:
        raise CommandError(f"stack {stack}: only an embedded database is watched, since rollbacks lose its rows")
    if engine.keeps(stack):
        raise CommandError(
            f"stack {stack}: database:protectData is true, and a watched database loses rows by rollbacks"
        )
    url = connectionurl.compose(login)
    database.connect(url, "visual-prompt-builder/watch").close()
    numbers = [step.version for step in sqlfiles.steps(CHECKOUT / FOLDER)]
    if first is not None and first not in numbers:
        raise CommandError(f"there is no migration {first}; the newest one is {numbers[-1]}")
    things, urns = _state(stack)
    return Loop(Stack(url, {}, state=things, urns=urns), Recorder(stack, login["dbname"]), first or numbers[-1])


def _pass(stack: str, loop: Loop, python: bool = False) -> None:
    began = time.monotonic()
    failed = False
    try:
        with _alone(stack):
            for line in loop.bring(python):
                failed |= line.startswith("error:")
                _say("saved again meanwhile; that follows" if CHANGED in line else line)
        engine.reload_api(stack)
    except (UserError, psycopg.Error) as error:
        failed = True
        _say(f"error: {answered(error) or ' '.join(str(error).split())}")
    done = "not everything is as the files say" if failed else "as the files say"
    _say(f"{time.strftime('%H:%M:%S')} {done} ({time.monotonic() - began:.1f} s)")


@contextmanager
def _alone(stack: str) -> Iterator[None]:
    """Keep other runs away, after the one that is under way."""
    waits = False
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(engine.alone(stack))
                break
            except engine.UnderWay:
                if not waits:
                    _say(f"stack {stack}: another run is under way; what was saved follows when it ends")
                waits = True
                time.sleep(POLL)
        yield


def lines(run: Run, declared: Mapping[str, DeclaredResource], known: Mapping[str, Thing]) -> Iterator[str]:
    """What a run has changed, with what it said of itself; then why something failed, each cause once."""
    said: dict[str, list[str]] = {}
    for message in run.messages:
        name, _, text = message.partition(": ")
        said.setdefault(name, []).append(text)
    changed = {
        name: f" {SIGNS.get(paths[0], SIGNS['update'])} {(declared.get(name) or known[name]).token.rpartition(':')[2]}"
        for name, paths in run.changes.items()
        if name not in {CHECKPOINT, *run.errors}
    }
    quiet = [name for name in changed if name not in said]
    shown = changed if len(quiet) <= FEW else [name for name in changed if name in said]
    for name in shown:
        yield f"{changed[name]} {name}"
        yield from (f"     {text}" for text in said.get(name, ()))
    counted = Counter(changed[name] for name in quiet if name not in shown)
    yield from (f"{kind}: {count}" for kind, count in sorted(counted.items()))
    yield from (f"   {text}" for name, texts in said.items() if name not in changed for text in texts)
    yield from (f"error: {cause}" for cause in dict.fromkeys(run.errors.values()))


def _is_access(each: DeclaredResource) -> bool:
    return each.token == POLICY and each.name.startswith(ACCESS)


def _inputs(policy: RowPolicy) -> dict[str, Any]:
    """A row policy as the component `Access` declares it."""
    found = {name: value for name, value in asdict(policy).items() if value is not None}
    return found | {"roles": list(policy.roles)}


def _cause(trace: str) -> str:
    """The last line of what Python says of an error, behind the line of ours that it is about."""
    lines = trace.strip().splitlines() or ["the program can't be run"]
    ours = [found for found in PLACE.finditer(trace) if found["path"].startswith(f"{CHECKOUT}{os.sep}")]
    place = f"{Path(ours[-1]['path']).relative_to(CHECKOUT)}:{ours[-1]['line']}: " if ours else ""
    return place + lines[-1]


def _is_source(_: watchfiles.Change, path: str) -> bool:
    return path.endswith((".sql", ".py")) and not Path(path).name.startswith(".")


def _say(line: str) -> None:
    print(line, flush=True)


def _state(stack: str) -> tuple[dict[str, Thing], dict[str, str]]:
    """The resources of the last `up`, and their URNs.

    :raises CommandError: where the state can't be read
    """
    things, urns = {}, {}
    for each in exported.resources(exported.read(stack)):
        if each["type"] in TYPES:
            name = each["urn"].split("::", 3)[3]
            things[name] = Thing(each["type"], each["id"], each.get("inputs", {}), each.get("outputs", {}))
            urns[name] = each["urn"]
    return things, urns
