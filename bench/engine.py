"""Steps and drift check through the real engine: `python -m bench.engine [--steps 1000] [--rounds 3]`.

The engine has a price of its own, so the figures are differences: an `up` of all steps from empty beside the same `up`
with one step, in units of one psql session that runs the files in one transaction; an `up` that takes all steps back
beside one that finds them all and has nothing to do, in units of one psql session that runs the down files with a
transaction each; a preview with nothing to do, all checksums and the whole drift check in it, beside the preview of an
empty program.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench import psql
from bench.goal import against
from bench.steps import write_steps
from declared import sqlfiles
from harness.checkout import Finished, Scratch
from local import postgres

APPLY_GOAL = 1.25
BACK_GOAL = 0.5
PREVIEW_GOAL = 0.8
EMPTY = "import pulumi\n"
PROGRAM = """import pulumi

import pg
from declared import sqlfiles
from declared.paths import CHECKOUT
from declared.schemas import HISTORY_SCHEMA
from local import services

server = services.load(pulumi.get_stack()).postgres
provider = pg.Provider("pg", url=server.url("{database}"), lock_timeout="5s")
options = pulumi.ResourceOptions(provider=provider)
found = {{step.name: step.checksum for step in sqlfiles.steps(CHECKOUT / sqlfiles.MIGRATIONS.folder)}}
steps = pg.MigrationSet("steps", folder=sqlfiles.MIGRATIONS.folder, steps=found, opts=options)
"""
SNAPSHOT = """schema = pg.SchemaSnapshot(
    "schema", name="schema", schemas=["public", HISTORY_SCHEMA], opts=pulumi.ResourceOptions(provider=provider)
)
"""
CHECKPOINT = """import hashlib

declared = hashlib.sha256(str(found).encode()).hexdigest()[:32]
options = pulumi.ResourceOptions(provider=provider, depends_on=[steps])
pg.SchemaCheckpoint("schema", snapshot="schema", of=declared, opts=options)
"""
UP = ("up", "--yes", "--skip-preview", "--non-interactive")
PREVIEW = ("preview", "--non-interactive")


@dataclass(frozen=True)
class Bench:
    """A copy of the checkout whose program and steps are ours to choose."""

    scratch: Scratch

    @property
    def migrations(self) -> Path:
        return self.scratch.folder / sqlfiles.MIGRATIONS.folder

    @property
    def server(self) -> postgres.RunningServer:
        return postgres.RunningServer(**self.scratch.services["postgres"])

    def program(self, text: str, steps: int = 0) -> None:
        """Make this the program, on so many steps."""
        (self.scratch.folder / "__main__.py").write_text(text)
        shutil.rmtree(self.migrations)
        self.migrations.mkdir()
        write_steps(self.migrations, steps)

    def run(self, *arguments: str) -> float:
        """A Pulumi command that has to work; its seconds."""
        finished: Finished = self.scratch.pulumi(*arguments)
        if finished.status:
            raise SystemExit(f"{finished.output}\nerror: pulumi {arguments[0]} failed, see above")
        return finished.seconds

    def up(self, database: str, steps: int) -> float:
        """`up` of the program with so many steps; its seconds."""
        self.program(PROGRAM.format(database=database), steps)
        return self.run(*UP)

    def destroy(self) -> None:
        self.run("destroy", "--yes", "--skip-preview", "--non-interactive")

    def psql(self, database: str, direction: str) -> float:
        """One session over all files, up in one transaction, down in one each; its seconds."""
        command = psql.session(self.server, database, self.migrations, direction, one=direction == "up")
        begun = time.monotonic()
        subprocess.run(command, env=psql.environment(self.server), check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - begun

    def database(self, name: str) -> str:
        """A new empty database of that name."""
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            connection.execute(f"create database {name} template template0".encode())
        return name


def _median(times: int, call: Callable[[], float]) -> float:
    return statistics.median(call() for _ in range(times))


def measure(bench: Bench, steps: int, number: int) -> dict[str, float]:
    """One round; the stack is empty before and after it."""
    bench.program(EMPTY)
    found = {"empty preview": _median(3, lambda: bench.run(*PREVIEW))}
    found["up, one step"] = bench.up(bench.database(f"one_{number}"), 1)
    bench.destroy()
    database, beside = (bench.database(f"{name}_{number}") for name in ("all", "psql"))
    bench.program(PROGRAM.format(database=database), steps)
    found["psql, one transaction"] = bench.psql(beside, "up")
    found["psql down, a transaction each"] = bench.psql(beside, "down")
    found["up, all steps"] = bench.run(*UP)
    found["up, nothing to do"] = _median(3, lambda: bench.run(*UP))
    found["up, all steps back"] = bench.up(database, 0)
    bench.program(PROGRAM.format(database=database) + SNAPSHOT, steps)
    bench.run(*UP)
    found["preview, nothing to do"] = _median(3, lambda: bench.run(*PREVIEW))
    bench.destroy()
    more = found["up, all steps"] - found["up, one step"]
    back = found["up, all steps back"] - found["up, nothing to do"]
    return found | {
        "apply": more / found["psql, one transaction"],
        "back": back / found["psql down, a transaction each"],
        "preview": found["preview, nothing to do"] - found["empty preview"],
    }


def main() -> None:
    """Print medians and whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with Scratch("bench") as scratch:
        bench = Bench(scratch)
        bench.program(EMPTY)
        bench.run("stack", "init")
        bench.run(*PREVIEW)
        rounds = [measure(bench, options.steps, number) for number in range(options.rounds)]
    medians: dict[str, Any] = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    if options.json:
        print(json.dumps({"steps": options.steps, "rounds": rounds, "medians": medians}))
        return
    apply, back, preview = (medians.pop(name) for name in ("apply", "back", "preview"))
    print(f"{options.steps} steps, {options.steps // 5} tables, median of {options.rounds} rounds")
    for name, value in medians.items():
        print(f"  {name:32} {value:8.2f} s")
    print(f"  {'apply over the one step, ratio':32} {apply:8.2f}   {against(apply, APPLY_GOAL)}")
    print(f"  {'back over nothing to do, ratio':32} {back:8.2f}   {against(back, BACK_GOAL)}")
    print(f"  {'preview over the empty one':32} {preview:8.2f} s {against(preview, PREVIEW_GOAL)}")


if __name__ == "__main__":
    main()
