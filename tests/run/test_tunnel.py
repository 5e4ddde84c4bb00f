"""The way to a private server by Session Manager: AWS' two programs are doubles, which forward a real port."""

import socket
import time
from pathlib import Path

import psycopg
import pytest

from declared import connectionurl
from declared import tunnel as way
from harness import scratch
from ops import database
from provider.connection import ConnectionInfo
from run import engine, tunnel
from run.state import EngineError
from tests.doubles import sessionmanager

BASTION = "i-0123456789abcdef0"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A search path with both programs alone."""
    folder = tmp_path / "bin"
    for name, value in sessionmanager.install(folder).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(way.VARIABLE, raising=False)
    return folder


def opened(to: tuple[str, int], local: int = 0):
    return tunnel.opened("prod", BASTION, "us-east-1", to, local)


def free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_session_goes_through_under_the_server_s_name_and_the_tunnel_ends_with_the_run(programs, monkeypatch, capsys):
    with scratch.server() as server:
        url = connectionurl.parse(server.url("postgres"))
        to = (url["host"], int(url["port"]))
        with opened(to) as found:
            assert found.local != to[1]
            monkeypatch.setenv(way.VARIABLE, found.text)
            led = way.through(url)
            assert (led["host"], led["hostaddr"], led["port"]) == (to[0], "127.0.0.1", str(found.local))
            assert way.through({**url, "host": "elsewhere"}) == {**url, "host": "elsewhere"}
            assert f":{found.local}/" in ConnectionInfo(url).url, "so do the sessions of the plugin"
            database.connect(connectionurl.compose(url), "test").close()
            with psycopg.connect(connectionurl.compose(led)) as connection:
                assert connection.execute("select 1").fetchone() == (1,)
        assert free(found.local)
    assert capsys.readouterr().err == "", "an end that is meant isn't said"
    asked = (programs / "FAKE_ASKED").read_text()
    assert '[["ssm", "start-session"]' in asked
    assert f'"--target": "{BASTION}", "--document-name": "AWS-StartPortForwardingSessionToRemoteHost"' in asked


@pytest.mark.parametrize("missing", ["aws", "session-manager-plugin"])
def test_a_program_that_is_missing_is_named_with_where_it_is_to_be_had(programs, missing):
    (programs / missing).unlink()
    with pytest.raises(EngineError) as caught, opened(("db", 5432)):
        pass
    said = str(caught.value)
    assert said.startswith(f"stack prod: server:reach is tunnel, and {missing} isn't installed here: https://docs.aws")


def test_a_port_that_is_taken_is_refused_before_a_session_is_opened(programs):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(EngineError, match=f"^stack prod: port {port} of this machine is taken; set server:local"):
            with opened(("db", 5432), port):
                pass
    assert not (programs / "FAKE_ASKED").exists()


def test_what_aws_refuses_is_said_in_its_own_words(programs, monkeypatch):
    monkeypatch.setenv("FAKE_REFUSES", "1")
    with pytest.raises(EngineError) as caught, opened(("db", 5432)):
        pass
    assert str(caught.value).startswith(f"stack prod: there is no session to {BASTION}: An error occurred (TargetNotCo")


def test_a_session_that_ends_in_the_middle_is_said_at_once(programs, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        with opened(server.getsockname()[:2]) as found:
            (programs / "FAKE_ENDS").touch()
            until, said = time.monotonic() + 10, ""
            while not said.endswith("\n") and time.monotonic() < until:
                time.sleep(0.02)
                said += capsys.readouterr().err
            assert free(found.local)
    assert said == (
        f"stack prod: the session to {BASTION} has ended: SessionId: me-0 : the instance was stopped; what needs the "
        "server fails from here on, run it again …\n"
    )


def test_a_run_opens_one_where_the_stack_says_so_and_only_once(programs, monkeypatch):
    monkeypatch.setattr(engine.stackfile, "settings", lambda path: SETTINGS)
    monkeypatch.setattr(engine.wayin, "address", lambda aws, region, stack, kind: ADDRESS)
    with socket.create_server(("127.0.0.1", 0)) as server:
        ADDRESS[:] = server.getsockname()[:2]
        with engine.reached("prod") as variables:
            assert variables[way.VARIABLE].startswith(f"127.0.0.1:{ADDRESS[1]}=")
            monkeypatch.setenv(way.VARIABLE, variables[way.VARIABLE])
            with engine.reached("prod") as again:
                assert again == {}
        monkeypatch.delenv(way.VARIABLE)
    monkeypatch.setitem(SETTINGS, "server:reach", "direct")
    monkeypatch.delitem(SETTINGS, "server:bastion")
    with engine.reached("prod") as variables:
        assert variables == {}


def test_a_first_run_has_no_server_to_reach_and_says_so(programs, monkeypatch, capsys):
    monkeypatch.setattr(engine.stackfile, "settings", lambda path: SETTINGS)
    monkeypatch.setattr(engine.wayin, "address", lambda aws, region, stack, kind: None)
    with engine.reached("prod") as variables:
        assert variables == {}
    assert "stack prod: there is no server yet to open a session to" in capsys.readouterr().err


SETTINGS: dict[str, object] = {"database:target": "aws", "server:reach": "tunnel", "server:bastion": BASTION}
ADDRESS: list[object] = []
