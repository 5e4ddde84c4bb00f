"""Moves old months into the object bucket: written, read back, and dropped when nothing has changed meanwhile.

Nothing changes in the database before the transaction that drops the month, so a killed run is repeated.
"""

import gzip
import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import sql

from declared.rowsecurity import hidden
from ops.archive.copies import PIECE, Copies, Manifest
from ops.database import Connection, connect
from ops.environment import Environment
from ops.errors import CommandError, answered

APPLICATION = "vpb archive"
# So that every value has one spelling.
SPELLING = (
    "set search_path = ''; set timezone = 'UTC'; set datestyle = 'ISO'; set intervalstyle = 'postgres'; "
    "set bytea_output = 'hex'; set extra_float_digits = 1; set client_encoding = 'UTF8'"
)
ALONE = "select pg_try_advisory_lock(hashtext('vpb archive'))"
OLD = """
select nspname::text, parent::text, partition::text, month
from private.old_partitions(make_interval(months => %s), make_interval(months => %s))
where format('%%s.%%s', nspname, parent) = any(%s)"""
# Row security that hides a row would drop it unread.
HIDDEN = f"select {hidden('%(month)s::regclass')}"
SIZE = "select pg_table_size(%s::regclass)"
COLUMNS = """
select attname::text, format_type(atttypid, null) from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum"""
CONTENT = sql.SQL(
    "select count(*), coalesce(sum(('x' || encode(substr(sha256(convert_to(t::text, 'UTF8')), 1, 8), 'hex'))"
    "::bit(64)::bigint::numeric), 0)::text from {} as t"
)
# What has been inserted, updated or deleted since shows in it, for a fraction of the time that the content takes.
VERSION = sql.SQL("select count(*), coalesce(sum(xmin::text::bigint), 0)::text from only {}")
RETIRE = "select private.retire_partition(%s, %s, %s, %s)"


@dataclass(frozen=True)
class Month:
    """A partition that ended long ago."""

    schema: str
    parent: str
    partition: str
    first_day: Any

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.partition}"

    @property
    def table(self) -> str:
        return f"{self.schema}.{self.parent}"

    @property
    def relation(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.partition)


@dataclass(frozen=True)
class Done:
    """What became of a month."""

    name: str
    rows: int
    bytes: int
    """Of the archive; in a dry run of the table."""
    result: str
    failed: bool = False


def run(environment: Environment, dry_run: bool, say: Callable[[str], None]) -> list[Done]:
    """Archive and drop each old month of the tables that the settings name, the oldest first.

    :raises CommandError: where the environment can't be reached, or another run is under way
    """
    copies = Copies(environment.store)
    # Reads what row security hides from other logins; a platform's own login has no need of it.
    reader_url = environment.outputs.get("backup_url", environment.admin_url)
    with (
        failures("months can't be archived"),
        connect(environment.admin_url, APPLICATION) as admin,
        connect(reader_url, APPLICATION) as reader,
    ):
        if admin.execute(ALONE).fetchone() != (True,):
            raise CommandError(f"stack {environment.stack}: another archive run is under way; wait until it ends")
        reader.execute(SPELLING)
        found = _old(admin, environment.output("retention_months"), environment.output("archived_tables"))
        return (
            [_counted(reader, month) for month in found] if dry_run else list(_all(admin, reader, copies, found, say))
        )


@contextmanager
def failures(what: str) -> Iterator[None]:
    """What the database or the store says no with, as one line.

    :raises CommandError: in the place of their errors
    """
    try:
        yield
    except (psycopg.Error, BotoCoreError, ClientError) as error:
        raise CommandError(f"{what}: {answered(error)}") from None


def content(session: Connection, relation: sql.Composable) -> tuple[int, str]:
    """How many rows there are, and the digest over all of them."""
    return _counts(session, CONTENT.format(relation))


def _counts(session: Connection, statement: sql.Composed) -> tuple[int, str]:
    found = session.execute(statement).fetchone()
    assert found
    return int(found[0]), str(found[1])


def _old(admin: Connection, kept: Mapping[str, int], tables: list[str]) -> list[Month]:
    rows = admin.execute(OLD, (kept["analytics"], kept["audit"], tables)).fetchall()
    return sorted((Month(*row) for row in rows), key=lambda month: month.name)


def _counted(reader: Connection, month: Month) -> Done:
    _refuse_hidden(reader, month)
    size = reader.execute(SIZE, (month.name,)).fetchone()
    return Done(month.name, content(reader, month.relation)[0], int((size or (0,))[0]), "would be archived and dropped")


def _all(
    admin: Connection, reader: Connection, copies: Copies, months: list[Month], say: Callable[[str], None]
) -> Iterator[Done]:
    stopped: set[str] = set()
    for month in months:
        # The older months of a table have to go before the younger.
        if month.table in stopped:
            continue
        try:
            manifest, version = _archived(reader, copies, month, say)
            say(f"{month.name}: dropping it")
            _retire(admin, reader, copies, month, manifest, version)
            yield Done(month.name, manifest.rows, manifest.bytes, "archived and dropped")
        except (CommandError, psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
            busy = not isinstance(error, CommandError)
            stopped.add(month.table)
            yield Done(month.name, 0, 0, "locked by others, left to the next run" if busy else str(error), failed=True)


def _refuse_hidden(reader: Connection, month: Month) -> None:
    if reader.execute(HIDDEN.encode(), {"month": month.name}).fetchone() != (False,):
        raise CommandError(
            f"{month.name}: row security hides rows from login {reader.info.user}; "
            "put the policy of backups back with `make up`"
        )


def _archived(
    reader: Connection, copies: Copies, month: Month, say: Callable[[str], None]
) -> tuple[Manifest, tuple[int, str]]:
    """The archive of a month, read back, and the version of the month that it is of.

    :raises CommandError: where row security hides rows, or the archive can't be read back or has other rows
    """
    _refuse_hidden(reader, month)
    manifest = copies.manifest(month.name)
    if manifest:
        # A run that was killed before it dropped the month.
        version = _compared(reader, month, manifest)
    else:
        with tempfile.TemporaryFile() as rows:
            say(f"{month.name}: reading it")
            manifest, version = _written(reader, month, rows)
            say(f"{month.name}: storing {manifest.rows:,} rows, {manifest.bytes:,} bytes")
            rows.seek(0)
            copies.put_rows(month.name, rows)
    say(f"{month.name}: reading the archive back")
    copies.check(manifest)
    return manifest, version


def _compared(reader: Connection, month: Month, manifest: Manifest) -> tuple[int, str]:
    with _one_moment(reader):
        if content(reader, month.relation) != (manifest.rows, manifest.digest):
            raise CommandError(
                f"{month.name}: an archive of it has other rows; look at it with `./vpb archive restore {month.name}`, "
                "delete its manifest.json, and run this again"
            )
        return _counts(reader, VERSION.format(month.relation))


def _written(reader: Connection, month: Month, rows: IO[bytes]) -> tuple[Manifest, tuple[int, str]]:
    """Write the month's rows, and say what they are."""
    with _one_moment(reader):
        version = _counts(reader, VERSION.format(month.relation))
        columns = [list(column) for column in reader.execute(COLUMNS, (month.name,)).fetchall()]
        count, digest = content(reader, month.relation)
        names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns)
        copy = sql.SQL("copy (select {} from only {}) to stdout (format csv, header)").format(names, month.relation)
        with gzip.open(rows, "wb") as compressed, reader.cursor().copy(copy) as blocks:
            for block in blocks:
                compressed.write(block)
    size = rows.tell()
    rows.seek(0)
    sha256 = hashlib.sha256()
    while block := rows.read(PIECE):
        sha256.update(block)
    made_at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return Manifest(month.name, made_at, columns, count, digest, size, sha256.hexdigest()), version


@contextmanager
def _one_moment(session: Connection) -> Iterator[None]:
    with session.transaction():
        session.execute("set transaction isolation level repeatable read, read only")
        yield


def _retire(
    admin: Connection, reader: Connection, copies: Copies, month: Month, manifest: Manifest, version: tuple[int, str]
) -> None:
    """Drop the month, unless it has changed by now.

    :raises CommandError: where it has, or row security hides rows by now
    """
    with admin.transaction():
        admin.execute("set local lock_timeout = '500ms'")
        # Who would write waits; the other session still reads.
        admin.execute(sql.SQL("lock table only {} in share mode").format(month.relation))
        _refuse_hidden(reader, month)
        if _counts(reader, VERSION.format(month.relation)) != version:
            raise CommandError(f"{month.name}: it has changed while it was archived; nothing was dropped, run it again")
        copies.put_manifest(manifest)
        admin.execute(RETIRE, (month.schema, month.parent, month.partition, month.first_day))
