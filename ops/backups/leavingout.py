"""Which rows of a backup stay away: those that name what is gone, and who has left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from ops.backups.restorable import Shape
from ops.database import Connection

COPY = sql.Identifier("pg_temp", "vpb_restored")
OUT = sql.Identifier("pg_temp", "vpb_left_out")
ACCOUNTS = "next_auth.users"
# Each foreign key: its table there, whether the rows may be in the backup themselves, the columns and those that they
# name. PostgreSQL adds one for each partition of a table that is named; that of the table itself says it all.
KEYS_OUT = """
select n.nspname::text, c.relname::text,
    f.confrelid = f.conrelid or f.confrelid in (select a.relid from pg_partition_ancestors(f.conrelid) as a),
    array(select a.attname::text from unnest(f.conkey) with ordinality as k (attnum, position)
        join pg_attribute as a on a.attrelid = f.conrelid and a.attnum = k.attnum order by k.position),
    array(select a.attname::text from unnest(f.confkey) with ordinality as k (attnum, position)
        join pg_attribute as a on a.attrelid = f.confrelid and a.attnum = k.attnum order by k.position)
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
MOVE = """
with gone as (delete from {copy} as b where {named} and {condition} returning {key})
insert into {out} select * from gone"""


@dataclass(frozen=True)
class _Reason:
    """A condition of rows that stay away, and the table whose rows they name."""

    place: str
    named: sql.Composable
    condition: sql.Composable


def leave_out(session: Connection, shape: Shape) -> list[tuple[str, int]]:
    """Move rows out of the copy that name what is gone: in which table, and how many."""
    reasons = [*_keys(session, shape), *(_people(session, shape) if shape.of_app else ())]
    counts: dict[str, int] = {}
    gone = True
    # A row that names another one of the same table goes with it.
    while gone:
        gone = False
        for reason in reasons:
            statement = sql.SQL(MOVE).format(
                copy=COPY, out=OUT, named=reason.named, condition=reason.condition, key=listed("b.{0}", shape.key)
            )
            if found := session.execute(statement).rowcount:
                counts[reason.place] = counts.get(reason.place, 0) + found
                gone = True
    return [*counts.items()]


def hold_people(session: Connection, shape: Shape) -> None:
    """Let nobody leave until the transaction ends; before any other lock, as who leaves notes that first."""
    if shape.of_app:
        session.execute("lock table private.departures in share mode")


def _keys(session: Connection, shape: Shape) -> Iterator[_Reason]:
    for schema, name, itself, columns, named in session.execute(KEYS_OUT, (shape.identifier.as_string(),)).fetchall():
        matches = sql.SQL(" and ").join(
            sql.SQL("p.{} = b.{}").format(sql.Identifier(there), sql.Identifier(here))
            for here, there in zip(columns, named, strict=True)
        )
        place: sql.Composable = sql.Identifier(schema, name)
        if itself:
            both = sql.SQL("(select {0} from {1} union all select {0} from {2})")
            place = both.format(listed("{0}", named), place, COPY)
        condition = sql.SQL("not exists (select from {} as p where {})").format(place, matches)
        yield _Reason(f"{schema}.{name}", listed("b.{0} is not null", columns, " and "), condition)


def _people(session: Connection, shape: Shape) -> Iterator[_Reason]:
    for column, by_project, by_id in session.execute(PERSONAL, (shape.identifier.as_string(),)).fetchall():
        condition = BY_PROJECT if by_project else BY_ID if by_id else BY_ADDRESS
        name = sql.Identifier(column)
        yield _Reason(ACCOUNTS, sql.SQL("b.{} is not null").format(name), sql.SQL(condition).format(column=name))


def listed(form: str, names: Sequence[str], between: str = ", ") -> sql.Composed:
    """Names of columns, each in a form."""
    return sql.SQL(between).join(sql.SQL(form).format(sql.Identifier(name)) for name in names)
