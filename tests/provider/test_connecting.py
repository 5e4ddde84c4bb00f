"""How the server is reached: TLS that is demanded, sockets, IPv6, odd names, and a pooler that lends sessions.

Real servers: one that takes nothing but TLS, with a certificate made here; PgBouncer before the cluster's.
"""

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from declared import connectionurl
from declared.paths import CHECKOUT
from harness.engine import Engine, Refusal
from local import postgres
from local.paths import data_folder, server_account
from local.ports import HOST, free_port, port_is_free
from ops import __main__ as ops
from ops.__main__ import FOUND
from ops.audit import run
from provider.connection import ConnectionInfo, Connections
from provider.errors import Refused, Unreachable
from tests.clients.world import foreign_program
from tests.conftest import FAST, absent
from tests.doubles import tls

QUERY = "select current_database(), current_user, (select ssl from pg_stat_ssl where pid = pg_backend_pid())"


@dataclass(frozen=True)
class Secure:
    """A server that takes TLS only, except for its socket, and the authority that vouches for it."""

    server: postgres.RunningServer
    authority: Path
    stranger: Path
    """An authority that knows nothing of it."""
    sockets: Path

    def url(self, **more: str) -> str:
        return connectionurl.compose({**self.server.parameters("ein Name é"), **more})


@pytest.fixture(scope="module")
def secure(cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """The server, with a database and a login whose names have spaces and more."""
    folder, keys = tmp_path_factory.mktemp("secure"), tmp_path_factory.mktemp("keys")
    sockets = Path(tempfile.mkdtemp(dir="/var/tmp"))
    sockets.chmod(0o777)
    made = postgres.ensure(folder, cluster.programs, FAST)
    with psycopg.connect(made.url(), autocommit=True) as connection:
        connection.execute('create database "ein Name é"')
    postgres.stop(folder, cluster.programs)
    authority, stranger = tls.authority(keys, "authority"), tls.authority(keys, "stranger")
    data = data_folder(folder) / "postgres"
    tls.certificate(authority, data)
    (data / "pg_hba.conf").write_text("hostssl all all all scram-sha-256\nlocal all all scram-sha-256\n")
    settings = {"ssl": "on", "listen_addresses": "127.0.0.1, ::1", "unix_socket_directories": str(sockets)}
    server = postgres.ensure(folder, cluster.programs, FAST | settings)
    yield Secure(server, authority, stranger, sockets)
    postgres.remove(folder, cluster.programs)
    shutil.rmtree(sockets)


def asked(url: str) -> tuple[Any, ...]:
    """What a session of the provider's says of itself."""

    async def ask() -> tuple[Any, ...]:
        connections = Connections(ConnectionInfo.of(url))
        async with connections.transaction("asking") as connection:
            found = await (await connection.execute(QUERY)).fetchone()
        await connections.close()
        assert found is not None
        return found

    return asyncio.run(ask())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("mode", ["", "require", "verify-full"])
def test_a_server_that_takes_tls_only_is_reached_in_each_way(secure, host, mode):
    demanded = {"sslmode": mode, "sslrootcert": str(secure.authority)} if mode else {}
    assert asked(secure.url(host=host, **demanded)) == ("ein Name é", "postgres", True)


def test_a_certificate_of_another_authority_is_refused_in_one_line(secure):
    with pytest.raises(Unreachable) as caught:
        asked(secure.url(sslmode="verify-full", sslrootcert=str(secure.stranger)))
    said = str(caught.value)
    assert said.startswith(f"database ein Name é on 127.0.0.1:{secure.server.port} as postgres: ")
    assert "certificate verify failed" in said
    assert "\n" not in said
    assert secure.server.password not in said


def test_a_server_without_tls_is_refused_where_the_url_demands_it(database):
    with pytest.raises(Unreachable, match="server does not support SSL, but SSL was required"):
        asked(database.url + "?sslmode=require")


def test_a_socket_is_a_host_in_both_forms(secure):
    login = f"postgresql://postgres:{secure.server.password}"
    forms = [f"@/x?host={secure.sockets}&port={secure.server.port}&dbname=postgres"]
    forms += [f"@{str(secure.sockets).replace('/', '%2F')}:{secure.server.port}/postgres"]
    for form in forms:
        assert asked(login + form) == ("postgres", "postgres", False)
        assert asked(connectionurl.compose(connectionurl.parse(login + form)))[0] == "postgres"


def test_the_second_of_two_hosts_is_reached(secure):
    url = f"postgresql://postgres:{secure.server.password}@127.0.0.1:1,[::1]:{secure.server.port}/postgres"
    assert asked(url)[0] == "postgres"


def test_a_session_begins_as_the_url_says(secure):
    async def shown() -> Any:
        connections = Connections(
            ConnectionInfo.of(secure.url(options="-c app.name=kept", application_name="of the URL"))
        )
        async with connections.transaction("asking") as connection:
            names = "app.name", "application_name", "search_path"
            found = await connection.execute(
                "select array(select current_setting(n) from unnest(%s::text[]) n)", [[*names]]
            )
            (answer,) = await found.fetchone() or ()
        await connections.close()
        return answer

    assert asyncio.run(shown()) == ["kept", "of the URL", '""']


def test_a_role_with_odd_letters_and_a_password_of_all_of_them_logs_in(cluster, database):
    role, password = f"wé ird@{database.name}", "p@:/%#? é[]&=+\"'x\\,"
    name, literal = sql.Identifier(role), sql.Literal(password)
    cluster.execute(sql.SQL("create role {} login password {}").format(name, literal))
    try:
        login = {"host": database.host, "port": str(database.port), "user": role, "password": password}
        assert asked(connectionurl.compose({**login, "dbname": database.name})) == (database.name, role, False)
        conninfo = psycopg.conninfo.make_conninfo("", **login, dbname=database.name)
        assert asked(conninfo) == (database.name, role, False)
    finally:
        cluster.execute(sql.SQL("drop role {}").format(name))


def migrated(url: str, capsys: pytest.CaptureFixture[str], **variables: str) -> tuple[int, str]:
    status = ops.main(["migrate", "status", "--quiet", "--json", "--url", url])
    written = capsys.readouterr()
    return status, written.out + written.err


def test_migrate_and_audit_work_through_tls_ipv6_and_sockets(secure, capsys):
    more = {"sslmode": "verify-full", "sslrootcert": str(secure.authority)}
    urls = [secure.url(host="::1", **more), secure.url(host=str(secure.sockets))]
    for url in urls:
        status, said = migrated(url, capsys)
        assert status == FOUND, said
        with run.connect(url) as connection:
            assert connection.execute("select current_database()").fetchone() == ("ein Name é",)
            assert connection.execute("show default_transaction_read_only").fetchone() == ("on",)


def test_the_provider_takes_one_secret_url_and_says_what_is_wrong_with_another():
    word = f"geheim{secrets.token_hex(4)}"
    engine = Engine()
    try:
        for url in (f"postgresql://u:{word}/x@h/d", word, f"postgresql://u:{word}@h/d?sslmod=require"):
            (failure,) = engine.run(engine.plugin.check_config({"url": url}))
            assert failure.property == "url"
            assert failure.reason.startswith("must be postgresql://user:password@host:port/database: ")
            assert word not in failure.reason
            with pytest.raises(Refusal, match="the provider's url must be") as caught:
                engine.configure({"url": url})
            assert word not in str(caught.value)
        with pytest.raises(Refusal, match="the state is of an older version, `up` brings it up to date"):
            engine.configure({"host": "h", "user": "u", "password": word})
        (failure,) = engine.run(engine.plugin.check_config({"url": "postgresql://u@h/d", "host": "h"}))
        assert failure.property == "host"
        assert engine.run(engine.plugin.check_config({"url": "postgresql://u@h/d"})) == []
        times = {"5": True, "5s": True, "35791min": True, "596h": True, "35792min": False, "597h": False, "5x": False}
        for time, good in times.items():
            failures = engine.run(engine.plugin.check_config({"url": "postgresql://u@h/d", "lockTimeout": time}))
            assert [failure.property for failure in failures] == ([] if good else ["lockTimeout"]), time
    finally:
        engine.close()


# A pooler.


@contextmanager
def pooled(database: Any, mode: str, size: int) -> Iterator[str]:
    """The URL of a database through PgBouncer in a mode, with so many sessions of the server."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        absent("no pgbouncer on PATH nor in /usr/sbin (Debian: apt install pgbouncer)")
    port = free_port()
    with tempfile.NamedTemporaryFile("w", dir="/var/tmp", suffix=".users") as users:
        users.write(f'"{database.user}" "{database.password}"\n')
        users.flush()
        if account := server_account():
            os.chown(users.name, account.pw_uid, account.pw_gid)
        settings = {
            "listen_addr": HOST,
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users.name,
            "pool_mode": mode,
            "default_pool_size": str(size),
            # As many poolers are set, so that nothing else would be noticed.
            "ignore_startup_parameters": "options",
        }
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        text = (
            f"[databases]\n{database.name} = host={database.host} port={database.port}\n[pgbouncer]\n{''.join(lines)}"
        )
        with foreign_program(Path(program), text, {}) as process:
            deadline = time.monotonic() + 30
            while port_is_free(port):
                assert process.poll() is None
                assert time.monotonic() < deadline, "PgBouncer doesn't listen"
                time.sleep(0.05)
            login = {"host": HOST, "port": str(port), "user": database.user, "password": database.password}
            yield connectionurl.compose({**login, "dbname": database.name})


def settings_of_lent_sessions(url: str, size: int) -> set[tuple[str, str]]:
    """What the next clients of a pool find set."""
    clients = [psycopg.connect(url, prepare_threshold=None) for _ in range(size)]
    query = "select current_setting('search_path'), current_setting('lock_timeout')"
    found = {client.execute(query).fetchone() for client in clients}
    for client in clients:
        client.close()
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("size", [1, 4])
def test_a_pooler_in_transaction_mode_is_refused_before_anything_is_set(database, capsys, size):
    with pooled(database, "transaction", size) as url:
        clean = settings_of_lent_sessions(url, size)
        for _ in range(5):
            with pytest.raises(Refused) as caught:
                asked(url)
        said = str(caught.value)
        assert "a pooler in transaction mode" in said
        direct, own = f"port {database.port}, instead of port", url.rpartition(":")[2].partition("/")[0]
        assert f"{direct} {own}" in said
        assert database.password not in said
        status, reported = migrated(url, capsys)
        assert status == 1
        assert "a pooler in transaction mode" in reported
        assert settings_of_lent_sessions(url, size) == clean


def test_it_is_refused_too_while_other_clients_keep_its_sessions_moving(database):
    with pooled(database, "transaction", 3) as url:
        busy = "import os, psycopg\nwith psycopg.connect(os.environ['URL'], prepare_threshold=None) as c:\n"
        busy += "    while True: c.execute('select pg_sleep(random() / 100)'); c.commit()\n"
        variables = {**os.environ, "URL": url}
        command = [sys.executable, "-c", busy]
        clients = [subprocess.Popen(command, stderr=subprocess.DEVNULL, env=variables) for _ in range(3)]
        try:
            time.sleep(1)
            for _ in range(5):
                with pytest.raises(Refused, match="a pooler in transaction mode"):
                    asked(url)
        finally:
            for client in clients:
                client.kill()
                client.wait()


def test_the_audit_leaves_nothing_in_the_sessions_of_a_pooler(database):
    with pooled(database, "transaction", 2) as url:
        audit = subprocess.run(
            [sys.executable, "-m", "ops", "audit"],
            env={**os.environ, "AUDIT_URL": url, "COLUMNS": "500"},
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert audit.returncode == 1
        assert "a pooler in transaction mode" in audit.stderr
        assert settings_of_lent_sessions(url, 2) == {('"$user", public', "0")}


def test_a_pooler_in_session_mode_passes(database):
    with pooled(database, "session", 4) as url:
        assert asked(url)[0] == database.name


def test_a_pooler_that_keeps_the_second_session_waiting_is_refused_and_not_taken_for_none(database, capsys):
    with pooled(database, "session", 1) as url:
        with pytest.raises(Refused) as caught:
            asked(url)
        said, own = str(caught.value), url.rpartition(":")[2].partition("/")[0]
        assert said.endswith(
            ": behind this address is a pooler that gave no second session within 5 seconds, so whether it is in "
            f"transaction mode isn't known; use the server itself, which listens on port {database.port}, instead of "
            f"port {own}, or raise the pooler's limit of sessions (default_pool_size of PgBouncer)"
        )
        assert database.password not in said
        assert migrated(url, capsys)[0] == 1
