"""Which tables have their rows restored by themselves, and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from declared.grants import TABLES
from declared.platform import PLATFORMS
from declared.schemas import ARCHIVED, HISTORY_SCHEMA, SCHEMAS
from ops.backups.errors import BackupError
from ops.backups.manifest import Manifest, Table
from ops.database import Connection

# Why rows of a schema don't come back by themselves; the others of these are no schemas of an app either.
NOT_ALONE = {
    HISTORY_SCHEMA: "`up` notes there what it has done",
    ARCHIVED: "they are to be read there; ./vpb archive restore makes its tables again",
    "analytics": "triggers and batches write its rows, and a person's would come back without the person",
    "audit": "nobody writes to the trail but its triggers",
    "next_auth": "it would bring back who has left since then",
    "private": "triggers and `up` write its rows",
    "storage": "its rows stand for files; ./vpb storage restore has a file back with its row",
}
CLOSED = frozenset({*SCHEMAS, *NOT_ALONE}.union(*(platform.schemas for platform in PLATFORMS)))
# Of the app: its accounts make these, and what its triggers take no change of.
PROFILES = "public.users"
INSERTED_ONLY = {"public.project_components": "its triggers take a change only with the revision that the row has"}
WHO = "select current_user::text, r.rolsuper or r.rolbypassrls from pg_roles as r where r.rolname = current_user"
APP = "select to_regprocedure('private.personal_columns()') is not null"
KIND = "select c.relkind::text from pg_class as c where c.oid = to_regclass(%s)"
KINDS = {"p": "a partitioned table", "v": "a view", "m": "a materialised view", "f": "a foreign table"}
KEY = """
select a.attname::text from pg_index as i
cross join unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.attnum
where i.indrelid = to_regclass(%s) and i.indisprimary order by k.position"""
COLUMNS = """
select a.attname::text, a.attidentity = 'a' from pg_attribute as a
where a.attrelid = to_regclass(%s) and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''"""


@dataclass(frozen=True)
class Shape:
    """A table as it is compared."""

    table: Table
    key: list[str]
    """The columns of the primary key."""
    settable: list[str]
    """The other columns, without identities that are always generated: no update sets these."""
    of_app: bool
    """Whether the database knows which columns name a person."""
    number: int = 0
    """Tells its temporary tables from those of other tables that are restored in the same session."""

    @property
    def copy(self) -> sql.Identifier:
        """The temporary table with the rows of the backup."""
        return sql.Identifier("pg_temp", f"vpb_restored_{self.number}")

    @property
    def out(self) -> sql.Identifier:
        """The temporary table with the keys of rows that stay away."""
        return sql.Identifier("pg_temp", f"vpb_left_out_{self.number}")

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.table.schema, self.table.name)


def named(manifest: Manifest, name: str) -> Table:
    """A table of a backup, by its name with the schema.

    :raises BackupError: where the backup has no such table, or it isn't for this to write
    """
    table = next((each for each in manifest.tables if each.label == name), None)
    if table is None:
        inside = " that isn't partitioned itself" if "." in name else f"; write it with its schema, as in public.{name}"
        raise BackupError(f"table {name}: backup {manifest.id} has no table of this name{inside}")
    if table.schema in CLOSED:
        raise _not_alone(name, NOT_ALONE.get(table.schema, f"schema {table.schema} is no schema of the app's own rows"))
    return table


def shape(session: Connection, table: Table, replace: bool) -> Shape:
    """A table of the database that rows can be restored to.

    :raises BackupError: where the login may not see all rows, or the table isn't as it was, or isn't for this to write
    """
    _sees_all(session, table.label)
    quoted = sql.Identifier(table.schema, table.name).as_string()
    of_app = session.execute(APP).fetchone() == (True,)
    if of_app:
        _of_app(table.label, replace)
    _as_it_was(session, table, quoted)
    columns: dict[str, bool] = dict(session.execute(COLUMNS, (quoted,)).fetchall())
    if gone := [name for name in table.columns if name not in columns]:
        raise BackupError(
            f"table {table.label}: has no column {gone[0]} any more, which the backup has; restore it where the "
            "migrations of that time ran, and copy from there"
        )
    key = [name for (name,) in session.execute(KEY, (quoted,)).fetchall()]
    if not key or not {*key} <= {*table.columns}:
        raise BackupError(f"table {table.label}: has no primary key that the backup has, so its rows can't be compared")
    return Shape(table, key, _settable(table.columns, key, columns), of_app)


def _settable(names: Sequence[str], key: Sequence[str], columns: dict[str, bool]) -> list[str]:
    return [name for name in names if name not in key and not columns[name]]


def _sees_all(session: Connection, label: str) -> None:
    """Row security of the table, and of those that its rows name, hides rows from all others."""
    who = session.execute(WHO).fetchone()
    assert who
    login, bypasses = who
    if not bypasses:
        raise BackupError(
            f"table {label}: {login} is no superuser and has no BYPASSRLS, so row security may hide rows from it; "
            "restore a snapshot of the server or a dump beside it, and copy the rows from there"
        )


def _of_app(label: str, replace: bool) -> None:
    if label == PROFILES:
        raise _not_alone(label, "a profile belongs to an account, and it would bring back who has left since then")
    if label not in TABLES:
        raise _not_alone(label, "it is no table of the app that is declared")
    if replace and label in INSERTED_ONLY:
        raise BackupError(
            f"table {label}: --replace can't change its rows: {INSERTED_ONLY[label]}; without --replace, what is "
            "missing is inserted"
        )


def _as_it_was(session: Connection, table: Table, quoted: str) -> None:
    found = session.execute(KIND, (quoted,)).fetchone()
    if found is None:
        raise BackupError(f"table {table.label}: isn't in the database; `up` makes it, then restore its rows")
    if found != ("r",):
        now = KINDS.get(found[0], "no table")
        raise BackupError(f"table {table.label}: is {now} in the database now, and was a table in the backup")


def _not_alone(label: str, why: str) -> BackupError:
    return BackupError(f"table {label}: its rows aren't restored by themselves: {why}")
