"""Two builds at a time, and builds that are cut off: real processes, real locks, real signals."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.toolchain.world import World, go, program
from toolchain.cache import Cache
from toolchain.progress import Progress


@pytest.fixture
def building(world: World) -> World:
    """A machine on which a build of the engine takes a while, and nothing else is missing."""
    program(world.path / "go", go("1.99.0"))
    world.environ |= {"VPB_ENGINE": "build"}
    return world


def until(holds: Callable[[], object]) -> None:
    """Waits until something holds, ten seconds at most."""
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def started(world: World) -> bool:
    return any(call.startswith("build") for call in world.calls("go"))


def running(world: World) -> dict[str, int]:
    """The commands whose environment is this world's with their ids, except for those that asked."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environ, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(world.environ["CALLS"]) in environ and b"toolchain\0ensure" not in command:
            found[os.fsdecode(command)] = int(folder.name)
    return found


def end(process: subprocess.Popen[str], number: signal.Signals) -> str:
    process.send_signal(number)
    return process.communicate(timeout=60)[1]


def test_of_two_at_once_one_builds_and_the_other_waits_and_says_so_once(building: World) -> None:
    first = building.start("ensure", GO_SECONDS="1")
    until(lambda: started(building))
    second = building.run("ensure", "--json")
    assert first.wait(60) == 0
    assert second.returncode == 0
    lines = second.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith(f": waiting for process {first.pid}, which is at it")
    assert sum(call.startswith("build") for call in building.calls("go")) == 2
    first.communicate()


def test_a_build_that_was_killed_ends_its_commands_and_is_done_again(building: World) -> None:
    first = building.start("ensure", GO_SECONDS="60")
    until(lambda: started(building))
    until(lambda: any("sleep" in command for command in running(building)))
    end(first, signal.SIGKILL)
    until(lambda: not running(building))
    (half,) = building.folders("engine-*")
    assert building.refused("where") == "engine: not there yet; `python3 -m toolchain ensure` makes it"
    done = building.run("ensure")
    assert done.returncode == 0
    assert done.stderr.splitlines()[0] == f"{half}: an earlier attempt was cut off and is made again"
    assert building.ensure()["source"] == "built"


def test_a_second_build_waits_until_the_last_command_of_a_killed_one_has_ended(building: World) -> None:
    """Even where the guard is killed too, and its command goes on."""
    first = building.start("ensure", GO_SECONDS="2")
    until(lambda: any("sleep" in command for command in running(building)))
    guard = next(number for command, number in running(building).items() if "guard.py" in command)
    first.send_signal(signal.SIGSTOP)
    os.kill(guard, signal.SIGKILL)
    end(first, signal.SIGKILL)
    assert any("sleep" in command for command in running(building))
    began = time.monotonic()
    assert building.ensure()["source"] == "built"
    assert time.monotonic() - began > 1


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_an_interrupted_build_ends_its_commands_and_leaves_nothing_that_counts(
    building: World, number: signal.Signals, status: int
) -> None:
    first = building.start("ensure", GO_SECONDS="60")
    until(lambda: started(building))
    said = end(first, number)
    assert first.returncode == status
    assert "Traceback" not in said
    until(lambda: not running(building))
    if number == signal.SIGINT:
        assert said.splitlines()[-1] == "interrupted; what was half made is gone"
        assert building.folders("engine-*") == []
        assert building.folders("tmp/*") == []
    assert building.ensure()["source"] == "built"


@pytest.fixture
def fresh(bare: World) -> World:
    """A machine on which both the environment and the engine are missing, and the engine has to be built."""
    program(bare.path / "go", go("1.99.0"))
    bare.environ |= {"VPB_ENGINE": "build"}
    return bare


def test_the_engine_is_built_beside_the_environment(fresh: World) -> None:
    lines = fresh.run("ensure").stderr.splitlines()
    began = next(number for number, line in enumerate(lines) if line.startswith("engine: pulumi "))
    assert began < next(number for number, line in enumerate(lines) if line.startswith("python environment: done"))
    assert fresh.ensure()["source"] == "built"


def test_an_environment_that_fails_ends_the_build_beside_it(fresh: World) -> None:
    (fresh.checkout / "requirements-dev.txt").write_text("no-such-package==1.0\n")
    assert fresh.refused("ensure", GO_SECONDS="50").startswith("python environment: ERROR: No matching distribution")
    assert (running(fresh), fresh.folders("engine-*"), fresh.folders("tmp/*")) == ({}, [], [])


def test_a_build_that_fails_beside_the_environment_is_one_line(fresh: World) -> None:
    assert fresh.refused("ensure", GO_FAILS="no room").startswith("engine: build failed: no room; log: ")
    assert (len(fresh.folders("venv-*")), fresh.folders("engine-*"), fresh.folders("tmp/*")) == (1, [], [])


def test_ctrl_c_ends_both(fresh: World) -> None:
    first = fresh.start("ensure", GO_SECONDS="60")
    until(lambda: started(fresh))
    assert end(first, signal.SIGINT).splitlines()[-1] == "interrupted; what was half made is gone"
    assert (running(fresh), fresh.folders("engine-*"), fresh.folders("tmp/*")) == ({}, [], [])


def test_clean_leaves_what_another_process_is_making(building: World) -> None:
    first = building.start("ensure", GO_SECONDS="60")
    until(lambda: started(building))
    (name,) = building.folders("engine-*")
    # Another version's build, as this version's clean sees it.
    go_mod = building.checkout / "toolchain" / "engine" / "go.mod"
    go_mod.write_text(go_mod.read_text() + "// changed\n")
    done = building.run("clean")
    assert f"{name}: stays, another process is at it" in done.stderr
    assert building.folders("engine-*") == [name]
    end(first, signal.SIGKILL)
    until(lambda: not running(building))
    assert name in building.run("clean").stdout
    assert building.folders("engine-*") == []


def test_notes_that_were_cut_count_as_none(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.write("notes.json", {"a": 1})
    assert cache.read("notes.json") == {"a": 1}
    (tmp_path / "notes.json").write_text('{"a"')
    assert cache.read("notes.json") == {}


def test_a_folder_whose_making_fails_is_gone(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail() -> None:
        with cache.making("thing", Progress()) as making:
            assert making
            (making.folder / "part").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not (tmp_path / "thing").exists()
    assert not cache.complete("thing")
