"""Whether a restored database lets people in and keeps them apart: as the API's roles and as Auth.js' login.

All of it happens in a transaction that is undone. The complete access matrix is `tests/sql/`'s; these are the cells
whose loss would show everything to everybody.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from ops.database import Connection

ANON, PERSON, AUTHJS = "anon", "authenticated", "authjs"
REFUSED = -1
# Schemas of which the API's roles read nothing.
CLOSED = ("next_auth", "authjs", "private")
BEHIND = """
select n.nspname::text, c.relname::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = any(%s) and c.relkind in ('r', 'p', 'v', 'm') order by 1, 2"""
# Two people of the database, each with a project that the other has nothing to do with.
PAIR = """
with owned as (
    select distinct on (p.owner_id) p.owner_id, p.id from public.projects as p
    join public.users as u on u.id = p.owner_id and not u.is_super_admin
    where p.visibility <> 'public' and not exists (select from private.departures as d where d.user_id = p.owner_id)
        and not exists (select from public.collaborators as c where c.project_id = p.id)
    order by p.owner_id, p.id desc
)
select o.owner_id::text, o.id::text from owned as o order by o.id desc limit 2"""
# A project that anybody reads.
PUBLIC = """
select p.id::text from public.projects as p where p.visibility = 'public' and p.archived_at is null
    and not exists (select from private.departures as d where d.user_id = p.owner_id) limit 1"""
MADE = """
with people as (insert into next_auth.users (name) values ('drill'), ('drill') returning id)
select array_agg(id::text) from people"""
PROJECT = "insert into public.projects (owner_id, title) values (%s, 'drill') returning owner_id::text, id::text"
# Own and other are a person's own project and another's.
TABLES = ("project_components", "audio_recordings", "prompt_generations", "collaborators")


@dataclass(frozen=True)
class Trial:
    """A statement, who tries it, and how many rows it has to reach."""

    what: str
    role: str
    statement: str
    rows: int


TRIALS = (
    Trial("their own project", PERSON, "select from public.projects where id = %(own)s", 1),
    Trial("a change of their own project", PERSON, "update public.projects set title = title where id = %(own)s", 1),
    Trial("another's project", PERSON, "select from public.projects where id = %(other)s", 0),
    *(
        Trial(
            f"another's rows of public.{table}", PERSON, f"select from public.{table} where project_id = %(other)s", 0
        )
        for table in TABLES
    ),
    Trial("another's profile", PERSON, "select from public.users where id = %(another)s", 0),
    Trial("a change of another's project", PERSON, "update public.projects set title = 'x' where id = %(other)s", 0),
    Trial("a deletion of another's project", PERSON, "delete from public.projects where id = %(other)s", 0),
    Trial(
        "a new component of another's project",
        PERSON,
        "insert into public.project_components (project_id, kind) values (%(other)s, 'text')",
        REFUSED,
    ),
    Trial(
        "a project in another's name",
        PERSON,
        "insert into public.projects (owner_id, title) values (%(another)s, 'x')",
        REFUSED,
    ),
    Trial("projects that aren't public", ANON, "select from public.projects where visibility <> 'public'", 0),
    Trial("a person's project", ANON, "select from public.projects where id = %(own)s", 0),
    Trial("profiles", ANON, "select from public.users", REFUSED),
    Trial("a new project", ANON, "insert into public.projects (owner_id, title) values (%(me)s, 'x')", REFUSED),
)
OF_PUBLIC = Trial("a public project", ANON, "select from public.projects where id = %(public)s", 1)
# What the adapter of Auth.js for PostgreSQL sends (@auth/pg-adapter): statement, and a column of the one row that comes
# back, which later ones name. Tokens are left out: whether they are sealed depends on the stack's keys.
SIGN_IN = (
    (
        "createUser",
        'insert into users (name, email, "emailVerified", image) values (%(name)s, %(email)s, null, null)'
        ' returning id, name, email, "emailVerified", image',
    ),
    ("getUserByEmail", "select id from users where email = %(email)s and id = %(id)s"),
    (
        "linkAccount",
        'insert into accounts ("userId", provider, type, "providerAccountId", access_token, expires_at, refresh_token,'
        " id_token, scope, session_state, token_type) values (%(id)s, 'drill', 'oauth', %(token)s, null, null, null,"
        ' null, null, null, null) returning "userId"',
    ),
    (
        "getUserByAccount",
        'select u.id from users as u join accounts as a on u.id = a."userId"'
        " where a.provider = 'drill' and a.\"providerAccountId\" = %(token)s",
    ),
    (
        "createSession",
        'insert into sessions ("userId", expires, "sessionToken")'
        " values (%(id)s, now() + interval '1 day', %(token)s) returning id",
    ),
    (
        "getSessionAndUser",
        'select u.id from sessions as s join users as u on u.id = s."userId" where s."sessionToken" = %(token)s',
    ),
    (
        "updateSession",
        "update sessions set expires = now() + interval '2 days' where \"sessionToken\" = %(token)s returning id",
    ),
    (
        "createVerificationToken",
        "insert into verification_token (identifier, expires, token) values (%(email)s, now(), %(token)s)"
        " returning identifier",
    ),
    (
        "useVerificationToken",
        "delete from verification_token where identifier = %(email)s and token = %(token)s returning identifier",
    ),
    ("deleteSession", 'delete from sessions where "sessionToken" = %(token)s returning id'),
    ("deleteUser", "delete from users where id = %(id)s returning id"),
)


def access(session: Connection) -> tuple[str, list[str]]:
    """What was tried as the API's roles, and a line for each trial that ended otherwise than it has to."""
    with _undone(session):
        found = session.execute(PAIR).fetchall()
        whose = "two people who were there"
        if len(found) < 2:
            found, whose = _made(session), "two people who were made for it"
        (me, own), (another, other) = found
        public = session.execute(PUBLIC).fetchone()
        given = {"me": me, "own": own, "another": another, "other": other, "public": public[0] if public else ""}
        trials = [*TRIALS, *([OF_PUBLIC] if public else []), *_closed(session)]
        wrong = [line for trial in trials if (line := _tried(session, trial, given))]
    return f"{len(trials)} trials as {ANON} and {PERSON}, of {whose}, and undone", wrong


def sign_in(session: Connection) -> tuple[str, list[str]]:
    """The same of a sign-in, as Auth.js' login."""
    # An address that nobody has: no name under `invalid` is ever registered.
    given: dict[str, Any] = {"name": "drill", "email": "drill@drill.invalid", "token": "drill"}
    with _undone(session):
        session.execute("set local search_path = authjs")
        session.execute(sql.SQL("set local role {}").format(sql.Identifier(AUTHJS)))
        for step, statement in SIGN_IN:
            try:
                found = session.execute(statement.encode(), given).fetchall()
            except psycopg.Error as error:
                return "", [f"{step}: {error.diag.message_primary}"]
            if len(found) != 1:
                return "", [f"{step}: reaches {len(found)} rows and not 1"]
            given.setdefault("id", found[0][0])
    return f"{len(SIGN_IN)} statements of its adapter as {AUTHJS}, and undone", []


def _closed(session: Connection) -> Iterator[Trial]:
    for schema, name in session.execute(BEHIND, ([*CLOSED],)).fetchall():
        query = sql.SQL("select from {} limit 1").format(sql.Identifier(schema, name)).as_string(session)
        for role in (ANON, PERSON):
            yield Trial(f"{schema}.{name}", role, query.replace("%", "%%"), REFUSED)


def _made(session: Connection) -> list[tuple[Any, ...]]:
    people = session.execute(MADE).fetchone()
    assert people
    return [row for person in people[0] for row in session.execute(PROJECT, (person,)).fetchall()]


def _tried(session: Connection, trial: Trial, given: Mapping[str, str]) -> str:
    """What is wrong; nothing where it ended as it has to."""
    try:
        with session.transaction(force_rollback=True):
            claims = {"role": trial.role} | ({"sub": given["me"]} if trial.role == PERSON else {})
            session.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(claims),))
            session.execute(sql.SQL("set local role {}").format(sql.Identifier(trial.role)))
            found = session.execute(trial.statement.encode(), given).rowcount
    except psycopg.errors.InsufficientPrivilege as error:
        return "" if trial.rows == REFUSED else f"{trial.role}, {trial.what}: {error.diag.message_primary}"
    except psycopg.Error as error:
        # A project that is full refuses another row before row security does.
        full = trial.rows == REFUSED and isinstance(error, psycopg.errors.CheckViolation)
        return "" if full else f"{trial.role}, {trial.what}: {error.diag.message_primary}"
    if found == trial.rows:
        return ""
    wanted = "has to be refused" if trial.rows == REFUSED else f"not {trial.rows}"
    return f"{trial.role}, {trial.what}: reaches {found} rows, {wanted}"


@contextmanager
def _undone(session: Connection) -> Iterator[None]:
    with session.transaction(force_rollback=True):
        session.execute("set transaction read write")
        session.execute("set local row_security = on")
        yield
