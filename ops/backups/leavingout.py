"""Which rows of a backup stay away, and what is forgotten in others: those that name what is gone, and who has left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from psycopg import sql

from ops.backups.restorable import Shape
from ops.database import Connection

ACCOUNTS = "next_auth.users"
# Each foreign key: its table there, whether the rows may be in the backup themselves, the columns and those that they
# name, and which of them become null when that row goes. PostgreSQL adds one for each partition of a table that is
# named; that of the table itself says it all.
KEYS_OUT = """
select n.nspname::text, c.relname::text,
    f.confrelid = f.conrelid or f.confrelid in (select a.relid from pg_partition_ancestors(f.conrelid) as a),
    array(select a.attname::text from unnest(f.conkey) with ordinality as k (attnum, position)
        join pg_attribute as a on a.attrelid = f.conrelid and a.attnum = k.attnum order by k.position),
    array(select a.attname::text from unnest(f.confkey) with ordinality as k (attnum, position)
        join pg_attribute as a on a.attrelid = f.confrelid and a.attnum = k.attnum order by k.position),
    array(select a.attname::text from unnest(coalesce(f.confdelsetcols, f.conkey)) as k (attnum)
        join pg_attribute as a on a.attrelid = f.conrelid and a.attnum = k.attnum
        where f.confdeltype = 'n' order by 1)
from pg_constraint as f join pg_class as c on c.oid = f.confrelid join pg_namespace as n on n.oid = c.relnamespace
where f.conrelid = to_regclass(%s) and f.contype = 'f'
    and not exists (select from pg_constraint as u where u.oid = f.conparentid and u.conrelid = f.conrelid)
order by f.conname"""
# Each column that names a person: whether by the project, else whether by id.
PERSONAL = """
select c.person_column, c.fate = 'project', a.atttypid = 'uuid'::regtype
from private.personal_columns() as c
join pg_attribute as a on a.attrelid = to_regclass(c.relation) and a.attname = c.person_column
where to_regclass(c.relation) = to_regclass(%s) order by 1"""
HERE = "not exists (select from private.departures as d where d.user_id = u.id)"
BY_PROJECT = f"""not exists (select from public.projects as p join next_auth.users as u on u.id = p.owner_id
    where p.id = b.{{column}} and {HERE})"""
BY_ID = f"not exists (select from next_auth.users as u where u.id = b.{{column}} and {HERE})"
# Of who has left no address is kept: one that is no account's may be theirs.
BY_ADDRESS = "not exists (select from next_auth.users as u where u.email = b.{column})"
# Rows that stand for a stored file: their columns of its bucket and name.
FILES = {"public.audio_recordings": ("bucket_id", "object_path")}
STORED = "not exists (select from storage.objects as o where (o.bucket_id, o.name) = (b.{}, b.{}))"
MOVE = """
with gone as (delete from {copy} as b where {named} and {condition} returning {key})
insert into {out} select * from gone"""


FORGET = "update {copy} as b set {nulls} where {named} and {condition}"


@dataclass(frozen=True)
class _Reason:
    """A condition of rows that stay away, and the table whose rows they name."""

    place: str
    named: sql.Composable
    condition: sql.Composable
    forgotten: list[str] = field(default_factory=list)
    """The columns that become null instead, as when that row went; none where the whole row stays away."""


@dataclass(frozen=True)
class Away:
    """What isn't brought back: tables, and how many of the backup's rows name a row there that is gone."""

    left_out: list[tuple[str, int]] = field(default_factory=list)
    """Rows that stay away."""
    forgotten: list[tuple[str, int]] = field(default_factory=list)
    """Rows that come back with null in place of that name, as the foreign key would have set it."""

    def __bool__(self) -> bool:
        return bool(self.left_out or self.forgotten)


def leave_out(session: Connection, shape: Shape) -> Away:
    """Move rows out of the copy that name what is gone, or let them forget it."""
    keys = [*_keys(session, shape)]
    forgetful = {name for reason in keys for name in reason.forgotten}
    reasons = [*keys, *([*_people(session, shape, forgetful), *_files(shape)] if shape.of_app else [])]
    out, forgotten = dict[str, int](), dict[str, int]()
    gone = True
    # A row that names another one of the same table goes with it.
    while gone:
        gone = False
        for reason in reasons:
            found = session.execute(_statement(shape, reason)).rowcount
            if found:
                counts = forgotten if reason.forgotten else out
                counts[reason.place] = counts.get(reason.place, 0) + found
                gone = True
    return Away([*out.items()], [*forgotten.items()])


def _statement(shape: Shape, reason: _Reason) -> sql.Composed:
    return sql.SQL(FORGET if reason.forgotten else MOVE).format(
        copy=shape.copy,
        out=shape.out,
        named=reason.named,
        condition=reason.condition,
        key=listed("b.{0}", shape.key),
        nulls=listed("{0} = null", reason.forgotten),
    )


def hold_people(session: Connection, shape: Shape) -> None:
    """Let nobody leave until the transaction ends; before any other lock, as who leaves notes that first."""
    if shape.of_app:
        session.execute("lock table private.departures in share mode")


def _keys(session: Connection, shape: Shape) -> Iterator[_Reason]:
    found = session.execute(KEYS_OUT, (shape.identifier.as_string(),)).fetchall()
    for schema, name, itself, columns, named, forgotten in found:
        # A column that came since the backup was made is null in its rows.
        if not {*columns} <= {*shape.table.columns}:
            continue
        matches = sql.SQL(" and ").join(
            sql.SQL("p.{} = b.{}").format(sql.Identifier(there), sql.Identifier(here))
            for here, there in zip(columns, named, strict=True)
        )
        place: sql.Composable = sql.Identifier(schema, name)
        if itself:
            both = sql.SQL("(select {0} from {1} union all select {0} from {2})")
            place = both.format(listed("{0}", named), place, shape.copy)
        condition = sql.SQL("not exists (select from {} as p where {})").format(place, matches)
        yield _Reason(f"{schema}.{name}", listed("b.{0} is not null", columns, " and "), condition, forgotten)


def _people(session: Connection, shape: Shape, forgetful: set[str]) -> Iterator[_Reason]:
    for column, by_project, by_id in session.execute(PERSONAL, (shape.identifier.as_string(),)).fetchall():
        if column not in shape.table.columns:
            continue
        condition = BY_PROJECT if by_project else BY_ID if by_id else BY_ADDRESS
        name = sql.Identifier(column)
        yield _Reason(
            ACCOUNTS,
            sql.SQL("b.{} is not null").format(name),
            sql.SQL(condition).format(column=name),
            [column] if column in forgetful else [],
        )


def _files(shape: Shape) -> Iterator[_Reason]:
    if columns := FILES.get(shape.table.label):
        gone = sql.SQL(STORED).format(*map(sql.Identifier, columns))
        yield _Reason("storage.objects", listed("b.{0} is not null", columns, " and "), gone)


def listed(form: str, names: Sequence[str], between: str = ", ") -> sql.Composed:
    """Names of columns, each in a form."""
    return sql.SQL(between).join(sql.SQL(form).format(sql.Identifier(name)) for name in names)
