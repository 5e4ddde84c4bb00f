"""The rules for masked rows fit the schema, and what can hold anything is copied for a reason alone."""

import psycopg
import pytest

from declared.masking import COPIED, EMPTY
from ops.branches import masks
from tests.conftest import Database

# Types that can hold what somebody has written.
OPEN = {"text", "varchar", "bpchar", "json", "jsonb", "inet", "cidr", "bytea", "tsvector", "_text", "xml", "name"}


@pytest.fixture
def catalogue(provisioned_database: Database) -> dict[str, dict[str, masks.Column]]:
    with psycopg.connect(provisioned_database.url) as session:
        tables = dict(session.execute(masks.TABLES.encode()).fetchall())
        return {
            table: {column.name: column for column in masks.columns(session, oid)}
            for table, oid in tables.items()
            if not table.startswith("supabase_migrations.")
        }


def test_every_table_is_declared_once_and_every_rule_is_of_a_column_that_there_is(
    catalogue: dict[str, dict[str, masks.Column]],
) -> None:
    assert COPIED.keys() | EMPTY.keys() == catalogue.keys()
    assert COPIED.keys() & EMPTY.keys() == set()
    stale = [(table, name) for table, rules in COPIED.items() for name in rules if name not in catalogue[table]]
    assert stale == []
    # Masked by default is right for a column that somebody adds; these have been thought about.
    assert [(table, name) for table in COPIED for name in catalogue[table] if name not in COPIED[table]] == []


def test_what_can_hold_anything_is_copied_for_a_reason_alone(catalogue: dict[str, dict[str, masks.Column]]) -> None:
    kept = {
        (table, name): rule
        for table, rules in COPIED.items()
        for name, rule in rules.items()
        if rule.copied and catalogue[table][name].type in OPEN
    }
    assert [where for where, rule in kept.items() if not rule.reason] == []
    needless = [
        (table, name)
        for table, rules in COPIED.items()
        for name, rule in rules.items()
        if rule.reason and (table, name) not in kept
    ]
    assert needless == []


def test_what_is_kept_as_a_word_has_a_check_that_lists_its_words(provisioned_database: Database) -> None:
    query = """
        select exists (select from pg_constraint as k join pg_attribute as a on a.attrelid = k.conrelid
            where k.conrelid = %s::regclass and k.contype = 'c' and a.attname = %s and k.conkey = array[a.attnum]
                and pg_get_constraintdef(k.oid) ~ '= ANY \\(ARRAY\\[')"""
    with psycopg.connect(provisioned_database.url) as session:
        words = [
            (table, name) for table, rules in COPIED.items() for name, rule in rules.items() if "words" in rule.reason
        ]
        assert len(words) >= 6
        assert [where for where in words if session.execute(query.encode(), where).fetchone() != (True,)] == []
