"""The engine: the one on PATH if it will do, else the official release, else built from its Go modules.

What only making it needs is imported there: every command begins by asking whether it is there.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from toolchain import found, versions
from toolchain.cache import Making, folder_size
from toolchain.context import Context, key
from toolchain.errors import BuildFailed, ToolchainError
from toolchain.progress import size

Source = Literal["path", "release", "built"]
SUBJECT = "engine"
INSTALL = """
import socket, sys
from semver import VersionInfo
from pulumi.automation import PulumiCommand
socket.setdefaulttimeout(20)
PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
"""
RELEASE_HOST = "get.pulumi.com"
RELEASE_SECONDS = 900  # also for a slow line; where the host is not found, it gives up at once


@dataclass(frozen=True)
class Engine:
    """An engine that is ready, in a folder of the cache."""

    bin: Path
    version: str
    source: Source


def release_name() -> str:
    """The folder of the official release."""
    version = versions.engine_version()
    return f"engine-{version}-{key('release', version)}"


def built_name() -> str:
    """The folder of the engine built here; another one when a pinned module changes."""
    files = sorted(file for folder in (versions.ENGINE_MODULE, versions.HOST_MODULE) for file in folder.iterdir())
    return f"engine-{versions.engine_version()}-{key('built', *(file.read_bytes() for file in files))}"


def ensure(context: Context, venv: Path) -> Engine:
    """The engine, fetched or built if it isn't there."""
    way = context.choice("VPB_ENGINE", "auto", "path", "release", "build")
    if way in ("auto", "path") and (engine := _from_path(context, required=way == "path")):
        return engine
    if engine := _present(context, way):
        return engine
    context.must_make(SUBJECT)
    if way in ("auto", "release") and (engine := _from_release(context, venv, required=way == "release")):
        return engine
    _build(context)
    return _at(context, built_name(), "built")


def _build(context: Context) -> None:
    from toolchain import build

    _fill(context, built_name(), lambda making: build.build(context, making))


@contextmanager
def beside(context: Context) -> Iterator[None]:
    """Build it while the block makes what the build doesn't need; nothing where a release may be had.

    Raises:
        ToolchainError: the build failed
    """
    if not _has_to_be_built(context):
        yield
        return
    from toolchain.process import ended

    failed: list[BaseException] = []

    def work() -> None:
        try:
            _build(context)
        # Whatever it is, the other thread is to end with it.
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
        thread.join()
    except BaseException:
        with ended():
            thread.join()
        raise
    if failed:
        raise failed[0]


def _has_to_be_built(context: Context) -> bool:
    way = context.choice("VPB_ENGINE", "auto", "path", "release", "build")
    if not context.may_make or way not in ("auto", "build") or _present(context, way):
        return False
    return way == "build" or (bool(found.find(context).reason) and not _served(context.environ))


def _served(environ: Mapping[str, str]) -> bool:
    """Whether the official release may be had: it takes less time than any build."""
    if any(environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    import socket

    try:
        socket.getaddrinfo(RELEASE_HOST, 443)
    except OSError:
        return False
    return True


def _from_path(context: Context, *, required: bool) -> Engine | None:
    finding = found.find(context)
    if finding.reason:
        if required:
            raise ToolchainError(f"{SUBJECT}: VPB_ENGINE=path, but {finding.reason}")
        return None
    name = f"engine-{finding.version}-{finding.key}"
    if not context.cache.complete(name):
        context.must_make(SUBJECT)
        _fill(context, name, finding.link)
        context.progress.say(f"{SUBJECT}: pulumi {finding.version} from PATH ({finding.programs['pulumi']})")
    return Engine(context.cache.root / name / "bin", finding.version, "path")


def _present(context: Context, way: str) -> Engine | None:
    if way in ("auto", "release") and context.cache.complete(release_name()):
        return _at(context, release_name(), "release")
    if way in ("auto", "build") and context.cache.complete(built_name()):
        return _at(context, built_name(), "built")
    return None


def _from_release(context: Context, venv: Path, *, required: bool) -> Engine | None:
    version = versions.engine_version()
    log = context.cache.root / "logs" / f"{release_name()}.log"

    def fetch(making: Making) -> None:
        from toolchain.process import run

        command = [venv / "bin" / "python", "-c", INSTALL, making.folder, version]
        with context.progress.task(SUBJECT, f"official release of pulumi {version}") as task:
            environ = context.environ | {"TMPDIR": str(making.scratch)}
            run(command, log=making.log, kept=making.kept, environ=environ, timeout=RELEASE_SECONDS)
            task.note = size(folder_size(making.folder))

    try:
        _fill(context, release_name(), fetch)
    except BuildFailed as error:
        if required:
            raise ToolchainError(f"{SUBJECT}: the official release can't be had: {error}; log: {log}") from None
        context.progress.say(f"{SUBJECT}: the official release can't be had here ({error}), so it is built")
        return None
    return _at(context, release_name(), "release")


def _fill(context: Context, name: str, make: Callable[[Making], None]) -> None:
    from toolchain.process import answer

    with context.cache.making(name, context.progress) as making:
        if making:
            make(making)
            bin_folder = making.folder / "bin"
            # What doesn't start must not count as complete.
            answer([bin_folder / "pulumi", "version"], context.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"})


def _at(context: Context, name: str, source: Source) -> Engine:
    return Engine(context.cache.root / name / "bin", versions.engine_version(), source)


def current_names(context: Context) -> set[str]:
    """The folders that belong to the present version, whichever way the engine came."""
    finding = found.find(context)
    return {release_name(), built_name(), f"engine-{finding.version}-{finding.key}"}
