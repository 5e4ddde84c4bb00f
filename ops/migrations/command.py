"""Migrate without Pulumi, with the same core: for emergencies, tests and databases that were here before us.

The status is 0 when it is done, 1 when it failed, 2 when it found something. An empty database needs no more than
`./vpb migrate up --url URL`.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from declared.schemas import HISTORY_TABLE
from ops.helptext import Commands, joined
from ops.status import FOUND

if TYPE_CHECKING:
    from ops.review.lint import Outcome

app = typer.Typer(cls=Commands, help=joined(__doc__))

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment, where it has a local server")]
Url = Annotated[str | None, typer.Option(help="any other server; also from DATABASE_URL")]
Folder = Annotated[str | None, typer.Option(help="one folder of migrations instead of all, relative to the checkout")]
History = Annotated[str, typer.Option(help="the history table of a folder of your own")]
Role = Annotated[str | None, typer.Option(help="the role that a folder of your own runs as")]
Allow = Annotated[list[str] | None, typer.Option(help="a migration that may lose its data; may be repeated")]
Lose = Annotated[bool, typer.Option("--lose", help="all of them may lose their data")]
Despite = Annotated[
    bool, typer.Option("--despite-drift", help="also where something was changed manually, which it stays then")
]
Elsewhere = Annotated[
    Path | None, typer.Option("--sizes", help="count with the sizes in this file, of migrate sizes --json elsewhere")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress")]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]


@app.command(epilog="Example: ./vpb migrate up --url postgresql://…")
def up(
    stack: Stack = "dev",
    url: Url = None,
    folder: Folder = None,
    history: History = HISTORY_TABLE,
    role: Role = None,
    allow: Allow = None,
    lose: Lose = False,
    despite_drift: Despite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Apply what is pending, and end a rollback that was left half done."""
    may = {"allow_loss": tuple(allow or ()), "lose": lose, "despite_drift": despite_drift}
    answer = _run("up", stack, url, quiet, folder=folder, history=history, role=role, **may)
    _show(answer, as_json, quiet)


@app.command(epilog="Example: ./vpb migrate status --json")
def status(
    stack: Stack = "dev",
    url: Url = None,
    folder: Folder = None,
    history: History = HISTORY_TABLE,
    role: Role = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show what is recorded, what `up` renames, and what is pending; the status is 2 where something is."""
    answer = _run("status", stack, url, quiet, folder=folder, history=history, role=role)
    _show(answer, as_json, quiet=False)
    raise typer.Exit(FOUND if any(found["pending"] for found in answer.values()) else 0)


@app.command(epilog="Example: ./vpb migrate down --to 12 --allow 0013_search")
def down(
    to: Annotated[int, typer.Option(min=0, help="the last migration that stays, 0 for none")],
    allow: Allow = None,
    lose: Lose = False,
    despite_drift: Despite = False,
    stack: Stack = "dev",
    url: Url = None,
    folder: Folder = None,
    history: History = HISTORY_TABLE,
    role: Role = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Roll back to a migration, newest first: of the last folder, or of the one that is named."""
    may = {"allow_loss": tuple(allow or ()), "lose": lose, "despite_drift": despite_drift}
    answer = _run("down", stack, url, quiet, folder=folder, history=history, role=role, to=to, **may)
    _show(answer, as_json, quiet)


@app.command(epilog="Example: ./vpb migrate check")
def check(
    stack: Stack = "dev",
    url: Url = None,
    folder: Folder = None,
    history: History = HISTORY_TABLE,
    role: Role = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run each migration up, down and up again on a scratch database.

    The first whose rollback leaves something or takes too much is named; the status is 2 then.
    """
    answer = _run("check", stack, url, quiet, folder=folder, history=history, role=role)
    _show(answer, as_json, quiet and not answer["found"])
    raise typer.Exit(FOUND if answer["found"] else 0)


@app.command(epilog="Example: ./vpb migrate adopt --write")
def adopt(
    through: Annotated[int | None, typer.Option(help="the last migration that is there already")] = None,
    write: Annotated[bool, typer.Option("--write", help="record them, instead of a report only")] = False,
    stack: Stack = "dev",
    url: Url = None,
    folder: Folder = None,
    history: History = HISTORY_TABLE,
    role: Role = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Find the migrations whose objects are there already, made by another tool, and record them.

    What isn't as the migrations make it is named; the status is 2 then.
    """
    what = {"through": through, "write": write}
    answer = _run("adopt", stack, url, quiet, folder=folder, history=history, role=role, **what)
    _show(answer, as_json, quiet)
    raise typer.Exit(FOUND if answer["differences"] else 0)


@app.command(epilog="Example: ./vpb migrate lint sql/migrations/0039_maintenance.up.sql")
def lint(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[files]", help="scripts; without, what is pending")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="each migration of the checkout, judged alone")] = False,
    stack: Stack = "dev",
    url: Url = None,
    folder: Folder = None,
    history: History = HISTORY_TABLE,
    as_json: Json = False,
) -> None:
    """Find what pending migrations would break or block, with the way that needs no downtime; the status is 2 then.

    The rules are squawk's and our own, which know the structure and the query patterns: docs/migration-review.md.
    """
    # The SQL files' grammar, which `--help` can do without.
    from ops.review.lint import shown

    found = _linted(files or [], every, stack, url, folder, history)
    show = shown.as_json if as_json else shown.as_text
    print(show(found.findings, found.exceptions))
    raise typer.Exit(FOUND if found.findings else 0)


@app.command(epilog="Example: ./vpb migrate locks --stack staging")
def locks(
    stack: Stack = "dev",
    url: Url = None,
    folder: Folder = None,
    history: History = HISTORY_TABLE,
    role: Role = None,
    elsewhere: Elsewhere = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Forecast which locks pending migrations take on what is in use; over the budget, the status is 2.

    The statements run on a copy of the structure; times follow from the real sizes and a measurement on the server.

    The budget is database:lockBudget, for what blocks reads or writes.
    """
    # The driver of PostgreSQL and the SQL files' grammar, which `--help` can do without.
    from ops.migrations import run
    from ops.review import forecast
    from ops.review.forecast import shown

    options = run.Options(folder, history, role) if folder else None
    sizes = forecast.read_sizes(elsewhere) if elsewhere else None
    found = forecast.of(stack, url, options, quiet, sizes)
    print(shown.as_json(found) if as_json else shown.as_text(found, sys.stdout.isatty(), sizes))
    raise typer.Exit(FOUND if any(each.over_budget for each in found) else 0)


@app.command(epilog="Example: ./vpb migrate sizes --stack prod --json > sizes.json")
def sizes(stack: Stack = "dev", url: Url = None, as_json: Json = False) -> None:
    """Show how large the tables are: rows by the server's statistics, and bytes.

    As JSON it is a file for `locks` and `plan` with --sizes, where prod itself may not be asked.
    """
    from ops.review import forecast
    from ops.review.forecast import shown

    found = forecast.sizes_of(stack, url)
    print(found.as_json() if as_json else shown.sizes_as_text(found))


def _linted(
    files: Sequence[str], every: bool, stack: str, url: str | None, folder: str | None, history: str
) -> "Outcome":
    from declared import sqlfiles
    from declared.paths import CHECKOUT
    from ops.errors import CommandError
    from ops.review.lint import outcome, outcome_of

    if files and every:
        raise CommandError("name files, or --all, not both")
    if every:
        scripts = sqlfiles.sql_files(CHECKOUT / (folder or sqlfiles.MIGRATIONS.folder))
        return outcome([each for each in scripts if each.name.endswith(".up.sql")], apart=True)
    if files:
        return outcome([Path(each) for each in files])
    # The driver of PostgreSQL, which files alone can do without.
    from ops.migrations import run

    return outcome_of(stack, url, run.Options(folder, history) if folder else None)


def _run(command: str, stack: str, url: str | None, quiet: bool, **options: Any) -> dict[str, Any]:
    # The driver of PostgreSQL and the SQL files' grammar, which `--help` can do without.
    from ops.migrations import run

    return run.run(command, stack, url, quiet, run.Options(**options))


def _show(answer: Mapping[str, Any], as_json: bool, quiet: bool) -> None:
    if as_json:
        print(json.dumps(answer, indent=2))
    elif not quiet:
        _print(answer)


def _print(answer: Mapping[str, Any], indent: str = "") -> None:
    for name, value in answer.items():
        if isinstance(value, Mapping):
            print(f"{indent}{name}:")
            _print(value, indent + "  ")
        elif isinstance(value, list):
            print(f"{indent}{name}: " + (", ".join(value) if len(value) < 4 else "") + ("" if value else "none"))
            for item in value if len(value) > 3 else ():
                print(f"{indent}  {item}")
        else:
            print(f"{indent}{name}: {value}")
