"""The faults: each breaks one thing, at a random moment where there is a moment, and tells what the user then saw."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psycopg
from psycopg import sql

from harness.checkout import Finished, Process, Run
from local import postgres
from tests.faults.world import World

# How long a run of `up` goes on after the victim was first seen; later than its end is a miss.
SPREAD_SECONDS = 5.0
MANUAL_PASSWORD = "changed-manually"


class Skip(Exception):
    """The fault can't be made here; the text says why."""


@dataclass
class Seen:
    """What a fault led to: runs that the user saw end, what is wrong already, and whether it came too late."""

    runs: list[Finished] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    late: bool = False
    moment: str = ""


Make = Callable[[World, Random, Run | None], Seen]


@dataclass(frozen=True)
class Fault:
    """One way to break things; `starts` are the situations that it is made in."""

    name: str
    make: Make
    starts: tuple[str, ...] = ("settled",)
    ups: int = 1


# Processes that are killed in the middle of a run.


def _named(process: Process, *words: str) -> bool:
    return any(Path(part).name in words for part in process.command[:2])


def engine(process: Process) -> bool:
    return _named(process, "pulumi") and bool({"up", "destroy"} & set(process.command))


def provider(process: Process) -> bool:
    return process.command[1:3] == ("-m", "provider")


def standin(process: Process) -> bool:
    # Where the official plugins could be had, they take the stand-ins' place.
    names = ("pulumi-resource-aws",)
    return any(part.startswith("local.standins.") for part in process.command) or _named(process, *names)


def language_host(process: Process) -> bool:
    return _named(process, "pulumi-language-python")


def program(process: Process) -> bool:
    return _named(process, "pulumi-language-python-exec")


def moto(process: Process) -> bool:
    return "local.moto" in process.command


def _find(world: World, which: Callable[[Process], bool] | None) -> int | None:
    if which is None:
        return postgres.process_id(world.scratch.stack_folder)
    return next((process.pid for process in world.scratch.processes() if which(process)), None)


def _await(world: World, run: Run, which: Callable[[Process], bool] | None, in_a_step: bool) -> int | None:
    while run.process.poll() is None:
        if (pid := _find(world, which)) and (not in_a_step or world.doing in run.output):
            return pid
        time.sleep(0.02)
    return None


def killed(which: Callable[[Process], bool] | None) -> Make:
    """`kill -9` of one process of a run; None is the database."""

    def make(world: World, random: Random, run: Run | None) -> Seen:
        assert run is not None
        in_a_step, delay = random.random() < 0.5, random.random()
        pid = _await(world, run, which, in_a_step)
        wait = delay * (1.5 if in_a_step else SPREAD_SECONDS)
        with_rest = time.monotonic() + wait
        while time.monotonic() < with_rest and run.process.poll() is None:
            time.sleep(0.01)
        late = run.process.poll() is not None or pid is None
        if not late and pid is not None:
            late = not _kill(_find(world, which) or pid)
        moment = f"{wait:.1f} s after the {'step began' if in_a_step else 'process was seen'}"
        return Seen([run.wait()], late=late, moment=moment)

    return make


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def wrapper_killed(world: World, random: Random, run: Run | None) -> Seen:
    """`kill -9` of `./vpb`; the engine goes on alone, which the next `up` must respect."""
    assert run is not None
    time.sleep(wait := random.uniform(0.2, 6))
    late = run.process.poll() is not None or not _kill(run.process.pid)
    run.wait()
    return Seen([], late=late, moment=f"{wait:.1f} s after the start")


def interrupted(world: World, random: Random, run: Run | None) -> Seen:
    """Ctrl-C."""
    assert run is not None
    time.sleep(wait := random.uniform(0.5, 6))
    late = run.process.poll() is not None
    if not late:
        run.interrupt()
    return Seen([run.wait()], late=late, moment=f"{wait:.1f} s after the start")


def two_ups(world: World, random: Random, run: Run | None) -> Seen:
    """A second `up` soon after the first: one does it, the other does too or says who is at it."""
    assert run is not None
    time.sleep(wait := random.choice([0.0, random.uniform(0, 6)]))
    second = world.scratch.start("up").wait()
    runs = [run.wait(), second]
    problems = [] if 0 in (runs[0].status, second.status) else ["neither of two ups came to its end"]
    problems += [
        f"one of two ups failed for another reason: {ended.last_line}"
        for ended in runs
        if ended.status and "another run is under way" not in ended.last_line
    ]
    return Seen(runs, problems, moment=f"{wait:.1f} s after the first")


# Migrations and servers that refuse.


def third_statement(world: World, random: Random, run: Run | None) -> Seen:
    """A migration whose third statement fails leaves nothing of the first two; mended, it runs."""
    name = world.add_step(broken=True)
    failed = world.scratch.up()
    problems = [] if failed.status else ["a migration that can't run was reported as done"]
    problems += [] if "division by zero" in failed.output and f"{name}.up.sql:6" in failed.output else ["no reason"]
    if world.scratch.sql(f"select 1 from ops.fault_ledger where step = '{name}'"):
        problems.append("the first statements of a migration that failed were kept")
    path = world.scratch.folder / "sql" / "migrations" / f"{name}.up.sql"
    path.write_text(path.read_text().replace("select 1 / 0", "select 1"))
    return Seen([failed], problems)


def wrong_password(world: World, random: Random, run: Run | None) -> Seen:
    """The superuser's password was changed manually; afterwards one of the two things is done that the message says."""
    url, known = world.scratch.url, world.scratch.services["postgres"]["password"]
    world.scratch.sql(f"alter role postgres password '{MANUAL_PASSWORD}'")
    world.secrets.add(MANUAL_PASSWORD)
    failed = world.scratch.up()
    if random.random() < 0.5:
        (world.scratch.stack_folder / "server.json").unlink()
    else:
        with psycopg.connect(url, password=MANUAL_PASSWORD, autocommit=True) as connection:
            connection.execute(sql.SQL("alter role postgres password {}").format(sql.Literal(known)))
    told = re.search(r"password authentication failed.* again, or delete", failed.last_line)
    problems = [] if failed.status and told else ["a wrong password was not named as one"]
    return Seen([failed], problems)


def disk_full(world: World, random: Random, run: Run | None) -> Seen:
    """The data folder on a file system that a migration fills."""
    if os.geteuid() != 0:
        raise Skip("only root can mount a small file system")
    with _small_disk(world) as room_again:
        _again(world)
        filler = "insert into ops.fault_filler select md5(i::text), repeat('x', 900) from generate_series(1, 60000) i"
        world.write_step(
            "filler", ["create table ops.fault_filler (a text, b text)", filler], ["drop table ops.fault_filler"]
        )
        failed = world.scratch.up()
        room_again()
        problems = [] if failed.status else ["a full disk went unnoticed"]
        seen = Seen([failed], problems)
        _again(world)
    return seen


def _again(world: World) -> None:
    ended = world.scratch.up()
    if ended.status:
        raise AssertionError(f"up on another disk: {ended.last_line}")


@contextmanager
def _small_disk(world: World) -> Iterator[Callable[[], None]]:
    data = world.scratch.data
    aside = data.with_name("postgres.aside")
    postgres.stop(world.scratch.stack_folder)
    used = sum(path.stat().st_size for path in data.rglob("*") if path.is_file()) // 2**20
    data.rename(aside)
    data.mkdir(mode=0o700)
    made = _mount("-t", "tmpfs", "-o", f"size={used + 40}m,mode=700", "tmpfs", str(data))
    if made:
        data.rmdir()
        aside.rename(data)
        raise Skip(f"no small file system: {made}")
    try:
        _copy(aside, data)
        yield lambda: _must_mount("-o", "remount,size=1g", str(data))
    finally:
        postgres.stop(world.scratch.stack_folder)
        shutil.rmtree(aside)
        _copy(data, aside)
        subprocess.run(["umount", str(data)], check=True)
        data.rmdir()
        aside.rename(data)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)
    account = source.stat()
    os.chown(target, account.st_uid, account.st_gid)


def _mount(*arguments: str) -> str:
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no mount"
    return " ".join(done.stderr.split()) if done.returncode else ""


def _must_mount(*arguments: str) -> None:
    if said := _mount(*arguments):
        raise AssertionError(said)
