"""Faults that lose or damage a file while nothing runs: the state, the passphrase, the servers' notes, their data."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from harness.checkout import Process, Run, Scratch
from local import postgres
from tests.faults.kinds import Fault, Make, Seen
from tests.faults.world import World


def lost(action: Callable[[Scratch, Random], None]) -> Make:
    """A loss that costs no row and no object."""

    def make(world: World, random: Random, run: Run | None) -> Seen:
        action(world.scratch, random)
        return Seen()

    return make


def _state(scratch: Scratch, random: Random) -> None:
    shutil.rmtree(scratch.state_folder)


def _checkpoint(scratch: Scratch, random: Random) -> None:
    for path in scratch.checkpoint.parent.glob(f"{scratch.stack}.json*"):
        path.unlink()


def _cut(path: Path, random: Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: random.randrange(len(content))])


def _checkpoint_cut(scratch: Scratch, random: Random) -> None:
    _cut(scratch.checkpoint, random)
    if random.random() < 0.5:
        scratch.checkpoint.with_name(f"{scratch.stack}.json.bak").unlink(missing_ok=True)


def _passphrase(scratch: Scratch, random: Random) -> None:
    (scratch.folder / ".local" / "passphrase").unlink()


def _services(scratch: Scratch, random: Random) -> None:
    random.choice([Path.unlink, lambda path: _cut(path, random)])(scratch.stack_folder / "services.json")


def _server_note(scratch: Scratch, random: Random) -> None:
    path = scratch.stack_folder / "server.json"
    random.choice([Path.unlink, lambda path: _cut(path, random)])(path)
    if random.random() < 0.5:
        _kill(postgres.process_id(scratch.stack_folder))


def _moto_notes(scratch: Scratch, random: Random) -> None:
    _cut(scratch.stack_folder / random.choice(["moto.json", "moto.pid"]), random)


def _kill(pid: int | None) -> None:
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def _is_moto(process: Process) -> bool:
    return "local.moto" in process.command


def moto_emptied(world: World, random: Random, run: Run | None) -> Seen:
    """moto's memory is gone, and with it the objects; the bucket and its settings come back."""
    for process in filter(_is_moto, world.scratch.processes()):
        _kill(process.pid)
    (world.scratch.stack_folder / "moto.state").unlink(missing_ok=True)
    world.objects.clear()
    return Seen()


def _lose_data(world: World) -> None:
    _kill(postgres.process_id(world.scratch.stack_folder))
    time.sleep(0.3)
    shutil.rmtree(world.scratch.data)
    world.forget(objects=False)


def data_lost(world: World, random: Random, run: Run | None) -> Seen:
    """The database's files are gone, and every row with them."""
    _lose_data(world)
    return Seen()


def half_made(world: World, random: Random, run: Run | None) -> Seen:
    """The machine died while the cluster was being made: `up` is killed with the servers while initdb runs."""
    _lose_data(world)
    (world.scratch.stack_folder / "server.json").unlink()
    begun = world.scratch.start("up")
    time.sleep(wait := random.uniform(0.3, 3))
    for process in world.scratch.processes():
        if not _is_moto(process):
            _kill(process.pid)
    begun.wait()
    return Seen(moment=f"{wait:.1f} s after the start")


LOSSES = (
    Fault("state lost", lost(_state)),
    Fault("checkpoint lost", lost(_checkpoint)),
    Fault("checkpoint cut", lost(_checkpoint_cut)),
    Fault("passphrase lost", lost(_passphrase)),
    Fault("services.json lost", lost(_services)),
    Fault("server.json lost", lost(_server_note)),
    Fault("moto's notes cut", lost(_moto_notes)),
    Fault("moto emptied", moto_emptied),
    Fault("data lost", data_lost),
    Fault("cluster half made", half_made),
)
