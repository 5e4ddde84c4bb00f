"""PgBouncer as `./vpb pooler` configures it: who comes through, what is refused, and how its pools are seen."""

import stat
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from declared import connectionurl, health
from ops.environment import Environment
from ops.errors import CommandError
from ops.health import report
from ops.pooler import files, looking, sizes
from ops.pooler.files import Listen
from ops.pooler.sizes import Sizes
from run import engine
from tests.clients import world
from tests.clients.world import Complete

SIZE = 2


@pytest.fixture(scope="module")
def port(pgbouncer: Path, complete: Complete) -> Iterator[int]:
    with world.pgbouncer(pgbouncer, complete, SIZE) as found:
        yield found


def test_a_login_that_is_not_declared_and_one_that_asks_for_options_stay_out(complete: Complete, port: int) -> None:
    with psycopg.connect(complete.url("authenticator", port), prepare_threshold=None) as connection:
        assert connection.execute("select session_user").fetchone() == ("authenticator",)
    with pytest.raises(psycopg.OperationalError, match=r"no such user|authentication failed"):
        psycopg.connect(complete.url("authjs", port))
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(complete.url("authenticator", port).replace(complete.passwords["authenticator"], "wrong"))
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter: options"):
        psycopg.connect(complete.url("authenticator", port), options="-c search_path=public")


def test_a_full_pool_is_seen_in_the_health_and_seen_no_more(
    complete: Complete, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {"monitor_url": complete.url("monitor")}
    monkeypatch.setattr(Environment, "of", classmethod(lambda cls, name: Environment(name, urls)))
    monkeypatch.setattr(engine, "adopted", lambda stack: "")
    monkeypatch.setattr(engine, "backups", lambda stack: None)
    monkeypatch.setattr(engine, "checks", lambda stack: health.checks({"pool_wait": [0.2, None]}))

    def pools() -> dict[str, tuple[float | None, str]]:
        found = report.of("dev", f"127.0.0.1:{port}").metrics
        return {each.metric: (each.value, each.level) for each in found if each.metric in ("pool_used", "pool_wait")}

    url = complete.url("authenticator", port)
    holders = [psycopg.connect(url, prepare_threshold=None) for _ in range(SIZE + 1)]
    try:
        for holder in holders[:SIZE]:
            holder.execute("select 1")
        waiting = Thread(target=holders[SIZE].execute, args=("select 1",))
        waiting.start()
        deadline = time.monotonic() + 20
        while (pools()["pool_wait"][0] or 0) < 0.2:
            assert time.monotonic() < deadline
        found = pools()
        assert found["pool_used"] == (1, "warning")
        assert found["pool_wait"][1] == "warning"
        holders[0].rollback()
        waiting.join(10)
    finally:
        for holder in holders:
            holder.close()
    assert {level for _, level in pools().values()} == {"ok"}


def test_a_pooler_that_is_not_there_is_one_line(complete: Complete) -> None:
    with pytest.raises(CommandError, match=r"^pooler 127\.0\.0\.1:1: .*check that it runs") as caught:
        looking.metrics(complete.url("monitor"), "127.0.0.1:1")
    assert complete.passwords["monitor"] not in str(caught.value)
    with pytest.raises(CommandError, match="must be a host and a port"):
        looking.metrics(complete.url("monitor"), "6432")


def test_sizes_follow_the_server_s_limits_and_its_cores(admin: Any) -> None:
    (most,) = admin.execute("select current_setting('max_connections')::integer").fetchone()
    third = (most - 3) // 3
    assert sizes.of(admin, None, 1000).pool == third
    two = sizes.of(admin, 2, 1000)
    assert (two.pool, two.reserve) == (8, 1)
    assert two.reasons[0] == f"max_connections = {most}, 3 of them reserved for superusers: {most - 3} for logins"
    assert two.reasons[2] == f"a third of {most - 3} is {third}; 4 for each of 2 cores are 8"
    assert sizes.of(admin, 1024, 1000).pool == third


def test_both_files_are_for_their_owner_alone_and_a_login_that_reads_no_secret_gives_passwords(
    complete: Complete, tmp_path: Path
) -> None:
    known = {"authenticator": connectionurl.parse(complete.url("authenticator"))}
    with psycopg.connect(complete.url("monitor"), autocommit=True) as connection:
        assert files.users(connection, known) == {"authenticator": complete.passwords["authenticator"]}
    server = {"host": "db.example.org", "sslmode": "verify-full", "sslrootcert": "/etc/ca.pem"}
    (tmp_path / "pooler.pem").write_text("")
    listen = Listen.of("0.0.0.0:6432", tmp_path / "pooler.pem", tmp_path / "pooler.pem")
    text = files.settings(server, "app", listen, Sizes(8, 1, 50, ("why",)), tmp_path, monitors="monitor")
    for line in ("; why", "app = host=db.example.org port=5432 dbname=app", "server_tls_sslmode = verify-full"):
        assert line in text.splitlines()
    assert "client_tls_sslmode = require" in text
    assert "server_tls_ca_file = /etc/ca.pem" in text
    written = files.write(tmp_path / "new", text, {"a": 'x"y'})
    assert [stat.S_IMODE(path.stat().st_mode) for path in written] == [0o600, 0o600]
    assert written[1].read_text() == '"a" "x""y"\n'


@pytest.mark.parametrize(
    ("listen", "reason"),
    [
        ("0.0.0.0:6432", "others reach it, so it needs --certificate and --key for TLS"),
        ("6432", "must be a host and a port"),
        ("127.0.0.1:0", "must be a host and a port"),
        ("a\nadmin_users = *:1", "must be a host and a port"),
    ],
)
def test_where_it_cannot_listen_is_refused(listen: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        Listen.of(listen, None, None)
