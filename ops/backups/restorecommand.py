"""What was lost, back from a backup; see docs/backups.md. What takes long to load, each loads when it runs."""

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from ops.backups.command import From, Identity, Json, Stack
from ops.helptext import Commands
from ops.status import FOUND

if TYPE_CHECKING:
    from ops.backups.projects import Restoring, Rows
    from ops.backups.rows import Plan, Written

app = typer.Typer(cls=Commands, help="What was lost, back from a backup; see docs/backups.md.")
BackupId = Annotated[str | None, typer.Option("--backup", metavar="ID", help="without it, the newest")]
Of = Annotated[str | None, typer.Option("--of", metavar="STACK", help="whose backup it is; without it, this stack's")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would be done, and change nothing")]
Confirm = Annotated[str, typer.Option(metavar="STACK", help="the stack's name, so that nobody is asked")]
Reason = Annotated[str, typer.Option(help="what for; the audit log keeps it with each file")]
By = Annotated[str | None, typer.Option(help="who does it; without it, the name of your account here")]


@app.command(epilog="Example: ./vpb restore table public.projects --identity key.txt --dry-run")
def table(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="with its schema, such as public.projects")],
    backup: BackupId = None,
    of: Of = None,
    stack: Stack = "dev",
    place: From = None,
    identity: Identity = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="make rows that differ as they were, after a backup of all that is there")
    ] = False,
    dry_run: DryRun = False,
    confirm: Confirm = "",
    as_json: Json = False,
) -> None:
    """Insert the rows of a table that are missing, as a backup has them, in one transaction.

    What differs is named and stays, unless --replace, which needs --backup. What isn't in the backup stays.
    """
    from ops import confirmation
    from ops.backups import checking, options, rows
    from ops.backups.errors import BackupError
    from ops.environment import Environment

    # Before anything of a stack that isn't there is looked for, or made.
    url = Environment.of(stack).admin_url
    found = options.of_stack(checking.named(options.place(stack, place, "--from"), backup), of or stack)
    if replace and backup is None:
        raise BackupError(
            "--replace needs --backup ID, since the backup that it makes of what is there becomes the newest; "
            f"so far the newest is {found.id}"
        )
    keys = options.identities(stack, identity, needed=True)
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
    for other, count in plan.forgotten:
        print(f"  without that name: {count}, which name rows of {other} that aren't there, and come back with null")
    for key, columns in plan.different:
        print(f"  differs: {key} in {', '.join(columns)}")


@app.command(epilog="Example: ./vpb restore project PROJECT_ID --identity key.txt --reason 'ticket 12'")
def project(
    id: Annotated[UUID, typer.Argument(metavar="PROJECT_ID", help="the project's id")],
    reason: Reason = "",
    backup: BackupId = None,
    of: Of = None,
    stack: Stack = "dev",
    place: From = None,
    identity: Identity = None,
    by: By = None,
    dry_run: DryRun = False,
    confirm: Confirm = "",
    as_json: Json = False,
) -> None:
    """Have a project back that was deleted, or rows that it has lost, with its stored files.

    What is there stays. Files come back as new versions, which are scanned; where one is lost, the status is 2.
    """
    from ops.backups import projects

    asked = Asked(stack, f"project {id}", place, identity, backup, of, reason, by, dry_run, confirm, as_json)
    raise typer.Exit(FOUND if _lost(asked, projects.project, str(id)) else 0)


@app.command(epilog="Example: ./vpb restore person USER_ID --identity key.txt --reason 'ticket 12'")
def person(
    id: Annotated[UUID, typer.Argument(metavar="USER_ID", help="the person's id")],
    reason: Reason = "",
    backup: BackupId = None,
    of: Of = None,
    stack: Stack = "dev",
    place: From = None,
    identity: Identity = None,
    by: By = None,
    dry_run: DryRun = False,
    confirm: Confirm = "",
    as_json: Json = False,
) -> None:
    """Have all projects of a person back, as `project` does, and their own files.

    Who has left stays away, and so does what is another person's by now; where a file is lost, the status is 2.
    """
    from ops.backups import projects

    asked = Asked(stack, f"person {id}", place, identity, backup, of, reason, by, dry_run, confirm, as_json)
    raise typer.Exit(FOUND if _lost(asked, projects.person, str(id)) else 0)


def _lost(asked: "Asked", which: Any, id: str) -> list[str]:
    """The files that the object store has no more, when the rest is back."""
    with asked.restored(which, id) as task:
        asked.bring(task)
    lost = task.files.lost if task.files else []
    if lost:
        print(f"{asked.label}: {len(lost)} files are lost: the object store has them no more", file=sys.stderr)
    return lost


@dataclass
class Asked:
    """What is to come back, and where from."""

    stack: str
    label: str
    place: str | None
    identity: Path | None
    backup: str | None
    of: str | None
    reason: str
    by: str | None
    dry_run: bool
    confirm: str
    as_json: bool
    found: str = ""
    """The backup's id."""

    @contextmanager
    def restored(self, which: Any, id: str) -> "Iterator[Restoring]":
        from ops.backups import checking, options
        from ops.environment import Environment

        environment = Environment.of(self.stack)
        found = checking.named(options.place(self.stack, self.place, "--from", environment), self.backup)
        self.found = options.of_stack(found, self.of or self.stack).id
        keys = options.identities(self.stack, self.identity, needed=True)
        with which(environment.admin_url, id, found, keys, options.store(environment)) as task:
            yield task

    def bring(self, task: "Restoring") -> None:
        """Show what there is to do, ask, and do it."""
        from rich.console import Console

        from ops import confirmation
        from ops.backups.errors import BackupError
        from ops.storage.restoring import Why

        why = Why(self.reason.strip() or "a trial", self.by or getpass.getuser())
        planned = task.tried(why)
        self._show(task, planned)
        files = task.files.returning if task.files else []
        if self.dry_run or not (files or any(rows.missing for rows in planned.values())):
            return
        if not self.reason.strip():
            raise BackupError(
                f"{self.label}: comes back for a --reason, which the audit log keeps; nothing was changed"
            )
        confirmation.named(self.stack, f"stack {self.stack}: this inserts what {self.label} has lost", self.confirm)
        with Console(stderr=True).status("files", spinner="line") as status:
            task.write(planned, why, status.update)
        print(f"{self.label}: restored; ./vpb preview --stack {self.stack} compares the rest", file=sys.stderr)

    def _show(self, task: "Restoring", planned: "dict[str, Rows]") -> None:
        files = task.files
        left = {"others": task.others, "undeclared": task.undeclared}
        if self.as_json:
            tables = {name: asdict(rows) for name, rows in planned.items()}
            stored = files and {
                "returning": len(files.returning),
                "bytes": files.bytes,
                "there": files.there,
                "lost": files.lost,
                "harmful": files.harmful,
            }
            print(json.dumps({"backup": self.found, "of": self.label, "tables": tables, "files": stored, **left}))
            return
        print(f"{self.label} from backup {self.found}:")
        for name, rows in planned.items():
            print(f"  {name}: {rows.missing} to insert, {rows.present} there already")
            for other, count in rows.left_out:
                print(f"    left out: {count}, which name {_named(other)} that aren't there")
            for other, count in rows.forgotten:
                print(f"    without that name: {count}, which name {_named(other)} that aren't there")
            if rows.by_triggers:
                print(f"    set by triggers: {', '.join(rows.by_triggers)}")
        if task.others:
            print(f"  left out: {task.others} projects, which are another person's by now")
        for name in task.undeclared:
            print(f"  left out: {name}, which is no table of the app that is declared")
        if files is None:
            print("  files: none; there is no access to an object store, or the backup names none")
            return
        print(f"  files: {len(files.returning)} to copy back, {files.bytes} bytes; {files.there} there already")
        for name in files.lost:
            print(f"    lost: {name}, whose version the object store has no more")
        if files.harmful:
            print(f"    left out: {files.harmful}, which a scan had found harmful")


def _named(table: str) -> str:
    return "files" if table == "storage.objects" else f"rows of {table}"
