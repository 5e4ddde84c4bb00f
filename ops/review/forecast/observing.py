"""What a statement has done to what was there, as the server's own catalogue and lock table say it.

Asked in the statement's own transaction: its locks are still held, and its scans are counted there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops.review.forecast import writing
from ops.review.forecast.model import MODES
from ops.review.forecast.writing import Write
from provider.connection import Connection, rows

# The number of scans that this transaction has begun, PostgreSQL counts itself: those of an `alter table` too.
RELATIONS = """
select c.oid::bigint as oid, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name, c.relkind::text as kind,
       pg_catalog.pg_relation_filenode(c.oid)::bigint as file, pg_catalog.pg_stat_get_xact_numscans(c.oid) as scans,
       i.indrelid::bigint as table, m.amname::text as method,
       exists (select from pg_catalog.pg_attribute a where i.indexrelid = a.attrelid and a.attlen = -1) as texts,
       case when c.relispartition or c.relkind = 'p' then pg_catalog.pg_partition_root(c.oid)::oid::bigint end as root,
       c.relhastriggers and exists (select from pg_catalog.pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal
                and t.tgenabled <> 'D' and t.tgtype & 1 = 1) as triggers
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_index i on i.indexrelid = c.oid left join pg_catalog.pg_am m on m.oid = c.relam
 where n.nspname !~ '^pg_(?!temp_)' and n.nspname <> 'information_schema'
   and c.relkind in ('r', 'p', 'm', 'v', 'f', 'S', 'i')"""
KEYS = """select oid::bigint as oid, conrelid::bigint as table, confrelid::bigint as referenced
            from pg_catalog.pg_constraint where contype = 'f' and convalidated"""
LOCKS = """select relation::bigint as oid, mode from pg_catalog.pg_locks
            where pid = pg_catalog.pg_backend_pid() and locktype = 'relation' and granted
              and database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())"""
STORED, TABLES, INDEX = ("r", "m"), ("r", "p"), "i"


@dataclass(frozen=True)
class Index:
    """An index that is built: on which table, of which kind, and whether its keys have no fixed length."""

    table: int
    method: str
    texts: bool


@dataclass(frozen=True)
class Seen:
    """The relations, the validated foreign keys and our locks at one moment."""

    names: Mapping[int, str]
    kinds: Mapping[int, str]
    files: Mapping[int, int | None]
    scans: Mapping[int, int]
    indexes: Mapping[int, Index]
    keys: Mapping[int, tuple[int, int]]
    locks: Mapping[int, frozenset[str]]
    roots: Mapping[int, int]
    """The topmost partitioned table of each partition, and of itself."""
    triggered: frozenset[int]
    """The tables that have triggers for each row."""


@dataclass(frozen=True)
class Done:
    """What one statement has done, by the numbers of relations; also to those that statements before it have made."""

    locks: Mapping[int, str] = field(default_factory=dict)
    """The strongest one that is held on what was there before the first statement, where it locks it in another mode
    or works on it."""
    rewritten: frozenset[int] = frozenset()
    scanned: frozenset[int] = frozenset()
    built: tuple[Index, ...] = ()
    joined: tuple[tuple[int, int], ...] = ()
    """Foreign keys that were tested: a table and the one that it refers to."""
    changes_rows: bool = False
    writes: tuple[Write, ...] = ()
    indexes: Mapping[int, tuple[Index, ...]] = field(default_factory=dict)
    """Those of the tables that it writes to."""


async def look(connection: Connection) -> Seen:
    """What there is now."""
    found = await rows(connection, RELATIONS, [])
    locks: dict[int, set[str]] = {}
    for each in await rows(connection, LOCKS, []):
        locks.setdefault(each["oid"], set()).add(_mode(each["mode"]))
    return Seen(
        {each["oid"]: each["name"] for each in found},
        {each["oid"]: each["kind"] for each in found},
        {each["oid"]: each["file"] for each in found},
        {each["oid"]: each["scans"] for each in found},
        {each["oid"]: Index(each["table"], each["method"], each["texts"]) for each in found if each["kind"] == INDEX},
        {each["oid"]: (each["table"], each["referenced"]) for each in await rows(connection, KEYS, [])},
        {oid: frozenset(modes) for oid, modes in locks.items()},
        {each["oid"]: each["root"] for each in found if each["root"]},
        frozenset(each["oid"] for each in found if each["triggers"]),
    )


def _mode(name: str) -> str:
    """`AccessExclusiveLock` in the manual's words."""
    words = "".join(f" {each.lower()}" if each.isupper() else each for each in name.removesuffix("Lock"))
    return words.strip()


def done(there: Seen, before: Seen, after: Seen, node: Any) -> Done:
    """The difference that a statement has made.

    Args:
        there: what there was before the first statement.
        node: its syntax tree; None where our grammar can't parse it.
    """
    # It gives a table a new file without writing it.
    empties = type(node).__name__ == "TruncateStmt"
    changed = {oid for oid, file in before.files.items() if oid in after.files and after.files[oid] != file}
    rewritten = frozenset(oid for oid in changed if after.kinds.get(oid) in STORED and not empties)
    # A type that keeps the values keeps the index's file, under another number.
    kept = {*before.files.values()}
    built = tuple(index for oid, index in after.indexes.items() if not empties and after.files[oid] not in kept)
    # One of a partitioned table is tested partition by partition, each by a key of its own.
    new = [pair for oid, pair in after.keys.items() if oid not in before.keys]
    joined = tuple(pair for pair in new if after.kinds.get(pair[0]) in STORED)
    scanned = frozenset[int]() if empties else _scanned(before, after, rewritten, built)
    locks = _locks(there, before, after, {*rewritten, *scanned, *(index.table for index in built)})
    fresh = {oid for oid, modes in after.locks.items() if "row exclusive" in modes - before.locks.get(oid, frozenset())}
    writes = writing.of(node, {name: oid for oid, name in after.names.items()}, after.kinds, after.roots)
    changes = bool(writes) or any(after.kinds.get(oid) in TABLES for oid in fresh)
    written = {oid for each in writes for oid in each.into}
    indexes = {oid: tuple(each for each in after.indexes.values() if each.table == oid) for oid in written}
    return Done(locks, rewritten, scanned, built, joined, changes, writes, indexes)


def _scanned(before: Seen, after: Seen, rewritten: Iterable[int], built: Iterable[Index]) -> frozenset[int]:
    """The tables that were read from end to end for another reason than to write them again or to build an index."""
    known = [*rewritten, *(index.table for index in built)]
    return frozenset(
        oid
        for oid, scans in after.scans.items()
        if after.kinds.get(oid) in STORED and scans - before.scans.get(oid, 0) > known.count(oid)
    )


def _locks(there: Seen, before: Seen, after: Seen, worked_on: set[int]) -> dict[int, str]:
    found = {}
    for oid, modes in after.locks.items():
        if there.kinds.get(oid, INDEX) == INDEX:
            continue
        strongest, was = _strongest(modes), _strongest(before.locks.get(oid, frozenset()))
        if strongest != was or oid in worked_on:
            found[oid] = strongest
    return found


def _strongest(modes: Iterable[str]) -> str:
    return max(modes, key=MODES.index, default="")
