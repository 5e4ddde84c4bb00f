"""Connection URLs: what libpq reads is what is carried on, and what can't be is refused without showing it."""

import secrets
from collections.abc import Callable

import psycopg
import pytest
from psycopg import conninfo

from declared.connectionurl import FORM, UrlError, compose, describe, failure, from_anywhere, given, parse, with_options

NASTY = ["plain", "p@:/%#? é[]&=+\"'x\\", "a,b", "%41", "ü ñ 名"]
HOSTS = ["db.example.org", "::1", "fe80::1%eth0", "/var/run/post gres", "@abstract", "a,::1,/tmp", "10.0.0.1"]
MORE: list[dict[str, str]] = [
    {},
    {"sslmode": "verify-full", "sslrootcert": "/etc/ca é.pem", "sslcert": "/c", "sslkey": "/k"},
    {"options": "-c statement_timeout=5s -c a.b=x\\ y", "target_session_attrs": "read-write", "connect_timeout": "3"},
    {"hostaddr": "127.0.0.1", "application_name": "ein Name", "channel_binding": "require"},
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("name", NASTY)
def test_every_url_that_is_put_together_means_to_libpq_what_went_in(host, name):
    ports = ",".join(["5433"] * (host.count(",") + 1))
    for more in MORE:
        parameters = {"user": name, "password": name, "host": host, "port": ports, "dbname": name, **more}
        url = compose(parameters)
        assert url.isascii()
        assert conninfo.conninfo_to_dict(url) == parameters
        assert parse(url) == parameters


SAME = {
    "postgresql://u:p@[::1]:5433/d": {"host": "::1", "port": "5433"},
    "postgres://u:p@h/d": {"host": "h", "port": "5432"},
    "postgresql://u:p@/d?host=/tmp&port=5433": {"host": "/tmp", "port": "5433"},
    "postgresql://u:p@%2Ftmp:5433/d": {"host": "/tmp", "port": "5433"},
    "postgresql://u:p@a:1,[::1]:2,c/d": {"host": "a,::1,c", "port": "1,2,5432"},
    "postgresql://u:p@a,b/d?port=1": {"host": "a,b", "port": "1,1"},
    "postgresql://h/?user=u&password=p&dbname=d": {"host": "h", "port": "5432"},
    "postgresql://h/other?user=u&password=p&dbname=d": {"host": "h", "port": "5432"},
    "host=h user=u password=p dbname=d sslmode=require": {"host": "h", "port": "5432", "sslmode": "require"},
    "hostaddr=10.0.0.1 user=u password=p dbname=d": {"host": "10.0.0.1", "port": "5432"},
    "postgresql://u:p@h/d?sslmode=require&options=-c%20a.b%3Dc": {
        "host": "h",
        "port": "5432",
        "sslmode": "require",
        "options": "-c a.b=c",
    },
}


@pytest.mark.parametrize("url", SAME)
def test_each_form_that_libpq_knows_is_taken_whole(url):
    assert parse(url) == {"user": "u", "password": "p", "dbname": "d"} | SAME[url]


@pytest.mark.parametrize("raw", ["#", "?", "[", "]", "a[b]#c?d", "ü", "&=+'\""])
def test_a_raw_character_that_libpq_reads_is_read_alike_and_encoded_from_then_on(raw):
    found = parse(f"postgresql://u:{raw}@h:1/d")
    assert found["password"] == raw
    assert compose(found).count("@") == 1
    assert raw not in compose(found)


ENCODE = "in user and password, write / as %2F, @ as %40, : as %3A, # as %23, ? as %3F, [ as %5B, ] as %5D, % as %25"
REFUSED: dict[str, tuple[Callable[[str], str], str]] = {
    "a raw slash": (lambda word: f"postgresql://u:{word}/x@h:1/d", ENCODE),
    "a raw slash after a number": (lambda word: f"postgresql://u:12/{word}@h:1/d", ENCODE),
    "a raw slash and a question mark": (lambda word: f"postgresql://u:a/b?{word}=c@h:1/d", ENCODE),
    "a raw at": (lambda word: f"postgresql://u:{word}@{word}@h:1/d", ENCODE),
    "a parameter twice, behind an address": (
        lambda word: f"postgresql://u:{word}@h/d?sslmode=require&application_name=a@b&sslmode=disable",
        "the parameter sslmode is there twice",
    ),
    "a parameter twice, behind one without a login": (
        lambda word: f"postgresql://h/d?user=a@b&password={word}&host=x&host=y",
        "the parameter host is there twice",
    ),
    "a parameter twice": (
        lambda word: f"postgresql://u:{word}@h/d?host={word}&ho%73t=b",
        "the parameter host is there twice",
    ),
    "a raw percent sign": (lambda word: f"postgresql://u:{word}%zz@h:1/d", "a % is followed by no two hexadecimal"),
    "a port that is no number": (
        lambda word: f"postgresql://u:{word}@h:54x/d",
        "the port is no number from 1 to 65535",
    ),
    "a port too high": (lambda word: f"postgresql://u:{word}@h:99999/d", "the port is no number from 1 to 65535"),
    "port 0": (lambda word: f"postgresql://u:{word}@h:0/d", "the port is no number from 1 to 65535"),
    "an open bracket": (lambda word: f"postgresql://u:{word}@[::1:5/d", "an IPv6 address stands in brackets, as in"),
    "text after a bracket": (lambda word: f"postgresql://u:{word}@[::1]x/d", "an IPv6 address stands in brackets"),
    "fewer ports than hosts": (lambda word: f"postgresql://u:{word}@a,b,c/d?port=1,2", "it has 3 hosts and 2 ports"),
    "an empty host among others": (lambda word: f"postgresql://u:{word}@a,,c/d", "a host is empty"),
    "no host": (lambda word: f"postgresql://u:{word}@/d", "it names no host"),
    "no login": (lambda word: f"postgresql://h/d?password={word}", "it names no login"),
    "no database": (lambda word: f"postgresql://u:{word}@h", "it names no database"),
    "an unknown parameter": (lambda word: f"postgresql://u:{word}@h/d?ssl_mode=x", 'libpq has no parameter "ssl_mode"'),
    "an unknown keyword": (lambda word: f"host=h user=u password={word} db=d", "libpq must know each parameter's name"),
    "a password with a space": (lambda word: f"host=h user=u password=x {word}=y", "a value with a space stands in"),
    "an encoding": (
        lambda word: f"postgresql://u:{word}@h/d?client_encoding=latin1",
        "client_encoding would have files",
    ),
    "a parameter without a value": (lambda word: f"postgresql://u:{word}@h/d?sslmode", "libpq can't read it"),
    "a service": (lambda word: f"postgresql://u:{word}@h/d?service=x", "the parameter service takes its values from"),
    "replication": (lambda word: f"postgresql://u:{word}@h/d?replication=database", "the parameter replication asks"),
    "a NUL byte": (lambda word: f"postgresql://u:{word}@h/d\0e", "it has a NUL byte"),
    "bytes of another encoding": (lambda word: f"postgresql://u:{word}\udce9@h/d", "it is no UTF-8 text"),
    "another scheme": (lambda word: f"mysql://u:{word}@h/d", "it is no connection URL"),
    "nothing of the kind": (lambda word: word, "it is no connection URL"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_one_line_that_says_why_and_never_shows_what_was_given(case):
    word = f"geheim{secrets.token_hex(4)}"
    make, reason = REFUSED[case]
    with pytest.raises(UrlError) as caught:
        parse(make(word))
    said = str(caught.value)
    assert said.startswith(f"{FORM}: ")
    assert reason in said
    assert "\n" not in said
    assert word not in said
    assert caught.value.__cause__ is None


def test_what_was_given_empty_stays_empty():
    assert compose(parse("postgresql://u@h/d?options=&application_name=")).endswith("/d?options=&application_name=")


def test_a_file_is_named_from_anywhere_or_the_url_is_refused():
    for path in ("/etc/ca.pem", "system"):
        found = parse(f"postgresql://u@h/d?sslrootcert={path}")
        assert from_anywhere(found) == found
    for name in ("sslrootcert", "sslcert", "sslkey", "passfile"):
        with pytest.raises(UrlError, match=f"the path of {name} must be absolute"):
            from_anywhere(parse(f"postgresql://u@h/d?{name}=system.pem"))


def test_settings_of_a_session_are_added_to_those_that_are_there():
    found = parse("postgresql://u:p@h/d?options=-c%20a.b%3Dc")
    assert with_options(found, "-c d.e=f")["options"] == "-c a.b=c -c d.e=f"
    assert with_options(found, "") == found


def test_a_place_is_reported_in_one_line_and_without_the_password():
    assert (
        describe(parse("postgresql://u:geheim@a:1,[::1]:2,%2Ftmp:3/d%0Ae"))
        == "database d?e on a:1, [::1]:2, /tmp:3 as u"
    )


def test_what_each_of_several_hosts_said_is_reported():
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect("postgresql://u:geheim@127.0.0.1:1,127.0.0.1:2/d")
    said = failure(caught.value)
    assert "\n" not in said
    assert "port: '1'" in said
    assert "port: '2'" in said
    assert "geheim" not in said


def test_an_empty_url_is_refused_wherever_it_comes_from(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert given(None, "DATABASE_URL") is None
    assert given("x", "DATABASE_URL") == "x"
    for empty in ("", " "):
        with pytest.raises(UrlError, match="--url is empty"):
            given(empty, "DATABASE_URL")
        monkeypatch.setenv("DATABASE_URL", empty)
        assert given("x", "DATABASE_URL") == "x"
        with pytest.raises(UrlError, match="DATABASE_URL is empty"):
            given(None, "DATABASE_URL")
    monkeypatch.setenv("DATABASE_URL", "y")
    assert given(None, "DATABASE_URL") == "y"


@pytest.mark.parametrize("login", ["authenticator", "authenticator_2", "authenticator.abcdefghijklmnopqrst"])
def test_the_api_s_login_in_a_variable_is_an_app_s(monkeypatch, login):
    url = f"postgresql://{login}:p@127.0.0.1:5432/app"
    monkeypatch.setenv("DATABASE_URL", url)
    assert given(None, "DATABASE_URL") is None
    assert given(url, "DATABASE_URL") == url
    monkeypatch.setenv("DATABASE_URL", url.replace("authenticator", "migrator"))
    assert given(None, "DATABASE_URL") == url.replace("authenticator", "migrator")
