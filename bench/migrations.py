"""The migration engine beside one psql session that runs the same files: ratios of one run, on a server of its own.

`make bench` prints what the goals in `docs/decisions/0008-how-steps-run.md` are held against.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import psql
from bench.goal import against
from bench.steps import write_steps
from local import postgres

GOALS = {"apply": 1.25, "roll back": 0.5}
# The provider alone, as the engine has it: loaded once, then asked. The last line is what the work took.
STARTED = """
import sys, time
from ops import __main__ as ops
from ops.migrations import run
begun = time.monotonic()
status = ops.main(["migrate", *sys.argv[1:]])
print(time.monotonic() - begun)
sys.exit(status)
"""
MEMORY_MIB = 60


@dataclass(frozen=True)
class Measured:
    """One process: how long it took, how long once it was loaded, and how much memory it held at most."""

    seconds: float
    alone: float
    mebibytes: float


@dataclass(frozen=True)
class Bench:
    """A server and the files."""

    server: postgres.RunningServer
    folder: Path

    def run(self, command: Sequence[str | Path]) -> Measured:
        environment = os.environ | psql.environment(self.server)
        begun = time.monotonic()
        with tempfile.TemporaryFile("w+") as answer:
            process = subprocess.Popen([str(word) for word in command], env=environment, stdout=answer)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - begun
            answer.seek(0)
            lines = answer.read().split()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"error: {command[0]} failed")
        return Measured(seconds, float(lines[-1]) if lines else seconds, usage.ru_maxrss / 1024)

    def psql(self, database: str, direction: str, one: bool = False) -> Measured:
        """One session over all files; see `bench.psql`."""
        return self.run(psql.session(self.server, database, self.folder, direction, one))

    def engine(self, database: str, *words: str) -> Measured:
        """Our own command in a process of its own."""
        url = self.server.url(database)
        return self.run([sys.executable, "-c", STARTED, *words, "--url", url, "--folder", self.folder, "--quiet"])


@contextmanager
def world(steps: int) -> Iterator[Bench]:
    """A server with ordinary durability, and the files; both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="visual-prompt-builder-bench-") as name:
        folder = Path(name)
        (folder / "steps").mkdir()
        write_steps(folder / "steps", steps)
        server = postgres.ensure(folder / "server")
        try:
            yield Bench(server, folder / "steps")
        finally:
            postgres.remove(folder / "server")


def databases(bench: Bench, number: int) -> list[str]:
    """Three empty databases of a round."""
    import psycopg

    names = [f"bench_{number}_{kind}" for kind in ("each", "one", "engine")]
    with psycopg.connect(bench.server.url(), autocommit=True) as connection:
        for name in names:
            connection.execute(f"create database {name} template template0".encode())
    return names


def measure(bench: Bench, number: int) -> dict[str, Measured]:
    """One round: all of it up and down again, by psql in both ways and by the engine."""
    each, one, ours = databases(bench, number)
    return {
        "psql, a transaction each": bench.psql(each, "up"),
        "psql, one transaction": bench.psql(one, "up", one=True),
        "apply": bench.engine(ours, "up"),
        "nothing to do": bench.engine(ours, "up"),
        "status": bench.engine(ours, "status"),
        "psql down, a transaction each": bench.psql(each, "down"),
        "roll back": bench.engine(ours, "down", "--to", "0", "--lose"),
    }


def main() -> None:
    """Print medians, ratios and whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with world(options.steps) as bench:
        rounds = [measure(bench, number) for number in range(options.rounds)]
    seconds = {name: statistics.median(each[name].seconds for each in rounds) for name in rounds[0]}
    ratios = {
        name: statistics.median(getattr(each[ours], which) / each[psql].seconds for each in rounds)
        for name, ours, psql, which in (
            ("apply", "apply", "psql, a transaction each", "alone"),
            ("apply to one transaction", "apply", "psql, one transaction", "alone"),
            ("roll back", "roll back", "psql down, a transaction each", "alone"),
            ("apply, with Python's start", "apply", "psql, a transaction each", "seconds"),
            ("roll back, with Python's start", "roll back", "psql down, a transaction each", "seconds"),
        )
    }
    memory = max(each["apply"].mebibytes for each in rounds)
    if options.json:
        print(json.dumps({"steps": options.steps, "seconds": seconds, "ratios": ratios, "mebibytes": memory}))
        return
    print(f"{options.steps} steps, median of {options.rounds} rounds")
    for name, value in seconds.items():
        print(f"  {name:32} {value:8.2f} s")
    for name, value in ratios.items():
        goal = f"   {against(value, GOALS[name])}" if name in GOALS else ""
        print(f"  {name + ', ratio':32} {value:8.2f}{goal}")
    print(f"  {'memory':32} {memory:8.0f} MiB {against(memory, MEMORY_MIB)}")


if __name__ == "__main__":
    main()
