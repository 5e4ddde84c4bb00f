"""Asks before something is lost for good: a stack whose data isn't disposable, accounts, tokens."""

import asyncio
import sys

import psycopg

from declared import connectionurl
from declared.errors import UserError
from declared.naming import NAMESPACE
from ops import rotation
from ops.errors import CommandError
from provider.steps import losses
from run import engine

# Milliseconds; on large tables the server's own estimate does.
LONGEST_COUNT = 5000
TABLES = """
select n.nspname::text, c.relname::text, greatest(c.reltuples, 1)::bigint
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
    _typed(stack, loss, f"--confirm {stack}, or `make down STACK={stack} CONFIRM={stack}`")


def emptied(stack: str, yes: bool) -> None:
    """Ask for the name of a stack that is to be emptied, unless it was confirmed.

    :raises EngineError: where it wasn't; and where it lives on a server of its own, or its data is to be kept
    """
    target = engine.target(stack)
    if not (target.disposable and engine.embedded(stack)):
        raise engine.EngineError(f"stack {stack} lives on a server of your own, which `reset` empties for nobody")
    if not target.started(stack):
        engine.require(stack)
    engine.refuse_protected(stack)
    if not yes:
        _typed(stack, f"stack {stack}: this deletes its whole database and all its files", "--yes")


def _typed(stack: str, loss: str, option: str, done: str = "destroyed") -> None:
    if not sys.stdin.isatty():
        raise engine.EngineError(f"{loss}; confirm with {option}")
    print(f"{loss}\nType the stack's name to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != stack:
        raise engine.EngineError(f"stack {stack}: not confirmed; nothing was {done}")


def named(stack: str, change: str, given: str) -> None:
    """Ask for the stack's name before data is changed, unless it was given.

    :raises EngineError: where it wasn't, and nobody is there to be asked; or another one was
    """
    if given and given != stack:
        raise engine.EngineError(f"stack {stack}: --confirm names {given!r}; nothing was changed")
    if not given:
        _typed(stack, change, f"--confirm {stack}", "changed")


def sure(loss: str, yes: bool) -> None:
    """Ask whether to go on, unless it was said already.

    :raises CommandError: where it wasn't, and nobody is there to be asked; or the answer is no
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(f"{loss}; confirm with --yes")
    print(f"{loss}\nType yes to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise CommandError("not confirmed; nothing was deleted")


def lost(stack: str) -> str:
    """What goes with a stack whose data isn't disposable, in words: by `database:url`, else by the stack's outputs."""
    try:
        parameters = _provisioning(stack)
    except UserError:
        return "what it made on a server whose address can't be read"
    database = connectionurl.describe(parameters)
    try:
        tables, rows, exact = asyncio.run(counted({"connect_timeout": "10", **parameters}))
    except psycopg.Error as error:
        return f"what it made in {database}, which can't be asked: {connectionurl.failure(error)}"
    about = "" if exact else "at least about "
    return f"what it made in {database}, which has {tables} tables with {about}{rows:,} rows"


def _provisioning(stack: str) -> connectionurl.Parameters:
    if engine.embedded(stack):
        return rotation.provisioning(stack)
    answer = engine.capture(["config", "get", f"{NAMESPACE}:url", "--stack", stack])
    return connectionurl.parse(answer.stdout.strip())


async def counted(parameters: connectionurl.Parameters) -> tuple[int, int, bool]:
    """Tables, their rows, and whether these are no estimate: where they are many, or not all of them can be seen."""
    url = connectionurl.compose(parameters)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        found = await (await connection.execute(TABLES)).fetchall()
        rows = await losses.count(connection, [(schema, name) for schema, name, _ in found], LONGEST_COUNT)
        estimate = sum(estimate for *_, estimate in found)
        return len(found), estimate if rows is None else rows, rows is not None
