"""The commands for backups; see docs/backup.md. What takes long to load, each loads when it runs."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from declared.objectlayout import DAYS_OF_OLD_VERSIONS
from ops.helptext import Commands
from ops.status import FOUND

if TYPE_CHECKING:
    from ops.backups import drill
    from ops.environment import Environment

app = typer.Typer(cls=Commands, help="Backups of rows and of what they name; see docs/backup.md.")
alone = typer.Typer(cls=Commands)

Stack = Annotated[str, typer.Option("--stack", "-s", help="the environment")]
WithoutState = Annotated[
    bool,
    typer.Option(
        "--without-state", help="go by BACKUP_DATABASE_URL, BACKUP_BUCKET and OBJECT_BUCKET, not the stack's state"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="for a script, on standard output")]
Id = Annotated[str | None, typer.Argument(metavar="[BACKUP]", help="its id; without it, the newest")]
From = Annotated[
    str | None, typer.Option("--from", help="s3://bucket/prefix or a folder; without it, the declared bucket")
]
Identity = Annotated[
    Path | None, typer.Option(help="a file with the key that opens it, as age-keygen writes it; local has its own")
]


@alone.command(epilog="Example: ./vpb backup --stack prod --to s3://backups/prod --recipient age1…")
def backup(
    stack: Stack = "dev",
    to: Annotated[
        str | None, typer.Option(help="s3://bucket/prefix or a folder; without it, the bucket of database:backups")
    ] = None,
    recipient: Annotated[
        list[str] | None, typer.Option(help="a public key of age that opens it, instead of those of database:backups")
    ] = None,
    keep_days: Annotated[
        int | None,
        typer.Option(
            min=1, max=DAYS_OF_OLD_VERSIONS, help="how long the cleaner leaves the stored files that it names"
        ),
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, max=16, help="sessions that copy rows; by default 2 or 3")] = None,
    without_state: WithoutState = False,
    as_json: Json = False,
) -> None:
    """Back up all rows, roles and the structure as of one instant, encrypted, and note which stored files they name.

    What was begun a day ago or longer and never ended is removed first.
    """
    from rich.console import Console

    from ops.backups import given, making, options, promise, sealing
    from ops.backups.declared import Declared
    from ops.environment import Environment
    from run import engine

    environment = given.instead_of_state(without_state, stack, bool(to)) or Environment.of(stack)
    place = options.place(stack, to, "--to", environment)
    declared = engine.backups(stack)
    keys = sealing.recipients(recipient or (declared and list(declared.recipients)) or [options.own_recipient(stack)])
    with Console(stderr=True).status("backing up", spinner="line") as status:
        task = making.Making(
            stack, environment.output("backup_url"), place, keys, options.store(environment), progress=status.update
        )
        task.jobs, task.keep_days = jobs or task.jobs, keep_days
        made = task.run()
    if isinstance(place, Declared):
        promise.tell(environment, made, place)
    if as_json:
        print(made.as_json().decode())
        return
    stored = "" if made.files is None else f", {made.files} stored files named"
    print(
        f"backup {made.id} in {place.label}: {made.tables} tables, {made.rows} rows{stored}; {made.stored_bytes} bytes"
    )


@app.command("list", epilog="Example: ./vpb backups list --from s3://backups/prod")
def list_(stack: Stack = "dev", place: From = None, without_state: WithoutState = False, as_json: Json = False) -> None:
    """The backups that are complete, the newest first."""
    from rich.console import Console
    from rich.table import Table

    from ops.backups import checking, given, options

    environment = given.instead_of_state(without_state, stack, bool(place), database=False)
    found = [each.summary for each in checking.listed(options.place(stack, place, "--from", environment))]
    if as_json:
        print(json.dumps([json.loads(each.as_json()) for each in found], indent=2))
        return
    table = Table()
    for column in ("backup", "stack", "taken at", "rows", "files", "bytes"):
        # An id that is cut off names nothing.
        table.add_column(column, overflow="fold")
    for each in found:
        files = "" if each.files is None else str(each.files)
        table.add_row(each.id, each.stack, each.taken_at, str(each.rows), files, str(each.stored_bytes))
    Console().print(table)


@app.command(epilog="Example: ./vpb backups verify --from s3://backups/prod --identity key.txt")
def verify(
    id: Id = None,
    stack: Stack = "dev",
    place: From = None,
    identity: Identity = None,
    without_state: WithoutState = False,
    as_json: Json = False,
) -> None:
    """Read a backup again, with a key its contents too; the status is 2 where it isn't as it was written."""
    found = _verified(id, stack, place, identity, without_state)
    if as_json:
        print(json.dumps(found))
    elif found["wrong"]:
        print("\n".join(f"backup {found['backup']}: {line}" for line in found["wrong"]))
    else:
        contents = "and their contents" if found["contents"] else "and not what is encrypted in them: no key was given"
        print(f"backup {found['backup']}: as it was written; compared {found['parts']} parts {contents}")
    raise typer.Exit(FOUND if found["wrong"] else 0)


@alone.command(epilog="Example: ./vpb restore-drill --from s3://backups/prod --identity key.txt --evidence drills")
def restore_drill(
    id: Id = None,
    stack: Stack = "dev",
    place: From = None,
    identity: Identity = None,
    evidence: Annotated[Path | None, typer.Option(help="a folder for the report, as JSON and as a page")] = None,
    without_state: WithoutState = False,
    as_json: Json = False,
) -> None:
    """Restore a backup into a server of its own and compare it; the status is 2 where the backup is bad.

    Each check passed, failed, or was skipped and says why. The server is gone afterwards.
    """
    done = _drilled(id, stack, place, identity, evidence, without_state)
    print(done.as_json() if as_json else done.as_markdown())
    raise typer.Exit(0 if done.passed else FOUND)


def _verified(
    id: str | None, stack: str, place: str | None, identity: Path | None, without_state: bool
) -> dict[str, Any]:
    """What is wrong with a backup, and how much of it was looked at."""
    from ops.backups import checking, given, options

    environment = given.instead_of_state(without_state, stack, bool(place), database=False)
    with _judged():
        found = checking.named(options.place(stack, place, "--from", environment), id)
        keys = options.identities(stack, identity, needed=False)
        wrong = checking.verify(found, keys)
    return {"backup": found.id, "parts": len(found.summary.parts), "contents": bool(keys), "wrong": wrong}


def _drilled(
    id: str | None, stack: str, place: str | None, identity: Path | None, evidence: Path | None, without_state: bool
) -> "drill.Evidence":
    """What a drill finds, written down too."""
    from rich.console import Console

    from ops.backups import checking, drill, given, options
    from run import engine

    environment = given.instead_of_state(without_state, stack, bool(place))
    with _judged():
        where = options.place(stack, place, "--from", environment)
        keys = options.identities(stack, identity, needed=True)
        with Console(stderr=True).status("restoring", spinner="line") as status:
            found = checking.named(where, id)
            store = options.store(environment) if environment else options.reachable(stack)
            task = drill.Drill(found, keys, store, progress=status.update)
            if not place:
                task.promised, task.newest = engine.backups(stack), id is None
            done = _noted(stack, task, environment)
    for path in _written(evidence or (None if place else options.folder(stack) / "evidence"), done):
        print(f"evidence: {path}", file=sys.stderr)
    return done


def _noted(stack: str, task: "drill.Drill", environment: "Environment | None") -> "drill.Evidence":
    """A drill, and its end in the stack's database."""
    from ops.backups.errors import BadBackup

    try:
        done = task.run()
    except BadBackup:
        _note(stack, task, None, environment)
        raise
    _note(stack, task, done, environment)
    return done


def _note(stack: str, task: "drill.Drill", done: "drill.Evidence | None", environment: "Environment | None") -> None:
    from ops.backups import instants

    if why := instants.drilled(stack, task.backup.summary, done, environment):
        print(f"not noted for `up`: {why}", file=sys.stderr)


@contextmanager
def _judged() -> Iterator[None]:
    """A backup that is bad is something found, and no failure of the command."""
    from ops.backups.errors import BadBackup

    try:
        yield
    except BadBackup as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(FOUND) from None


def _written(folder: Path | None, done: "drill.Evidence") -> Iterator[Path]:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for ending, text in (("json", done.as_json()), ("md", done.as_markdown())):
        path = folder / f"{done.backup}-{done.drilled_at[:19].replace(':', '')}.{ending}"
        path.write_text(text)
        yield path
