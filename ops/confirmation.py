"""Asks before a stack is destroyed whose data isn't disposable: a server that was there before us."""

import sys
from typing import Any

import psycopg

import connectionurl
from local import engine

# Seconds; on large tables the server's own estimate does.
LONGEST_COUNT = 5
SETTINGS = f"set row_security = off; set statement_timeout = '{LONGEST_COUNT}s'; set lock_timeout = '1s'"
TABLES = """
select c.oid::regclass::text, greatest(c.reltuples, 1)::bigint
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"""


def ask(stack: str, given: str) -> None:
    """Ask for the stack's name, unless it was given.

    :raises EngineError: where it wasn't, and nobody is there to be asked; or another one was
    """
    if given and given != stack:
        raise engine.EngineError(f"stack {stack}: --confirm names {given!r}; nothing was destroyed")
    if given:
        return
    loss = f"stack {stack}: this destroys {lost(stack)}"
    if not sys.stdin.isatty():
        raise engine.EngineError(
            f"{loss}; confirm with --confirm {stack}, or `make down STACK={stack} CONFIRM={stack}`"
        )
    print(f"{loss}\nType the stack's name to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != stack:
        raise engine.EngineError(f"stack {stack}: not confirmed; nothing was destroyed")


def lost(stack: str) -> str:
    """What goes with a stack on a server of one's own, in words."""
    answer = engine.capture(["config", "get", "database:url", "--stack", stack])
    try:
        parameters = connectionurl.parse(answer.stdout.strip())
    except connectionurl.UrlError:
        return "what it made on a server whose address can't be read"
    try:
        with psycopg.connect(
            connectionurl.compose({"connect_timeout": "10", **parameters}), autocommit=True
        ) as session:
            tables, rows, about = _counted(session)
    except psycopg.Error as error:
        return (
            f"what it made in {connectionurl.place(parameters)}, which can't be asked: {connectionurl.failure(error)}"
        )
    return f"what it made in {connectionurl.place(parameters)}, which has {tables} tables with {about}{rows:,} rows"


def _counted(session: psycopg.Connection[tuple[Any, ...]]) -> tuple[int, int, str]:
    """Tables, their rows, and whether that is an estimate: where they are many, or not all of them can be seen."""
    session.execute(SETTINGS)
    found = session.execute(TABLES).fetchall()
    try:
        # Names come from `regclass`, which quotes them.
        counts = " union all ".join(f"select count(*) from {name}" for name, _ in found)
        rows = (
            session.execute(f"select sum(count)::bigint from ({counts}) as each".encode()).fetchone() if found else None
        )
        return len(found), int(rows[0]) if rows else 0, ""
    except psycopg.Error:
        return len(found), sum(estimate for _, estimate in found), "at least about "
