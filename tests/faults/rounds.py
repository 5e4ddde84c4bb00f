"""Breaks a scratch copy of the project at random moments, many times, and sees that the next `up` mends it."""

import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from random import Random

from rich.console import Console
from rich.table import Table

from harness.checkout import Run, Scratch, ScratchError
from tests.faults import kinds as kinds
from tests.faults.kinds import Fault, Seen, Skip
from tests.faults.losses import LOSSES
from tests.faults.world import World, must

DURING = ("nothing", "pending", "drifted", "destroy", "back", "back and forth")
KILLED = (*DURING, "changed")
DESTROY = ("destroy", "--yes", "--skip-preview", "--non-interactive")
ORPHAN_SECONDS = 60

FAULTS = (
    Fault("engine killed", kinds.killed(kinds.engine), KILLED),
    Fault("provider killed", kinds.killed(kinds.provider), KILLED),
    Fault("stand-in killed", kinds.killed(kinds.standin), KILLED),
    Fault("database killed", kinds.killed(None), KILLED),
    Fault("moto killed", kinds.killed(kinds.moto), KILLED),
    Fault("language host killed", kinds.killed(kinds.language_host), KILLED),
    Fault("program killed", kinds.killed(kinds.program), KILLED),
    Fault("wrapper killed", kinds.wrapper_killed, DURING, ups=2),
    Fault("Ctrl-C", kinds.interrupted, DURING),
    Fault("two ups", kinds.two_ups, ("nothing", "pending", "drifted")),
    Fault("third statement fails", kinds.third_statement),
    Fault("wrong password", kinds.wrong_password),
    Fault("disk full", kinds.disk_full),
    *LOSSES,
)


@dataclass
class Round:
    """One fault and what came of it; no problems means recovered."""

    fault: str
    start: str
    outcome: str = "recovered"
    moment: str = ""
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0
    recovery_seconds: float = 0.0


def run(rounds: int, seed: int | None, only: str | None, as_json: bool) -> int:
    """Run `rounds` random rounds, or as many of the one fault `only`; 0 where all recovered."""
    chosen = [fault for fault in FAULTS if only in (None, fault.name)]
    if not chosen:
        raise ScratchError(f"there is no fault '{only}'; there are {', '.join(fault.name for fault in FAULTS)}")
    seed = Random().randrange(1_000_000) if seed is None else seed
    random = Random(seed)
    print(f"seed {seed}: {rounds} rounds", file=sys.stderr, flush=True)
    with Scratch() as scratch:
        # What is under way is told at once, so that a fault can meet it.
        scratch.environment["VPB_VERBOSE"] = "1"
        world = World(scratch)
        world.begin()
        world.provision()
        results = [_told(round_of(world, *choice, random)) for choice in plan(chosen, rounds, random)]
    _show(results, seed, as_json)
    return 1 if any(result.problems for result in results) else 0


def plan(faults: list[Fault], rounds: int, random: Random) -> list[tuple[Fault, str]]:
    """Which fault in which situation: every fault once before any comes again."""
    chosen: list[Fault] = []
    while len(chosen) < rounds:
        chosen += random.sample(faults, len(faults))
    return [(fault, random.choice(fault.starts)) for fault in chosen[:rounds]]


def round_of(world: World, fault: Fault, start: str, random: Random) -> Round:
    """One round: the situation, the fault, the recovery, the checks."""
    result = Round(fault.name, start)
    begun = time.monotonic()
    try:
        seen = fault.make(world, random, _situation(world, start, random))
        result.moment, result.problems = seen.moment, _complaints(world, seen)
        if start == "back and forth":
            world.put_back()
        if start == "changed":
            result.problems += world.problems_with_a_manual_change()
        recovering = time.monotonic()
        result.problems += _recover(world, fault.ups)
        result.recovery_seconds = time.monotonic() - recovering
        result.problems += world.problems()
        result.outcome = "recovered, too late to hit" if seen.late else "recovered"
    except Skip as reason:
        result.outcome = f"skipped: {reason}"
    except (AssertionError, ScratchError) as error:
        result.problems.append(str(error))
    if result.problems:
        result.outcome = "failed"
        _start_over(world)
    result.seconds = time.monotonic() - begun
    return result


def _situation(world: World, start: str, random: Random) -> Run | None:
    """Prepare the situation and begin the run in which the fault comes; None where the fault begins its own."""
    world.insert()
    if start == "settled":
        return None
    if start in ("nothing", "destroy"):
        world.empty()
    if start == "nothing":
        ended = world.scratch.down()
        if ended.status:
            raise AssertionError(f"down, before any fault, ended with {ended.status}: {ended.last_line}")
        world.begin()
    world.add_work(random)
    if start in ("back", "back and forth"):
        must(world.scratch.up(), "up")
        world.take_back(random)
    if start == "destroy":
        # The pending migration is there so that the recovery has one, too.
        world.forget()
        return world.scratch.start("-m", "run", *DESTROY, "--stack", world.scratch.stack)
    if start == "drifted":
        world.change_manually()
    return world.scratch.start("up")


def _complaints(world: World, seen: Seen) -> list[str]:
    return seen.problems + [complaint for run in seen.runs for complaint in world.ugliness(run)]


def _recover(world: World, ups: int) -> list[str]:
    ended = world.scratch.up()
    if ended.status and ups > 1:
        complaints = world.ugliness(ended)
        deadline = time.monotonic() + ORPHAN_SECONDS
        while world.scratch.strays() and time.monotonic() < deadline:
            time.sleep(0.2)
        return complaints + _recover(world, ups - 1)
    return [f"up after the fault ended with {ended.status}: {_errors(ended.output)}"] if ended.status else []


def _errors(output: str) -> str:
    found = [line.strip() for line in output.splitlines() if "error:" in line]
    return " | ".join(dict.fromkeys(found))[:600]


def _start_over(world: World) -> None:
    """After a round that failed: nothing of it may make the next one fail."""
    world.scratch.clear()
    world.begin()
    world.provision()


def _told(result: Round) -> Round:
    moment = f", {result.moment}" if result.moment else ""
    print(f"{result.fault} ({result.start}{moment}): {result.outcome}, {result.seconds:.0f} s", file=sys.stderr)
    for problem in result.problems:
        print(f"  {problem}", file=sys.stderr)
    sys.stderr.flush()
    return result


def _show(results: list[Round], seed: int, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"seed": seed, "rounds": [asdict(result) for result in results]}, indent=2))
        return
    table = Table("fault", "outcome", "rounds", "seconds", "of that up", title=f"{len(results)} rounds, seed {seed}")
    for (fault, outcome), rounds in sorted(Counter((one.fault, one.outcome) for one in results).items()):
        same = [one for one in results if (one.fault, one.outcome) == (fault, outcome)]
        seconds = sum(one.seconds for one in same) / rounds
        recovery = sum(one.recovery_seconds for one in same) / rounds
        table.add_row(fault, outcome, str(rounds), f"{seconds:.1f}", f"{recovery:.1f}")
    Console().print(table)
