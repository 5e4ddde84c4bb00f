"""The database that is backed up: one snapshot, in several sessions.

All sessions lock all tables before the snapshot is taken: what rewrites a table (`vacuum full`, `truncate`) comes
before the snapshot or after the backup. None of them waits for a lock that another one would have to give up.
"""

import select
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn

from declared.rowsecurity import hidden
from declared.schemas import HISTORY_SCHEMA
from ops.backups import catalogue
from ops.backups.errors import BackupError
from ops.backups.manifest import Manifest
from ops.backups.manifest import Sequence as Head
from ops.database import Connection, connect

APPLICATION = "vpb backup"
# So much of a table is one part, by its pages and what is stored beside them.
PART_BYTES = 256 << 20
# Of what is sent, so much is passed on at a time.
BLOCK = 1 << 18
# How long others may hold a lock that keeps us from reading.
LOCK_SECONDS, PAUSE_SECONDS = 60.0, 0.5
# What the text of a value depends on.
SETTINGS = {
    "search_path": "",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "lc_monetary": "C",
    "statement_timeout": "0",
    "lock_timeout": "1min",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_read_only": "on",
    "jit": "off",
}
TABLES = f"""
select c.oid, n.nspname::text, c.relname::text,
    pg_table_size(c.oid), pg_relation_size(c.oid) / 8192,
    coalesce((select array_agg(a.attname::text order by a.attnum) from pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''), '{{}}'),
    case
        when c.relkind = 'f' then 'a foreign table, whose rows are elsewhere'
        when not has_table_privilege(c.oid, 'select') then 'refused'
        when exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid
            and d.deptype = 'e') then 'a table of an extension'
        else ''
    end,
    {hidden("c.oid")}
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'f') and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by pg_table_size(c.oid) desc, 2, 3"""
SEQUENCES = """
select n.nspname::text, c.relname::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind = 'S' and c.relpersistence <> 't' and not exists (select from pg_depend as d
    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e') order by 1, 2"""
REFRESHED = """
select n.nspname::text, c.relname::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind = 'm' and c.relispopulated order by c.oid"""
HISTORIES = """
select n.nspname::text, c.relname::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
join pg_attribute as a on a.attrelid = c.oid and a.attname = 'name'
where n.nspname = %s and c.relkind = 'r' order by 2"""
# The same as audit.anchor(), which administrators alone may ask.
ANCHOR = """
select jsonb_build_object(
    'taken_at', statement_timestamp(),
    'digest', encode(sha256(convert_to(coalesce(jsonb_object_agg(h.lane, h.newest), '{}')::text, 'UTF8')), 'hex'),
    'lanes', coalesce(jsonb_object_agg(h.lane, h.newest), '{}'))
from (select t.lane, jsonb_build_array(t.entries, encode(t.hash, 'hex')) as newest from audit.heads as t
    where t.entries > 0) as h"""
CHECKSUM = sql.SQL(
    'select count(*), coalesce(sum(hashtextextended((vpb_row.*)::text collate "C", 0)::numeric), 0)::text'
    " from only {table} as vpb_row{where}"
)


@dataclass(frozen=True)
class Found:
    """A table as it is read."""

    schema: str
    name: str
    columns: list[str]
    ranges: list[tuple[int, int | None]]
    """Pages of each part, from and up to but without; a single one is the whole table."""

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    def where(self, number: int) -> sql.Composable:
        """The condition of a part."""
        begin, end = self.ranges[number]
        if len(self.ranges) == 1:
            return sql.SQL("")
        rest = sql.SQL(" and ctid < {}::tid").format(sql.Literal(f"({end},0)")) if end is not None else sql.SQL("")
        return sql.SQL(" where ctid >= {}::tid{}").format(sql.Literal(f"({begin},0)"), rest)


@dataclass
class Source:
    """Sessions that all see the same."""

    url: str
    sessions: list[Connection]
    snapshot: str
    taken_at: datetime
    tables: list[Found]
    left_out: list[str] = field(default_factory=list)

    @property
    def first(self) -> Connection:
        """The session that has taken the snapshot."""
        return self.sessions[0]

    def describe(self, manifest: Manifest) -> None:
        """Put into the manifest what a dump leaves out, and what it is compared with."""
        manifest.catalogue = catalogue.read(self.first)
        manifest.refreshed = [list(row) for row in self.first.execute(REFRESHED)]
        manifest.left_out = self.left_out
        for schema, name in self.first.execute(SEQUENCES).fetchall():
            query = sql.SQL("select last_value, is_called from {}").format(sql.Identifier(schema, name))
            last, called = _row(self.first, query)
            manifest.sequences.append(Head(schema, name, last, called))
        for schema, name in self.first.execute(HISTORIES, (HISTORY_SCHEMA,)).fetchall():
            query = sql.SQL("select name from {} order by 1").format(sql.Identifier(schema, name))
            manifest.migrations[f"{schema}.{name}"] = [str(each) for (each,) in self.first.execute(query)]
        if _row(self.first, "select to_regclass('audit.heads') is not null")[0]:
            (manifest.anchor,) = _row(self.first, ANCHOR)


def copied(session: Connection, table: Found, number: int) -> Iterator[bytes]:
    """The rows of a part, as `copy` writes them, in blocks."""
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in table.columns)
    if len(table.ranges) == 1 and table.columns:
        what: sql.Composable = sql.SQL("{} ({})").format(table.identifier, columns)
    else:
        what = sql.SQL("(select {} from only {}{})").format(columns, table.identifier, table.where(number))
    statement = sql.SQL("copy {} to stdout").format(what).as_bytes(session)
    waiting, size = list[Any](), 0
    for data in _sent(session, statement, f"{table.schema}.{table.name}"):
        waiting.append(data)
        size += len(data)
        if size > BLOCK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _sent(session: Connection, statement: bytes, label: str) -> Iterator[Any]:
    """The rows that `copy` sends. By libpq itself: psycopg's own loop takes twice as long for each."""
    pq = session.pgconn
    if pq.exec_(statement).status != ExecStatus.COPY_OUT:
        raise BackupError(f"table {label}: {_said(pq)}")
    while True:
        size, data = pq.get_copy_data(1)
        if size > 0:
            yield data
        elif size == 0:
            select.select([pq.socket], [], [])
            pq.consume_input()
        else:
            break
    while result := pq.get_result():
        if result.status != ExecStatus.COMMAND_OK:
            raise BackupError(f"table {label}: {_said(pq)}")


def _said(pq: PGconn) -> str:
    return " ".join(pq.error_message.decode(errors="replace").split()) or "the server ended the connection"


def checksum(session: Connection, table: Found, number: int) -> tuple[int, int]:
    """How many rows a part has, and the sum of their hashes."""
    count, total = _row(session, CHECKSUM.format(table=table.identifier, where=table.where(number)))
    return int(count), int(total)


@contextmanager
def opened(url: str, jobs: int) -> Iterator[Source]:
    """As many sessions as there are jobs and one more, all with the same snapshot.

    :raises BackupError: where not all can be read
    """
    with ExitStack() as stack:
        sessions = [stack.enter_context(connect(url, APPLICATION)) for _ in range(jobs + 1)]
        for session in sessions:
            prepare(session)
        tables, left_out = _locked(sessions)
        first = sessions[0]
        snapshot, taken_at = _row(first, "select pg_export_snapshot(), now()")
        for session in sessions[1:]:
            session.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
        if objects := _row(first, "select count(*) from pg_largeobject_metadata")[0]:
            left_out.append(f"{objects} large objects, which no privilege opens as a whole")
        yield Source(url, sessions, snapshot, taken_at.astimezone(UTC), tables, left_out)


def prepare(session: Connection) -> None:
    """What the text of a value depends on is the same in every session."""
    for name, value in SETTINGS.items():
        session.execute("select set_config(%s, %s, false)", (name, value))
    bypasses = _row(session, "select rolbypassrls or rolsuper from pg_roles where rolname = current_user")[0]
    # Where rows are hidden, an error and no smaller backup.
    session.execute("set row_security = off" if bypasses else "set row_security = on")


def _locked(sessions: Sequence[Connection]) -> tuple[list[Found], list[str]]:
    """All tables, locked in a transaction of each session that has seen nothing yet."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            found, left_out = _tables(sessions[0])
            for session in sessions:
                session.execute("begin isolation level repeatable read read only")
                for table in found:
                    session.execute(sql.SQL("lock table only {} in access share mode nowait").format(table.identifier))
            # A table that was made meanwhile isn't locked.
            with connect_again(sessions[0]) as other:
                prepare(other)
                if _same(_tables(other)[0], found):
                    return found, left_out
        except (psycopg.errors.LockNotAvailable, psycopg.errors.UndefinedTable) as error:
            if time.monotonic() > until:
                said = error.diag.message_primary
                raise BackupError(f"a table is locked for longer than {LOCK_SECONDS:.0f} s: {said}") from None
        for session in sessions:
            session.execute("rollback")
        time.sleep(PAUSE_SECONDS)


def connect_again(session: Connection) -> Connection:
    """Another session of the same login."""
    return psycopg.connect(session.info.dsn, password=session.info.password, autocommit=True, prepare_threshold=None)


def _same(now: Sequence[Found], was: Sequence[Found]) -> bool:
    return {(each.schema, each.name, *each.columns) for each in now} == {
        (each.schema, each.name, *each.columns) for each in was
    }


def _tables(session: Connection) -> tuple[list[Found], list[str]]:
    found, left_out = [], []
    for _, schema, name, size, pages, columns, reason, in_part in session.execute(TABLES.encode()):
        label = f"{schema}.{name}"
        if reason == "refused":
            raise BackupError(f"table {label}: {session.info.user} may not read it; grant select on it, and try again")
        if in_part:
            raise BackupError(
                f"table {label}: row policies hide rows from {session.info.user}; no backup without them: "
                "a permissive policy for select using (true) shows them"
            )
        if reason:
            left_out.append(f"table {label}: {reason}")
            continue
        found.append(Found(schema, name, columns, _ranges(size, pages)))
    return found, left_out


def _ranges(size: int, pages: int) -> list[tuple[int, int | None]]:
    parts = max(1, min(pages, -(-size // PART_BYTES)))
    step = -(-pages // parts) or 1
    begins = list(range(0, pages, step)) or [0]
    return [(begin, begin + step if begin != begins[-1] else None) for begin in begins]


def _row(session: Connection, query: Any) -> tuple[Any, ...]:
    found = session.execute(query.encode() if isinstance(query, str) else query).fetchone()
    assert found
    return found
