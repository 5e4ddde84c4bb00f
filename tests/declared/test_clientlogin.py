"""What PostgreSQL's programs are given of a login, and what of it nobody sees in the list of processes."""

import pytest

from declared import connectionurl, tunnel
from declared.clientlogin import NotHidden, client_login

WHERE = connectionurl.parse(
    "postgresql://backup:guess@db.example.org:5432/app?sslmode=require&options=-c%20vpb.key%3Dk"
)


def test_no_secret_is_on_the_command_line():
    shown, secret = client_login(WHERE)
    assert shown == "postgresql://backup@db.example.org:5432/app?sslmode=require"
    assert secret == {"PGPASSWORD": "guess", "PGOPTIONS": "-c vpb.key=k"}
    assert client_login({name: value for name, value in WHERE.items() if name not in ("password", "options")})[1] == {}


def test_it_leads_through_the_tunnel_that_is_open(monkeypatch):
    monkeypatch.setenv(tunnel.VARIABLE, tunnel.Tunnel("db.example.org", 5432, 40001).text)
    assert "@db.example.org:40001/app" in client_login(WHERE)[0]
    assert "hostaddr=127.0.0.1" in client_login(WHERE)[0]


def test_what_cannot_be_hidden_is_refused():
    with pytest.raises(NotHidden, match=r"^sslpassword, which PostgreSQL's programs take on their command line alone$"):
        client_login({**WHERE, "sslpassword": "x"})
