"""The command of the status report; see docs/report.md."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command(epilog="Example: ./vpb report --stack prod --output report.html; for a script: ./vpb report --json")
def report(
    stack: Annotated[str, typer.Option("--stack", "-s", help="the environment")] = "dev",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="the page; by default .local/STACK/report.html")
    ] = None,
    look_for_drift: Annotated[
        bool, typer.Option("--drift", help="look for manual changes now, which takes as long as ./vpb drift")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="for a script, on standard output; a page only with --output")
    ] = False,
) -> None:
    """Write one page of how the database is: for a manager first, for operators below; its numbers as JSON beside it.

    Forecast, health, statements, stored files, audit, backups, drills, manual changes, migrations, cost.

    What can't be read is said in its place. The page holds all that it shows, and asks nobody for anything.
    """
    from rich.console import Console

    from ops.report import run, writing

    path = writing.place(stack, output) if output or not as_json else None
    with Console(stderr=True).status("reporting", spinner="line") as status:
        found = run.of(stack, look_for_drift, lambda part: status.update(f"reporting: {part}"))
        written = writing.write(found, path) if path else []
    if as_json:
        print(found.as_json())
    else:
        print("\n".join([f"stack {stack}: {found.summary.verdict}", *(f"wrote {each}" for each in written)]))
