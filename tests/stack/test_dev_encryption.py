"""Sealing keys through the real engine: made, changed without downtime, not let go while they are needed."""

import contextlib
import json
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from harness.checkout import Finished, Scratch
from tests.stack.conftest import succeeded

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("dev")]

LINK = (
    'insert into accounts ("userId", provider, type, "providerAccountId", access_token) '
    "values (%s, 'github', 'oidc', %s, %s)"
)
READ = 'select access_token from accounts order by "providerAccountId"'


def auth_url(scratch: Scratch) -> str:
    answer = scratch.pulumi("stack", "output", "--json", "--show-secrets")
    return str(json.loads(answer.output)["auth_url"])


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


def use_keys(scratch: Scratch, *names: str) -> Finished:
    """`up` with another list of keys."""
    (scratch.folder / f"Pulumi.{scratch.stack}.yaml").write_text(
        f"config:\n  database:target: local\n  database:encryptionKeys: [{', '.join(names)}]\n"
    )
    return scratch.up()


def test_keys_change_while_apps_go_on_with_the_url_they_have(dev):
    dev.sql("insert into next_auth.users (name) values ('Ada')")
    first = auth_url(dev)
    link(first, "1")
    assert dev.sql("select access_token like 'pgp:k1:%' from next_auth.accounts") == [(True,)]
    assert tokens(first) == ["token-1"]

    # Everybody is given the new key before anything is sealed with it.
    succeeded(use_keys(dev, "k1", "k2"))
    both = auth_url(dev)
    succeeded(use_keys(dev, "k2", "k1"))
    link(first, "2")
    link(both, "3")
    assert tokens(both) == ["token-1", "token-2", "token-3"]
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="sealed with key k2"):
        tokens(first)

    # A key that is still needed stays, with its private key.
    refused = use_keys(dev, "k2")
    assert refused.status == 1
    assert "key k1 still seals 1 tokens; run `./vpb rekey` first" in refused.output
    assert "Traceback" not in refused.output
    sealed = dev.start("rekey", "--json").wait()
    assert json.loads(succeeded(sealed).splitlines()[-1]) == {"k2": 3}
    succeeded(use_keys(dev, "k2"))
    last = auth_url(dev)
    assert private_keys(last).keys() == {"k2"}
    assert private_keys(last)["k2"] == private_keys(both)["k2"], "the same key, not another of its name"
    assert tokens(last) == tokens(both) == ["token-1", "token-2", "token-3"]


def test_no_private_key_and_no_token_lies_in_a_file(dev):
    dev.sql("checkpoint")
    secrets = [key.encode()[-60:] for key in private_keys(auth_url(dev)).values()] + [b"token-1"]
    found, read = [], set()
    for path in [*(dev.folder / ".local").rglob("*"), *dev.data.rglob("*")]:
        # A running server makes and removes files of its own.
        with contextlib.suppress(FileNotFoundError, IsADirectoryError):
            content = path.read_bytes()
            read.add(path)
            found += [path for secret in secrets if secret in content]
    assert found == []
    assert {dev.checkpoint, dev.data / "server.log"} <= read


def test_keys_that_were_lost_with_the_state_are_not_replaced_in_silence(dev):
    dev.checkpoint.unlink()
    for path in dev.checkpoint.parent.glob(f"{dev.checkpoint.stem}*"):
        path.unlink()
    refused = dev.up()
    assert refused.status == 1
    assert "[k2] seals 3 tokens here and isn't the declared key" in refused.output
    assert "./vpb rekey --forget k2" in refused.output

    asked = dev.start("rekey", "--forget", "k2").wait()
    assert (asked.status, "confirm with --yes" in asked.output) == (1, True)
    assert "gone from 3 accounts" in succeeded(dev.start("rekey", "--forget", "k2", "--yes").wait())
    succeeded(dev.up())
    link(auth_url(dev), "4")
    assert tokens(auth_url(dev)) == [None] * 3 + ["token-4"]
