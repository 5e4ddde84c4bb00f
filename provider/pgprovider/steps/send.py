"""SQL to the server as it stands in a file, and what the server says against it, with file and line."""

import re
from dataclasses import dataclass

import psycopg
from psycopg import generators, pq, sql

from pgprovider.connection import Connection
from pgprovider.errors import CUT_OFF, HINTS, LockRefused, StatementFailed
from pgprovider.steps import locks
from sqltext import statements

Policy = tuple[str, str]
"""Table, as PostgreSQL spells it, and name."""
DEPENDED_ON = "2BP01"
POLICY = re.compile(r"policy (?P<name>.+) on table (?P<table>\S+) depends on ")
LOCK_CODES = {"55P03", "40P01"}
# What a step meets where its objects were made by hand.
THERE_ALREADY = "it is there already: where an earlier hand made it, `python -m ops migrate adopt` records the step"
STEP_HINTS = HINTS | dict.fromkeys(("42P06", "42P07", "42701", "42710", "42723"), THERE_ALREADY)
COPY: dict[int, str] = {
    pq.ExecStatus.COPY_IN: "takes rows from its input; write insert instead",
    pq.ExecStatus.COPY_OUT: "gives rows to its output, which nobody reads; leave it out",
}
SETTINGS = "reset all; set search_path = ''; set client_min_messages = warning; set lock_timeout = {}"
# What else of a step would stay in the session, and be in the way of the next one.
LEFT_OVER = "close all; deallocate all; discard temp; "


@dataclass(frozen=True)
class Piece:
    """A file or one statement of it, with what is sent around it in the same message."""

    step: str
    path: str
    text: str
    line: int = 1
    before: str = ""
    """One line of statements, each with its semicolon."""
    after: str = ""

    @property
    def message(self) -> str:
        # The file may end in a comment, or without a semicolon.
        return self.before + self.text + (f"\n;{self.after}" if self.after else "")


class Failed(StatementFailed):
    """A statement that failed, with its code; `FailedLock` where another try can help."""

    code = ""
    policies: tuple[Policy, ...] = ()
    """The row policies that need what it takes away, where nothing else does."""


class FailedLock(Failed, LockRefused):
    """a lock was held too long"""


def settled(connection: Connection, seconds: float) -> str:
    """The session as it is at its start, whatever a file has set or left in it meanwhile."""
    timeout = sql.Literal(f"{round(seconds * 1000)}ms").as_string(connection)
    return "reset role; " + LEFT_OVER + SETTINGS.format(timeout)


def acting(connection: Connection, role: str | None, local: bool) -> str:
    """The role and settings that a step runs with, until the end of its transaction or of the session's `settled`."""
    scope = "local " if local else ""
    name = sql.Identifier(role).as_string(connection) if role else ""
    # Row security binds the owner too: a step that would change no row in silence fails instead.
    return (f"set {scope}role {name}; " if role else "") + f"set {scope}row_security = off; "


async def send(connection: Connection, piece: Piece, watch: locks.Watch, doing: str = "") -> int:
    """Send it in one message; the rows that its last statement changed.

    :raises Failed: with the line of the statement that PostgreSQL refused
    """
    pgconn = connection.pgconn
    watch.begin(doing)
    try:
        pgconn.send_query(piece.message.encode())
        await connection.wait(generators.send(pgconn))
        done, changed = 0, 0
        failed: pq.abc.PGresult | None = None
        while (result := await _next(connection, failed)) is not None:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                failed = result
            elif result.status in COPY:
                await connection.close()
                raise StatementFailed(f"step {piece.step}: a copy in {piece.path} {COPY[result.status]}")
            else:
                done, changed = done + 1, result.command_tuples or changed
                watch.statement = done - piece.before.count(";") + 1
    finally:
        watch.end()
    if failed is not None:
        raise _failure(failed, piece, done)
    return changed


async def _next(connection: Connection, failed: pq.abc.PGresult | None) -> pq.abc.PGresult | None:
    try:
        return await connection.wait(generators.fetch(connection.pgconn))
    except psycopg.OperationalError:
        # A session that was ended by hand says so first.
        if failed is None:
            raise
        return None


def _failure(result: pq.abc.PGresult, piece: Piece, done: int) -> Failed:
    def said(field: pq.DiagnosticField) -> str:
        return (result.error_field(field) or b"").decode(errors="replace")

    position = said(pq.DiagnosticField.STATEMENT_POSITION)
    parts = statements(piece.text)
    number = done - piece.before.count(";")
    line = piece.line
    if position and int(position) > len(piece.before):
        line += piece.text.count("\n", 0, int(position) - len(piece.before) - 1)
    elif 0 <= number < len(parts):
        line += parts[number].line - 1
    code = said(pq.DiagnosticField.SQLSTATE)
    where = f"{piece.path}:{line}"
    if not code:
        return Failed(f"step {piece.step}: {CUT_OFF}, {where}")
    primary = " ".join(said(pq.DiagnosticField.MESSAGE_PRIMARY).split())
    hint = STEP_HINTS.get(code, "nothing of this step was kept")
    kind = FailedLock if code in LOCK_CODES else Failed
    failure = kind(f"step {piece.step}: {primary} ({code}), {where}; {hint}")
    failure.code = code
    if code == DEPENDED_ON:
        failure.policies = _policies(said(pq.DiagnosticField.MESSAGE_DETAIL))
    return failure


def _policies(detail: str) -> tuple[Policy, ...]:
    found = [POLICY.match(line) for line in detail.splitlines()]
    return tuple(dict.fromkeys((match["table"], match["name"]) for match in found if match)) if all(found) else ()


def reworded(failure: Failed, hint: str) -> Failed:
    """The same failure with another word on what to do."""
    text = str(failure).rpartition("; ")[0]
    new = type(failure)(f"{text}; {hint}")
    new.code = failure.code
    return new
