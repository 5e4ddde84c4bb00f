"""`./vpb guardrails` and `./vpb compliance`: what is declared, and what is there, against rules and benchmarks."""

from typing import Annotated

import typer

from ops.status import FOUND

app = typer.Typer()
Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]


@app.command(epilog="Example: ./vpb guardrails --stack prod --json")
def guardrails(stack: Stack = "dev", as_json: Json = False) -> None:
    """Hold what is declared against the rules of docs/guardrails.md, by a preview: nothing is changed.

    What is critical or high is refused: the status is 2 where there is something. The rest is advice.
    """
    from rich.console import Console

    from ops.guardrails import planned, report

    found = planned.checked(stack)
    if as_json:
        print(report.as_json(found))
    else:
        report.as_table(found, Console(highlight=False))
    raise typer.Exit(FOUND if found.refused else 0)


@app.command(epilog="Example: ./vpb compliance --stack prod --json")
def compliance(
    stack: Stack = "dev",
    plan: Annotated[
        bool, typer.Option("--plan", help="what is declared alone, for a stack that isn't there yet")
    ] = False,
    as_json: Json = False,
) -> None:
    """List each control of CIS PostgreSQL and of AWS Foundational Security Best Practices, before and after `up`.

    Before is what the plan declares, after what is found in the database and the account; each with its evidence.

    Where a control has failed, the status is 2.
    """
    from rich.console import Console

    from ops.compliance import report, run

    found = run.made(stack, plan)
    if as_json:
        print(report.as_json(found))
    else:
        report.as_table(found, Console(highlight=False))
    raise typer.Exit(FOUND if found.failed else 0)
