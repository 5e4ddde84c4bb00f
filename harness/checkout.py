"""A checkout of its own to break: the files of this one in a temporary folder, with its own stack and services.

The folder has a space in its name, and everything in it, its servers included, is gone when the `with` block ends.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from declared.errors import UserError
from declared.paths import CHECKOUT
from local import postgres
from local.paths import data_folder
from local.processes import state_and_parent
from toolchain import versions

MARK = "VPB_SCRATCH"
RUN_SECONDS = 300
# What would lead a run in the copy to the state of the checkout that it was copied from.
FOREIGN = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_STACK")


class ScratchError(UserError):
    """The copy can't be used; the text is one line."""


@dataclass(frozen=True)
class Process:
    """A process that was started, directly or not, for one scratch copy."""

    pid: int
    parent: int
    command: tuple[str, ...]


@dataclass(frozen=True)
class Finished:
    """A run that has ended: what the user saw, and how long it took."""

    status: int
    output: str
    seconds: float

    @property
    def last_line(self) -> str:
        lines = [line for line in self.output.splitlines() if line.strip()]
        return lines[-1] if lines else ""


class Run:
    """A command under way in a scratch copy, in a process group of its own as a shell would start it."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the run
        self._started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def output(self) -> str:
        """What was written so far."""
        position = os.lseek(self._output.fileno(), 0, os.SEEK_CUR)
        return os.pread(self._output.fileno(), position, 0).decode(errors="replace")

    def wait(self, seconds: float = RUN_SECONDS) -> Finished:
        """Its end.

        :raises ScratchError: where it hangs; its group is killed
        """
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise ScratchError(f"{self.process.args!r} did not end in {seconds:.0f} s") from None
        finished = Finished(status, self.output, time.monotonic() - self._started)
        self._output.close()
        return finished

    def interrupt(self) -> None:
        """What Ctrl-C does: SIGINT to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)


class Scratch:
    """The copy, as a context manager; `stack` is the only one that it knows."""

    def __init__(self, stack: str = "dev", source: Path = CHECKOUT) -> None:
        if not Path("/proc/self/environ").exists():
            raise ScratchError("a scratch copy finds its processes in /proc, which this system doesn't have")
        self.stack = stack
        self._source = source
        self._mark = secrets.token_hex(8)
        self._parent = Path(tempfile.gettempdir()) / f"visual prompt builder {self._mark}"
        self.folder = self._parent / "checkout"
        self.environment = _environment(self.folder) | {MARK: self._mark}

    def __enter__(self) -> Self:
        # SIGTERM and SIGHUP too must run the `finally` blocks, or servers would be left behind.
        self._before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
        try:
            self._parent.mkdir(mode=0o700)
            _copy(self._source, self.folder)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        # An impatient second Ctrl-C would leave servers behind.
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._remove()
        finally:
            for number, handler in {**self._before, signal.SIGINT: interrupt}.items():
                signal.signal(number, handler)

    def _remove(self) -> None:
        self.clear()
        home = Path(os.environ.get("PULUMI_HOME", Path.home() / ".pulumi"))
        for path in home.glob("workspaces/*.json"):
            # Pulumi notes there which stack is selected in which folder.
            with suppress(OSError):
                if str(self.folder) in path.read_text():
                    path.unlink()
        shutil.rmtree(self._parent, ignore_errors=True)
        if sys.pycache_prefix:
            # Python keeps what it compiles of the copy there, under the copy's whole path.
            shutil.rmtree(Path(sys.pycache_prefix) / self._parent.relative_to("/"), ignore_errors=True)

    def clear(self) -> None:
        """Kill everything that runs for the copy and delete what it kept; its files stay."""
        deadline = time.monotonic() + 20
        while (left := self.processes()) and time.monotonic() < deadline:
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.1)
        if data_folder(self.stack_folder) != self.stack_folder:
            shutil.rmtree(data_folder(self.stack_folder), ignore_errors=True)
        shutil.rmtree(self.folder / ".local", ignore_errors=True)

    # Commands.

    def start(self, *arguments: str) -> Run:
        """Begin `./vpb ARGUMENTS`, or any other module with `-m` as the first argument."""
        module = arguments if arguments[0] == "-m" else ("-m", "ops", *arguments, "--stack", self.stack)
        return Run([sys.executable, *module], self.folder, self.environment)

    def up(self) -> Finished:
        """`make up`."""
        return self.start("up").wait()

    def down(self) -> Finished:
        """`make down`."""
        return self.start("down").wait()

    def drift(self) -> Finished:
        """`make drift`."""
        return self.start("drift").wait()

    def pulumi(self, *arguments: str) -> Finished:
        """`./pulumiw ARGUMENTS` on the stack."""
        return self.start("-m", "run", *arguments, "--stack", self.stack).wait()

    def preview(self) -> Finished:
        """A preview that fails where there is anything to do."""
        return self.pulumi("preview", "--expect-no-changes", "--non-interactive")

    # What is there.

    @property
    def stack_folder(self) -> Path:
        return self.folder / ".local" / self.stack

    @property
    def state_folder(self) -> Path:
        return self.folder / ".local" / "state"

    @property
    def checkpoint(self) -> Path:
        return self.state_folder / ".pulumi" / "stacks" / "database" / f"{self.stack}.json"

    @property
    def data(self) -> Path:
        """The data folder of the embedded PostgreSQL."""
        return data_folder(self.stack_folder) / "postgres"

    @property
    def services(self) -> dict[str, Any]:
        """The services as the program gets them."""
        found: dict[str, Any] = json.loads((self.stack_folder / "services.json").read_text())
        return found

    @property
    def url(self) -> str:
        """The superuser's connection URL, for a server that runs."""
        return postgres.RunningServer(**self.services["postgres"]).url()

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        """Run statements as the superuser; the rows of the last one."""
        # Every `./vpb` imports this module; this import takes as long as all others together.
        import psycopg

        with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(query.encode())
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def processes(self) -> list[Process]:
        """Every living process that was started for this copy, servers included."""
        wanted = f"{MARK}={self._mark}".encode()
        found = (_process(path, wanted) for path in Path("/proc").iterdir() if path.name.isdigit())
        return [process for process in found if process]

    def strays(self) -> list[Process]:
        """Processes that no run of this copy should have left behind: all but the two servers."""
        postmaster = postgres.process_id(self.stack_folder)
        return [
            process
            for process in self.processes()
            if postmaster not in (process.pid, process.parent) and "local.moto" not in process.command
        ]


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _environment(folder: Path) -> dict[str, str]:
    variables = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    sources = os.pathsep.join(str(folder / source.relative_to(CHECKOUT)) for source in versions.SOURCES)
    return variables | {"PYTHONPATH": sources, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


def _copy(source: Path, folder: Path) -> None:
    if not (source / ".git").exists():
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".local", "__pycache__", ".venv"))
        return
    for name in _listed(source):
        # A file that was deleted and not committed is still listed.
        if (source / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, folder / name)


def _listed(source: Path) -> Iterator[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=source, capture_output=True, check=True
    )
    yield from (name for name in listed.stdout.decode().split("\0") if name)


def _process(path: Path, wanted: bytes) -> Process | None:
    with suppress(OSError):
        if wanted not in (path / "environ").read_bytes().split(b"\0"):
            return None
        state, parent = state_and_parent(int(path.name))
        command = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
        return None if state == "Z" else Process(int(path.name), parent, tuple(command[:-1]))
    return None
