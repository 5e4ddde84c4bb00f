"""The commands. Exit status 0 is done, 1 a failure told in one line; `drift` and `audit` have 2 for a finding."""

import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from declared import connectionurl, naming
from declared.errors import UserError
from declared.folders import is_own
from declared.paths import CHECKOUT
from local import services
from objects.names import ObjectError
from ops import drift as drift_report
from run import engine

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True, highlight=False)

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
Severities = Literal["critical", "high", "medium", "low", "info"]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]

CONNECT = """
Connect as the owner of everything:
  psql "$(./pulumiw stack output admin_url --show-secrets --stack {stack})"
For the app: api_url (PostgREST, Storage), auth_url (Auth.js), s3_endpoint and object_bucket:
  ./pulumiw stack output --show-secrets --stack {stack}
Take it all away again: make down STACK={stack}"""


@app.command()
def up(stack: Stack = "dev") -> None:
    """Provision an environment, from nothing or from whatever is there."""
    engine.make_stack(stack)
    status = _pulumi("up", "--yes", "--skip-preview", stack=stack)
    if status == 0:
        print(CONNECT.format(stack=stack))
    raise typer.Exit(status and 1)


@app.command()
def preview(stack: Stack = "dev") -> None:
    """Show what `up` would do, and what was changed by hand."""
    # A stack that has a file of settings may not have been made yet.
    if not engine.declared(stack):
        engine.require(stack)
    engine.make_stack(stack)
    raise typer.Exit(_pulumi("preview", "--diff", stack=stack) and 1)


@app.command()
def drift(stack: Stack = "dev", as_json: Json = False) -> None:
    """Report what was changed by hand, object by object; exit status 2 where there is something."""
    found = drift_report.find(stack)
    print(drift_report.as_json(stack, found) if as_json else drift_report.as_markdown(stack, found))
    raise typer.Exit(2 if found else 0)


@app.command()
def audit(
    stack: Stack = "dev",
    url: Annotated[str | None, typer.Option(envvar="AUDIT_URL", help="a server alone, in the place of a stack")] = None,
    fail_on: Annotated[Severities, typer.Option(help="the least severity that makes the status 2")] = "low",
    password_days: Annotated[int, typer.Option(min=1, help="how old a password may be")] = 90,
    anchor: Annotated[Path | None, typer.Option(help="a file with where the audit trail ended last time")] = None,
    as_json: Json = False,
) -> None:
    """Look for what is open, weak or beyond the declaration; exit status 2 where there is something."""
    from ops.audit import report
    from ops.audit.model import Severity
    from ops.audit.run import audit as made

    url = connectionurl.given(url, "AUDIT_URL")
    with console.status("auditing", spinner="line") as status:
        found = made(None if url else stack, url, password_days, anchor, status.update)
    least = Severity[fail_on]
    if as_json:
        print(report.as_json(found, least))
    else:
        report.as_table(found, least, Console(highlight=False))
    raise typer.Exit(2 if found.failing(least) else 0)


@app.command()
def down(
    stack: Stack = "dev",
    confirm: Annotated[str, typer.Option(help="the stack's name, where its data isn't disposable")] = "",
) -> None:
    """Destroy a stack's resources; on local also stop its services and delete their data."""
    there = engine.exists(stack)
    if not there and not services.known(stack):
        engine.require(stack)
    services.removable(stack)
    engine.refuse_protected(stack)
    disposable = engine.target(stack).disposable
    # The embedded server and moto go with everything in them; a server of one's own is tidied up.
    gone_with_its_server = disposable and engine.embedded(stack)
    if there:
        if confirm or not gone_with_its_server:
            from ops import confirmation

            confirmation.ask(stack, confirm)
        status = 0 if gone_with_its_server else _pulumi("destroy", "--yes", "--skip-preview", stack=stack)
        status = status or _pulumi("stack", "rm", "--yes", "--force", "--preserve-config", stack=stack)
        if status:
            raise typer.Exit(1)
    if disposable:
        services.remove(stack)
        console.print(f"stack {stack}: services stopped, data deleted")
        _remove_if_last()


def _pulumi(*arguments: str, stack: str) -> int:
    return engine.run([*arguments, "--non-interactive", "--stack", stack], stack)


def _remove_if_last() -> None:
    """After the last stack, the state that has nothing in it any more; never what isn't ours."""
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


@app.command()
def maintain(stack: Stack = "dev", as_json: Json = False) -> None:
    """Make months ahead, retire old ones, forget expired sign-ins, refresh summaries; run it each night."""
    from ops import maintain as housekeeping

    raise typer.Exit(housekeeping.run(stack, as_json))


@app.command()
def faults(
    rounds: Annotated[int, typer.Option(help="how many")] = 30,
    seed: Annotated[int | None, typer.Option(help="the same one makes the same choices")] = None,
    only: Annotated[str | None, typer.Option(help="one fault by its name, as the tally has it")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="the migration runner alone, without the engine")] = False,
    as_json: Json = False,
) -> None:
    """Break a scratch copy at random moments and see that the next `up` mends it."""
    from ops import faults as rounds_of_faults
    from ops import kills

    raise typer.Exit((kills if fast else rounds_of_faults).run(rounds, seed, only, as_json))


@app.command()
def rekey(
    stack: Stack = "dev",
    forget: Annotated[str | None, typer.Option(help="a key that is lost: empties the tokens that it sealed")] = None,
    url: Annotated[
        str | None, typer.Option(envvar="DATABASE_URL", help="the login that provisions, on a server elsewhere")
    ] = None,
    as_json: Json = False,
) -> None:
    """Seal every token with the first of database:encryptionKeys; killed, it goes on when run again."""
    from ops import rekey as keys

    url = connectionurl.given(url, "DATABASE_URL")
    if url is None or not forget:
        engine.require(stack)
    with keys.session(stack, url, keyless=forget is not None) as connection:
        if forget:
            emptied = keys.forget(connection, forget)
            console.print(f"stack {stack}: tokens that key {forget} had sealed are gone from {emptied} accounts")
        else:
            found = keys.rekey(connection, console.print)
            listed = ", ".join(f"{key}: {tokens} tokens" for key, tokens in found.items()) or "no tokens"
            print(json.dumps(found) if as_json else f"stack {stack}: sealed by key {listed}")


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
def migrate(words: Annotated[list[str] | None, typer.Argument(help="up, status, down, check or adopt")] = None) -> None:
    """Migrate without Pulumi: up, status, down --to N, check, adopt; see `migrate --help`."""
    from ops import migrate as without_engine

    raise typer.Exit(without_engine.main(words or ["--help"]))


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
def sign(words: Annotated[list[str] | None, typer.Argument(help="upload, download or cdn")] = None) -> None:
    """Sign URLs of objects: upload, download, cdn; see `sign --help`."""
    # AWS' library takes half a second to load; the other commands don't need it.
    from ops import sign as signing

    signing.app(words or ["--help"], prog_name="python -m ops sign")


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
def scan(words: Annotated[list[str] | None, typer.Argument(help="--once or --watch")] = None) -> None:
    """Scan uploads for viruses and for false types; see `scan --help`."""
    from ops import scan as scanning

    raise typer.Exit(scanning.main(words or []))


@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
def storage(words: Annotated[list[str] | None, typer.Argument(help="usage or clean")] = None) -> None:
    """Stored files: usage, and cleaning up after the deleted and the lost; see `storage --help`."""
    from ops import storage as stored

    stored.app(words or ["--help"], prog_name="python -m ops storage")


def main() -> None:
    """Run a command; whatever stands in its way is one line."""
    try:
        app()
    except (UserError, ObjectError) as error:
        console.print(f"error: {error}", soft_wrap=True, markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
