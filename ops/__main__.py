"""The database of Visual Prompt Builder: every command.

The status is 0 when it is done, 1 when it failed or was used wrongly, 2 when it found something: drift, pending
changes, a weak spot, an infected file; 130 after Ctrl-C.
"""

import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from visual_prompt_builder.names import ObjectError

from declared import connectionurl, naming
from declared.errors import UserError
from declared.folders import is_own
from declared.objectlayout import Scanner
from declared.paths import CHECKOUT
from declared.version import VERSION
from ops.adopt import command as adoption
from ops.archive import command as archive
from ops.backups import command as backups
from ops.backups import wholecommand
from ops.branches import command as branch
from ops.errors import CommandError, Interrupted, answered
from ops.everyday import command as everyday
from ops.guardrails import command as guardrails
from ops.health import command as health
from ops.helptext import Commands, joined
from ops.migrations import command as migrations
from ops.new import command as new
from ops.people import command as people
from ops.physical import command as physical
from ops.pooler import command as pooler
from ops.report import command as page
from ops.review import command as review
from ops.status import FAILED, FOUND, INTERRUPTED
from ops.storage import command as storage

if TYPE_CHECKING:
    from ops.progress import Report

PROGRAM = "./vpb"

app = typer.Typer(
    cls=Commands,
    pretty_exceptions_enable=False,
    # Loading rich takes longer than all the rest of `--help`.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=joined(__doc__),
)
app.add_typer(everyday.app)
app.add_typer(adoption.app)
app.add_typer(archive.app, name="archive")
app.add_typer(health.app)
app.add_typer(guardrails.app)
app.add_typer(pooler.app)
app.add_typer(backups.alone)
app.add_typer(backups.app, name="backups")
app.add_typer(branch.app, name="branch")
app.add_typer(wholecommand.app, name="restore")
app.add_typer(migrations.app, name="migrate")
app.add_typer(new.app, name="new")
app.add_typer(people.app, name="people")
app.add_typer(storage.sign, name="sign")
app.add_typer(storage.app, name="storage")
app.add_typer(physical.app, name="wal")
app.add_typer(page.app)
app.add_typer(review.app)
app.add_typer(review.github, name="github")

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
Severities = Literal["critical", "high", "medium", "low", "info"]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]
Verbose = Annotated[bool, typer.Option("--verbose", envvar="VPB_VERBOSE", help="show the engine's whole text")]

CONNECT = "Connect as the owner of everything:  ./vpb psql --stack {stack}"
VARIABLES = "What an app needs, secrets too:      ./vpb env --secrets --stack {stack}"
TAKE_AWAY = "Take it all away again:              make down STACK={stack}"
# By whether the rotation ends.
ROTATED = {
    False: """Old and new URLs log in. The new ones:  ./vpb env --secrets --stack {stack}
When every client has its new one:      ./vpb rotate --finish --stack {stack}""",
    True: "The old passwords log in no more.",
}


SECRETS = {
    False: """Tokens and keys of both secrets are accepted. The new ones:  ./vpb env --secrets --stack {stack}
When every app has them and old tokens have ended:         ./vpb rotate --api --finish --stack {stack}""",
    True: "Tokens and keys of the old secret are refused.",
}
SECRETS_BEFORE = {
    False: "two secrets are accepted already; ./vpb rotate --api --finish --stack {stack} takes the old one out",
    True: "one secret is accepted; there is no old one",
}


def _version(asked: bool) -> None:
    if asked:
        print(f"{PROGRAM} {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version and exit")
    ] = False,
) -> None:
    """Before every command."""


@app.command(epilog="Example: ./vpb up --stack pr-12")
def up(stack: Stack = "dev", verbose: Verbose = False, as_json: Json = False) -> None:
    """Provision an environment, from nothing or from whatever is there.

    Where the database is to change, all of it is tried on a copy of the structure first; what fails there isn't begun.

    With --json: the engine's events, one on each line, as Pulumi's manual describes them (EngineEvent).
    """
    from run import engine

    engine.make_stack(stack)
    raise typer.Exit(_provision(stack, verbose, _next_steps(stack), as_json))


@app.command(epilog="Example: ./vpb preview --stack pr-12")
def preview(stack: Stack = "dev", verbose: Verbose = False, as_json: Json = False) -> None:
    """Show what `up` would do, and what was changed manually; the status is 2 where there is something.

    What changes in the database is tried on a copy of its structure, so that the preview fails where `up` would.

    With --json: Pulumi's own report; changeSummary counts the resources by what becomes of them.
    """
    from ops import progress
    from run import engine

    began = time.monotonic()
    with engine.asked(stack):
        done = progress.run(["preview", "--json" if as_json else "--diff"], stack, verbose=verbose or as_json)
    status = progress.conclude("preview", stack, done, f"do it: {PROGRAM} up --stack {stack}", as_json, began)
    _say_unused(stack, done, as_json)
    raise typer.Exit(status or (FOUND if done.changes else 0))


@app.command(epilog="Example: ./vpb cost --stack prod --json")
def cost(stack: Stack = "dev", as_json: Json = False) -> None:
    """Estimate what an environment costs by the month, from the sizes that its settings declare.

    Nothing is changed. What is billed by use, such as stored files, is listed with its price.
    """
    from ops import cost as estimate
    from run import engine

    with engine.asked(stack):
        found = estimate.of(stack)
    print(estimate.as_json(found) if as_json else estimate.as_text(found))


@app.command(epilog="Example: ./vpb drift --stack prod --json")
def drift(stack: Stack = "dev", as_json: Json = False) -> None:
    """Report what was changed manually, object by object; the status is 2 where there is something."""
    from ops import drift as report
    from ops import driftnotes

    found = report.find(stack)
    since = driftnotes.note(stack, found)
    print(report.as_json(stack, found, since) if as_json else report.as_markdown(stack, found, since))
    raise typer.Exit(FOUND if found else 0)


@app.command(
    epilog="Example: ./vpb audit --stack prod --fail-on high; of a server alone: ./vpb audit --url postgresql://…"
)
def audit(
    stack: Stack = "dev",
    url: Annotated[str | None, typer.Option(envvar="AUDIT_URL", help="a server alone, in the place of a stack")] = None,
    fail_on: Annotated[Severities, typer.Option(help="the least severity that makes the status 2")] = "low",
    password_days: Annotated[int, typer.Option(min=1, help="how old a password may be")] = 90,
    anchor: Annotated[Path | None, typer.Option(help="a file with where the audit trail ended last time")] = None,
    trail_days: Annotated[
        int | None, typer.Option(min=1, help="verify so many days of the audit trail, and not all")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look for what is open, weak or beyond the declaration; the status is 2 where there is something."""
    from rich.console import Console

    from ops.audit import report
    from ops.audit.model import Severity
    from ops.audit.run import audit as made

    url = connectionurl.given(url, "AUDIT_URL")
    with Console(stderr=True).status("auditing", spinner="line") as status:
        found = made(None if url else stack, url, password_days, anchor, status.update, trail_days)
    least = Severity[fail_on]
    if as_json:
        print(report.as_json(found, least))
    else:
        report.as_table(found, least, Console(highlight=False))
    raise typer.Exit(FOUND if found.failing(least) else 0)


@app.command(
    epilog="Example: ./vpb down --stack pr-12; where data isn't disposable: ./vpb down --stack own --confirm own"
)
def down(
    stack: Stack = "dev",
    confirm: Annotated[str, typer.Option(help="the stack's name, where its data isn't disposable")] = "",
    verbose: Verbose = False,
) -> None:
    """Destroy a stack's resources; on local also stop its services and delete their data."""
    from run import engine

    there, target = engine.exists(stack), engine.target(stack)
    if not there and not target.started(stack):
        engine.require(stack)
    target.check_removable(stack)
    engine.refuse_protected(stack)
    # Offline, what stands in for AWS is on this machine too.
    has_services = target.disposable or target.started(stack)
    # A disposable server goes with everything in it; a server of your own is tidied up.
    gone_with_its_server = target.disposable and engine.embedded(stack)
    if confirm and confirm != stack:
        raise CommandError(f"stack {stack}: --confirm names {confirm!r}; nothing was destroyed")
    if there:
        if confirm or not gone_with_its_server:
            from ops import confirmation

            confirmation.ask(stack, confirm)
        if not gone_with_its_server:
            _destroy(stack, verbose)
    # The services of a run that is under way aren't taken from under it.
    with engine.alone(stack):
        if there:
            engine.remove(stack)
        if has_services:
            target.remove(stack)
            engine.forget_file(stack)
    if has_services:
        _say(f"stack {stack}: services stopped, data deleted")
        _remove_if_last()


@app.command(epilog="Example: ./vpb reset --yes")
def reset(
    stack: Stack = "dev",
    yes: Annotated[bool, typer.Option("--yes", help="without asking for the stack's name")] = False,
) -> None:
    """Empty an embedded environment and provision it again: `down`, then `up`; all rows and files go.

    Ports and passwords are new, so an app's variables are written again: `./vpb env --secrets > .env`.
    """
    from declared import sqlfiles
    from ops import confirmation

    confirmation.emptied(stack, yes)
    # With a fault in them there would be no database afterwards.
    sqlfiles.read()
    down(stack)
    up(stack)


def _next_steps(stack: str) -> str:
    """What to do after `up`, without what is refused there."""
    from run import engine

    refused = {VARIABLES: engine.adopted(stack), TAKE_AWAY: engine.keeps(stack)}
    steps = [step for step in (CONNECT, VARIABLES, TAKE_AWAY) if not refused.get(step)]
    return "".join(f"\n{step.format(stack=stack)}" for step in steps)


def _provision(
    stack: str,
    verbose: bool,
    next_steps: str,
    as_json: bool = False,
    not_begun: Callable[[], None] | None = None,
) -> int:
    """
    Args:
        not_begun: called where the preview fails, so that nothing is changed.
    """
    from ops import progress
    from run import engine

    began = time.monotonic()
    brought_to = engine.brought_to(stack)
    # Where data is kept, what would end it is refused before anything else is changed.
    if not_begun or _pends(brought_to) or (brought_to is not None and engine.keeps(stack)):
        tried = progress.run(["preview", "--diff"], stack, verbose and not as_json, shown=False)
        if tried.status:
            if not_begun:
                not_begun()
            return progress.not_begun("up", stack, tried, as_json)
        for line in tried.untried if not as_json else ():
            print(line)
    done = progress.run(["up", "--yes", "--skip-preview"], stack, verbose and not as_json, as_json)
    status = progress.conclude("up", stack, done, next_steps, as_json, began)
    _say_unused(stack, done, as_json)
    return status


def _say_unused(stack: str, done: "Report", as_json: bool) -> None:
    from ops import permissions

    if not done.status and not as_json:
        for line in permissions.unused(stack, done):
            print(line)


def _pends(brought_to: str | None) -> bool:
    """Whether a database that was provisioned before is to be changed."""
    from declared import fingerprint, schemas, sqlfiles

    return brought_to is not None and brought_to != fingerprint.of(sqlfiles.read(), schemas.PUBLISHED)


def _destroy(stack: str, verbose: bool) -> None:
    from ops import progress

    done = progress.run(["destroy", "--yes", "--skip-preview"], stack, verbose)
    if status := progress.conclude("destroy", stack, done, ""):
        raise typer.Exit(status)


def _remove_if_last() -> None:
    """After the last stack, the state that has nothing in it any more; never what isn't ours."""
    from run import engine

    folder = CHECKOUT / ".local"
    others = [path for path in folder.iterdir() if path.name not in naming.RESERVED]
    if others or engine.any_stack():
        return
    if is_own(folder / "state"):
        shutil.rmtree(folder / "state", ignore_errors=True)
    # What a stack's file keeps encrypted can't be read without it.
    if not any("secure:" in path.read_text(errors="replace") for path in CHECKOUT.glob("Pulumi.*.yaml")):
        (folder / "passphrase").unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


@app.command(epilog="Example: ./vpb maintain --stack prod --json")
def maintain(
    stack: Stack = "dev",
    window: Annotated[
        int | None,
        typer.Option(min=1, max=720, help="minutes after which nothing of it is at work; else database:maintenance"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make and drop partitions, delete what has expired and who has left, refresh summaries; run it each night.

    Indexes that have grown are rebuilt too.

    What waits for a lock, or isn't done when its window ends, is left to the next run; the database has each run.
    """
    from ops import maintain as housekeeping

    raise typer.Exit(housekeeping.run(stack, as_json, window))


@app.command(epilog="Example: ./vpb rotate; when every client has its new URL: ./vpb rotate --finish")
def rotate(
    stack: Stack = "dev",
    finish: Annotated[bool, typer.Option("--finish", help="close the old passwords")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="with --finish: end the sessions of the old passwords, also those at work")
    ] = False,
    api: Annotated[
        bool, typer.Option("--api", help="of the local API the secret that signs tokens, and no password")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Give every login a new password; the old one stays open until --finish. Killed, it goes on when run again."""
    from run import engine

    if force and (api or not finish):
        raise typer.BadParameter("--force goes with --finish alone")
    engine.require(stack)
    if api:
        changed = engine.target(stack).rotate_api(stack, finish, _say)
        print((SECRETS if changed else SECRETS_BEFORE)[finish].format(stack=stack))
    else:
        _rotate_passwords(stack, finish, force, verbose)


def _rotate_passwords(stack: str, finish: bool, force: bool, verbose: bool) -> None:
    from ops import rotation
    from run import engine

    before = engine.passwords(stack)
    changed = rotation.finish(stack, force) if finish else rotation.begin(stack)
    if changed:
        _say(f"Pulumi.{stack}.yaml: database:passwords is {list(engine.passwords(stack))}; commit it")
    else:
        _say(f"stack {stack}: database:passwords is {list(engine.passwords(stack))} already; going on")

    def restore() -> None:
        rotation.restore(stack, before)
        _say(f"Pulumi.{stack}.yaml: database:passwords is {list(before)} again")

    try:
        status = _provision(stack, verbose, "", not_begun=restore if changed else None)
    except engine.EngineError as error:
        # Of what stops a run, that alone may come after its first change.
        if changed and not isinstance(error, engine.EngineEnded):
            restore()
        raise
    if status:
        raise typer.Exit(status)
    print(ROTATED[finish].format(stack=stack))
    if finish and (left := rotation.close(stack, _say, force)):
        _say(f"stack {stack}: sessions of the old logins are still busy: {rotation.listed(left)}; run it again")
        raise typer.Exit(FOUND)


@app.command(epilog="Example: ./vpb rekey; of a lost key: ./vpb rekey --forget k1 --yes")
def rekey(
    stack: Stack = "dev",
    forget: Annotated[str | None, typer.Option(help="a key that is lost: empties the tokens that it sealed")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="empty the tokens of --forget without a question")] = False,
    url: Annotated[
        str | None, typer.Option(envvar="DATABASE_URL", help="the login that provisions, on a server elsewhere")
    ] = None,
    as_json: Json = False,
) -> None:
    """Seal every token with the first of database:encryptionKeys; killed, it goes on when run again."""
    from ops import confirmation
    from ops import rekey as keys
    from run import engine

    if yes and not forget:
        raise typer.BadParameter("--yes goes with --forget alone")
    url = connectionurl.given(url, "DATABASE_URL")
    if url is None or not forget:
        engine.require(stack)
    with keys.session(stack, url, keyless=forget is not None) as connection:
        if forget:
            confirmation.sure(f"stack {stack}: this empties every token that key {forget} has sealed", yes)
            emptied = keys.forget(connection, forget)
            if as_json:
                print(json.dumps({"emptied accounts": emptied}))
            _say(f"stack {stack}: tokens that key {forget} had sealed are gone from {emptied} accounts")
        else:
            found = keys.rekey(connection, _say)
            listed = ", ".join(f"{key}: {tokens} tokens" for key, tokens in found.items())
            said = f"sealed by key {listed}" if listed else "there is no token to seal"
            print(json.dumps(found) if as_json else f"stack {stack}: {said}")


@app.command(epilog="Example: ./vpb scan --once --json; as a service: ./vpb scan --watch --clamd tcp://clamd:3310")
def scan(
    once: Annotated[bool, typer.Option("--once", help="until nothing is due; the default")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="go on until interrupted")] = False,
    scanner: Annotated[
        Scanner | None, typer.Option("--engine", help="what scans; without it, as database:scanning says")
    ] = None,
    clamd: Annotated[
        str | None,
        typer.Option(help="tcp://host:port or unix:/path; also from CLAMD_ADDRESS; local can do without"),
    ] = None,
    topic: Annotated[str | None, typer.Option(help="ARN of an SNS topic other than the stack's own")] = None,
    no_topic: Annotated[bool, typer.Option("--no-topic", help="notify no topic")] = False,
    again: Annotated[bool, typer.Option("--again", help="first take up what was given up")] = False,
    signature_days: Annotated[int, typer.Option(min=1, help="how old ClamAV's signatures may be")] = 30,
    signature: Annotated[
        bool,
        typer.Option("--signature", help="print the test signature for ClamAV's DatabaseDirectory, and scan nothing"),
    ] = False,
    stack: Stack = "dev",
    as_json: Json = False,
) -> None:
    """Scan uploads for viruses and for false types; the status is 2 where a file was infected, refused or given up.

    With --json: a line about the engine, one for each file that isn't clean, and a tally.
    """
    from ops.storage import scan as scanning
    from ops.storage.scanning.signatures import CLAMAV

    if signature:
        print(CLAMAV)
        return

    for one, other, both in (("--once", "--watch", once and watch), ("--topic", "--no-topic", topic and no_topic)):
        if both:
            raise typer.BadParameter(f"{one} and {other} exclude each other")
    options = scanning.Options(
        stack, watch, scanner, clamd, topic, no_topic, as_json, again=again, signature_days=signature_days
    )
    raise typer.Exit(scanning.run(options))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its status; whatever stands in its way is one line on standard error."""
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        # A shell completes by the name without its folder.
        name = "vpb" if {"--show-completion", "--install-completion"} & {*words} else PROGRAM
        status = app(words, prog_name=name, complete_var="_VPB_COMPLETE", standalone_mode=False)
    except typer.TyperException as error:  # of the command line
        context: typer.Context | None = getattr(error, "ctx", None)
        wrong = error.format_message() if getattr(error, "param", None) else str(error)
        return _failed(f"{' '.join(wrong.split())} See {context.command_path if context else PROGRAM} --help", words)
    except Interrupted as error:
        _failed(str(error), words)
        return INTERRUPTED
    except (UserError, ObjectError) as error:
        return _failed(str(error), words)
    except typer.Abort:
        # The end of the input in the place of an answer.
        _say("ended without an answer; nothing was done")
        return INTERRUPTED
    except Exception as error:
        if (said := answered(error)) is None:
            raise
        return _failed(said, words)
    if status == INTERRUPTED:
        _say("interrupted; run it again, it goes on from there")
    return status if isinstance(status, int) else 0


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _failed(message: str, words: Sequence[str]) -> int:
    if "--json" in words[: words.index("--") if "--" in words else None]:
        print(json.dumps({"error": message}), file=sys.stderr)
    else:
        _say(f"error: {message}")
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
