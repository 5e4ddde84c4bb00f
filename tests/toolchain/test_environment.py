"""The Python environment. The engine comes from PATH here; `test_engine.py` is about that."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import toolchain
from tests.toolchain.world import World, pulumi
from toolchain import environment, versions

FILES = ("requirements.txt", "requirements-local.txt", "requirements-dev.txt", "constraints.txt")


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below with its size and times."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in [folder, *sorted(folder.rglob("*"))]
    }


def test_a_fresh_machine_gets_everything_and_is_told_what_and_why(bare: World) -> None:
    pulumi(bare.path)
    done = bare.run("ensure", "--json")
    result = json.loads(done.stdout)
    assert list(result) == ["cache", "venv", "bin", "pulumi", "version", "source"]
    assert result["source"] == "path"
    python = Path(result["venv"]) / "bin" / "python"
    code = "import pulumi.automation, semver, sys; assert sys.prefix != sys.base_prefix"
    assert subprocess.run([python, "-c", code], check=False).returncode == 0
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"python environment: {sys.version.split()[0]}, 3 packages, about two minutes, since ")
    assert lines[1].startswith("python environment: done in ")
    assert lines[2].startswith("engine: pulumi ")
    assert not list(bare.cache.glob("tmp/*"))


def test_the_second_call_says_nothing_and_touches_nothing_and_is_quick(world: World) -> None:
    pulumi(world.path)
    world.ensure()
    before = state(world.root)
    done = world.run("ensure")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert state(world.root) == before
    code = "import time, toolchain; b = time.perf_counter(); toolchain.ensure(); print(time.perf_counter() - b)"
    timed = subprocess.run(
        [sys.executable, "-c", code], cwd=world.checkout, env=world.environ, capture_output=True, text=True, check=True
    )
    assert float(timed.stdout) < 0.05


def test_a_package_that_cannot_be_had_is_one_line_and_leaves_nothing(bare: World) -> None:
    (bare.checkout / "requirements-dev.txt").write_text("no-such-package==1.0\n")
    line = bare.refused()
    assert line.startswith("python environment: ERROR: No matching distribution found for no-such-package==1.0; ")
    log = Path(line.rpartition("log: ")[2])
    assert "pip install" in log.read_text()
    assert bare.folders("venv-*") == []
    assert bare.folders("tmp/*") == []


def test_a_python_without_venv_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = importlib.util.find_spec

    def without(name: str, *rest: Any) -> Any:
        return None if name == "ensurepip" else known(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(toolchain.ToolchainError, match=r"comes without ensurepip; .* apt install python3-venv"):
        toolchain.ensure(environ={"VPB_CACHE": str(tmp_path / "cache"), "PIP_NO_INDEX": "1"})
    assert not (tmp_path / "cache").exists()


def test_an_old_python_is_refused_in_one_line(world: World) -> None:
    code = "import sys; sys.version_info = (3, 9, 2, 'final', 0); import toolchain"
    done = subprocess.run([sys.executable, "-c", code], cwd=world.checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("python environment: Python 3.11 or newer is needed, ")
    assert done.stderr.count("\n") == 1


def test_a_venv_whose_python_was_removed_is_made_again(bare: World) -> None:
    pulumi(bare.path)
    venv = Path(str(bare.ensure()["venv"]))
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to(bare.root / "gone")
    assert bare.ensure()["venv"] == str(venv)
    assert (venv / "bin" / "python").exists()


def test_settings_that_would_put_packages_elsewhere_do_not_reach_pip(bare: World) -> None:
    pulumi(bare.path)
    elsewhere = bare.root / "elsewhere"
    bare.ensure(PIP_TARGET=str(elsewhere), PYTHONPATH=str(elsewhere), PIP_USER="1")
    assert not elsewhere.exists()


@pytest.mark.parametrize("file", FILES)
def test_another_requirement_is_another_venv(
    file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, world: World
) -> None:
    copies = {name: world.checkout / name for name in FILES}
    monkeypatch.setattr(versions, "REQUIREMENTS", tuple(copies.values())[:-1])
    monkeypatch.setattr(versions, "CONSTRAINTS", copies["constraints.txt"])
    before = environment.name()
    assert environment.name() == before
    copies[file].write_text("six==1.17.0\n")
    assert environment.name() != before


def test_clean_removes_what_is_not_of_the_present_version_and_says_how_much(world: World) -> None:
    pulumi(world.path)
    world.ensure()
    present = world.folders("*")
    for name in ("venv-old", "engine-3.1.0-old"):
        (world.cache / name).mkdir()
        (world.cache / name / "file").write_bytes(b"x" * 2_500_000)
    done = world.run("clean")
    assert done.stdout.splitlines() == ["venv-old: 2.5 MB", "engine-3.1.0-old: 2.5 MB", "removed: 2 folders, 5.0 MB"]
    assert world.folders("*") == present
    assert world.run("ensure").stderr == ""
    assert json.loads(world.run("clean", "--json").stdout) == {}


def test_where_shows_what_is_there_and_makes_nothing(world: World) -> None:
    shutil.rmtree(world.cache)
    line = world.refused("where")
    assert line == "python environment: not there yet; `python3 -m toolchain ensure` makes it"
    assert not world.cache.exists()


def test_where_makes_nothing_of_an_engine_that_nobody_has_looked_at_yet(world: World) -> None:
    pulumi(world.path)
    before = state(world.root)
    assert world.refused("where") == "engine: not there yet; `python3 -m toolchain ensure` makes it"
    assert state(world.root) == before


def test_where_agrees_with_ensure(world: World) -> None:
    pulumi(world.path)
    result = world.ensure()
    shown = dict(line.split(": ", 1) for line in world.run("where").stdout.splitlines())
    assert shown == {name: str(value).lower() if value is True else value for name, value in result.items()}
    assert json.loads(world.run("where", "--json").stdout) == result


def test_a_cache_that_cannot_be_written_is_one_line(world: World) -> None:
    file = world.root / "a file"
    file.write_text("")
    line = world.refused(VPB_CACHE=str(file / "cache"))
    assert line.startswith(f"cache folder {file}/cache/locks: Not a directory; ")
    assert "set VPB_CACHE" in line


def test_an_unknown_way_is_refused_with_the_known_ones(world: World) -> None:
    assert world.refused(VPB_ENGINE="bild") == "VPB_ENGINE=bild: known are auto, path, release, build"


def test_a_checkout_without_its_pins_is_told_which_file_is_missing(world: World) -> None:
    (world.checkout / "constraints.txt").unlink()
    assert world.refused() == f"{world.checkout}/constraints.txt: No such file or directory"


def test_every_requirement_is_pinned_and_the_pins_agree() -> None:
    lines = versions.CONSTRAINTS.read_text().lower().replace("_", "-").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    for file in versions.REQUIREMENTS:
        for line in file.read_text().splitlines():
            name, version = line.split("==")
            assert pins[name.partition("[")[0]] == version
