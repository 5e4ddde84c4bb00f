"""A whole database from a backup, in place of the one that is there, which is kept under another name.

The new one lets nobody in but superusers until it was compared with the backup. Where it can't be restored, or isn't
as it was, the one that was there takes its place again.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import sql
from visual_prompt_builder.signing import Store

from declared import connectionurl
from ops.backups import drill, files, inthreads, source
from ops.backups.checking import Backup
from ops.backups.drill import FAILED, Check
from ops.backups.errors import BackupError, BadBackup
from ops.backups.manifest import Manifest
from ops.backups.restoring import APPLICATION, Progress, Restoring
from ops.database import Connection, UnreachableError, connect
from ops.errors import answered
from ops.storage.restoring import version_of
from ops.storage.scanning.file import GONE

# Where one connects to make, rename and drop another database, and which of them where it is the first.
ELSEWHERE, OTHERWISE = "postgres", "template1"
WHO = """
select r.rolsuper, current_setting('server_version_num')::int / 10000
from pg_roles as r where r.rolname = current_user"""
# What runs before have left beside it; one of these is the only one where such a run was killed.
KEPT_BEFORE = "select datname::text from pg_database where starts_with(datname, %s) order by 1"
FOUND = "select d.oid::bigint, pg_database_size(d.oid), d.datconnlimit from pg_database as d where d.datname = %s"
OID = "select d.oid::bigint from pg_database as d where d.datname = %s"
# One restore at a time; held by a session until the run ends, whichever way.
ALONE = "select pg_try_advisory_lock(hashtextextended('vpb restore environment', 0))"
ENDED = """
select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = %s and pid <> pg_backend_pid()"""
# Seconds until those have ended that are still there.
PATIENCE = 30
# Longest name of a database, in bytes; PostgreSQL cuts off what is longer.
LONGEST = 63
ASIDE = "_replaced_{:%Y%m%d%H%M%S}"
MOMENT = re.compile(r"\d{14}")
PREPARED = """
select gid from pg_prepared_xacts where database = %s order by prepared limit 1"""
LEFT = "select user_id::text from private.departures order by departed_at"
DEPART = "select ops.depart(array[%s]::uuid[])"
KEPT = """
select jsonb_agg(to_jsonb(b))::text from private.backups as b where b.kept_until > now() or b.passed"""
NOTED = """
insert into private.backups select * from jsonb_populate_recordset(null::private.backups, %s::jsonb)
on conflict (backup) do update set
    kept_until = excluded.kept_until, drilled_at = excluded.drilled_at, passed = excluded.passed,
    recovery_point = excluded.recovery_point, recovery_time = excluded.recovery_time"""
# Checks of what is the server's: its roles stay, and may have changed since.
OF_SERVER = {"roles", "access", "settings"}
WORKERS, BATCH = 8, 100
CLOSED = 0


@dataclass(frozen=True)
class Plan:
    """What is about to be done."""

    database: str
    server: str
    """Where it is, without the login."""
    replaced: str
    """What the database that is there will be called; empty where there is none."""
    replaced_bytes: int
    rows: int
    tables: int
    oid: int
    """Of the database that is there; 0 where there is none."""
    limit: int
    """How many sessions the database that is there takes; -1 is any number."""
    before: list[str]
    """Databases that earlier restores have kept."""


@dataclass
class Done:
    """What was done."""

    checks: list[Check]
    roles: list[str] = field(default_factory=list)
    """Roles that were gone and are made again; where a database was replaced, without login and memberships."""
    left: int = 0
    """People who have left since, and left again."""
    files: int = 0
    """Stored files that had been deleted and are there again."""
    lost: list[str] = field(default_factory=list)
    """Files that couldn't be had back: the object store has their version no more, or doesn't answer."""


@dataclass
class Whole:
    """A backup, and the server where its database is to be."""

    url: str
    """Of a superuser, with any database of the server."""
    backup: Backup
    identities: Sequence[Any]
    store: Store | None = None
    departed: Sequence[str] | None = None
    """People who have left, beside those that the replaced database knows; None where nothing says it."""
    jobs: int = 2
    progress: Progress = lambda message: None

    def __post_init__(self) -> None:
        self.manifest: Manifest = self.backup.manifest(self.identities)
        self.database = self.manifest.database
        self._new, self._opened = 0, -1
        self.beside = OTHERWISE if self.database == ELSEWHERE else ELSEWHERE
        moment = ASIDE.format(datetime.now(UTC))
        self._kept = _short(self.database, LONGEST - len(moment))
        self.aside = self._kept + moment

    def plan(self) -> Plan:
        """
        :raises BackupError: where the login is no superuser, or the server is too old
        """
        server = connectionurl.describe(self._parameters(self.beside))
        with self._beside() as session:
            found = session.execute(WHO).fetchone()
            if not found or not found[0]:
                raise BackupError(
                    f"{server}: its login is no superuser, which a whole restore needs; at AWS restore a snapshot of "
                    "the server, and on Supabase a backup of the project"
                )
            there = session.execute(FOUND, (self.database,)).fetchone()
            self._no_prepared(session)
            before = self._before(session)
        if there and there[2] == CLOSED and before:
            raise BackupError(
                f"database {self.database}: is closed (connection limit 0) and {before[-1]} lies beside it, as a "
                f"restore that was killed leaves them. Run these in database {self.beside}, and stop where one fails: "
                f'drop database "{self.database}" with (force); alter database "{before[-1]}" rename to '
                f'"{self.database}"; alter database "{self.database}" connection limit -1; then run again'
            )
        self.version = found[1]
        if self.version < self.manifest.server_version // 10_000:
            raise BackupError(
                f"{server}: is PostgreSQL {self.version}, and backup {self.backup.id} is of a newer one, "
                f"{self.manifest.server_version // 10_000}"
            )
        return Plan(
            database=self.database,
            server=server,
            replaced=self.aside if there else "",
            replaced_bytes=there[1] if there else 0,
            oid=there[0] if there else 0,
            limit=there[2] if there else -1,
            before=before,
            rows=sum(table.rows for table in self.manifest.tables),
            tables=len(self.manifest.tables),
        )

    def _before(self, session: Connection) -> list[str]:
        """What earlier restores have kept; not of another database whose name begins like this one's."""
        prefix = self._kept + ASIDE.partition("{")[0]
        found = session.execute(KEPT_BEFORE, (prefix,)).fetchall()
        return [name for (name,) in found if MOMENT.fullmatch(name.removeprefix(prefix))]

    def _no_prepared(self, session: Connection) -> None:
        """
        :raises BackupError: where a prepared transaction would keep the database from being renamed
        """
        if prepared := session.execute(PREPARED, (self.database,)).fetchone():
            raise BackupError(
                f"database {self.database}: has the prepared transaction {prepared[0]!r}, which keeps it from being "
                "renamed; end it there with commit prepared or rollback prepared, and run again; nothing was changed"
            )

    def run(self, plan: Plan) -> Done:
        """Restore, compare, then bring up to date what the backup can't know.

        :raises BackupError: where it can't be restored; then what was there is there again
        :raises BadBackup: where the backup isn't the one that was written, or what is restored isn't as it was
        """
        self.progress("what the backup says of files")
        for _ in self._lines():
            pass
        with self._beside() as alone:
            if alone.execute(ALONE).fetchone() != (True,):
                raise BackupError(f"{plan.server}: another restore of an environment is at work there")
            try:
                known, people = self._aside(plan) if plan.replaced else (None, [])
                done = Done([])
                done.checks += self._restored(plan, done)
                with connect(self._url(self.database), APPLICATION) as session:
                    done.left = _again(session, known, [*people, *(self.departed or ())])
            except BaseException as error:
                self.progress("putting back what was there")
                self._undo(plan, error)
                raise
            try:
                self._files(done)
            finally:
                self._limit(alone, self.database, self._opened)
        return done

    def _aside(self, plan: Plan) -> tuple[str | None, list[str]]:
        """Rename what is there; what it knows and the backup can't: backups since then, and who has left."""
        self._rename(plan)
        try:
            session = connect(self._url(plan.replaced), APPLICATION)
        except UnreachableError as error:
            if self.departed is not None:
                return None, []
            raise BackupError(f"{error}; who has left since isn't known: --departures FILE says it") from None
        with session:
            found = session.execute(KEPT).fetchone() if _has(session, "private.backups") else None
            people = session.execute(LEFT).fetchall() if _has(session, "private.departures") else []
        return found[0] if found else None, [id for (id,) in people]

    def _restored(self, plan: Plan, done: Done) -> Iterator[Check]:
        """
        :raises BackupError: where there is a database of this name by now
        :raises BadBackup: where it isn't as it was
        """
        with self._beside() as session:
            if session.execute(FOUND, (self.database,)).fetchone():
                raise BackupError(f"database {self.database}: is there by now; nothing was changed")
        task = Restoring(self.backup, self.manifest, self.identities, self._url, self.version, self.jobs, self.progress)
        task.made, task.beside, task.bare_roles = self._close, self.beside, bool(plan.replaced)
        task.run()
        done.roles = task.new_roles
        wrong = list[str]()
        with connect(task.target, APPLICATION) as session:
            source.prepare(session)
            for check in drill.compared(session, self.manifest, self.progress):
                if check.result == FAILED and check.name not in OF_SERVER:
                    wrong.append(f"{check.name}: {check.detail}")
                yield check
        if wrong:
            raise BadBackup(f"backup {self.backup.id}: what is restored isn't as it was, {'; '.join(wrong)}")

    def _close(self) -> None:
        """Nobody is in the new database but superusers, until it is done."""
        with self._beside() as session:
            found = session.execute(FOUND, (self.database,)).fetchone()
            assert found
            self._new, self._opened = found[0], found[2]
            self._limit(session, self.database, CLOSED)
            self._end(session, self.database)

    def _limit(self, session: Connection, name: str, number: int) -> None:
        statement = sql.SQL("alter database {} with connection limit {}")
        session.execute(statement.format(sql.Identifier(name), sql.Literal(number)))

    def _end(self, session: Connection, name: str) -> None:
        """Sessions of a database that takes no new ones."""
        until = time.monotonic() + PATIENCE
        while session.execute(ENDED, (name,)).fetchone() != (0,) and time.monotonic() < until:
            time.sleep(0.1)

    def _rename(self, plan: Plan) -> None:
        """With its sessions ended; it stays closed under the other name."""
        with self._beside() as session:
            if session.execute(OID, (self.database,)).fetchone() != (plan.oid,):
                raise BackupError(f"database {self.database}: is another one by now; nothing was changed")
            self._no_prepared(session)
            self._limit(session, self.database, CLOSED)
            self._end(session, self.database)
            names = map(sql.Identifier, (self.database, plan.replaced))
            try:
                session.execute(sql.SQL("alter database {} rename to {}").format(*names))
            except psycopg.Error as error:
                raise BackupError(f"database {self.database}: {answered(error)}") from None

    def _undo(self, plan: Plan, why: BaseException) -> None:
        """Nothing is left of what was restored in part, and what was there is as it was; each goes by its oid.

        :raises BackupError: where what was there can't be put back
        """
        try:
            with self._beside() as session:
                if self._new and session.execute(OID, (self.database,)).fetchone() == (self._new,):
                    drop = sql.SQL("drop database {} with (force)")
                    session.execute(drop.format(sql.Identifier(self.database)))
                if plan.replaced and session.execute(OID, (plan.replaced,)).fetchone() == (plan.oid,):
                    names = map(sql.Identifier, (plan.replaced, self.database))
                    session.execute(sql.SQL("alter database {} rename to {}").format(*names))
                if plan.replaced and session.execute(OID, (self.database,)).fetchone() == (plan.oid,):
                    self._limit(session, self.database, plan.limit)
        except (psycopg.Error, UnreachableError) as error:
            reason = answered(error) or str(error)
            raise BackupError(
                f"{' '.join(str(why).split())}; and what was there can't be put back; it is database {plan.replaced} "
                f"or still {self.database}, closed (connection limit 0): {reason}"
            ) from None

    def _lines(self) -> Iterator[bytes]:
        """What the backup says of stored files; nothing where there is no store to have them back from."""
        if self.store is not None and self.manifest.files is not None:
            named = self.backup.part(self.manifest.files, self.identities)
            yield from files.lines(named)

    def _files(self, done: Done) -> None:
        """Have those back that were deleted since; each under its own key, as rows name it."""
        results = inthreads.results(self._file, self._lines(), WORKERS)
        for number, (name, back) in enumerate(results, start=1):
            if number % BATCH == 0:
                self.progress(f"{number} of {self.manifest.file_count} stored files")
            done.files += back is True
            done.lost += [name] if back is None else []

    def _file(self, line: bytes) -> tuple[str, bool | None]:
        """A file, and whether it had been deleted and is there again; None where its version is gone."""
        entry = json.loads(line)
        name, store = f"{entry['bucket']}/{entry['name']}", self.store
        assert store
        if entry["object_version"] is None:
            return name, False
        where = {"Bucket": store.bucket, "Key": entry["key"]}
        try:
            store.s3.head_object(**where)
            return name, False
        except BotoCoreError:
            return name, None
        except ClientError as error:
            if error.response["Error"]["Code"] not in GONE:
                return name, None
        try:
            # With its type and tags, so with what a scan has said of it.
            store.s3.copy_object(**where, CopySource={**where, **version_of(entry["object_version"])})
        except (ClientError, BotoCoreError):
            return name, None
        return name, True

    def _beside(self) -> Connection:
        return connect(self._url(self.beside), APPLICATION)

    def _parameters(self, database: str) -> connectionurl.Parameters:
        return {**connectionurl.parse(self.url), "dbname": database}

    def _url(self, database: str) -> str:
        return connectionurl.compose(self._parameters(database))


def left(url: str) -> list[str]:
    """Who has left, as a database says.

    :raises UnreachableError: where it doesn't answer
    """
    with connect(url, APPLICATION) as session:
        found = session.execute(LEFT).fetchall() if _has(session, "private.departures") else []
    return [id for (id,) in found]


def _short(name: str, most: int) -> str:
    """A name of so many bytes: one that is longer is cut off, with a digest that tells it from others."""
    if len(name.encode()) <= most:
        return name
    digest = f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return name.encode()[: most - len(digest)].decode(errors="ignore") + digest


def _has(session: Connection, table: str) -> bool:
    return session.execute("select to_regclass(%s) is not null", (table,)).fetchone() == (True,)


def _again(session: Connection, known: str | None, people: Sequence[str]) -> int:
    """Note the backups since then, whose files the cleaner leaves, and let those leave again who have; how many."""
    if known and _has(session, "private.backups"):
        session.execute(NOTED, (known,))
    left = 0
    if people and _has(session, "private.departures"):
        session.execute("set row_security = on")
        for person in people:
            found = session.execute(DEPART, (person,)).fetchone()
            left += found[0] if found else 0
    return left
