"""`./vpb rekey` beside running sign-ins: cut off and taken up again, without its keys, after a lost key."""

import json
import subprocess
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest

from ops import rekey
from ops.database import UnreachableError
from ops.errors import CommandError
from tests.sql.provision import ADA, Connection
from tests.sql.test_sealed_tokens import KEYS, put_keys, ring

ACCOUNTS = 60
LINK = (
    'insert into authjs.accounts ("userId", provider, type, "providerAccountId", access_token, refresh_token) '
    "values (%s, 'github', 'oidc', %s, 'access', 'refresh')"
)
Session = Callable[..., AbstractContextManager[Connection]]


@pytest.fixture
def world(alone: Connection, provisioned_database: Any) -> Session:
    """A database of its own with sixty accounts under k1, where k2 seals by now; gives sessions with keys."""
    put_keys(alone, "k1")
    for number in range(ACCOUNTS):
        alone.execute(LINK.encode(), (ADA, str(number)))
    put_keys(alone, "k2", "k1")
    url = provisioned_database.url
    return lambda *names: psycopg.connect(url, options=f"-c vpb.keys={ring(*names)}", autocommit=True)


def opened(session: Connection) -> set[tuple[str, str]]:
    return set(session.execute("select access_token, refresh_token from authjs.accounts").fetchall())


def test_all_tokens_are_under_the_present_key_afterwards_and_the_old_one_can_go(world, alone):
    said: list[str] = []
    with world("k2", "k1") as session:
        assert rekey.rekey(session, said.append, batch=25) == {"k2": 2 * ACCOUNTS}
    assert said == ["25 accounts sealed again", "50 accounts sealed again", "60 accounts sealed again"]
    alone.execute("delete from private.sealing_keys where id = 'k1'")
    with world("k2") as session:
        assert opened(session) == {("access", "refresh")}
        assert rekey.rekey(session, said.append) == {"k2": 2 * ACCOUNTS}, "again, there is nothing to do"
    assert len(said) == 3


def test_cut_off_it_says_where_it_was_and_goes_on_from_there(world, alone):
    with world("k2", "k1") as session:

        def cut_off(message: str) -> None:
            alone.execute("select pg_terminate_backend(%s)", (session.info.backend_pid,))

        with pytest.raises(rekey.RekeyError) as caught:
            rekey.rekey(session, cut_off, batch=20)
    assert str(caught.value).startswith("after 20 accounts: ")
    assert str(caught.value).endswith("; run again, it goes on from there")
    assert dict(alone.execute("select * from private.tokens_by_key()").fetchall()) == {"k1": 80, "k2": 40}
    said: list[str] = []
    with world("k2", "k1") as session:
        assert rekey.rekey(session, said.append) == {"k2": 2 * ACCOUNTS}
        assert opened(session) == {("access", "refresh")}
    assert said == ["40 accounts sealed again"]


def test_accounts_come_and_go_meanwhile_with_old_and_new_rings(world, alone):
    stop = threading.Event()
    problems: list[str] = []

    def signs_in(*names: str) -> None:
        try:
            with world(*names) as session:
                number = 0
                while not stop.is_set():
                    number += 1
                    session.execute(LINK.encode(), (ADA, f"{names} {number}"))
                    session.execute(
                        'delete from authjs.accounts where "providerAccountId" = %s', (f"{names} {number - 2}",)
                    )
                    if "k2" in names:
                        problems.extend(map(str, opened(session) - {("access", "refresh")}))
        except psycopg.Error as error:
            problems.append(str(error))

    threads = [threading.Thread(target=signs_in, args=names) for names in (["k1"], ["k1", "k2"])]
    for thread in threads:
        thread.start()
    with world("k2", "k1") as session:
        found = rekey.rekey(session, lambda message: None, batch=5)
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert found.keys() == {"k2"}


def test_without_the_old_key_it_is_one_line_and_nothing_is_changed(world, alone):
    with world("k2") as session, pytest.raises(rekey.RekeyError) as caught:
        rekey.rekey(session, lambda message: None)
    assert "is sealed with key k1, which this session does not hold" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEYS["k2"].private[-40:] not in str(caught.value)
    assert alone.execute("select * from private.tokens_by_key()").fetchall() == [("k1", 2 * ACCOUNTS)]


def test_what_a_lost_key_sealed_is_given_up_and_the_key_can_go(world, alone):
    with world("k2") as session:
        assert rekey.forget(session, "k1") == ACCOUNTS
        assert opened(session) == {(None, None)}
    alone.execute("delete from private.sealing_keys where id = 'k1'")


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], None]:
    """What `pulumi stack output` answers, for a stack without a server of its own."""

    def answer(status: int, text: str) -> None:
        done = subprocess.CompletedProcess([], status, text, "error: no stack named 'nowhere' found")
        monkeypatch.setattr(rekey.engine, "capture", lambda *arguments: done)
        monkeypatch.setattr(rekey.engine, "require", lambda stack: None)

    monkeypatch.setattr(rekey, "_own", lambda stack: None)
    return answer


def test_a_stack_that_is_not_there_or_not_up_is_one_line(outputs):
    for status, expected in (
        (1, "the outputs of stack nowhere can't be read: error: no stack named 'nowhere' found"),
        (0, "stack nowhere has no output auth_url yet; `make up STACK=nowhere` provisions it"),
    ):
        outputs(status, "{}")
        with pytest.raises(CommandError) as caught:
            rekey.session("nowhere")
        assert str(caught.value) == expected


def test_a_server_that_is_not_there_is_one_line_without_the_key(outputs):
    admin = "postgresql://u:pass@127.0.0.1:1/d"
    outputs(0, json.dumps({"admin_url": admin, "auth_url": f"{admin}?options=-c%20vpb.keys%3Dk1"}))
    for url, place in (
        (None, "database d on 127.0.0.1:1 as u: "),
        ("postgresql://u:pass@127.0.0.1:1/other", "database other on 127.0.0.1:1 as u: "),
        ("postgresql://u:pass@[::1]:1/other", "database other on [::1]:1 as u: "),
    ):
        with pytest.raises(UnreachableError) as caught:
            rekey.session("dev", url)
        said = str(caught.value)
        assert said.startswith(place)
        assert said.endswith("; check that it runs and that the login is right")
        assert "pass" not in said
        assert "k1" not in said


def test_a_url_that_is_none_is_one_line_without_it(outputs):
    outputs(1, "")
    with pytest.raises(rekey.RekeyError) as caught:
        rekey.session("dev", "geheim", keyless=True)
    assert str(caught.value).startswith("--url must be postgresql://user:password@host:port/database: ")
    assert "geheim" not in str(caught.value)


def test_what_a_url_says_of_its_session_is_kept_beside_the_keys(outputs, world, provisioned_database):
    url = provisioned_database.url
    outputs(0, json.dumps({"admin_url": url, "auth_url": f"{url}?options=-c%20vpb.keys%3Dk1"}))
    with rekey.session("dev", f"{url}?options=-c%20app.of_url%3Dkept") as session:
        names = ("app.of_url", "vpb.keys", "lock_timeout")
        shown = [session.execute("select current_setting(%s)", (name,)).fetchone() for name in names]
    assert shown == [("kept",), ("k1",), ("5s",)]


def test_a_lost_key_needs_no_outputs_where_the_login_is_given(outputs, world, provisioned_database):
    outputs(1, "")
    with rekey.session("dev", provisioned_database.url, keyless=True) as session:
        assert rekey.forget(session, "k1") == ACCOUNTS
