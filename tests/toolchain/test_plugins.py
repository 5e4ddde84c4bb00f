"""The official plugins where they can be had, the stand-ins where not; and the environment that follows from it."""

import os
from pathlib import Path

import pytest

from tests.toolchain.world import World, pulumi
from toolchain import Toolchain, versions

TWICE = "`python3 -m toolchain ensure --retry` tries again"


@pytest.fixture
def ready(world: World) -> World:
    """A machine that has everything but the plugins."""
    pulumi(world.path)
    return world


def test_where_the_official_ones_cannot_be_had_the_stand_ins_are_used_and_said_once(ready: World) -> None:
    done = ready.run("ensure")
    assert done.stderr.splitlines()[-1].startswith("plugins: the stand-ins of local/standins, since the official ones")
    assert "(error: no such host)" in done.stderr
    assert TWICE in done.stderr
    assert ready.ensure()["standins"] is True
    assert ready.run("ensure").stderr == ""
    assert ready.calls("plugins") == ["aws"]


def test_a_retry_asks_again_and_takes_what_it_gets(ready: World) -> None:
    ready.ensure()
    ready.run("ensure", "--retry")
    assert ready.calls("plugins") == ["aws", "aws"]
    assert ready.run("ensure", "--retry", PLUGINS_SERVED="1").returncode == 0
    assert ready.ensure()["standins"] is False


def test_official_plugins_are_installed_once(ready: World) -> None:
    assert ready.ensure(PLUGINS_SERVED="1")["standins"] is False
    assert sorted(path.name for path in (ready.cache / "home" / "plugins").iterdir()) == [
        "resource-aws-v7.51.1",
    ]
    assert ready.ensure()["standins"] is False
    assert ready.run("ensure").stderr == ""
    assert ready.calls("plugins") == ["aws"]


def test_official_plugins_that_were_removed_are_fetched_again(ready: World) -> None:
    ready.ensure(PLUGINS_SERVED="1")
    (ready.cache / "home" / "plugins" / "resource-aws-v7.51.1").rmdir()
    assert ready.ensure(PLUGINS_SERVED="1")["standins"] is False
    assert len(ready.calls("plugins")) == 2


def test_a_plugin_that_was_cut_off_does_not_count(ready: World) -> None:
    ready.ensure(PLUGINS_SERVED="1")
    (ready.cache / "home" / "plugins" / "resource-aws-v7.51.1.partial").touch()
    ready.ensure(PLUGINS_SERVED="1")
    assert len(ready.calls("plugins")) == 2


def test_the_users_own_pulumi_folder_is_the_one_that_counts(ready: World) -> None:
    own = ready.root / "own"
    ready.ensure(PLUGINS_SERVED="1", PULUMI_HOME=str(own))
    assert (own / "plugins" / "resource-aws-v7.51.1").is_dir()
    assert not (ready.cache / "home").exists()


def test_stand_ins_that_are_asked_for_are_taken_without_a_try(ready: World) -> None:
    assert ready.ensure(VPB_PLUGINS="standins", PLUGINS_SERVED="1")["standins"] is True
    assert ready.calls("plugins") == []


def test_official_plugins_that_are_asked_for_are_not_replaced(ready: World) -> None:
    line = ready.refused(VPB_PLUGINS="official")
    expected = "plugins: VPB_PLUGINS=official, but they can't be had: error: no such host; log: "
    assert line.startswith(expected)
    assert Path(line.removeprefix(expected)).is_file()


def made(*, standins: bool) -> Toolchain:
    cache = Path("/c")
    return Toolchain(
        cache, cache / "v", cache / "e" / "bin", cache / "e" / "bin" / "pulumi", "3.259.0", "built", standins
    )


def test_the_environment_has_the_venv_first_then_the_engine() -> None:
    environ = made(standins=False).environment({"PATH": "/usr/bin:/bin", "LANG": "C", "PYTHONHOME": "/elsewhere"})
    assert environ == {
        "PATH": "/c/v/bin:/c/e/bin:/usr/bin:/bin",
        "LANG": "C",
        "PULUMI_HOME": "/c/home",
        "PULUMI_LOG_ROTATION_MAX_TOTAL_MB": "50",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PYTHONPYCACHEPREFIX": "/c/bytecode",
        "VIRTUAL_ENV": "/c/v",
    }


def test_the_environment_has_the_stand_ins_and_no_downloads_where_they_are_used() -> None:
    environ = made(standins=True).environment({"PATH": "/bin"})
    folder = versions.CHECKOUT / "local" / "standins" / "bin"
    assert environ["PATH"] == f"/c/v/bin:/c/e/bin:{folder}:/bin"
    assert environ["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"


def test_the_environment_of_the_environment_is_the_same() -> None:
    once = made(standins=True).environment({"PATH": "/bin", "PULUMI_HOME": "/own"})
    assert once["PULUMI_HOME"] == "/own"
    assert made(standins=True).environment(once) == once


def test_python_compiles_a_module_once_whatever_the_user_has_set_and_not_into_the_checkout() -> None:
    environ = made(standins=False).environment({"PYTHONDONTWRITEBYTECODE": "1"})
    assert "PYTHONDONTWRITEBYTECODE" not in environ
    assert environ["PYTHONPYCACHEPREFIX"] == "/c/bytecode"
    assert made(standins=False).environment({"PYTHONPYCACHEPREFIX": "/own"})["PYTHONPYCACHEPREFIX"] == "/own"


def test_an_environment_without_path_gets_the_systems() -> None:
    assert made(standins=False).environment({})["PATH"].endswith(os.defpath)
