"""A backup in a server that holds nothing else: structure, rows by several sessions, then what stands on them."""

import queue
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from harness import runfolders
from ops.backups import programs, roles
from ops.backups.checking import Backup
from ops.backups.errors import BackupError
from ops.backups.manifest import Manifest, Part, Table
from ops.backups.refusals import said
from ops.database import Connection, connect

APPLICATION = "vpb restore"
# What is in every cluster, and isn't made again.
THERE = {"postgres", "template1"}
Progress = Callable[[str], None]
Url = Callable[[str], str]


@dataclass
class Restoring:
    """A backup, and where it goes."""

    backup: Backup
    manifest: Manifest
    identities: Sequence[Any]
    url: Url
    """The URL of a database of the server, as a superuser."""
    version: int
    """The server's major version."""
    jobs: int = 2
    progress: Progress = lambda message: None
    made: Callable[[], None] = lambda: None
    """Called when the database is there, without anything in it."""
    bare_roles: bool = False
    """Whether roles that aren't there are made without login, attributes and memberships."""
    beside: str = ""
    """Where to connect to make the database; without it that one may be there already, in a new server."""

    new_roles: list[str] = field(default_factory=list, init=False)
    """Those that were made."""

    def run(self) -> None:
        """All of it.

        :raises BackupError: where the server is too old, or something can't be restored
        :raises BadBackup: for a part that isn't the one that was written
        """
        if self.version < self.manifest.server_version // 10_000:
            raise BackupError(
                f"backup {self.backup.id} is of PostgreSQL {self.manifest.server_version // 10_000}, "
                f"and the server to restore it into is PostgreSQL {self.version}: it must be as new"
            )
        folder = programs.found(self.version * 10_000)
        with runfolders.own("visual-prompt-builder-restore-") as scratch:
            schema = scratch / "schema.dump"
            self.progress("roles")
            self._save(self.manifest.schema, schema)
            self._roles(b"".join(self._blocks(self.manifest.roles)).decode())
            self._database(folder, schema)
            self.made()
            self.progress("structure")
            self._restore(folder, schema, "--section=pre-data", "-1")
            self._rows()
            self.progress("indexes, constraints, triggers and row policies")
            self._restore(folder, schema, "--section=post-data", f"--jobs={self.jobs}", "--exit-on-error")
        self._refresh()

    @property
    def target(self) -> str:
        """The URL of the database that is restored."""
        return self.url(self.manifest.database)

    def _save(self, part: Part, path: Path) -> None:
        path.touch(mode=0o600)
        with path.open("wb") as out:
            out.writelines(self._blocks(part))

    def _blocks(self, part: Part) -> Iterator[bytes]:
        return self.backup.part(part, self.identities)

    def _roles(self, text: str) -> None:
        """The superuser of the server may be one of them."""
        with connect(self.url(self.beside or "postgres"), APPLICATION) as session:
            self.new_roles = roles.make(session, text, self.bare_roles)

    def _database(self, folder: Path, schema: Path) -> None:
        if self.manifest.database in THERE and not self.beside:
            return
        contents = schema.with_name("contents.list")
        listed = b"".join(programs.output([folder / "pg_restore", "-C", "-l", schema])).decode()
        kept = [
            line
            for line in listed.splitlines()
            if re.match(r"\d+; \d+ \d+ (DATABASE |(ACL|COMMENT) - DATABASE )", line)
        ]
        contents.write_text("\n".join(kept))
        programs.run([folder / "pg_restore", "-C", "-L", contents, schema], self.url(self.beside or "postgres"))

    def _restore(self, folder: Path, schema: Path, *options: str) -> None:
        programs.run([folder / "pg_restore", "--no-tablespaces", *options, schema], self.target)

    def _rows(self) -> None:
        todo: queue.SimpleQueue[tuple[Table, Part]] = queue.SimpleQueue()
        for table in self.manifest.tables:
            for part in table.parts:
                todo.put((table, part))
        failed: list[BaseException] = []
        workers = [threading.Thread(target=self._copy, args=(todo, failed), daemon=True) for _ in range(self.jobs)]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                worker.join()
        except BaseException as error:
            # Ctrl-C: each ends with the block that it is at.
            failed.append(error)
            raise
        if failed:
            raise failed[0]

    def _copy(self, todo: "queue.SimpleQueue[tuple[Table, Part]]", failed: list[BaseException]) -> None:
        try:
            with connect(self.target, APPLICATION) as session:
                session.execute("set synchronous_commit = off")
                while not failed:
                    table, part = todo.get_nowait()
                    self.progress(table.label)
                    self._copy_part(session, table, part, failed)
        except queue.Empty:
            return
        except psycopg.Error as error:
            failed.append(BackupError(f"rows: {said(error)}"))
        except BaseException as error:
            failed.append(error)

    def _copy_part(self, session: Any, table: Table, part: Part, failed: list[BaseException]) -> None:
        blocks = _until(self._blocks(part), failed)
        copy_part(session, sql.Identifier(table.schema, table.name), table.columns, blocks)

    def _refresh(self) -> None:
        with connect(self.target, APPLICATION) as session:
            for head in self.manifest.sequences:
                name = sql.Identifier(head.schema, head.name).as_string()
                session.execute("select setval(%s::regclass, %s, %s)", (name, head.last_value, head.is_called))
            for schema, name in self.manifest.refreshed:
                session.execute(sql.SQL("refresh materialized view {}").format(sql.Identifier(schema, name)))
            session.execute("analyze")


def _until(blocks: Iterator[bytes], failed: list[BaseException]) -> Iterator[bytes]:
    """Blocks until another thread has failed."""
    for block in blocks:
        if failed:
            raise BackupError("another part has failed")
        yield block


def copy_part(session: Connection, table: sql.Identifier, columns: Sequence[str], blocks: Iterator[bytes]) -> None:
    """Rows of a backup into a table."""
    names = sql.SQL(", ").join(sql.Identifier(name) for name in columns)
    which = sql.SQL(" ({})").format(names) if columns else sql.SQL("")
    with session.cursor() as cursor, cursor.copy(sql.SQL("copy {}{} from stdin").format(table, which)) as into:
        for block in blocks:
            into.write(block)
