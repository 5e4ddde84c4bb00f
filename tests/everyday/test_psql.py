"""Which session psql gets, and that its command line has no secret."""

import psycopg
import pytest

from declared import connectionurl
from local import postgres
from ops import __main__ as ops
from ops.errors import CommandError
from ops.everyday import psql
from run import engine

PERSON = "6f1b3a52-6a0e-4c0f-9d7c-0a4b9f6d1e2f"
WHERE = {
    "host": "127.0.0.1",
    "port": "5432",
    "user": "authjs",
    "password": "guess me",
    "dbname": "app",
    "options": "-c vpb.key=secret",
}


def test_what_is_secret_is_in_the_environment_alone():
    words, hidden = psql.command(WHERE, "psql", ["-c", "select 1"])
    assert words == ["psql", "--dbname", "postgresql://authjs@127.0.0.1:5432/app", "-c", "select 1"]
    assert hidden == {"PGPASSWORD": "guess me", "PGOPTIONS": "-c vpb.key=secret"}
    with pytest.raises(CommandError, match=r"^the URL has sslpassword"):
        psql.command({**WHERE, "sslpassword": "x"}, "psql", [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["boss"], "there is no login 'boss'; there are admin, api, auth, "),
        (["--as", "ada"], "--as takes a person's id, which is a UUID, or anon, not 'ada'"),
    ],
)
def test_what_is_not_there_is_one_line(capsys, words, said):
    assert ops.main(["psql", *words]) == 1
    found = capsys.readouterr()
    assert (found.out, found.err.count("\n")) == ("", 1)
    assert found.err.startswith(f"error: {said}")


@pytest.mark.parametrize(
    ("words", "given"),
    [
        ([], (None, None, [])),
        (["api", "-c", "select 1", "-c", "select 2"], ("api", None, ["-c", "select 1", "-c", "select 2"])),
        (["--", "--csv", "-f", "a.sql"], (None, None, ["--csv", "-f", "a.sql"])),
        (["monitor", "--as", "anon", "--", "--csv"], ("monitor", "anon", ["--csv"])),
    ],
)
def test_what_stands_after_the_dashes_is_psqls(monkeypatch, words, given):
    asked = []
    monkeypatch.setattr(psql, "run", lambda stack, *rest: asked.append(rest) or 0)
    assert ops.main(["psql", *words]) == 0
    assert asked == [given]


@pytest.fixture
def session(provisioned_database, monkeypatch, capfd):
    """psql on a database of the test, which stands for the stack's; what it printed, by its lines."""
    login = connectionurl.parse(provisioned_database.url)
    monkeypatch.setattr(engine, "require", lambda stack: None)
    monkeypatch.setattr(psql, "_connection", lambda stack, output: login)
    monkeypatch.setattr(psql, "_program", lambda stack: str(postgres.wheel_binaries() / "psql"))

    def run(*words: str) -> tuple[int, list[str], str]:
        status = ops.main(["psql", *words, "--", "-XAt"])
        said = capfd.readouterr()
        return status, said.out.splitlines(), said.err

    return run


def test_a_person_s_session_is_as_a_request_of_theirs(session, provisioned_database):
    with psycopg.connect(provisioned_database.url, autocommit=True) as connection:
        connection.execute("insert into next_auth.users (id, email) values (%s, 'ada@example.org')", (PERSON,))
    who = "select current_user, auth.uid(), auth.role()"
    assert session("--as", PERSON, "-c", who) == (0, [f"authenticated|{PERSON}|authenticated"], "")
    assert session("--as", PERSON, "-c", "select id from public.users") == (0, [PERSON], "")
    assert session("--as", "anon", "-c", who, "-c", "select count(*) from public.projects") == (
        0,
        ["anon||anon", "0"],
        "",
    )
    assert session("--as", PERSON, "-c", "reset role", "-c", "select current_user") == (
        0,
        ["RESET", "authenticated"],
        "",
    )


def test_a_refused_statement_is_status_1_and_so_is_a_server_that_is_not_there(session, monkeypatch):
    assert session("-c", "select 1/0") == (1, [], "ERROR:  division by zero\n")
    monkeypatch.setattr(psql, "_connection", lambda stack, output: WHERE | {"port": "1"})
    status, printed, said = session("-c", "select 1")
    assert (status, printed) == (1, [])
    last = said.splitlines()[-1]
    assert last == (
        "error: no session in database app on 127.0.0.1:1 as authjs; ./vpb status --stack dev shows what runs"
    )
