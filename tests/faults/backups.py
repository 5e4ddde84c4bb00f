"""Rounds of faults on physical backups and WAL: each is named by `verify` and by the drill, and none is taken for good.

An object is damaged, gone, or another one's; or a run of `backup --physical` or `wal archive` is killed in the middle.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import psycopg
import pyrage

from declared.paths import CHECKOUT
from harness import scratch
from local.postgres import RunningServer
from ops.backups import checking, making, places
from ops.backups.basemanifest import Range
from ops.backups.errors import BackupError
from ops.backups.manifest import PHYSICAL
from ops.physical import archiver, looking, segments, server
from ops.physical import making as basing
from ops.physical.archive import Archive
from ops.physical.drill import PhysicalDrill
from ops.physical.recovering import Recovered
from ops.physical.server import Followed

STACK = "faults"
ROWS = "select count(*), coalesce(sum(hashtextextended(t, 0)), 0)::text from one"
FILL = "insert into one (t) select md5(random()::text) from generate_series(1, 300)"
DAMAGES = ("flip a bit", "cut off", "delete", "swap", "another's")
KILLS = ("kill backup", "kill archiver")
# Of so many rounds one is a kill.
KILL_EACH = 5
# What a killed run was at; both print a line as they begin.
PROGRAMS = {
    "kill backup": """
import sys
from pathlib import Path
from ops.backups import places, sealing
from ops.physical.making import Basing
url, folder, spool, recipient = sys.argv[1:]
Basing("faults", url, places.Folder(Path(folder)), sealing.recipients([recipient]), progress=print).run()
""",
    "kill archiver": """
import sys
from pathlib import Path
from ops.backups import places, sealing
from ops.physical.archiver import Archiver
url, folder, spool, recipient = sys.argv[1:]
print("begun", flush=True)
Archiver("faults", url, places.Folder(Path(folder)), sealing.recipients([recipient]), Path(spool), 0.2).run()
""",
}


@dataclass(frozen=True)
class Round:
    """What was done, to what, and what came of it."""

    fault: str
    object: str
    """The kind of the object: base, manifest, summary, segment."""
    outcome: str
    seconds: float
    problems: list[str] = field(default_factory=list)


@dataclass
class World:
    """A server with physical backups and an archive."""

    server: RunningServer
    folder: Path
    identity: Any = field(default_factory=pyrage.x25519.Identity.generate)

    def __post_init__(self) -> None:
        psycopg.connect(self.server.url(), autocommit=True).execute("create database app").connection.close()
        self.url, self.place = self.server.url("app"), places.Folder(self.folder / "place")
        self.sql("create table one (id bigint generated always as identity primary key, t text)")
        self.archive()
        self.ids = [self._based() for _ in range(2)]
        for _ in range(3):
            self.sql(FILL)
            self.archive()

    def _based(self) -> str:
        made = basing.Basing(STACK, self.url, self.place, [self.identity.to_public()]).run()
        self.sql(FILL)
        return made.id

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def archive(self) -> None:
        """All that is written now."""
        keys = [self.identity.to_public()]
        archiver.Archiver(STACK, self.url, self.place, keys, self.folder / "spool").run(once=True)

    @contextmanager
    def copy(self) -> Iterator[places.Folder]:
        """What was kept, to be damaged."""
        with tempfile.TemporaryDirectory(dir=self.folder) as made:
            shutil.copytree(self.place.path, Path(made) / "copy", copy_function=os.link)
            yield places.Folder(Path(made) / "copy")

    def verified(self, place: places.Folder, id: str) -> list[str]:
        """What `backups verify` and `wal verify` say."""
        said, keys = list[str](), [self.identity]
        try:
            said += checking.verify(checking.named(place, id, PHYSICAL), keys)
        except BackupError as error:
            said.append(str(error))
        try:
            said += looking.verified(place, keys, lambda name: None, self.followed)[1]
        except BackupError as error:
            said.append(str(error))
        return said

    def drilled(self, place: places.Folder, id: str) -> list[str]:
        """What a drill says; rows that aren't there are something too."""
        rows, found = self.sql(ROWS), list[Any]()

        def look(recovered: Recovered) -> None:
            with psycopg.connect(recovered.url("app")) as connection:
                found.append(connection.execute(ROWS).fetchall())

        try:
            task = PhysicalDrill(checking.named(place, id, PHYSICAL), [self.identity], followed=self.followed)
            done = task.run(look)
        except BackupError as error:
            return [str(error)]
        bad = [f"{check.name}: {check.detail}" for check in done.checks if check.result == "failed"]
        return bad or ([] if found == [rows] else ["passed, and rows are missing"])

    @property
    def followed(self) -> Followed:
        """All that was archived was handed over."""
        names = Archive(self.place, self.range(self.ids[0]).system).names
        with server.opened(self.url) as session:
            known = server.facts(session)
            last = segments.numbered(names[-1], known.segment)[1]
            return Followed(known.system, known.segment, last + 1, server.ended(session))

    def range(self, id: str) -> Range:
        return Range.read(checking.named(self.place, id, PHYSICAL).summary.wal)


def objects(world: World, id: str) -> dict[str, list[str]]:
    """What can be damaged of a backup: kind to names; of the WAL what isn't in its files too."""
    wal, root = world.range(id), world.place.path
    there = sorted(path.name for path in (root / "wal" / wal.system).iterdir())
    needed = [name for name in there if segments.numbered(name.partition("-")[0], wal.segment)[1] > wal.last]
    parts = sorted(path.name for path in (root / id).iterdir())
    kinds = {
        kind: [f"{id}/{name}" for name in parts if name.startswith(kind)] for kind in ("base", "manifest", "summary")
    }
    return kinds | {"segment": [f"wal/{wal.system}/{name}" for name in needed]}


def damage(world: World, fault: str, random: Random) -> Round:
    """Damage one object, and look whether it is found."""
    began, id = time.monotonic(), random.choice(world.ids)
    kinds = objects(world, id)
    kind = random.choice(sorted(kinds))
    name = random.choice(kinds[kind])
    with world.copy() as place:
        touched = damaged(place, name, fault, random, world)
        said = {"verify": world.verified(place, id), "the drill": world.drilled(place, id)}
    named = [Path(each).name.partition("-" if kind == "segment" else "/")[0] for each in touched]
    problems = [f"{who} found nothing" for who, lines in said.items() if not lines]
    problems += [
        f"{who} doesn't name {named} but: {lines}"
        for who, lines in said.items()
        if lines and not any(each in line for line in lines for each in (*named, *([id] if kind == "summary" else [])))
    ]
    return Round(fault, kind, "not found" if problems else "named by both", time.monotonic() - began, problems)


def damaged(place: places.Folder, name: str, fault: str, random: Random, world: World) -> list[str]:
    """Do it, and which objects aren't as they were."""
    path = place.path / name
    data = path.read_bytes()
    path.unlink()
    if fault == "delete":
        return [name]
    if fault == "flip a bit":
        at = random.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :])
        return [name]
    if fault == "cut off":
        path.write_bytes(data[: random.randrange(len(data))])
        return [name]
    other = _other(place, name, random, world)
    path.write_bytes((place.path / other).read_bytes())
    if fault == "swap":
        (place.path / other).unlink()
        (place.path / other).write_bytes(data)
    return [name, other]


def _other(place: places.Folder, name: str, random: Random, world: World) -> str:
    """One of the same kind: of the other backup, or another segment."""
    folder, _, own = name.rpartition("/")
    if folder not in world.ids:
        others = {each.name for each in (place.path / folder).iterdir()} - {own}
        return f"{folder}/{random.choice(sorted(others))}"
    (other,) = set(world.ids) - {folder}
    return f"{other}/{own}"


def kill(world: World, fault: str, random: Random) -> Round:
    """Kill a run at some moment; what is there is whole, and the next run goes on."""
    began = time.monotonic()
    try:
        if fault == "kill archiver":
            outcome, problems = _archiver_killed(world, random)
        else:
            with world.copy() as place:
                outcome, problems = _backup_killed(world, place, random)
    except BackupError as error:
        outcome, problems = "the next run was refused", [str(error)]
    return Round(fault, "", outcome, time.monotonic() - began, problems)


def _killed(world: World, fault: str, place: places.Folder, after: float) -> None:
    words = [world.url, str(place.path), str(world.folder / "spool"), str(world.identity.to_public())]
    command = [sys.executable, "-u", "-c", PROGRAMS[fault], *words]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        time.sleep(after)
        process.send_signal(signal.SIGKILL)


def _backup_killed(world: World, place: places.Folder, random: Random) -> tuple[str, list[str]]:
    _killed(world, "kill backup", place, random.uniform(0, 1.5))
    new = {each.id for each in checking.listed(place, PHYSICAL)} - set(world.ids)
    if new:
        (id,) = new
        # No archiver ran meanwhile, so the WAL before it isn't there, and nothing of that is wrong with it.
        return "it was whole already", world.drilled(place, id)
    left = set(place.backups()) - set(world.ids) - {"wal"}
    problems = [] if checking.named(place, None, PHYSICAL).id == world.ids[-1] else ["another one is the newest"]
    for id in left:
        for path in (*(place.path / id).iterdir(), place.path / id):
            os.utime(path, (0, 0))
    problems += [] if set(making.remove_leftovers(place)) == left else [f"{left} wasn't removed"]
    return "half of it is none" if left else "nothing was begun", problems + world.verified(place, world.ids[-1])


def _archiver_killed(world: World, random: Random) -> tuple[str, list[str]]:
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            world.sql(FILL)
            done.wait(0.1)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        _killed(world, "kill archiver", world.place, random.uniform(0, 2.5))
    finally:
        done.set()
        writer.join()
    world.archive()
    id = world.ids[-1]
    return "no gap", world.verified(world.place, id) + world.drilled(world.place, id)


def rounds(
    world: World,
    number: int,
    random: Random,
    noted: Callable[[Round], None] = lambda done: None,
    each: int = KILL_EACH,
) -> list[Round]:
    """So many, each fault in its turn; of `each` rounds one is a kill."""
    found = list[Round]()
    # Nothing is being stored while it is looked at.
    with patch.object(looking, "GRACE", 0.0):
        for turn in range(number):
            kills = turn // each
            if turn % each == each - 1:
                found.append(kill(world, KILLS[kills % len(KILLS)], random))
            else:
                found.append(damage(world, DAMAGES[(turn - kills) % len(DAMAGES)], random))
            noted(found[-1])
    return found


def run(number: int, seed: int | None, as_json: bool) -> int:
    """Run so many rounds; 0 where each fault was found."""
    seed = Random().randrange(1_000_000) if seed is None else seed
    print(f"seed {seed}: {number} rounds", file=sys.stderr, flush=True)
    # The `finally` blocks must run, or servers would be left behind.
    signal.signal(signal.SIGTERM, lambda signal, frame: sys.exit(128 + signal))
    with scratch.server() as started, tempfile.TemporaryDirectory(prefix="visual-prompt-builder-") as folder:
        found = rounds(World(started, Path(folder)), number, Random(seed), _noted)
    show(found, seed, as_json)
    return 1 if any(each.problems for each in found) else 0


def _noted(done: Round) -> None:
    print(f"{done.fault} {done.object}: {done.outcome}, {done.seconds:.1f} s", file=sys.stderr, flush=True)
    for problem in done.problems:
        print(f"{done.fault} {done.object}: {problem}", file=sys.stderr, flush=True)


def show(found: Sequence[Round], seed: int, as_json: bool) -> None:
    """A tally by fault, object and outcome."""
    if as_json:
        print(json.dumps({"seed": seed, "rounds": [asdict(each) for each in found]}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    bad = sum(bool(each.problems) for each in found)
    table = Table("fault", "object", "outcome", "rounds", title=f"{len(found)} rounds, seed {seed}, {bad} not found")
    for key, count in sorted(Counter((each.fault, each.object, each.outcome) for each in found).items()):
        table.add_row(*key, str(count))
    Console().print(table)
