"""The commands for what concerns one person; see docs/departures.md."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from ops.helptext import Commands

app = typer.Typer(
    cls=Commands, help="What concerns a person: an export of it, and who has left; see docs/departures.md."
)

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]


@app.command(epilog="Example: ./vpb people export-person USER_ID --stack prod --to ada.zip")
def export_person(
    person: Annotated[UUID, typer.Argument(metavar="PERSON", help="the id, which is the sub claim of their tokens")],
    stack: Stack = "dev",
    to: Annotated[
        Path | None, typer.Option(help="a file to write; without it, the person's own folder in bucket exports")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write all that concerns a person into a ZIP: their rows as JSON, their files, a manifest."""
    from ops.environment import Environment
    from ops.people import export

    environment = Environment.of(stack)
    if to:
        manifest, file = export.to_file(environment, person, to), str(to)
    else:
        manifest, name = export.to_bucket(environment, person)
        file = f"{export.BUCKET}/{name}"
    if as_json:
        print(json.dumps({"file": file, **asdict(manifest)}, indent=2))
        return
    rows = sum(manifest.tables.values())
    print(f"{file}: {rows} rows, {len(manifest.files)} files, {len(manifest.left_out)} left out")


@app.command(epilog="Example: ./vpb people departures --json > departures.json")
def departures(
    stack: Stack = "dev",
    apply: Annotated[
        Path | None, typer.Option(help="a list of before, after a restore: everybody on it leaves again")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="delete the accounts of --apply without a question")] = False,
    as_json: Json = False,
) -> None:
    """Who has left, to be kept beside backups, and of how many something is still to be deleted."""
    from ops import confirmation
    from ops.environment import Environment
    from ops.people import departures as people

    if yes and not apply:
        raise typer.BadParameter("--yes goes with --apply alone")
    environment = Environment.of(stack)
    if apply:
        listed = people.listed(apply)
        loss = f"stack {stack}: this deletes what accounts there are of {len(listed)} people, with all that they have"
        confirmation.sure(loss, yes)
        gone = people.apply(environment, listed)
        print(json.dumps({"accounts": gone}) if as_json else f"{gone} accounts that a backup had brought back are gone")
        return
    found = people.known(environment)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    since = f" since {found['oldest']}, {found['erased_rows']} rows so far" if found["waiting"] else ""
    from rich.console import Console

    Console(highlight=False).print(
        f"{len(found['departures'])} people have left, of {found['waiting']} something is still to be deleted{since}"
    )
