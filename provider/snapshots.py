"""The stored snapshot of a database's definitions: taking it, and finding what differs from it. No wording here.

Three questions, each asked only where the one before it said yes: is anything different at all (`gate`), which
objects were written since (`touched`), what do these say now and what did they say then (`compare`). The definitions
never leave the server except for what differs.
"""

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache, partial
from pathlib import Path
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from declared.schemas import HISTORY_SCHEMA
from provider import spellings
from provider.connection import Connection, drop_if_empty, lock, row, rows, spelt
from provider.migrationchanges import MigrationChanges

CATALOG = Path(__file__).resolve().parent / "catalog"
SCHEMA = HISTORY_SCHEMA
TABLE = f"{SCHEMA}.schema_snapshot"
PENDING = f"{SCHEMA}.schema_snapshot_pending"
# Rows of no object, which have the empty name: what a snapshot says of itself, the gate when it was last compared,
# what goes into the digests of secrets, and what migrations have changed of what other resources declare.
HEADER, GATE, KEY, CHANGES = 0, 1, 2, 3
FINGERPRINT = f"""
select md5(string_agg(md5(concat_ws(E'\\x1f', object, class, oid, mark, parent, space, definition)), ''
                      order by class, oid)) as fingerprint
  from {TABLE} where snapshot = %s and object <> ''"""
ANNOUNCED = (
    f"select md5(string_agg(concat_ws(E'\\x1f', object, label), E'\\x1e' order by object)) as announced from {PENDING}"
)
TOUCHED = """
with {marks}
select coalesce(m.class, s.class)::regclass::text as class, array_agg(coalesce(m.oid, s.oid)::int8) as oids
  from marks m full join (
      select class, oid, mark from @history.schema_snapshot where snapshot = {name} and object <> ''
  ) s on s.class = m.class and s.oid = m.oid
 where m.mark is distinct from s.mark
 group by 1""".replace("@history", SCHEMA)
COMPARE = """
with {definitions},
was as materialized (
    select object, parent, space, definition from @history.schema_snapshot s
     where snapshot = {name} and object <> '' and {stored}
)
select coalesce(n.object, w.object) as object, coalesce(n.parent, w.parent) as parent,
       coalesce(n.space, w.space) as space, k.facet, w.definition ->> k.facet as was, n.definition ->> k.facet as now
  from objects n full join was w on w.object = n.object
 cross join lateral jsonb_object_keys(coalesce(w.definition, '{{}}') || coalesce(n.definition, '{{}}')) k (facet)
 where n.definition is distinct from w.definition
   and n.definition ->> k.facet is distinct from w.definition ->> k.facet
union all
select n.object, n.parent, n.space, 'extension', substring(w.parent from '^extension (.*)'),
       substring(n.parent from '^extension (.*)')
  from objects n join was w on w.object = n.object
 where substring(n.parent from '^extension .*') is distinct from substring(w.parent from '^extension .*')
 order by 1, 4""".replace("@history", SCHEMA)
TAKE = """
with {marks}, {definitions}
insert into @history.schema_snapshot (snapshot, object, class, oid, mark, parent, space, definition)
select {name}, o.object, o.class, o.oid, coalesce(m.mark, 0), o.parent, o.space, o.definition
  from objects o left join marks m on m.class = o.class and m.oid = o.oid""".replace("@history", SCHEMA)
SECRET = f"(select definition ->> 'key' from {TABLE} where snapshot = {{name}} and class = 0 and oid = {KEY})"
# Texts of their own in definitions.sql and marks.sql, by the name of their file: their arguments.
MACROS = {
    "acl": r"(?P<acl>[\w.]+), (?P<kind>'\w'|case .*? end), (?P<owner>[\w.]+)",
    "options": r"(?P<options>[\w.]+)",
    "reindexing": r"(?P<index>[\w.]+)",
    "digest": r"(?P<text>\w+)",
    "written": r"(?P<row>\w+), (?P<key>(?:[^()]|\([^()]*\))+)",
}
# The extensions that another major version of the server has brought along in its own version of them.
UPGRADED = f"""
select 'extension ' || e.extname as extension
  from pg_catalog.pg_extension e
  join pg_catalog.pg_available_extensions a on a.name = e.extname and a.default_version = e.extversion
 where (select definition ->> 'server' from {TABLE} where snapshot = %s and class = 0 and oid = {HEADER}) <> %s"""
# Of what a partition has otherwise than its table: who reaches its rows, and what watches over them.
OPEN = ("row security", "owner ", "granted ", "policy ", "without trigger ", "trigger ", "enforcement ")
PARTITION = "partition "
# Between commas; a name in quotes may have one.
WORD = re.compile(r'(?:"(?:[^"]|"")*"|[^",\s]|,(?! )|(?<!,)\s)+')
# Of an adopted database partitions have resources of their own, as tables have, which hold this of them.
HELD_OF_PARTITIONS = ("row security", "granted ", "policy ")
Touched = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Difference:
    """One facet of one object (the facet '' is the object itself) that isn't as it was."""

    object: str
    facet: str
    was: str | None
    now: str | None
    parent: str | None
    space: str | None


@dataclass(frozen=True)
class Header:
    """What a snapshot says of itself."""

    fingerprint: str
    schemas: list[str]
    open: list[str]
    """The schemas of a platform, whose own objects there are its affair."""
    held: list[str]
    """Patterns of the facets that resources of their own hold: these repair them, here they are no drift."""
    announced: str | None = None
    """A fingerprint of what migrations have announced; only they write it."""
    server: str | None = None
    """The server's major version."""
    platform: list[str] = field(default_factory=list)
    """Those of the schemas in which triggers of ours alone are compared; with one, nothing beside our schemas is."""
    left: dict[str, str] | None = None
    """Partition → in what it was left open, as its table's facet says it; None where none has resources of its own."""


Found = Mapping[str, Mapping[tuple[str, str], Difference]]
"""By snapshot, what differs from it, by object and facet."""


@cache
def _text(name: str) -> str:
    lines = (CATALOG / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("--")).replace("@history", SCHEMA)
    for macro, arguments in MACROS.items():
        text = re.sub(rf"@{macro}\({arguments}\)", partial(_filled, macro), text)
    return text


def _filled(macro: str, match: re.Match[str]) -> str:
    return _text(macro).format(**match.groupdict())


def _definitions(touched: Touched | None, schemas: Sequence[str], name: str | None) -> sql.Composed:
    """The text of definitions.sql for the objects in question, or for all.

    Args:
        name: the stored snapshot whose key goes into the digests of secrets; None for digests without a key.
    """

    def only(match: re.Match[str]) -> str:
        if touched is None:
            return "true"
        numbers = ", ".join(str(int(oid)) for oid in touched.get(match[1], []))
        return f"{match[2]} = any (array[{numbers}]::oid[])"

    text = re.sub(r"@only\((\w+), ([\w.]+)\)", only, _text("definitions"))
    key = sql.SQL(SECRET).format(name=sql.Literal(name))
    return sql.SQL(text).format(schemas=sql.Literal(list(schemas)), key=key if name else sql.SQL("null::text"))


def _marks(schemas: Sequence[str]) -> sql.Composed:
    return sql.SQL(_text("marks")).format(schemas=sql.Literal(list(schemas)))


async def _rows(connection: Connection, query: sql.Composed) -> list[dict[str, Any]]:
    return await rows(connection, query, None)  # type: ignore[arg-type]


async def there(connection: Connection) -> bool:
    """Whether the tables are there; from here on the transaction also compiles nothing, which would take a second."""
    await connection.execute("set local jit = off")
    found = await row(connection, "select pg_catalog.to_regclass(%s) as oid", [TABLE])
    return found is not None and found["oid"] is not None


async def prepare(connection: Connection) -> None:
    """Make the tables where they're missing."""
    await lock(connection, "tables")
    async with tracked(connection):
        await connection.execute(_text("tables").encode())


async def gate(connection: Connection, name: str) -> str:
    """A number that stays as long as nothing in the catalogues or in the stored snapshot is written."""
    query = sql.SQL(_text("gate")).format(name=sql.Literal(name))
    return str((await _rows(connection, query))[0]["gate"])


async def is_current(connection: Connection, name: str) -> bool:
    """Whether nothing was written since the snapshot was last compared and found equal."""
    query = f"select definition ->> 'gate' as gate from {TABLE} where snapshot = %s and class = 0 and oid = {GATE}"
    found = await row(connection, query, [name])
    return found is not None and found["gate"] == await gate(connection, name)


async def note_gate(connection: Connection, name: str) -> None:
    """Note that everything is as the snapshot has it, as of this transaction."""
    definition = Jsonb({"gate": await gate(connection, name)})
    await _put_row(connection, name, GATE, definition)


async def _put_row(connection: Connection, name: str, row: int, definition: Jsonb) -> None:
    await connection.execute(
        f"""insert into {TABLE} (snapshot, object, class, oid, mark, definition) values (%s, '', 0, %s, 0, %s)
            on conflict (snapshot, class, oid) do update set definition = excluded.definition""",
        [name, row, definition],
    )


async def note_changes(connection: Connection, found: MigrationChanges) -> None:
    """Add what a migration has changed of what other resources declare; the checkpoint forgets it."""
    if found and await there(connection):
        for name in await names(connection):
            known = await noted_changes(connection, name)
            known.update(found)
            await _put_row(connection, name, CHANGES, Jsonb(known.stored()))


async def noted_changes(connection: Connection, name: str) -> MigrationChanges:
    """What migrations have changed since the last run that ended well."""
    query = f"select definition from {TABLE} where snapshot = %s and class = 0 and oid = {CHANGES}"
    found = await row(connection, query, [name]) if await there(connection) else None
    return MigrationChanges(found["definition"] if found else ())


async def forget_changes(connection: Connection, name: str) -> None:
    """Other resources have caught up with what migrations have changed."""
    query = f"delete from {TABLE} where snapshot = %s and class = 0 and oid = {CHANGES}"
    await connection.execute(query, [name])


async def names(connection: Connection) -> list[str]:
    """The stored snapshots."""
    query = f"select snapshot from {TABLE} where class = 0 and oid = {HEADER} order by snapshot"
    return [entry["snapshot"] for entry in await rows(connection, query, [])]


async def header(connection: Connection, name: str) -> Header | None:
    """What the stored snapshot says of itself, or None."""
    query = f"select definition from {TABLE} where snapshot = %s and class = 0 and oid = {HEADER}"
    found = await row(connection, query, [name])
    return Header(**found["definition"]) if found else None


async def put_header(connection: Connection, name: str, header: Header) -> None:
    """Describe the stored snapshot, with the fingerprint of what lies there."""
    described = replace(header, fingerprint=await fingerprint(connection, name), server=_server(connection))
    await _put_row(connection, name, HEADER, Jsonb(vars(described)))


@dataclass(frozen=True)
class PendingStatement:
    """Which statement of a migration, outside a transaction, was begun and may not be done."""

    version: str
    """The migration's number."""
    direction: str
    digest: str
    history: str

    @property
    def label(self) -> str:
        return f"{self.version} {self.direction} {self.digest} {self.history}"

    @classmethod
    def of(cls, label: str) -> "PendingStatement | None":
        """What a label names; None for one that isn't ours."""
        parts = label.split(" ", 3)
        return cls(*parts) if len(parts) == 4 else None


async def pending(connection: Connection) -> dict[str, str]:
    """Patterns of what statements outside a transaction may have changed that were begun and aren't done; to labels."""
    return {entry["object"]: entry["label"] for entry in await rows(connection, f"select * from {PENDING}", [])}


async def pending_statements(connection: Connection, history: str) -> set[PendingStatement]:
    """The statements of a history's migrations that were begun and aren't done."""
    if not await there(connection):
        return set()
    found = [PendingStatement.of(label) for label in (await pending(connection)).values()]
    return {statement for statement in found if statement and statement.history == history}


async def announced(connection: Connection) -> str | None:
    """A fingerprint of what is announced now; None where nothing is."""
    found = await row(connection, ANNOUNCED, [])
    return str(found["announced"]) if found and found["announced"] else None


async def fingerprint(connection: Connection, name: str) -> str:
    """Of what really lies in the stored snapshot."""
    found = await row(connection, FINGERPRINT, [name])
    return str(found and found["fingerprint"])


async def touched(connection: Connection, name: str, schemas: Sequence[str]) -> Touched:
    """The objects that were written since the snapshot, made since or gone since: catalogue to oids."""
    found = await _rows(connection, sql.SQL(TOUCHED).format(marks=_marks(schemas), name=sql.Literal(name)))
    return {entry["class"]: entry["oids"] for entry in found}


async def compare(
    connection: Connection, name: str, schemas: Sequence[str], touched: Touched | None
) -> list[Difference]:
    """What differs between the snapshot and now, among the touched objects or among all.

    A restored or upgraded database spells some definitions otherwise, and an upgraded one has the extensions that the
    server brings along: these are no differences.
    """
    query = sql.SQL(COMPARE).format(
        definitions=_definitions(touched, schemas, name), name=sql.Literal(name), stored=_stored(touched)
    )
    found = [Difference(**entry) for entry in await _rows(connection, query)]
    found = [each for each in found if not _is_respelled(each)]
    if not any(_is_version(each) for each in found):
        return found
    upgraded = {entry["extension"] for entry in await rows(connection, UPGRADED, [name, _server(connection)])}
    renewed = {each.object for each in found if _is_version(each) and each.object in upgraded}
    whole = {each.object for each in found if not each.facet and (each.was is None or each.now is None)}
    return [each for each in found if not _is_upgraded(each, renewed, whole)]


def _is_respelled(row: Difference) -> bool:
    return spellings.same_facet(row.object, row.facet, row.was, row.now)


def _server(connection: Connection) -> str:
    """The server's major version."""
    return str(connection.info.server_version // 10000)


def _is_version(row: Difference) -> bool:
    return row.object.startswith("extension ") and row.facet == "version"


def _is_upgraded(row: Difference, renewed: set[str], whole: set[str]) -> bool:
    """Whether another version of an extension brings this along; who owns and may use what was there stays."""
    if row.object in renewed:
        return _is_version(row)
    return row.parent in renewed and (row.object in whole or row.facet in ("", "comment"))


def _stored(touched: Touched | None) -> sql.Composable:
    """Which rows of the stored snapshot, `s`, are those of the touched objects."""
    if touched is None:
        return sql.SQL("true")
    pairs = [
        sql.SQL("(s.class = {}::regclass and s.oid = any ({}::oid[]))").format(sql.Literal(catalogue), list(oids))
        for catalogue, oids in touched.items()
    ]
    return sql.SQL("({})").format(sql.SQL(" or ").join(pairs)) if pairs else sql.SQL("false")


async def opened(connection: Connection, name: str, left: Mapping[str, str]) -> list[Difference]:
    """The partitions in the stored snapshot that are open where their tables are closed, as differences.

    Args:
        left: partition → in what it may stand open.
    """
    query = f"""select object, facet, null as was, now, parent, space
                  from {TABLE} s, pg_catalog.jsonb_each_text(s.definition) d (facet, now)
                 where snapshot = %s and object <> '' and facet ^@ 'partition ' order by 1, 2"""
    found = [Difference(**entry) for entry in await rows(connection, query, [name])]
    return [difference for difference in found if _is_open(difference, left)]


async def left_open(connection: Connection, schemas: Sequence[str]) -> dict[str, str]:
    """The partitions that are open where their tables are closed, to in what; without a stored snapshot."""
    query = "select oid::int8 as oid from pg_catalog.pg_class where relkind = 'p'"
    roots = {"pg_class": [entry["oid"] for entry in await rows(connection, query, [])]}
    text = sql.SQL(
        """with {} select o.object, d.facet, null as was, d.now, o.parent, o.space
             from objects o, pg_catalog.jsonb_each_text(o.definition) d (facet, now)
            where d.facet ^@ {} order by 2"""
    ).format(_definitions(roots, schemas, None), sql.Literal(PARTITION))
    found = [Difference(**entry) for entry in await _rows(connection, text)]
    return {row.facet.removeprefix(PARTITION): row.now or "" for row in found if _is_open(row, {})}


def _is_open(row: Difference, left: Mapping[str, str]) -> bool:
    """Whether a partition lets through what its table holds back, beyond what it was left open in."""
    if not row.facet.startswith(PARTITION):
        return False
    return any(word.startswith(OPEN) for word in _words(row.now) - _words(left.get(row.facet.removeprefix(PARTITION))))


def is_left(row: Difference, left: Mapping[str, str]) -> bool:
    """Whether a partition differs only in what it was left open in, or in what resources of its own have closed."""
    if not row.facet.startswith(PARTITION):
        return False
    was, now = _words(row.was), _words(row.now)
    closed = all(word.startswith(HELD_OF_PARTITIONS) for word in was - now)
    return closed and now - was <= _words(left.get(row.facet.removeprefix(PARTITION)))


def _words(text: str | None) -> set[str]:
    return {*WORD.findall(text or "")}


async def take(
    connection: Connection, name: str, header: Header, touched: Touched | None, kept: Sequence[Difference]
) -> None:
    """Store what is there now, of the touched objects or of all, except for `kept`, which stay as they were."""
    if touched is None:
        # Only with all of it: what is taken with one key isn't compared with another.
        await connection.execute(
            f"""insert into {TABLE} (snapshot, object, class, oid, mark, definition)
                values (%s, '', 0, {KEY}, 0, pg_catalog.jsonb_build_object('key', pg_catalog.gen_random_uuid()))
                on conflict do nothing""",
            [name],
        )
    objects = sorted({difference.object for difference in kept})
    columns = "object, class, oid, parent, space, definition"
    query = f"select {columns} from {TABLE} where snapshot = %s and object = any (%s)"
    before = {entry["object"]: entry for entry in await rows(connection, query, [name, objects])}
    await connection.execute(
        sql.SQL("delete from {} s where s.snapshot = {} and s.object <> '' and {}").format(
            sql.Identifier(*TABLE.split(".")), sql.Literal(name), _stored(touched)
        )
    )
    await connection.execute(
        sql.SQL(TAKE).format(
            marks=_marks(header.schemas),
            definitions=_definitions(touched, header.schemas, name),
            name=sql.Literal(name),
        )
    )
    # What is new goes first: it may be another object under a new name, whose number the old name takes back.
    for difference in sorted(kept, key=lambda row: row.object in before):
        await _put_back(connection, name, difference, before.get(difference.object))
    await put_header(connection, name, header)


async def differing(connection: Connection, but_for: Sequence[str] = ()) -> Found:
    """What differs now from each stored snapshot.

    Args:
        but_for: patterns of what isn't counted.
    """
    found: dict[str, dict[tuple[str, str], Difference]] = {}
    if not await there(connection):
        return found
    async with spelt(connection):
        for name in await names(connection):
            described = await header(connection, name)
            assert described is not None
            since = await touched(connection, name, described.schemas)
            rows = await compare(connection, name, described.schemas, since) if since else []
            fitting = _fitting(rows, but_for)
            found[name] = {(row.object, row.facet): row for row in rows if row not in fitting}
    await connection.execute("reset jit")
    return found


def _fitting(found: Sequence[Difference], patterns: Sequence[str]) -> set[Difference]:
    """The differences that a pattern means: this facet, or all facets of an object that came or went."""
    whole = {row.object for row in found if not row.facet and None in (row.was, row.now)}

    def fits(row: Difference) -> bool:
        names = [f"{row.object}: {row.facet}" if row.facet else row.object, *[row.object] * (row.object in whole)]
        return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)

    return {row for row in found if fits(row)}


async def absorb(
    connection: Connection, before: Found, only: Sequence[str] | None = None, made: str | None = None
) -> None:
    """Take into the stored snapshots what was changed since `before`, by this transaction or one statement beside it.

    What differed before and still does stays a difference, also where it was changed once more: then it is neither what
    was stored nor what was declared. An object that is gone takes its differences with it.

    Args:
        only: patterns of what the statement may have changed. It can take hours, and others change the database
            meanwhile. All by default.
        made: an extension that was made again as a whole: nothing of what it was before is left in it.
    """
    if not before or not await there(connection):
        return
    await lock(connection, "snapshots")
    async with spelt(connection):
        for name, known in before.items():
            described = await header(connection, name)
            since = await touched(connection, name, described.schemas) if described else {}
            if described and since:
                found = await compare(connection, name, described.schemas, since)
                gone = {row.object for row in found if not row.facet and row.now is None}
                fitting = set(found) if only is None else _fitting(found, only)
                own = [row for row in found if made and made in (row.object, row.parent)]
                left = described.left or {}
                kept = [
                    row for row in found if row not in fitting or (row not in own and _stays(row, known, gone, left))
                ]
                await take(connection, name, described, since, kept)


def _stays(
    row: Difference, known: Mapping[tuple[str, str], Difference], gone: set[str], left: Mapping[str, str]
) -> bool:
    # A partition that is open where its table is closed is drift no matter who opened it, unless it was adopted so.
    if _is_open(row, left):
        return True
    if (row.object, row.facet) not in known:
        return False
    # An object that was gone before stays a difference; one that has gone now takes its differences with it.
    whole = known.get((row.object, ""))
    return row.object not in gone or (whole is not None and whole.now is None)


async def announce(connection: Connection, statement: PendingStatement, patterns: Sequence[str]) -> list[str]:
    """Note what a statement outside a transaction is about to change, in case it is killed before its end.

    What a run that was killed has announced for it comes back: an index that it has dropped can't be asked any more for
    its table.
    """
    if not await there(connection):
        return []
    before = [pattern for pattern, label in (await pending(connection)).items() if label == statement.label]
    if patterns:
        query = (
            f"insert into {PENDING} select *, %s from unnest(%s::text[]) "
            "on conflict (object) do update set label = excluded.label"
        )
        async with _noting(connection):
            await connection.execute(query, [statement.label, list(patterns)])
    return before


async def clear_pending(connection: Connection, statements: Iterable[PendingStatement]) -> None:
    """Note that statements aren't half done any more. What they changed and nobody absorbed is a difference now."""
    labels = [statement.label for statement in statements]
    if labels and await there(connection):
        async with _noting(connection):
            await connection.execute(f"delete from {PENDING} where label = any (%s)", [labels])


@asynccontextmanager
async def _noting(connection: Connection) -> AsyncIterator[None]:
    """A change of what is announced. What somebody else has announced stays a difference."""
    before = await announced(connection)
    yield
    for name in await names(connection):
        described = await header(connection, name)
        if described and described.announced == before:
            now = replace(described, announced=await announced(connection))
            await _put_row(connection, name, HEADER, Jsonb(vars(now)))


@asynccontextmanager
async def tracked(connection: Connection, made: str | None = None) -> AsyncIterator[None]:
    """A block of a transaction whose changes are declared: they go into the stored snapshots with it.

    Args:
        made: the extension that the block makes, as a snapshot names it.
    """
    before = await differing(connection)
    yield
    await absorb(connection, before, made=made)


async def _put_back(
    connection: Connection, name: str, difference: Difference, before: Mapping[str, Any] | None
) -> None:
    """One facet as it was. The mark 0 makes the next comparison look at the object again."""
    where = "where snapshot = %s and object = %s"
    if before is None:
        # Of an object that a migration has just made one facet may be wrong; the object itself is declared.
        change = (
            f"update {TABLE} set mark = 0, definition = definition - %s::text"
            if difference.facet
            else f"delete from {TABLE}"
        )
        values = [difference.facet] * bool(difference.facet)
        await connection.execute(f"{change} {where}", [*values, name, difference.object])
        return
    # The same object under another number (dropped and made again) or gone altogether. Where its number is another
    # object's by now, since names went around, any free one does: the next comparison goes by the name.
    await connection.execute(
        f"""with s as (select * from {TABLE} where snapshot = %(name)s)
            insert into {TABLE} (snapshot, object, class, oid, mark, parent, space, definition)
            select %(name)s, %(object)s, %(class)s,
                   case when exists (select from s where class = %(class)s and oid = %(oid)s)
                        then (select (max(oid::int8) + 1)::oid from s where class = %(class)s) else %(oid)s end,
                   0, %(parent)s, %(space)s, '{{}}'
             where not exists (select from s where object = %(object)s)""",
        {**before, "name": name, "object": difference.object},
    )
    changed = Jsonb({} if difference.was is None else {difference.facet: difference.was})
    await connection.execute(
        f"update {TABLE} set mark = 0, definition = (definition - %s::text) || %s {where}",
        [difference.facet, changed, name, difference.object],
    )


async def drop(connection: Connection, name: str) -> None:
    """Remove the stored snapshot, and the tables and their schema with the last one."""
    if not await there(connection):
        return
    await connection.execute(f"delete from {TABLE} where snapshot = %s", [name])
    if await rows(connection, f"select 1 from {TABLE} limit 1", []):
        return
    await connection.execute(f"drop table {TABLE}; drop table if exists {PENDING}")
    await drop_if_empty(connection, SCHEMA)
