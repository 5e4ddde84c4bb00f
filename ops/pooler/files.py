"""The files of PgBouncer: who may come through, to which server, with how many sessions."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from declared import connectionurl
from declared.connectionurl import Parameters
from declared.roles import MONITOR, SECOND
from ops.database import Connection
from ops.errors import CommandError
from ops.pooler.sizes import LOGINS, PATIENCE, Sizes

SETTINGS, USERS = "pgbouncer.ini", "users.txt"
MONITORS = (MONITOR, SECOND[MONITOR])
STORED = (
    "select rolname::text, rolpassword from pg_catalog.pg_authid where rolname = any(%s) and rolpassword is not null"
)
# Of a URL, what PgBouncer has a setting of its own for.
TLS = {"sslmode": "server_tls_sslmode", "sslrootcert": "server_tls_ca_file"}
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def address(option: str, text: str) -> tuple[str, int]:
    """The host and the port that an option names.

    :raises CommandError: where it names none
    """
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536 or any(c in host for c in " =\n\t;,#"):
        raise CommandError(f"{option} {text!r}: must be a host and a port, such as 127.0.0.1:6432")
    return host, int(port)


@dataclass(frozen=True)
class Listen:
    """Where clients reach the pooler."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None

    @classmethod
    def of(cls, text: str, certificate: Path | None, key: Path | None) -> "Listen":
        """
        :raises CommandError: where it is no host and port, or where passwords would go over a network without TLS
        """
        host, port = address("--listen", text)
        if host not in LOOPBACK and not (certificate and key):
            raise CommandError(f"--listen {text}: others reach it, so it needs --certificate and --key for TLS")
        for path in (certificate, key):
            if path is not None and not path.is_file():
                raise CommandError(f"{path}: there is no such file")
        return cls(host, port, certificate, key)

    @property
    def tls(self) -> dict[str, str]:
        if self.certificate is None or self.key is None:
            return {}
        return {
            "client_tls_sslmode": "require",
            "client_tls_cert_file": str(self.certificate.resolve()),
            "client_tls_key_file": str(self.key.resolve()),
        }


def users(connection: Connection, known: Mapping[str, Parameters]) -> dict[str, str]:
    """Login → what PgBouncer checks its password by, and logs in with.

    A SCRAM secret as the server has it lets it do both without the password (its manual, "auth_file"); only a
    superuser may read one. Without it, the password of the logins that are in the outputs.
    """
    logins = [*LOGINS, *MONITORS]
    try:
        with connection.transaction():
            return dict(connection.execute(STORED, (logins,)).fetchall())
    except psycopg.errors.InsufficientPrivilege:
        return {name: str(each["password"]) for name, each in known.items() if each.get("password")}


def settings(server: Parameters, database: str, listen: Listen, sizes: Sizes, folder: Path, *, monitors: str) -> str:
    """The text of pgbouncer.ini."""
    values = {
        "listen_addr": listen.host,
        "listen_port": listen.port,
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": (folder / USERS).resolve(),
        "pool_mode": "transaction",
        "default_pool_size": sizes.pool,
        "reserve_pool_size": sizes.reserve,
        "reserve_pool_timeout": 3,
        "max_db_connections": sizes.pool + sizes.reserve,
        "max_client_conn": sizes.clients,
        "query_wait_timeout": PATIENCE,
        "server_lifetime": 3600,
        "stats_users": monitors,
        # Drivers ask for it, and it changes nothing. Not options: a session without those it asks for must fail.
        "ignore_startup_parameters": "extra_float_digits",
        **listen.tls,
        **{setting: server[name] for name, setting in TLS.items() if name in server},
    }
    target = f"host={server['host']} port={server.get('port', '5432')} dbname={database}"
    lines = [
        *(f"; {reason}" for reason in sizes.reasons),
        "[databases]",
        f"{database} = {target}",
        "[pgbouncer]",
        *(f"{name} = {value}" for name, value in values.items()),
    ]
    return "\n".join(lines) + "\n"


def write(folder: Path, text: str, found: Mapping[str, str]) -> list[Path]:
    """Both files, for their owner alone; those that are there are replaced.

    :raises CommandError: where they can't be written
    """
    lines = ['"{}" "{}"\n'.format(name, secret.replace('"', '""')) for name, secret in sorted(found.items())]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in ((SETTINGS, text), (USERS, "".join(lines))):
            partial = folder / f".{name}.new"
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
                handle.write(content)
            partial.replace(folder / name)
    except OSError as error:
        raise CommandError(f"{folder}: {error.strerror}") from None
    return [folder / SETTINGS, folder / USERS]


def client_url(url: str, listen: Listen) -> str:
    """The URL of a login by way of the pooler, without its password."""
    parameters = connectionurl.parse(url)
    kept = {name: parameters[name] for name in ("user", "dbname") if name in parameters}
    return connectionurl.compose({**kept, "host": listen.host, "port": str(listen.port)})
