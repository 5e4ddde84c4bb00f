"""A project, or all that a person owns, from a backup into the database that has lost it, with the stored files.

Only what is missing is inserted. It is tried first, in a transaction that is undone: so what is shown is what triggers,
constraints and keys have made of it.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from psycopg import sql

from declared.grants import TABLES
from ops.backups import belonging, files, restorable, rows, storedfiles
from ops.backups.belonging import Link, Member, Root
from ops.backups.checking import Backup
from ops.backups.errors import BackupError
from ops.backups.leavingout import hold_people, leave_out, listed
from ops.backups.manifest import Manifest
from ops.backups.refusals import NoRoomError, refusals
from ops.backups.restorable import Shape
from ops.backups.restoring import copy_part
from ops.backups.storedfiles import StoredFiles
from ops.database import Connection, connect
from ops.storage.restoring import Why

PROJECTS, MEMBERSHIPS = "public.projects", "public.collaborators"
HERE = """
select exists (select from next_auth.users as u where u.id = %s)
    and not exists (select from private.departures as d where d.user_id = %s)"""
# Who writes into a project that is there waits until this is over.
HOLD = "select from only {table} as t join {copy} as b using (id) order by t.id for update of t"
# What was handed over since is another's.
OTHERS = """
delete from {copy} as b using public.projects as p where p.id = b.id and p.owner_id <> b.owner_id"""
# Who was let into a project that is there may have been removed since.
LET_IN = "delete from {copy} as b where exists (select from public.projects as p where p.id = b.project_id)"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Rows:
    """What becomes of the rows of a table."""

    missing: int
    """These are inserted."""
    differing: int
    """These stay as they are now."""
    same: int
    left_out: list[tuple[str, int]]
    forgotten: list[tuple[str, int]]
    by_triggers: list[str]
    """Columns that triggers set otherwise than they were as the rows are inserted."""

    @property
    def present(self) -> int:
        return self.differing + self.same


@dataclass
class Restoring:
    """A session that has the rows of a project or a person as they were."""

    session: Connection
    shapes: list[Shape]
    files: StoredFiles | None
    """None where there is no object store to ask, or the backup names no files."""
    others: int = 0
    """Projects that a person owned and that are another's by now; they stay as they are."""
    undeclared: list[str] = field(default_factory=list)
    """Tables with rows of a project that isn't declared, which stay away."""
    store: Any = field(repr=False, default=None)

    def tried(self, why: Why) -> dict[str, Rows]:
        """What there is to do, table by table; it has been done and undone.

        :raises BackupError: where the database refuses
        """
        return self._bring(why, keep=False)

    def write(self, planned: dict[str, Rows], why: Why, progress: Progress = lambda message: None) -> None:
        """Do it: the files first, which nobody sees without their rows, then all rows in one transaction.

        :raises BackupError: where the database or the object store refuses, or it isn't as it was when it was tried;
            then nothing was changed
        """
        if self.files:
            storedfiles.copy(self.store, self.files, progress)
        try:
            self._bring(why, keep=True, planned=planned)
        except BaseException:
            # Of a connection that was lost nobody knows whether the rows are there.
            if self.files and not self.session.closed:
                storedfiles.remove(self.store, self.files.returning)
            raise

    def _bring(self, why: Why, keep: bool, planned: dict[str, Rows] | None = None) -> dict[str, Rows]:
        try:
            return self._brought(why, keep, planned)
        except NoRoomError as full:
            given = (self.files.folders, self.files.bytes) if self.files else ([], 0)
            raise BackupError(storedfiles.room(self.session, full.person, *given)) from None

    def _brought(self, why: Why, keep: bool, planned: dict[str, Rows] | None) -> dict[str, Rows]:
        done = dict[str, Rows]()
        with refusals(PROJECTS), self.session.transaction(force_rollback=not keep):
            hold_people(self.session, self.shapes[0])
            for shape in self.shapes:
                if shape.table.label == PROJECTS:
                    self.session.execute(sql.SQL(HOLD).format(table=shape.identifier, copy=shape.copy))
                found = done[shape.table.label] = self._insert(shape, keep)
                if shape.table.label == PROJECTS and found.left_out and not (found.missing + found.present):
                    raise BackupError("its owner has left, so it stays away")
                # Files are stored in the folder of a project that is there, and recordings are of such files.
                if shape.table.label == PROJECTS and self.files:
                    storedfiles.write(self.session, self.files, why)
            # As at the end of a transaction; a trial has none.
            self.session.execute("set constraints all immediate")
            if planned not in (None, done):
                raise BackupError("it was written to meanwhile; nothing was changed, run again")
        return done

    def _insert(self, shape: Shape, keep: bool) -> Rows:
        label = shape.table.label
        with refusals(label):
            task = rows.Restored(self.session, shape, leave_out(self.session, shape))
            before = task.plan()
            task.insert()
            after = task.plan()
            if after.missing:
                raise BackupError(f"table {label}: its triggers make other rows of these; nothing was changed")
            # A sequence that was moved stays where it is, whatever becomes of the transaction.
            if keep:
                task.move_sequences()
        was, now = ({name for _, columns in plan.different for name in columns} for plan in (before, after))
        away = before.left_out, before.forgotten
        return Rows(before.missing, before.differing, before.same, *away, sorted(now - was))


@contextmanager
def project(url: str, id: str, backup: Backup, identities: Sequence[Any], store: Any) -> Iterator[Restoring]:
    """A session with a project as it was.

    Args:
        url: of the login that provisions.
        store: the object store, None where there is none.

    :raises BackupError: where the backup has no such project, or the database refuses
    :raises BadBackup: for a part that isn't the one that was written
    """
    manifest = backup.manifest(identities)
    with _restored(url, [Root(PROJECTS, "id", id)], backup, manifest, identities) as task:
        if task.others:
            raise BackupError(
                f"project {id}: is another person's by now than in backup {backup.id}; restore its tables"
            )
        if not _projects(task):
            raise BackupError(f"project {id}: isn't in backup {backup.id}, of {backup.summary.taken_at}")
        yield _with_files(task, backup, manifest, identities, store, [])


@contextmanager
def person(url: str, id: str, backup: Backup, identities: Sequence[Any], store: Any) -> Iterator[Restoring]:
    """The same of all projects that a person owned and that are theirs or gone now, and of their own folder of files.

    :raises BackupError: also where they have left since then
    """
    manifest = backup.manifest(identities)
    with _restored(url, [Root(PROJECTS, "owner_id", id)], backup, manifest, identities) as task:
        if task.session.execute(HERE, (id, id)).fetchone() != (True,):
            raise BackupError(f"person {id}: has no account, or has left, and who has left stays away")
        yield _with_files(task, backup, manifest, identities, store, [id])


@contextmanager
def _restored(
    url: str, roots: list[Root], backup: Backup, manifest: Manifest, identities: Sequence[Any]
) -> Iterator[Restoring]:
    with connect(url, rows.APPLICATION) as session, refusals(PROJECTS):
        rows.prepare(session)
        if session.execute(restorable.APP).fetchone() != (True,):
            raise BackupError("projects are those of the app, and this database isn't the app's; restore its tables")
        task, keys = Restoring(session, [], None), dict[Link, set[bytes]]()
        found = belonging.members(session, manifest, roots)
        task.undeclared = [each.table.label for each in found if each.table.label not in TABLES]
        found = [each for each in found if each.table.label in TABLES]
        for number, member in enumerate(found):
            shape = dataclasses.replace(restorable.shape(session, member.table, False), number=number)
            rows.make_copy(session, shape)
            _load(session, shape, member, keys, backup, identities)
            if member.table.label == PROJECTS:
                task.others = session.execute(_about(OTHERS, shape)).rowcount
            if member.table.label == MEMBERSHIPS:
                session.execute(_about(LET_IN, shape))
            for link in {link for other in found for link in other.links if link.parent == member.table.label}:
                keys[link] = _values(session, shape, link.named)
            task.shapes.append(shape)
        yield task


def _about(statement: str, shape: Shape) -> sql.Composed:
    return sql.SQL(statement).format(copy=shape.copy)


def _load(
    session: Connection,
    shape: Shape,
    member: Member,
    keys: dict[Link, set[bytes]],
    backup: Backup,
    identities: Sequence[Any],
) -> None:
    def load(chosen: Callable[[Iterator[bytes]], Iterator[bytes]]) -> None:
        for part in member.table.parts:
            blocks = backup.part(part, identities)
            copy_part(session, shape.copy, member.table.columns, chosen(files.lines(blocks)))

    load(partial(member.chosen, keys=keys))
    there: set[bytes] | None = None
    # Rows that belong to it over their parent row alone: the table is read as often as they are deep.
    while member.own and there != (now := _values(session, shape, shape.key)):
        there = now
        parents = {link: _values(session, shape, link.named) for link in member.own}
        load(partial(member.below, parents=parents, key=shape.key, there=there))
    session.execute(sql.SQL("analyze {}").format(shape.copy))


def _values(session: Connection, shape: Shape, columns: Sequence[str]) -> set[bytes]:
    """Columns of the rows of a copy, as `copy` writes them."""
    statement = sql.SQL("copy (select {} from {} as b) to stdout").format(listed("b.{0}", columns), shape.copy)
    with session.cursor() as cursor, cursor.copy(statement) as out:
        return {*files.lines(bytes(block) for block in out)}


def _projects(task: Restoring) -> list[str]:
    """The ids of the projects."""
    shape = next(each for each in task.shapes if each.table.label == PROJECTS)
    found = task.session.execute(sql.SQL("select id::text from {} order by id").format(shape.copy)).fetchall()
    return [id for (id,) in found]


def _with_files(
    task: Restoring, backup: Backup, manifest: Manifest, identities: Sequence[Any], store: Any, people: Sequence[str]
) -> Restoring:
    if store is None or manifest.files is None:
        return task
    lines = files.lines(backup.part(manifest.files, identities))
    found = storedfiles.look(task.session, store, lines, _projects(task), people)
    return dataclasses.replace(task, files=found, store=store)
