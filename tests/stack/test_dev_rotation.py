"""Passwords and sealing keys change as the cookbook says, through the real engine, while clients go on all the time.

What a rotation does to each login is in tests/sql/test_rotation.py; of keys, tests/sql/test_sealed_tokens.py,
test_rekey.py and, where they were lost with the state, test_restore.py.
"""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from harness.checkout import Scratch
from tests.stack.conftest import succeeded
from tests.stack.pages import Followed

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]
LOGINS = {"api_url": "authenticator", "auth_url": "authjs", "storage_url": "supabase_storage_admin"}
LINK = (
    'insert into accounts ("userId", provider, type, "providerAccountId", access_token) '
    "values (%s, 'github', 'oidc', %s, %s)"
)
READ = 'select access_token from accounts order by "providerAccountId"'


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


@contextlib.contextmanager
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


def private_keys(url: str) -> dict[str, str]:
    """The keys in a connection URL, by name."""
    setting = parse_qs(urlsplit(url).query)["options"][0].removeprefix("-c vpb.keys=")
    return dict(entry.split(":") for entry in setting.split(","))


def link(url: str, number: str) -> None:
    """The app links an account of the one person there is."""
    with psycopg.connect(url) as connection:
        person = connection.execute("select id from users").fetchone()
        assert person
        connection.execute(LINK, (person[0], number, f"token-{number}"))


def tokens(url: str) -> list[str | None]:
    with psycopg.connect(url) as connection:
        return [token for (token,) in connection.execute(READ)]


def test_passwords_and_keys_change_while_clients_go_on_with_the_urls_that_they_have(dev):
    recipe = Followed(dev, "Rotate passwords and keys")
    dev.sql("insert into next_auth.users (name) values ('Ada')")
    old = urls(dev)
    link(old["auth_url"], "1")
    with connecting(old["api_url"], LOGINS["api_url"]) as api, connecting(old["auth_url"], LOGINS["auth_url"]) as auth:
        begun = recipe.to("./vpb rotate")
        time.sleep(0.5)
        assert "Old and new URLs log in." in begun
        assert (set(api), set(auth)) == ({"good"}, {"good"})
        assert min(len(api), len(auth)) > 100
    new = urls(dev)
    for output, role in LOGINS.items():
        assert (who(old[output]), who(new[output])) == ((role, role), (f"{role}_2", role))
    assert passwords(old).isdisjoint(passwords(new))
    # Everybody has been given the new key before anything is sealed with it.
    assert dev.sql("select access_token like 'pgp:k1:%' from next_auth.accounts") == [(True,)]
    assert private_keys(new["auth_url"]).keys() == {"k1", "k2"}

    recipe.to("./vpb up")
    link(old["auth_url"], "2")
    link(new["auth_url"], "3")
    assert tokens(new["auth_url"]) == ["token-1", "token-2", "token-3"]
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="sealed with key k2"):
        tokens(old["auth_url"])
    resealed = recipe.to("./vpb rekey")
    assert dev.sql("select distinct substr(access_token, 1, 7) from next_auth.accounts") == [("pgp:k2:",)]
    with psycopg.connect(old["monitor_url"], application_name="metrics") as monitor:
        status = recipe.to("./vpb status")
        assert "2 and 1 are open, sessions of the old one: monitor 1 (metrics);" in status
        refused = dev.start("rotate", "--finish").wait()
        assert refused.status == 1
        assert "the old logins have sessions: monitor 1 (metrics)" in refused.last_line
        monitor.execute("select 1")
    assert dev.start("audit", "--fail-on", "low").wait().status == 0

    with connecting(new["api_url"], LOGINS["api_url"]) as api:
        finished = recipe.to("./vpb rotate --finish")
        assert "The old passwords log in no more." in finished
        assert set(api) == {"good"}
    for output, role in LOGINS.items():
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(old[output])
        assert who(new[output]) == (f"{role}_2", role)
    recipe.to("(umask 077; ./vpb env")
    assert recipe.ended()
    last = urls(dev)
    assert passwords(last) == passwords(new)
    assert private_keys(last["auth_url"]) == {"k2": private_keys(new["auth_url"])["k2"]}, "the same key of that name"
    assert tokens(last["auth_url"]) == tokens(new["auth_url"]) == ["token-1", "token-2", "token-3"]
    said = begun + resealed + status + refused.output + finished
    assert not [secret for secret in passwords(old) | passwords(new) if secret in said]


def test_no_private_key_and_no_token_lies_in_a_file(dev):
    dev.sql("checkpoint")
    secrets = [key.encode()[-60:] for key in private_keys(urls(dev)["auth_url"]).values()] + [b"token-1"]
    found, read = [], set()
    for path in [*(dev.folder / ".local").rglob("*"), *dev.data.rglob("*")]:
        # A running server makes and removes files of its own.
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            content = path.read_bytes()
            read.add(path)
            found += [path for secret in secrets if secret in content]
    assert found == []
    assert {dev.checkpoint, dev.data / "server.log"} <= read
