"""The command of a review; see docs/review.md."""

from typing import Annotated

import typer

from ops.status import FAILED, FOUND

app = typer.Typer()


@app.command(epilog="Example: ./vpb plan --stack staging; for a script: ./vpb plan --stack staging --json")
def plan(
    stack: Annotated[str, typer.Option("--stack", "-s", help="the environment")] = "dev",
    as_json: Annotated[bool, typer.Option("--json", help="for a script, on standard output")] = False,
) -> None:
    """Show what was changed manually, by whom, and what `up` would do, as Markdown for a pull request.

    What destroys data stands first. Nothing is changed.

    Why a preview failed is in the page too, with status 1; the status is 2 where there is something to say.
    """
    from ops.review import markdown
    from ops.review import plan as planned

    found = planned.of(stack)
    print(found.as_json() if as_json else markdown.page(found))
    raise typer.Exit(FAILED if found.refused else 0 if found.empty else FOUND)
