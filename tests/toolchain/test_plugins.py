"""The official plugins, which a local stack doesn't need; and the environment of everything that is run."""

import os
from pathlib import Path

import pytest

from tests.toolchain.world import World, pulumi
from toolchain import Toolchain, versions


@pytest.fixture
def ready(world: World) -> World:
    """A machine that has everything but the plugins."""
    pulumi(world.path)
    return world


def test_a_local_stack_needs_none(ready: World) -> None:
    ready.ensure()
    assert ready.calls("plugins") == []


def test_they_are_installed_once(ready: World) -> None:
    assert ready.run("plugins", PLUGINS_SERVED="1").returncode == 0
    assert [path.name for path in (ready.cache / "home" / "plugins").iterdir()] == ["resource-aws-v7.51.1"]
    assert ready.run("plugins").stderr == ""
    assert ready.calls("plugins") == ["aws"]


@pytest.mark.parametrize("left", ["removed", "cut off"])
def test_one_that_is_not_whole_is_fetched_again(ready: World, left: str) -> None:
    ready.run("plugins", PLUGINS_SERVED="1")
    folder = ready.cache / "home" / "plugins" / "resource-aws-v7.51.1"
    folder.rmdir() if left == "removed" else folder.with_name(f"{folder.name}.partial").touch()
    assert ready.run("plugins", PLUGINS_SERVED="1").returncode == 0
    assert len(ready.calls("plugins")) == 2


def test_the_users_own_pulumi_folder_is_the_one_that_counts(ready: World) -> None:
    own = ready.root / "own"
    ready.run("plugins", PLUGINS_SERVED="1", PULUMI_HOME=str(own))
    assert (own / "plugins" / "resource-aws-v7.51.1").is_dir()
    assert not (ready.cache / "home").exists()


def test_one_that_cannot_be_had_is_one_line_that_names_the_log(ready: World) -> None:
    done = ready.run("plugins")
    line = done.stderr.splitlines()[-1]
    expected = "plugins: the official aws 7.51.1 can't be had: error: no such host; log: "
    assert (done.returncode, line[: len(expected)]) == (1, expected)
    assert Path(line.removeprefix(expected)).is_file()


def made() -> Toolchain:
    cache = Path("/c")
    return Toolchain(cache, cache / "v", cache / "e" / "bin", cache / "e" / "bin" / "pulumi", "3.259.0", "built")


def test_the_environment_has_the_venv_first_then_the_engine() -> None:
    environ = made().environment({"PATH": "/usr/bin:/bin", "LANG": "C", "PYTHONHOME": "/elsewhere"})
    assert environ == {
        "PATH": "/c/v/bin:/c/e/bin:/usr/bin:/bin",
        "LANG": "C",
        "PULUMI_HOME": "/c/home",
        "PULUMI_LOG_ROTATION_MAX_TOTAL_MB": "50",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "GRPC_ENABLE_FORK_SUPPORT": "false",
        "PYTHONPATH": f"{versions.CHECKOUT}:{versions.CHECKOUT}/clients/python",
        "PYTHONPYCACHEPREFIX": "/c/bytecode",
        "VIRTUAL_ENV": "/c/v",
    }


def test_the_environment_of_the_environment_is_the_same() -> None:
    once = made().environment({"PATH": "/bin", "PULUMI_HOME": "/own"})
    assert once["PULUMI_HOME"] == "/own"
    assert made().environment(once) == once


def test_python_compiles_a_module_once_whatever_the_user_has_set_and_not_into_the_checkout() -> None:
    environ = made().environment({"PYTHONDONTWRITEBYTECODE": "1"})
    assert "PYTHONDONTWRITEBYTECODE" not in environ
    assert environ["PYTHONPYCACHEPREFIX"] == "/c/bytecode"
    assert made().environment({"PYTHONPYCACHEPREFIX": "/own"})["PYTHONPYCACHEPREFIX"] == "/own"


def test_an_environment_without_path_gets_the_systems() -> None:
    assert made().environment({})["PATH"].endswith(os.defpath)
