"""Kills the migration runner, its sessions and its server at random moments, without the engine and so much faster.

`make faults` does the same to whole runs of `up`. Here a moment is a time, or the n-th message to the server, so that
each gap between two statements is met; and after a kill the next run may want another set of migrations.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

import psycopg
from rich.console import Console
from rich.table import Table

from declared.paths import CHECKOUT
from harness.checkout import ScratchError
from local import postgres
from local.processes import state_and_parent
from tests.faults.killchild import Answer, Order
from tests.faults.killworld import MANUAL, MARK, NAMES, KillWorld

SECONDS = 120
SESSIONS = f"from pg_stat_activity where application_name = '{MARK}'"


class Child:
    """A run in a process of its own, started before it is needed."""

    def __init__(self) -> None:
        environment = dict(os.environ)
        command = [sys.executable, "-m", "tests.faults.killchild"]
        self.process = subprocess.Popen(
            command, cwd=CHECKOUT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def begin(self, order: Order) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asdict(order)) + "\n")
        self.process.stdin.flush()

    @property
    def stopped(self) -> bool:
        with suppress(OSError):
            return state_and_parent(self.process.pid)[0] == "T"
        return False

    def end(self) -> Answer | None:
        """What it answered; None where it was killed."""
        said, _ = self.process.communicate(timeout=SECONDS)
        if self.process.returncode == -signal.SIGKILL:
            return None
        line = said.splitlines()[-1] if said else ""
        return Answer(**json.loads(line)) if line.startswith("{") else Answer(f"it said {said!r}", ugly=True)

    def remove(self) -> None:
        self.process.kill()
        self.process.communicate()


def _runner(world: KillWorld, child: Child, random: Random) -> None:
    child.process.kill()


def _session_ended(world: KillWorld, child: Child, random: Random) -> None:
    world.sql(f"select pg_terminate_backend(pid) {SESSIONS}" + random.choice(["", " order by random() limit 1"]))


def _session_killed(world: KillWorld, child: Child, random: Random) -> None:
    for (pid,) in world.sql(f"select pid {SESSIONS} order by random() limit 1"):
        os.kill(pid, signal.SIGKILL)


def _server(number: int) -> Callable[[KillWorld, Child, Random], None]:
    def kill(world: KillWorld, child: Child, random: Random) -> None:
        pid = postgres.process_id(world.folder / "server")
        assert pid is not None
        os.kill(pid, number)

    return kill


VICTIMS = {
    "runner killed": _runner,
    "session ended": _session_ended,
    "session killed": _session_killed,
    "server killed": _server(signal.SIGKILL),
    "server stopped at once": _server(signal.SIGQUIT),
}


@dataclass
class Kill:
    """One round and what came of it; no problems means recovered."""

    victim: str
    way: str
    moment: str = ""
    late: bool = False
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def outcome(self) -> str:
        return "failed" if self.problems else "recovered, too late to hit" if self.late else "recovered"


@dataclass
class Pace:
    """How long a run was lately, and how many messages it sent, for each migration that it ran."""

    seconds: float = 0.3
    messages: float = 60

    def learn(self, seconds: float, messages: int, migrations: int) -> None:
        self.seconds += (seconds / (migrations + 1) - self.seconds) / 4
        self.messages += (messages / (migrations + 1) - self.messages) / 4


class Rounds:
    """Rounds on one world, one after the other."""

    def __init__(self, world: KillWorld, random: Random) -> None:
        self.world, self.random, self.pace = world, random, Pace()
        self._next = Child()

    def close(self) -> None:
        self._next.remove()

    def round(self, victim: str) -> Kill:
        """One kill, the recovery, the checks."""
        begun = time.monotonic()
        before, random = self.world.count, self.random
        # Everything up, everything back and a destroy come more often than the ways between.
        wanted = random.choice([count for count in (-1, 0, *range(1, 7), 6, 6) if count != before])
        after = random.choice([wanted, wanted, random.randint(0, len(NAMES))])
        way = "destroyed" if wanted < 0 else "forward" if wanted > before else "back"
        result = Kill(victim, way if after == wanted else f"{way}, then another way")
        child, self._next = self._next, Child()
        try:
            self._kill(child, victim, wanted, result)
            result.moment += f", {before} to {wanted}, then {after}"
            self.world.start()
            self._recover(after, result)
        except (AssertionError, psycopg.Error, subprocess.TimeoutExpired) as error:
            result.problems.append(" ".join(f"{type(error).__name__}: {error}".split()))
        finally:
            child.remove()
        result.seconds = time.monotonic() - begun
        return result

    def _kill(self, child: Child, victim: str, wanted: int, result: Kill) -> None:
        migrations, random = abs(wanted - self.world.count), self.random
        part, timed = random.random() * 1.05, random.random() < 0.5
        stop = 0 if timed else 1 + int(part * self.pace.messages * (migrations + 1))
        seconds = part * self.pace.seconds * (migrations + 1)
        begun = time.monotonic()
        child.begin(self.world.order(wanted, stop))
        deadline = begun + (seconds if timed else SECONDS)
        while child.process.poll() is None and not child.stopped and time.monotonic() < deadline:
            time.sleep(0.002)
        result.late = child.process.poll() is not None
        result.moment = f"after {seconds:.2f} s" if timed else f"before message {stop}"
        if not result.late:
            VICTIMS[victim](self.world, child, random)
            with suppress(ProcessLookupError):
                child.process.send_signal(signal.SIGCONT)
        answer = child.end()
        if answer and answer.ugly:
            result.problems.append(f"the user would see: {answer.error}")
        if answer and not answer.error:
            self.pace.learn(time.monotonic() - begun, answer.messages, migrations)
        if answer and result.late and answer.error:
            result.problems.append(f"failed before any kill: {answer.error}")

    def _recover(self, after: int, result: Kill) -> None:
        snapshot = self.world.sql("select to_regclass('supabase_migrations.schema_snapshot') is not null")[0][0]
        if after >= 0 and snapshot and self.random.random() < 0.4:
            result.problems += self._with_a_manual_change(after, *self.random.choice(MANUAL))
        answer = self.world.bring(after)
        # What a killed migration without files has left is named as a manual change, and taken away as such.
        if "declared nowhere" in answer.error and self.world.take_away_leftovers(answer.error):
            answer = self.world.bring(after)
        if answer.error:
            result.problems.append(f"the next run failed: {answer.error}")
            return
        result.problems += self.world.problems()

    def _with_a_manual_change(self, after: int, change: str, undo: str, name: str) -> list[str]:
        """What somebody changes between the kill and the next run is named and refused, and never taken along."""
        self.world.sql(change)
        # As `./vpb migrate`, without a look before: what it runs doesn't take the change along either.
        if self.random.random() < 0.5:
            self.world.bring(after, checked=False)
        refused = self.world.bring(after)
        found = (
            [] if name in refused.error else [f"{name}, changed manually, wasn't named: {refused.error or 'no error'}"]
        )
        self.world.sql(undo)
        return found


def run(rounds: int, seed: int | None, only: str | None, as_json: bool) -> int:
    """Run so many rounds; 0 where all recovered."""
    victims = [name for name in VICTIMS if only in (None, name)]
    if not victims:
        raise ScratchError(f"there is no kill '{only}'; there are {', '.join(VICTIMS)}")
    seed = Random().randrange(1_000_000) if seed is None else seed
    print(f"seed {seed}: {rounds} rounds", file=sys.stderr, flush=True)
    # The `finally` blocks must run, or servers would be left behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="visual-prompt-builder-") as folder:
        Path(folder).chmod(0o755)
        results = list(_rounds(Path(folder), rounds, Random(seed), victims))
    _show(results, seed, as_json)
    return 1 if any(result.problems for result in results) else 0


def _rounds(folder: Path, rounds: int, random: Random, victims: Sequence[str]) -> list[Kill]:
    found: list[Kill] = []
    while len(found) < rounds:
        # After a round that failed nothing of it may make the next one fail.
        world = KillWorld(folder / str(len(found)))
        several = Rounds(world, random)
        try:
            while len(found) < rounds:
                found.append(_told(several.round(random.choice(victims)), len(found) + 1))
                if found[-1].problems:
                    break
        finally:
            several.close()
            world.remove()
    return found


def _told(result: Kill, number: int) -> Kill:
    print(
        f"{number}: {result.victim} ({result.way}, {result.moment}): {result.outcome}, {result.seconds:.1f} s",
        file=sys.stderr,
    )
    for problem in result.problems:
        print(f"  {problem}", file=sys.stderr)
    sys.stderr.flush()
    return result


def _show(results: Sequence[Kill], seed: int, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"seed": seed, "rounds": [asdict(result) for result in results]}, indent=2))
        return
    table = Table("kill", "way", "outcome", "rounds", title=f"{len(results)} rounds, seed {seed}")
    counted = Counter((one.victim, one.way, one.outcome) for one in results)
    for (victim, way, outcome), rounds in sorted(counted.items()):
        table.add_row(victim, way, outcome, str(rounds))
    Console().print(table)
