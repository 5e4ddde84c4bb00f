"""Pulumi as this project runs it: with a state and a passphrase of its own where none are set, and with its services.

A user's own backend (`PULUMI_BACKEND_URL`) and passphrase are left alone. Without them the state of every stack lies
in `.local/state`, encrypted with a passphrase that never leaves this checkout.
"""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from local import services
from local.paths import CHECKOUT

# The commands that talk to the resources of a stack, and so need its servers.
NEED_SERVICES = {"up", "update", "preview", "pre", "refresh", "destroy", "down", "dn", "import", "watch"}
SALT = re.compile(r"^encryptionsalt: .*\n", re.MULTILINE)


class EngineError(Exception):
    """Something in the way of a run; the text is one line for the user."""


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a Pulumi command, with our state and passphrase where the user has set none."""
    found = dict(os.environ if base is None else base)
    found.setdefault("PULUMI_SKIP_UPDATE_CHECK", "true")
    # Ports of local services change; a refresh must go by the program's view of them, not by the last run's.
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
    with suppress(FileExistsError), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(24))
    return path


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
        return _child(["pulumi", *arguments], variables)


def capture(arguments: Sequence[str], stack: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `pulumi ARGUMENTS` with what it needs; its exit status and what it wrote."""
    with _prepared(arguments, stack) as variables:
        return subprocess.run(["pulumi", *arguments], env=variables, capture_output=True, text=True, check=False)


@contextmanager
def _prepared(arguments: Sequence[str], stack: str | None) -> Iterator[dict[str, str]]:
    variables = environment()
    ours = "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER" in variables
    command = next((word for word in arguments if not word.startswith("-")), "")
    if command in NEED_SERVICES:
        stack = stack or _named(arguments) or _selected(variables)
        if stack and target(stack) == "local":
            services.ensure(stack, embedded(stack), progress=_say)
            if ours:
                release(stack)
    if ours:
        _drop_salts()
    try:
        yield variables
    finally:
        if ours:
            _drop_salts()


def make_stack(stack: str) -> None:
    """Make the stack, if it isn't there.

    :raises EngineError: with what Pulumi said
    """
    if not exists(stack):
        made = capture(["stack", "select", stack, "--create"])
        if made.returncode:
            raise EngineError(f"stack {stack} can't be made: {' '.join(made.stderr.split())}")


def _say(message: str) -> None:
    print(f"{message} …", file=sys.stderr, flush=True)


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


def _checkpoint(stack: str) -> Path:
    return CHECKOUT / ".local" / "state" / ".pulumi" / "stacks" / "database" / f"{stack}.json"


def exists(stack: str) -> bool:
    """Whether the stack was ever made; for a backend of the user's own, Pulumi is asked."""
    if "PULUMI_BACKEND_URL" not in os.environ:
        return _checkpoint(stack).exists()
    return capture(["stack", "--stack", stack]).returncode == 0


def any_stack() -> bool:
    """Whether our own state holds any stack."""
    return any(_checkpoint("x").parent.glob("*.json"))


def release(stack: str) -> None:
    """Clear what a killed run left behind: its lock, and its note of operations that may or may not have happened.

    Every resource of this project is found again and adopted, so that note has nothing to add.

    :raises EngineError: while the run that holds the lock is alive
    """
    folder = CHECKOUT / ".local" / "state" / ".pulumi" / "locks"
    for path in folder.glob(f"**/{stack}/*.json"):
        with suppress(OSError, ValueError, KeyError):
            holder = json.loads(path.read_text())
            if holder["hostname"] == socket.gethostname() and not _alive(int(holder["pid"])):
                path.unlink()
            else:
                raise EngineError(
                    f"stack {stack}: another run is under way (process {holder['pid']} since {holder['timestamp']}); "
                    "wait for it to end"
                )
    _forget_pending(_checkpoint(stack))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")
    with suppress(OSError):
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
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


