"""Masked rows of one database in the tables of another: one snapshot, one transaction, and nothing else on the way.

The expressions run where the rows are; what comes out of them is passed on as it arrives. The triggers of the copy are
off meanwhile, so that none of them writes; constraints aren't.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from psycopg import sql

from declared.rowsecurity import hidden
from ops.backups import refusals
from ops.backups import source as backups
from ops.branches import masks
from ops.branches.errors import BranchError
from ops.branches.masks import Plan, Read
from ops.database import Connection, connect

APPLICATION = "vpb branch"
# Months further back aren't made: their rows go where PostgreSQL keeps those of no month.
MOST_MONTHS = 36
Progress = Callable[[str], None]
# Where the database notes who has changed its structure.
CHANGES = "private.structure_changes"
HIDDEN = f"select {hidden('%(table)s::oid')}"
BOUND = "select not (rolsuper or rolbypassrls) from pg_roles where rolname = current_user"
TRIGGERS = """
select n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled::text
from pg_trigger as t join pg_class as c on c.oid = t.tgrelid join pg_namespace as n on n.oid = c.relnamespace
where t.tgrelid in (select %(table)s::regclass union select relid from pg_partition_tree(%(table)s::regclass))
    and not t.tgisinternal and t.tgenabled <> 'D'
order by 1, 2, 3"""
SWITCH = "alter table only {} {} trigger {}"
AGAIN = {"O": "enable", "A": "enable always", "R": "enable replica"}
PARTITIONED = "select relkind = 'p' from pg_class where oid = %s::regclass"
READABLE = """
select format('%I.%I', n.nspname, c.relname) from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and has_table_privilege(c.oid, 'select') order by 1"""
MONTHS = "select ops.make_partitions(0, greatest(%s::date, (now() - make_interval(months => %s))::date))"
SERIALS = """
select a.attname::text, pg_get_serial_sequence(%(table)s, a.attname) from pg_attribute as a
where a.attrelid = %(table)s::regclass and a.attnum > 0 and not a.attisdropped
    and pg_get_serial_sequence(%(table)s, a.attname) is not null"""
BROKEN = """
select distinct a.attname::text from pg_constraint as k
join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = any(k.conkey)
where k.conname = %s and k.conrelid in (select %s::regclass union select relid from pg_partition_tree(%s::regclass))
order by 1"""


@dataclass(frozen=True)
class Copied:
    """What was copied."""

    rows: Mapping[str, int]
    empty: Mapping[str, str]
    """Tables without rows, and why."""
    by_default: Mapping[str, list[str]]
    """Columns that no rule names, by table."""
    taken_at: datetime

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values())


@contextmanager
def opened(url: str) -> Iterator[tuple[Connection, datetime]]:
    """A session that sees one instant and can't write, and that instant.

    :raises UnreachableError: where the server doesn't answer
    """
    with connect(url, APPLICATION) as session:
        backups.prepare(session)
        tables = session.execute(READABLE).fetchall()
        session.execute("begin isolation level repeatable read read only")
        # Before the snapshot: what is truncated or dropped meanwhile would be gone from any.
        for (table,) in tables:
            session.execute(f"lock table only {table} in access share mode".encode())
        found = session.execute("select now()").fetchone()
        assert found
        yield session, found[0].astimezone(UTC)


def copy(source: Connection, taken_at: datetime, url: str, progress: Progress) -> Copied:
    """Copy into the tables of another database, all of it or nothing.

    Args:
        source: of `opened`.
        url: of the login that has made the tables there.

    :raises BranchError: where row security hides rows, or a masked row doesn't satisfy the copy's constraints
    """
    with connect(url, APPLICATION) as copied:
        copied.execute("select set_config('search_path', '', false), set_config('statement_timeout', '0', false)")
        refuse_bound(copied)
        plan = masks.plan(source, copied)
        for read in plan.reads:
            _refuse_hidden(source, read, plan)
        rows = dict[str, int]()
        with copied.transaction():
            _months(source, copied, plan)
            with _without_triggers(copied, plan):
                for read in reversed(plan.reads):
                    # What a migration has put there is among what comes.
                    copied.execute(sql.SQL("delete from {}").format(read.identifier))
                for read in plan.reads:
                    progress(read.table)
                    rows[read.table] = _table(source, copied, read)
            # Of what was switched for the copy.
            if copied.execute("select to_regclass(%s) is not null", (CHANGES,)).fetchone() == (True,):
                copied.execute(sql.SQL("delete from {}").format(masks.identifier(CHANGES)))
        progress("statistics")
        copied.execute("vacuum (freeze, analyze)")
    by_default = {read.table: sorted(read.by_default) for read in plan.reads if read.by_default}
    return Copied(rows, plan.empty, by_default, taken_at)


def refuse_bound(copied: Connection) -> None:
    """
    :raises BranchError: for a login that can't copy rows into tables with row security
    """
    if copied.execute(BOUND).fetchone() != (False,):
        raise BranchError(
            f"{copied.info.user}: is no superuser and has no BYPASSRLS, and PostgreSQL takes no `copy` from a login "
            "that row security binds; name a server where it has one of them, nothing was copied"
        )


def _refuse_hidden(source: Connection, read: Read, plan: Plan) -> None:
    found = source.execute(HIDDEN.encode(), {"table": plan.oids[read.table]}).fetchone()
    if found != (False,):
        raise BranchError(
            f"table {read.table}: row policies hide rows from {source.info.user}; no copy without them: read it as "
            "a login that they let see all, as the login `backup` is"
        )


def _months(source: Connection, copied: Connection, plan: Plan) -> None:
    """Partitions for the months that rows are of, where the app makes them."""
    if copied.execute("select to_regprocedure('ops.make_partitions(integer, date)') is null").fetchone() == (True,):
        return
    first = []
    for read in plan.reads:
        if copied.execute(PARTITIONED, (_name(read),)).fetchone() == (True,):
            least = sql.SQL("select min(created_at) filter (where isfinite(created_at)) from {}")
            found = source.execute(least.format(read.identifier)).fetchone()
            first += [found[0]] if found and found[0] else []
    if first:
        copied.execute(MONTHS, (min(first), MOST_MONTHS))


@contextmanager
def _without_triggers(copied: Connection, plan: Plan) -> Iterator[None]:
    """None of the tables' own fires, those neither that always do; afterwards they are as they were."""
    found = [row for read in plan.reads for row in copied.execute(TRIGGERS, {"table": _name(read)}).fetchall()]

    def switch(schema: str, table: str, trigger: str, how: str) -> None:
        names = sql.Identifier(schema, table), sql.SQL(how), sql.Identifier(trigger)
        copied.execute(sql.SQL(SWITCH).format(*names))

    for schema, table, trigger, _ in found:
        switch(schema, table, trigger, "disable")
    yield
    # A table with checks of keys that are still to be made can't be altered.
    copied.execute("set constraints all immediate")
    for schema, table, trigger, state in found:
        switch(schema, table, trigger, AGAIN[state])


def _table(source: Connection, copied: Connection, read: Read) -> int:
    """One table, whose rows are counted on both sides."""
    number = 0
    try:
        with (
            source.cursor() as theirs,
            copied.cursor() as ours,
            theirs.copy(read.query) as sent,
            ours.copy(read.statement) as into,
        ):
            for block in sent:
                # A row is a line: a value's own line ends are escaped.
                number += bytes(block).count(b"\n")
                into.write(block)
        for column, sequence in copied.execute(SERIALS, {"table": _name(read)}).fetchall():
            top = sql.SQL("select setval({}::regclass, max({})) from {}").format(
                sql.Literal(sequence), sql.Identifier(column), read.identifier
            )
            copied.execute(top)
    except psycopg.Error as error:
        raise _refused(copied, read, error) from None
    found = copied.execute(sql.SQL("select count(*) from {}").format(read.identifier)).fetchone()
    if found != (number,):
        raise BranchError(f"table {read.table}: {number} rows were sent, and {found and found[0]} are there")
    return number


def _refused(copied: Connection, read: Read, error: psycopg.Error) -> BranchError:
    """What PostgreSQL says no with, and which rule is to be written; no value of a row."""
    diag = error.diag
    blamed = [diag.column_name] if diag.column_name else []
    if diag.constraint_name:
        with backups.connect_again(copied) as other:
            found = other.execute(BROKEN, (diag.constraint_name, _name(read), _name(read))).fetchall()
        blamed = [name for (name,) in found]
    if not blamed:
        return BranchError(f"table {read.table}: isn't copied: {refusals.said(error)}")
    unruled = [name for name in blamed if name in read.by_default]
    advice = f"write a rule for it in {masks.WHERE}" if unruled else f"its rule is in {masks.WHERE}"
    column = f"{read.table}.{(unruled or blamed)[0]}"
    return BranchError(f"column {column}: its masked values aren't taken ({refusals.said(error)}); {advice}")


def _name(read: Read) -> str:
    return read.identifier.as_string()
