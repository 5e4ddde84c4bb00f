"""Databases at the stages the SQL tests need: roles and schemas only, the complete SQL, the SQL with people in it."""

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.sql import provision
from tests.sql.provision import Connection


@pytest.fixture
def connection(framed: Any) -> Iterator[Connection]:
    """The superuser, on a database of this test alone, with roles and schemas and nothing else."""
    with psycopg.connect(framed.url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        yield connection


@pytest.fixture
def alone(provisioned_database: Any) -> Iterator[Connection]:
    """The superuser, on a database of this test alone, with everything and with people, each statement committed."""
    with psycopg.connect(provisioned_database.url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        provision.add_people(connection)
        yield connection


@pytest.fixture(scope="session")
def shared(cluster: Any, complete_template: str) -> Iterator[Connection]:
    """The superuser, on the one database with the complete SQL; tests reach it through `provisioned`."""
    name = f"sql_{os.getpid()}"
    database = cluster.create(name, complete_template)
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("set search_path = ''")
        yield connection
    cluster.drop(name)


@pytest.fixture
def provisioned(shared: Connection) -> Iterator[Connection]:
    """The superuser, on the complete SQL, in a transaction that is rolled back: a database each would take minutes."""
    with shared.transaction(force_rollback=True):
        yield shared


@pytest.fixture
def people(provisioned: Connection) -> Connection:
    """The same with Ada and Bob, who each have a private, a public and an archived public project."""
    provision.add_people(provisioned)
    return provisioned
