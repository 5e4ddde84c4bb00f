"""Pulumi as this project runs it: with a state and a passphrase of its own where none are set, and with its services.

A user's own backend (`PULUMI_BACKEND_URL`) and passphrase are left alone. Without them the state of every stack lies
in `.local/state`, encrypted with a passphrase that never leaves this checkout.
"""

import atexit
import itertools
import json
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event as Signal
from typing import Any, BinaryIO

import targets
import toolchain
from declared import folders, health, naming, settings
from declared import permissions as allowed_once
from declared.backups import BackupSettings
from declared.backups import backups as backup_settings
from declared.connectionurl import Parameters
from declared.folders import make_private
from declared.health import Check
from declared.maintenance import MaintenanceSettings
from declared.maintenance import maintenance as maintenance_settings
from declared.paths import CHECKOUT
from declared.permissions import Permission
from declared.serversettings import NAMESPACE as SERVER
from declared.serversettings import TUNNEL, ServerSettings
from declared.tunnel import VARIABLE
from run import api as served
from run import events, stackfile, state, tunnel
from run.state import EngineError as EngineError
from run.state import UnderWay as UnderWay
from targets import Api as Api
from targets import Service as Service
from targets import Target, wayin

# The commands that talk to the resources of a stack, and so need its servers.
NEED_SERVICES = {"up", "update", "preview", "pre", "refresh", "destroy", "down", "dn", "import", "watch"}
# Of these, the ones that change something; two of them at once would be in each other's way.
CHANGE = NEED_SERVICES - {"preview", "pre"}
# Of these, the ones after which the stack is as declared.
UP = {"up", "update"}
DESTROY = {"destroy", "down", "dn"}
# Says to the provider that what holds data may go, and whose.
DESTROY_MARK = "VPB_DESTROY"
AWS_PROVIDER = "pulumi:providers:aws"
# Options that run a part of the program.
PART = ("--target", "--exclude")
# Words after these are no command; Pulumi takes the flags before the command too.
WITH_VALUE = {
    *("-s", "--stack", "-C", "--cwd", "--color", "-v", "--verbose", "--profiling", "--tracing"),
    *("--secrets-provider", "--copy-config-from"),
}
# Options of one letter that take a value, of all commands: what follows them in one word is that value.
SHORT_WITH_VALUE = "Ccmpstv"
SALT = re.compile(rb"^encryptionsalt: .*\n", re.MULTILINE)


class EngineEnded(EngineError):
    """The engine was ended from outside, perhaps in the middle of a change."""


def environment(command: str = "") -> dict[str, str]:
    """The environment of a Pulumi command, with our state and passphrase where the user has set none."""
    found = dict(os.environ)
    found.setdefault("PULUMI_SKIP_UPDATE_CHECK", "true")
    paths = [str(CHECKOUT / "run" / "quiet"), found.get("PYTHONPATH", "")]
    found["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    # Ports of local services can change; a run must go by the program's view of them, not by the last run's.
    # `refresh` alone can't: with the program, the engine fails once a resource that others depend on is gone.
    if command != "refresh":
        found.setdefault("PULUMI_RUN_PROGRAM", "true")
    if "PULUMI_BACKEND_URL" not in found:
        folder = CHECKOUT / ".local" / "state"
        make_private(folder)
        found["PULUMI_BACKEND_URL"] = f"file://{folder}"
        if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & found.keys():
            found["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(state.passphrase())
            # The salt is kept in the state, so that a stack's file in the checkout stays as it was committed.
            found["PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER"] = "true"
    return found


def target(stack: str) -> Target:
    """The target of a stack, as its file or else `Pulumi.yaml` says."""
    return targets.of(str(_setting(stack, "target")), str(_setting(stack, "offline")).lower() == "true")


def check_target(name: str, offline: bool = False) -> Target:
    """The target of a name.

    :raises TargetError: for one that there isn't
    """
    return targets.of(name, offline)


def billed(stack: str) -> bool:
    """Whether AWS bills what is declared of a stack: not on an embedded server, nor where there is no object store."""
    there = target(stack).can
    return there.object_store and not there.start_server


def under_way(stack: str) -> datetime | None:
    """Since when a run that may change the stack is under way; None without one."""
    return state.under_way(stack)


def region(stack: str) -> str:
    """The setting `database:region` of a stack, as its file or else `Pulumi.yaml` says."""
    return str(_setting(stack, "region"))


def adopted(stack: str) -> str:
    """The folder of the adopted database that a stack is; empty where it is the app's."""
    return str(_setting(stack, "adopted"))


def configuration(stack: str) -> Mapping[str, object]:
    """All settings of the stack's file, of every namespace."""
    return stackfile.settings(_file(stack))


def api(stack: str) -> bool:
    """The setting `database:api`: whether an API in front of the database is started on this machine."""
    return str(_setting(stack, "api")).lower() == "true"


def reload_api(stack: str) -> None:
    """Have that API read the structure again, where it runs."""
    target(stack).reload_api(stack)


def accepted_drift(stack: str) -> str:
    """The setting `database:acceptDrift`: the fingerprint of what is taken as it is; empty without it."""
    return str(_setting(stack, "acceptDrift"))


def permissions(stack: str) -> tuple[Permission, ...]:
    """What the stack's file allows once, expired ones too.

    :raises SettingError: for what is no list of permissions
    """
    return allowed_once.permissions(settings.listed(_setting(stack, "allow")))


def passwords(stack: str) -> tuple[int, ...]:
    """The numbers of the open passwords, as the stack's file or else `Pulumi.yaml` says; the current one first.

    :raises SettingError: for what is no such list
    """
    return settings.passwords(_setting(stack, "passwords"))


def lock_budget(stack: str) -> float:
    """For how many seconds a migration may hold what blocks reads or writes, by the stack's file.

    :raises SettingError: for what is no time
    """
    return settings.seconds("lockBudget", _setting(stack, "lockBudget"))


def backups(stack: str) -> BackupSettings | None:
    """What a stack's file declares of backups; None where it declares nothing.

    :raises SettingError: for what can't be used
    """
    return backup_settings(settings.listed(_setting(stack, "backups")))


def checks(stack: str) -> dict[str, Check]:
    """The metrics of a database's health, with the thresholds of the stack's file.

    :raises SettingError: for thresholds that can't be used
    """
    return health.checks(settings.listed(_setting(stack, health.KEY)), backups(stack), target(stack).disposable)


def maintenance(stack: str) -> MaintenanceSettings:
    """When the housekeeping of a stack runs and how long, by its file.

    :raises SettingError: for what can't be used
    """
    return maintenance_settings(settings.listed(_setting(stack, "maintenance")))


def embedded(stack: str) -> bool:
    """Whether the stack lives on its target's own PostgreSQL rather than on a server that it names."""
    return not _setting(stack, "url")


def own_parameters(stack: str) -> Parameters | None:
    """The login that provisions on the target's own server, where it is known without the stack's outputs."""
    return target(stack).own_parameters(stack) if embedded(stack) else None


@contextmanager
def reached(stack: str) -> Iterator[dict[str, str]]:
    """What has to be in the environment of whatever opens sessions in the stack's server; in it they are possible.

    :raises EngineError: where a tunnel is wanted and can't be opened
    """
    where = target(stack)
    settings = _server(stack) if where.can.make_server and embedded(stack) else None
    if settings is None or settings.reach != TUNNEL or VARIABLE in os.environ:
        yield {}
        return
    to = settings.endpoint or wayin.address(where.aws(stack), region(stack), stack, settings.engine)
    if to is None:
        state.say(f"stack {stack}: there is no server yet to open a session to; when it is there, run it again")
        yield {}
        return
    with tunnel.opened(stack, settings.bastion, region(stack), to, settings.local_port) as open_:
        yield {VARIABLE: open_.text}


def reach(stack: str) -> None:
    """Make the stack's server reachable for this process, until its end.

    :raises EngineError: as for `reached`
    """
    held = ExitStack()
    atexit.register(held.close)
    os.environ.update(held.enter_context(reached(stack)))


def _server(stack: str) -> ServerSettings:
    prefix = f"{SERVER}:"
    given = {
        key.removeprefix(prefix): value if isinstance(value, str) else json.dumps(value)
        for key, value in stackfile.settings(_file(stack)).items()
        if key.startswith(prefix)
    }
    return ServerSettings.load(given)


def _setting(stack: str, key: str) -> object:
    return settings.one(stackfile.settings(_file(stack)), key)


def declared(stack: str) -> bool:
    """Whether the checkout has a file with settings of the stack."""
    return _file(stack).exists()


def alone(stack: str) -> AbstractContextManager[None]:
    """Keep other runs away from the stack.

    :raises UnderWay: while another run is under way
    """
    return state.alone(stack, "", True)


def remove(stack: str) -> None:
    """Remove the stack from its backend; the file of its settings stays.

    :raises EngineError: with what Pulumi said
    """
    done = capture(["stack", "rm", "--yes", "--force", "--preserve-config", "--non-interactive", "--stack", stack])
    if done.returncode:
        raise _refused(stack, "removed", done)


def forget(stack: str) -> None:
    """Remove a stack that nothing was provisioned for, and what was started on this machine for it.

    Where something was provisioned meanwhile, Pulumi refuses to remove the stack, and all stays.
    """
    with state.alone(stack, "", True):
        done = capture(["stack", "rm", "--yes", "--preserve-config", "--non-interactive", "--stack", stack])
        there = target(stack)
        if done.returncode == 0 and there.started(stack):
            there.remove(stack)


def brought_to(stack: str) -> str | None:
    """The fingerprint of what the last `up` that ended well has declared of the database; None before the first.

    Of a backend of the user's own it isn't known, and the text is empty.
    """
    if "PULUMI_BACKEND_URL" in os.environ:
        return ""
    found = state.resource(stack, "pg:index:SchemaCheckpoint")
    return None if found is None else str(found.get("of", ""))


def _has_aws(stack: str) -> bool:
    """Whether an `up` of the stack came as far as AWS."""
    if "PULUMI_BACKEND_URL" not in os.environ:
        return state.resource(stack, AWS_PROVIDER) is not None
    answer = capture(["stack", "export", "--stack", stack])
    return answer.returncode != 0 or f'"{AWS_PROVIDER}"' in answer.stdout


def forget_file(stack: str) -> None:
    """Delete the stack's file if no setting is in it: only a stack that somebody declared has one to keep."""
    path = _file(stack)
    if path.exists() and not stackfile.settings(path):
        path.unlink()


def _file(stack: str) -> Path:
    return CHECKOUT / f"Pulumi.{naming.stack(stack)}.yaml"


def run(arguments: Sequence[str], stack: str | None = None) -> int:
    """Run `pulumi ARGUMENTS` in the foreground, with what it needs; its exit status."""
    with _prepared(arguments, stack) as variables:
        status = _child(["pulumi", *arguments], variables)
        _refuse_signal(status, variables)
        _follow(arguments, stack, status)
        if status and _command(arguments) in CHANGE:
            _show_error(
                f"pulumi {_command(arguments)} did not finish, the lines above say why; "
                "what is done stays done, the next run does the rest"
            )
        return status


def _refuse_signal(status: int, variables: Mapping[str, str]) -> None:
    if status < 0:
        state.end_left_over(variables[state.RUN_MARK])
        # It may have been in the middle of a line.
        print(file=sys.stderr)
        raise EngineEnded(f"pulumi was ended by signal {-status}; run it again, it goes on from where this run was")


def capture(
    arguments: Sequence[str], stack: str | None = None, said: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `pulumi ARGUMENTS` with what it needs, `said` on its standard input; its status and what it wrote."""
    with _prepared(arguments, stack) as variables:
        return subprocess.run(
            ["pulumi", *arguments], env=variables, input=said, capture_output=True, text=True, check=False
        )


def watch(
    arguments: Sequence[str], stack: str, on_line: Callable[[str | None], None], verbose: bool
) -> tuple[int, str]:
    """Run `pulumi ARGUMENTS` on a stack in the foreground, and hand on its events.

    Args:
        on_line: gets each line of the event log (see `run/events.py`), and None again and again while there is none.
        verbose: whether the engine's own text is shown too.
    Returns:
        the exit status, and the engine's text where it wasn't shown.
    """
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
        log, text = Path(folder) / "events", Path(folder) / "text"
        log.touch()
        arguments = [*arguments, "--event-log", str(log), "--non-interactive", "--stack", stack]
        ended = Signal()
        with _prepared(arguments, stack) as variables, text.open("wb") as output:
            following = pool.submit(events.follow, log, ended, on_line)
            try:
                # As Pulumi's Automation API reads what a run has done: the option is there with this alone.
                variables["PULUMI_DEBUG_COMMANDS"] = "true"
                status = _child(["pulumi", *arguments], variables, None if verbose else output)
            finally:
                ended.set()
            _refuse_signal(status, variables)
            following.result()
            _follow(arguments, stack, status)
        return status, text.read_text(encoding="utf-8", errors="replace")


def _follow(arguments: Sequence[str], stack: str | None, status: int) -> None:
    """What an `up` that ended well has follow it."""
    if status or _command(arguments) not in UP or "--preview-only" in arguments:
        return
    named = _named(arguments) if stack is None else stack
    selected = named or _selected(environment())
    if selected:
        stack = _own_name(selected)
        where = target(stack)
        served.follow(
            where, stack, api(stack), lambda: _outputs(stack), region(stack), own_parameters(stack), state.say
        )


def _outputs(stack: str) -> dict[str, Any]:
    answer = capture(["stack", "output", "--json", "--show-secrets", "--stack", stack])
    if answer.returncode:
        raise EngineError(f"the outputs of stack {stack} can't be read: {' '.join(answer.stderr.split())}")
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


@contextmanager
def _prepared(arguments: Sequence[str], stack: str | None) -> Iterator[dict[str, str]]:
    command = _command(arguments)
    named = _named(arguments) if stack is None else stack
    _refuse_bad_names(_words(arguments), named)
    if named is not None and command in NEED_SERVICES:
        require(named)
    variables = environment(command) | {state.RUN_MARK: secrets.token_hex(8)}
    ours = "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER" in variables
    variables.pop(DESTROY_MARK, None)
    with ExitStack() as cleanup:
        if command in NEED_SERVICES:
            selected = named or _selected(variables)
            stack = _own_name(selected) if selected else None
            if stack and command in DESTROY:
                # The engine would refuse what is protected when it comes to it, with other things deleted already.
                refuse_protected(stack)
                variables[DESTROY_MARK] = stack
                if "PULUMI_RUN_PROGRAM" not in os.environ and not _has_aws(stack):
                    # The program asks AWS who it is, by a provider that a destroy doesn't make.
                    variables["PULUMI_RUN_PROGRAM"] = "false"
            if stack:
                where = target(stack)
                _refuse_moved(stack, where)
                if command in CHANGE:
                    _refuse_part(stack, arguments)
                variables |= _plugins(where, variables)
                variables["PATH"] = _with_programs(where, variables)
                if not where.checkpoints:
                    # The state is written once, at the end, and not twice for each resource: half the time of an `up`.
                    # What a killed run has made is adopted by the next one, see
                    # docs/decisions/0006-state-of-local-stacks.md.
                    variables.setdefault("PULUMI_SKIP_CHECKPOINTS", "true")
                changes = command in CHANGE and "--preview-only" not in arguments
                cleanup.enter_context(state.alone(stack, variables[state.RUN_MARK], changes))
                if command in UP and api(stack):
                    # Before anything is changed: it may have to be downloaded.
                    served.program()
                where.start(stack, embedded(stack), state.say)
                if api(stack) and command not in DESTROY:
                    where.serve_again(stack, state.say)
                variables |= cleanup.enter_context(reached(stack))
                if ours:
                    state.release(stack)
        if ours:
            _drop_salts()
            cleanup.callback(_drop_salts)
        yield variables


def _refuse_part(stack: str, arguments: Sequence[str]) -> None:
    """A run of a part needn't come to `DrillGate`, which asks for a proven backup before anything that holds data goes.

    :raises EngineError: where it might destroy data that is to be kept
    """
    words = itertools.takewhile(lambda word: word != "--", arguments)
    part = next((word for word in words if word.startswith(PART) or (_short(word) or ("",))[0] == "-t"), None)
    if part is None or adopted(stack) or not (backups(stack) and keeps(stack)):
        return
    if named := allowed_once.destructive(permissions(stack)):
        raise EngineError(
            f"stack {stack}: {part.partition('=')[0]} runs a part, which doesn't ask when a backup was proven, and "
            f"database:allow names {', '.join(named)}, which may destroy data: run all of it, or take that out"
        )


def _refuse_moved(stack: str, where: Target) -> None:
    """
    :raises EngineError: for a stack that was made at AWS and is to go on offline, or the other way round
    """
    made = None if "PULUMI_BACKEND_URL" in os.environ else state.resource(stack, AWS_PROVIDER)
    if made is not None and bool(made.get("endpoints")) is (where.plugins is None):
        was, now = ("moto of this machine", "AWS") if where.plugins is None else ("AWS", "moto of this machine")
        raise EngineError(
            f"stack {stack}: it was made at {was}, and its settings lead to {now}: what is there isn't here. Set "
            "database:offline and database:target as they were; another stack lives elsewhere"
        )


def _plugins(where: Target, variables: Mapping[str, str]) -> dict[str, str]:
    """What has the engine take the target's plugin `aws`: a plugin on PATH comes before one that is installed.

    :raises EngineError: where the official one can't be had
    """
    if where.plugins is None:
        try:
            toolchain.ensure_plugins()
        except toolchain.ToolchainError as error:
            raise EngineError(str(error)) from None
        return {}
    paths = [str(where.plugins), variables.get("PATH", os.defpath)]
    return {"PATH": os.pathsep.join(paths), "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"}


def _with_programs(where: Target, variables: Mapping[str, str]) -> str:
    """The search path, at its end the programs of PostgreSQL that the target brings: a preview needs its pg_dump."""
    path, program = variables.get("PATH", os.defpath), where.program("pg_dump")
    return os.pathsep.join([path, str(program.parent)]) if program else path


def _words(arguments: Sequence[str]) -> list[str]:
    """What is neither a flag nor the value of one."""
    pairs = zip(["", *arguments], arguments, strict=False)
    return [word for before, word in pairs if not word.startswith("-") and not _wants_value(before)]


def _wants_value(word: str) -> bool:
    option, value = _short(word) or (word, "")
    return option in WITH_VALUE and not value


def _short(word: str) -> tuple[str, str] | None:
    """`-s` and `dev` of `-ysdev`: of options of one letter in one word the first that takes a value, and that value.

    The value is empty where the next word is it. None for a word in which no such option is.
    """
    if word.startswith("-") and not word.startswith("--"):
        for at, letter in enumerate(word):
            if letter in SHORT_WITH_VALUE:
                return f"-{letter}", word[at + 1 :]
    return None


def _command(arguments: Sequence[str]) -> str:
    return next(iter(_words(arguments)), "")


def _refuse_bad_names(words: Sequence[str], stack: str | None) -> None:
    """Refuse names that no stack can have here; removing one that has such a name is the way out."""
    new = words[2:] if words[:2] in (["stack", "init"], ["stack", "rename"]) else ()
    for name in (*new, *([] if stack is None or words[:2] == ["stack", "rm"] else [stack])):
        _own_name(name)


def _own_name(name: str) -> str:
    """`dev` of `organization/project/dev`, as a backend of the user's own may call it.

    :raises NameRefused: where that is no name of a stack
    """
    return naming.stack(name.rpartition("/")[2] or name)


def make_stack(stack: str) -> None:
    """Make the stack, if it isn't there.

    :raises EngineError: with what Pulumi said
    """
    naming.stack(stack)
    environment("stack")
    state.restore(stack)
    if not exists(stack):
        made = capture(["stack", "select", stack, "--create"])
        # Two first runs at once both find it missing.
        if made.returncode and not exists(stack):
            raise _refused(stack, "made", made)


@contextmanager
def asked(stack: str) -> Iterator[None]:
    """For what only asks: a stack that has a file of settings and was never made is there within, and not afterwards.

    :raises EngineError: where there is no such stack
    """
    if not declared(stack):
        require(stack)
    there = exists(stack)
    make_stack(stack)
    try:
        yield
    finally:
        if not there:
            forget(stack)


def new_stack(stack: str) -> None:
    """Make a stack that isn't there.

    :raises EngineError: with what Pulumi said, also where there is one already
    """
    naming.stack(stack)
    made = capture(["stack", "init", stack, "--non-interactive"])
    if made.returncode:
        raise _refused(stack, "made", made)


def _refused(stack: str, what: str, done: subprocess.CompletedProcess[str]) -> EngineError:
    return EngineError(f"stack {stack} can't be {what}: {' '.join(done.stderr.split())}")


def _show_error(error: str) -> None:
    print(f"error: {error}", file=sys.stderr, flush=True)


def _child(command: Sequence[str], variables: Mapping[str, str], output: BinaryIO | None = None) -> int:
    """Run in the foreground; Ctrl-C is the engine's to deal with.

    A run that asks nothing gets a process group of its own, and the engine alone gets a Ctrl-C. In the terminal's
    group the program and the plugins would get it too, and die with a stack trace while the engine still needs them.
    """
    asks = "--non-interactive" not in command
    process, early = None, list[int]()

    def hand_on(received: int, _: object) -> None:
        if output is not None and received == signal.SIGINT:
            state.say("ending; what is under way is finished first")
        if process is None:
            early.append(received)
        else:
            process.send_signal(received)

    handlers = {signal.SIGTERM: hand_on, signal.SIGHUP: hand_on, signal.SIGINT: signal.SIG_IGN if asks else hand_on}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        process = subprocess.Popen(
            command,
            env=dict(variables),
            stdout=output,
            stderr=output,
            preexec_fn=_default_interrupt,
            process_group=None if asks else 0,
        )
        for number in early:
            process.send_signal(number)
        return process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _default_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _named(arguments: Sequence[str]) -> str | None:
    for word, after in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == "--":
            break
        if word == "--stack":
            return after
        if word.startswith("--stack="):
            return word.partition("=")[2]
        if (found := _short(word)) and found[0] == "-s":
            return found[1].removeprefix("=") or after
    # Pulumi takes an empty one for none.
    return os.environ.get("PULUMI_STACK") or None


def _selected(variables: Mapping[str, str]) -> str | None:
    answer = subprocess.run(
        ["pulumi", "stack", "--show-name"], env=dict(variables), capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or None


def _drop_salts() -> None:
    """Take the salt of our own passphrase out of the stack files again, unless a secret there depends on it."""
    for path in CHECKOUT.glob("Pulumi.*.yaml"):
        content = path.read_bytes()
        if SALT.search(content) and b"secure:" not in content:
            folders.replace(path, SALT.sub(b"", content))


def require(stack: str) -> None:
    """Refuse a stack that was never made, before anything is started for it.

    :raises EngineError: with the stacks that there are
    :raises NameRefused: for what is no name of a stack
    """
    _own_name(stack)
    if not exists(stack):
        there = ", ".join(stacks()) or "none"
        raise EngineError(f"there is no stack {stack}; there are: {there}; `make up STACK={stack}` makes one")


def stacks() -> list[str]:
    """The stacks that were ever made."""
    if "PULUMI_BACKEND_URL" not in os.environ:
        return sorted(path.stem for path in state.checkpoints().glob("*.json"))
    listed = capture(["stack", "ls", "--json"])
    return [entry["name"] for entry in json.loads(listed.stdout)] if listed.returncode == 0 else []


def any_stack() -> bool:
    """Whether our own state holds any stack, whatever backend the user has set."""
    return any(state.checkpoints().glob("*.json"))


def keeps(stack: str) -> bool:
    """Whether data is to be kept: the stack's file says so, or its target's data isn't disposable."""
    said = str(_setting(stack, "protectData")).lower()
    return said == "true" or (said != "false" and not target(stack).disposable)


def refuse_protected(stack: str) -> None:
    """
    :raises EngineError: where data is to be kept
    """
    if keeps(stack):
        said = str(_setting(stack, "protectData")).lower()
        reason = "database:protectData is true" if said == "true" else "its data isn't disposable"
        raise EngineError(
            f"stack {stack}: {reason}, so nothing was destroyed; set database:protectData to false, run `up`, and "
            "try again"
        )


def exists(stack: str) -> bool:
    """Whether the stack was ever made; for a backend of the user's own, Pulumi is asked.

    :raises EngineError: where that backend doesn't answer
    """
    if "PULUMI_BACKEND_URL" not in os.environ:
        return state.checkpoint(_own_name(stack)).exists()
    answer = capture(["stack", "--stack", stack])
    if answer.returncode and "no stack named" not in answer.stderr:
        raise EngineError(f"stack {stack} can't be looked for: {' '.join(answer.stderr.split())}")
    return answer.returncode == 0
