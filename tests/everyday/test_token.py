"""Tokens are made for people who are there, signed with the stack's secret, or one that is handed over out of sight."""

from pathlib import Path

import psycopg
import pytest

from declared import connectionurl, tokens
from ops import __main__ as ops
from run import engine
from targets import Api, target
from tests.sql import provision
from tests.sql.provision import ADA, BOB

SECRET = "made-up-and-long-enough-for-an-hmac-of-256-bits"
OTHER = "another-secret-that-is-long-enough-for-an-hmac"


class Here:
    """What is asked of a target that serves an API."""

    can = target.Can(guardduty=False, test_signatures=True, make_server=False, serve_api=True)
    served: Api | None = Api("http://127.0.0.1:1", "anon", "service", SECRET)

    def api(self, stack: str) -> Api | None:
        return self.served


class Elsewhere:
    """And of one that serves none."""

    can = target.Can(guardduty=False, test_signatures=False, make_server=False)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "require", lambda stack: None)
    monkeypatch.setattr(engine, "target", lambda stack: Here())
    monkeypatch.delenv("SUPABASE_JWT_SECRET", raising=False)


@pytest.fixture
def people(here: None, provisioned_database, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with Ada, and Bob who has left."""
    with psycopg.connect(provisioned_database.url, autocommit=True) as connection:
        provision.add_people(connection)
        connection.execute("delete from next_auth.users where id = %s", (BOB,))
    monkeypatch.setattr(engine, "own_parameters", lambda stack: connectionurl.parse(provisioned_database.url))
    return provisioned_database.url


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = ops.main(["token", *words])
    said = capsys.readouterr()
    return status, said.out.removesuffix("\n"), said.err


def test_a_person_is_named_by_id_or_address_and_has_to_be_there(capsys, people):
    for named in (ADA, ADA.upper(), "ADA@example.org"):
        status, said, error = run(capsys, "--as", named, "--expires", "90s")
        assert (status, error) == (0, "")
        found = tokens.claims(SECRET, said)
        assert (found["sub"], found["role"], found["exp"] - found["iat"]) == (ADA, "authenticated", 90)
    for named in (BOB, "bob@example.org", "00000000-0000-7000-8000-0000000000ff"):
        status, said, error = run(capsys, "--as", named)
        assert (status, said) == (1, "")
        assert error.startswith(f"error: stack dev: there is no person {named}; ")


def test_a_role_is_no_person(capsys, here):
    status, said, _ = run(capsys, "--role", "service_role")
    assert status == 0
    assert {name: value for name, value in tokens.claims(SECRET, said).items() if name in ("role", "sub")} == {
        "role": "service_role"
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a person by --as or a role by --role"),
        (["--as", ADA, "--role", "anon"], "name a person by --as or a role by --role"),
        (["--as", "ada"], "--as takes a person's id, which is a UUID, or address, not 'ada'"),
        (["--as", ""], "--as takes a person's id, which is a UUID, or address, not ''"),
        (["--as", "a\x1b[2J@example.org"], "address, not 'a\\x1b[2J@example.org'"),
        (["--as", "\udcff@example.org"], "address, not '\\udcff@example.org'"),
        (["--role", "anon", "--expires", "soon"], "--expires is 'soon'; allowed is a time such as 90s, 15m, 1h or 30d"),
        (["--role", "anon", "--expires", "366d"], "--expires is '366d'"),
        (["--role", "storage_service"], "'storage_service' is not one of 'anon', 'service_role'"),
    ],
)
def test_what_names_nobody_is_refused(capsys, here, words, said):
    status, out, error = run(capsys, *words)
    assert (status, out, said in error) == (1, "", True), error


def test_elsewhere_the_secret_comes_by_a_file_or_a_variable(capsys, here, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(engine, "target", lambda stack: Elsewhere())
    status, said, error = run(capsys, "--role", "anon")
    assert (status, said) == (1, "")
    assert error == (
        "error: stack dev has no API on this machine: give the secret of the project's tokens in the variable "
        "SUPABASE_JWT_SECRET, or its file by --jwt-secret-file\n"
    )
    file = tmp_path / "secret"
    file.write_text(f"{OTHER}\n")
    assert tokens.claims(OTHER, run(capsys, "--role", "anon", "--jwt-secret-file", str(file))[1])["role"] == "anon"
    monkeypatch.setenv("SUPABASE_JWT_SECRET", SECRET)
    assert tokens.claims(SECRET, run(capsys, "--role", "anon")[1])["role"] == "anon"
    file.write_text("short")
    status, said, error = run(capsys, "--role", "anon", "--jwt-secret-file", str(file))
    assert (status, said, "has fewer than 32 bytes" in error, "short" in error) == (1, "", True, False)
    missing = run(capsys, "--role", "anon", "--jwt-secret-file", str(tmp_path / "none"))
    assert (missing[0], missing[2].count("\n")) == (1, 1)


def test_a_stack_without_its_api_says_what_starts_it(capsys, here, monkeypatch):
    monkeypatch.setattr(Here, "served", None)
    assert "set database:api and run up, or give the secret" in run(capsys, "--role", "anon")[2]
