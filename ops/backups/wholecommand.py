"""A whole environment, back from a backup; see docs/backups.md. What takes long to load, each loads when it runs."""

import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ops.backups import restorecommand
from ops.backups.command import From, Identity, Json, Stack
from ops.backups.restorecommand import BackupId, Confirm, DryRun, Of
from ops.status import FOUND

if TYPE_CHECKING:
    from ops.backups.checking import Backup
    from ops.backups.whole import Done, Plan, Whole

app = restorecommand.app
SERVER = "RESTORE_SERVER_URL"


@app.command(epilog="Example: ./vpb restore environment --at 2026-11-28T05:00Z --identity key.txt --dry-run")
def environment(
    backup: BackupId = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", help="the newest backup of that instant or before, such as …T05:00Z"),
    ] = None,
    of: Of = None,
    stack: Stack = "dev",
    place: From = None,
    identity: Identity = None,
    elsewhere: Annotated[
        bool, typer.Option("--elsewhere", help=f"into the server that variable {SERVER} names, as a superuser")
    ] = False,
    departures: Annotated[
        Path | None, typer.Option(help="who has left since, as `./vpb people departures --json` writes it")
    ] = None,
    dry_run: DryRun = False,
    confirm: Confirm = "",
    as_json: Json = False,
) -> None:
    """Have the whole database back as it was, compared with the backup, and the stored files that it names.

    The database that is there stays under another name, and takes its place again where this fails.

    Where all is done and a stored file can't be had back, the status is 2.
    """
    asked = Asked(stack, of, place, backup, at, identity, elsewhere, departures)
    raise typer.Exit(FOUND if _lost(asked, dry_run, confirm, as_json) else 0)


def _lost(asked: "Asked", dry_run: bool, confirm: str, as_json: bool) -> list[str]:
    """Show what there is to do, ask, do it; the stored files that couldn't be had back."""
    from rich.console import Console

    from ops import confirmation

    stack, task = asked.stack, asked.task()
    plan = task.plan()
    _show(task, plan, as_json)
    if dry_run:
        return []
    change = f"replaces database {plan.database}" if plan.replaced else f"makes database {plan.database}"
    confirmation.named(stack, f"stack {stack}: this {change} at {plan.server}", confirm)
    with Console(stderr=True).status("restoring", spinner="line") as status:
        task.progress = status.update
        done = task.run(plan)
    _tell(stack, plan, done, asked.elsewhere, as_json)
    return done.lost


@dataclass(frozen=True)
class Asked:
    """Which backup is to be restored, and where."""

    stack: str
    of: str | None
    place: str | None
    backup: str | None
    at: str | None
    identity: Path | None
    elsewhere: bool
    departures: Path | None

    def task(self) -> "Whole":
        """
        :raises BackupError: where there is no such backup, or it isn't the stack's
        """
        from declared import connectionurl
        from ops.backups import checking, options, whole
        from ops.backups.errors import BackupError
        from ops.environment import Environment
        from ops.people.departures import listed

        where = options.place(self.stack, self.place, "--from")
        if self.at and self.backup:
            raise BackupError("--at and --backup each name a backup; give one of them")
        found = _at(where, self.at) if self.at else checking.named(where, self.backup)
        found = options.of_stack(found, self.of or self.stack)
        keys = options.identities(self.stack, self.identity, needed=True)
        people = [str(each) for each in listed(self.departures)] if self.departures else None
        url = _server() if self.elsewhere else Environment.of(self.stack).admin_url
        if self.elsewhere:
            people = self._left(people)
        task = whole.Whole(url, found, keys, options.reachable(self.stack), people)
        name = connectionurl.parse(url)["dbname"]
        if not self.elsewhere and task.database != name:
            raise BackupError(
                f"backup {found.id}: is of database {task.database}, and stack {self.stack} has {name}; "
                "--elsewhere restores it beside that one"
            )
        return task

    def _left(self, people: list[str] | None) -> list[str] | None:
        """Who has left since, as the database says too that the stack of the backup has, where it answers."""
        from declared.errors import UserError
        from ops.backups import whole
        from ops.environment import Environment

        stack = self.of or self.stack
        try:
            return [*(people or ()), *whole.left(Environment.of(stack).admin_url)]
        except UserError as error:
            known = "--departures alone says it" if people is not None else "--departures FILE says it"
            print(
                f"stack {stack}: can't be asked who has left since: {' '.join(str(error).split())}; {known}",
                file=sys.stderr,
            )
            return people


def _at(where: Any, at: str) -> "Backup":
    from ops.backups import checking, options
    from ops.backups.errors import BackupError
    from ops.backups.manifest import LOGICAL

    instant = options.instant(at)
    fits = (
        each for each in checking.listed(where, LOGICAL) if datetime.fromisoformat(each.summary.taken_at) <= instant
    )
    if not (found := next(fits, None)):
        raise BackupError(f"{where.label}: has no complete backup from before {instant.isoformat()}")
    return found


def _server() -> str:
    from declared import connectionurl
    from ops.backups.errors import BackupError

    try:
        return connectionurl.compose(connectionurl.parse(os.environ.get(SERVER, "").strip()))
    except connectionurl.UrlError as error:
        raise BackupError(f"{SERVER} must be {error}") from None


def _show(task: "Whole", plan: "Plan", as_json: bool) -> None:
    summary = task.backup.summary
    if as_json:
        print(json.dumps({"backup": summary.id, "taken_at": summary.taken_at, **asdict(plan)}))
        return
    print(f"backup {summary.id} of {summary.taken_at}: {plan.rows} rows of {plan.tables} tables")
    print(f"  database {plan.database} is made at {plan.server}")
    if plan.replaced:
        print(
            f"  the one that is there, {plan.replaced_bytes} bytes, stays as {plan.replaced}; what was written since "
            "the backup is in it alone, and its sessions are ended"
        )
    for name in plan.before:
        print(f"  kept from an earlier restore: {name}")


def _tell(stack: str, plan: "Plan", done: "Done", elsewhere: bool, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(done)))
    else:
        for check in done.checks:
            print(f"  {check.name}: {check.result}, {check.detail}")
        print(f"  left again: {done.left} accounts; stored files that are there again: {done.files}")
        for name in done.roles:
            how = "without login and memberships" if plan.replaced else "as it was"
            print(f"  role {name}: was gone, and is there again {how}")
        for name in done.lost:
            print(f"  missing: {name}, which the object store doesn't give")
    next_steps = f"./vpb preview --stack {stack}, then ./vpb up --stack {stack}"
    if elsewhere:
        next_steps = f"./pulumiw config set --secret database:url … --stack {stack}, then {next_steps}"
    print(f"database {plan.database}: restored; {next_steps}", file=sys.stderr)
    if plan.replaced:
        print(f"database {plan.replaced}: has what was there; drop it once it isn't needed", file=sys.stderr)
    if done.lost:
        print(f"stored files: {len(done.lost)} are lost: the object store doesn't give them", file=sys.stderr)
