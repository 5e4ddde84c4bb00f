"""A PostgreSQL that stands for a hosted project of Supabase: what is the platform's, and what its login may do with it.

The login `postgres` isn't superuser: it bypasses row security, makes roles and databases, and owns neither the
platform's roles nor its tables, on which it has what the platform grants. What the platform's guard extension lets it
do all the same (row policies on some tables of others, dropping triggers there), event triggers let it do here; what is
refused to it, ownership refuses, and these triggers. Sessions are by TLS alone, under an authority of the double's own.

Not as on the platform: roles that it reserves (`anon`, `authenticated`, `service_role`, `authenticator`) can be altered
here by who may grant them, which no event trigger sees; so tests compare the roles before and after. Extensions belong
to who makes them. There is no pooler, and neither pg_net, pg_cron nor pg_graphql.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from declared import connectionurl
from declared.paths import CHECKOUT
from local import postgres
from tests.doubles import installation

LOGIN = "postgres"
PLATFORM = "supabase_admin"
DATABASE = "postgres"
# What the guard extension lets `postgres` make beside what PostgreSQL itself trusts.
EXTENSIONS = ("pg_stat_statements", "postgres_fdw")
# Of what PostgreSQL itself doesn't have, as much as apps refer to.
BROUGHT = {
    "uuid-ossp": "create function uuid_generate_v4() returns uuid language internal volatile as 'gen_random_uuid';",
    "supabase_vault": "",
    "pg_cron": """
create schema cron;
create table cron.job (jobid bigint generated always as identity primary key, jobname text, schedule text, command text,
    active boolean default true, database text default current_database(), username text default session_user);
create function cron.schedule(job_name text, schedule text, command text) returns bigint language sql
security definer as 'insert into cron.job (jobname, schedule, command) values ($1, $2, $3) returning jobid';
grant usage on schema cron to postgres;
grant select on cron.job to postgres;
""",
}
# Of our own tables alone.
FORCED = "alter table realtime.messages force row level security;\n"
SHAPE = Path(__file__).with_suffix(".sql")
LOGINS = (
    "authenticator",
    "supabase_auth_admin",
    "supabase_storage_admin",
    "supabase_realtime_admin",
    "supabase_read_only_user",
    "supabase_replication_admin",
    "supabase_etl_admin",
    "pgbouncer",
)
"""The platform's own, each of which has to go on connecting, beside its superuser."""
ROLES = """
create role anon; create role authenticated; create role service_role bypassrls;
create role authenticator login noinherit;
create role supabase_auth_admin login noinherit;
create role supabase_storage_admin login noinherit createrole;
create role supabase_realtime_admin login noinherit createrole replication;
create role supabase_read_only_user login bypassrls;
create role supabase_replication_admin login replication;
create role supabase_etl_admin login replication bypassrls;
create role pgbouncer login;
create role dashboard_user createrole createdb replication;
create role supabase_privileged_role;
create role postgres login createrole createdb replication bypassrls nosuperuser;
grant anon, authenticated, service_role, authenticator, pg_monitor, pg_read_all_data, pg_signal_backend,
    pg_create_subscription to postgres with admin option;
grant supabase_privileged_role to postgres, supabase_etl_admin;
grant anon, authenticated, service_role to authenticator with inherit false;
grant authenticator to supabase_storage_admin with inherit false;
grant anon, authenticated, service_role to supabase_realtime_admin;
grant pg_read_all_data, pg_monitor to supabase_read_only_user, supabase_etl_admin;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role postgres set search_path = "$user", public, extensions;
alter role supabase_admin set search_path = "$user", public, auth, extensions;
alter role supabase_auth_admin set search_path = auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout = 60000;
alter role supabase_storage_admin set search_path = storage;
alter database postgres set statement_timeout = '2min';
"""


@dataclass(frozen=True)
class SupabaseLike:
    """A running double."""

    server: postgres.RunningServer
    password: str
    """Of every login."""
    authority: Path

    def url(self, user: str = LOGIN, password: str | None = None, database: str = DATABASE) -> str:
        """A connection URL that checks who answers."""
        login = {"user": user, "password": password or self.password, "dbname": database}
        checked = {"sslmode": "verify-full", "sslrootcert": str(self.authority)}
        return connectionurl.compose({**self.server.parameters(), **login, **checked})

    def platform(self, database: str = DATABASE) -> str:
        """The URL of what Supabase keeps to itself: the superuser, for its releases and for tests."""
        return self.url(PLATFORM, database=database)

    def release(self, *statements: str) -> None:
        """What a release of the platform does."""
        with psycopg.connect(self.platform(), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def server() -> Iterator[SupabaseLike]:
    """A new project, gone afterwards."""
    with installation.running("supabaselike", EXTENSIONS, {}, BROUGHT) as (made, authority):
        yield _set_up(made, authority)


def _set_up(made: postgres.RunningServer, authority: Path) -> SupabaseLike:
    password = secrets.token_hex(12)
    double = SupabaseLike(made, password, authority)
    with psycopg.connect(made.url(), autocommit=True) as connection:
        connection.execute(f"create role door login superuser password '{password}'".encode())
        connection.execute("select pg_reload_conf()")
    # Who initialises a cluster can't be renamed by itself.
    with psycopg.connect(double.url("door"), autocommit=True) as connection:
        connection.execute(f"alter role {postgres.SUPERUSER} rename to {PLATFORM}".encode())
        connection.execute(f"alter role {PLATFORM} password '{password}'".encode())
    with psycopg.connect(double.platform(), autocommit=True) as connection:
        connection.execute("drop role door")
        connection.execute(ROLES.encode())
        for login in (LOGIN, *LOGINS):
            connection.execute(f"alter role {login} password '{password}'".encode())
    with psycopg.connect(double.platform()) as connection:
        connection.execute(_shape().encode())
    return double


def _shape() -> str:
    """The database, with what `sql/standin` and `sql/platform` have in the platform's own shape."""
    claims = (CHECKOUT / "sql/platform/0001_auth.up.sql").read_text().replace("app_owner", "supabase_auth_admin")
    everybody = "grant execute on all functions in schema auth to public;\n"
    messages = (CHECKOUT / "sql/platform/0006_realtime.up.sql").read_text()
    realtime = messages.replace("app_owner", "supabase_realtime_admin").replace(FORCED, "")
    realtime += "grant execute on all functions in schema realtime to public;\n"
    auth, storage, more = (
        (CHECKOUT / "sql" / "standin" / f"{name}.up.sql").read_text()
        for name in ("0003_auth", "0002_storage", "0004_storage_tables")
    )
    parts = {"auth": auth, "claims": claims + everybody, "storage": storage + more, "realtime": realtime}
    text = SHAPE.read_text()
    for name, part in parts.items():
        text = text.replace(f"-- @{name}\n", part)
    return text
