"""The toolchain: from git, make, Python and package registries to Pulumi's engine with everything it needs.

Only the standard library is used, since this runs before any environment exists: `pulumiw` imports it, people run
`python3 -m toolchain`. The three parts are `environment` (the venv), `engine` and `plugins`; `cache` is where they put
what they make.
"""

from toolchain import python  # noqa: F401, I001  first: refuses an old Python before the rest fails on it

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from toolchain import engine, environment, plugins, versions
from toolchain.cache import Cache
from toolchain.context import Context
from toolchain.engine import Source
from toolchain.errors import ToolchainError, one_line_errors
from toolchain.progress import Progress

__all__ = ["Toolchain", "ToolchainError", "ensure"]

# Where Python would look for its library, and not in the venv's; what would have every process of a run compile all
# modules again, for which most of a second goes. What is compiled lies in the cache, and none of it in the checkout.
UNFIT = ("PYTHONHOME", "PYTHONDONTWRITEBYTECODE")
# The engine keeps a log of each command, sealed with the stack's passphrase, and half a gigabyte of them if left alone.
LOG_MEGABYTES = "50"


@dataclass(frozen=True)
class Toolchain:
    """A toolchain that is ready.

    Args:
        bin: holds the engine, its Python host and the scripts beside them.
        source: where the engine came from.
    """

    cache: Path
    venv: Path
    bin: Path
    pulumi: Path
    version: str
    source: Source

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """The environment for Pulumi and for everything that it starts; doing it twice changes nothing."""
        folders = [str(self.venv / "bin"), str(self.bin)]
        rest = [folder for folder in base.get("PATH", os.defpath).split(os.pathsep) if folder not in folders]
        environ = {name: value for name, value in base.items() if name not in UNFIT}
        environ |= {
            # Its handlers end a process that forks while gRPC is at work; ours go on as another program at once.
            "GRPC_ENABLE_FORK_SUPPORT": "false",
            "PATH": os.pathsep.join([*folders, *rest]),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PYTHONPATH": os.pathsep.join(map(str, versions.SOURCES)),
            "VIRTUAL_ENV": str(self.venv),
        }
        defaults = {
            "PULUMI_HOME": str(Cache(self.cache).home),
            "PULUMI_LOG_ROTATION_MAX_TOTAL_MB": LOG_MEGABYTES,
            "PYTHONPYCACHEPREFIX": str(Cache(self.cache).bytecode),
        }
        environ |= {name: base.get(name) or value for name, value in defaults.items()}
        return environ

    def as_json(self) -> dict[str, str | bool]:
        """The fields as JSON has them."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}


def ensure(
    progress: Callable[[str], None] | None = None,
    *,
    make: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Toolchain:
    """The toolchain, with what is missing of it made; where all is there, it says nothing and writes nothing.

    Args:
        progress: receives the lines that tell what goes on; without it they go to standard error.
        make: False raises where something is missing, and makes nothing.
        environ: stands for the process's own environment.

    Raises:
        ToolchainError: a part failed; its text is one line for the user.
    """
    context = context_of(progress, make=make, environ=environ)
    with one_line_errors(context.cache.root):
        venv = _environment(context)
        ready = engine.ensure(context, venv)
    return Toolchain(context.cache.root, venv, ready.bin, ready.bin / "pulumi", ready.version, ready.source)


def ensure_plugins(
    progress: Callable[[str], None] | None = None,
    *,
    make: bool = True,
    environ: Mapping[str, str] | None = None,
) -> None:
    """The official plugins, installed where they are missing; a stack that isn't local needs them.

    Args:
        progress: as in `ensure`.
        make: as in `ensure`.
        environ: as in `ensure`.

    Raises:
        ToolchainError: one can't be had; its text is one line for the user.
    """
    context = context_of(progress, make=make, environ=environ)
    with one_line_errors(context.cache.root):
        venv = _environment(context)
        plugins.ensure(context, engine.ensure(context, venv))


def _environment(context: Context) -> Path:
    if environment.is_there(context):
        return environment.folder(context)
    environment.check(context)
    with engine.beside(context):
        return environment.make(context)


def context_of(
    progress: Callable[[str], None] | None = None,
    *,
    make: bool = True,
    environ: Mapping[str, str] | None = None,
) -> Context:
    """What the parts are given."""
    environ = dict(os.environ if environ is None else environ)
    return Context(Cache.of(environ), environ, Progress(progress), make)
