"""Pulumi as this project runs it: with a state and a passphrase of its own where none are set, and with its services.

A user's own backend (`PULUMI_BACKEND_URL`) and passphrase are left alone. Without them the state of every stack lies
in `.local/state`, encrypted with a passphrase that never leaves this checkout.
"""

import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import yaml

from local import services
from local.paths import CHECKOUT, stack_folder

# The commands that talk to the resources of a stack, and so need its servers.
NEED_SERVICES = {"up", "update", "preview", "pre", "refresh", "destroy", "down", "dn", "import", "watch"}
# Of these, the ones that change something; two of them at once would be in each other's way.
CHANGE = NEED_SERVICES - {"preview", "pre"}
# Carried by every process of one run, so that those of a killed one are told from anybody else's.
RUN_MARK = "VPB_RUN"
ENGINE = "pulumi"
SALT = re.compile(r"^encryptionsalt: .*\n", re.MULTILINE)


class EngineError(Exception):
    """Something in the way of a run; the text is one line for the user."""


def environment(command: str = "") -> dict[str, str]:
    """The environment of a Pulumi command, with our state and passphrase where the user has set none."""
    found = dict(os.environ)
    found.setdefault("PULUMI_SKIP_UPDATE_CHECK", "true")
    # Ports of local services can change; a run must go by the program's view of them, not by the last run's.
    # `refresh` alone can't: with the program, engine 3.259 fails once a resource that others depend on is gone.
    if command != "refresh":
        found.setdefault("PULUMI_RUN_PROGRAM", "true")
    if "PULUMI_BACKEND_URL" not in found:
        state = CHECKOUT / ".local" / "state"
        state.mkdir(parents=True, exist_ok=True)
        state.parent.chmod(0o700)
        found["PULUMI_BACKEND_URL"] = f"file://{state}"
        if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & found.keys():
            found["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(_passphrase())
            # The salt is kept in the state, so that a stack's file in the checkout stays as it was committed.
            found["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] = "true"
    return found


def _passphrase() -> Path:
    path = CHECKOUT / ".local" / "passphrase"
    if not path.exists():
        _give_up_unreadable()
    with suppress(FileExistsError), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(24))
    return path


def _give_up_unreadable() -> None:
    """Without the passphrase no state can be read: it is set aside, and `up` adopts what is on the servers."""
    for path in _checkpoints().glob("*.json"):
        settings = CHECKOUT / f"Pulumi.{path.stem}.yaml"
        if settings.exists() and "secure:" in settings.read_text():
            raise EngineError(
                f".local/passphrase is gone, and {settings.name} has secrets encrypted with it: put the file back, "
                "or take the secrets and `encryptionsalt` out and set them again"
            )
        _set_aside(path, "can't be read, its passphrase is gone")


def _set_aside(path: Path, reason: str) -> None:
    path.replace(path.with_suffix(".unreadable"))
    path.with_name(f"{path.name}.bak").unlink(missing_ok=True)
    _say(f"the state of stack {path.stem} {reason}: set aside, taking over what is on the servers")


def target(stack: str) -> str:
    """The setting `database:target` of a stack, as its file says."""
    return str(_configuration(stack).get("database:target", "local"))


def embedded(stack: str) -> bool:
    """Whether the stack lives on the embedded PostgreSQL rather than on a server that it names."""
    return not _configuration(stack).get("database:url")


def _configuration(stack: str) -> Mapping[str, object]:
    path = CHECKOUT / f"Pulumi.{stack}.yaml"
    if not path.exists():
        return {}
    content = yaml.safe_load(path.read_text()) or {}
    found = content.get("config") or {}
    if not isinstance(found, Mapping):
        raise EngineError(f"{path.name}: config must be a map of settings")
    return found


def run(arguments: Sequence[str], stack: str | None = None) -> int:
    """Run `pulumi ARGUMENTS` in the foreground, with what it needs; its exit status."""
    with _prepared(arguments, stack) as variables:
        status = _child(["pulumi", *arguments], variables)
        if status < 0:
            _end_left_over(variables[RUN_MARK])
            raise EngineError(f"pulumi was ended by signal {-status}; run it again, it goes on from where this run was")
        if status and _command(arguments) in CHANGE:
            _tell(
                f"pulumi {_command(arguments)} did not finish, the lines above say why; "
                "what is done stays done, the next run does the rest"
            )
        return status


def capture(arguments: Sequence[str], stack: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `pulumi ARGUMENTS` with what it needs; its exit status and what it wrote."""
    with _prepared(arguments, stack) as variables:
        return subprocess.run(["pulumi", *arguments], env=variables, capture_output=True, text=True, check=False)


@contextmanager
def _prepared(arguments: Sequence[str], stack: str | None) -> Iterator[dict[str, str]]:
    command = _command(arguments)
    variables = environment(command) | {RUN_MARK: secrets.token_hex(8)}
    ours = "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER" in variables
    with ExitStack() as held:
        if command in NEED_SERVICES:
            stack = stack or _named(arguments) or _selected(variables)
            if stack and target(stack) == "local":
                changes = command in CHANGE and "--preview-only" not in arguments
                held.enter_context(_alone(stack, variables[RUN_MARK], changes))
                services.ensure(stack, embedded(stack), progress=_say)
                if ours:
                    release(stack)
        if ours:
            _drop_salts()
            held.callback(_drop_salts)
        yield variables


def _command(arguments: Sequence[str]) -> str:
    return next((word for word in arguments if not word.startswith("-")), "")


@contextmanager
def _alone(stack: str, mark: str, changes: bool) -> Iterator[None]:
    """Keep other runs away from the stack, and end what a killed one left; previews don't mind each other.

    :raises EngineError: while another run is under way
    """
    with (stack_folder(stack) / "run.lock").open("a+") as handle:
        handle.seek(0)
        last = handle.read()
        try:
            fcntl.flock(handle, (fcntl.LOCK_EX if changes else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EngineError(f"stack {stack}: another run is under way; wait for it to end") from None
        _end_left_over(last, stack)
        if changes:
            handle.truncate(0)
            handle.write(mark)
            handle.flush()
        yield


def _end_left_over(mark: str, stack: str = "") -> None:
    """End what is left of a run: the language host notices only after minutes that its engine is gone.

    Where there is no /proc, that is how it ends.

    :raises EngineError: where the run itself was killed and its engine is still at work on `stack`
    """
    for pid, name in _of_run(mark):
        if stack and name == ENGINE:
            raise EngineError(f"stack {stack}: another run is under way (process {pid}); wait for it to end")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _of_run(mark: str) -> list[tuple[int, str]]:
    """Process id and name of every process of a run, its engine first."""
    wanted, found = f"{RUN_MARK}={mark}".encode(), []
    for path in Path("/proc").glob("[0-9]*") if mark else ():
        with suppress(OSError):
            if wanted in (path / "environ").read_bytes().split(b"\0"):
                found.append((int(path.name), _program(int(path.name))))
    return sorted(found, key=lambda process: process[1] != ENGINE)


def _program(pid: int) -> str:
    return Path(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0])).name


def make_stack(stack: str) -> None:
    """Make the stack, if it isn't there.

    :raises EngineError: with what Pulumi said
    """
    environment("stack")
    _restore(stack)
    if not exists(stack):
        made = capture(["stack", "select", stack, "--create"])
        # Two first runs at once both find it missing.
        if made.returncode and not exists(stack):
            raise EngineError(f"stack {stack} can't be made: {' '.join(made.stderr.split())}")


def _say(message: str) -> None:
    print(f"{message} …", file=sys.stderr, flush=True)


def _tell(error: str) -> None:
    print(f"error: {error}", file=sys.stderr, flush=True)


def _child(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run in the foreground; Ctrl-C reaches the child by itself, and it decides when to end."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(command, env=dict(variables), preexec_fn=_default_interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _: process.send_signal(received))
        return process.wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _named(arguments: Sequence[str]) -> str | None:
    for position, word in enumerate(arguments):
        if word in ("-s", "--stack") and position + 1 < len(arguments):
            return arguments[position + 1]
        if word.startswith("--stack="):
            return word.partition("=")[2]
    return os.environ.get("PULUMI_STACK")


def _selected(variables: Mapping[str, str]) -> str | None:
    answer = subprocess.run(
        ["pulumi", "stack", "--show-name"], env=dict(variables), capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def _drop_salts() -> None:
    """Take the salt of our own passphrase out of the stack files again, unless a secret there depends on it."""
    for path in CHECKOUT.glob("Pulumi.*.yaml"):
        text = path.read_text()
        if SALT.search(text) and "secure:" not in text:
            path.write_text(SALT.sub("", text))


def _checkpoints() -> Path:
    return CHECKOUT / ".local" / "state" / ".pulumi" / "stacks" / "database"


def _checkpoint(stack: str) -> Path:
    return _checkpoints() / f"{stack}.json"


def _restore(stack: str) -> None:
    """Where the machine died while the state was being written, go back to the copy that Pulumi keeps."""
    path = _checkpoint(stack)
    backup = path.with_name(f"{path.name}.bak")
    if "PULUMI_BACKEND_URL" in os.environ or not path.exists() or _whole(path):
        return
    if _whole(backup):
        _say(f"the state of stack {stack} was cut off while it was written: going on from the one before")
        shutil.copyfile(backup, path)
    else:
        _set_aside(path, "is damaged")


def _whole(path: Path) -> bool:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "checkpoint" in content


def exists(stack: str) -> bool:
    """Whether the stack was ever made; for a backend of the user's own, Pulumi is asked."""
    if "PULUMI_BACKEND_URL" not in os.environ:
        return _checkpoint(stack).exists()
    return capture(["stack", "--stack", stack]).returncode == 0


def any_stack() -> bool:
    """Whether our own state holds any stack."""
    return any(_checkpoints().glob("*.json"))


def release(stack: str) -> None:
    """Clear what a killed run left behind: its lock, and its note of operations that may or may not have happened.

    Every resource of this project is found again and adopted, so that note has nothing to add.

    :raises EngineError: while the run that holds the lock is alive
    """
    folder = CHECKOUT / ".local" / "state" / ".pulumi" / "locks"
    for path in folder.glob(f"**/{stack}/*.json"):
        holder = _holder(path)
        if holder is None:
            path.unlink(missing_ok=True)
        else:
            raise EngineError(f"stack {stack}: another run is under way ({holder}); wait for it to end")
    _restore(stack)
    _forget_pending(_checkpoint(stack))


def _holder(path: Path) -> str | None:
    """The run that holds a lock of Pulumi's; None where it is over, or was cut off while it wrote the lock."""
    try:
        lock = json.loads(path.read_text())
        pid, host = int(lock["pid"]), lock["hostname"]
        if host == socket.gethostname() and not _alive(pid):
            return None
        return f"process {pid} on {host} since {lock['timestamp']}"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _alive(pid: int) -> bool:
    """Whether the process is there and an engine: after a restart of the machine the number may be anybody's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if Path("/proc/self").exists():
        # Empty for a zombie.
        with suppress(OSError):
            return _program(pid) == ENGINE
        return False
    return True


def _forget_pending(path: Path) -> None:
    with suppress(OSError):
        content = json.loads(path.read_text())
        latest = content["checkpoint"]["latest"]
        if latest and latest.get("pending_operations"):
            latest["pending_operations"] = []
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(content, indent=4))
            partial.replace(path)
