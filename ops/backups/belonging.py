"""Which rows of a backup belong to a project, or to a person: those that a delete of it takes along."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter

from ops.backups.errors import BackupError
from ops.backups.manifest import Manifest, Table
from ops.backups.restorable import CLOSED
from ops.database import Connection

NULL = b"\\N"
# Each foreign key between tables that are reached from some by keys that delete: both tables, whether it deletes, its
# columns and those that they name. What stands on a partition alone is that of the table itself.
LINKS = """
with recursive key as (
    select f.* from pg_constraint as f join pg_class as c on c.oid = f.conrelid
    where f.contype = 'f' and c.relkind = 'r'
        and not c.relnamespace::regnamespace::text = any(%(closed)s)
        and not exists (select from pg_constraint as u where u.oid = f.conparentid and u.conrelid = f.conrelid)
),
reached as (
    select to_regclass(name)::oid as relid from unnest(%(roots)s::text[]) as name
    union
    select k.conrelid from key as k join reached as r on r.relid = k.confrelid where k.confdeltype = 'c'
)
select tn.nspname || '.' || t.relname, pn.nspname || '.' || p.relname, k.confdeltype = 'c',
    array(select a.attname::text from unnest(k.conkey) with ordinality as u (attnum, position)
        join pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.attnum order by u.position),
    array(select a.attname::text from unnest(k.confkey) with ordinality as u (attnum, position)
        join pg_attribute as a on a.attrelid = k.confrelid and a.attnum = u.attnum order by u.position)
from key as k
join pg_class as t on t.oid = k.conrelid join pg_namespace as tn on tn.oid = t.relnamespace
join pg_class as p on p.oid = k.confrelid join pg_namespace as pn on pn.oid = p.relnamespace
where k.conrelid in (select relid from reached) and k.confrelid in (select relid from reached)
order by 1, 2, k.conname"""


@dataclass(frozen=True)
class Root:
    """The rows to begin with: those of a table whose column has a value."""

    table: str
    column: str
    value: str


@dataclass(frozen=True)
class Link:
    """A foreign key that deletes: its columns, and those of the other table that they name."""

    parent: str
    columns: tuple[str, ...]
    named: tuple[str, ...]


@dataclass(frozen=True)
class Member:
    """A table with rows that belong to it."""

    table: Table
    roots: list[Root]
    links: list[Link] = field(default_factory=list)
    own: list[Link] = field(default_factory=list)
    """Foreign keys that name rows of the table itself, and say more than the links do."""

    def chosen(self, lines: Iterator[bytes], keys: Mapping[Link, set[bytes]]) -> Iterator[bytes]:
        """The rows that belong to it, as `copy` wrote them.

        Args:
            keys: of each link, what its rows may name, as `copy` writes it.
        """
        place = {name: number for number, name in enumerate(self.table.columns)}
        wanted = [([place[root.column]], {root.value.encode()}) for root in self.roots]
        wanted += [([place[name] for name in link.columns], keys[link]) for link in self.links]
        for line in lines:
            values = line.split(b"\t")
            for places, allowed in wanted:
                named = [values[each] for each in places]
                if NULL not in named and b"\t".join(named) in allowed:
                    yield line + b"\n"
                    break

    def below(
        self, lines: Iterator[bytes], parents: Mapping[Link, set[bytes]], key: Sequence[str], there: set[bytes]
    ) -> Iterator[bytes]:
        """The rows whose parent row belongs to it, but for those that are chosen already.

        Args:
            parents: of each link to the table itself, what its rows may name.
            key: the columns of the primary key.
            there: its values in what is chosen already.
        """
        places = [self.table.columns.index(name) for name in key]
        for line in replace(self, roots=[], links=self.own).chosen(lines, parents):
            values = line.rstrip(b"\n").split(b"\t")
            if b"\t".join(values[each] for each in places) not in there:
                yield line


def members(session: Connection, manifest: Manifest, roots: list[Root]) -> list[Member]:
    """The tables, each behind those that its rows name.

    :raises BackupError: where tables name each other, so that none comes first
    """
    tables = {table.label: table for table in manifest.tables}
    given = {"closed": sorted(CLOSED), "roots": sorted({root.table for root in roots})}
    found = session.execute(LINKS, given).fetchall()
    order = TopologicalSorter[str]({root.table: set() for root in roots})
    links: dict[str, list[Link]] = {}
    for child, parent, deletes, columns, named in found:
        if child != parent:
            order.add(child, parent)
        # What came since the backup was made isn't in it.
        known = child in tables and {*columns} <= {*tables[child].columns}
        if deletes and known and parent in tables and {*named} <= {*tables[parent].columns}:
            links.setdefault(child, []).append(Link(parent, tuple(columns), tuple(named)))
    try:
        names = [name for name in order.static_order() if name in tables]
    except CycleError as error:
        raise BackupError(
            f"tables {', '.join(error.args[1])}: name each other, so none can be restored first"
        ) from None
    return [
        _member(tables[name], [root for root in roots if root.table == name], links.get(name, [])) for name in names
    ]


def _member(table: Table, roots: list[Root], links: list[Link]) -> Member:
    others = [link for link in links if link.parent != table.label]
    # Where the key that names the parent row has a link's columns in it, the parent is of the same project.
    own = [
        link
        for link in links
        if link.parent == table.label
        and not any(
            all((name, name) in zip(link.columns, link.named, strict=True) for name in other.columns)
            for other in others
        )
    ]
    return Member(table, roots, others, own)
