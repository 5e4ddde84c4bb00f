"""The commands for archived months; see docs/growth.md. AWS' library takes half a second to load, so each loads it."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer

from ops.helptext import Commands
from ops.status import FAILED

app = typer.Typer(
    cls=Commands,
    invoke_without_command=True,
    help="Old months of large tables, in the object bucket; without a command: archive and drop what is due.",
    epilog="Example: ./vpb archive --dry-run --stack=prod; see docs/growth.md",
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]


@app.callback()
def archive(
    context: typer.Context,
    stack: Stack = "dev",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="count, and change nothing")] = False,
    as_json: Json = False,
) -> None:
    """Write old months of database:archivedTables into the object bucket, read them back, then drop them."""
    if context.invoked_subcommand:
        if stack != "dev" or dry_run or as_json:
            raise typer.BadParameter(f"options go behind {context.invoked_subcommand}")
        return
    from rich.console import Console

    from ops.archive import job
    from ops.environment import Environment

    with Console(stderr=True).status("archiving") as status:
        found = job.run(Environment.of(stack), dry_run, status.update)
    if as_json:
        print(json.dumps([asdict(done) for done in found], indent=2))
    elif not found:
        print("no month is due")
    else:
        _table(
            ("month", "rows", "bytes", "result"), [(each.name, each.rows, each.bytes, each.result) for each in found]
        )
    if any(done.failed for done in found):
        raise typer.Exit(FAILED)


@app.command(name="list", epilog="Example: ./vpb archive list --stack prod --json")
def list_(stack: Stack = "dev", as_json: Json = False) -> None:
    """List what is archived, by month."""
    from ops.archive import job
    from ops.archive.copies import Copies
    from ops.environment import Environment

    copies = Copies(Environment.of(stack).store)
    with job.failures("the archives can't be listed"):
        found = [manifest for name in copies.names() if (manifest := copies.manifest(name))]
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2))
    else:
        _table(
            ("archive", "made", "rows", "bytes"), [(each.name, each.made_at, each.rows, each.bytes) for each in found]
        )


@app.command(epilog="Example: ./vpb archive restore audit.log_2024_01 --stack prod")
def restore(
    name: Annotated[str, typer.Argument(metavar="NAME", help="the month, as `./vpb archive list` names it")],
    stack: Stack = "dev",
    as_json: Json = False,
) -> None:
    """Make a table of an archived month again, in schema archived, for the login that provisions alone."""
    from ops.archive import restoring
    from ops.environment import Environment

    table, manifest = restoring.restore(Environment.of(stack), name)
    said = f"{table}: {manifest.rows:,} rows; when you have read it: drop table {table}"
    print(json.dumps({"table": table, "rows": manifest.rows}) if as_json else said)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else cell for cell in row))
    Console().print(table)
