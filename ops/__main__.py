"""The commands. Exit status 0 is done, 1 a failure told in one line; `drift` has 2 for a change by hand."""

import shutil
import sys
from typing import Annotated

import typer
from rich.console import Console

from local import engine, services
from local.paths import CHECKOUT
from local.postgres import ServerError
from objects.names import ObjectError
from ops import drift as drift_report
from ops.scratch import ScratchError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True, highlight=False)

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
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
    engine.make_stack(stack)
    raise typer.Exit(_pulumi("preview", "--diff", stack=stack) and 1)


@app.command()
def drift(stack: Stack = "dev", as_json: Json = False) -> None:
    """Report what was changed by hand, object by object; exit status 2 where there is something."""
    found = drift_report.find(stack)
    print(drift_report.as_json(stack, found) if as_json else drift_report.as_markdown(stack, found))
    raise typer.Exit(2 if found else 0)


@app.command()
def down(stack: Stack = "dev") -> None:
    """Destroy a stack's resources; on local also stop its services and delete their data."""
    local = engine.target(stack) == "local"
    if engine.exists(stack):
        # The embedded server and moto go with everything in them; a server of one's own is tidied up.
        gone_with_its_server = local and engine.embedded(stack)
        status = 0 if gone_with_its_server else _pulumi("destroy", "--yes", "--skip-preview", stack=stack)
        status = status or _pulumi("stack", "rm", "--yes", "--force", "--preserve-config", stack=stack)
        if status:
            raise typer.Exit(1)
    if local:
        services.remove(stack)
        console.print(f"stack {stack}: services stopped, data deleted")
        _remove_if_last()


def _pulumi(*arguments: str, stack: str) -> int:
    return engine.run([*arguments, "--non-interactive", "--stack", stack], stack)


def _remove_if_last() -> None:
    folder = CHECKOUT / ".local"
    stacks = [path for path in folder.iterdir() if path.is_dir() and path.name != "state"]
    if not stacks and not engine.any_stack():
        shutil.rmtree(folder)


@app.command()
def generate() -> None:
    """Write the generated files anew: the provider's schema, the README's table of settings."""
    from ops import generate as generated

    for path in generated.write():
        console.print(f"wrote {path.relative_to(CHECKOUT)}")


@app.command()
def faults(
    rounds: Annotated[int, typer.Option(help="how many")] = 30,
    seed: Annotated[int | None, typer.Option(help="the same one makes the same choices")] = None,
    only: Annotated[str | None, typer.Option(help="one fault by its name, as the tally has it")] = None,
    as_json: Json = False,
) -> None:
    """Break a scratch copy at random moments and see that the next `up` mends it."""
    from ops import faults as rounds_of_faults

    raise typer.Exit(rounds_of_faults.run(rounds, seed, only, as_json))


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


def main() -> None:
    """Run a command; whatever stands in its way is one line."""
    try:
        app()
    except (engine.EngineError, ServerError, ScratchError, drift_report.DriftError, ObjectError) as error:
        console.print(f"error: {error}", soft_wrap=True, markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
