"""What was lost, back from a backup; see docs/backup.md. What takes long to load, each loads when it runs."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ops.backups.command import From, Identity, Json, Stack
from ops.helptext import Commands

if TYPE_CHECKING:
    from ops.backups.rows import Plan, Written

app = typer.Typer(cls=Commands, help="What was lost, back from a backup; see docs/backup.md.")


@app.command(epilog="Example: ./vpb restore table public.projects --identity key.txt --dry-run")
def table(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="with its schema, such as public.projects")],
    backup: Annotated[
        str | None, typer.Option(metavar="ID", help="without it, the newest; needed with --replace")
    ] = None,
    stack: Stack = "dev",
    place: From = None,
    identity: Identity = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="make rows that differ as they were, after a backup of all that is there")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would be done, and change nothing")] = False,
    confirm: Annotated[str, typer.Option(metavar="STACK", help="the stack's name, so that nobody is asked")] = "",
    as_json: Json = False,
) -> None:
    """Insert the rows of a table that are missing, as a backup has them, in one transaction.

    What differs is named and stays, unless --replace. What isn't in the backup stays.
    """
    from ops import confirmation
    from ops.backups import checking, options, rows
    from ops.backups.errors import BackupError
    from ops.environment import Environment

    found = checking.named(options.place(stack, place, "--from"), backup)
    if replace and backup is None:
        raise BackupError(
            "--replace needs --backup ID, since the backup that it makes of what is there becomes the newest; "
            f"so far the newest is {found.id}"
        )
    keys = options.identities(stack, identity, needed=True)
    url = Environment.of(stack).admin_url
    with rows.restored(url, found, found.manifest(keys), name, keys, replace) as task:
        planned = task.plan()
        _show(found.id, name, planned, replace, as_json)
        if dry_run:
            return
        if not (planned.missing or (replace and planned.differing)):
            _tell(name, rows.Written(0, 0, planned.differing), replace, as_json)
            return
        confirmation.named(stack, f"stack {stack}: this writes to table {name}", confirm)
        if replace and planned.differing:
            kept = options.kept(stack, place, keys)
            print(f"backup {kept}: has what is replaced; --backup {found.id} is what is restored", file=sys.stderr)
        written = task.write(planned, replace)
    _tell(name, written, replace, as_json)
    print(f"table {name}: restored; ./vpb preview --stack {stack} compares the rest", file=sys.stderr)


def _tell(name: str, written: "Written", replace: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"table": name, **asdict(written)}))
    elif written.differing and replace:
        print(f"table {name}: {written.differing} rows differ still, in columns that triggers set", file=sys.stderr)


def _show(id: str, name: str, plan: "Plan", replace: bool, as_json: bool) -> None:
    if as_json:
        shown = {name: value for name, value in asdict(plan).items() if name != "versions"}
        print(json.dumps({"backup": id, "table": name, "replace": replace, **shown}))
        return
    differing = f"{plan.differing} differ" + (" and are replaced" if replace else " and stay") * bool(plan.differing)
    print(
        f"table {name} from backup {id}: {plan.missing} rows are inserted, {differing}, {plan.same} are as they were, "
        f"{plan.only_there} aren't in the backup and stay"
    )
    for other, count in plan.left_out:
        print(f"  left out: {count}, which name rows of {other} that aren't there, such as of who has left since")
    for key, columns in plan.different:
        print(f"  differs: {key} in {', '.join(columns)}")
