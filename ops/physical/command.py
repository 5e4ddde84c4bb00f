"""The commands for WAL, and for what comes back from it; see docs/backups.md. What takes long to load, each loads."""

import json
import os
import signal
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.backups import command as backups
from ops.backups import wholecommand
from ops.backups.command import From, Identity, Json, Stack, WithoutState
from ops.backups.restorecommand import BackupId
from ops.helptext import Commands
from ops.status import FOUND, INTERRUPTED

app = typer.Typer(cls=Commands, help="The archive of WAL, which physical backups go on from; see docs/backups.md.")
To = Annotated[
    str | None, typer.Option(help="s3://bucket/prefix or a folder; without it, the bucket of database:backups")
]
Recipient = Annotated[
    list[str] | None, typer.Option(help="a public key of age that opens it, instead of those of database:backups")
]
Timeline = Annotated[
    int | None,
    typer.Option(min=1, help="which timeline of the WAL to follow, where it goes on in two; else the newest"),
]
At = Annotated[str | None, typer.Option(metavar="INSTANT", help="recover to it, such as …T05:00Z; without it, all")]


@app.command(epilog="Example: ./vpb wal archive --stack own --to s3://backups/own --recipient age1…")
def archive(
    stack: Stack = "dev",
    to: To = None,
    recipient: Recipient = None,
    every: Annotated[
        float, typer.Option(min=1, max=86400, help="seconds after which what was written is archived at the latest")
    ] = 60,
    once: Annotated[
        bool, typer.Option("--once", help="until what is written now is archived, and not for good")
    ] = False,
    spool: Annotated[
        Path | None, typer.Option(help="a folder for segments until they are archived; it has to outlive this")
    ] = None,
    without_state: WithoutState = False,
) -> None:
    """Archive WAL beside the backups, encrypted, until it is stopped; killed, it goes on without a gap.

    With --once the status is 2 where the server has removed WAL that isn't archived, as after a slot that was dropped.

    Its login needs REPLICATION and the right to run pg_switch_wal; without state REPLICATION_DATABASE_URL has it.

    The replication slot vpb_<stack> has the server keep WAL while nothing archives it.
    """
    gap = _archived(stack, to, recipient, every, once, spool, without_state)
    raise typer.Exit(FOUND if gap else 0)


def _archived(
    stack: str,
    to: str | None,
    recipient: list[str] | None,
    every: float,
    once: bool,
    spool: Path | None,
    without_state: bool,
) -> bool:
    """Archive, and whether a single run has found a gap."""
    from ops.backups import given, options
    from ops.environment import Environment
    from ops.physical import server
    from ops.physical.archiver import Archiver

    server.refuse_elsewhere(stack)
    outputs = given.instead_of_state(without_state, stack, bool(to), False, True, False)
    environment = outputs or Environment.of(stack)
    place = options.place(stack, to, "--to", environment)
    keys = options.recipients(stack, recipient)
    folder = spool or options.folder(stack) / "spool"
    task = Archiver(stack, environment.admin_url, place, keys, folder.absolute(), every, _say)
    before = signal.signal(signal.SIGTERM, lambda *_: task.stopped.set())
    try:
        task.run(once)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    return once and bool(task.gap)


def _say(line: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    print(f"{now} {line}", file=sys.stderr, flush=True)


@app.command("list", epilog="Example: ./vpb wal list --from s3://backups/own")
def list_(stack: Stack = "dev", place: From = None, without_state: WithoutState = False, as_json: Json = False) -> None:
    """The WAL that is archived, of each server from where to where, and the physical backups that it follows."""
    from rich.console import Console
    from rich.table import Table

    from ops.backups import given, options
    from ops.physical import looking

    environment = given.instead_of_state(without_state, stack, bool(place), database=False, objects=False)
    found = looking.kept(options.place(stack, place, "--from", environment))
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2))
        return
    table = Table()
    for column in ("server", "segments", "first", "last", "backups"):
        table.add_column(column, overflow="fold")
    for each in found:
        table.add_row(each.system, str(each.segments), each.first, each.last, str(len(each.backups)))
    Console().print(table)


@app.command(epilog="Example: ./vpb wal verify --from s3://backups/own --identity key.txt")
def verify(
    stack: Stack = "dev",
    place: From = None,
    identity: Identity = None,
    without_state: WithoutState = False,
    as_json: Json = False,
) -> None:
    """Look for missing segments, with a key for damaged ones too; the status is 2 where there are some.

    Where the stack's server answers, those count that it has handed over and that aren't there.
    """
    found = _verified(stack, place, identity, without_state)
    if as_json:
        print(json.dumps(found))
    elif found["wrong"]:
        print("\n".join(found["wrong"]))
    else:
        opened = "each opened" if found["contents"] else "not opened: no key was given"
        server = "up to what the server has handed over" if found["server"] else "the server wasn't asked for its end"
        print(f"{found['segments']} segments without a gap, {opened}; {server}")
    raise typer.Exit(FOUND if found["wrong"] else 0)


def _verified(stack: str, place: str | None, identity: Path | None, without_state: bool) -> dict[str, Any]:
    """What is wrong with the archive, and how much of it was looked at."""
    from rich.console import Console

    from ops.backups import given, options
    from ops.physical import looking

    asked = given.REPLICATION in os.environ
    environment = given.instead_of_state(without_state, stack, bool(place), False, asked, False)
    keys = options.identities(stack, identity, needed=False)
    with Console(stderr=True).status("verifying", spinner="line") as status:
        # First: what it hands over later may not be stored yet.
        followed = options.followed(stack, environment)
        where = options.place(stack, place, "--from", environment)
        count, wrong = looking.verified(where, keys, status.update, followed)
    return {"segments": count, "contents": bool(keys), "server": followed is not None, "wrong": wrong}


@backups.app.command("at", epilog="Example: ./vpb backups at 2026-11-28T05:00Z --identity key.txt")
def at(
    instant: Annotated[str, typer.Argument(metavar="INSTANT", help="such as 2026-11-28T05:00Z; UTC without a zone")],
    stack: Stack = "dev",
    backup: BackupId = None,
    place: From = None,
    identity: Identity = None,
    recipient: Recipient = None,
    timeline: Timeline = None,
    as_json: Json = False,
) -> None:
    """Make a backup of an instant that has passed, from a physical one and WAL, in the same place.

    The other commands take it as any backup: restore environment, project, person and table, and the drill.

    It names the stored files of that instant; what the object store has no more of them is without a version.
    """
    from rich.console import Console

    from ops.backups import making, options
    from ops.environment import Environment
    from ops.physical import unpacking
    from ops.physical.recovering import recovered

    environment, when = Environment.of(stack), options.instant(instant, "instant")
    where = options.place(stack, place, "--from", environment)
    keys = options.identities(stack, identity, needed=True)
    found = options.of_stack(unpacking.chosen(where, backup, when), stack)
    to = options.recipients_beside(stack, keys, recipient)
    with Console(stderr=True).status("recovering", spinner="line") as status:
        task = unpacking.Unpacking(found, keys, status.update, timeline)
        with recovered(task, when, status.update) as server:
            made = making.Making(
                stack, server.url(task.manifest.database), where, to, options.store(environment), progress=status.update
            )
            made.of, made.note_url = when, environment.output("backup_url")
            summary = made.run()
    if as_json:
        print(summary.as_json().decode())
        return
    print(f"backup {summary.id} in {where.label}: {summary.tables} tables, {summary.rows} rows of {when.isoformat()}")


@wholecommand.app.command(
    epilog="Example: ./vpb restore server /srv/restored --at 2026-11-28T05:00Z --identity key.txt"
)
def server(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="an empty folder, or one to make")],
    at: At = None,
    backup: BackupId = None,
    stack: Stack = "dev",
    place: From = None,
    identity: Identity = None,
    timeline: Timeline = None,
) -> None:
    """Write a data directory from a physical backup and WAL, from which a server of the same version starts.

    Nothing is started, and the stack's own server isn't touched: the command that starts it is shown.
    """
    from rich.console import Console

    from ops.backups import options
    from ops.physical import placing, unpacking

    instant = options.instant(at) if at else None
    placing.checked(folder)
    found = unpacking.chosen(options.place(stack, place, "--from"), backup, instant)
    keys = options.identities(stack, identity, needed=True)
    with Console(stderr=True).status("restoring", spinner="line") as status:
        task = unpacking.Unpacking(options.of_stack(found, stack), keys, status.update, timeline)
        chain = placing.place(task, folder, instant)
    until = f"to {instant.isoformat()}" if instant else "to the end of its WAL"
    print(f"{folder}: backup {found.id} and {len(chain.names)} segments of WAL; it recovers {until} as it starts")
    print(f"Start it: {placing.start(task, folder)}", file=sys.stderr)
