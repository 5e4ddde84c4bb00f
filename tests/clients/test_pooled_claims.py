"""Role and claims of one client never reach the next one on the same server connection, however its turn ended.

Through PgBouncer in transaction mode, and through a pool of psycopg's that lends a connection for one transaction.
"""

import json
import os
import random
import socket
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from tests.clients import world
from tests.clients.world import Complete
from tests.sql.provision import Connection

CLIENTS, TURNS, SIZE = 20, 25, 4
ENDS = ("commit", "commit", "rollback", "error", "vanish", "claimless")
Lend = Callable[[], AbstractContextManager[Connection]]

# The claims may have been set on this connection before; then they are empty, not null.
LEFT = "select current_user, coalesce(current_setting('request.jwt.claims', true), '')"


@pytest.fixture(params=["pgbouncer", "psycopg"])
def lend(request: pytest.FixtureRequest, complete: Complete) -> Iterator[Lend]:
    """How a client gets a connection for its turn."""
    if request.param == "psycopg":
        with ConnectionPool(complete.url("authenticator"), min_size=SIZE, max_size=SIZE, timeout=60) as pool:
            yield pool.connection
        return
    with world.pgbouncer(request.getfixturevalue("pgbouncer"), complete, SIZE) as port:

        @contextmanager
        def connect() -> Iterator[Connection]:
            # PgBouncer before 1.21 knows no prepared statements.
            with psycopg.connect(complete.url("authenticator", port), prepare_threshold=None) as connection:
                yield connection

        yield connect


@pytest.fixture
def people(admin: Connection) -> Iterator[list[str]]:
    """One person for each client, with a private project that bears their id."""
    ids = [str(uuid.uuid4()) for _ in range(CLIENTS)]
    for id in ids:
        admin.execute("insert into next_auth.users (id, name) values (%s, 'somebody')", (id,))
        admin.execute("insert into public.projects (owner_id, title) values (%s, %s)", (id, id))
    yield ids
    admin.execute("delete from next_auth.users where id = any(%s)", (ids,))


def take_turn(connection: Connection, person: str, end: str) -> list[Any]:
    """One transaction as PostgREST makes it; whatever is seen in it that isn't this person's."""
    strange: list[Any] = [row for row in connection.execute(LEFT) if row != ("authenticator", "")]
    connection.execute("set local role authenticated")
    if end == "claimless":
        strange += [row for row in connection.execute("select auth.uid()") if row != (None,)]
        expected: list[str] = []
    else:
        claims = json.dumps({"sub": person, "role": "authenticated"})
        connection.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
        expected = [person]
    titles = [
        title for (title,) in connection.execute("select title from public.projects where visibility = 'private'")
    ]
    strange += [] if titles == expected else titles
    if end == "error":
        with pytest.raises(psycopg.errors.DivisionByZero):
            connection.execute("select 1 / 0")
    if end in ("rollback", "error"):
        connection.rollback()
    if end == "vanish":
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
        connection.close()
    return strange


def client(lend: Lend, person: str, seed: int) -> list[Any]:
    """All turns of one client; what it saw of others."""
    chance = random.Random(seed)
    strange = []
    for _ in range(TURNS):
        with lend() as connection:
            strange += take_turn(connection, person, chance.choice(ENDS))
    return strange


@pytest.mark.filterwarnings("ignore:.*:ResourceWarning")
def test_nobody_sees_what_the_client_before_them_was(lend: Lend, people: list[str]) -> None:
    with ThreadPoolExecutor(CLIENTS) as threads:
        seen = list(threads.map(lambda number: client(lend, people[number], number), range(CLIENTS)))
    assert [strange for strange in seen if strange] == []


def test_a_setting_of_the_session_would_leak_and_be_seen(lend: Lend, people: list[str]) -> None:
    """The control: what the test above looks for is there once somebody sets claims for the session."""
    for _ in range(SIZE):
        with lend() as connection:
            connection.execute("select set_config('request.jwt.claims', '{}', false), pg_sleep(0.05)")
    seen = []
    for _ in range(SIZE):
        with lend() as connection:
            seen += take_turn(connection, people[0], "commit")
    assert ("authenticator", "{}") in seen
