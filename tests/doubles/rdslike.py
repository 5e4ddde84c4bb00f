"""A PostgreSQL that lets its master login do what Amazon RDS lets it do, and refuses what RDS refuses.

The master isn't superuser, bypasses no row security and replicates nothing. It is a member of `rds_superuser`, which
may pass PostgreSQL's predefined roles on. Sessions are by TLS alone, under an authority of the double's own. What needs
a superuser at PostgreSQL is refused as there: `alter system`, files and programs of the server, untrusted languages,
extensions but those that RDS lets its users make.

Not as at RDS: parameters named `rds.…` aren't reserved, which only a module of the server could do.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from declared import connectionurl
from local import postgres
from tests.doubles import installation

MASTER = "master"
DATABASE = "app"
# What a superuser alone may make at PostgreSQL, and `rds_superuser` too at RDS.
EXTENSIONS = ("pg_stat_statements", "pg_buffercache", "pgstattuple", "postgres_fdw")
SETTINGS = {"rds.force_ssl": "1", "rds.logical_replication": "1", "rds.superuser_reserved_connections": "2"}
# As "Understanding the rds_superuser role" of the user guide has them.
ROLES = f"""
create role rds_superuser;
create role rds_password; create role rds_replication; create role rds_iam; create role rds_ad;
create role rdstopmgr; create role rdsrepladmin replication; create role rdswriteforwarduser;
grant rds_password, rds_replication, pg_monitor, pg_signal_backend, pg_checkpoint, pg_use_reserved_connections,
    pg_maintain, pg_create_subscription to rds_superuser with admin option;
-- Not inherited: with it the master would read pg_authid, which RDS refuses.
grant pg_read_all_data, pg_write_all_data to rds_superuser with admin true, inherit false, set false;
grant set on parameter session_replication_role to rds_superuser;
create role {MASTER} login inherit createdb createrole nosuperuser noreplication nobypassrls
    password '{{password}}' valid until 'infinity';
grant rds_superuser to {MASTER};
create role door login superuser password '{{password}}';
"""
# Who initialises a cluster can't be renamed by itself.
RENAMED = f"alter role {postgres.SUPERUSER} rename to rdsadmin; alter role rdsadmin password '{{password}}'"


@dataclass(frozen=True)
class RdsLike:
    """A running double."""

    server: postgres.RunningServer
    password: str
    authority: Path

    def url(self, database: str = DATABASE, user: str = MASTER, password: str | None = None) -> str:
        """A connection URL that checks who answers."""
        login = {"user": user, "password": password or self.password, "dbname": database}
        checked = {"sslmode": "verify-full", "sslrootcert": str(self.authority)}
        return connectionurl.compose({**self.server.parameters(), **login, **checked})

    def platform(self, database: str = DATABASE) -> str:
        """The URL of what RDS keeps to itself: the superuser, for tests that look everywhere or change manually."""
        return self.url(database, "rdsadmin")


@contextmanager
def server() -> Iterator[RdsLike]:
    """A server with the master and an empty database of its own, gone afterwards."""
    with installation.running("rdslike", EXTENSIONS, SETTINGS) as (made, authority):
        yield _set_up(made, authority)


def _set_up(made: postgres.RunningServer, authority: Path) -> RdsLike:
    password = secrets.token_hex(12)
    double = RdsLike(made, password, authority)
    with psycopg.connect(made.url(), autocommit=True) as connection:
        connection.execute(ROLES.format(password=password).encode())
        connection.execute("select pg_reload_conf()")
    with psycopg.connect(double.url("postgres", "door"), autocommit=True) as connection:
        connection.execute(RENAMED.format(password=password).encode())
    with psycopg.connect(double.platform("postgres"), autocommit=True) as connection:
        connection.execute("drop role door")
    with psycopg.connect(double.url("postgres"), autocommit=True) as connection:
        connection.execute(f"create database {DATABASE}".encode())
    return double
