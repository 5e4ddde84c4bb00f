"""Rows of one table, from a backup into the database that has lost them: what is missing, and on request what differs.

They are read into a temporary table of the session, compared by primary key, and written in one transaction, in which
the triggers of the table fire as for anybody who writes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from declared.schemas import HISTORY_SCHEMA
from ops.backups import sealing
from ops.backups.checking import Backup
from ops.backups.errors import BackupError
from ops.backups.manifest import Manifest, Table
from ops.backups.restoring import copy_part
from ops.backups.source import SETTINGS
from ops.database import Connection, connect

APPLICATION = "vpb restore"
# Why rows of a schema don't come back by themselves.
NOT_ALONE = {
    HISTORY_SCHEMA: "`up` notes there what it has done",
    "audit": "nobody writes to the trail but its triggers",
    "next_auth": "it would bring back who has left since then",
    "private": "triggers and `up` write its rows",
    "storage": "its rows stand for files; ./vpb storage restore has a file back with its row",
}
# So many of the rows that differ are named.
MOST = 10
COPY = sql.Identifier("pg_temp", "vpb_restored")
KIND = "select c.relkind::text from pg_class as c where c.oid = to_regclass(%s)"
KEY = """
select a.attname::text from pg_index as i
cross join unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
where i.indrelid = to_regclass(%s) and i.indisprimary order by k.position"""
# Each foreign key: its table there, whether that is the table itself, the columns and those that they name.
KEYS_OUT = """
select n.nspname::text, c.relname::text, f.confrelid = f.conrelid,
    array(select a.attname::text from unnest(f.conkey) with ordinality as k (attnum, position)
        join pg_attribute as a on a.attrelid = f.conrelid and a.attnum = k.attnum order by k.position),
    array(select a.attname::text from unnest(f.confkey) with ordinality as k (attnum, position)
        join pg_attribute as a on a.attrelid = f.confrelid and a.attnum = k.attnum order by k.position)
from pg_constraint as f join pg_class as c on c.oid = f.confrelid join pg_namespace as n on n.oid = c.relnamespace
where f.conrelid = to_regclass(%s) and f.contype = 'f' order by f.conname"""
COLUMNS = """
select a.attname::text from pg_attribute as a
where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''"""
# Of the backup's rows: those that are missing, those that differ, all; and those that are in the database.
COUNTS = """
select count(*) filter (where {absent}), count(*) filter (where not {absent} and {differs}), count(*),
    (select count(*) from only {table})
from {copy} as b left join only {table} as t on {same}"""
DIFFERENT = """
select jsonb_build_object({pairs})::text,
    array(select o.key from jsonb_each({old}) as o join jsonb_each({new}) as n using (key)
        where o.value is distinct from n.value order by 1)
from {copy} as b join only {table} as t on {same} where {differs} order by 1 limit {most}"""
WITHOUT = """
delete from {copy} as b where {named} and not exists (select from {there} as p where {matches})"""
INSERT = """
insert into {table} ({columns}) overriding system value
select {ours} from {copy} as b where not exists (select from only {table} as t where {same})"""
UPDATE = "update only {table} as t set {set} from {copy} as b where {same} and {differs}"


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
    different: list[tuple[str, list[str]]] = field(default_factory=list, compare=False)
    """The primary key of some rows that differ, as JSON, and in which columns."""


@dataclass
class Restored:
    """A session that has the rows of a table as they were."""

    session: Connection
    table: Table
    key: list[str]
    left_out: list[tuple[str, int]]

    def plan(self) -> Plan:
        """What there is to do.

        :raises BackupError: where the database refuses to say
        """
        with _refusals(self.table.label):
            missing, differing, copied, there = self._row(COUNTS)
            different = self.session.execute(self._statement(DIFFERENT)).fetchall() if differing else []
        both = copied - missing
        return Plan(missing, differing, both - differing, there - both, self.left_out, [*different])

    def write(self, planned: Plan, replace: bool) -> int:
        """Insert what is missing, and with `replace` make what differs as it was; how many rows differ afterwards.

        :raises BackupError: where the database refuses, or something else was to be done than is planned; then nothing
            was changed
        """
        with _refusals(self.table.label), self.session.transaction():
            self.session.execute(sql.SQL("lock table {} in share row exclusive mode").format(self._identifier))
            if self.plan() != planned:
                raise BackupError(f"table {self.table.label}: was written to meanwhile; nothing was changed, run again")
            self.session.execute(self._statement(INSERT))
            inserted = self.plan()
            if (inserted.missing, inserted.differing) != (0, planned.differing):
                raise BackupError(
                    f"table {self.table.label}: its triggers make other rows of these; nothing was changed"
                )
            if not (replace and inserted.differing):
                return inserted.differing
            self.session.execute(self._statement(UPDATE))
            return self.plan().differing

    @property
    def _identifier(self) -> sql.Identifier:
        return sql.Identifier(self.table.schema, self.table.name)

    def _row(self, statement: str) -> tuple[Any, ...]:
        found = self.session.execute(self._statement(statement)).fetchone()
        assert found
        return found

    def _statement(self, text: str) -> sql.Composed:
        columns = self.table.columns
        return sql.SQL(text).format(
            table=self._identifier,
            copy=COPY,
            columns=_listed("{0}", columns),
            ours=_listed("b.{0}", columns),
            same=_listed("t.{0} = b.{0}", self.key, " and "),
            absent=sql.SQL("t.{} is null").format(sql.Identifier(self.key[0])),
            differs=sql.SQL("{}::text is distinct from {}::text").format(_record("b", columns), _record("t", columns)),
            pairs=sql.SQL(", ").join(
                sql.SQL("{}, t.{}").format(sql.Literal(name), sql.Identifier(name)) for name in self.key
            ),
            old=_json("b", columns),
            new=_json("t", columns),
            # An identity can't be set, and the key is the same.
            set=_listed("{0} = b.{0}", [name for name in columns if name not in self.key]),
            most=sql.Literal(MOST),
        )


@contextmanager
def restored(url: str, backup: Backup, manifest: Manifest, name: str, identities: Sequence[Any]) -> Iterator[Restored]:
    """A session with the rows of a table beside those that are there.

    Args:
        url: of the login that provisions.
        name: the table with its schema.

    :raises BackupError: where the table can't be compared, or the database refuses
    :raises BadBackup: for a part that isn't the one that was written
    """
    table = _found(manifest, name)
    with connect(url, APPLICATION) as session, _refusals(name):
        settings = SETTINGS | {"default_transaction_read_only": "off", "row_security": "off"}
        for setting, value in settings.items():
            session.execute("select set_config(%s, %s, false)", (setting, value))
        key = _key(session, table)
        here = sql.Identifier(table.schema, table.name)
        session.execute(sql.SQL("create temporary table vpb_restored (like {} including defaults)").format(here))
        for part in table.parts:
            copy_part(session, COPY, table.columns, sealing.unseal(backup.place, backup.id, part, identities))
        session.execute(sql.SQL("analyze {}").format(COPY))
        yield Restored(session, table, key, list(_without(session, table)))


def _found(manifest: Manifest, name: str) -> Table:
    """
    :raises BackupError: where the backup has no such table, or it isn't for this to write
    """
    table = next((each for each in manifest.tables if each.label == name), None)
    if table is None:
        inside = " that isn't partitioned itself" if "." in name else f"; write it with its schema, as in public.{name}"
        raise BackupError(f"table {name}: backup {manifest.id} has no table of this name{inside}")
    if why := NOT_ALONE.get(table.schema):
        raise BackupError(f"table {name}: its rows aren't restored by themselves: {why}")
    return table


def _key(session: Connection, table: Table) -> list[str]:
    """The columns of the primary key.

    :raises BackupError: where there is none, or the table isn't as it was
    """
    quoted = sql.Identifier(table.schema, table.name).as_string()
    kind = session.execute(KIND, (quoted,)).fetchone()
    if kind != ("r",):
        raise BackupError(f"table {table.label}: isn't in the database; `up` makes it, then restore its rows")
    there = {name for (name,) in session.execute(COLUMNS, (quoted,)).fetchall()}
    if gone := [name for name in table.columns if name not in there]:
        raise BackupError(
            f"table {table.label}: has no column {gone[0]} any more, which the backup has; restore it where the "
            "migrations of that time ran, and copy from there"
        )
    key = [name for (name,) in session.execute(KEY, (quoted,)).fetchall()]
    if not key or not {*key} <= {*table.columns}:
        raise BackupError(f"table {table.label}: has no primary key that the backup has, so its rows can't be compared")
    return key


def _without(session: Connection, table: Table) -> Iterator[tuple[str, int]]:
    """Take rows out that name what is gone: in which table, and how many."""
    keys = session.execute(KEYS_OUT, (sql.Identifier(table.schema, table.name).as_string(),)).fetchall()
    counts: dict[str, int] = {}
    gone = True
    # A row that names another one of the same table goes with it.
    while gone:
        gone = False
        for schema, name, itself, columns, named in keys:
            matches = sql.SQL(" and ").join(
                sql.SQL("p.{} = b.{}").format(sql.Identifier(there), sql.Identifier(here))
                for here, there in zip(columns, named, strict=True)
            )
            place: sql.Composable = sql.Identifier(schema, name)
            if itself:
                both = sql.SQL("(select {0} from {1} union all select {0} from {2})")
                place = both.format(_listed("{0}", named), place, COPY)
            statement = sql.SQL(WITHOUT).format(
                copy=COPY, there=place, matches=matches, named=_listed("b.{0} is not null", columns, " and ")
            )
            if found := session.execute(statement).rowcount:
                counts[f"{schema}.{name}"] = counts.get(f"{schema}.{name}", 0) + found
                gone = True
    yield from counts.items()


def _listed(form: str, names: Sequence[str], between: str = ", ") -> sql.Composed:
    return sql.SQL(between).join(sql.SQL(form).format(sql.Identifier(name)) for name in names)


def _record(alias: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL("row({})").format(_listed(alias + ".{0}", names))


def _json(alias: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL("to_jsonb((select r from (select {}) as r))").format(_listed(alias + ".{0}", names))


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """What PostgreSQL refuses, in one line, without values of rows."""
    try:
        yield
    except psycopg.errors.ForeignKeyViolation as error:
        raise BackupError(
            f"table {name}: its rows name others that aren't there ({error.diag.constraint_name} of "
            f"{error.diag.schema_name}.{error.diag.table_name}); restore those first; nothing was changed"
        ) from None
    except psycopg.Error as error:
        said = (error.diag.message_primary or str(error)).strip().splitlines()[0]
        raise BackupError(f"table {name}: {said}; nothing was changed") from None
