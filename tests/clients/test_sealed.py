"""What the sealing of tokens comes to for a dump, a pooler, the server's log and its views of what goes on."""

import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.paths import data_folder
from tests.clients import world
from tests.clients.world import Complete
from tests.sql.provision import Connection

TOKEN = "gho_16C7e42F292c6912E7710c838347Ae178B4a"
LINK = (
    'insert into accounts ("userId", provider, type, "providerAccountId", access_token) '
    "values (%s, 'github', 'oidc', %s, %s) returning access_token"
)
READ = 'select access_token from accounts where "providerAccountId" = %s'
MISSING, DAMAGED = psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.DataCorrupted
LOGGING = {
    "log_min_messages": "debug5",
    "log_min_error_statement": "debug5",
    "log_error_verbosity": "verbose",
    "log_statement": "all",
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_nested_statements": "on",
    "auto_explain.log_verbose": "on",
    "auto_explain.log_analyze": "on",
}


@pytest.fixture
def person(complete: Complete, admin: Connection) -> Iterator[str]:
    """Somebody with an account of the same id."""
    id = str(uuid.uuid4())
    admin.execute("insert into next_auth.users (id, name) values (%s, 'Ada')", (id,))
    with psycopg.connect(complete.auth_url) as connection:
        assert connection.execute(LINK.encode(), (id, id, TOKEN)).fetchone() == (TOKEN,)
    yield id
    admin.execute("delete from next_auth.users where id = %s", (id,))


@pytest.fixture
def log(cluster: Any, complete: Complete, admin: Connection) -> Iterator[Path]:
    """The server's log, with the login of Auth.js told to log all that can be logged."""
    admin.execute("load 'auto_explain'")
    for name, value in LOGGING.items():
        admin.execute(f"alter role authjs in database {complete.database.name} set {name} = '{value}'".encode())
    yield data_folder(cluster.folder) / "postgres" / "server.log"
    for name in LOGGING:
        admin.execute(f"alter role authjs in database {complete.database.name} reset {name}".encode())


def test_a_dump_shows_no_token(cluster: Any, complete: Complete, person: str) -> None:
    done = subprocess.run(
        [cluster.programs / "pg_dump", complete.database.url], capture_output=True, text=True, check=True
    )
    assert re.search(rf"{person}\t.*pgp:k1:", done.stdout), "the account is in it"
    assert TOKEN not in done.stdout
    assert complete.private_key[-60:] not in done.stdout


def test_a_restored_dump_opens_with_the_same_keys(cluster: Any, complete: Complete, person: str) -> None:
    name = f"restored_{complete.database.name}"
    database = cluster.create(name, "template0")
    try:
        # With row security on, or the restore's refreshing of the summaries is refused.
        pg_dump = [cluster.programs / "pg_dump", "--enable-row-security", complete.database.url]
        dumped = subprocess.run(pg_dump, capture_output=True, check=True)
        psql = [cluster.programs / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", database.url]
        done = subprocess.run(psql, input=dumped.stdout, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        restored = Complete(database, complete.passwords, complete.private_key)
        with psycopg.connect(restored.auth_url) as connection:
            connection.execute("set search_path = authjs")
            assert connection.execute(READ.encode(), (person,)).fetchone() == (TOKEN,)
    finally:
        cluster.drop(name)


def test_neither_key_nor_token_is_logged_however_much_is_logged(complete: Complete, person: str, log: Path) -> None:
    before = log.stat().st_size
    other = complete.private_key[:-200] + "A" * 200
    with psycopg.connect(complete.auth_url) as connection:
        assert connection.execute(READ.encode(), (person,)).fetchone() == (TOKEN,)
    wrong = Complete(complete.database, complete.passwords, other)
    for url, error in ((complete.url("authjs"), MISSING), (wrong.auth_url, DAMAGED)):
        with psycopg.connect(url) as connection, pytest.raises(error):
            connection.execute(READ.encode(), (person,))
    with log.open("rb") as file:
        file.seek(before)
        said = file.read().decode(errors="replace")
    assert "which this session does not hold" in said, "the failure itself is logged"
    assert "does not open with the key k1" in said
    assert "Query Text" in said, "auto_explain is at work"
    assert TOKEN not in said
    assert complete.private_key[400:460] not in said
    assert "vpb.keys=" not in said


def test_the_servers_views_of_what_goes_on_show_no_key(complete: Complete, admin: Connection, person: str) -> None:
    admin.execute("create extension if not exists pg_stat_statements schema extensions")
    with psycopg.connect(complete.auth_url) as connection:
        connection.execute(READ.encode(), (person,))
        for view in ("pg_stat_activity", "statistics.pg_stat_statements", "pg_settings", "pg_db_role_setting"):
            rows = admin.execute(f"select v::text from {view} as v".encode()).fetchall()
            assert not [row for (row,) in rows if "k1:" in row or TOKEN in row], view


def test_behind_a_pooler_that_drops_the_key_accounts_are_linked_and_reading_says_what_to_do(
    complete: Complete, person: str, pgbouncer: Path
) -> None:
    with world.pgbouncer(pgbouncer, complete, 2, dropped="options") as port:
        url = complete.auth_url.replace(f":{complete.database.port}/", f":{port}/")
        with psycopg.connect(url, prepare_threshold=None) as connection:
            assert connection.execute(LINK.encode(), (person, f"{person}-2", TOKEN)).fetchone() == (TOKEN,)
        with psycopg.connect(url, prepare_threshold=None) as connection, pytest.raises(MISSING) as caught:
            connection.execute(READ.encode(), (person,))
        assert "some poolers drop them" in str(caught.value.diag.message_hint)
