"""A stack with its file of settings, on a server that is there; nothing is started for it, least of all a server."""

import getpass
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import yaml

from declared import connectionurl, naming
from declared.naming import NAMESPACE
from declared.paths import CHECKOUT
from declared.schemas import EXTENSIONS
from ops.database import connect
from ops.errors import CommandError
from run import engine, stackfile

VARIABLE = "STACK_URL"
# Of a stack's settings, what says where it is, which account it may use and what it waits for.
ITS_OWN = {
    f"{NAMESPACE}:{key}"
    for key in ("target", "offline", "url", "accountIds", "promotedFrom", "adopted", "passwords", "allow")
}
OLDEST, NEWEST = 15, 18
ASKED = """
select current_setting('server_version_num')::int / 10000, pg_is_in_recovery(), r.rolsuper or r.rolcreaterole,
    has_database_privilege(current_database(), 'create'), pg_encoding_to_char(d.encoding),
    array(select e from unnest(%s::text[]) as e where e not in (select name from pg_available_extensions))
from pg_roles as r, pg_database as d where r.rolname = current_user and d.datname = current_database()"""


def server(given: str | None, embedded: bool, target: str, offline: bool) -> str | None:
    """The URL of the server of a new stack; None where the target has one of its own.

    :raises CommandError: where there is none to be had, or an embedded one is asked for where the target makes another
    :raises UrlError: for a URL that can't be used
    :raises TargetError: for a target that there isn't
    :raises UserError: for a URL that leads elsewhere than to the target's databases
    """
    found = engine.check_target(target, offline)
    if embedded and not found.can.start_server:
        instead = "makes its own" if found.can.make_server else "needs the URL of one (--url)"
        raise CommandError(f"--embedded is a server of this machine, and target {target} {instead}; leave it out")
    if found.can.make_server and given is None:
        return None
    text = url(given, embedded, found.can.start_server)
    if text is not None:
        found.reach(connectionurl.parse(text))
    return text


def url(given: str | None, embedded: bool, started: bool = True) -> str | None:
    """The URL of the server: from standard input for `-`, from the variable, or from a person at the terminal.

    None is the embedded server, where the target has one (`started`). A password on the command line is refused: each
    process here can read it.

    :raises CommandError: where there is none to be had
    :raises UrlError: for one that can't be used
    """
    if embedded:
        return None
    terminal = sys.stdin.isatty()
    if given == "-":
        text = getpass.getpass("URL of the server (not shown): ") if terminal else sys.stdin.readline()
        if not text.strip():
            raise CommandError("--url - reads the URL from standard input, and nothing came")
        return _complete(text.strip(), terminal=False)
    if given is not None:
        # Also the form without `://`, which libpq takes too.
        if {"password", "sslpassword"} & connectionurl.parse(given).keys():
            raise CommandError(
                f"--url has a password, which every process of this machine can read there; "
                f"write `--url -` and give it on standard input, or set {VARIABLE}; it is best changed now"
            )
        return _complete(given, terminal)
    if VARIABLE in os.environ:
        return _complete(connectionurl.given(None, VARIABLE) or "", terminal=False)
    if not terminal:
        raise CommandError(
            f"no server is named, and nobody is there to be asked: write `--url -` and give it on standard input, or "
            f"set {VARIABLE}{', or say --embedded' if started else ''}"
        )
    hint = "not shown; nothing is the embedded one" if started else "not shown"
    typed = getpass.getpass(f"URL of the server ({hint}): ").strip()
    if not typed and not started:
        raise CommandError("no server is named; nothing was made")
    return _complete(typed, terminal=False) if typed else None


def _complete(text: str, terminal: bool) -> str:
    parameters = connectionurl.from_anywhere(connectionurl.parse(text))
    if not terminal or parameters.get("password"):
        return text
    password = getpass.getpass(f"Password of {parameters['user']} (not shown; may be empty): ")
    return connectionurl.compose({**parameters, "password": password}) if password else text


def settings_of(other: str) -> Mapping[str, object]:
    """The settings of another stack that a new one can begin with: not where it is, what it may use, nor a secret.

    :raises NameRefused: for a bad name
    :raises EngineError: for a file that can't be read
    :raises CommandError: where there is no such file
    """
    path = _file(other)
    if not path.exists():
        raise CommandError(f"{path.name}: isn't here, and --like names a stack that has one; nothing was made")
    found = stackfile.settings(path)
    return {
        name: value
        for name, value in found.items()
        if name not in ITS_OWN and not (isinstance(value, Mapping) and "secure" in value)
    }


def target_of(other: str | None) -> str:
    """The target of another stack, as its file says; without one it is local."""
    return engine.target(other).name if other else "local"


def make(
    name: str, target: str, server: str | None, offline: bool = False, like: Mapping[str, object] | None = None
) -> str:
    """Make the stack and its file; what that file is called.

    Args:
        like: settings that it begins with.

    :raises NameRefused: for a bad name
    :raises CommandError: where there is such a stack or file, the server doesn't answer or lacks something
    :raises EngineError: with what Pulumi said
    """
    refuse_taken(name)
    path = _file(name)
    if server is not None:
        check(server)
    engine.new_stack(name)
    try:
        _set(name, "target", target)
        if offline:
            _set(name, "offline", "true")
        if server is not None:
            _set(name, "url", server, "--secret")
        if like:
            written = yaml.safe_load(path.read_text())
            written["config"] = {**like, **written["config"]}
            path.write_text(yaml.safe_dump(written, sort_keys=False, width=120))
    except BaseException:
        # Else the next attempt would find half of it.
        with suppress(Exception):
            engine.capture(["stack", "rm", "--yes", "--stack", name])
        path.unlink(missing_ok=True)
        raise
    return path.name


def where(server: str | None, target: str = "local") -> str:
    """The server of a stack, in words."""
    if server:
        return connectionurl.describe(connectionurl.parse(server))
    made = engine.check_target(target).can.make_server
    return "a server of its own, which `up` makes" if made else "the embedded server, which `up` starts"


def _file(name: str) -> Path:
    return CHECKOUT / f"Pulumi.{naming.stack(name)}.yaml"


def refuse_taken(name: str) -> None:
    """
    :raises NameRefused: for a bad name
    :raises CommandError: where there is such a stack or its file
    """
    path = _file(name)
    if os.path.lexists(path):
        raise CommandError(f"{path.name}: is there already; nothing was changed")
    if engine.exists(name):
        raise CommandError(f"stack {name} is there already, without a file; `make down STACK={name}` takes it away")


def _set(name: str, key: str, value: str, *options: str) -> None:
    # By standard input: a command line can be read by others.
    done = engine.capture(["config", "set", *options, f"{NAMESPACE}:{key}", "--stack", name], said=value)
    if done.returncode:
        raise CommandError(
            f"stack {name}: {NAMESPACE}:{key} can't be set: {' '.join(done.stderr.split()).replace(value, '[value]')}"
        )


def check(server: str) -> None:
    """Look whether the server answers and has what provisioning needs; nothing is changed there.

    :raises UnreachableError: where it doesn't answer
    :raises CommandError: with all that it lacks
    """
    with connect(server, "vpb new stack") as connection:
        found = connection.execute(ASKED, (list(EXTENSIONS),)).fetchone()
    assert found
    if lacking := _lacking(*found):
        raise CommandError(f"{where(server)}: {'; '.join(lacking)}; nothing was made")


def _lacking(version: int, standby: bool, roles: bool, create: bool, encoding: str, missing: list[str]) -> list[str]:
    holds = {
        f"it is PostgreSQL {version}, and {OLDEST} to {NEWEST} are taken": not OLDEST <= version <= NEWEST,
        "it is a standby, which writes nothing; name its primary": standby,
        "the login may make no roles; give it CREATEROLE": not roles,
        "the login may make no schemas; grant it CREATE on the database": not create,
        f"the database's encoding is {encoding}; make one with UTF8": encoding != "UTF8",
        f"it has no {', '.join(missing)}; install them (Debian: postgresql-contrib)": bool(missing),
    }
    return [what for what, lacks in holds.items() if lacks]
