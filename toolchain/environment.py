"""The Python environment: a venv with what the requirement files name, as the constraints pin it."""

import importlib.util
import platform
import sys
from pathlib import Path

from toolchain import versions
from toolchain.cache import Making, folder_size
from toolchain.context import Context, key
from toolchain.errors import BuildFailed, ToolchainError
from toolchain.progress import size

SUBJECT = "python environment"
# Settings of the user's that would put the packages elsewhere, or other packages in their place.
UNFIT = ("PIP_PREFIX", "PIP_TARGET", "PIP_USER", "PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__")


def name() -> str:
    """The folder's name: another one for other requirements or another Python."""
    files = (*versions.REQUIREMENTS, versions.CONSTRAINTS)
    return f"venv-{key(platform.python_version(), *(file.read_text(encoding='utf-8') for file in files))}"


def folder(context: Context) -> Path:
    """Where the venv is, or will be."""
    return context.cache.root / name()


def is_there(context: Context) -> bool:
    """Whether the venv is made."""
    # It leans on the Python that made it: where that one was removed, the link leads nowhere.
    return context.cache.complete(name()) and (folder(context) / "bin" / "python").exists()


def check(context: Context) -> None:
    """
    Raises:
        ToolchainError: nothing may be made, or Python can't make a venv
    """
    context.must_make(SUBJECT)
    missing = [module for module in ("venv", "ensurepip") if importlib.util.find_spec(module) is None]
    if missing:
        raise ToolchainError(
            f"{SUBJECT}: {sys.executable} comes without {' and '.join(missing)};"
            f" install them (Debian and Ubuntu: apt install python3-venv)"
        )


def make(context: Context) -> Path:
    """The venv; another process may have made it meanwhile."""
    cache, own = context.cache, name()
    with cache.lock(own, context.progress):
        if cache.complete(own) and not is_there(context):
            cache.remove(own)
    with cache.making(own, context.progress) as making:
        if making:
            _make(context, making)
    return folder(context)


def _make(context: Context, making: Making) -> None:
    from toolchain.process import run

    pins = versions.CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    count = sum("==" in line for line in pins)
    what = f"{platform.python_version()}, {count} packages, about two minutes, since {making.folder} isn't there yet"
    environ = {name: value for name, value in context.environ.items() if name not in UNFIT}
    environ |= {"TMPDIR": str(making.scratch), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    python = making.folder / "bin" / "python"
    # Compiling all modules would take half the time and space; Python compiles those that are used.
    pip = [python, "-m", "pip", "install", "--no-input", "--progress-bar=off", "--no-compile"]
    files = [word for file in versions.REQUIREMENTS for word in ("-r", str(file))]
    with context.progress.task(SUBJECT, what) as task:
        try:
            for command in (
                [sys.executable, "-m", "venv", making.folder],
                [*pip, *files, "-c", versions.CONSTRAINTS],
            ):
                run(command, log=making.log, kept=making.kept, environ=environ)
        except BuildFailed as error:
            advice = "it is tried again at the next call, and needs a package index that answers"
            raise ToolchainError(f"{SUBJECT}: {error}; {advice}; log: {making.log}") from None
        task.note = size(folder_size(making.folder))
