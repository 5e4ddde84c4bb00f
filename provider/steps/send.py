"""SQL to the server as it stands in a file, and what the server says against it, with file and line."""

import re
from dataclasses import dataclass

import psycopg
from psycopg import generators, pq, sql
from psycopg.errors import Diagnostic

from declared.sqltext import statements
from provider.connection import Connection
from provider.errors import CUT_OFF, HINTS, LOCK_CODES, LockRefused, StatementFailed, in_its_own_words, report
from provider.steps import locks
from provider.steps.carried import PolicyKey
from provider.steps.notices import TRUNCATED

# 0A000 is what `alter column type` says of the first policy that it meets.
DEPENDED_ON = {"2BP01", "0A000"}
POLICY, ON_TABLE, DEPENDS = "policy ", " on table ", " depends on "
QUALIFIED = re.compile(r'(?:"(?:[^"]|"")+"|[^".]+)\.(?:"(?:[^"]|"")+"|[^".]+)')
# PostgreSQL names a hundred at most.
MORE = re.compile(r"and \d+ other objects? \(")
# What a migration meets where its objects were made manually.
THERE_ALREADY = "it is there already: where another migration tool made it, `./vpb migrate adopt` records the migration"
IN_THE_WAY = (
    "drop what depends on it in this migration, before the statement, and create it again after it; "
    "a function whose arguments and result stay can be replaced as it is: `create or replace function`"
)
STEP_HINTS = HINTS | {"2BP01": IN_THE_WAY} | dict.fromkeys(("42P06", "42P07", "42701", "42710", "42723"), THERE_ALREADY)
KEPT = "nothing of this migration was kept"
COPY: dict[int, str] = {
    pq.ExecStatus.COPY_IN: "takes rows from its input; write insert instead",
    pq.ExecStatus.COPY_OUT: "gives rows to its output, which nobody reads; leave it out",
}
SETTINGS = (
    "set search_path = ''; set client_min_messages = notice; set standard_conforming_strings = on; "
    "set quote_all_identifiers = off; "
)
# A login can have limits of its own, made for the app. A migration sets the ones that it wants.
LIMITS = ("statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")
TRANSACTION_LIMIT, SINCE = "transaction_timeout", 170000
# What else of a migration would stay in the session, and be in the way of the next one.
LEFT_OVER = "close all; deallocate all; discard temp; unlisten *"


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
    joined: tuple["Piece", ...] = ()
    """The pieces that the text is made of, where it is more than one."""

    @property
    def message(self) -> str:
        # The file may end in a comment, or without a semicolon.
        return self.before + self.text + (f"\n;{self.after}" if self.after else "")

    def step_of(self, statement: int, notice: Diagnostic) -> str:
        """The migration that a notice is about, heard while the server is at a statement of the text."""
        if notice.sqlstate == TRUNCATED:  # all of a message is read before its first statement runs
            name = (notice.message_primary or "").partition('"')[2].partition('"')[0]
            return next((piece.step for piece in self.joined if name.lower() in piece.text.lower()), self.step)
        last = 0
        for piece in self.joined:
            last += piece.before.count(";") + len(statements(piece.text)) + piece.after.count(";") + 1
            if statement <= last:
                return piece.step
        return self.step


class Failed(StatementFailed):
    """A statement that failed, with its code; `FailedLock` where another try can help."""

    code = ""
    what = ""
    """The message without the word on what is kept and what to do."""
    policies: tuple[PolicyKey, ...] = ()
    """The row policies that need what it takes away, where nothing else does."""


class FailedLock(Failed, LockRefused):
    """a lock was held too long"""


def session_reset(connection: Connection, seconds: float) -> str:
    """The session as it is at its start, whatever a file has set or left in it meanwhile."""
    timeout = sql.Literal(f"{round(seconds * 1000)}ms").as_string(connection)
    settings = f"reset all; {session_settings(connection)}; set lock_timeout = {timeout}"
    return f"reset session authorization; reset role; {LEFT_OVER}; {settings}"


def session_settings(connection: Connection) -> str:
    """The settings of a session that runs migrations, except for how long it waits for a lock."""
    names = [*LIMITS, *([TRANSACTION_LIMIT] if connection.info.server_version >= SINCE else [])]
    return SETTINGS + "; ".join(f"set {name} = 0" for name in names)


def acting(connection: Connection, role: str | None, local: bool) -> str:
    """The role and settings that a migration runs with, until the end of its transaction or of the session's
    `session_reset`."""
    scope = "local " if local else ""
    name = sql.Identifier(role).as_string(connection) if role else ""
    # Row security binds the owner too: a migration that would change no row in silence fails instead.
    return (f"set {scope}role {name}; " if role else "") + f"set {scope}row_security = off; "


async def send(connection: Connection, piece: Piece, watch: locks.Watch, doing: str = "") -> int:
    """Send it in one message; the rows that its last statement changed.

    :raises Failed: with the line of the statement that PostgreSQL refused
    """
    with watch.notices.heard(connection, lambda notice: piece.step_of(watch.statement, notice)):
        try:
            return await _send(connection, piece, watch, doing)
        finally:
            await watch.notices.report()


async def _send(connection: Connection, piece: Piece, watch: locks.Watch, doing: str) -> int:
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
                raise StatementFailed(f"migration {piece.step}: a copy in {piece.path} {COPY[result.status]}")
            else:
                done, changed = done + 1, result.command_tuples or changed
                watch.statement = done - piece.before.count(";") + 1
    finally:
        watch.end()
    if failed is not None:
        raise _failure(connection, failed, piece, done)
    return changed


async def _next(connection: Connection, failed: pq.abc.PGresult | None) -> pq.abc.PGresult | None:
    try:
        return await connection.wait(generators.fetch(connection.pgconn))
    except psycopg.OperationalError:
        # A session that was ended manually says so first.
        if failed is None:
            raise
        return None


def _failure(connection: Connection, result: pq.abc.PGresult, piece: Piece, done: int) -> Failed:
    position = (result.error_field(pq.DiagnosticField.STATEMENT_POSITION) or b"").decode()
    parts = statements(piece.text)
    number = done - piece.before.count(";")
    line = piece.line
    if position and int(position) > len(piece.before):
        line += piece.text.count("\n", 0, int(position) - len(piece.before) - 1)
    elif 0 <= number < len(parts):
        line += parts[number].line - 1
    where = f"{piece.path}:{line}"
    diag = Diagnostic(result, "utf-8")
    if not diag.sqlstate:
        gone = connection.closed
        said = CUT_OFF if gone else in_its_own_words(_text(result))
        return _failed(Failed, f"migration {piece.step}: {said}, {where}")
    depended = " depends on " in (diag.message_detail or "")
    found = report(diag, STEP_HINTS | ({"0A000": IN_THE_WAY} if depended else {}))
    failure = _failed(
        FailedLock if found.code in LOCK_CODES else Failed,
        "; ".join([f"migration {piece.step}: {found.said}, {where}", *found.named]),
        "; ".join(found.advice) or KEPT,
    )
    failure.code = found.code
    if found.code in DEPENDED_ON:
        failure.policies = _policies(diag.message_detail or "")
    return failure


def _text(result: pq.abc.PGresult) -> str:
    return result.error_message.decode(errors="replace")


def _failed(kind: type[Failed], what: str, hint: str = "") -> Failed:
    failure = kind(f"{what}; {hint}" if hint else what)
    failure.what = what
    return failure


def _policies(detail: str) -> tuple[PolicyKey, ...]:
    """Table and name of each; more than one pair where names have such words in them, and only one of them is there."""
    lines = detail.splitlines()
    if len(lines) > 1 and MORE.match(lines[-1]):
        lines.pop()
    found = [_read(line) for line in lines]
    return tuple(dict.fromkeys(policy for each in found for policy in each)) if all(found) else ()


def _read(line: str) -> list[PolicyKey]:
    if not line.startswith(POLICY):
        return []
    ends = [match.start() for match in re.finditer(DEPENDS, line)]
    middles = [match.start() for match in re.finditer(f"(?={ON_TABLE})", line)]
    pairs = [(line[middle + len(ON_TABLE) : end], line[len(POLICY) : middle]) for end in ends for middle in middles]
    return [(table, name) for table, name in pairs if QUALIFIED.fullmatch(table) and name]


def reworded(failure: Failed, hint: str) -> Failed:
    """The same failure with another word on what to do."""
    new = _failed(type(failure), failure.what, hint)
    new.code = failure.code
    return new
