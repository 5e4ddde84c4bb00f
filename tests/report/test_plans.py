"""Plans of query patterns, on every version: PostgreSQL 16 has EXPLAIN for them, older ones prepare a statement."""

import psycopg
import pytest

from declared.sqlqueries import queries
from ops.report import slow


@pytest.fixture
def connection(provisioned_database):
    with psycopg.connect(provisioned_database.url, autocommit=True) as connection:
        connection.execute("set default_transaction_read_only = on")
        yield connection


def test_every_pattern_has_a_plan_under_row_security_and_nothing_of_it_is_run(connection: psycopg.Connection) -> None:
    plans = {each.name: slow.plan(connection, each) for each in queries()}
    assert [name for name, plan in plans.items() if "cost=" not in plan] == []
    # As its role: what a person may see is in the condition, and the parameter stays one.
    assert "$1" in plans["list_components"]
    assert connection.execute("select name from pg_prepared_statements").fetchall() == []
    assert connection.execute("select current_user").fetchone() == connection.execute("select session_user").fetchone()
