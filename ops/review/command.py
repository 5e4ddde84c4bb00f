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


@app.command(epilog="Example: ./vpb access --base origin/main; where wider access is meant: … --allow")
def access(
    base: Annotated[str, typer.Option(help="the commit to compare with")] = "origin/main",
    allow: Annotated[bool, typer.Option("--allow", help="wider access is meant: status 0")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for a script, on standard output")] = False,
) -> None:
    """Show which role reaches what more or less than at another commit: privileges, rows, functions, roles, buckets.

    It compares sql/access.json, which `make golden` writes; the status is 2 where somebody reaches more, or may.
    """
    from ops.review import access as reach
    from ops.review import markdown

    found = reach.since(base)
    print(reach.as_json(found) if as_json else markdown.access(found, base))
    raise typer.Exit(FOUND if reach.widened(found) and not allow else 0)
