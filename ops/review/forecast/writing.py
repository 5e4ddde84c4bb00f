"""The rows that a statement writes: where to, and out of which relations they come.

The copy has no rows, so the syntax tree says it: what is empty isn't always read.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from declared import sqlgrammar
from ops.review.lint.uses import relations

PARTITIONED = "p"
# The parts of a query that name what it reads, and not what it makes.
READ = ("fromClause", "whereClause", "targetList", "withClause", "larg", "rarg")


@dataclass(frozen=True)
class Write:
    """Rows that go into a relation, or are changed in it; all by the numbers of relations."""

    kind: Literal["makes", "inserts", "changes"]
    into: frozenset[int]
    """A table, or the partitions of one."""
    sources: tuple[frozenset[int], ...] = ()
    """The same of each relation that it reads."""
    most: int | None = None
    """How many rows at most, where the statement says so."""
    is_exact: bool = False
    """Whether it takes all rows of its source."""


def of(node: Any, numbers: Mapping[str, int], kinds: Mapping[int, str], roots: Mapping[int, int]) -> tuple[Write, ...]:
    """What a statement writes.

    Args:
        numbers: the relations by qualified name.
        kinds: `relkind` of each.
        roots: the topmost partitioned table of each partition.
    """
    found = _Relations(numbers, kinds, roots)
    return tuple(each for each in _writes(node, found) if each.into)


@dataclass(frozen=True)
class _Relations:
    numbers: Mapping[str, int]
    kinds: Mapping[int, str]
    roots: Mapping[int, int]

    def rows_of(self, relation: Any) -> frozenset[int]:
        """Where the rows of a relation are: none for one that isn't known."""
        number = self._number(relation)
        if number is None:
            return frozenset()
        if self.kinds[number] != PARTITIONED:
            return frozenset([number])
        root = self.roots.get(number, number)
        return frozenset(oid for oid, own in self.roots.items() if own == root and self.kinds[oid] != PARTITIONED)

    def _number(self, relation: Any) -> int | None:
        if relation.schemaname:
            return self.numbers.get(f"{relation.schemaname}.{relation.relname}")
        # A temporary table has a schema that the statement doesn't name.
        found = (oid for name, oid in self.numbers.items() if name.rpartition(".")[2] == relation.relname)
        return next(found, None)

    def read_by(self, nodes: Iterable[Any]) -> tuple[frozenset[int], ...]:
        every = {self.rows_of(relation) for node in nodes if node is not None for relation in relations(node)}
        return tuple(sorted((each for each in every if each), key=sorted))


def _writes(node: Any, found: _Relations) -> Iterator[Write]:
    kind = type(node).__name__
    if kind == "CreateTableAsStmt" and not node.into.skipData:
        yield _made(node.into.rel, node.query, found)
    elif kind == "SelectStmt" and node.intoClause:
        yield _made(node.intoClause.rel, node, found)
    elif kind in ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CreateTableAsStmt"):
        yield from _changes(node, found)


def _made(relation: Any, query: Any, found: _Relations) -> Write:
    parts = [getattr(query, name, None) for name in READ]
    return Write("makes", found.rows_of(relation), found.read_by(parts), _most(query), _is_whole(query))


def _changes(statement: Any, found: _Relations) -> Iterator[Write]:
    """Of a statement and those in its `with`, each once."""
    for node in sqlgrammar.walk(statement):
        kind = type(node).__name__
        if kind == "InsertStmt" and node.selectStmt and not node.selectStmt.valuesLists:
            sources = found.read_by([node.selectStmt, node.withClause])
            yield Write("inserts", found.rows_of(node.relation), sources, _most(node.selectStmt))
        elif kind in ("UpdateStmt", "DeleteStmt", "MergeStmt"):
            own = found.rows_of(node.relation)
            others = (getattr(node, name, None) for name in ("fromClause", "usingClause", "whereClause", "withClause"))
            sources = found.read_by([*others, getattr(node, "sourceRelation", None)])
            yield Write("changes", own, tuple(each for each in sources if each != own))


def _most(query: Any) -> int | None:
    limit = getattr(getattr(query, "limitCount", None), "val", None)
    return getattr(limit, "ival", None) if limit is not None else None


def _is_whole(query: Any) -> bool:
    parts = ("whereClause", "groupClause", "havingClause", "distinctClause", "limitCount", "limitOffset", "larg")
    single = len(getattr(query, "fromClause", None) or ()) == 1
    return (
        single and type(query.fromClause[0]).__name__ == "RangeVar" and not any(getattr(query, each) for each in parts)
    )
