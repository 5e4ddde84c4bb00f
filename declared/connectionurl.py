"""Connection URLs: taken apart by libpq itself, and put together so that psql, psycopg and Node's parsers read them.

libpq's keyword/value form (`host=… dbname=…`) is taken too. What can't be carried on is refused by its name.
"""

import os
import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from declared.errors import UserError
from declared.roles import ROLES, SECOND

QUESTION = re.compile(r" Is the server running [^?]*\?")
FORM = "postgresql://user:password@host:port/database"
ENCODED = "/@:#?[]% "
# Where the rest is taken from a file that others don't have; and a session that runs no SQL.
REFUSED = {
    "service": "takes its values from a file of this machine; write them into the URL",
    "servicefile": "takes its values from a file of this machine; write them into the URL",
    "replication": "asks for a replication session, in which no SQL runs",
    "client_encoding": "would have files read in another encoding than UTF-8, in which they are sent",
}
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir", "sslkeylogfile", "passfile")

Parameters = Mapping[str, str]
"""A connection in libpq's keywords, with `host`, `port`, `user` and `dbname` at least."""


class UrlError(UserError, ValueError):
    """Not a usable connection URL; the text is one line that begins with the form, and never shows what was given."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{FORM}: {reason}")


def parse(text: str) -> Parameters:
    """A connection URL, or libpq's keyword/value form, in libpq's keywords.

    :raises UrlError: where libpq can't read it, or it doesn't say which host, which login, which database
    """
    import psycopg
    from psycopg import conninfo

    if "\0" in text:
        raise UrlError("it has a NUL byte, where libpq would stop to read")
    try:
        found = {name: str(value) for name, value in conninfo.conninfo_to_dict(text).items()}
    except psycopg.Error as error:
        raise UrlError(_unread(text, str(error))) from None
    except UnicodeError:
        raise UrlError("it is no UTF-8 text") from None
    if twice := _twice(text):
        raise UrlError(f"the parameter {twice} is there twice, and libpq would take the last one")
    if found.get("client_encoding", "").lower().replace("-", "") == "utf8":
        del found["client_encoding"]
    for name, reason in REFUSED.items():
        if name in found:
            raise UrlError(f"the parameter {name} {reason}")
    # Without a name, libpq takes the address for one; elsewhere than in libpq an address alone is unknown.
    found.setdefault("host", found.get("hostaddr", ""))
    if found["host"] == found.get("hostaddr"):
        del found["hostaddr"]
    hosts = found["host"].split(",")
    found["port"] = ",".join(port or "5432" for port in found.get("port", "").split(","))
    for missing, what in (("host", "no host"), ("user", "no login"), ("dbname", "no database")):
        if not found.get(missing):
            raise UrlError(f"it names {what}{_hint(text)}")
    if not all(hosts) or any(_strange(host) for host in hosts):
        raise UrlError(f"a host is empty or has a character that no host has{_hint(text, always=True)}")
    ports = found["port"].split(",")
    if not all(port.isascii() and port.isdigit() and 0 < int(port) < 65536 for port in ports):
        raise UrlError(f"the port is no number from 1 to 65535{_hint(text, always=True)}")
    if len(ports) not in (1, len(hosts)):
        raise UrlError(f"it has {len(hosts)} hosts and {len(ports)} ports")
    return {**found, "port": ",".join(ports * len(hosts) if len(ports) == 1 else ports)}


def _twice(text: str) -> str | None:
    """A parameter that stands more than once behind a URL; libpq has read it, so it is one of its keywords."""
    # As libpq reads it: what comes before the first @ is a login, unless a / comes sooner.
    rest = text.partition("://")[2]
    login, at, behind = rest.partition("@")
    query = (behind if at and "/" not in login else rest).partition("?")[2]
    names = [unquote(each.partition("=")[0]) for each in query.split("&")]
    return next((name for name in names if name and names.count(name) > 1), None)


def from_anywhere(parameters: Parameters) -> Parameters:
    """The same connection, where it leads to the same files from any folder.

    :raises UrlError: with the parameter that doesn't
    """
    for name in FILES:
        path = parameters.get(name, "/")
        if not os.path.isabs(path) and (name, path) != ("sslrootcert", "system"):
            raise UrlError(f"the path of {name} must be absolute, since the URL is used from several folders")
    return parameters


def compose(parameters: Parameters) -> str:
    """The URL of a connection.

    A socket's folder stands where a host would, percent-encoded, since not all parsers know `?host=`.
    """
    rest = dict(parameters)
    login = _quoted(rest.pop("user"))
    if password := rest.pop("password", ""):
        login += f":{_quoted(password)}"
    hosts = zip(rest.pop("host").split(","), rest.pop("port").split(","), strict=True)
    addresses = ",".join(f"{_host(host)}:{port}" for host, port in hosts)
    path = _quoted(rest.pop("dbname"))
    query = "&".join(f"{name}={_quoted(value)}" for name, value in rest.items())
    return f"postgresql://{login}@{addresses}/{path}{'?' if query else ''}{query}"


def with_options(parameters: Parameters, more: str) -> Parameters:
    """The same connection whose session begins with `more` settings, as `-c name=value`, after those that it has."""
    return {**parameters, "options": f"{parameters.get('options', '')} {more}".strip()} if more else parameters


def describe(parameters: Parameters) -> str:
    """Database, hosts and login of a connection, for messages."""
    hosts = zip(parameters["host"].split(","), parameters["port"].split(","), strict=True)
    addresses = ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in hosts)
    text = f"database {parameters['dbname']} on {addresses} as {parameters['user']}"
    return "".join(character if character.isprintable() else "?" for character in text)


def failure(error: Exception) -> str:
    """What a failed attempt to connect said, in one line; with several hosts, of each."""
    # libpq's own advice is a question, and ours follows.
    said = QUESTION.sub("", " ".join(str(error).split()))
    _, several, attempts = said.partition("All failures were: ")
    return attempts if several else said.rsplit("failed: ", 1)[-1]


def given(option: str | None, variable: str) -> str | None:
    """The URL that a command was given by `--url`, or else by an environment variable.

    A variable with the API's login is for an app, as `./vpb env` prints it, and doesn't count.

    :raises UrlError: where the one that counts is empty, as with an unset variable of a shell
    """
    for name, value in (("--url", option), (variable, os.environ.get(variable))):
        if value is not None:
            if not value.strip():
                raise UrlError(f"{name} is empty; leave it out, or give a connection URL")
            if name == "--url" or not _of_an_app(value):
                return value
    return None


def _of_an_app(url: str) -> bool:
    try:
        login = parse(url).get("user", "").partition(".")[0]
    except UrlError:
        return False
    return login in {each for name, spec in ROLES.items() if spec.output == "api_url" for each in (name, SECOND[name])}


def _unread(text: str, said: str) -> str:
    """Why libpq refuses it. Its own words repeat what was given, so that only a parameter's name is taken of them."""
    if not text.startswith(("postgresql://", "postgres://")) and "=" not in text:
        return "it is no connection URL"
    if not (hint := _hint(text)) and said.startswith("invalid URI query parameter"):
        return f"libpq has no parameter {' '.join(said.split()).rsplit(' ', 1)[-1]}"
    if said.startswith("invalid connection option"):
        return "a value with a space stands in quotes, and libpq must know each parameter's name"
    if said.startswith("invalid percent-encoded token"):
        return f"a % is followed by no two hexadecimal digits{_hint(text, always=True)}"
    if "IPv6" in said or "unexpected character" in said:
        return f"an IPv6 address stands in brackets, as in [::1]:5432{_hint(text, always=True)}"
    return f"libpq can't read it{hint or _hint(text, always=True)}"


def _hint(text: str, always: bool = False) -> str:
    """What has to be percent-encoded, where that may be what is wrong: a `/` ends the part with user and password."""
    rest = text.partition("://")[2]
    authority, _, after = rest.partition("/")
    if not always and ("@" in authority or "@" not in after):
        return ""
    codes = ", ".join(
        f"{'a space' if character == ' ' else character} as {_quoted(character)}" for character in ENCODED
    )
    return f"; in user and password, write {codes}"


def _strange(host: str) -> bool:
    # A socket's folder may have any name; `@` begins that of an abstract one.
    return not host.startswith(("/", "@")) and any(character in host for character in "@/#?[] \t\n")


def _host(host: str) -> str:
    return f"[{quote(host, safe=':')}]" if ":" in host and not host.startswith(("/", "@")) else _quoted(host)


def _quoted(text: str) -> str:
    return quote(text, safe="")
