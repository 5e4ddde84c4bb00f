"""The commands for backups; see docs/backups.md. What takes long to load, each loads when it runs."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from declared.objectlayout import DAYS_OF_OLD_VERSIONS
from ops.helptext import Commands
from ops.status import FOUND

if TYPE_CHECKING:
    from ops.backups import drill
    from ops.backups.manifest import Summary
    from ops.backups.places import Place
    from ops.environment import Environment
    from ops.physical.drill import PhysicalDrill

    Drilling = drill.Drill | PhysicalDrill

app = typer.Typer(cls=Commands, help="Backups of rows and of what they name; see docs/backups.md.")
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
    physical: Annotated[
        bool, typer.Option("--physical", help="the files of the server, which `./vpb wal archive` goes on from")
    ] = False,
    without_state: WithoutState = False,
    as_json: Json = False,
) -> None:
    """Back up all rows, roles and the structure as of one instant, encrypted, and note which stored files they name.

    What was begun a day ago or longer and never ended is removed first.

    With --physical it has the files of the whole server; WAL from before the oldest of these is removed afterwards.
    """
    from rich.console import Console

    from ops.backups import given, making, options, promise
    from ops.backups.declared import Declared
    from ops.environment import Environment

    environment = given.instead_of_state(without_state, stack, bool(to), True, physical) or Environment.of(stack)
    place = options.place(stack, to, "--to", environment)
    keys = options.recipients(stack, recipient)
    with Console(stderr=True).status("backing up", spinner="line") as status:
        if physical:
            made = _physical(stack, environment, place, keys, keep_days, status.update)
        else:
            task = making.Making(
                stack, environment.output("backup_url"), place, keys, options.store(environment), progress=status.update
            )
            task.jobs, task.keep_days = jobs or task.jobs, keep_days
            made = task.run()
    if isinstance(place, Declared):
        promise.tell(environment, made, place)
    print(made.as_json().decode() if as_json else f"backup {made.id} in {place.label}: {_holds(made)}")


def _physical(
    stack: str,
    environment: "Environment",
    place: "Place",
    keys: list[Any],
    keep_days: int | None,
    progress: Callable[[str], None],
) -> "Summary":
    """The files of the server, and what WAL no physical backup needs any more."""
    from ops.errors import CommandError, answered
    from ops.physical import making, server
    from run import engine

    server.refuse_elsewhere(stack)
    url = None if engine.adopted(stack) else environment.output("backup_url")
    made = making.Basing(stack, environment.admin_url, place, keys, url, keep_days, progress).run()
    if not server.archived(environment.admin_url, stack):
        print(
            f"stack {stack}: no WAL is archived, so this comes back as of its end alone; ./vpb wal archive follows it",
            file=sys.stderr,
        )
    try:
        making.discard_old_wal(place, made.wal["system"])
    except Exception as error:
        said = str(error) if isinstance(error, CommandError) else answered(error)
        if said is None:
            raise
        print(f"backup {made.id} is complete, and WAL that is too old stays: {said}", file=sys.stderr)
    return made


def _holds(made: "Summary") -> str:
    if made.wal:
        return f"the files of the server; {made.stored_bytes} bytes"
    stored = "" if made.files is None else f", {made.files} stored files named"
    return f"{made.tables} tables, {made.rows} rows{stored}; {made.stored_bytes} bytes"


@app.command("list", epilog="Example: ./vpb backups list --from s3://backups/prod")
def list_(stack: Stack = "dev", place: From = None, without_state: WithoutState = False, as_json: Json = False) -> None:
    """The backups that are complete, the newest first; then those whose summary is damaged."""
    from rich.console import Console
    from rich.table import Table

    from ops.backups import checking, given, options

    environment = given.instead_of_state(without_state, stack, bool(place), database=False)
    listed, damaged = checking.summaries(options.place(stack, place, "--from", environment))
    found = [each.summary for each in listed]
    if as_json:
        print(json.dumps([*(json.loads(each.as_json()) for each in found), *(d.as_dict() for d in damaged)], indent=2))
        return
    for bad in damaged:
        print(bad.wrong, file=sys.stderr)
    table = Table()
    for column in ("backup", "kind", "stack", "taken at", "rows", "files", "bytes"):
        # An id that is cut off names nothing.
        table.add_column(column, overflow="fold")
    for each in found:
        files = "" if each.files is None else str(each.files)
        rows = "" if each.wal else str(each.rows)
        table.add_row(each.id, each.kind, each.stack, each.taken_at, rows, files, str(each.stored_bytes))
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
        print("\n".join(found["wrong"]))
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
    sign_key: Annotated[
        Path | None, typer.Option(help="a file with the private key that signs the report: Ed25519, PEM")
    ] = None,
    physical: Annotated[
        bool, typer.Option("--physical", help="a physical backup, with the WAL that is archived")
    ] = False,
    at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="with --physical: recover to it, such as …T05:00Z")
    ] = None,
    timeline: Annotated[
        int | None, typer.Option(min=1, help="with --physical: which timeline to follow, where WAL goes on in two")
    ] = None,
    without_state: WithoutState = False,
    as_json: Json = False,
) -> None:
    """Restore a backup into a server of its own and compare it; the status is 2 where the backup is bad.

    Each check passed, failed, or was skipped and says why. The server is gone afterwards.

    With --physical it is recovered from files and WAL, and each table and index is checked.
    """
    from ops.backups import signing
    from ops.backups.errors import BackupError

    if sign_key and place and not evidence:
        raise BackupError("--sign-key signs the report, and --evidence must name a folder for it")
    if (at or timeline) and not physical:
        raise BackupError(f"{'--at' if at else '--timeline'} recovers WAL, and goes with --physical alone")
    sign = signing.key(sign_key) if sign_key else None
    done, folder = _drilled(id, stack, place, identity, evidence, without_state, physical, at, timeline)
    for path in _written(folder, done):
        print(f"evidence: {path}", file=sys.stderr)
        if sign:
            print(f"evidence: {signing.sign(path, sign)}", file=sys.stderr)
    print(done.as_json() if as_json else done.as_markdown())
    raise typer.Exit(0 if done.passed else FOUND)


def _verified(
    id: str | None, stack: str, place: str | None, identity: Path | None, without_state: bool
) -> dict[str, Any]:
    """What is wrong with a backup, and how much of it was looked at."""
    from ops.backups import checking, given, options

    environment = given.instead_of_state(without_state, stack, bool(place), database=False)
    with _judged():
        found = checking.named(options.place(stack, place, "--from", environment), id, None)
        keys = options.identities(stack, identity, needed=False)
        wrong = checking.verify(found, keys)
    return {"backup": found.id, "parts": len(found.summary.parts), "contents": bool(keys), "wrong": wrong}


def _drilled(
    id: str | None,
    stack: str,
    place: str | None,
    identity: Path | None,
    evidence: Path | None,
    without_state: bool,
    physical: bool = False,
    at: str | None = None,
    timeline: int | None = None,
) -> "tuple[drill.Evidence, Path | None]":
    """What a drill finds, and the folder where that is to be written down; None where nothing says one."""
    from rich.console import Console

    from harness import recovery as recovered
    from harness import scratch
    from ops.backups import checking, drill, given, options
    from ops.physical import drill as recovery
    from ops.physical import unpacking
    from run import engine

    environment = given.instead_of_state(without_state, stack, bool(place))
    instant = options.instant(at) if at else None
    # What a killed drill has left, of either kind, has rows of the stack in it.
    recovered.sweep()
    scratch.sweep()
    with _judged():
        where = options.place(stack, place, "--from", environment)
        keys = options.identities(stack, identity, needed=True)
        with Console(stderr=True).status("restoring", spinner="line") as status:
            store = options.store(environment) if environment else options.reachable(stack)
            task: drill.Drill | recovery.PhysicalDrill
            found = unpacking.chosen(where, id, instant) if physical else checking.named(where, id)
            options.of_stack(found, stack)
            if physical:
                task = recovery.PhysicalDrill(found, keys, store, at=instant, timeline=timeline, progress=status.update)
            else:
                task = drill.Drill(found, keys, store, progress=status.update)
            if isinstance(task, recovery.PhysicalDrill) and instant is None:
                task.followed = options.followed(stack, environment)
            if not place:
                task.promised, task.newest = engine.backups(stack), id is None
            done = _noted(stack, task, environment)
    return done, evidence or (None if place else options.folder(stack) / "evidence")


def _noted(stack: str, task: "Drilling", environment: "Environment | None") -> "drill.Evidence":
    """A drill, and its end in the stack's database."""
    from ops.backups.errors import BadBackup, NotOpened

    try:
        done = task.run()
    except NotOpened:
        # The wrong key is no verdict on the backup.
        raise
    except BadBackup:
        _note(stack, task, None, environment)
        raise
    _note(stack, task, done, environment)
    return done


def _note(stack: str, task: "Drilling", done: "drill.Evidence | None", environment: "Environment | None") -> None:
    from ops.backups import instants

    if why := instants.drilled(stack, task.backup, done, environment):
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
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for ending, text in (("json", done.as_json()), ("md", done.as_markdown())):
        path = folder / f"{done.backup}-{done.drilled_at[:19].replace(':', '')}.{ending}"
        # What it says of a database is for its owner.
        path.touch(mode=0o600)
        path.write_text(text)
        yield path
