"""`python -m tests.faults`: break a scratch copy at random moments and see that the next `up` recovers."""

import sys
from typing import Annotated

import typer

from declared.errors import UserError


def faults(
    rounds: Annotated[int, typer.Option(help="how many")] = 30,
    seed: Annotated[int | None, typer.Option(help="the same one makes the same choices")] = None,
    only: Annotated[str | None, typer.Option(help="one fault by its name, as the tally has it")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="the migration runner alone, without the engine")] = False,
    backups: Annotated[bool, typer.Option("--backups", help="physical backups and WAL, without the engine")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for a script, on standard output")] = False,
) -> None:
    """Break a scratch copy at random moments and see that the next `up` recovers."""
    from tests.faults import kills
    from tests.faults import rounds as rounds_of_faults

    try:
        if backups:
            from tests.faults import backups as of_backups

            raise typer.Exit(of_backups.run(rounds, seed, as_json))
        raise typer.Exit((kills if fast else rounds_of_faults).run(rounds, seed, only, as_json))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(faults)
