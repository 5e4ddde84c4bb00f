"""What can go wrong, as the user reads it.

PluginError
├── NotConnected      the server isn't known yet
├── Unreachable       the server doesn't answer, or refuses the login
├── StatementFailed   PostgreSQL refused a statement
│   └── LockRefused   … since another session held a lock; another try can help
└── Refused           we refuse, before anything is touched

`report` decides what of an error may be shown. DETAIL names the object that stands in the way, or prints a row with
whatever secret it holds: which of the two, PostgreSQL's code says.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.errors import Diagnostic

from declared.errors import printable
from plugin.errors import PluginError

HINTS = {
    "42501": "the login lacks the privilege; run as the owner or its member, or give the object to the role that asks",
    "55P03": "another session held the lock too long; run again when it is done",
    "57014": "the statement took longer than its limit",
    "53100": "the server's disk is full; free some space and run again",
    "25001": "give the migration the header line `-- Run: outside a transaction.`",
    "2BP01": "something still depends on it; remove that first",
}
SCHEMA_MISSING = "the search path is empty here: write the name with its schema, as in public.name"
LOCK_CODES = {"55P03", "40P01"}

CUT_OFF = "the server ended the connection; nothing of this migration was kept, run again"

# The codes whose DETAIL names objects: class 42 is about definitions, and 2BP01 and 0A000 say what depends on what.
NAMING = re.compile(r"42...|2BP01|0A000|0LP01|3F000|54000|55000|55006|58P01")
# The class whose DETAIL prints the row; the fields of the message name its table and constraint.
ROWS = "23"
# The class whose message quotes the value that doesn't fit.
VALUES = "22"
# From the first quote to the last one, since the value may have quotes of its own; without quotes what follows a colon,
# and bytes. Which setting or encoding it is for isn't a value, nor is what is wrong with a regular expression.
VALUE = re.compile(
    r"""(?P<kept>\b(?:parameter|option|encoding|column)\ "[\w.]+"|^invalid\ regular\ expression:\ [^"]*$)
      | ["«»„“”](?:.*["«»„“”]|.*)
      | (?<=:\ )(?!["«»„“”]).+
      | 0x[0-9a-f]{2}(?:\ 0x[0-9a-f]{2})*""",
    re.VERBOSE | re.DOTALL,
)
# What a function raises is its author's; what it puts into DETAIL may be a row.
RAISED = {"exec_stmt_raise", "PLy_elog_impl"}
# Nobody is advised to drop what depends on something unseen, or to read the server's log.
USELESS_HINT = re.compile(r"Use DROP \.\.\. CASCADE|See server log")
UNQUALIFIED = re.compile(r"""(relation|type) "[^".]+" does not exist|function "?[^".(]+"?\(.*\) does not exist""")
MISSING_NAME = {"42P01", "42704", "42883"}
# A line of CONTEXT can also be the text of a statement.
IN_FUNCTION = re.compile(
    r"""PL/pgSQL\ function\ (?P<name>(?:[\w$.]|"[^"]*")+(?:\([^()]*\))?)\ line\ (?P<line>\d+)\ at\ [A-Za-z/ ]+
      | compilation\ of\ PL/pgSQL\ function\ "(?P<made>[^"]+)"\ near\ line\ (?P<near>\d+)
      | SQL\ function\ "(?P<sql>[^"]+)"\ statement\ (?P<statement>\d+)""",
    re.VERBOSE,
)
LINES = 5
LONG = 300
NAMED = 5


def few(names: Sequence[str]) -> str:
    """The first of many names, and how many there are besides."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


class NotConnected(PluginError):
    """the server's address isn't known yet; this can't be done in a preview of its creation"""


class Unreachable(PluginError):
    """the server doesn't answer, or refuses the login"""


class StatementFailed(PluginError):
    """PostgreSQL refused a statement"""


class LockRefused(StatementFailed):
    """another session held a lock too long"""


class Refused(PluginError):
    """what was asked for would destroy or overwrite something that isn't ours"""


@dataclass(frozen=True)
class Report:
    """What PostgreSQL says of a failure, as far as it may be shown."""

    code: str
    said: str
    """Its message, in one line, with the code."""
    named: tuple[str, ...]
    """Which objects it is about, and where in a function it happened."""
    advice: tuple[str, ...]
    """What to do."""


def report(diag: Diagnostic, hints: Mapping[str, str] = HINTS) -> Report:
    """What may be shown of an error that the server reported; `hints` are ours, by code."""
    code, primary = diag.sqlstate or "", diag.message_primary or ""
    if code.startswith(VALUES) and diag.source_function not in RAISED:
        # Before it is cut to its length, which may take the last quote.
        primary = VALUE.sub(lambda match: match["kept"] or "…", primary)
    primary = flat(primary)
    named = [*_objects(diag, code, primary), _whereabouts(diag.context or "")]
    advice = _advice(diag, code, primary, hints)
    return Report(code, f"{primary} ({code})", tuple(filter(None, named)), tuple(filter(None, advice)))


def _objects(diag: Diagnostic, code: str, primary: str) -> list[str]:
    if code.startswith(ROWS):
        table = f"{diag.schema_name}.{diag.table_name}" if diag.schema_name and diag.table_name else diag.table_name
        named = (
            ("table", table),
            ("column", diag.column_name),
            ("constraint", diag.constraint_name),
            ("type", diag.datatype_name),
        )
        return [", ".join(f"{word} {name}" for word, name in named if name and f'"{name}"' not in primary)]
    if not NAMING.fullmatch(code) or diag.source_function in RAISED:
        return []
    lines = [flat(line).rstrip(".") for line in (diag.message_detail or "").splitlines()]
    more = [f"and {len(lines) - LINES} more"] if len(lines) > LINES else []
    return lines[:LINES] + more


def _whereabouts(context: str) -> str:
    match = next(filter(None, map(IN_FUNCTION.fullmatch, context.splitlines())), None)
    if match is None:
        return ""
    if match["sql"]:
        return f"in function {match['sql']}, statement {match['statement']}"
    name, line = match["name"] or match["made"], match["line"] or match["near"]
    return f"in the do block, line {line}" if name == "inline_code_block" else f"in function {name}, line {line}"


def _advice(diag: Diagnostic, code: str, primary: str, hints: Mapping[str, str]) -> list[str]:
    if code == "3F000" or (code in MISSING_NAME and UNQUALIFIED.fullmatch(primary)):
        return [SCHEMA_MISSING]
    theirs = flat(diag.message_hint or "")
    if code == "42501" and diag.message_detail:
        # It says who may.
        return [theirs]
    return ["" if USELESS_HINT.match(theirs) else theirs.rstrip("."), hints.get(code, "")]


def flat(text: str) -> str:
    """In one line: a message raised by a function can have line breaks."""
    line = " ".join(text.split())
    return line if len(line) <= LONG else line[:LONG] + "…"


def one_line(error: psycopg.Error, label: str, location: str | None = None, closed: bool = False) -> PluginError:
    """The error as one line: the object, what PostgreSQL said, its code, where, what to do.

    `str(error)` of an error from the server is never used: it repeats the statement, and with it whatever secret it
    held.

    Args:
        error: What psycopg raised.
        label: The object that it is about.
        location: File and line, where there is one.
        closed: Whether the connection is gone.
    """
    where = f", {location}" if location else ""
    if error.diag.message_primary is None:
        gone = closed and isinstance(error, psycopg.OperationalError)
        return StatementFailed(printable(f"{label}: {CUT_OFF if gone else in_its_own_words(str(error))}{where}"))
    found = report(error.diag)
    kind = LockRefused if found.code in LOCK_CODES else StatementFailed
    # A name can hold a line break.
    return kind(printable("; ".join([f"{label}: {found.said}{where}", *found.named, *found.advice])))


def in_its_own_words(text: str) -> str:
    """What the client itself refused, up to its first quote: what it quotes may be a value or a statement."""
    line = (text.strip().splitlines() or ["the client refused it"])[0]
    return flat(re.sub(r"""(?!(?<=n)'t\b)['"].*""", "…", line))
