"""Rows of one table, from a backup into the database that has lost them: what is missing, and on request what differs.

They are read into a temporary table of the session, compared by primary key, and written in one transaction, in which
the triggers of the table fire as for anybody who writes.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from ops.backups import restorable
from ops.backups.checking import Backup
from ops.backups.errors import BackupError
from ops.backups.leavingout import Away, hold_people, leave_out, listed
from ops.backups.manifest import Manifest
from ops.backups.refusals import refusals
from ops.backups.restorable import Shape
from ops.backups.restoring import copy_part
from ops.backups.source import SETTINGS
from ops.database import Connection, connect

APPLICATION = "vpb restore"
# So many of the rows that differ are named.
MOST = 10
# Without what a table has to have: what is generated isn't in a backup.
MADE = "create temporary table {name} as select {columns} from only {table} with no data"
# Of the backup's rows: those that are missing, those that differ, all; those that are in the database, and of these
# those whose rows of the backup are left out; and a sum of the version of each row that would be inserted or replaced.
COUNTS = """
select count(*) filter (where {absent}), count(*) filter (where not {absent} and {differs}), count(*),
    (select count(*) from only {table}), (select count(*) from {out} as b join only {table} as t on {same}),
    coalesce(sum(hashtextextended(row({keys}, t.xmin, {theirs})::text collate "C", 0)::numeric)
        filter (where {absent} or {differs}), 0)::text
from {copy} as b left join only {table} as t on {same}"""
DIFFERENT = """
select jsonb_build_object({pairs})::text,
    array(select o.key from jsonb_each({old}) as o join jsonb_each({new}) as n using (key)
        where o.value is distinct from n.value order by 1)
from {copy} as b join only {table} as t on {same} where {differs} order by 1 limit {most}"""
INSERT = """
insert into {table} ({columns}) overriding system value
select {ours} from {copy} as b where not exists (select from only {table} as t where {same})"""
UPDATE = "update only {table} as t set {set} from {copy} as b where {same} and {differs}"
# Those that are a column's own, `serial` and identities.
SEQUENCES = """
select a.attname::text, n.nspname::text, c.relname::text, q.seqmin, q.seqmax
from pg_attribute as a
join pg_class as c on c.oid = pg_get_serial_sequence(%(table)s, a.attname)::regclass
join pg_namespace as n on n.oid = c.relnamespace join pg_sequence as q on q.seqrelid = c.oid
where a.attrelid = to_regclass(%(table)s) and a.attnum > 0 and not a.attisdropped and q.seqincrement > 0
    and a.atttypid = any('{int2,int4,int8}'::regtype[])"""
MOVED = """
select setval({literal}::regclass, m.top)
from (select max({column})::bigint as top from only {table}) as m, {sequence} as s
where m.top between {least} and {most} and (m.top > s.last_value or m.top = s.last_value and not s.is_called)"""


@dataclass(frozen=True)
class Plan:
    """What the rows of a backup are in the database."""

    missing: int
    differing: int
    same: int
    only_there: int
    """Rows that aren't in the backup, which stay."""
    left_out: list[tuple[str, int]] = field(default_factory=list)
    """Tables, and how many of the backup's rows name a row there that is gone; these stay gone too."""
    forgotten: list[tuple[str, int]] = field(default_factory=list)
    """The same of rows that come back with null in place of that name."""
    different: list[tuple[str, list[str]]] = field(default_factory=list, compare=False)
    """The primary key of some rows that differ, as JSON, and in which columns."""
    versions: str = field(default="", compare=False)
    """Differs where a row that would be inserted or replaced isn't there in the same version."""


@dataclass(frozen=True)
class Written:
    """What was done, in rows."""

    inserted: int
    replaced: int
    differing: int
    """Afterwards."""


@dataclass
class Restored:
    """A session that has the rows of a table as they were."""

    session: Connection
    shape: Shape
    away: Away

    def plan(self) -> Plan:
        """What there is to do.

        :raises BackupError: where the database refuses to say
        """
        with refusals(self._label):
            counted = self._counted()
            if not counted.differing:
                return counted
            return dataclasses.replace(counted, different=self.session.execute(self._statement(DIFFERENT)).fetchall())

    def _counted(self) -> Plan:
        """The plan without the rows that differ, which are to be shown alone."""
        missing, differing, copied, there, out, versions = self._row(COUNTS)
        both = copied - missing
        only_there = there - both - out
        away = self.away
        return Plan(missing, differing, both - differing, only_there, away.left_out, away.forgotten, versions=versions)

    def write(self, planned: Plan, replace: bool) -> Written:
        """Insert what is missing, and with `replace` make what differs as it was.

        :raises BackupError: where the database refuses, or a row that would be written isn't as it was when this was
            planned; then nothing was changed
        """
        with refusals(self._label), self.session.transaction():
            hold_people(self.session, self.shape)
            self.session.execute(sql.SQL("lock table {} in share row exclusive mode").format(self.shape.identifier))
            # In the same version: so a backup that was made in between has the rows.
            if leave_out(self.session, self.shape) or self._counted().versions != planned.versions:
                raise BackupError(f"table {self._label}: was written to meanwhile; nothing was changed, run again")
            count = self.insert()
            inserted = self._counted()
            if (inserted.missing, inserted.differing) != (0, planned.differing):
                raise BackupError(f"table {self._label}: its triggers make other rows of these; nothing was changed")
            self.move_sequences()
            if not (replace and inserted.differing):
                return Written(count, 0, inserted.differing)
            replaced = self.session.execute(self._statement(UPDATE)).rowcount
            return Written(count, replaced, self._counted().differing)

    def insert(self) -> int:
        """Insert what is missing; how many rows."""
        return self.session.execute(self._statement(INSERT)).rowcount

    def move_sequences(self) -> None:
        """Behind the largest value, as `truncate … restart identity` puts them back to the first."""
        named = {"table": self.shape.identifier.as_string()}
        for column, schema, name, least, most in self.session.execute(SEQUENCES, named).fetchall():
            sequence = sql.Identifier(schema, name)
            statement = sql.SQL(MOVED).format(
                literal=sql.Literal(sequence.as_string()),
                column=sql.Identifier(column),
                table=self.shape.identifier,
                sequence=sequence,
                least=sql.Literal(least),
                most=sql.Literal(most),
            )
            self.session.execute(statement)

    @property
    def _label(self) -> str:
        return self.shape.table.label

    def _row(self, statement: str) -> tuple[Any, ...]:
        found = self.session.execute(self._statement(statement)).fetchone()
        assert found
        return found

    def _statement(self, text: str) -> sql.Composed:
        columns, key = self.shape.table.columns, self.shape.key
        compared = [*key, *self.shape.settable]
        return sql.SQL(text).format(
            table=self.shape.identifier,
            copy=self.shape.copy,
            out=self.shape.out,
            columns=listed("{0}", columns),
            ours=listed("b.{0}", columns),
            theirs=listed("t.{0}", columns),
            keys=listed("b.{0}", key),
            same=listed("t.{0} = b.{0}", key, " and "),
            absent=sql.SQL("t.{} is null").format(sql.Identifier(key[0])),
            differs=sql.SQL("{}::text is distinct from {}::text").format(
                _record("b", compared), _record("t", compared)
            ),
            pairs=sql.SQL(", ").join(
                sql.SQL("{}, t.{}").format(sql.Literal(name), sql.Identifier(name)) for name in key
            ),
            old=_json("b", compared),
            new=_json("t", compared),
            set=listed("{0} = b.{0}", self.shape.settable),
            most=sql.Literal(MOST),
        )


@contextmanager
def restored(
    url: str, backup: Backup, manifest: Manifest, name: str, identities: Sequence[Any], replace: bool = False
) -> Iterator[Restored]:
    """A session with the rows of a table beside those that are there.

    Args:
        url: of the login that provisions.
        name: the table with its schema.
        replace: whether rows that differ are to be replaced.

    :raises BackupError: where the table can't be compared or replaced, or the database refuses
    :raises BadBackup: for a part that isn't the one that was written
    """
    table = restorable.named(manifest, name)
    with connect(url, APPLICATION) as session, refusals(name):
        prepare(session)
        shape = restorable.shape(session, table, replace)
        make_copy(session, shape)
        for part in table.parts:
            copy_part(session, shape.copy, table.columns, backup.part(part, identities))
        session.execute(sql.SQL("analyze {}").format(shape.copy))
        yield Restored(session, shape, leave_out(session, shape))


def prepare(session: Connection) -> None:
    """Values are written as in a backup, and rows are written as by anybody."""
    # Functions of triggers run as the owner, whom row policies let write; who sees all rows needs none.
    for setting, value in (SETTINGS | {"default_transaction_read_only": "off", "row_security": "on"}).items():
        session.execute("select set_config(%s, %s, false)", (setting, value))


def make_copy(session: Connection, shape: Shape) -> None:
    """The temporary tables of a table, without rows."""
    for made, columns in ((shape.copy, shape.table.columns), (shape.out, shape.key)):
        session.execute(sql.SQL(MADE).format(name=made, columns=listed("{0}", columns), table=shape.identifier))


def _record(alias: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL("row({})").format(listed(alias + ".{0}", names))


def _json(alias: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL("to_jsonb((select r from (select {}) as r))").format(listed(alias + ".{0}", names))
