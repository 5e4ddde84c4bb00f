"""A known secret, driven through every path that could let it out: answers, messages, logs, the server's own views."""

import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from declared import connectionurl
from harness.engine import CheckRefusal, Engine, Refusal
from plugin.proto import provider_pb2
from plugin.wire import decode
from provider.errors import one_line
from provider.resources.password import scram_verifier
from tests.provider.world import World, marked_secret

ROLE = "pg:index:Role"
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def secret() -> str:
    """Made at run time, so that no file of the checkout holds it."""
    return "-".join(["open", "sesame", secrets.token_hex(8)])


def role(world: World, **more: Any) -> dict[str, Any]:
    return {"name": world.names["made"], "login": True, **more}


def test_a_password_reaches_the_server_as_a_verifier_only(plain_world, cluster):
    """The server logs every statement here, as `log_statement = all` does in many places."""
    world = plain_world
    world.sql("alter role {superuser} set log_statement = 'all'".replace("{superuser}", world.database.user))
    seen: list[str] = []
    done = threading.Event()

    def watch() -> None:
        with psycopg.connect(world.database.url, autocommit=True) as connection:
            while not done.is_set():
                seen.extend(text for (text,) in connection.execute("select query from pg_stat_activity") if text)
                time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        engine = world.second_engine()
        password = engine.create("pg:index:Password", {})
        known = password.state["password"]
        thing = engine.create(ROLE, role(world, verifier=password.state["verifier"]))
        rotated = engine.update(password, {"rotation": "2"})
        thing = engine.update(thing, role(world, verifier=rotated.state["verifier"]))
        engine.refresh(thing)
        engine.delete(thing)
        engine.close()
    finally:
        done.set()
        watcher.join()
        world.sql("alter role {superuser} reset all".replace("{superuser}", world.database.user))
    with psycopg.connect(cluster.server.url()) as connection:
        folder = connection.execute("show data_directory").fetchall()[0]
    log = Path(folder[0], "server.log").read_text(errors="replace")
    assert "SCRAM-SHA-256$4096:" in log, "the statements were logged, or this test proves nothing"
    for sent in (known, rotated.state["password"]):
        assert sent not in log
        assert not [query for query in seen if sent in query]
    assert not [line for line in engine.messages if "SCRAM" in line], "the user isn't told verifiers either"


def test_every_answer_marks_password_and_verifier_as_secret(plain_world, secret):
    engine = plain_world.engine
    made = engine.run(engine.call("Create", provider_pb2.CreateRequest(urn=engine.urn("pg:index:Password"))))
    assert decode(made.properties).secrets == {"password", "verifier"}
    verifier = scram_verifier(secret, b"0" * 16)
    checked = engine.checked(ROLE, role(plain_world, verifier=verifier))
    assert marked_secret(checked, "verifier"), "given as plain text, it is a secret all the same"
    thing = engine.create(ROLE, role(plain_world, verifier=verifier))
    assert thing.secrets == {"verifier"}
    found = engine.refresh(thing)
    assert found is not None
    assert found.secrets == {"verifier"}
    imported = engine.bring_in(ROLE, thing.id)
    assert imported is not None
    assert imported.secrets == {"verifier"}


def test_a_password_given_as_a_verifier_is_refused_without_being_shown(unconnected, secret):
    with pytest.raises(CheckRefusal) as caught:
        unconnected.check(ROLE, {"name": "somebody", "verifier": secret})
    assert "a password is never sent" in str(caught.value)
    assert secret not in str(caught.value)
    with pytest.raises(CheckRefusal) as caught:
        unconnected.check(ROLE, {"name": "somebody", "verifier": [secret]})
    assert secret not in str(caught.value)


def test_a_changed_verifier_is_reported_without_either_of_them(plain_world, secret):
    verifiers = [scram_verifier(secret, bytes([number] * 16)) for number in range(2)]
    thing = plain_world.engine.create(ROLE, role(plain_world, verifier=verifiers[0]))
    plain_world.sql(f"alter role {{made}} password '{verifiers[1]}'")
    plain_world.engine.refresh(thing)
    assert plain_world.engine.reported() == [f"role {plain_world.names['made']}: verifier was changed manually"]


def test_an_error_of_the_server_does_not_repeat_the_statement(plain_world, secret, capfd):
    verifier = scram_verifier(secret, b"0" * 16)
    engine = plain_world.engine
    broken = role(plain_world, verifier=verifier, settings={"no_such_setting": "1"})
    with pytest.raises(Refusal) as caught:
        engine.create(ROLE, broken)
    assert "\n" not in str(caught.value)
    assert verifier not in str(caught.value)
    out = capfd.readouterr()
    assert verifier not in out.out + out.err


def test_the_text_of_a_psycopg_error_which_may_hold_the_statement_is_never_used(plain_world, secret):
    """Trap 10: `str(error)` quotes the line of the statement, and with it a password."""
    with psycopg.connect(plain_world.database.url) as connection, pytest.raises(psycopg.Error) as caught:
        connection.execute(f"alter role nobody pasword '{secret}'".encode())
    assert secret in str(caught.value), "this is the trap"
    assert secret not in str(one_line(caught.value, "role nobody"))


def test_a_parameter_in_a_utility_statement_is_refused_by_the_server(plain_world, secret):
    """Trap 10: hence literals made by psycopg, and a verifier in the place of a password."""
    with psycopg.connect(plain_world.database.url) as connection, pytest.raises(psycopg.errors.SyntaxError):
        connection.execute("alter role current_user password %s", [secret])


@pytest.mark.parametrize("wrong", ["password", "user", "dbname"])
def test_a_refused_login_is_one_line_without_the_password(plain_world, secret, capfd, wrong):
    login = {**connectionurl.parse(plain_world.login["url"]), wrong: secret}
    engine = Engine().configure({"url": connectionurl.compose(login)})
    with pytest.raises(Refusal) as caught:
        engine.bring_in(ROLE, "anybody")
    engine.close()
    said, out = str(caught.value), capfd.readouterr()
    assert "check that the server runs and that the login is right" in said
    assert "\n" not in said
    password = login["password"]
    assert password not in said + out.out + out.err + "".join(engine.messages)


def test_a_server_that_is_not_there_is_one_line(secret):
    engine = Engine().configure({"url": f"postgresql://u:{secret}@127.0.0.1:1/postgres"})
    with pytest.raises(Refusal) as caught:
        engine.bring_in(ROLE, "anybody")
    engine.close()
    assert str(caught.value).startswith("database postgres on 127.0.0.1:1 as u: ")
    assert "\n" not in str(caught.value)
    assert secret not in str(caught.value)


def test_an_error_of_ours_shows_neither_text_nor_frames_on_any_path(plain_world, secret, capfd, monkeypatch):
    async def fails(*arguments):
        raise ValueError(secret)

    engine = plain_world.engine
    monkeypatch.setattr(type(engine.plugin.kinds[ROLE]), "find", fails)
    with pytest.raises(Refusal) as caught:
        engine.create(ROLE, role(plain_world))
    out = capfd.readouterr()
    assert secret not in str(caught.value) + out.out + out.err
    assert "Traceback" not in out.err


def test_the_plugin_process_writes_no_secret_anywhere(plain_world, secret):
    """The real process: port on standard output, and nothing on standard error that the engine would show."""
    import grpc

    from plugin.proto import provider_pb2_grpc
    from plugin.wire import encode

    login = {**connectionurl.parse(plain_world.login["url"]), "password": secret}
    process = subprocess.Popen(
        [sys.executable, "-m", "provider"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ},
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = provider_pb2_grpc.ResourceProviderStub(channel)
            stub.Configure(provider_pb2.ConfigureRequest(args=encode({"url": connectionurl.compose(login)})))
            request = provider_pb2.ReadRequest(urn=plain_world.engine.urn(ROLE), id="anybody")
            with pytest.raises(grpc.RpcError) as caught:
                stub.Read(request)
        assert "authentication failed" in caught.value.details()
        assert secret not in str(caught.value)
    finally:
        process.kill()
        out, error = process.communicate()
    assert secret not in out + error
    assert error == ""


def test_a_rotation_keeps_open_sessions_and_takes_the_old_password_from_new_ones(plain_world):
    """A pool goes on with what it has, and logs in with the new password when it next has to."""
    world, engine = plain_world, plain_world.engine

    def log_in(password: str) -> psycopg.Connection[Any]:
        user = world.names["made"]
        return psycopg.connect(world.database.url, user=user, password=password, autocommit=True)

    password = engine.create("pg:index:Password", {})
    thing = engine.create(ROLE, role(world, verifier=password.state["verifier"]))
    world.sql(f"grant connect on database {world.database.name} to {{made}}")
    first = password.state["password"]
    with log_in(first) as session:
        rotated = engine.update(password, {"rotation": "2"})
        second = rotated.state["password"]
        assert second != first
        assert rotated.state["verifier"] != password.state["verifier"]
        thing = engine.update(thing, role(world, verifier=rotated.state["verifier"]))
        assert session.execute("select current_user").fetchone() == (world.names["made"],)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            log_in(first)
        with log_in(second) as fresh:
            assert fresh.execute("select 1").fetchone() == (1,)
    engine.delete(thing)
