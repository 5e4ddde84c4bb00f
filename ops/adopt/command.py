"""The command line of adoption."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from declared.errors import printable
from ops.status import FOUND

app = typer.Typer()
Url = Annotated[
    str | None,
    typer.Option(
        help="the live database; also from DATABASE_URL. Without a password in it, PGPASSWORD or ~/.pgpass has it"
    ),
]
Into = Annotated[str, typer.Option("--into", "--out", help="a new folder of the checkout")]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]


@app.command(epilog="Example: ./vpb adopt --into adopted/shop")
def adopt(into: Into, url: Url = None, as_json: Json = False) -> None:
    """Read a live database, and write what it has as a declaration; nothing of it is changed.

    A stack whose setting database:adopted names the folder goes on from there.

    The status is 2 where something is unsafe as found, or can't be declared.
    """
    from ops.adopt import run

    said = run.adopt(url, into)
    print(json.dumps(said, indent=2) if as_json else _shown(said))
    raise typer.Exit(FOUND if said["left"] or said["unsafe"] else 0)


def _shown(said: Mapping[str, Any]) -> str:
    taken = ", ".join(f"{count} {what}" for what, count in said["taken"].items() if count)
    from ops.adopt.unsafe import TO_DO

    lines = [f"{said['folder']}: {taken}"]
    for what, names in said["unsafe"].items():
        lines += [f"unsafe as found: {len(names)} {what}", *(f"  {name}" for name in names), f"  to do: {TO_DO[what]}"]
    lines += [f"left as it is: {each}" for each in said["left"]]
    return "\n".join(
        [*map(printable, lines), f"next: a stack with database:adopted {said['folder']}, see docs/adoption.md"]
    )
