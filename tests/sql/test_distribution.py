"""How tables would spread over Citus' nodes: the declaration holds for the schema, but for the exceptions it lists.

Rules are those of Citus' manual, "Creating and Modifying Distributed Objects (DDL)" and "SQL Support and Workarounds".
What functions read and write is taken from their text: every name in it has its schema, since their search path is
empty. What dynamic SQL writes isn't seen.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from declared import distribution
from declared.distribution import TABLES
from declared.schemas import WITH_OBJECTS
from declared.sqlqueries import queries

NAME = re.compile(r"\b([a-z_]+\.[a-z_]+)\b")
WRITTEN = re.compile(r"\b(?:insert\s+into|update|delete\s+from|merge\s+into)\s+(?:only\s+)?([a-z_]+\.[a-z_]+)", re.I)
QUERIES = {query.name: query for query in queries()}
TABLE = "n.nspname || '.' || c.relname"
OF_TABLES = """
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = any(%s) and not c.relispartition and c.relkind in ('r', 'p')"""
COLUMNS = f"""
    select {TABLE}, a.attname, a.attnotnull
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = any(%s) and not c.relispartition and c.relkind in ('r', 'p') and a.attnum > 0"""
UNIQUE = f"""
    select {TABLE}, n.nspname || '.' || i.relname,
        array(select a.attname::text from pg_attribute as a where a.attrelid = c.oid and a.attnum = any(x.indkey))
    from pg_index as x join pg_class as c on c.oid = x.indrelid join pg_class as i on i.oid = x.indexrelid
    join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = any(%s) and not c.relispartition and x.indisunique and c.relkind in ('r', 'p')"""
FOREIGN_KEYS = f"""
    select {TABLE}, n.nspname || '.' || f.conname, o.nspname || '.' || t.relname,
        array(
            select array[a.attname::text, b.attname::text] from unnest(f.conkey, f.confkey) as k (own, other)
            join pg_attribute as a on a.attrelid = f.conrelid and a.attnum = k.own
            join pg_attribute as b on b.attrelid = f.confrelid and b.attnum = k.other
        )
    from pg_constraint as f join pg_class as c on c.oid = f.conrelid join pg_namespace as n on n.oid = c.relnamespace
    join pg_class as t on t.oid = f.confrelid join pg_namespace as o on o.oid = t.relnamespace
    where n.nspname = any(%s) and f.contype = 'f' and f.conparentid = 0"""
TEXTS = """
    select n.nspname || '.' || p.proname, string_agg(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), ' ')
    from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace where n.nspname = any(%s) group by 1
    union all
    select n.nspname || '.' || c.relname, pg_get_viewdef(c.oid)
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = any(%s) and c.relkind in ('v', 'm')"""
TRIGGERS = f"""
    select distinct {TABLE}, g.nspname || '.' || p.proname
    from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid join pg_namespace as g on g.oid = p.pronamespace
    join pg_class as c on c.oid = t.tgrelid join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = any(%s) and not t.tgisinternal and not c.relispartition and c.relkind in ('r', 'p')"""
POLICIES = f"""
    select {TABLE}, concat_ws(' ', pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    from pg_policy as p join pg_class as c on c.oid = p.polrelid join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = any(%s) and not c.relispartition"""


@dataclass(frozen=True)
class Texts:
    """Functions and views by name; a name in one of them leads to the next."""

    of: Mapping[str, str]

    def reached(self, text: str) -> list[str]:
        """The text, and those of all functions and views that it leads to."""
        seen: set[str] = set()
        found, waiting = [text], [text]
        while waiting:
            for name in {*NAME.findall(waiting.pop())} & self.of.keys() - seen:
                seen.add(name)
                found.append(self.of[name])
                waiting.append(self.of[name])
        return found

    def read(self, text: str) -> set[str]:
        """The tables that it names, by way of functions and views too."""
        return {name for each in self.reached(text) for name in NAME.findall(each)} & TABLES.keys()

    def written(self, text: str) -> set[str]:
        """The tables that it writes; of a view, those under it."""
        names = {name for each in self.reached(text) for name in WRITTEN.findall(each)}
        return {table for name in names for table in ({name} & TABLES.keys() or self.read(self.of.get(name, "")))}


@pytest.fixture(scope="module")
def asked(shared: Any) -> Any:
    """Rows of a query of the catalogue, of all schemas with objects."""

    def ask(query: str) -> list[tuple[Any, ...]]:
        return list(shared.execute(query.encode(), [[*WITH_OBJECTS]] * query.count("%s")).fetchall())

    return ask


@pytest.fixture(scope="module")
def texts(asked: Any) -> Texts:
    return Texts(dict(asked(TEXTS)))


def kind(table: str) -> str:
    return TABLES[table].kind


def places(tables: Iterable[str]) -> set[str]:
    """Where rows of these tables lie: one shard of a group, every node, the coordinator."""
    return {TABLES[each].group or each if kind(each) == "distributed" else kind(each) for each in tables}


def test_each_table_is_declared_once_with_a_column_that_it_has_and_that_is_never_null(asked):
    assert {name for (name,) in asked(f"select {TABLE} {OF_TABLES}")} == TABLES.keys()
    never_null = {(table, column) for table, column, filled in asked(COLUMNS) if filled}
    lacking = {name for name in TABLES if kind(name) == "distributed" and (name, TABLES[name].column) not in never_null}
    assert lacking == distribution.COLUMNS.keys()
    assert [name for name in TABLES if (kind(name) == "distributed") != bool(TABLES[name].column)] == []


def test_each_unique_key_of_a_distributed_table_holds_its_column_or_is_listed(asked):
    without = {
        index
        for table, index, columns in asked(UNIQUE)
        if kind(table) == "distributed" and TABLES[table].column not in columns
    }
    assert without == distribution.KEYS.keys()


def allowed(table: str, other: str, columns: list[list[str]]) -> bool:
    """Whether Citus takes a foreign key: within a group with its column, or to what is on every node."""
    if kind(table) == "distributed" and kind(other) == "distributed":
        same = TABLES[table].group and TABLES[table].group == TABLES[other].group
        return bool(same) and [TABLES[table].column, TABLES[other].column] in columns
    return kind(other) == "reference" or (kind(other) == "coordinator" and kind(table) != "distributed")


def test_each_foreign_key_stays_within_its_shard_or_leads_to_every_node_or_is_listed(asked):
    refused = {name for table, name, other, columns in asked(FOREIGN_KEYS) if not allowed(table, other, columns)}
    assert refused == distribution.FOREIGN_KEYS.keys()


def test_each_function_that_writes_in_several_places_is_listed(asked, texts):
    tables: dict[str, set[str]] = {}
    for table, function in asked(TRIGGERS):
        tables.setdefault(function, set()).add(table)
    found = set()
    for function, text in texts.of.items():
        if function in tables:
            written = [places({*texts.written(text), table}) for table in tables[function]]
        else:
            written = [places(texts.written(text)) if function.startswith(("public.", "ops.")) else set()]
        found |= {function for each in written if len(each) > 1}
    assert found == distribution.WRITERS.keys()


def test_each_row_policy_asks_what_is_on_every_node_or_its_table_is_listed(asked, texts):
    asking = {
        table
        for table, condition in asked(POLICIES)
        if kind(table) != "coordinator" and any(kind(other) != "reference" for other in texts.read(condition))
    }
    assert asking == distribution.POLICIES.keys()


def test_each_query_pattern_names_its_shard_or_is_listed_or_asks_no_distributed_table(texts):
    shards, across = distribution.SHARDS.keys(), distribution.ACROSS.keys()
    asking = {
        name for name, query in QUERIES.items() if any(kind(each) == "distributed" for each in texts.read(query.text))
    }
    assert shards | across == asking
    assert not shards & across


@pytest.mark.parametrize("name", distribution.SHARDS)
def test_the_parameter_that_names_a_shard_is_its_value(texts, name):
    query = QUERIES[name]
    number = [*query.parameters].index(distribution.SHARDS[name]) + 1
    columns = {TABLES[each].column for each in texts.read(query.text) if kind(each) == "distributed"}
    compared = any(re.search(rf"\b{column} = \${number}\b", query.text) for column in columns)
    inserted = re.search(rf"\((?:{'|'.join(columns)}),[^)]*\)\s*values \(\${number},", query.text)
    called = re.search(rf"\bpublic\.\w+\(\${number}\b", query.text)
    assert compared or inserted or called, query.text
