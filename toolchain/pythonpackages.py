"""Packages from the Python package index that stand beside the environment, in a folder of their own."""

import sys
from pathlib import Path

from toolchain.cache import folder_size
from toolchain.context import Context, key
from toolchain.environment import UNFIT
from toolchain.errors import BuildFailed, ToolchainError, one_line_errors
from toolchain.process import run
from toolchain.progress import size

SUBJECT = "packages of Python"


def name(requirements: Path) -> str:
    """The cache's folder for the packages that a file pins: another one for other pins or another Python."""
    python = ".".join(map(str, sys.version_info[:2]))
    pins = requirements.read_text(encoding="utf-8") if requirements.exists() else ""
    return f"python-packages-{key(python, pins)}"


def ensure(context: Context, requirements: Path) -> Path:
    """A folder for `PYTHONPATH` with the packages that a file pins; what they need is in it, or in the environment.

    Raises:
        ToolchainError: a package can't be had; one line for the user.
    """
    cache, own = context.cache, name(requirements)
    with one_line_errors(cache.root):
        if not cache.complete(own):
            context.must_make(SUBJECT)
            with cache.making(own, context.progress) as making:
                if making:
                    environ = {each: value for each, value in context.environ.items() if each not in UNFIT}
                    pip = [sys.executable, "-m", "pip", "install", "--no-input", "--no-deps", "--no-compile"]
                    command = [*pip, "--progress-bar=off", "--target", making.folder, "-r", requirements]
                    with context.progress.task(
                        SUBJECT, f"as {requirements.parent.name}/{requirements.name} pins them"
                    ) as task:
                        try:
                            run(command, log=making.log, kept=making.kept, environ=environ)
                        except BuildFailed as error:
                            raise ToolchainError(f"{SUBJECT}: {error}; log: {making.log}") from None
                        task.note = size(folder_size(making.folder))
    return cache.root / own
