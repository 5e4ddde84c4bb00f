"""The server that is archived: which it is, where it writes, and the replication slot that keeps WAL for us."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from ops.backups import source
from ops.backups.errors import BackupError
from ops.database import Connection, connect
from ops.errors import answered
from ops.physical import segments
from run import engine

APPLICATION = "vpb wal"
# So much of a slot's name stands in that of a session, which has 63 bytes.
NAMED = 40
WHO = """
select r.rolsuper or r.rolreplication, pg_is_in_recovery(), current_user::text
from pg_roles as r where r.rolname = current_user"""
FACTS = """
select (select system_identifier::text from pg_control_system()), current_setting('server_version_num')::int,
    pg_size_bytes(current_setting('wal_segment_size')), substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8),
    (select rolname::text from pg_roles where oid = 10), current_database()::text,
    has_function_privilege('pg_switch_wal()', 'execute')"""
SLOT = """
select slot_type::text, active_pid, coalesce(wal_status, ''), restart_lsn::text
from pg_replication_slots where slot_name = %s"""
SPACES = """
select spcname::text from pg_tablespace where spcname not in ('pg_default', 'pg_global') order by 1"""
# Who has written and ended shows here, and what the server writes by itself doesn't.
SEEN = "select pg_current_snapshot()::text, pg_current_wal_insert_lsn()::text"
AUDITED = "select to_regclass('audit.heads') is not null"


@dataclass(frozen=True)
class Facts:
    """Which server it is."""

    system: str
    version: int
    """As PostgreSQL numbers it, such as 170010."""
    segment: int
    """Bytes of a segment."""
    timeline: int
    superuser: str
    """The role that was made with it."""
    database: str
    switches: bool
    """Whether the login may begin a new segment."""


@dataclass(frozen=True)
class Slot:
    """A replication slot."""

    name: str
    active: int | None
    """The process that reads from it."""
    status: str
    """What is left of its WAL, as pg_replication_slots says."""
    restart: int | None
    """The position from which on the server keeps WAL; None where there is none yet."""


@dataclass(frozen=True)
class Followed:
    """How far a server has handed its WAL over to an archive."""

    system: str
    segment: int
    """Bytes of a segment."""
    number: int
    """Of the first segment that it still keeps for it: those before are in the archive or in a spool."""
    ended: int
    """The first transaction that hadn't ended yet: what is recovered up to it has lost nothing."""


def followed(url: str, stack: str) -> Followed | None:
    """None where the server keeps no WAL for an archive of this stack.

    :raises BackupError: where the login has no right to see it
    """
    with opened(url) as session:
        found = slot(session, slot_name(stack))
        if found is None or found.restart is None:
            return None
        known = facts(session)
        return Followed(known.system, known.segment, found.restart // known.segment, ended(session))


def ended(session: Connection) -> int:
    """The first transaction that hasn't ended yet."""
    found = session.execute("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
    assert found
    return int(found[0])


def refuse_elsewhere(stack: str) -> None:
    """
    :raises BackupError: where the platform archives WAL itself, and gives it to nobody
    """
    can = engine.target(stack).can
    if can.hosted_project:
        raise BackupError(
            f"stack {stack}: on Supabase the platform has the server's files and WAL; its point-in-time recovery goes "
            "back to an instant, and `./vpb backup` makes logical backups"
        )
    if can.make_server:
        raise BackupError(
            f"stack {stack}: on AWS RDS has the server's files and WAL; its automated backups (server:backupDays) go "
            "back to an instant, and `./vpb backup` makes logical backups"
        )


def archived(url: str, stack: str) -> bool:
    """Whether there is a slot that keeps WAL for an archive.

    :raises BackupError: where the login has no right to see it
    """
    with opened(url) as session:
        return slot(session, slot_name(stack)) is not None


def slot_name(stack: str) -> str:
    """The slot of a stack; a stack's name has no other characters that a slot's name can't have."""
    return f"vpb_{stack.replace('-', '_')}"


def opened(url: str) -> Connection:
    """A session of a login that may read WAL.

    :raises BackupError: where it may not, or the server is a standby
    """
    session = connect(url, APPLICATION)
    found = session.execute(WHO).fetchone()
    assert found
    may, standby, login = found
    if not may or standby:
        session.close()
        raise BackupError(
            "the server is a standby; archive the one that it follows"
            if standby
            else f"login {login}: may not read WAL; `alter role {login} replication` lets it, as a superuser"
        )
    return session


def facts(session: Connection) -> Facts:
    """
    :raises BackupError: where the login has no right to see it
    """
    try:
        found = session.execute(FACTS).fetchone()
    except psycopg.Error as error:
        raise BackupError(f"the server's WAL: {answered(error)}") from None
    assert found
    system, version, size, timeline, *rest = found
    return Facts(system, version, size, int(timeline, 16), *rest)


def slot(session: Connection, name: str) -> Slot | None:
    """
    :raises BackupError: where something else has the name
    """
    found = session.execute(SLOT, (name,)).fetchone()
    if found is None:
        return None
    kind, active, status, restart = found
    if kind != "physical":
        raise BackupError(f"replication slot {name}: is a {kind} one and not ours; drop it or rename the stack")
    return Slot(name, active, status, segments.position(restart) if restart else None)


def keep(session: Connection, name: str) -> Slot:
    """The slot, made where there is none.

    :raises BackupError: where it can't be made, or has lost what it kept
    """
    if slot(session, name) is None:
        _make(session, name, temporary=False)
    found = slot(session, name)
    assert found
    if found.status == "lost" or found.restart is None:
        raise lost(name)
    return found


def keep_for_now(session: Connection, name: str) -> None:
    """A slot that ends with this session; until then no WAL goes.

    :raises BackupError: where it can't be made
    """
    _make(session, name, temporary=True)


def _make(session: Connection, name: str, temporary: bool) -> None:
    try:
        session.execute("select pg_create_physical_replication_slot(%s, true, %s)", (name, temporary))
    except psycopg.Error as error:
        raise BackupError(f"replication slot {name}: {answered(error)}") from None


def lost(name: str) -> BackupError:
    """What to say of a slot whose WAL the server has removed."""
    return BackupError(
        f"replication slot {name}: the server has removed WAL that isn't archived (max_slot_wal_keep_size); drop it, "
        f"`select pg_drop_replication_slot('{name}')`, run this again, and make a new base backup: "
        "`./vpb backup --physical`"
    )


def tablespaces(session: Connection) -> list[str]:
    """Those outside the data directory."""
    return [name for (name,) in session.execute(SPACES).fetchall()]


def seen(session: Connection) -> tuple[str, str]:
    """Which transactions have ended, as a text to compare, and how far WAL is written."""
    found = session.execute(SEEN).fetchone()
    assert found
    return found[0], found[1]


def switch(session: Connection) -> int:
    """Begin a new segment, unless nothing was written to this one; the position before which all is in ended ones."""
    found = session.execute("select pg_switch_wal()::text").fetchone()
    assert found
    return segments.position(found[0])


def now(session: Connection) -> datetime:
    """The server's clock."""
    found = session.execute("select clock_timestamp()").fetchone()
    assert found
    moment: datetime = found[0]
    return moment


def name_trouble(session: Connection, slot: str, since: datetime | None) -> None:
    """Say in the session's name since when an archiver can't store: `ops.server_metrics()` reads it there.

    A row of a table would be WAL itself, and a quiet server would never be quiet.
    """
    name = f"{APPLICATION} {int(since.timestamp())} {slot[:NAMED]}" if since else APPLICATION
    session.execute("select set_config('application_name', %s, false)", (name,))


def anchor(session: Connection) -> dict[str, Any] | None:
    """Where the audit trail ends; None where there is none, or the login may not see it."""
    try:
        if session.execute(AUDITED).fetchone() != (True,):
            return None
        found = session.execute(source.ANCHOR).fetchone()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return found[0] if found else None
