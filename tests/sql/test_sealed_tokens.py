"""Tokens of providers in next_auth.accounts: ciphertext where they lie, plain for Auth.js' login with the keys."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from provider import openpgp
from tests.sql.provision import ADA, BOB, Connection, acting_as, refused, row

KEYS = {name: openpgp.generate() for name in ("k1", "k2", "stranger")}
TOKENS = {"refresh_token": "refresh-7f3a", "access_token": "access-7f3a", "id_token": "id-7f3a"}
OAUTH1 = {"oauth_token": "oauth-7f3a", "oauth_token_secret": "secret-7f3a"}
INSERT = (
    'insert into accounts ("userId", provider, type, "providerAccountId", access_token, refresh_token, id_token) '
    "values (%s, 'github', 'oidc', %s, %s, %s, %s) returning *"
)
MISSING, DAMAGED = psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.DataCorrupted


def ring(*names: str, **others: str) -> str:
    """The setting that a session brings, with keys under their own names or others'."""
    keys = {name: KEYS[name].private for name in names} | {name: KEYS[key].private for name, key in others.items()}
    return ",".join(f"{name}:{key}" for name, key in keys.items())


def put_keys(connection: Connection, *names: str) -> None:
    """The keys of the database, the first one sealing."""
    with connection.transaction():
        for position, name in enumerate(names):
            connection.execute(
                "insert into private.sealing_keys (id, position, public_key) values (%s, %s, decode(%s, 'base64')) "
                "on conflict (id) do update set position = excluded.position",
                (name, position, KEYS[name].public),
            )


@contextmanager
def signing_in(connection: Connection, keys: str | None = None) -> Iterator[Connection]:
    """A session of Auth.js' login, with keys or without."""
    with acting_as(connection, "authjs") as session:
        session.execute("set local search_path = authjs")
        if keys is not None:
            session.execute("select set_config('vpb.keys', %s, true)", (keys,))
        yield session


def link(session: Connection, number: str = "1", person: str = ADA, **tokens: Any) -> Any:
    """An account, linked as the adapter does it; its row as it came back."""
    given = TOKENS | tokens
    values = (person, number, given["access_token"], given["refresh_token"], given["id_token"])
    with session.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(INSERT.encode(), values).fetchone()


def stored(connection: Connection, number: str = "1") -> dict[str, Any]:
    """The row as it lies in the table."""
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        found = cursor.execute('select * from next_auth.accounts where "providerAccountId" = %s', (number,)).fetchone()
    assert found
    return found


@pytest.fixture
def sealing(people: Connection) -> Connection:
    """Ada and Bob in a database with one key."""
    put_keys(people, "k1")
    return people


@pytest.fixture
def linked(sealing: Connection) -> Connection:
    """The same with an account of Ada's, made by the app's server."""
    sealing.execute(
        'insert into next_auth.accounts ("userId", provider, type, "providerAccountId", refresh_token, access_token, '
        "id_token, oauth_token, oauth_token_secret) "
        "values (%s, 'github', 'oidc', '1', %s, %s, %s, %s, %s)",
        (ADA, *TOKENS.values(), *OAUTH1.values()),
    )
    return sealing


def test_tokens_lie_sealed_and_come_back_plain(sealing):
    with signing_in(sealing, ring("k1")) as session:
        returned = link(session)
        read = session.execute("select access_token, refresh_token, id_token from accounts").fetchone()
        assert read == (TOKENS["access_token"], TOKENS["refresh_token"], TOKENS["id_token"])
        session.execute("reset role")
        lying = stored(session)
    assert {name: returned[name] for name in TOKENS} == TOKENS
    for name, token in TOKENS.items():
        assert re.fullmatch(r"pgp:k1:[A-Za-z0-9+/]+=*", lying[name]), lying[name]
        assert token not in lying[name]
    assert len({lying[name] for name in TOKENS}) == 3


def test_linking_and_unlinking_need_no_key_and_reading_what_is_no_token_neither(sealing):
    with signing_in(sealing) as session:
        assert link(session)["access_token"] == TOKENS["access_token"]
        found = session.execute('select u.name from users u join accounts a on a."userId" = u.id').fetchall()
        assert found == [("Ada",)]
        assert row(session, "select count(*) from accounts") == (1,)
        assert session.execute("delete from accounts where provider = 'github'").rowcount == 1


def test_the_apps_servers_seal_without_a_key_and_read_ciphertext(sealing):
    with acting_as(sealing, "service_role") as session:
        session.execute(
            'insert into next_auth.accounts ("userId", provider, type, "providerAccountId", oauth_token, '
            "oauth_token_secret) values (%s, 'x', 'oauth', '1', %s, %s)",
            (ADA, *OAUTH1.values()),
        )
        lying = stored(session)
        assert all(lying[name].startswith("pgp:k1:") for name in OAUTH1)
        assert lying["access_token"] is None
        session.execute("update next_auth.accounts set access_token = 'new', expires_at = 1")
        later = stored(session)
    assert later["access_token"].startswith("pgp:k1:")
    assert later["oauth_token"] == lying["oauth_token"], "what didn't change stays as it is"


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        (None, MISSING, "accounts.access_token is sealed with key k1, which this session does not hold"),
        ("", MISSING, "accounts.access_token is sealed with key k1, which this session does not hold"),
        (ring("k2"), MISSING, "accounts.access_token is sealed with key k1, which this session does not hold"),
        (ring(k1="stranger"), DAMAGED, "accounts.access_token does not open with the key k1 of this session"),
        ("k1:AAAA", DAMAGED, "accounts.access_token does not open with the key k1 of this session"),
        ("k1:A", DAMAGED, "accounts.access_token does not open with the key k1 of this session"),
    ],
    ids=["none", "empty", "another", "wrong", "no key", "no base64"],
)
def test_a_missing_or_wrong_key_is_one_clear_line(linked, keys, error, message):
    with signing_in(linked, keys) as session:
        with pytest.raises(error) as caught, session.transaction():
            session.execute("select access_token from accounts")
        assert caught.value.diag.message_primary == message
        assert caught.value.diag.message_hint
        said = str(caught.value)
        for secret in (*TOKENS.values(), *(key for part in (keys or "").split(",") if len(key := part[3:]) > 1)):
            assert secret not in said
        assert row(session, "select provider, scope from accounts") == ("github", None)


def test_damaged_ciphertext_is_said_to_be(linked):
    damaged = "overlay(access_token placing 'AAAA' from 600 for 4)"
    with acting_as(linked, "app_owner") as owner:
        owner.execute(f"update next_auth.accounts set access_token = {damaged}".encode())
        owner.execute("select set_config('vpb.keys', %s, true), set_config('role', 'authjs', true)", (ring("k1"),))
        said = refused(owner, DAMAGED, "select access_token from authjs.accounts")
    assert "does not open" in said


@pytest.mark.parametrize("value", ["pgp:k1:AAAA", "pgp:k9:AAAA", "pgp:", "pgp::", "", " ", "pgp:k1:" + "é" * 9])
def test_a_token_that_only_looks_sealed_is_sealed_like_any_other(sealing, value):
    with signing_in(sealing, ring("k1")) as session:
        link(session, access_token=value)
        assert row(session, "select access_token from accounts") == (value,)


def test_a_sealed_value_that_is_copied_by_a_client_comes_back_as_it_was_copied(linked):
    """Nobody gets another person's token opened by putting its ciphertext into an account of their own."""
    ciphertext = stored(linked)["access_token"]
    with signing_in(linked, ring("k1")) as session:
        link(session, "2", BOB, access_token=ciphertext)
        assert row(session, "select access_token from accounts where \"providerAccountId\" = '2'") == (ciphertext,)


@pytest.mark.parametrize("move", ["refresh_token = access_token", "id = private.uuid_v7()"])
def test_a_sealed_value_that_is_moved_past_the_trigger_does_not_open(linked, move):
    with acting_as(linked, "app_owner") as owner:
        owner.execute(f"update next_auth.accounts set {move}".encode())
        owner.execute("select set_config('vpb.keys', %s, true), set_config('role', 'authjs', true)", (ring("k1"),))
        said = refused(owner, DAMAGED, "select refresh_token from authjs.accounts")
    assert "was sealed for another row or column" in said


def test_the_id_that_tokens_are_sealed_to_cannot_change(linked):
    with acting_as(linked, "service_role") as session:
        said = refused(
            session, psycopg.errors.RestrictViolation, "update next_auth.accounts set id = gen_random_uuid()"
        )
    assert "its tokens are sealed to it" in said


@pytest.mark.parametrize("token", [None, "x", "ü" * 5000, "e" * 16 * 1024])
def test_tokens_of_any_length_and_none_go_in_and_come_out(sealing, token):
    with signing_in(sealing, ring("k1")) as session:
        assert link(session, id_token=token)["id_token"] == token
        assert row(session, "select id_token from accounts") == (token,)


def test_what_was_here_before_the_first_key_is_read_as_it_is_and_sealed_by_rekey(people):
    people.execute(
        'insert into next_auth.accounts ("userId", provider, type, "providerAccountId", access_token) '
        "values (%s, 'github', 'oidc', '1', 'old')",
        (ADA,),
    )
    assert stored(people)["access_token"] == "old"
    put_keys(people, "k1")
    assert row(people, "select * from private.tokens_by_key()") == ("", 1)
    with signing_in(people, ring("k1")) as session:
        assert row(session, "select access_token from accounts") == ("old",)
    resealed = row(people, "select resealed from private.reseal_accounts('00000000-0000-0000-0000-000000000000', 9)")
    assert resealed == (1,)
    assert row(people, "select * from private.tokens_by_key()") == ("k1", 1)
    with signing_in(people, ring("k1")) as session:
        assert row(session, "select access_token from accounts") == ("old",)


def test_without_any_key_there_is_nothing_to_rekey_with(people):
    said = refused(people, MISSING, "select * from private.reseal_accounts('00000000-0000-0000-0000-000000000000', 9)")
    assert "there is no key to seal with" in said


def test_old_and_new_rings_write_and_read_side_by_side_while_keys_change(sealing):
    """Rotation without downtime: first everybody holds both keys, then the new one seals, then the old one goes."""
    old, both, new = ring("k1"), ring("k1", "k2"), ring("k2")

    def written_by(keys: str, number: str) -> None:
        sealing.execute("select set_config('vpb.keys', %s, false), set_config('role', 'authjs', false)", (keys,))
        sealing.execute("set search_path = authjs")
        link(sealing, number)
        sealing.execute("reset role; set search_path = ''; reset vpb.keys")

    def read_by(keys: str) -> list[str]:
        with signing_in(sealing, keys) as session:
            return [token for (token,) in session.execute("select access_token from accounts")]

    written_by(old, "1")
    put_keys(sealing, "k1", "k2")
    written_by(both, "2")
    written_by(old, "3")
    assert len(read_by(old)) == len(read_by(both)) == 3
    put_keys(sealing, "k2", "k1")
    written_by(old, "4")
    written_by(both, "5")
    assert stored(sealing, "4")["access_token"].startswith("pgp:k2:"), "who writes needs no key at all"
    assert read_by(both) == [TOKENS["access_token"]] * 5
    said = refused(sealing, psycopg.errors.RestrictViolation, "delete from private.sealing_keys where id = 'k1'")
    assert "key k1 still seals 9 tokens" in said
    sealing.execute("select set_config('vpb.keys', %s, true)", (both,))
    sealing.execute("select private.reseal_accounts('00000000-0000-0000-0000-000000000000', 100)")
    assert sealing.execute("select * from private.tokens_by_key()").fetchall() == [("k2", 15)]
    sealing.execute("delete from private.sealing_keys where id = 'k1'")
    assert read_by(new) == read_by(both) == [TOKENS["access_token"]] * 5


def test_rekeying_goes_in_batches_that_pass_over_what_is_done(linked):
    for number in "2345":
        linked.execute(
            'insert into next_auth.accounts ("userId", provider, type, "providerAccountId", access_token) '
            "values (%s, 'github', 'oidc', %s, 'x')",
            (ADA, number),
        )
    put_keys(linked, "k2", "k1")
    linked.execute("select set_config('vpb.keys', %s, true)", (ring("k1", "k2"),))
    batch = "select * from private.reseal_accounts(%s, 2)"
    last, resealed = row(linked, batch, ("00000000-0000-0000-0000-000000000000",))
    assert resealed == 2
    # Killed here, it begins again.
    again, resealed = row(linked, batch, ("00000000-0000-0000-0000-000000000000",))
    assert (again, resealed) == (last, 0)
    assert row(linked, batch, (last,))[1] == 2
    assert row(linked, "select tokens from private.tokens_by_key() where key = 'k1'") == (1,)


def test_a_rekey_without_the_old_key_changes_nothing(linked):
    put_keys(linked, "k2", "k1")
    linked.execute("select set_config('vpb.keys', %s, true)", (ring("k2"),))
    said = refused(
        linked, MISSING, "select * from private.reseal_accounts('00000000-0000-0000-0000-000000000000', 100)"
    )
    assert "which this session does not hold" in said
    assert linked.execute("select * from private.tokens_by_key()").fetchall() == [("k1", 5)]


def test_what_a_lost_key_has_sealed_can_be_emptied_and_nothing_else(linked):
    put_keys(linked, "k2", "k1")
    linked.execute(
        'insert into next_auth.accounts ("userId", provider, type, "providerAccountId", access_token) '
        "values (%s, 'github', 'oidc', '2', 'kept')",
        (ADA,),
    )
    linked.execute("update next_auth.accounts set access_token = 'new' where \"providerAccountId\" = '1'")
    assert row(linked, "select private.forget_sealed('k1')") == (1,)
    left = {name: stored(linked)[name] for name in (*TOKENS, *OAUTH1)}
    assert left.pop("access_token").startswith("pgp:k2:")
    assert set(left.values()) == {None}
    assert stored(linked, "2")["access_token"].startswith("pgp:k2:")
    linked.execute("delete from private.sealing_keys where id = 'k1'")


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role", "authjs", "monitor"])
def test_nobody_but_the_owner_sees_or_changes_keys_or_calls_what_opens(linked, role):
    with acting_as(linked, role) as session:
        for statement in (
            "select * from private.sealing_keys",
            "update private.sealing_keys set public_key = ''",
            "select private.unsealed(null, '', '')",
            "select private.reseal_accounts(null, 1)",
            "select private.forget_sealed('k1')",
            "select * from private.tokens_by_key()",
        ):
            refused(session, psycopg.errors.InsufficientPrivilege, statement)


def test_a_failing_row_shows_its_tokens_sealed(sealing):
    """A constraint's detail repeats the row, and goes to the log as well."""
    columns = 'provider, type, "providerAccountId", access_token'
    statement = f"insert into next_auth.accounts ({columns}) values ('g', null, '1', %s)"
    with pytest.raises(psycopg.errors.NotNullViolation) as caught, sealing.transaction():
        sealing.execute(statement.encode(), ("access-7f3a",))
    assert "pgp:k1:" in str(caught.value.diag.message_detail)
    assert "access-7f3a" not in str(caught.value)
