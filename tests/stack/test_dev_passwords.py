"""Passwords change through the real engine, while clients connect all the time with the URL that they have.

What a rotation does to each login is in tests/sql/test_rotation.py.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from harness.checkout import Scratch
from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]
LOGINS = {"api_url": "authenticator", "auth_url": "authjs", "storage_url": "supabase_storage_admin"}


def urls(dev: Scratch) -> dict[str, str]:
    found = json.loads(succeeded(dev.pulumi("stack", "output", "--json", "--show-secrets")))
    return {name: value for name, value in found.items() if name.endswith("_url")}


def passwords(found: dict[str, str]) -> set[str]:
    return {url.split(":")[2].split("@")[0] for name, url in found.items() if name != "admin_url"}


def who(url: str) -> tuple[str, str]:
    with psycopg.connect(url) as connection:
        row = connection.execute("select session_user::text, current_user::text").fetchone()
    assert row
    return row


@contextmanager
def connecting(url: str, role: str) -> Iterator[list[str]]:
    """A client that opens a connection again and again; what became of each."""
    ended, results = threading.Event(), list[str]()

    def run() -> None:
        while not ended.is_set():
            try:
                results.append("good" if who(url)[1] == role else "another role")
            except psycopg.Error as error:
                results.append(str(error))
            time.sleep(0.01)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield results
    finally:
        ended.set()
        thread.join()


def test_passwords_change_while_clients_connect_with_the_urls_that_they_have(dev):
    old = urls(dev)
    with connecting(old["api_url"], LOGINS["api_url"]) as api, connecting(old["auth_url"], LOGINS["auth_url"]) as auth:
        begun = dev.start("rotate").wait()
        time.sleep(0.5)
        assert "Old and new URLs log in." in succeeded(begun)
        assert (set(api), set(auth)) == ({"good"}, {"good"})
        assert min(len(api), len(auth)) > 100
    new = urls(dev)
    for output, role in LOGINS.items():
        assert (who(old[output]), who(new[output])) == ((role, role), (f"{role}_2", role))
    assert passwords(old).isdisjoint(passwords(new))

    with psycopg.connect(old["monitor_url"], application_name="metrics") as monitor:
        status = dev.start("status").wait()
        assert "2 and 1 are open, sessions of the old one: monitor 1 (metrics);" in succeeded(status)
        refused = dev.start("rotate", "--finish").wait()
        assert refused.status == 1
        assert "the old logins have sessions: monitor 1 (metrics)" in refused.last_line
        monitor.execute("select 1")
    assert dev.start("audit", "--fail-on", "low").wait().status == 0

    with connecting(new["api_url"], LOGINS["api_url"]) as api:
        finished = dev.start("rotate", "--finish").wait()
        assert "The old passwords log in no more." in succeeded(finished)
        assert set(api) == {"good"}
    for output, role in LOGINS.items():
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(old[output])
        assert who(new[output]) == (f"{role}_2", role)
    assert urls(dev) == new
    assert dev.start("audit", "--fail-on", "low").wait().status == 0
    said = "".join(run.output for run in (begun, status, refused, finished))
    assert not [password for password in passwords(old) | passwords(new) if password in said]
