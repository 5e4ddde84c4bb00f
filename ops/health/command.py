"""The command line of monitoring; see docs/health.md."""

import re
from pathlib import Path
from typing import Annotated

import typer

from ops.errors import CommandError

app = typer.Typer()
# What stands in rules, templates and links as it is.
ADDRESS = re.compile(r"[A-Za-z0-9._~:/?#@%+=&-]+")

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]


Runbooks = Annotated[str, typer.Option("--runbooks", help="where who gets an alarm finds the pages of docs/runbooks")]


@app.command(
    epilog="Example: ./vpb monitoring /etc/vpb --stack prod --runbooks https://wiki.example.org/runbooks",
)
def monitoring(
    folder: Annotated[Path, typer.Argument(help="where the files go; those that are there are replaced")],
    stack: Stack = "dev",
    runbooks: Runbooks = "docs/runbooks",
) -> None:
    """Write what other tools watch the health by: postgres_exporter's queries, Prometheus' rules, Grafana's dashboard.

    The thresholds are those of the stack's file; nothing is asked and nothing started.
    """
    from ops.health.files import Watched
    from ops.health.report import PROMISED
    from run import engine

    if not ADDRESS.fullmatch(runbooks):
        raise CommandError(f"--runbooks {runbooks!r}: must be an address or a folder, without spaces and quotes")
    # A stack that has a file of settings may not have been made yet.
    if not engine.declared(stack):
        engine.require(stack)
    expected = PROMISED if engine.backups(stack) else ()
    for path in Watched(stack, engine.checks(stack), runbooks.rstrip("/"), expected).write(folder):
        print(f"wrote {path}")


@app.command(epilog="Example: ./vpb health --stack prod --json")
def health(
    stack: Stack = "dev",
    pooler: Annotated[str, typer.Option(help="host and port of a PgBouncer before it, whose pools are shown too")] = "",
    as_json: Json = False,
) -> None:
    """Show how the database is: connections, locks, dead rows, queues, backups, spend; the slowest statements.

    It asks as the login `monitor`, which reads no rows; the status is 2 where a metric is over one of its thresholds.
    """
    from ops.health import report

    found = report.of(stack, pooler)
    print(report.as_json(found) if as_json else report.as_text(found))
    raise typer.Exit(report.status(found))
