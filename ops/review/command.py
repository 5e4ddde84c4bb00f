"""The commands of a review; see docs/review.md."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ops.errors import CommandError
from ops.helptext import Commands
from ops.status import FAILED, FOUND

app = typer.Typer()


@app.command(epilog="Example: ./vpb plan --stack staging; for a script: ./vpb plan --stack staging --json")
def plan(
    stack: Annotated[str, typer.Option("--stack", "-s", help="the environment")] = "dev",
    fail_on: Annotated[
        Literal["anything", "errors"], typer.Option(help="for what the status is 2: errors are what isn't merged")
    ] = "anything",
    sizes: Annotated[
        Path | None, typer.Option(help="forecast locks with the sizes in this file, of migrate sizes --json elsewhere")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="for a script, on standard output")] = False,
) -> None:
    """Show what was changed manually, by whom, and what `up` would do, as Markdown for a pull request.

    What destroys data stands first. Nothing is changed.

    Why a preview failed is in the page too, with status 1; the status is 2 where there is something to say.

    Errors are those in migrations, locks over the budget, what couldn't be tried, and what the guardrails refuse.
    """
    from ops.review import forecast, markdown
    from ops.review import plan as planned

    found = planned.of(stack, forecast.read_sizes(sizes) if sizes else None)
    print(found.as_json() if as_json else markdown.page(found))
    something = found.red if fail_on == "errors" else not found.empty
    raise typer.Exit(FAILED if found.refused else FOUND if something else 0)


@app.command(epilog="Example: ./vpb access --base origin/main; where wider access is meant: … --allow")
def access(
    base: Annotated[str, typer.Option(help="the commit to compare with")] = "origin/main",
    allow: Annotated[bool, typer.Option("--allow", help="wider access is meant: status 0")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for a script, on standard output")] = False,
) -> None:
    """Show which role reaches what more or less than at another commit: privileges, rows, functions, roles, buckets.

    It compares sql/access.json and each stack's buckets; the status is 2 where somebody reaches more, or may.

    A list that is older than the files it follows from isn't compared, status 1: `make golden` writes it.
    """
    from ops.review import access as reach
    from ops.review import markdown

    try:
        found = reach.since(base)
    except reach.OutOfDateError as error:
        if not as_json:
            # A report that this is a part of says it too.
            print(f"### Access\n\n**Not compared**: {error}.")
        raise
    print(reach.as_json(found) if as_json else markdown.access(found, base))
    raise typer.Exit(FOUND if reach.widened(found) and not allow else 0)


github = typer.Typer(cls=Commands, help="Reports at GitHub, from a job of GitHub Actions; see docs/ci.md.")
Name = Annotated[str, typer.Option(help="which report it is, such as plan-staging; there is one of each name")]
File = Annotated[Path, typer.Argument(help="the report, as Markdown; - is standard input", allow_dash=True)]


@github.command(epilog="Example: ./vpb github comment plan.md --pull-request 12 --name plan-dev")
def comment(
    file: File,
    pull_request: Annotated[int, typer.Option(min=1, help="its number")],
    name: Name,
) -> None:
    """Write a report as a comment of a pull request, or bring the one of this name up to date.

    It needs GITHUB_TOKEN with `pull-requests: write`, and GITHUB_REPOSITORY.
    """
    from ops.review.github import GitHub

    print(GitHub.of_job().comment(pull_request, name, _read(file)))


@github.command(epilog="Example: ./vpb github unlabel wider-access --pull-request 12")
def unlabel(
    label: Annotated[str, typer.Argument(help="its name")],
    pull_request: Annotated[int, typer.Option(min=1, help="its number")],
) -> None:
    """Take a label off a pull request: what it was given for has changed.

    It needs GITHUB_TOKEN with `pull-requests: write`, and GITHUB_REPOSITORY.
    """
    from ops.review.github import GitHub

    print(GitHub.of_job().unlabel(pull_request, label))


@github.command(epilog="Example: ./vpb github issue drift.md --name drift-prod --title 'Drift of prod'")
def issue(
    file: Annotated[Path | None, typer.Argument(help="the report, as Markdown", allow_dash=True)] = None,
    name: Name = "drift",
    title: Annotated[str, typer.Option(help="the issue's title")] = "Drift",
    close: Annotated[bool, typer.Option("--close", help="close it: there is nothing to report")] = False,
) -> None:
    """Open an issue with a report, or bring the one of this name up to date; with --close, close it.

    It needs GITHUB_TOKEN with `issues: write`, and GITHUB_REPOSITORY.
    """
    from ops.review.github import GitHub

    if close == (file is not None):
        raise CommandError("give a file, or --close and none")
    at = GitHub.of_job()
    print(at.issue(name, title, _read(file)) if file else at.close(name))


@github.command("open", epilog="Example: ./vpb github open")
def open_ones() -> None:
    """Print the numbers of the open pull requests, one a line.

    It needs GITHUB_TOKEN with `pull-requests: read`, and GITHUB_REPOSITORY.
    """
    from ops.review.github import GitHub

    for number in GitHub.of_job().open_pull_requests():
        print(number)


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file}: must be UTF-8") from None
