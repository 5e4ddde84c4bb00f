"""What a statement outside a transaction may leave behind when it is killed, as patterns of the schema snapshot.

A transaction takes what it changes into the snapshot as it commits. A concurrent index build can't: between its end and
the note of it, only the statement itself says that the index is ours.
"""

from glob import escape
from typing import Any

from declared import sqlgrammar
from provider.connection import Connection, row

NAMED = "select pg_catalog.format('%%I.%%I', %s::text, %s::text) as name"
QUOTED = "select pg_catalog.quote_ident(%s) as name"
INDEXED = """select pg_catalog.format('%%I.%%I', n.nspname, t.relname) as name, i.indisreplident as identifies
               from pg_catalog.pg_index i join pg_catalog.pg_class t on t.oid = i.indrelid
               join pg_catalog.pg_namespace n on n.oid = t.relnamespace
              where i.indexrelid = pg_catalog.to_regclass(pg_catalog.format('%%I.%%I', %s::text, %s::text))"""
# What a `reindex concurrently` that was killed leaves beside an index.
REINDEXED = ["*: index *_ccnew*", "*: index *_ccold*"]


async def of(connection: Connection, statement: str) -> list[str] | None:
    """The objects and facets that the statement may change; none for one that changes no definition.

    None for one that is newer than our grammar.
    """
    tree = sqlgrammar.parsed(statement)
    if tree is None:
        return None
    kind = type(tree).__name__
    if kind == "IndexStmt":
        table = await _name(connection, tree.relation.schemaname, tree.relation.relname)
        index = escape(await _quoted(connection, tree.idxname)) if tree.idxname else "*"
        return [f"* {table}: index {index}"]
    if kind == "DropStmt" and tree.removeType.name == "OBJECT_INDEX":
        return [pattern for parts in tree.objects for pattern in await _dropped(connection, _strings(parts))]
    if kind == "ReindexStmt":
        return REINDEXED
    if kind == "AlterEnumStmt":
        return [f"type {await _name(connection, *_strings(tree.typeName))}"]
    if kind == "AlterTableStmt":
        return await _altered(connection, tree)
    if kind == "CommentStmt":
        last = escape(await _quoted(connection, _last(tree.object)))
        return ["database: comment", f"*: comment on * {last}", *(f"* {each}: comment" for each in _spelt(last))]
    return []


async def _altered(connection: Connection, tree: Any) -> list[str]:
    table = await _name(connection, tree.relation.schemaname, tree.relation.relname)
    found = []
    for command in tree.cmds:
        if command.subtype.name in ("AT_DetachPartition", "AT_DetachPartitionFinalize"):
            partition = command.def_.name
            child = await _name(connection, partition.schemaname, partition.relname)
            found += [f"* {table}: partition {child}", f"table {child}"]
        elif command.subtype.name == "AT_ValidateConstraint":
            found.append(f"* {table}: constraint {escape(await _quoted(connection, command.name))}")
    return found


async def _dropped(connection: Connection, names: list[str]) -> list[str]:
    found = await row(connection, INDEXED, names[-2:]) if len(names) > 1 else None
    index = escape(await _quoted(connection, names[-1]))
    if not found:
        return []
    # What goes with an index.
    facets = [f"index {index}", f"comment on index {index}", *["replica identity"] * found["identifies"]]
    return [f"* {escape(found['name'])}: {facet}" for facet in facets]


def _last(object: Any) -> str:
    """The last part of a name, as the grammar has it of each kind of object."""
    if isinstance(object, str):
        return object
    if isinstance(object, tuple | list):
        return _last(object[-1])
    for attribute in ("sval", "objname", "names"):
        if found := getattr(object, attribute, None):
            return _last(found)
    return "*"


def _spelt(last: str) -> list[str]:
    """An object's name with and without its schema, with and without arguments."""
    return [f"{before}{last}{after}" for before in ("", "*.") for after in ("", "(*)")]


def _strings(parts: Any) -> list[str]:
    return [part.sval for part in parts]


async def _name(connection: Connection, schema: str | None, name: str | None = None) -> str:
    if schema is None or name is None:
        return escape(await _quoted(connection, name or schema or ""))
    found = await row(connection, NAMED, [schema, name])
    assert found is not None
    return escape(str(found["name"]))


async def _quoted(connection: Connection, name: str) -> str:
    found = await row(connection, QUOTED, [name])
    assert found is not None
    return str(found["name"])
